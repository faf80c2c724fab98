/**
 * A drawing brought into the form of MNIST's digits, by the rule of stages/shared/drawings.py for a clean ground:
 * faint ink is left out; what is left is cut out, scaled to fit a box of 20 x 20, and moved in a field of 28 x 28 by
 * whole pixels so that its center of mass is in the middle.
 *
 * @typedef {object} Field what is at (row, column) is data[row * width + column]
 * @property {number} height
 * @property {number} width
 * @property {Float32Array} data
 * @typedef {{kept: Field, cut: Field, scaled: Field, digit: Field}} Steps
 */

const NOISE = 0.2; // as a share of the strongest ink
const BOX = 20;
const SIDE = 28;
const CENTER = 14;

/**
 * @param {number} height
 * @param {number} width
 * @returns {Field} all 0
 */
export function field(height, width) {
  return { height, width, data: new Float32Array(height * width) };
}

/**
 * @param {Field} ink how far each pixel is from the ground, from 0 to 1
 * @returns {Steps | null} what is made of it, step by step; null if there is no ink
 */
export function intoForm(ink) {
  const strongest = largest(ink);
  if (strongest < 0.1) return null;
  const kept = { ...ink, data: ink.data.map((value) => (value >= NOISE * strongest ? value : 0)) };
  const cut = cutOut(kept);
  const longer = Math.max(cut.height, cut.width);
  const [height, width] = [cut.height, cut.width].map((side) => Math.max(1, roundHalfEven((BOX * side) / longer)));
  const scaled = resized(cut, height, width);
  return { kept, cut, scaled, digit: centered(scaled) };
}

/**
 * @param {Field} ink
 * @returns {number} the strongest ink
 */
function largest({ data }) {
  return data.reduce((a, b) => Math.max(a, b), 0);
}

/**
 * @param {number} x
 * @returns {number} the nearest integer, of two the even one, as Python's round gives it
 */
function roundHalfEven(x) {
  const below = Math.floor(x);
  return x - below === 0.5 ? below + (below % 2 ? 1 : 0) : Math.round(x);
}

/**
 * @param {Field} ink
 * @returns {Field} the smallest rectangle that has all of it
 */
function cutOut({ height, width, data }) {
  let [top, bottom, left, right] = [height, 0, width, 0];
  data.forEach((value, n) => {
    if (value === 0) return;
    const [row, column] = [Math.floor(n / width), n % width];
    [top, bottom] = [Math.min(top, row), Math.max(bottom, row + 1)];
    [left, right] = [Math.min(left, column), Math.max(right, column + 1)];
  });
  const cut = field(bottom - top, right - left);
  for (let row = 0; row < cut.height; row++) {
    const from = (top + row) * width;
    cut.data.set(data.subarray(from + left, from + right), row * cut.width);
  }
  return cut;
}

/**
 * @param {Field} image
 * @param {number} height
 * @param {number} width
 * @returns {Field} it in this size, by a Hamming window in each direction, as Pillow does it
 */
function resized(image, height, width) {
  return transposed(resizedRows(transposed(resizedRows(image, width)), height));
}

/**
 * @param {Field} image
 * @returns {Field}
 */
function transposed({ height, width, data }) {
  return { height: width, width: height, data: data.map((_, n) => data[(n % height) * width + Math.floor(n / height)]) };
}

/**
 * @param {Field} image
 * @param {number} width
 * @returns {Field} the image with each row in this width
 */
function resizedRows(image, width) {
  const scale = image.width / width;
  const reach = Math.max(scale, 1);
  const result = field(image.height, width);
  for (let column = 0; column < width; column++) {
    const center = (column + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - reach + 0.5));
    const end = Math.min(image.width, Math.trunc(center + reach + 0.5));
    const weights = Array.from({ length: end - first }, (_, n) => hamming((first + n - center + 0.5) / reach));
    const sum = weights.reduce((a, b) => a + b);
    for (let row = 0; row < image.height; row++) {
      const from = row * image.width + first;
      result.data[row * width + column] = weights.reduce((a, w, n) => a + (w / sum) * image.data[from + n], 0);
    }
  }
  return result;
}

/**
 * @param {number} x
 * @returns {number} the window at x, 0 from 1 on
 */
function hamming(x) {
  const angle = Math.PI * Math.abs(x);
  if (angle === 0) return 1;
  return Math.abs(x) >= 1 ? 0 : (Math.sin(angle) / angle) * (0.54 + 0.46 * Math.cos(angle));
}

/**
 * Adds numbers up in the order in which NumPy does. The middle of a symmetric drawing lies between two pixels or on one,
 * and then the last bit of a sum says which way it is rounded.
 * @param {Float32Array | Float64Array} values
 * @param {(x: number) => number} round to the precision of the sum
 * @returns {number}
 */
function sum(values, round = (x) => x) {
  const count = values.length;
  if (count > 128) {
    const half = Math.floor(count / 16) * 8;
    return round(sum(values.subarray(0, half), round) + sum(values.subarray(half), round));
  }
  const whole = count < 8 ? 0 : count - (count % 8);
  /** @type {(from: number) => number} */
  const strided = (from) => {
    let total = values[from];
    for (let n = from + 8; n < whole; n += 8) total = round(total + values[n]);
    return total;
  };
  let total = 0;
  if (whole) {
    const [a, b, c, d, e, f, g, h] = [0, 1, 2, 3, 4, 5, 6, 7].map(strided);
    total = round(round(round(a + b) + round(c + d)) + round(round(e + f) + round(g + h)));
  }
  for (let n = whole; n < count; n++) total = round(total + values[n]);
  return total;
}

/**
 * @param {Field} digit
 * @returns {Field} it in 28 x 28, its center of mass in the middle, its strongest ink 1, in steps of 1/255
 */
function centered({ height, width, data }) {
  const mass = sum(data, Math.fround);
  const rows = sum(Float64Array.from(data, (value, n) => value * Math.floor(n / width)));
  const columns = sum(Float64Array.from(data, (value, n) => value * (n % width)));
  /** @type {(middle: number, side: number) => number} */
  const margin = (middle, side) => Math.min(Math.max(roundHalfEven(CENTER - middle), 0), SIDE - side);
  const [top, left] = [margin(rows / mass, height), margin(columns / mass, width)];
  const strongest = largest({ height, width, data });
  const result = field(SIDE, SIDE);
  data.forEach((value, n) => {
    const at = (top + Math.floor(n / width)) * SIDE + left + (n % width);
    result.data[at] = roundHalfEven(Math.fround(255 * Math.fround(value / strongest))) / 255;
  });
  return result;
}
