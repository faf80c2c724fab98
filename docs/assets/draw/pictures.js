/**
 * What the page draws: pictures of pixels, bars and curves, in colors that follow the scheme of the site.
 */

/**
 * @param {string} name of a color in draw.css, written as three numbers
 * @returns {number[]}
 */
function color(name) {
  const value = getComputedStyle(document.body).getPropertyValue(`--draw-${name}`);
  return value.trim().split(/\s+/).map(Number);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} height in pixels
 * @param {number} width
 * @param {(n: number) => {color: number[], share: number}} of what pixel n is filled with, and how much of it
 */
function paint(canvas, height, width, of) {
  canvas.height = height;
  canvas.width = width;
  const context = canvas.getContext("2d");
  if (!context) return;
  const image = context.createImageData(width, height);
  for (let n = 0; n < height * width; n++) {
    const { color, share } = of(n);
    image.data.set([...color, 255 * share], 4 * n);
  }
  context.putImageData(image, 0, 0);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {{height: number, width: number, data: ArrayLike<number>}} field ink from 0 to 1
 */
export function paintInk(canvas, { height, width, data }) {
  const ink = color("ink");
  paint(canvas, height, width, (n) => ({ color: ink, share: data[n] }));
}

/**
 * Paints what is above 0 in one color and what is below in another, the stronger the further.
 * @param {HTMLCanvasElement} canvas
 * @param {number} height
 * @param {number} width
 * @param {ArrayLike<number>} data
 * @param {number} limit the largest distance from 0
 */
export function paintSigned(canvas, height, width, data, limit) {
  const [plus, minus] = [color("plus"), color("minus")];
  const scale = limit > 0 && Number.isFinite(limit) ? limit : 1;
  paint(canvas, height, width, (n) => ({
    color: data[n] > 0 ? plus : minus,
    share: Math.min(Math.abs(data[n]) / scale, 1) || 0,
  }));
}

/**
 * Paints how much is taken of each place of an image, with its ink over it.
 * @param {HTMLCanvasElement} canvas
 * @param {number} side of the image
 * @param {ArrayLike<number>} ink
 * @param {ArrayLike<number>} taken of each place, row by row
 * @param {number} places in a row
 * @param {number} most that is taken of any
 */
export function paintAttention(canvas, side, ink, taken, places, most) {
  const [dark, strong] = [color("ink"), color("plus")];
  paint(canvas, side, side, (n) => {
    const [row, column] = [n / side, n % side].map((at) => Math.floor((Math.floor(at) * places) / side));
    if (ink[n] > 0.3) return { color: dark, share: ink[n] };
    return { color: strong, share: taken[row * places + column] / most };
  });
}

/**
 * @param {ArrayLike<number>} data
 * @returns {number} the largest distance from 0
 */
export function reach(data) {
  let largest = 0;
  for (let n = 0; n < data.length; n++) largest = Math.max(largest, Math.abs(data[n]));
  return largest;
}

/**
 * @param {number} x
 * @returns {string} it with three digits, or what it is in place of a number
 */
export function number(x) {
  if (Number.isNaN(x)) return "no number";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  const size = Math.abs(x);
  const written = size === 0 ? "0" : size >= 1e5 || size < 1e-3 ? powers(size) : size.toPrecision(3);
  return (x < 0 ? "−" : "") + (written.includes("e") ? String(Math.round(size)) : written);
}

/**
 * @param {number} size
 * @returns {string} such as 1.2 · 10⁻⁵
 */
function powers(size) {
  const [digits, exponent] = size.toExponential(1).split("e");
  const raised = [...exponent.replace("+", "")].map((char) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(char)]);
  return `${digits} · 10${raised.join("")}`;
}

/** @param {number} share @returns {string} */
export function percent(share) {
  if (Number.isNaN(share)) return "no number";
  return `${(100 * share).toFixed(share > 0.1 && share < 0.99 ? 0 : 1)} %`;
}

/**
 * @param {string} tag
 * @param {string} name of its class
 * @param {string} [text]
 */
