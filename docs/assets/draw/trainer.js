/**
 * A worker that trains the network on the 5,000 digits: every fifth is kept out, to measure on.
 *
 * @import { Matrix } from "./matrices.js"
 * @import { Parameters } from "./network.js"
 * @typedef {object} Settings
 * @property {number} rate
 * @property {number} size of a batch
 * @property {number} speed updates a second at most
 * @property {boolean} divided whether the pixels are divided by 255
 * @property {boolean} mean whether the gradient is divided by m
 * @property {boolean} stable whether the largest logit is subtracted in the softmax
 *
 * @typedef {{parameters: Parameters, seed: number}} Start
 * @typedef {{settings?: Settings, start?: Start, running?: boolean}} Request
 * @typedef {object} Progress
 * @property {number} seed of the start
 * @property {number} update
 * @property {number[]} losses of the batches since the last progress
 * @property {number} loss on the digits kept out
 * @property {number} accuracy on these
 * @property {number} silent hidden units that are 0 for all of these
 * @property {number} largest logit of these
 * @property {Parameters} parameters
 */

import { columns, map } from "./matrices.js";
import { backward, batches, crossEntropy, forward, oneHot, seeded, step } from "./network.js";
import { loadDigits } from "./tensors.js";

const PAUSE = 40; // milliseconds between two reports
const KEPT_OUT = 5; // one of so many digits

const digits = loadDigits();

/** @type {Settings} */
let settings;
/** @type {Start} */
let from;
let running = false;
let run = 0; // goes up when training starts anew

self.onmessage = ({ data }) => {
  /** @type {Request} */
  const request = data;
  if (request.settings) settings = request.settings;
  if (request.start) from = request.start;
  if (request.running !== undefined) running = request.running;
  if (request.start) train(++run).catch((error) => self.postMessage({ error: String(error.message ?? error) }));
};

/**
 * @param {boolean} kept whether the digits are wanted that are kept out
 * @returns {Promise<{X: Matrix, y: Uint8Array}>}
 */
async function part(kept) {
  const { X, y } = await digits;
  const chosen = [...y.keys()].filter((k) => (k % KEPT_OUT === 0) === kept);
  return { X: columns(X, chosen), y: Uint8Array.from(chosen, (k) => y[k]) };
}

/**
 * @param {Matrix} X pixels from 0 to 1
 * @returns {Matrix} what the network is given
 */
function pixels(X) {
  return settings.divided ? X : map(X, (x) => 255 * x);
}

/** @param {number} milliseconds */
function wait(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** @param {number} number of the run, which ends when another begins */
async function train(number) {
  const [learned, kept] = [await part(false), await part(true)];
  const { seed } = from;
  const random = seeded(seed);
  let { parameters } = from;
  let update = 0;
  /** @type {number[]} */
  let losses = [];
  let reported = 0;
  while (number === run) {
    for (const { X: images, y } of batches(learned.X, learned.y, settings.size, random)) {
      while (!running && number === run) await wait(PAUSE);
      if (number !== run) return;
      const begun = performance.now();
      const X = pixels(images);
      const pass = forward(parameters, X, settings.stable);
      losses.push(crossEntropy(pass, y, settings.stable));
      const gradients = backward(parameters, X, pass, oneHot(y), { mean: settings.mean, byInput: false });
      parameters = step(parameters, gradients, settings.rate);
      update += 1;
      const left = 1000 / settings.speed - (performance.now() - begun);
      if (left > 4 || performance.now() - reported > PAUSE) {
        self.postMessage({ seed, update, losses, parameters, ...measure(parameters, kept) });
        losses = [];
        await wait(Math.max(left, 0));
        reported = performance.now();
      }
    }
  }
}

/**
 * @param {Parameters} parameters
 * @param {{X: Matrix, y: Uint8Array}} kept
 * @returns {{loss: number, accuracy: number, silent: number, largest: number}}
 */
function measure(parameters, { X, y }) {
  const pass = forward(parameters, pixels(X), settings.stable);
  const { A1, Z2 } = pass;
  let right = 0;
  for (let k = 0; k < y.length; k++) {
    const z = Z2.data.subarray(k * Z2.rows, (k + 1) * Z2.rows);
    if (z.indexOf(Math.max(...z)) === y[k]) right += 1;
  }
  const active = new Set();
  A1.data.forEach((a, n) => a > 0 && active.add(n % A1.rows));
  let largest = 0;
  for (const z of Z2.data) largest = Math.max(largest, Math.abs(z));
  const loss = crossEntropy(pass, y, settings.stable);
  return { loss, accuracy: right / y.length, silent: A1.rows - active.size, largest };
}
