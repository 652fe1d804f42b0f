/** Figures drawn from their numbers, as SVG: lines with bands, and points that open a radiograph. */
import { byId, el, svg } from "./dom.js";

/**
 * @typedef {import("./data.js").Figure} Figure
 * @typedef {import("./data.js").Series} Series
 * @typedef {import("./data.js").AxisOptions} AxisOptions
 * @typedef {(value: number) => number} Scale
 */

const [WIDTH, HEIGHT] = [420, 300];
/** Up to so many points get an interval each, more get a band. */
const FEW = 12;
const MARGIN = { left: 52, right: 22, top: 10, bottom: 42 };

/**
 * @param {Figure[]} figures
 * @param {(row: number) => void} open
 */
export function showFigures(figures, open) {
  byId("figure-list").append(...figures.map((figure) => chart(figure, open)));
}

/**
 * @param {Figure} figure
 * @param {(row: number) => void} open
 */
function chart(figure, open) {
  const x = scale(figure.x, MARGIN.left, WIDTH - MARGIN.right);
  const y = scale(figure.y, HEIGHT - MARGIN.bottom, MARGIN.top);
  const drawing = svg("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: "img",
    "aria-label": `${figure.title}. ${figure.note}`,
  });
  drawing.append(...axes(figure, x, y));
  if (figure.mark !== null)
    drawing.append(
      svg("line", { class: "mark", x1: x(figure.mark), x2: x(figure.mark), y1: y(figure.y.min), y2: y(figure.y.max) }),
    );
  figure.series.forEach((series, number) =>
    drawing.append(...(figure.kind === "points" ? points(series, number, x, y, open) : lines(series, number, x, y))),
  );
  return el(
    "figure",
    { class: "chart" },
    el("figcaption", {}, figure.title),
    drawing,
    legend(figure),
    el("p", { class: "note" }, figure.note),
    table(figure),
  );
}

/**
 * Return a scale from values to pixels.
 *
 * @param {AxisOptions} axis
 * @param {number} from
 * @param {number} to
 * @returns {Scale}
 */
function scale({ min, max, log }, from, to) {
  const way = log ? Math.log : (/** @type {number} */ value) => value;
  return (value) =>
    from + ((way(Math.min(Math.max(value, min), max)) - way(min)) / (way(max) - way(min))) * (to - from);
}

/**
 * @param {Figure} figure
 * @param {Scale} x
 * @param {Scale} y
 */
function axes(figure, x, y) {
  const [left, bottom] = [MARGIN.left, HEIGHT - MARGIN.bottom];
  const across = ticks(figure.x).flatMap((tick) => [
    svg("line", { class: "grid", x1: x(tick), x2: x(tick), y1: bottom, y2: MARGIN.top }),
    svg("text", { x: x(tick), y: bottom + 16, "text-anchor": "middle" }, shown(tick, figure.x)),
  ]);
  const up = ticks(figure.y).flatMap((tick) => [
    svg("line", { class: "grid", x1: left, x2: WIDTH - MARGIN.right, y1: y(tick), y2: y(tick) }),
    svg("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, shown(tick, figure.y)),
  ]);
  const middle = [(left + WIDTH - MARGIN.right) / 2, (bottom + MARGIN.top) / 2];
  return [
    ...across,
    ...up,
    svg("text", { class: "label", x: middle[0], y: HEIGHT - 6, "text-anchor": "middle" }, figure.x.label),
    svg(
      "text",
      { class: "label", transform: `translate(13 ${middle[1]}) rotate(-90)`, "text-anchor": "middle" },
      figure.y.label,
    ),
  ];
}

/** @param {AxisOptions} axis */
function ticks({ min, max, log }) {
  if (!log) return [0, 1, 2, 3, 4, 5].map((step) => min + (step / 5) * (max - min));
  const first = Math.ceil(Math.log10(min) - 1e-9);
  const last = Math.floor(Math.log10(max) + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, step) => 10 ** (first + step));
}

/**
 * @param {number} tick
 * @param {AxisOptions} axis
 */
const shown = (tick, { log }) => (log ? `${Number((100 * tick).toPrecision(3))} %` : String(Number(tick.toFixed(2))));

