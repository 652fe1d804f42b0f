/** How the numbers came about: checklist, exclusions, definitions and provenance. */
import { byId, el, radiographs } from "./dom.js";

/** @param {import("./data.js").Report} report */
export function showNotes(report) {
  fill("checklist", report.checklist, ({ item, status, detail }) => [
    el(
      "li",
      { class: status.replaceAll(" ", "-") },
      el("strong", {}, `${SIGNS[status] ?? "–"} ${item}`),
      el("span", {}, ` (${status}) `),
      el("span", {}, detail),
    ),
  ]);
  fill("warnings", report.warnings, (warning) => [el("li", {}, warning)]);
  fill("limits", report.limits, (limit) => [el("li", {}, limit)]);
  fill("exclusions", report.excluded, ({ reason, count }) => [el("li", {}, `${radiographs(count)}: ${reason}`)]);
  fill("provenance-list", report.provenance, pair);
  fill("definition-list", report.definitions, pair);
}

/** @type {Record<string, string>} */
const SIGNS = { met: "✓", "not met": "✗", "not applicable": "–" };

/** @param {{name: string, value: string}} entry */
const pair = ({ name, value }) => [el("dt", {}, name), el("dd", {}, value)];

/**
 * Fill a list, or hide its section where there is nothing to list.
 *
 * @template Item
 * @param {string} id
 * @param {Item[]} items
 * @param {(item: Item) => Node[]} make
 */
function fill(id, items, make) {
  const list = byId(id);
  list.append(...items.flatMap(make));
  list.closest(".part")?.toggleAttribute("hidden", items.length === 0);
}
