/** What the classifier achieved: tiles with intervals, the confusion matrix, and each class against the others. */
import { byId, decimal, el, MOST_CLASSES, percent, radiographs, svg } from "./dom.js";

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
  const value = kind === "count" ? String(estimate.mean) : shown(estimate.mean);
  const interval = between(estimate, shown);
  return el(
    "div",
    { class: "tile" },
    el("dt", {}, label),
    el("dd", { class: "value" }, value),
    interval && el("dd", {}, whisker(estimate)),
    interval && el("dd", { class: "interval" }, `${interval} (95\u00a0%, n\u00a0=\u00a0${estimate.n})`),
    note ? el("dd", { class: "note" }, note) : null,
  );
}

/**
 * Write an interval, the unit once: `73.3 to 91.7 %`. Where draws at an end of the scale have no spread, say so.
 *
 * @param {Estimate} estimate
 * @param {(value: number) => string} shown
 */
function between({ low, high }, shown) {
  if (low !== null && low === high && (low === 0 || low === 1)) return "no spread";
  return low === null || high === null ? null : `${shown(low).replace(/\s%$/, "")} to ${shown(high)}`;
}

/**
 * Draw an interval on a scale from 0 to 1.
 *
 * @param {Estimate} estimate
 */
function whisker({ mean, low, high }) {
  const [middle, from, to] = [mean ?? 0, low ?? 0, high ?? 0].map((share) => 4 + 192 * share);
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
  const { rows } = report;
  const classes = mostFrequent(report);
  if (classes.length < report.classes.length) {
    const told = ` Shown are the ${classes.length} most frequent of ${report.classes.length} classes.`;
    byId("confusion").closest(".part")?.querySelector(".note")?.append(told);
  }
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
  table.closest(".part")?.toggleAttribute(
    "hidden",
    report.multi_label || rows.every((row) => row.outcome === null),
  );
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
 * Return the classes of the confusion matrix: more of them than a screen holds are those of the most radiographs.
 *
 * @param {Report} report
 */
function mostFrequent({ classes, rows }) {
  if (classes.length <= MOST_CLASSES) return classes;
  const counts = new Map(classes.map((name) => [name, 0]));
  for (const { label } of rows) {
    if (label !== null) counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  const kept = [...classes].sort((one, other) => (counts.get(other) ?? 0) - (counts.get(one) ?? 0));
  const shown = new Set(kept.slice(0, MOST_CLASSES));
  return classes.filter((name) => shown.has(name));
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
  const head = ["class", "n", "sensitivity", "specificity", "precision", "area under ROC"];
  const rows = performance.map(({ name, n, sensitivity, specificity, precision, auroc }) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, name),
      el("td", {}, n),
      ...[sensitivity, specificity, precision].map((estimate) => el("td", {}, ...bounded(estimate, percent))),
      el("td", {}, ...bounded(auroc, decimal)),
    ),
  );
  byId("performance")
    .closest(".part")
    ?.toggleAttribute("hidden", performance.length === 0);
  byId("performance").append(
    el("thead", {}, el("tr", {}, ...head.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, ...rows),
  );
}

/**
 * @param {Estimate} estimate
 * @param {(value: number | null) => string} shown
 */
const bounded = (estimate, shown) => [
  el("span", { class: "count" }, shown(estimate.mean)),
  el("span", { class: "share" }, between(estimate, shown) ?? ""),
];

/** @param {Report["slices"]} slices */
export function showSlices(slices) {
  const heads = ["", "radiographs", "n", "mean IoU", "ceiling", "by chance", "hottest point on it", "heat on it"];
  const rows = slices.map(({ group, name, n, iou, ceiling, chance, hit, energy }, index) =>
    el(
      "tr",
      {},
      el("td", { class: "group" }, slices[index - 1]?.group === group ? "" : group),
      el("th", { scope: "row" }, name),
      el("td", {}, n),
      el("td", {}, ...bounded(iou, decimal)),
      ...[ceiling, chance].map((level) => el("td", {}, level === null ? "–" : decimal(level))),
      ...[hit, energy].map((estimate) => el("td", {}, ...bounded(estimate, percent))),
    ),
  );
  const table = byId("slices");
  table.append(
    el("thead", {}, el("tr", {}, ...heads.map((name) => el(name ? "th" : "td", name ? { scope: "col" } : {}, name)))),
    el("tbody", {}, ...rows),
  );
  table.closest(".part")?.toggleAttribute("hidden", slices.length === 0);
}

/** @param {Report["readers"]} readers */
export function showReaders({ note, rows }) {
  byId("readers-note").textContent = note;
  const heads = ["reader", "score", "n", "of the reader", "of the heat map", "difference", "fraction of the reader's"];
  const cells = rows.map(({ name, score, n, reader, heat_map, difference, fraction }) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, name),
      el("td", { class: "group" }, score),
      el("td", {}, n),
      ...[reader, heat_map, difference, fraction].map((found) =>
        el("td", {}, ...(found.mean === null ? ["–"] : bounded(found, decimal))),
      ),
    ),
  );
  const table = byId("readers");
  const head = el("tr", {}, ...heads.map((name) => el("th", { scope: "col" }, name)));
  table.append(el("thead", {}, head), el("tbody", {}, ...cells));
  table.closest(".part")?.toggleAttribute("hidden", rows.length === 0);
}

/**
 * Show whether classes depend on lesions; each of the four cells filters the gallery, a second click lifts the filter.
 *
 * @param {Report["interventions"]} found null where no radiograph was changed.
 * @param {import("./store.js").Store<Filters>} filters
 * @param {() => void} reveal Brings the gallery into view.
 */
export function showInterventions(found, filters, reveal) {
  const table = byId("interventions");
  table.closest(".part")?.toggleAttribute("hidden", found === null);
  if (!found) return;
  byId("intervention-verdict").textContent = `${found.verdict} ${found.note}`;
  const buttons = found.cells.map(({ name, count }) =>
    el(
      "button",
      {
        type: "button",
        "aria-pressed": "false",
        "aria-label": `${name}: ${found.several ? `${count} classes of radiographs` : radiographs(count)}`,
        click: () => {
          const again = filters.get().cell === name;
          filters.set({ cell: again ? "" : name });
          if (!again) reveal();
        },
      },
      count,
    ),
  );
  const rows = found.cells.map(({ name, meaning, fraction }, index) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, name),
      el("td", {}, buttons[index]),
      el("td", {}, ...bounded(fraction, percent)),
      el("td", {}, meaning),
    ),
  );
  const counted = found.several ? "classes of radiographs" : "radiographs";
  const heads = ["map and class", counted, "of these", "what it means"];
  table.append(
    el("thead", {}, el("tr", {}, ...heads.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, ...rows),
  );
  filters.follow(({ cell }) =>
    buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(found.cells[index].name === cell))),
  );
}