/**
 * Return the colour of a series as a class of the style: that of its class in all figures, else of its place.
 *
 * @param {Series} series
 * @param {number} number
 */
const toneOf = ({ tone }, number) => (tone === null ? "series-all" : `series-${(tone ?? number) % 8}`);

/**
 * Draw a line with its interval: a band along many points, a bar at each of a few.
 *
 * @param {Series} series
 * @param {number} number
 * @param {Scale} x
 * @param {Scale} y
 */
function lines(series, number, x, y) {
  const tone = toneOf(series, number);
  const place = (/** @type {number} */ value, /** @type {number} */ index) =>
    `${x(series.x[index]).toFixed(1)} ${y(value).toFixed(1)}`;
  const line = svg("path", {
    class: `line ${tone} ${series.dashed ? "dashed" : ""}`,
    d: `M${series.y.map(place).join("L")}`,
  });
  const { low, high } = series;
  if (!low || !high) return [line];
  if (series.x.length > FEW) {
    const back = low.map(place).reverse();
    return [svg("path", { class: `band ${tone}`, d: `M${high.map(place).join("L")}L${back.join("L")}Z` }), line];
  }
  const bars = series.x.map((_, index) =>
    low[index] === null ? "" : `M${place(low[index], index)}L${place(high[index], index)}`,
  );
  const dots = series.y.map((value, index) =>
    svg("path", { class: `dot ${tone}`, d: SHAPES[0], transform: `translate(${place(value, index)})` }),
  );
  return [svg("path", { class: `bar-of line ${tone}`, d: bars.join("") }), line, ...dots];
}

/**
 * @param {Series} series
 * @param {number} number
 * @param {Scale} x
 * @param {Scale} y
 * @param {(row: number) => void} open
 */
function points(series, number, x, y, open) {
  return series.x.map((value, index) => {
    const row = series.rows?.[index];
    const place = `translate(${x(value).toFixed(1)} ${y(series.y[index]).toFixed(1)})`;
    return svg("path", {
      class: `point ${toneOf(series, number)}`,
      d: SHAPES[number % SHAPES.length],
      transform: place,
      click: row === undefined ? null : () => open(row),
    });
  });
}

/** Circle, square, triangle, diamond: classes differ in more than colour. */
const SHAPES = [
  "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z",
  "M-3.5 -3.5h7v7h-7Z",
  "M0 -4.5L4.5 3.5H-4.5Z",
  "M0 -5L5 0L0 5L-5 0Z",
];

/** @param {Figure} figure */
function legend({ series, kind }) {
  if (series.length < 2) return null;
  const items = series.flatMap((one, number) => {
    const { name, dashed, x } = one;
    if (!x.length) return [];
    const mark =
      kind === "points"
        ? svg("path", {
            class: `point ${toneOf(one, number)}`,
            d: SHAPES[number % SHAPES.length],
            transform: "translate(12 6)",
          })
        : svg("path", { class: `line ${toneOf(one, number)}${dashed ? " dashed" : ""}`, d: "M0 6H24" });
    return el("li", {}, svg("svg", { viewBox: "0 0 24 12", "aria-hidden": "true" }, mark), name);
  });
  return el("ul", { class: "legend" }, ...items);
}

/**
 * The numbers behind a figure, made when they are asked for.
 *
 * @param {Figure} figure
 */
function table({ series, x, y }) {
  const details = el("details", {}, el("summary", {}, "Numbers"));
  details.addEventListener("toggle", () => {
    if (details.querySelector("table")) return;
    const head = el("tr", {}, ...["", x.label, y.label].map((name) => el("th", { scope: "col" }, name)));
    const rows = series.flatMap(({ name, x: places, y: values }) =>
      places.map((place, index) =>
        el(
          "tr",
          {},
          ...[name, place, values[index] ?? "undefined"].map((text) =>
            el("td", {}, typeof text === "number" ? Number(text.toPrecision(4)) : text),
          ),
        ),
      ),
    );
    details.append(
      el(
        "div",
        { class: "scroll", tabindex: "0", role: "group", "aria-label": "Numbers of the figure" },
        el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows)),
      ),
    );
  });
  return details;
}
