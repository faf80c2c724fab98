/**
 * The page Draw a digit: what is drawn and chosen on it, and what is shown of that.
 *
 * @import { Digits } from "./tensors.js"
 * @import { Matrix } from "./matrices.js"
 * @import { Parameters } from "./network.js"
 * @import { Steps } from "./form.js"
 * @import { Progress, Settings } from "./trainer.js"
 */

import { field, intoForm } from "./form.js";
import { BACKWARD, FORWARD } from "./formulas.js";
import { Larger } from "./larger.js";
import { map } from "./matrices.js";
import { backward, crossEntropy, forward, oneHot, seeded, start, step } from "./network.js";
import { Pad } from "./pad.js";
import { Bars, Curves, number, paintInk, paintSigned, percent, reach, Tiles } from "./pictures.js";
import { loadDigits, loadNetwork } from "./tensors.js";
import { three } from "./three.js";

const NO_DIGIT = "There is no digit yet.";
const SILENCE = 700; // milliseconds without a change before the reading is said

/** @type {(id: string) => any} */
const at = (id) => document.getElementById(`draw-${id}`);

const { parameters: trained, rate } = await loadNetwork().catch((error) => {
  complain(error);
  throw error;
});
const pad = new Pad(at("sheet"), at("pen"), {
  changed: drawn,
  cleared: forget,
  tell: (text) => tell(text.endsWith("up") ? `${text}. ${at("says").textContent}` : text),
});
const state = {
  parameters: trained,
  /** @type {Parameters[]} */
  before: [],
  steps: 0,
  update: 0,
  divided: true,
  changed: true, // is there something new on the sheet
  /** @type {Steps | null} */
  form: null,
  /** @type {Float32Array | null} the digit, be it drawn or of MNIST */
  x: null,
  /** @type {number | null} what a digit of MNIST is */
  truth: null,
  /** @type {number | null} null until the visitor chooses */
  label: null,
  unit: -1,
  class: -1,
  pixel: 14 * 28 + 14,
};

/**
 * @param {string} name
 * @param {Partial<{unit: number, class: number, pixel: number}>} choice
 */
function choose(name, choice) {
  Object.assign(state, choice);
  at(name).open = true;
  show();
}

const views = {
  chances: new Bars(at("chances"), "Probability of", (k) => choose("A2", { class: k })),
  Z2: new Bars(at("z2"), "Logit of", (k) => choose("Z2", { class: k })),
  A2: new Bars(at("a2"), "Probability of", (k) => choose("A2", { class: k })),
  dZ2: new Bars(at("dz2"), "Gradient by the logit of", (k) => choose("dZ2", { class: k })),
  dA1: new Bars(at("da1"), "Gradient by A1 of unit", (k) => choose("dA1", { unit: k })),
  dZ1: new Bars(at("dz1"), "Gradient by Z1 of unit", (k) => choose("dZ1", { unit: k })),
  W1: new Tiles(at("w1"), "Weights of unit", (k, ...place) => choose("A1", { unit: k, ...pixelAt(...place) })),
  WX: new Tiles(at("wx"), "Products of unit", (k, ...place) => choose("Z1", { unit: k, ...pixelAt(...place) })),
  dW1: new Tiles(at("dw1"), "Gradient by the weights of unit", (k, ...place) =>
    choose("dW1", { unit: k, ...pixelAt(...place) }),
  ),
  learned: new Tiles(at("learned"), "Weights of unit", (k) => choose("A1", { unit: k })),
  curves: new Curves(at("curves")),
  larger: new Larger(at),
};

/**
 * @param {MouseEvent} event
 * @param {HTMLCanvasElement} canvas
 * @returns {{row: number, column: number}} where in its pixels that is
 */
function placeIn(event, canvas) {
  const box = canvas.getBoundingClientRect();
  /** @type {(share: number, count: number) => number} */
  const index = (share, count) => Math.min(Math.max(Math.floor(share * count), 0), count - 1);
  return {
    row: index((event.clientY - box.top) / box.height, canvas.height),
    column: index((event.clientX - box.left) / box.width, canvas.width),
  };
}

/**
 * @param {MouseEvent} event
 * @param {HTMLCanvasElement} canvas of 28 x 28
 * @returns {{pixel?: number}} nothing if a key was pressed
 */
function pixelAt(event, canvas) {
  if (event.detail === 0) return {};
  const { row, column } = placeIn(event, canvas);
  return { pixel: 28 * row + column };
}

/** @type {Float32Array | null | undefined} */
let lookedAt; // the digit that the larger networks have seen
let waiting = false;

/**
 * @param {Float32Array} x
 * @returns {Matrix} the column that the network is given
 */
