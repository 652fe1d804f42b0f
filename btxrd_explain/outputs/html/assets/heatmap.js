/**
 * From a raw class-activation grid to a heat map on the radiograph, and its overlap with an annotation.
 *
 * The same steps as the Python code takes: ReLU, bilinear upsampling with `align_corners=False`, min-max scaling over
 * what the network saw, threshold. Intermediate values are rounded to 32 bits where Python keeps them so.
 *
 * @typedef {[height: number, width: number]} Size
 * @typedef {{original: Size, resized: Size, network: Size, offset: [top: number, left: number]}} Frame
 *   How a radiograph maps to the network's input: `input = original * resized / original + offset`.
 * @typedef {{values: Float32Array, rows: number, columns: number}} Grid Signed evidence, row by row.
 * @typedef {{size: Size, pixels: Uint8Array, annotated: number}} Mask 1 where annotated, row by row, and how many.
 * @typedef {{lower: Int32Array, fraction: Float64Array, start: number, stop: number}} Axis
 *   For each sample the cell below it and the way to the next one; only `start <= index < stop` was seen.
 */

/**
 * Thresholds are told apart in steps of 1 / LEVELS, on which the counts of pixels are exact: a multiple of the hundredths
 * of the slider, and of the 51,000 levels from which Python's rules (Otsu, percentile) choose. What is more than 0
 * is in the first step at least.
 */
export const LEVELS = 5 * 51000;

/** Below this fraction of the highest value evidence is rounding noise: cells count as 0, and a map as flat. */
const NOISE_FLOOR = 1e-6;

/**
 * Return the step of a heat, or of a threshold.
 *
 * @param {number} h In steps.
 * @param {(h: number) => number} round
 */
const step = (h, round) => (h > 0 ? Math.max(round(h), 1) : 0);

/**
 * Place samples along one axis of the radiograph, or of the network's input, between the cells of the grid.
 *
 * @param {Frame} frame
 * @param {0 | 1} side 0 for rows, 1 for columns.
 * @param {number} cells Cells of the grid along this axis.
 * @param {{count?: number, space?: string}} [options] `count` samples instead of one for each pixel; `space` is
 *   `original` (the radiograph, the default) or `input`.
 * @returns {Axis}
 */
export function axis(frame, side, cells, { count, space = "original" } = {}) {
  const [original, resized, network] = [frame.original[side], frame.resized[side], frame.network[side]];
  const onInput = space === "input";
  const samples = count ?? (onInput ? network : original);
  const step = (onInput ? network : original) / samples;
  const lower = new Int32Array(samples);
  const fraction = new Float64Array(samples);
  let [start, stop] = [samples, 0];
  for (let index = 0; index < samples; index += 1) {
    const place = (index + 0.5) * step;
    const input = onInput ? place : place * (resized / original) + frame.offset[side];
    const source = onInput ? (place - frame.offset[side]) * (original / resized) : place;
    if (input >= 0 && input < network && source >= 0 && source < original) {
      start = Math.min(start, index);
      stop = index + 1;
    }
    const coordinate = Math.min(Math.max(input * (cells / network) - 0.5, 0), cells - 1);
    lower[index] = Math.floor(coordinate);
    fraction[index] = coordinate - lower[index];
  }
  return { lower, fraction, start: Math.min(start, stop), stop };
}

/**
 * Visit the positive evidence at the samples that the network saw, row by row.
 *
 * @param {Grid} grid
 * @param {Axis} rows
 * @param {Axis} columns
 * @param {(row: number, values: Float32Array) => void} visit Gets each row once; `values` is used again.
 */
function eachRow(grid, rows, columns, visit) {
  const least = NOISE_FLOOR * grid.values.reduce((most, value) => Math.max(most, value), 0);
  const evidence = grid.values.map((value) => (value >= least ? value : 0));
  const partial = new Float32Array(grid.columns + 1);
  const values = new Float32Array(columns.lower.length);
  for (let row = rows.start; row < rows.stop; row += 1) {
    const [above, weight] = [rows.lower[row], rows.fraction[row]];
    const below = Math.min(above + 1, grid.rows - 1);
    for (let cell = 0; cell < grid.columns; cell += 1) {
      const first = evidence[above * grid.columns + cell];
      const second = evidence[below * grid.columns + cell];
      partial[cell] = first * (1 - weight) + second * weight;
    }
    partial[grid.columns] = partial[grid.columns - 1];
    for (let column = columns.start; column < columns.stop; column += 1) {
      const [left, share] = [columns.lower[column], columns.fraction[column]];
      values[column] = partial[left] * (1 - share) + partial[left + 1] * share;
    }
    visit(row, values);
  }
}

/**
 * Return the extremes that scale a heat map to [0, 1].
 *
 * Between two cell centres the map is bilinear, so that its extremes lie on the first and last samples there.
 *
 * @param {Grid} grid
 * @param {Frame} frame
 * @param {string} [space]
 * @returns {{low: number, high: number} | null} null where the map is flat: no scale would be honest.
 */
export function extremes(grid, frame, space = "original") {
  let [low, high] = [Infinity, -Infinity];
  const rows = turns(axis(frame, 0, grid.rows, { space }));
  const columns = turns(axis(frame, 1, grid.columns, { space }));
  eachRow(grid, rows, columns, (_, values) => {
    low = values.reduce((least, value) => Math.min(least, value), low);
    high = values.reduce((most, value) => Math.max(most, value), high);
  });
  return high - low > NOISE_FLOOR * high ? { low, high } : null;
}

/**
 * Return the hottest pixel, which the pointing game asks for: the first one in reading order.
 *
 * @param {Grid} grid
 * @param {Frame} frame
 * @returns {[row: number, column: number] | null} null where the network saw nothing of the radiograph.
 */
