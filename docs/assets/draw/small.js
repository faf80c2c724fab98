/**
 * The small form of the page Draw a digit, for the home page: a sheet and what is read on it.
 */

import { intoForm } from "./form.js";
import { forward } from "./network.js";
import { Pad } from "./pad.js";
import { Bars, percent } from "./pictures.js";
import { loadNetwork } from "./tensors.js";
import { three } from "./three.js";

const SILENCE = 700; // milliseconds without a change before the reading is said

/** @type {(id: string) => any} */
const at = (id) => document.getElementById(`draw-small-${id}`);

const { parameters } = await loadNetwork();
const bars = new Bars(at("chances"), "Probability of");
const pad = new Pad(at("sheet"), at("pen"), { changed, cleared() {}, tell });
let waiting = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let speaking;

function changed() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(show);
}

function show() {
  waiting = false;
  pad.paint();
  const data = intoForm(pad.sheet.ink)?.digit.data;
  const a = data ? forward(parameters, { rows: 784, columns: 1, data }).A2.data : new Float64Array(10);
  const read = a.indexOf(Math.max(...a));
  bars.show(a, -1, percent, 1);
  const text = data ? `Read as ${read}, with ${percent(a[read])}` : "An empty sheet";
  if (at("says").textContent !== text) tell(text);
  at("says").textContent = text;
}

/** @param {string} text */
function tell(text) {
  clearTimeout(speaking);
  speaking = setTimeout(() => (at("spoken").textContent = text), SILENCE);
}

at("clear").addEventListener("click", () => pad.clear());
new MutationObserver(changed).observe(document.body, { attributeFilter: ["data-md-color-scheme"] });
pad.show(three());
at("live").hidden = false;
at("still").classList.add("draw-started");
