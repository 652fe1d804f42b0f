/** What the viewer tells in words and numbers. */
import { report } from "./data.js";
import { decimal, el, percent } from "./dom.js";

/** @typedef {import("./data.js").Row} Row */

/** @type {Record<string, string>} */
const MAPS = {
  no_positive_evidence: "nothing in the radiograph speaks for it, so that there is no map to draw",
  flat: "all places speak for it alike, so that there is no map to draw",
  incomplete: "its attributions do not add up to the change of the class score, so that there is no map to draw",
  not_computed: "its map was not computed (infer --explain-classes)",
  non_finite: "its map holds values that are no numbers",
};

/**
 * Say why a class has no heat map.
 *
 * @param {Row} row
 * @param {number} classIndex
 */
export function mapNote(row, classIndex) {
  const status = row.maps[classIndex];
  return status && status !== "ok" ? `${report.classes[classIndex]}: ${MAPS[status] ?? status}.` : "";
}

/**
 * Say what was predicted and whether it is right.
 *
 * @param {Row} row
 */
export function verdict(row) {
  if (row.error) return [el("span", { class: "badge wrong" }, "✗ no prediction"), ` ${row.error}`];
  const right = row.outcome === "correct";
  const badge =
    row.outcome && el("span", { class: right ? "badge right" : "badge wrong" }, `${right ? "✓" : "✗"} ${row.outcome}`);
  const sure = row.confidence === null ? "" : ` with confidence ${decimal(row.confidence)}`;
  const words = row.predicted === null ? "prediction not known" : `predicted ${row.predicted}${sure}`;
  const known = row.label ? `True class ${row.label}, ${words} ` : `Class not known, ${words} `;
  return [el("span", {}, known), badge ?? "", ` ${spread(row)}`];
}

/**
 * Say how far apart the members of an ensemble are; nothing of a single network.
 *
 * @param {Row} row
 */
export function spread(row) {
  const parts = [
    row.std === null ? "" : `standard deviation of the true class's probability ${decimal(row.std)}`,
    row.agreement === null ? "" : `agreement of their heat maps ${decimal(row.agreement)}`,
  ].filter(Boolean);
  return parts.length ? `Members of the ensemble: ${parts.join(", ")}.` : "";
}

/**
 * Tell what the shown IoU is of, and what the evaluation says.
 *
 * @param {Row} row
 * @param {number} classIndex
 * @param {number} threshold
 */
export function scores(row, classIndex, threshold) {
  const { operator, space } = report.protocol;
  const place = space === "input" ? ", on the network's input" : "";
  const rule = `map of ${report.classes[classIndex] ?? "no class"} ${sign(operator)} ${decimal(threshold, 2)}${place}`;
  const known = row.iou === null ? [] : measured(row);
  return [el("p", { class: "rule" }, row.excluded || row.undefined ? reason(row) : rule), el("dl", {}, ...known)];
}

/**
 * List what the evaluation says.
 *
 * @param {Row} row
 */
function measured(row) {
  return [
    ...fact(
      "In the evaluation",
      `IoU ${decimal(row.iou)}, class ${row.target}, ${report.protocol.rule.replace(">=", "≥")}`,
    ),
    ...fact("Dice", decimal(row.dice)),
    ...(row.hit === null ? [] : fact("Hottest point", row.hit ? "on the annotation" : "not on the annotation")),
    ...fact("Heat on the annotation", `${percent(row.energy)}; by chance ${percent(row.lesion_share)}`),
  ];
}

/** @param {string} operator */
const sign = (operator) => (operator === ">" ? ">" : "≥");

/** @param {Row} row */
function reason(row) {
  if (row.excluded) return `not measured: ${row.excluded}`;
  return `undefined in the evaluation: ${String(row.undefined).replaceAll("_", " ")}`;
}

/**
 * List what is known of a radiograph.
 *
 * @param {Row} row
 */
export function facts(row) {
  const size = row.frame && `${row.frame.original[1]} × ${row.frame.original[0]} pixels`;
  const lesions = row.lesions && `${row.lesions}, ${percent(row.lesion_share)} of the image`;
  const pairs = [
    ["Described as", row.tags.join(", ")],
    ...Object.entries(row.facts),
    ["Lesions", lesions],
    ["Split", row.split],
    ["Size", size],
  ];
  return pairs.flatMap(([name, value]) => (value ? fact(String(name), String(value)) : []));
}

/**
 * @param {string} name
 * @param {string} value
 */
const fact = (name, value) => [el("dt", {}, name), el("dd", {}, value)];