function given(x) {
  return { rows: 784, columns: 1, data: state.divided ? x : x.map((value) => 255 * value) };
}

/** Shows the state, once for all that changes until the next frame. */
function show() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    showNow();
  });
}

function showNow() {
  if (state.changed) {
    state.changed = false;
    state.form = intoForm(pad.sheet.ink);
    state.x = state.form && state.form.digit.data;
  }
  const { form: steps, x } = state;
  const empty = field(28, 28);
  const digit = { ...empty, data: x ?? empty.data };
  pad.paint();
  paintInk(at("kept"), steps ? steps.kept : digit);
  paintInk(at("cut"), steps ? steps.cut : digit);
  paintInk(at("scaled"), steps ? steps.scaled : digit);
  paintInk(at("x"), digit);

  const X = given(digit.data);
  const { parameters } = state;
  const pass = forward(parameters, X);
  const read = pass.A2.data.indexOf(Math.max(...pass.A2.data));
  const label = state.label ?? state.truth ?? Math.max(read, 0);
  const unit = state.unit >= 0 ? state.unit : pass.A1.data.indexOf(Math.max(...pass.A1.data));
  const [i, j, p] = [state.class >= 0 ? state.class : Math.max(read, 0), Math.max(unit, 0), state.pixel];
  say(x !== null, read, pass.A2.data[read]);
  if (x !== lookedAt) views.larger.show((lookedAt = x));

  /** @type {(values: ArrayLike<number>) => ArrayLike<number>} */
  const ofDigit = (values) => (x ? values : new Float64Array(values.length));
  views.chances.show(ofDigit(pass.A2.data), i, percent, 1);
  views.Z2.show(ofDigit(pass.Z2.data), i);
  views.A2.show(ofDigit(pass.A2.data), i, percent, 1);
  /** @type {(k: number) => Float64Array} */
  const weights = (k) => Float64Array.from({ length: 784 }, (_, q) => parameters.W1.data[k + 10 * q]);
  views.W1.show(weights, j, (k) => number(pass.A1.data[k]));
  views.learned.show(weights, j, (k) => String(k));
  views.WX.show((k) => weights(k).map((w, q) => w * X.data[q]), j, (k) => number(pass.Z1.data[k]));

  const gradients = backward(parameters, X, pass, oneHot([label]));
  const { dZ2, dW2, dA1, dZ1, dW1, dX } = gradients;
  views.dZ2.show(ofDigit(dZ2.data), i);
  views.dA1.show(ofDigit(dA1.data), j);
  views.dZ1.show(ofDigit(dZ1.data), j);
  views.dW1.show((k) => Float64Array.from(digit.data, (_, q) => dW1.data[k + 10 * q]), j, (k) => number(dZ1.data[k]));
  const rows = dW2.data.map((_, n) => dW2.data[Math.floor(n / 10) + 10 * (n % 10)]);
  paintSigned(at("dw2"), 10, 10, rows, reach(rows));
  if (dX) paintSigned(at("dx"), 28, 28, dX.data, reach(dX.data));

  const numbers = { parameters, X, pass, gradients, label, i, j, p };
  for (const [name, write] of [...Object.entries(FORWARD), ...Object.entries(BACKWARD)]) {
    const box = /** @type {HTMLElement} */ (document.querySelector(`[data-numbers="${name}"]`));
    box.textContent = x ? write(numbers) : NO_DIGIT;
  }

  at("loss").textContent = x
    ? `J = −log A2[${label}] = −log(${number(pass.A2.data[label])}) = ${number(crossEntropy(pass, [label]))}`
    : NO_DIGIT;
  for (const input of at("label").querySelectorAll("input")) input.checked = x !== null && Number(input.value) === label;
  [at("unit").value, at("class").value] = [String(j), String(i)];
  for (const [id, value] of Object.entries({ row: Math.floor(p / 28), column: p % 28 })) {
    if (document.activeElement !== at(id)) at(id).value = String(value);
  }
  at("step").disabled = x === null;
  at("undo").disabled = state.before.length === 0;
  at("trained").disabled = parameters === trained;
  at("source").textContent = source();
}

