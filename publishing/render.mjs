// Reads a request as JSON from standard input, {formulas: [[tex, displayed], ...], graphs: [dot, ...]},
// and prints {formulas: [{html} or {error}, ...], graphs: [svg, ...]}.
import { readFileSync } from "node:fs";
import katex from "katex";
import { instance } from "@viz-js/viz";

const { formulas = [], graphs = [] } = JSON.parse(readFileSync(0, "utf8"));

function formula([tex, displayMode]) {
  try {
    return { html: katex.renderToString(tex, { displayMode, output: "htmlAndMathml", strict: "error" }) };
  } catch (error) {
    return { error: error.message };
  }
}

const viz = graphs.length ? await instance() : null;
const response = {
  formulas: formulas.map(formula),
  graphs: graphs.map((dot) => viz.renderString(dot, { format: "svg_inline" })),
};
process.stdout.write(JSON.stringify(response));
