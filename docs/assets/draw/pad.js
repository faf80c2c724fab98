/**
 * What one draws on: a sheet on a canvas, and a pen moved by the mouse, a finger or keys.
 *
 * @import { Point } from "./sheet.js"
 * @typedef {object} Listener
 * @property {() => void} changed there is something new on the sheet
 * @property {() => void} cleared it was made empty
 * @property {(text: string) => void} tell what is said to those who do not see
 */

import { paintInk } from "./pictures.js";
import { Sheet, SIDE } from "./sheet.js";

const [LONG_MOVE, SHORT_MOVE] = [14, 4]; // of the pen by a key

/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Pad {
  sheet = new Sheet();
  /** The pen that keys move. */
  pen = { x: SIDE / 2, y: SIDE / 2, down: false };

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {HTMLElement} mark that shows where the pen is
   * @param {Listener} listener
   */
  constructor(canvas, mark, listener) {
    this.canvas = canvas;
    this.mark = mark;
    this.listener = listener;
    this.#listenToThePointer();
    canvas.addEventListener("keydown", (event) => this.#press(event));
    canvas.addEventListener("focus", () => this.#showPen());
    canvas.addEventListener("blur", () => this.lift());
  }

  paint() {
    paintInk(this.canvas, this.sheet.ink);
  }

  /** @param {Point[][]} strokes what is drawn in place of all that was */
  show(strokes) {
    this.lift();
    this.sheet.show(strokes);
    this.listener.changed();
  }

  takeBack() {
    this.show(this.sheet.strokes.slice(0, -1));
  }

  clear() {
    this.show([]);
    this.listener.cleared();
  }

  lift() {
    this.pen.down = false;
    this.#showPen();
  }

  #showPen() {
    this.mark.hidden = document.activeElement !== this.canvas;
    this.mark.style.cssText = `left: ${(100 * this.pen.x) / SIDE}%; top: ${(100 * this.pen.y) / SIDE}%`;
    this.mark.classList.toggle("down", this.pen.down);
  }

  /**
   * @param {MouseEvent} event
   * @returns {Point}
   */
  #pointOf(event) {
    const box = this.canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
  }

  #listenToThePointer() {
    let down = false;
    this.canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.canvas.setPointerCapture(event.pointerId);
      down = true;
      this.lift();
      this.sheet.begin(this.#pointOf(event));
      this.listener.changed();
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (!down) return;
      const events = event.getCoalescedEvents?.() ?? [];
      for (const each of events.length ? events : [event]) this.sheet.go(this.#pointOf(each));
      this.listener.changed();
    });
    this.canvas.addEventListener("pointerup", () => (down = false));
    this.canvas.addEventListener("pointercancel", () => (down = false));
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const { pen } = this;
    if (event.key in ARROWS) {
      const [dx, dy] = ARROWS[event.key].map((sign) => sign * (event.shiftKey ? SHORT_MOVE : LONG_MOVE));
      [pen.x, pen.y] = [pen.x + dx, pen.y + dy].map((place) => Math.min(Math.max(place, 0), SIDE));
      if (pen.down) this.sheet.go([pen.x, pen.y]);
    } else if (event.key === " ") {
      pen.down = !pen.down;
      if (pen.down) this.sheet.begin([pen.x, pen.y]);
      this.listener.tell(pen.down ? "The pen is down" : "The pen is up");
    } else if (event.key === "Backspace") {
      this.takeBack();
    } else if (event.key === "Delete") {
      this.clear();
    } else {
      return;
    }
    event.preventDefault();
    this.#showPen();
    if (pen.down) this.listener.changed();
  }
}
