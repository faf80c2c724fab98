/**
 * The forward pass of any network that is made of the layers below, for one image: each layer by its name in params.yaml.
 *
 * @import { Tensor } from "./tensors.js"
 * @typedef {{name: string, layers?: Row[], size?: number, stride?: number, heads?: number, epsilon?: number}} Row
 * @typedef {object} Output
 * @property {number[]} shape its last entry counts the channels, what stands before it the places
 * @property {Float64Array} data in C order: place after place, with the channels of each together
 * @property {Float64Array[]} [attention] of each head, of shape (queries, places): a query takes so much of each place
 * @typedef {(name: string) => Float32Array | Uint8Array} Parameters gives a parameter of a layer by its name there
 * @typedef {{name: string, output: Output}} Seen
 */

const EPSILON = 1e-5;

/**
 * @param {Row[]} rows
 * @param {Record<string, Tensor>} tensors by the index of their layer and their name, such as 2.1.W
 * @param {Output} X
 * @param {Seen[]} seen to which the output of each layer is added, those within another layer first
 * @param {string} prefix of the names
 * @returns {Output} the output of the last layer
 */
export function through(rows, tensors, X, seen = [], prefix = "") {
  return rows.reduce((input, row, index) => {
    const path = `${prefix}${index}.`;
    const output = row.layers
      ? residual(input, through(row.layers, tensors, input, seen, path))
      : layer(row)(input, row, (name) => tensors[path + name].data);
    seen.push({ name: row.name, output });
    return output;
  }, X);
}

/** @param {Row} row */
function layer({ name }) {
  if (!(name in LAYERS)) throw new Error(`The page has no layer ${name}`);
  return LAYERS[name];
}

/** @type {Record<string, (X: Output, row: Row, theta: Parameters) => Output>} */
const LAYERS = {
  affine: (X, _, theta) => affine({ shape: [X.data.length], data: X.data }, theta("W"), theta("b")),
  relu: (X) => ({ ...X, data: X.data.map((z) => Math.max(z, 0)) }),
  gelu: (X) => ({ ...X, data: X.data.map(gelu) }),
  dropout: (X) => X,
  convolution: (X, { size = 3, stride = 1 }, theta) => affine(patches(X, size, stride), theta("W"), theta("b")),
  max_pooling: (X, { size = 2, stride = size }) => pooled(X, size, stride, (values) => Math.max(...values)),
  average_pooling: (X, { size = 2 }) => pooled(X, size, size, mean),
  positions: (X, _, theta) => ({ ...X, data: X.data.map((x, n) => x + theta("b")[n]) }),
  batch_normalization: batchNormalization,
  layer_normalization: layerNormalization,
  attention,
};

/**
 * @param {Output} X
 * @param {Output} F
 * @returns {Output} X + F
 */
function residual(X, F) {
  return { ...X, data: X.data.map((x, n) => x + F.data[n]) };
}

/** @param {ArrayLike<number>} values */
function mean(values) {
  let sum = 0;
  for (let n = 0; n < values.length; n++) sum += values[n];
  return sum / values.length;
}

/** @param {number} z */
function gelu(z) {
  return (z * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3)))) / 2;
}

/**
 * @param {Output} X
 * @param {ArrayLike<number>} W of shape (units, channels of X), row after row
 * @param {ArrayLike<number>} b
 * @returns {Output} W x + b at each place
 */
function affine({ shape, data }, W, b) {
  const [inputs, units] = [shape[shape.length - 1], b.length];
  const places = data.length / inputs;
  const Z = new Float64Array(places * units);
  for (let place = 0; place < places; place++) {
    for (let unit = 0; unit < units; unit++) {
      let sum = b[unit];
      for (let n = 0; n < inputs; n++) sum += W[unit * inputs + n] * data[place * inputs + n];
      Z[place * units + unit] = sum;
    }
  }
  return { shape: [...shape.slice(0, -1), units], data: Z };
}

/**
 * @param {Output} X an image
 * @param {number} size of the square that is moved over it
 * @param {number} stride
 * @returns {Output} at each place what the square covers there, row by row
 */
