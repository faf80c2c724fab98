/**
 * The sheet that is drawn on with a round pen, kept as strokes, so that one can be taken back, and as ink.
 *
 * @import { Field } from "./form.js"
 * @typedef {[x: number, y: number]} Point from the upper left corner, y downward
 */

import { field } from "./form.js";

export const SIDE = 280;
const RADIUS = 11; // of the pen

export class Sheet {
  /** @type {Point[][]} */
  strokes = [];
  /** @type {Field} */
  ink = field(SIDE, SIDE);

  /** @param {Point} point where a stroke begins */
  begin(point) {
    this.strokes.push([point]);
    this.#draw(point, point);
  }

  /** @param {Point} point where the last stroke goes on to */
  go(point) {
    const stroke = this.strokes[this.strokes.length - 1];
    this.#draw(stroke[stroke.length - 1], point);
    stroke.push(point);
  }

  /** @param {Point[][]} strokes what is drawn in place of all that was */
  show(strokes) {
    this.strokes = strokes;
    this.ink.data.fill(0);
    for (const stroke of strokes) {
      stroke.forEach((point, n) => this.#draw(stroke[Math.max(0, n - 1)], point));
    }
  }

  /**
   * Gives each pixel the ink that a line leaves on it: 1 within the pen, and less where its edge passes through; in steps of
   * 1/255, as a picture of the sheet has it.
   * @param {Point} from
   * @param {Point} to
   */
  #draw([x0, y0], [x1, y1]) {
    /** @type {(a: number, b: number) => [number, number]} */
    const range = (a, b) => [
      Math.max(0, Math.floor(Math.min(a, b) - RADIUS - 1)),
      Math.min(SIDE, Math.ceil(Math.max(a, b) + RADIUS + 1)),
    ];
    const [[left, right], [top, bottom]] = [range(x0, x1), range(y0, y1)];
    const [dx, dy] = [x1 - x0, y1 - y0];
    const length = dx ** 2 + dy ** 2 || 1;
    for (let row = top; row < bottom; row++) {
      for (let column = left; column < right; column++) {
        const [x, y] = [column + 0.5 - x0, row + 0.5 - y0];
        const along = Math.min(Math.max((x * dx + y * dy) / length, 0), 1);
        const distance = Math.hypot(x - along * dx, y - along * dy);
        const value = Math.round(255 * Math.min(Math.max(RADIUS + 0.5 - distance, 0), 1)) / 255;
        const n = row * SIDE + column;
        if (value > this.ink.data[n]) this.ink.data[n] = value;
      }
    }
  }
}
