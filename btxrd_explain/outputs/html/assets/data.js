/**
 * The report's data: light facts of all radiographs at once, what is heavy when it is looked at.
 *
 * In a report of one file everything is in data blocks of the page. A larger one has a folder next to it, whose
 * scripts hand over the details of some radiographs at a time: a page from the disk may load scripts, but no JSON.
 *
 * @typedef {import("./heatmap.js").Frame} Frame
 * @typedef {{
 *   id: string, label: string | null, predicted: string | null, outcome: string | null, split: string | null,
 *   confidence: number | null, std: number | null, agreement: number | null, probabilities: number[] | null, maps: string[], error: string | null,
 *   target: string | null, threshold: number | null, iou: number | null, dice: number | null, hit: boolean | null, energy: number | null,
 *   lesions: number | null, lesion_share: number | null, excluded: string | null, undefined: string | null,
 *   frame: Frame | null, thumbnail: [height: number, width: number] | null,
 *   cell: string | null, facts: Record<string, string>, tags: string[], true_classes?: string[], predicted_classes?: string[],
 * }} Row What is known of one radiograph; what is undefined is null.
 * @typedef {{
 *   grids: string, outline: string | null, mask: {size: [number, number], runs: number[]} | null, thumbnail?: string,
 * }} Details
 * @typedef {{mean: number | null, low: number | null, high: number | null, n: number, units: number}} Estimate
 * @typedef {{
 *   group: string, name: string, n: number, iou: Estimate, ceiling: number | null, chance: number | null,
 *   hit: Estimate, energy: Estimate,
 * }} Slice Some of the radiographs; the group says what they are sliced by.
 * @typedef {{
 *   name: string, x: number[], y: number[], low?: number[], high?: number[], rows?: number[], dashed?: boolean,
 *   tone?: number | null,
 * }} Series
 * @typedef {{
 *   title: string, note: string, kind: "lines" | "points", x: AxisOptions, y: AxisOptions, series: Series[],
 *   mark: number | null,
 * }} Figure
 * @typedef {{
 *   note: string,
 *   rows: {name: string, score: string, n: number, reader: Estimate, heat_map: Estimate, difference: Estimate, fraction: Estimate}[],
 * }} Readers
 * @typedef {{label: string, min: number, max: number, log?: boolean}} AxisOptions
 * @typedef {{
 *   title: string, synthetic: boolean, multi_label: boolean, classes: string[], grid: [number, number], alpha: number,
 *   protocol: {rule: string, threshold: number | null, operator: string, space: string},
 *   colours: string, slices: Slice[], readers: Readers, limits: string[], warnings: string[], tiles: {label: string, kind: string, estimate: Estimate, note: string}[],
 *   performance: {
 *     name: string, n: number, sensitivity: Estimate, specificity: Estimate, precision: Estimate, auroc: Estimate,
 *   }[],
 *   columns: {name: string, numeric: boolean}[], rows: Row[], figures: Figure[],
 *   checklist: {item: string, status: string, detail: string}[], excluded: {reason: string, count: number}[],
 *   provenance: {name: string, value: string}[], definitions: {name: string, value: string}[],
 *   interventions: {verdict: string, note: string, several: boolean, cells: {name: string, meaning: string, count: number, fraction: Estimate}[]} | null,
 *   folder: {name: string, rows_per_script: number} | null,
 * }} Report
 */
import { byId, el } from "./dom.js";

/** @type {Report} */
export const report = block("report-data");

/** How many details, and scripts of details, are kept: those of the screen and some more. */
const KEPT = { details: 150, scripts: 8 };

/** @type {Map<number, Promise<Details>>} */
const known = new Map();

/**
 * Remember a value as the newest one, and forget the oldest ones.
 *
 * @template Value
 * @param {Map<number, Value>} values
 * @param {number} key
 * @param {Value} value
 * @param {number} most
 */
function keep(values, key, value, most) {
  values.delete(key);
  values.set(key, value);
  for (const oldest of values.keys()) {
    if (values.size <= most) break;
    values.delete(oldest);
  }
  return value;
}

/**
 * Return what is needed to draw one radiograph's layers.
 *
 * @param {number} index Number of the row.
 * @returns {Promise<Details>}
 */
export function detailsOf(index) {
  return keep(known, index, known.get(index) ?? load(index), KEPT.details);
}

/**
 * Return the address of a small picture.
 *
 * @param {number} index
 * @returns {Promise<string>}
 */
export async function thumbnailOf(index) {
  return report.folder
    ? `${report.folder.name}/thumbnails/${fileName(index)}.jpg`
    : ((await detailsOf(index)).thumbnail ?? "");
}

/**
 * Return the address of the large picture.
 *
 * @param {number} index
 * @returns {string}
 */
export const pictureOf = (index) =>
  report.folder ? `${report.folder.name}/pictures/${fileName(index)}.jpg` : block(`picture-${index}`);

/**
 * Unpack the signed grid of one class.
 *
 * @param {Details} details
 * @param {string[]} maps Statuses of all classes; those that were not computed have no grid.
 * @param {number} classIndex
 * @returns {import("./heatmap.js").Grid}
 */
export function gridOf(details, maps, classIndex) {
  const [rows, columns] = report.grid;
  const place = maps.slice(0, classIndex).filter((status) => status !== "not_computed").length;
  const bytes = Uint8Array.from(atob(details.grids), (sign) => sign.charCodeAt(0));
  return { values: new Float32Array(bytes.buffer, 4 * place * rows * columns, rows * columns), rows, columns };
}

/**
 * Read a data block of the page.
 *
 * @param {string} id
 */
function block(id) {
  return JSON.parse(byId(id).textContent ?? "");
}

/** @param {number} number */
const fileName = (number) => String(number).padStart(6, "0");

/**
 * @param {number} index
 * @returns {Promise<Details>}
 */
function load(index) {
  if (!report.folder) return Promise.resolve(block(`details-${index}`));
  const count = report.folder.rows_per_script;
  const number = Math.floor(index / count);
  return script(number).then((list) => list[index - number * count]);
}

/** @type {Map<number, Promise<Details[]>>} */
const scripts = new Map();

/**
 * Load a script of the folder once.
 *
 * @param {number} number
 * @returns {Promise<Details[]>}
 */
function script(number) {
  const found = scripts.get(number);
  if (found) return keep(scripts, number, found, KEPT.scripts);
  const folder = report.folder?.name;
  const loading = new Promise((resolve, reject) => {
    receivers.set(number, resolve);
    const source = `${folder}/details/${fileName(number)}.js`;
    const failed = () => {
      missing();
      reject(new Error(`${source} is missing`));
    };
    const element = el("script", { src: source, error: failed, load: () => element.remove() });
    document.head.append(element);
  });
  return keep(scripts, number, loading, KEPT.scripts);
}

/** Say on the page that its folder is not where it should be. */
export function missing() {
  if (!report.folder) return;
  const [folder] = report.folder.name.split("/");
  byId("missing").textContent =
    `The folder '${folder}' of this page is missing or incomplete: pictures and heat maps cannot be shown. ` +
    "Keep it in the same place as the page, under its own name.";
  byId("missing").hidden = false;
}

/** @type {Map<number, (list: Details[]) => void>} */
const receivers = new Map();

/** The scripts of the folder call this. */
Object.assign(window, {
  btxrdExplainDetails: (/** @type {number} */ number, /** @type {Details[]} */ list) => receivers.get(number)?.(list),
});
