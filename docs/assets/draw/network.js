/**
 * The network 784-10-10 with the names and formulas of the derivations: forward, backward, a step, mini-batches.
 *
 * @import { Matrix } from "./matrices.js"
 * @typedef {{W1: Matrix, b1: Matrix, W2: Matrix, b2: Matrix}} Parameters
 * @typedef {{Z1: Matrix, A1: Matrix, Z2: Matrix, A2: Matrix}} Forward
 * @typedef {{dW1: Matrix, db1: Matrix, dW2: Matrix, db2: Matrix}} Gradients
 * @typedef {Gradients & {dZ2: Matrix, dA1: Matrix, dZ1: Matrix, dX: Matrix | null}} Backward
 * @typedef {() => number} Random returns a number from 0 to 1, without 1
 */

import { columns, map, product, productWithTranspose, rowSums, transposeProduct, zeros } from "./matrices.js";

export const INPUTS = 784;
export const UNITS = 10;
export const CLASSES = 10;

/**
 * @param {Matrix} W
 * @param {Matrix} X
 * @param {Matrix} b
 * @returns {Matrix} W X + b, with b added to each column
 */
function affine(W, X, b) {
  return map(product(W, X), (z, n) => z + b.data[n % b.rows]);
}

/**
 * @param {Matrix} Z
 * @returns {Matrix} max(Z, 0)
 */
function relu(Z) {
  return map(Z, (z) => Math.max(z, 0));
}

/**
 * @param {Matrix} Z
 * @param {boolean} stable whether the largest entry of each column is subtracted first
 * @returns {Matrix} the softmax of each column
 */
export function softmax(Z, stable = true) {
  const A = zeros(Z.rows, Z.columns);
  for (let k = 0; k < Z.columns; k++) {
    const z = Z.data.subarray(k * Z.rows, (k + 1) * Z.rows);
    const largest = stable ? Math.max(...z) : 0;
    const exponentials = Float64Array.from(z, (entry) => Math.exp(entry - largest));
    const sum = exponentials.reduce((a, b) => a + b);
    A.data.set(exponentials.map((entry) => entry / sum), k * Z.rows);
  }
  return A;
}

/**
 * @param {ArrayLike<number>} y
 * @returns {Matrix} a column for each label, with 1 in its row
 */
export function oneHot(y) {
  const Y = zeros(CLASSES, y.length);
  for (let k = 0; k < y.length; k++) Y.data[y[k] + k * CLASSES] = 1;
  return Y;
}

/**
 * @param {Forward} pass
 * @param {ArrayLike<number>} y
 * @param {boolean} stable whether it is taken from the logits, as log of the sum of e^z minus z_y, or as -log A2
 * @returns {number} J, the mean of the cross-entropy
 */
export function crossEntropy({ Z2, A2 }, y, stable = true) {
  let sum = 0;
  for (let k = 0; k < y.length; k++) {
    const z = Z2.data.subarray(k * Z2.rows, (k + 1) * Z2.rows);
    const largest = Math.max(...z);
    let exponentials = 0;
    for (const entry of z) exponentials += Math.exp(entry - largest);
    sum += stable ? Math.log(exponentials) + (largest - z[y[k]]) : -Math.log(A2.data[y[k] + k * A2.rows]);
  }
  return sum / y.length;
}

/**
 * @param {Parameters} parameters
 * @param {Matrix} X a column for each image
 * @param {boolean} stable as in softmax
 * @returns {Forward}
 */
export function forward({ W1, b1, W2, b2 }, X, stable = true) {
  const Z1 = affine(W1, X, b1);
  const A1 = relu(Z1);
  const Z2 = affine(W2, A1, b2);
  const A2 = softmax(Z2, stable);
  return { Z1, A1, Z2, A2 };
}

/**
 * @param {Parameters} parameters
 * @param {Matrix} X
 * @param {Forward} pass what forward returned for X
 * @param {Matrix} Y one column for each label
 * @param {object} options
 * @param {boolean} [options.mean] whether the gradient is divided by m, the number of examples
 * @param {boolean} [options.byInput] whether dX is wanted
 * @returns {Backward}
 */
export function backward({ W1, W2 }, X, { A1, A2 }, Y, { mean = true, byInput = true } = {}) {
  const m = mean ? X.columns : 1;
  const dZ2 = map(A2, (a, n) => (a - Y.data[n]) / m);
  const dW2 = productWithTranspose(dZ2, A1);
  const db2 = rowSums(dZ2);
  const dA1 = transposeProduct(W2, dZ2);
  const dZ1 = map(dA1, (d, n) => (A1.data[n] > 0 ? d : 0));
  const dW1 = productWithTranspose(dZ1, X);
  const db1 = rowSums(dZ1);
  const dX = byInput ? transposeProduct(W1, dZ1) : null;
  return { dZ2, dW2, db2, dA1, dZ1, dW1, db1, dX };
}

/**
 * @param {Parameters} parameters
 * @param {Gradients} gradients
 * @param {number} rate
 * @returns {Parameters} those after a step of gradient descent
 */
export function step({ W1, b1, W2, b2 }, { dW1, db1, dW2, db2 }, rate) {
  /** @type {(theta: Matrix, gradient: Matrix) => Matrix} */
  const moved = (theta, gradient) => map(theta, (entry, n) => entry - rate * gradient.data[n]);
  return { W1: moved(W1, dW1), b1: moved(b1, db1), W2: moved(W2, dW2), b2: moved(b2, db2) };
}

/**
 * @param {Random} random
 * @param {number} low
 * @param {number} high
 * @returns {Parameters} each drawn from between low and high
 */
export function start(random, low, high) {
  /** @type {(rows: number, columns: number) => Matrix} */
  const drawn = (rows, columns) => map(zeros(rows, columns), () => low + (high - low) * random());
  return { W1: drawn(UNITS, INPUTS), b1: drawn(UNITS, 1), W2: drawn(CLASSES, UNITS), b2: drawn(CLASSES, 1) };
}

/**
 * @param {Matrix} X
 * @param {Uint8Array} y
 * @param {number} size of a batch; the last one of an epoch may be smaller
 * @param {Random} random
 * @returns {Generator<{X: Matrix, y: Uint8Array}, void>} the batches of an epoch, each example once
 */
export function* batches(X, y, size, random) {
  const order = Uint16Array.from(y, (_, k) => k);
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor((last + 1) * random());
    [order[last], order[other]] = [order[other], order[last]];
  }
  for (let first = 0; first < order.length; first += size) {
    const chosen = order.subarray(first, first + size);
    yield { X: columns(X, chosen), y: Uint8Array.from(chosen, (k) => y[k]) };
  }
}

/**
 * @param {number} seed
 * @returns {Random} the same numbers for the same seed: Marsaglia's xorshift with 32 bits
 */
export function seeded(seed) {
  let state = (seed * 2654435761 + 1) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