export function hottest(grid, frame) {
  let most = -Infinity;
  /** @type {[number, number] | null} */
  let place = null;
  const rows = turns(axis(frame, 0, grid.rows));
  const columns = turns(axis(frame, 1, grid.columns));
  eachRow(grid, rows, columns, (row, values) =>
    values.forEach((value, column) => {
      if (value > most) [most, place] = [value, [rows.pixels[row], columns.pixels[column]]];
    }),
  );
  return place;
}

/**
 * Keep the first and last samples between any two cells, and which pixels they are.
 *
 * @param {Axis} all
 * @returns {Axis & {pixels: number[]}}
 */
function turns({ lower, fraction, start, stop }) {
  const kept = Array.from({ length: stop - start }, (_, step) => start + step).filter(
    (index) =>
      index === start || index === stop - 1 || lower[index] !== lower[index - 1] || lower[index] !== lower[index + 1],
  );
  return {
    lower: Int32Array.from(kept, (index) => lower[index]),
    fraction: Float64Array.from(kept, (index) => fraction[index]),
    start: 0,
    stop: kept.length,
    pixels: kept,
  };
}

/**
 * Sample a heat map on a lattice over the radiograph.
 *
 * @param {Grid} grid
 * @param {Frame} frame
 * @param {{low: number, high: number}} scale What {@link extremes} returned for the radiograph.
 * @param {Size} size Rows and columns of the lattice.
 * @returns {Float32Array} Values in [0, 1], row by row; NaN where the network did not see the radiograph.
 */
export function sample(grid, frame, { low, high }, [height, width]) {
  const rows = axis(frame, 0, grid.rows, { count: height });
  const columns = axis(frame, 1, grid.columns, { count: width });
  const heat = new Float32Array(height * width).fill(NaN);
  eachRow(grid, rows, columns, (row, values) => {
    for (let column = columns.start; column < columns.stop; column += 1) {
      heat[row * width + column] = Math.min(Math.max((values[column] - low) / (high - low), 0), 1);
    }
  });
  return heat;
}

/**
 * Count pixels by their heat, over the whole image and on the annotation.
 *
 * @param {Grid} grid
 * @param {Frame} frame
 * @param {Mask} mask The annotation on the pixels of the protocol's space.
 * @param {{space: string, operator: string}} protocol
 * @returns {Overlap | null} null where the map is flat.
 */
export function overlap(grid, frame, mask, { space, operator }) {
  const scale = extremes(grid, frame, space);
  if (!scale) return null;
  const range = Math.fround(scale.high - scale.low);
  const whole = new Uint32Array(LEVELS + 2);
  const inside = new Uint32Array(LEVELS + 2);
  // A pixel of heat h is in the region of every level up to floor(h) with >=, and below ceil(h) with >.
  const level = operator === ">" ? (/** @type {number} */ h) => Math.ceil(h) - 1 : (/** @type {number} */ h) => step(h, Math.floor);
  const rows = axis(frame, 0, grid.rows, { space });
  const columns = axis(frame, 1, grid.columns, { space });
  eachRow(grid, rows, columns, (row, values) => {
    const base = row * mask.size[1];
    for (let column = columns.start; column < columns.stop; column += 1) {
      const heat = Math.fround(Math.fround(values[column] - scale.low) / range);
      const slot = level(Math.min(Math.max(heat, 0), 1) * LEVELS) + 1;
      whole[slot] += 1;
      inside[slot] += mask.pixels[base + column];
    }
  });
  return new Overlap(whole, inside, mask, operator);
}

/** How many pixels lie in the region, and in region and annotation, at each threshold. */
export class Overlap {
  /**
   * @param {Uint32Array} whole Pixels by the highest level at which they are in the region, plus one.
   * @param {Uint32Array} inside The same, of the pixels on the annotation.
   * @param {Mask} mask
   * @param {string} operator
   */
  constructor(whole, inside, mask, operator) {
    this.annotation = mask.annotated;
    const unseen = [mask.pixels.length - sum(whole), this.annotation - sum(inside)];
    const atZero = operator === ">" ? 0 : 1; // pixels that were not seen have heat 0, which is not above 0
    whole[atZero] += unseen[0];
    inside[atZero] += unseen[1];
    this.region = fromTheTop(whole);
    this.both = fromTheTop(inside);
  }

  /**
   * Return the intersection over union at a threshold.
   *
   * @param {number} threshold In [0, 1].
   * @returns {number | null} null where the union is empty.
   */
  iou(threshold) {
    const slot = step(threshold * LEVELS, Math.round) + 1;
    const union = this.region[slot] + this.annotation - this.both[slot];
    return union > 0 ? this.both[slot] / union : null;
  }
}

/**
 * Unpack a mask.
 *
 * @param {{size: Size, runs: number[]}} packed Lengths of runs, row by row: off, on, off, on ...
 * @returns {Mask}
 */
export function unpackMask({ size, runs }) {
  const pixels = new Uint8Array(size[0] * size[1]);
  let [place, annotated] = [0, 0];
  runs.forEach((length, number) => {
    if (number % 2) {
      pixels.fill(1, place, place + length);
      annotated += length;
    }
    place += length;
  });
  return { size, pixels, annotated };
}

/** @param {Uint32Array} counts */
const sum = (counts) => counts.reduce((total, count) => total + count, 0);

/**
 * Add up counts from the highest slot down to each slot.
 *
 * @param {Uint32Array} counts
 */
function fromTheTop(counts) {
  const totals = counts.slice();
  for (let slot = totals.length - 2; slot >= 0; slot -= 1) totals[slot] += totals[slot + 1];
  return totals;
}
