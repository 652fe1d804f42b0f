/** The layers over a radiograph: heat map, outline of the region above the threshold, outline of the annotation. */
import { detailsOf, gridOf, report } from "./data.js";
import { outline } from "./contour.js";
import { el, svg } from "./dom.js";
import { extremes, hottest, overlap, sample, unpackMask } from "./heatmap.js";

/**
 * @typedef {import("./data.js").Row} Row
 * @typedef {import("./data.js").Details} Details
 * @typedef {import("./heatmap.js").Frame} Frame
 * @typedef {{
 *   map: string, heat: boolean, annotation: boolean, region: boolean, alpha: number, threshold: number,
 * }} View What is drawn; `map` is `measured`, `predicted`, `true` or the index of a class.
 */

/**
 * Opacity by heat, before that of the whole layer: its square, so that more heat always shows as more.
 *
 * @param {number} heat
 */
export const opacityOf = (heat) => heat * heat;

/** Colours of the heat map from 0 to 1, three bytes each: those of the figures. */
export const COLOURS = Uint8Array.from(atob(report.colours), (sign) => sign.charCodeAt(0));

/**
 * Return the class whose map is shown.
 *
 * @param {Row} row
 * @param {string} map
 * @returns {number} -1 where there is none.
 */
export function classShown(row, map) {
  const [predicted, label] = [row.predicted_classes ?? [row.predicted], row.true_classes ?? [row.label]];
  /** @type {Record<string, string | null | undefined>} */
  const named = { measured: row.target ?? predicted[0], predicted: predicted[0], true: label[0] };
  return map in named ? report.classes.indexOf(named[map] ?? "") : Number(map);
}

/** One radiograph's maps, sampled where they are drawn and counted where they are measured. */
export class Maps {
  /**
   * @param {Row} row
   * @param {Details} details
   * @param {number} side Samples along the longer side.
   */
  constructor(row, details, side) {
    this.row = row;
    this.details = details;
    this.frame = /** @type {Frame} */ (row.frame);
    const scale = side / Math.max(...this.frame.original);
    /** @type {[number, number]} */
    this.lattice = [lengthOf(this.frame.original[0] * scale), lengthOf(this.frame.original[1] * scale)];
    /** @type {Map<number, Float32Array | null>} */
    this.samples = new Map();
    /** @type {Map<number, import("./heatmap.js").Overlap | null>} */
    this.overlaps = new Map();
  }

  /**
   * Return the heat map of a class on the lattice; null where its grid holds nothing to show.
   *
   * @param {number} classIndex
   */
  heat(classIndex) {
    return remembered(this.samples, classIndex, () => {
      if (this.row.maps[classIndex] !== "ok") return null;
      const grid = gridOf(this.details, this.row.maps, classIndex);
      const scale = extremes(grid, this.frame);
      return scale && sample(grid, this.frame, scale, this.lattice);
    });
  }

  /**
   * Return the IoU of a class's map with the annotation; null where it is undefined.
   *
   * @param {number} classIndex
   * @param {number} threshold
   */
  iou(classIndex, threshold) {
    const { mask } = this.details;
    if (!mask || this.row.maps[classIndex] !== "ok") return null;
    const counts = remembered(this.overlaps, classIndex, () =>
      overlap(gridOf(this.details, this.row.maps, classIndex), this.frame, unpackMask(mask), report.protocol),
    );
    return counts && counts.iou(threshold);
  }

  /**
   * Trace the region of a class's map at a threshold.
   *
   * @param {number} classIndex
   * @param {number} threshold
   */
  region(classIndex, threshold) {
    const heat = this.heat(classIndex);
    return heat ? outline(heat, this.lattice, threshold, this.frame.original) : { path: "", ticks: "" };
  }

  /**
   * Return a cross at the hottest pixel of a class's map as the path of an SVG; empty where there is no map.
   *
   * @param {number} classIndex
   */
  cross(classIndex) {
    if (!this.heat(classIndex)) return "";
    const place = hottest(gridOf(this.details, this.row.maps, classIndex), this.frame);
    if (!place) return "";
    const [y, x, arm] = [place[0] + 0.5, place[1] + 0.5, 0.013 * Math.max(...this.frame.original)];
    return `M${x - arm} ${y}H${x + arm}M${x} ${y - arm}V${y + arm}`;
  }

  /**
   * Paint a class's map; opacity grows with the square of the heat, as in the figures.
   *
   * @param {HTMLCanvasElement} canvas
   * @param {number} classIndex
   */
  paint(canvas, classIndex) {
    const heat = this.heat(classIndex);
    [canvas.height, canvas.width] = this.lattice;
    if (!heat) return;
    const picture = new ImageData(this.lattice[1], this.lattice[0]);
    heat.forEach((value, pixel) => {
      if (Number.isNaN(value)) return;
      const level = Math.round(255 * value);
      const colour = COLOURS.subarray(3 * level, 3 * level + 3);
      picture.data.set(colour, 4 * pixel);
      picture.data[4 * pixel + 3] = Math.round(255 * opacityOf(level / 255));
    });
    canvas.getContext("2d")?.putImageData(picture, 0, 0);
  }
}

/**
 * Load one radiograph's maps.
 *
 * @param {number} index
 * @param {number} side Samples along the longer side.
 */
export async function mapsOf(index, side) {
  return new Maps(report.rows[index], await detailsOf(index), side);
}

/**
 * Make the elements of the layers, which fill their parent.
 *
 * @param {Frame} frame
 */
export function layerElements(frame) {
  const [height, width] = frame.original;
  const canvas = el("canvas", { class: "heat", "aria-hidden": "true" });
  const paths = Object.fromEntries(
    ["unseen", "region", "ticks", "annotation", "hottest"].map((name) => [
      name,
      [svg("path", { class: `rim ${name}` }), svg("path", { class: name })],
    ]),
  );
  const drawing = svg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    ...Object.values(paths).flat(),
  );
  const trace = (/** @type {string} */ name, /** @type {string} */ path) =>
    paths[name].forEach((element) => element.setAttribute("d", path));
  trace("unseen", unseen(frame));
  return { canvas, drawing, trace };
}

/**
 * Outline what the network sees, where that is not all.
 *
 * @param {Frame} frame
 */
export function unseen({ original, resized, network, offset }) {
  const [top, left, bottom, right] = [0, 1, 2, 3].map((side) => {
    const axis = side % 2;
    const edge = ((side < 2 ? 0 : network[axis]) - offset[axis]) * (original[axis] / resized[axis]);
    return Math.min(Math.max(edge, 0), original[axis]);
  });
  const all = top <= 0 && left <= 0 && bottom >= original[0] && right >= original[1];
  return all ? "" : `M${left} ${top}H${right}V${bottom}H${left}Z`;
}

/** @param {number} length */
const lengthOf = (length) => Math.max(1, Math.round(length));

/**
 * @template Value
 * @param {Map<number, Value>} values
 * @param {number} key
 * @param {() => Value} make
 * @returns {Value}
 */
function remembered(values, key, make) {
  if (!values.has(key)) values.set(key, make());
  return /** @type {Value} */ (values.get(key));
}
