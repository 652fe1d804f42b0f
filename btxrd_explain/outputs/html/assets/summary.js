/** What the classifier achieved: tiles with intervals, the confusion matrix, and each class against the others. */
import { byId, decimal, el, percent, radiographs, svg } from "./dom.js";

/**
 * @typedef {import("./data.js").Report} Report
 * @typedef {import("./data.js").Estimate} Estimate
 * @typedef {import("./filters.js").Filters} Filters
 */

/** @param {Report["tiles"]} tiles */
export function showTiles(tiles) {
  byId("tiles").append(...tiles.map(tile));
}

/** @param {Report["tiles"][number]} tile */
function tile({ label, kind, estimate, note }) {
  const shown = kind === "share" ? percent : decimal;
  const value = kind === "count" ? String(estimate.value) : shown(estimate.value);
  const interval = between(estimate, shown);
  return el(
    "div",
    { class: "tile" },
    el("dt", {}, label),
    el("dd", { class: "value" }, value),
    interval && el("dd", {}, whisker(estimate)),
    interval && el("dd", { class: "interval" }, `${interval} (95 %, n = ${estimate.n})`),
    note ? el("dd", { class: "note" }, note) : null,
  );
}

/**
 * Write an interval, the unit once: `73.3 to 91.7 %`.
 *
 * @param {Estimate} estimate
 * @param {(value: number) => string} shown
 */
function between({ low, high }, shown) {
  return low === null || high === null ? null : `${shown(low).replace(" %", "")} to ${shown(high)}`;
}

/**
 * Draw an interval on a scale from 0 to 1.
 *
 * @param {Estimate} estimate
 */
function whisker({ value, low, high }) {
  const [middle, from, to] = [value ?? 0, low ?? 0, high ?? 0].map((share) => 4 + 192 * share);
  return svg(
    "svg",
    { viewBox: "0 0 200 8", "aria-hidden": "true" },
    svg("rect", { class: "track", x: 4, y: 3, width: 192, height: 2 }),
    svg("rect", { class: "span", x: from, y: 2, width: Math.max(to - from, 1), height: 4, rx: 2 }),
    svg("circle", { class: "mean", cx: middle, cy: 4, r: 4 }),
  );
}

/**
 * Show the confusion matrix; each cell filters the gallery, and a second click lifts the filter.
 *
 * @param {Report} report
 * @param {import("./store.js").Store<Filters>} filters
 * @param {() => void} reveal Brings the gallery into view.
 */
export function showConfusion(report, filters, reveal) {
  const { classes, rows } = report;
  const head = el("tr", {}, el("th", { scope: "col" }, "true \\ predicted"));
  head.append(...classes.map((name) => el("th", { scope: "col" }, name)));
  const body = classes.map((label) => {
    const members = rows.filter((row) => row.label === label && row.predicted !== null);
    const cells = classes.map((predicted) => {
      const count = members.filter((row) => row.predicted === predicted).length;
      return el("td", {}, cell(label, predicted, count, members.length));
    });
    return el("tr", {}, el("th", { scope: "row" }, label), ...cells);
  });
  const table = byId("confusion");
  table.append(el("thead", {}, head), el("tbody", {}, ...body));
  const buttons = [...table.querySelectorAll("button")];
  table.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    if (!button) return;
    const { label = "", predicted = "" } = button.dataset;
    const again = button.getAttribute("aria-pressed") === "true";
    filters.set(again ? { label: "", predicted: "" } : { label, predicted });
    if (!again) reveal();
  });
  filters.follow(({ label, predicted }) => {
    for (const button of buttons) {
      const chosen = button.dataset.label === label && button.dataset.predicted === predicted;
      button.setAttribute("aria-pressed", String(chosen));
    }
  });
}

/**
 * @param {string} label
 * @param {string} predicted
 * @param {number} count
 * @param {number} total
 */
function cell(label, predicted, count, total) {
  const share = total ? count / total : 0;
  const words = `${radiographs(count)} of true class ${label} predicted as ${predicted}, ${percent(share)} of ${label}`;
  const button = el(
    "button",
    {
      type: "button",
      class: label === predicted ? "right" : "wrong",
      "data-label": label,
      "data-predicted": predicted,
      "aria-label": words,
      "aria-pressed": "false",
    },
    el("span", { class: "count" }, count),
    el("span", { class: "share" }, total ? percent(share) : ""),
  );
  button.style.setProperty("--share", String(share));
  return button;
}

/** @param {Report["performance"]} performance */
export function showPerformance(performance) {
  const head = ["class", "n", "sensitivity", "specificity", "precision"];
  const rows = performance.map(({ name, n, sensitivity, specificity, precision }) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, name),
      el("td", {}, n),
      ...[sensitivity, specificity, precision].map((estimate) => el("td", {}, ...shares(estimate))),
    ),
  );
  byId("performance").append(
    el("thead", {}, el("tr", {}, ...head.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, ...rows),
  );
}

/** @param {Estimate} estimate */
function shares(estimate) {
  return [
    el("span", { class: "count" }, percent(estimate.value)),
    el("span", { class: "share" }, between(estimate, percent) ?? ""),
  ];
}