/** @returns {string} which weights are in use */
function source() {
  const steps = state.steps > 0 ? ` and ${state.steps} of your steps` : "";
  if (state.update > 0) return `With the weights after ${state.update} updates of the training below${steps}.`;
  if (state.steps > 0) return `With the weights of the pipeline, after ${state.steps} of your steps.`;
  return state.parameters === trained
    ? "With the weights that the pipeline trained."
    : "With the weights of a random start.";
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let speaking;

/**
 * Writes the reading, and has it said when it has stayed the same for a moment.
 * @param {boolean} is there a digit
 * @param {number} read
 * @param {number} share
 */
function say(is, read, share) {
  const whose = state.truth === null ? "" : `A ${state.truth} of MNIST. `;
  const reading = read < 0 ? "No number can be read" : `Read as ${read}, with ${percent(share)}`;
  const text = is ? whose + reading : "An empty sheet";
  at("read-small").textContent = is && read >= 0 ? String(read) : "–";
  at("share-small").textContent = is && read >= 0 ? percent(share) : "–";
  if (at("says").textContent === text) return;
  at("says").textContent = text;
  if (!state.update) tell(text);
}

/** @param {string} text what is said to those who do not see */
function tell(text) {
  clearTimeout(speaking);
  speaking = setTimeout(() => (at("spoken").textContent = text), SILENCE);
}

function drawn() {
  state.truth = null;
  state.changed = true;
  show();
}

function forget() {
  Object.assign(state, { label: null, class: -1, unit: -1 });
}

/** @param {unknown} error */
function complain(error) {
  at("problem").textContent = `${error instanceof Error ? error.message : error}. Load the page again; if that does not help, run “make docs” and serve the folder site.`;
  at("problem").hidden = false;
}

/** @type {Promise<Digits> | undefined} */
let digits;

async function takeOneOfMnist() {
  const { X, y } = await (digits ??= loadDigits());
  const k = 5 * Math.floor((Math.random() * y.length) / 5); // of those that the training below keeps out
  pad.show([]);
  forget();
  const x = X.data.slice(784 * k, 784 * (k + 1));
  Object.assign(state, { x, truth: y[k], form: null, changed: false });
  show();
}

function takeStep() {
  const chosen = Number(at("rate").value);
  if (!(chosen >= 0)) return;
  const { x } = state;
  if (!x) return;
  const X = given(x);
  const before = state.parameters;
  const pass = forward(before, X);
  const read = pass.A2.data.indexOf(Math.max(...pass.A2.data));
  state.label = state.label ?? state.truth ?? Math.max(read, 0);
  const { label } = state;
  const after = step(before, backward(before, X, pass, oneHot([label])), chosen);
  const then = forward(after, X);
  state.before.push(before);
  state.parameters = after;
  state.steps += 1;
  const [J0, J1] = [pass, then].map((each) => number(crossEntropy(each, [label])));
  const [a0, a1] = [pass, then].map((each) => percent(each.A2.data[label]));
  const moved = (/** @type {"W1" | "W2"} */ name) => {
    const way = map(after[name], (w, n) => w - before[name].data[n]);
    return percent(Math.hypot(...way.data) / Math.hypot(...before[name].data));
  };
  at("moved").textContent =
    `The loss went from ${J0} to ${J1}, the probability of ${label} from ${a0} to ${a1}. ` +
    `W1 moved by ${moved("W1")} of its length, W2 by ${moved("W2")}.`;
  show();
}

function undo() {
  const before = state.before.pop();
  if (!before) return;
  state.parameters = before;
  state.steps -= 1;
  at("moved").textContent = "The step is taken back.";
  show();
}

function backToTrained() {
  pause();
  Object.assign(state, { parameters: trained, before: [], steps: 0, update: 0, divided: true });
  if (worker) [at("train").textContent, at("progress").textContent] = ["Train", "The trained weights are back."];
  at("moved").textContent = "These are the weights that the pipeline trained.";
  show();
}

/** @type {Worker | undefined} */
let worker;
let running = false;
let seed = 0;
let firstLoss = NaN;

/** @returns {Settings} */
function settings() {
  return {
    rate: Math.max(Number(at("train-rate").value), 0),
    size: Number(at("size").value),
    speed: Number(at("speed").value),
    divided: !at("undivided").checked,
    mean: !at("sum").checked,
    stable: !at("plain").checked,
  };
}

function begin() {
  const width = Number(at("width").value);
  const parameters = start(seeded(++seed), -width, width);
  Object.assign(state, { parameters, before: [], steps: 0, update: 0, divided: settings().divided });
  firstLoss = NaN;
  explain(null);
  views.curves.clear();
  worker?.postMessage({ settings: settings(), start: { parameters, seed }, running });
  show();
}

function toggle() {
  running = !running;
  at("train").textContent = running ? "Pause" : "Go on";
  at("again").disabled = false;
  if (!worker) {
    worker = new Worker(new URL("trainer.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }) => ("error" in data ? complain(data.error) : follow(data));
    worker.onerror = () => complain("The worker that trains could not start");
    at("progress").textContent = "Loading the digits …";
    begin();
  } else if (running && state.update === 0) {
    begin();
  }
  worker.postMessage({ running });
}

function pause() {
  if (running) toggle();
}

/** @param {Progress} progress */
function follow({ seed: of, update, losses, loss, accuracy, silent, largest, parameters }) {
  if (!running || of !== seed) return;
  if (!(firstLoss > 0)) firstLoss = losses[0];
  losses.forEach((each, n) => views.curves.add(0, update - losses.length + n + 1, each));
  views.curves.add(1, update, loss);
  views.curves.show();
  Object.assign(state, { parameters, update, divided: settings().divided, before: [], steps: 0 });
  const units = silent ? `; ${silent} of 10 hidden units are silent` : "";
  at("progress").textContent =
    `Update ${update}: loss ${number(loss)}, and ${percent(accuracy)} of the 1,000 digits kept out are read right${units}.`;
  const isNumber = Number.isFinite(loss) && parameters.W2.data.every(Number.isFinite);
  if (!isNumber && !at("plain").checked) explain("larger");
  else if (!isNumber || largest > 709) explain(at("plain").checked ? "overflow" : loss > firstLoss ? "larger" : null);
  else if (silent >= 5) explain("silent");
  else explain(loss > 1.5 * firstLoss ? "larger" : null);
  if (!isNumber) pause();
  show();
}

/** @type {string | null} */
let explained = null;

/** @param {string | null} why what goes wrong in training, if anything does */
function explain(why) {
  if (why === explained) return;
  explained = why;
  for (const box of /** @type {NodeListOf<HTMLDetailsElement>} */ (document.querySelectorAll(".draw-why"))) {
    box.open = box.dataset.why === why;
    if (box.open) tell(box.querySelector("summary")?.textContent ?? "");
  }
}

/**
 * @param {HTMLSelectElement} select
 * @param {(k: number) => void} choose
 */
function offerTen(select, choose) {
  for (let k = 0; k < 10; k++) select.add(new Option(String(k)));
  select.addEventListener("change", () => {
    choose(Number(select.value));
    show();
  });
}

function offerLabels() {
  for (let k = 0; k < 10; k++) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "draw-label", value: String(k) });
    input.addEventListener("change", () => {
      state.label = state.class = k;
      show();
    });
    label.append(input, ` ${k}`);
    at("label").append(label);
  }
}