function element(tag, name, text) {
  const made = document.createElement(tag);
  made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Ten bars below each other, each of them a button if one can be chosen. */
export class Bars {
  /**
   * @param {HTMLElement} box
   * @param {string} what each of them is, for those who hear it
   * @param {(index: number) => void} [choose]
   */
  constructor(box, what, choose) {
    this.rows = Array.from({ length: 10 }, (_, index) => {
      const button = element(choose ? "button" : "div", "bar");
      const fill = element("span", "fill");
      const track = element("span", "track");
      const value = element("span", "value");
      track.append(fill);
      button.append(element("span", "draw-spoken", what), element("span", "name", String(index)), track, value);
      if (choose) button.addEventListener("click", () => choose(index));
      box.append(button);
      return { button, fill, value };
    });
  }

  /**
   * @param {ArrayLike<number>} values
   * @param {number} chosen
   * @param {(x: number) => string} write
   * @param {number} [limit] the value of a full bar
   */
  show(values, chosen, write = number, limit = reach(values)) {
    const signed = Array.from(values).some((x) => x < 0);
    this.rows.forEach(({ button, fill, value }, index) => {
      const share = Math.min(Math.abs(values[index]) / limit, 1) || 0;
      const width = signed ? share / 2 : share;
      const left = !signed ? 0 : values[index] < 0 ? 0.5 - width : 0.5;
      fill.style.cssText = `left: ${100 * left}%; width: ${100 * width}%`;
      fill.classList.toggle("minus", values[index] < 0);
      value.textContent = write(values[index]);
      if (button.tagName === "BUTTON") button.setAttribute("aria-pressed", String(index === chosen));
    });
  }
}

/** Ten tiles beside each other, each of them a button with a picture of the pixels. */
export class Tiles {
  /**
   * @param {HTMLElement} box
   * @param {string} what
   * @param {(index: number, event: MouseEvent, canvas: HTMLCanvasElement) => void} choose
   */
  constructor(box, what, choose) {
    this.what = what;
    this.tiles = Array.from({ length: 10 }, (_, index) => {
      const button = element("button", "tile");
      const canvas = document.createElement("canvas");
      const text = element("span", "value");
      button.append(canvas, text);
      button.addEventListener("click", (event) => choose(index, event, canvas));
      box.append(button);
      return { button, canvas, text };
    });
  }

  /**
   * @param {(index: number) => ArrayLike<number>} pixels of 28 x 28, of each tile
   * @param {number} chosen
   * @param {(index: number) => string} write
   */
  show(pixels, chosen, write) {
    const all = this.tiles.map((_, index) => pixels(index));
    const limit = Math.max(...all.map(reach));
    this.tiles.forEach(({ button, canvas, text }, index) => {
      paintSigned(canvas, 28, 28, all[index], limit);
      text.textContent = write(index);
      button.setAttribute("aria-label", `${this.what} ${index}: ${write(index)}`);
      button.setAttribute("aria-pressed", String(index === chosen));
    });
  }
}

const [HEIGHT, LEFT, BOTTOM] = [240, 44, 26]; // of the curves' picture, and of what stands beside its axes
const MOST = 300; // points of a curve

/** The loss against the updates, on a logarithmic axis. */
export class Curves {
  /** @type {[update: number, loss: number][][]} */
  curves = [[], []];
  every = [1, 1]; // of so many points one is kept, evenly
  given = [0, 0];

  /** @param {SVGSVGElement} svg */
  constructor(svg) {
    this.svg = svg;
    this.show();
  }

  clear() {
    this.curves = [[], []];
    this.every = [1, 1];
    this.given = [0, 0];
    this.show();
  }

  /**
   * @param {number} curve 0 for the batches, 1 for the digits kept out
   * @param {number} update
   * @param {number} loss
   */
  add(curve, update, loss) {
    if (!(loss > 0 && loss < Infinity) || this.given[curve]++ % this.every[curve]) return;
    this.curves[curve].push([update, loss]);
    if (this.curves[curve].length === 2 * MOST) {
      this.curves[curve] = this.curves[curve].filter((_, n) => n % 2 === 0);
      this.every[curve] *= 2;
    }
  }

  show() {
    const width = this.svg.clientWidth || 640;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const all = this.curves.flat();
    const last = Math.max(10, ...all.map(([update]) => update));
    const logs = all.map(([, loss]) => Math.log10(loss));
    const [low, high] = [Math.floor(Math.min(-0.6, ...logs)), Math.ceil(Math.max(0.6, ...logs))];
    /** @type {(update: number) => number} */
    const x = (update) => LEFT + ((width - LEFT - 8) * update) / last;
    /** @type {(log: number) => number} */
    const y = (log) => 8 + ((HEIGHT - BOTTOM - 8) * (high - log)) / (high - low);
    const every = Math.ceil((high - low) / 5);
    const ticks = Array.from({ length: Math.floor((high - low) / every) + 1 }, (_, n) => low + n * every);
    const lines = ticks.map(
      (log) =>
        `<line x1="${LEFT}" x2="${width - 8}" y1="${y(log)}" y2="${y(log)}" class="grid"/>` +
        `<text x="${LEFT - 6}" y="${y(log) + 4}" text-anchor="end">${log < -3 || log > 3 ? `1e${log}` : 10 ** log}</text>`,
    );
    const paths = this.curves.map((points, n) => {
      const corners = points.map(([update, loss]) => `${x(update).toFixed(1)},${y(Math.log10(loss)).toFixed(1)}`);
      return `<polyline points="${corners.join(" ")}" class="curve-${n}"/>`;
    });
    const names =
      `<text x="${LEFT}" y="${HEIGHT - 6}">0</text>` +
      `<text x="${width - 8}" y="${HEIGHT - 6}" text-anchor="end">${last} updates</text>`;
    this.svg.innerHTML = lines.join("") + paths.join("") + names;
  }
}
