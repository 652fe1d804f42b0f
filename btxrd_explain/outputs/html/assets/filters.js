/**
 * Which radiographs are shown, in which order, and what they amount to. Nothing here touches the page.
 *
 * @typedef {import("./data.js").Row} Row
 * @typedef {{
 *   text: string, label: string, predicted: string, outcome: string, tag: string, cell: string, facts: Record<string, string>,
 *   ranges: Record<string, [from: number, to: number]>, sort: string, descending: boolean,
 * }} Filters Empty text stands for all. Ranges and sort go by the names that {@link keyOf} knows.
 */

/** @type {Filters} */
export const ALL = {
  text: "",
  label: "",
  predicted: "",
  outcome: "",
  tag: "",
  cell: "",
  facts: {},
  ranges: {},
  sort: "id",
  descending: false,
};

/**
 * Choose and sort rows.
 *
 * @param {Row[]} rows
 * @param {Filters} filters
 * @returns {number[]} Numbers of the rows, in the order in which they are shown.
 */
export function select(rows, filters) {
  const chosen = rows.map((_, index) => index).filter((index) => matches(rows[index], filters));
  const key = keyOf(filters.sort);
  const direction = filters.descending ? -1 : 1;
  return chosen.sort((a, b) => compare(key(rows[a]), key(rows[b]), direction) || a - b);
}

/**
 * Say whether a row passes the filters; one without a number is in no range.
 *
 * @param {Row} row
 * @param {Filters} filters
 */
export function matches(row, filters) {
  return (
    row.id.toLowerCase().includes(filters.text.trim().toLowerCase()) &&
    among(row.true_classes ?? [row.label], filters.label) &&
    among(row.predicted_classes ?? [row.predicted], filters.predicted) &&
    same(row.outcome, filters.outcome) &&
    same(row.cell, filters.cell) &&
    (filters.tag === "" || row.tags.includes(filters.tag)) &&
    Object.entries(filters.facts).every(([name, value]) => same(row.facts[name] ?? "", value)) &&
    Object.entries(filters.ranges).every(([name, range]) => within(keyOf(name)(row), range))
  );
}

/**
 * Sum up the chosen rows.
 *
 * @param {Row[]} rows
 * @returns {{scored: number, meanIou: number | null, judged: number, accuracy: number | null}}
 */
export function summarise(rows) {
  const ious = rows.flatMap((row) => (row.iou === null ? [] : [row.iou]));
  const judged = rows.filter((row) => row.outcome !== null);
  return {
    scored: ious.length,
    meanIou: mean(ious),
    judged: judged.length,
    accuracy: mean(judged.map((row) => Number(row.outcome === "correct"))),
  };
}

/**
 * Return what rows are sorted by, or compared with a range.
 *
 * @param {string} name A key of a row, `p:` and the index of a class, or `fact:` and the name of a column.
 * @returns {(row: Row) => string | number | null}
 */
export function keyOf(name) {
  if (name.startsWith("p:")) {
    const index = Number(name.slice(2));
    return (row) => row.probabilities?.[index] ?? null;
  }
  if (name.startsWith("fact:")) return (row) => asNumber(row.facts[name.slice(5)]);
  return (row) => /** @type {Record<string, any>} */ (row)[name] ?? null;
}

/**
 * Compare two keys; what is undefined comes last in either direction.
 *
 * @param {string | number | null} a
 * @param {string | number | null} b
 * @param {number} direction 1 or -1.
 */
function compare(a, b, direction) {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  if (typeof a === "number" && typeof b === "number") return direction * (a - b);
  return direction * String(a).localeCompare(String(b), "en", { numeric: true });
}

/** @param {string | undefined} text */
function asNumber(text) {
  if (text === undefined || text === "") return null;
  return Number.isNaN(Number(text)) ? text : Number(text);
}

/**
 * @param {string | null} value
 * @param {string} wanted
 */
const same = (value, wanted) => wanted === "" || value === wanted;

/**
 * @param {(string | null)[]} values Those of a radiograph, which may have several classes or none.
 * @param {string} wanted
 */
const among = (values, wanted) => wanted === "" || values.includes(wanted);

/**
 * @param {string | number | null} value
 * @param {[number, number]} range
 */
const within = (value, [from, to]) => typeof value === "number" && value >= from && value <= to;

/** @param {number[]} values */
const mean = (values) => (values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null);
