/** The form that filters and sorts the gallery. */
import { byId, decimal, el } from "./dom.js";
import { ALL, keyOf } from "./filters.js";

/**
 * @typedef {import("./data.js").Report} Report
 * @typedef {import("./filters.js").Filters} Filters
 * @typedef {import("./store.js").Store<Filters>} FilterStore
 */

/**
 * Fill the form, and keep it and the filters in step.
 *
 * @param {Report} report
 * @param {FilterStore} filters
 */
export function buildFilterBar(report, filters) {
  const form = byId("filters");
  const outcomes = distinct(report.rows.map((row) => row.outcome));
  const tags = distinct(report.rows.flatMap((row) => row.tags));
  form.append(
    field("Name contains", search(filters)),
    choice("True class", report.classes, filters, "label"),
    choice("Predicted class", report.classes, filters, "predicted"),
    choice("Outcome", outcomes, filters, "outcome"),
    ...(report.interventions
      ? [choice("Map looks, class depends", report.interventions.cells.map(({ name }) => name), filters, "cell")]
      : []),
    range("Confidence", "confidence", report, filters),
    range("IoU with the annotation", "iou", report, filters),
    ...(tags.length ? [choice("Described as", tags, filters, "tag")] : []),
    ...report.columns.map((column) => metadata(column, report, filters)),
    sorting(report, filters),
    el("button", { type: "button", id: "reset", click: () => filters.set(ALL) }, "Show all"),
  );
  form.addEventListener("submit", (event) => event.preventDefault());
  byId("filter-box").toggleAttribute("open", matchMedia("(min-width: 60rem)").matches);
}

/**
 * @param {(string | null)[]} values
 * @returns {string[]}
 */
const distinct = (values) =>
  [...new Set(values)]
    .filter((value) => value !== null && value !== "")
    .map(String)
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }));

/**
 * @param {string} label
 * @param {HTMLElement} control
 */
const field = (label, control) => el("label", { class: "field" }, el("span", {}, label), control);

/** @param {FilterStore} filters */
function search(filters) {
  const input = el("input", { type: "search", id: "filter-text", autocomplete: "off", spellcheck: "false" });
  input.addEventListener("input", () => filters.set({ text: input.value }));
  filters.follow(({ text }) => {
    if (input.value !== text) input.value = text;
  });
  return input;
}

/**
 * @param {string} label
 * @param {string[]} values
 * @param {FilterStore} filters
 * @param {"label" | "predicted" | "outcome" | "tag" | "cell"} key
 */
function choice(label, values, filters, key) {
  const control = select(`filter-${key}`, [["", "all"], ...values.map((value) => [value, value])], (value) =>
    filters.set({ [key]: value }),
  );
  filters.follow((state) => (control.value = state[key]));
  return field(label, control);
}

/**
 * @param {string | null} id
 * @param {string[][]} options Pairs of value and text.
 * @param {(value: string) => void} change
 */
function select(id, options, change) {
  const control = el("select", { id });
  control.append(...options.map(([value, text]) => el("option", { value }, text)));
  control.addEventListener("change", () => change(control.value));
  return control;
}

/**
 * @param {{name: string, numeric: boolean}} column
 * @param {Report} report
 * @param {FilterStore} filters
 */
function metadata({ name, numeric }, report, filters) {
  if (numeric) return range(name, `fact:${name}`, report, filters);
  const values = distinct(report.rows.map((row) => row.facts[name] ?? ""));
  const control = select(null, [["", "all"], ...values.map((value) => [value, value])], (value) =>
    filters.set({ facts: { ...filters.get().facts, [name]: value } }),
  );
  control.dataset.fact = name;
  filters.follow(({ facts }) => (control.value = facts[name] ?? ""));
  return field(name, control);
}

/**
 * Make a pair of sliders; together they span all values when nothing is filtered.
 *
 * @param {string} label
 * @param {string} name What {@link keyOf} takes.
 * @param {Report} report
 * @param {FilterStore} filters
 */
function range(label, name, report, filters) {
  const key = keyOf(name);
  const numbers = report.rows.map(key).filter((value) => typeof value === "number");
  const share = !name.startsWith("fact:");
  const [min, max] = share ? [0, 1] : [Math.min(...numbers), Math.max(...numbers)];
  const step = share ? 0.01 : numbers.every(Number.isInteger) ? 1 : (max - min) / 100;
  const shown = (/** @type {number} */ value) => (share ? decimal(value, 2) : String(value));
  const output = el("output", {});
  const [from, to] = ["at least", "at most"].map((end) =>
    el("input", { type: "range", min, max, step, "data-range": name, "aria-label": `${label} ${end}` }),
  );
  const changed = (/** @type {Event} */ event) => {
    const [low, high] = [Number(from.value), Number(to.value)];
    /** @type {[number, number]} */
    const pair = event.target === from ? [Math.min(low, high), high] : [low, Math.max(low, high)];
    const { [name]: _, ...others } = filters.get().ranges;
    filters.set({ ranges: pair[0] <= min && pair[1] >= max ? others : { ...others, [name]: pair } });
  };
  [from, to].forEach((input) => input.addEventListener("input", changed));
  filters.follow(({ ranges }) => {
    const [low, high] = ranges[name] ?? [min, max];
    [from.value, to.value] = [String(low), String(high)];
    output.value = ranges[name] ? `${shown(low)} to ${shown(high)}` : "all";
  });
  return el("fieldset", { class: "range" }, el("legend", {}, label, output), from, to);
}

/**
 * @param {Report} report
 * @param {FilterStore} filters
 */
function sorting(report, filters) {
  const keys = [
    ["id", "name"],
    ["label", "true class"],
    ["predicted", "predicted class"],
    ["outcome", "outcome"],
    ["confidence", "confidence"],
    ...report.classes.map((name, index) => [`p:${index}`, `probability of ${name}`]),
    ["iou", "IoU"],
    ["dice", "Dice"],
    ["energy", "energy in annotation"],
    ["lesion_share", "size of the lesion"],
    ...report.columns.map(({ name }) => [`fact:${name}`, name]),
  ];
  const control = select("sort", keys, (sort) => filters.set({ sort }));
  const toggle = el("button", { type: "button", id: "direction" });
  toggle.addEventListener("click", () => filters.set({ descending: !filters.get().descending }));
  filters.follow(({ sort, descending }) => {
    control.value = sort;
    toggle.textContent = descending ? "descending ↓" : "ascending ↑";
  });
  return el("div", { class: "sorting" }, field("Sorted by", control), toggle);
}