function patches({ shape: [rows, columns, channels], data }, size, stride) {
  const [height, width] = [rows, columns].map((side) => Math.floor((side - size) / stride) + 1);
  const entries = size * size * channels;
  const P = new Float64Array(height * width * entries);
  for (let place = 0; place < height * width; place++) {
    const [top, left] = [stride * Math.floor(place / width), stride * (place % width)];
    for (let row = 0; row < size; row++) {
      const from = ((top + row) * columns + left) * channels;
      P.set(data.subarray(from, from + size * channels), place * entries + row * size * channels);
    }
  }
  return { shape: [height, width, entries], data: P };
}

/**
 * @param {Output} X
 * @param {number} size
 * @param {number} stride
 * @param {(values: Float64Array) => number} take
 * @returns {Output} what is taken of each square, channel by channel
 */
function pooled(X, size, stride, take) {
  const channels = X.shape[2];
  const P = patches(X, size, stride);
  const squares = P.data.length / (size * size * channels);
  const data = new Float64Array(squares * channels);
  const values = new Float64Array(size * size);
  for (let n = 0; n < data.length; n++) {
    const first = Math.floor(n / channels) * size * size * channels + (n % channels);
    for (let k = 0; k < values.length; k++) values[k] = P.data[first + k * channels];
    data[n] = take(values);
  }
  return { shape: [P.shape[0], P.shape[1], channels], data };
}

/** @type {typeof LAYERS[string]} */
function batchNormalization({ shape, data }, { epsilon = EPSILON }, theta) {
  const channels = shape[shape.length - 1];
  const [gamma, beta, means, variances] = ["gamma", "beta", "mean", "variance"].map(theta);
  const scaled = data.map((x, n) => {
    const k = n % channels;
    return (gamma[k] * (x - means[k])) / Math.sqrt(variances[k] + epsilon) + beta[k];
  });
  return { shape, data: scaled };
}

/** @type {typeof LAYERS[string]} */
function layerNormalization({ shape, data }, { epsilon = EPSILON }, theta) {
  const channels = shape[shape.length - 1];
  const [gamma, beta] = ["gamma", "beta"].map(theta);
  const scaled = new Float64Array(data.length);
  for (let first = 0; first < data.length; first += channels) {
    const place = data.subarray(first, first + channels);
    const middle = mean(place);
    const spread = Math.sqrt(mean(place.map((x) => (x - middle) ** 2)) + epsilon);
    place.forEach((x, k) => (scaled[first + k] = (gamma[k] * (x - middle)) / spread + beta[k]));
  }
  return { shape, data: scaled };
}

/** @type {typeof LAYERS[string]} */
function attention(X, { heads = 1 }, theta) {
  const width = X.shape[X.shape.length - 1];
  const places = X.data.length / width;
  const entries = width / heads;
  const QKV = affine(X, theta("W"), theta("b")).data;
  /** @type {(part: number, place: number, head: number) => Float64Array} of queries, keys and values one part */
  const entry = (part, place, head) => {
    const from = (3 * place + part) * width + head * entries;
    return QKV.subarray(from, from + entries);
  };
  const O = new Float64Array(places * width);
  const weights = Array.from({ length: heads }, () => new Float64Array(places * places));
  for (let head = 0; head < heads; head++) {
    for (let query = 0; query < places; query++) {
      const A = weights[head].subarray(query * places, (query + 1) * places);
      const q = entry(0, query, head);
      for (let place = 0; place < places; place++) {
        A[place] = entry(1, place, head).reduce((sum, k, n) => sum + k * q[n], 0) / Math.sqrt(entries);
      }
      const largest = Math.max(...A);
      A.forEach((c, place) => (A[place] = Math.exp(c - largest)));
      const sum = A.reduce((a, b) => a + b);
      A.forEach((a, place) => (A[place] = a / sum));
      for (let place = 0; place < places; place++) {
        entry(2, place, head).forEach((v, n) => (O[query * width + head * entries + n] += A[place] * v));
      }
    }
  }
  return { ...affine({ shape: X.shape, data: O }, theta("W_O"), theta("b_O")), attention: weights };
}
