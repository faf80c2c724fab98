/**
 * @import { Point } from "./sheet.js"
 */

/** @returns {Point[][]} the strokes of a 3, to begin with */
export function three() {
  /** @type {(y: number, size: number, from: number, to: number) => Point[]} */
  const arc = (y, size, from, to) =>
    Array.from({ length: 25 }, (_, n) => {
      const angle = from + ((to - from) * n) / 24;
      return [135 + size * Math.cos(angle), y + size * Math.sin(angle)];
    });
  return [[...arc(90, 48, -2.6, 1.4), ...arc(192, 56, -1.5, 2.5)]];
}