function choosePixel() {
  const [row, column] = [at("row"), at("column")].map((input) => Math.min(Math.max(Number(input.value) | 0, 0), 27));
  state.pixel = 28 * row + column;
  show();
}

function listen() {
  offerTen(at("unit"), (k) => (state.unit = k));
  offerTen(at("class"), (k) => (state.class = k));
  offerLabels();
  at("row").addEventListener("input", choosePixel);
  at("column").addEventListener("input", choosePixel);
  at("dw2").addEventListener("click", (/** @type {MouseEvent} */ event) => {
    const { row, column } = placeIn(event, at("dw2"));
    choose("dW2", { class: row, unit: column });
  });
  at("dx").addEventListener("click", (/** @type {MouseEvent} */ event) => choose("dX", pixelAt(event, at("dx"))));
  at("clear").addEventListener("click", () => pad.clear());
  at("back").addEventListener("click", () => pad.takeBack());
  at("mnist").addEventListener("click", () => takeOneOfMnist().catch(complain));
  at("step").addEventListener("click", takeStep);
  at("undo").addEventListener("click", undo);
  at("trained").addEventListener("click", backToTrained);
  at("train").addEventListener("click", toggle);
  at("again").addEventListener("click", () => {
    if (running) begin();
    else {
      state.update = 0;
      toggle();
    }
  });
  for (const id of ["train-rate", "size", "speed", "undivided", "sum", "plain"]) {
    at(id).addEventListener("change", () => worker?.postMessage({ settings: settings() }));
  }
  at("width").addEventListener("change", () => {
    if (!worker) return;
    at("progress").textContent = "A new start.";
    begin();
  });
  addEventListener("resize", () => views.curves.show());
  const repaint = () => {
    lookedAt = undefined;
    show();
  };
  new MutationObserver(repaint).observe(document.body, { attributeFilter: ["data-md-color-scheme"] });
}

at("rate").value = at("train-rate").value = String(rate);
listen();
pad.show(three());
showNow();
for (const live of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".draw-live"))) live.hidden = false;
at("still").classList.add("draw-started");
views.curves.show();

/** The larger networks come when the rest is there. */
async function bringLarger() {
  await views.larger.load();
  lookedAt = undefined;
  show();
}
bringLarger().catch(complain);
