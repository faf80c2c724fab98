/**
 * Each quantity with its numbers put in, for one unit j, one class i and one pixel p.
 *
 * @import { Backward, Forward, Parameters } from "./network.js"
 * @import { Matrix } from "./matrices.js"
 * @typedef {object} Numbers
 * @property {Parameters} parameters
 * @property {Matrix} X one column
 * @property {Forward} pass
 * @property {Backward | null} gradients null without a digit
 * @property {number} label what the digit was meant to be
 * @property {number} j the unit
 * @property {number} i the class
 * @property {number} p the pixel
 */

import { number as n } from "./pictures.js";

/**
 * @param {number} x
 * @returns {string} in brackets if it is below 0
 */
function factor(x) {
  return x < 0 ? `(${n(x)})` : n(x);
}

/**
 * @param {ArrayLike<number>} a
 * @param {ArrayLike<number>} b
 * @returns {string} the sum of their products, as far as these are not 0
 */
function products(a, b) {
  const terms = Array.from(a, (x, k) => (x === 0 || b[k] === 0 ? "" : `${factor(x)} · ${factor(b[k])}`)).filter(Boolean);
  return terms.join(" + ") || "0";
}

/**
 * @param {Matrix} A
 * @param {number} row
 * @returns {Float64Array} a row of it
 */
function row(A, row) {
  return Float64Array.from({ length: A.columns }, (_, k) => A.data[row + k * A.rows]);
}

/**
 * @param {Matrix} A
 * @param {number} column
 * @returns {Float64Array} a column of it
 */
function column(A, column) {
  return Float64Array.from(A.data.subarray(column * A.rows, (column + 1) * A.rows));
}

/** @param {number} p */
function place(p) {
  return `${Math.floor(p / 28)}, ${p % 28}`;
}

/** @type {Record<string, (numbers: Numbers) => string>} */
export const FORWARD = {
  Z1({ parameters: { W1, b1 }, X, pass: { Z1 }, j, p }) {
    const terms = row(W1, j).map((w, k) => w * X.data[k]);
    const [up, down] = [1, -1].map((sign) => terms.filter((x) => x * sign > 0).reduce((a, b) => a + b, 0));
    const inked = X.data.filter((x) => x > 0).length;
    return (
      `Pixel (${place(p)}) adds W1[${j}; ${place(p)}] · X[${place(p)}] = ` +
      `${factor(W1.data[j + p * W1.rows])} · ${n(X.data[p])} = ${n(terms[p])}.\n` +
      `All ${inked} pixels with ink: those that speak for unit ${j} add ${n(up)}, those against ${n(down)}; b1[${j}] = ${n(b1.data[j])}.\n` +
      `Z1[${j}] = ${n(up)} + ${factor(down)} + ${factor(b1.data[j])} = ${n(Z1.data[j])}`
    );
  },
  A1({ pass: { Z1, A1 }, j }) {
    return `A1[${j}] = max(Z1[${j}], 0) = max(${n(Z1.data[j])}, 0) = ${n(A1.data[j])}`;
  },
  Z2({ parameters: { W2, b2 }, pass: { A1, Z2 }, i }) {
    return (
      `Z2[${i}] = W2[${i}, 0] · A1[0] + … + W2[${i}, 9] · A1[9] + b2[${i}], without the units that are 0:\n` +
      `Z2[${i}] = ${products(row(W2, i), A1.data)} + ${factor(b2.data[i])} = ${n(Z2.data[i])}`
    );
  },
  A2({ pass: { Z2, A2 }, i }) {
    const c = Math.max(...Z2.data);
    const powers = Float64Array.from(Z2.data, (z) => Math.exp(z - c));
    const sum = powers.reduce((a, b) => a + b);
    return (
      `c = ${n(c)}, and the ten powers add up to ${n(sum)}.\n` +
      `A2[${i}] = e^(${n(Z2.data[i])} − ${factor(c)}) / ${n(sum)} = ${n(powers[i])} / ${n(sum)} = ${n(A2.data[i])}`
    );
  },
};

/** @type {Record<string, (numbers: Numbers & {gradients: Backward}) => string>} */
export const BACKWARD = {
  dZ2({ pass: { A2 }, gradients: { dZ2 }, label, i }) {
    const y = i === label ? 1 : 0;
    return `dZ2[${i}] = A2[${i}] − Y[${i}] = ${n(A2.data[i])} − ${y} = ${n(dZ2.data[i])}`;
  },
  dW2({ pass: { A1 }, gradients: { dZ2, dW2, db2 }, i, j }) {
    return (
      `dW2[${i}, ${j}] = dZ2[${i}] · A1[${j}] = ${factor(dZ2.data[i])} · ${n(A1.data[j])} = ${n(dW2.data[i + j * 10])}\n` +
      `db2[${i}] = dZ2[${i}] = ${n(db2.data[i])}`
    );
  },
  dA1({ parameters: { W2 }, gradients: { dZ2, dA1 }, j }) {
    return (
      `dA1[${j}] = W2[0, ${j}] · dZ2[0] + … + W2[9, ${j}] · dZ2[9]\n` +
      `= ${products(column(W2, j), dZ2.data)} = ${n(dA1.data[j])}`
    );
  },
  dZ1({ pass: { A1 }, gradients: { dA1, dZ1 }, j }) {
    const mask = A1.data[j] > 0 ? `1, as A1[${j}] = ${n(A1.data[j])} > 0` : `0, as A1[${j}] = 0`;
    return `M[${j}] = ${mask}.\ndZ1[${j}] = dA1[${j}] · M[${j}] = ${factor(dA1.data[j])} · ${mask[0]} = ${n(dZ1.data[j])}`;
  },
  dW1({ X, gradients: { dZ1, dW1, db1 }, j, p }) {
    return (
      `dW1[${j}; ${place(p)}] = dZ1[${j}] · X[${place(p)}] = ${factor(dZ1.data[j])} · ${n(X.data[p])} = ${n(dW1.data[j + p * 10])}\n` +
      `db1[${j}] = dZ1[${j}] = ${n(db1.data[j])}`
    );
  },
  dX({ parameters: { W1 }, gradients: { dZ1, dX }, p }) {
    return (
      `dX[${place(p)}] = W1[0; ${place(p)}] · dZ1[0] + … + W1[9; ${place(p)}] · dZ1[9], without the units that are silent:\n` +
      `dX[${place(p)}] = ${products(column(W1, p), dZ1.data)} = ${n(dX ? dX.data[p] : NaN)}`
    );
  },
};
