/**
 * What the convolutional network and the transformer make of the digit.
 *
 * @import { Seen } from "./layers.js"
 * @import { Model } from "./tensors.js"
 */

import { through } from "./layers.js";
import { softmax } from "./network.js";
import { paintAttention, paintSigned, percent, reach } from "./pictures.js";
import { loadModel } from "./tensors.js";

const SIDE = 28;

/** A row of pictures that is as long as it must be. */
class Row {
  /** @param {HTMLElement} box */
  constructor(box) {
    this.box = box;
  }

  /**
   * @param {number} count
   * @param {(canvas: HTMLCanvasElement, index: number) => void} paint
   */
  show(count, paint) {
    while (this.box.children.length < count) this.box.append(document.createElement("canvas"));
    [...this.box.children].forEach((canvas, index) => paint(/** @type {HTMLCanvasElement} */ (canvas), index));
  }
}

export class Larger {
  /** @param {(id: string) => HTMLElement} at */
  constructor(at) {
    this.at = at;
    this.filters = new Row(at("filters"));
    this.maps = [new Row(at("maps-1")), new Row(at("maps-2"))];
    this.heads = [new Row(at("heads-1")), new Row(at("heads-2"))];
    /** @type {Record<string, Model>} */
    this.models = {};
  }

  async load() {
    const names = ["convolution", "transformer"];
    const models = await Promise.all(names.map(loadModel));
    names.forEach((name, n) => (this.models[name] = models[n]));
  }

  /** @param {ArrayLike<number> | null} x the digit */
  show(x) {
    if (!this.models.transformer) return;
    this.#showFilters();
    const ink = Float64Array.from(x ?? { length: SIDE * SIDE }, (value) => value ?? 0);
    const [convolution, transformer] = ["convolution", "transformer"].map((name) => this.#read(name, ink, x !== null));
    const maps = convolution.filter(({ name }) => name === "relu").slice(0, this.maps.length);
    maps.forEach(({ output: { shape: [height, width, channels], data } }, n) =>
      this.maps[n].show(channels, (canvas, channel) => {
        const map = Float64Array.from({ length: height * width }, (_, place) => data[place * channels + channel]);
        paintSigned(canvas, height, width, map, reach(data));
      }),
    );
    const attending = transformer.filter(({ name }) => name === "attention").slice(0, this.heads.length);
    attending.forEach(({ output: { shape: [side], attention = [] } }, n) => {
      const taken = attention.map((weights) => takenOfEach(weights, side * side));
      const most = Math.max(...taken.map(reach));
      this.heads[n].show(taken.length, (canvas, head) => paintAttention(canvas, SIDE, ink, taken[head], side, most));
    });
  }

  #showFilters() {
    const { shape: [filters, entries], data: W } = this.models.convolution.tensors["0.W"];
    const side = Math.sqrt(entries);
    this.filters.show(filters, (canvas, filter) =>
      paintSigned(canvas, side, side, W.subarray(filter * entries, (filter + 1) * entries), reach(W)),
    );
  }

  /**
   * @param {string} name
   * @param {Float64Array} ink
   * @param {boolean} is there a digit
   * @returns {Seen[]} what its layers make of it
   */
  #read(name, ink, is) {
    const { rows, tensors } = this.models[name];
    /** @type {Seen[]} */
    const seen = [];
    const { data } = through(rows, tensors, { shape: [SIDE, SIDE, 1], data: ink }, seen);
    const a = softmax({ rows: data.length, columns: 1, data }).data;
    const read = a.indexOf(Math.max(...a));
    this.at(`read-${name}`).textContent = is ? String(read) : "–";
    this.at(`share-${name}`).textContent = is ? percent(a[read]) : "–";
    return seen;
  }
}

/**
 * @param {Float64Array} weights of a head, a row for each query
 * @param {number} places
 * @returns {Float64Array} what is taken of each place, in the mean over the queries
 */
function takenOfEach(weights, places) {
  const taken = new Float64Array(places);
  weights.forEach((weight, n) => (taken[n % places] += weight / places));
  return taken;
}
