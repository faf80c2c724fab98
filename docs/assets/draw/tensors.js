/**
 * The files that the stage export writes.
 *
 * @import { Matrix } from "./matrices.js"
 * @import { Parameters } from "./network.js"
 * @import { Row } from "./layers.js"
 * @typedef {{shape: number[], data: Float32Array | Uint8Array}} Tensor
 * @typedef {{tensors: Record<string, Tensor>, notes: Record<string, string>}} Tensors
 * @typedef {{X: Matrix, y: Uint8Array}} Digits
 * @typedef {{rows: Row[], tensors: Record<string, Tensor>}} Model
 */

import { INPUTS, UNITS } from "./network.js";

/**
 * @param {ArrayBuffer} buffer a file in the safetensors format
 * @returns {Tensors}
 */
function read(buffer) {
  const start = 8 + Number(new DataView(buffer).getBigUint64(0, true));
  const { __metadata__: notes, ...header } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, start - 8)));
  /** @type {Record<string, Tensor>} */
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: [begin, end] }] of Object.entries(header)) {
    const bytes = buffer.slice(start + begin, start + end);
    tensors[name] = { shape, data: dtype === "F32" ? new Float32Array(bytes) : new Uint8Array(bytes) };
  }
  return { tensors, notes };
}

/**
 * @param {string} name
 * @returns {Promise<Tensors>} what a file beside this module holds
 */
async function load(name) {
  const response = await fetch(new URL(`packed/${name}.safetensors`, import.meta.url));
  if (!response.ok) throw new Error(`${name}.safetensors: the server answers ${response.status}`);
  return read(await response.arrayBuffer());
}

/**
 * @param {Tensor} tensor in C order, row after row
 * @returns {Matrix}
 */
function matrix({ shape: [rows, columns], data }) {
  return { rows, columns, data: Float64Array.from(data, (_, n) => data[(n % rows) * columns + Math.floor(n / rows)]) };
}

/**
 * @returns {Promise<{parameters: Parameters, rate: number}>} the trained network, and the rate it was trained with
 */
export async function loadNetwork() {
  const { tensors, notes } = await load("w3-relu-10");
  const [W1, b1, W2, b2] = ["0.W", "0.b", "2.W", "2.b"].map((name) => matrix(tensors[name]));
  if (W1.rows !== UNITS || W1.columns !== INPUTS) throw new Error("w3-relu-10.safetensors: not a network 784-10-10");
  return { parameters: { W1, b1, W2, b2 }, rate: JSON.parse(notes.row).learning_rate };
}

/**
 * @param {string} name
 * @returns {Promise<Model>} a trained network of any layers
 */
export async function loadModel(name) {
  const { tensors, notes } = await load(name);
  return { rows: JSON.parse(notes.row).layers, tensors };
}

/**
 * @returns {Promise<Digits>} 5,000 digits of MNIST, their pixels from 0 to 1
 */
export async function loadDigits() {
  const { labels, inked, ink } = (await load("digits")).tensors;
  const count = labels.data.length;
  const data = new Float32Array(count * INPUTS);
  for (let n = 0, next = 0; n < data.length; n++) {
    if ((inked.data[n >> 3] >> (n & 7)) & 1) data[n] = ink.data[next++] / 255;
  }
  return { X: { rows: INPUTS, columns: count, data }, y: new Uint8Array(labels.data) };
}
