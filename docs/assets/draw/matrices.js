/**
 * A matrix, one column after the other: entry (i, k) is data[i + k * rows]. As everywhere, a column is an example.
 * @typedef {object} Matrix
 * @property {number} rows
 * @property {number} columns
 * @property {Float64Array | Float32Array} data
 */

/**
 * @param {number} rows
 * @param {number} columns
 * @returns {Matrix} all 0
 */
export function zeros(rows, columns) {
  return { rows, columns, data: new Float64Array(rows * columns) };
}

/**
 * @param {Matrix} A
 * @param {(a: number, index: number) => number} f
 * @returns {Matrix} f of each entry
 */
export function map(A, f) {
  const B = zeros(A.rows, A.columns);
  for (let n = 0; n < B.data.length; n++) B.data[n] = f(A.data[n], n);
  return B;
}

/**
 * @param {Matrix} A
 * @param {Matrix} B
 * @returns {Matrix} A B
 */
export function product(A, B) {
  const C = zeros(A.rows, B.columns);
  for (let k = 0; k < B.columns; k++) {
    for (let j = 0; j < B.rows; j++) {
      addMultiple(C, k, A, j, B.data[j + k * B.rows]);
    }
  }
  return C;
}

/**
 * @param {Matrix} A
 * @param {Matrix} B
 * @returns {Matrix} A Bᵀ
 */
export function productWithTranspose(A, B) {
  const C = zeros(A.rows, B.rows);
  for (let k = 0; k < A.columns; k++) {
    for (let j = 0; j < B.rows; j++) {
      addMultiple(C, j, A, k, B.data[j + k * B.rows]);
    }
  }
  return C;
}

/**
 * Adds b times column j of A to column k of C. Four of five pixels of a digit are 0, and then there is nothing to add.
 * @param {Matrix} C
 * @param {number} k
 * @param {Matrix} A
 * @param {number} j
 * @param {number} b
 */
function addMultiple(C, k, A, j, b) {
  if (b === 0) return;
  const to = k * C.rows;
  const from = j * A.rows;
  for (let i = 0; i < A.rows; i++) C.data[to + i] += A.data[from + i] * b;
}

/**
 * @param {Matrix} A
 * @param {Matrix} B
 * @returns {Matrix} Aᵀ B
 */
export function transposeProduct(A, B) {
  const C = zeros(A.columns, B.columns);
  for (let k = 0; k < B.columns; k++) {
    for (let j = 0; j < A.columns; j++) {
      let sum = 0;
      for (let i = 0; i < A.rows; i++) sum += A.data[i + j * A.rows] * B.data[i + k * B.rows];
      C.data[j + k * C.rows] = sum;
    }
  }
  return C;
}

/**
 * @param {Matrix} A
 * @returns {Matrix} one column, the sum of each row
 */
export function rowSums(A) {
  const sums = zeros(A.rows, 1);
  for (let n = 0; n < A.data.length; n++) sums.data[n % A.rows] += A.data[n];
  return sums;
}

/**
 * @param {Matrix} A
 * @param {ArrayLike<number>} chosen
 * @returns {Matrix} these columns of A
 */
export function columns(A, chosen) {
  const data = new Float32Array(A.rows * chosen.length);
  for (let k = 0; k < chosen.length; k++) {
    data.set(A.data.subarray(chosen[k] * A.rows, (chosen[k] + 1) * A.rows), k * A.rows);
  }
  return { rows: A.rows, columns: chosen.length, data };
}
