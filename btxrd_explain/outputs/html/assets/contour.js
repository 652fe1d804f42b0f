/**
 * The outline of a region as an SVG path, by marching squares (Lorensen and Cline 1987, in two dimensions).
 */

/** For each pattern of corners above the level, the sides that the outline crosses: top, right, bottom, left. */
const CROSSINGS = [
  [],
  [3, 0],
  [0, 1],
  [3, 1],
  [1, 2],
  [3, 0, 1, 2],
  [0, 2],
  [3, 2],
  [2, 3],
  [2, 0],
  [0, 1, 2, 3],
  [2, 1],
  [1, 3],
  [1, 0],
  [0, 3],
  [],
];

/**
 * Trace where a lattice of values crosses a level.
 *
 * @param {Float32Array} values Row by row; NaN counts as below.
 * @param {[rows: number, columns: number]} lattice
 * @param {number} level In [0, 1].
 * @param {[height: number, width: number]} size What the path is drawn on; samples lie in the middle of equal cells.
 * @returns {{path: string, ticks: string}} Contents of the attribute `d`: the outline, closed along the border, and short
 *   lines from it to the inside of the region; none where its inside is plain, as it is small and within the picture.
 */
export function outline(values, [rows, columns], level, [height, width]) {
  /** @type {(row: number, column: number) => number} */
  const at = (row, column) => {
    const inside = row >= 0 && column >= 0 && row < rows && column < columns;
    const value = inside ? values[row * columns + column] : NaN;
    return Number.isNaN(value) ? OUTSIDE : value;
  };
  /** @type {(x: number, y: number) => string} */
  const place = (x, y) => {
    const left = Math.min(Math.max(((x + 0.5) * width) / columns, 0), width);
    const top = Math.min(Math.max(((y + 0.5) * height) / rows, 0), height);
    return `${left.toFixed(1)} ${top.toFixed(1)}`;
  };
  const parts = [];
  const ticks = [];
  const length = TICK * Math.max(height, width);
  let touches = false;
  for (let row = -1; row < rows; row += 1) {
    let [upper, lower] = [at(row, -1), at(row + 1, -1)];
    for (let column = -1; column < columns; column += 1) {
      const corners = [upper, at(row, column + 1), at(row + 1, column + 1), lower];
      [upper, lower] = [corners[1], corners[2]];
      const crossings = CROSSINGS[pattern(corners, level)];
      for (let number = 0; number < crossings.length; number += 2) {
        const [x, y] = crossing(crossings[number], corners, level);
        const [toX, toY] = crossing(crossings[number + 1], corners, level);
        parts.push(`M${place(column + x, row + y)}L${place(column + toX, row + toY)}`);
        touches ||= row < 0 || column < 0 || row === rows - 1 || column === columns - 1;
        if ((5 * row + 3 * column) % SPACING === 0) {
          const [across, down] = [((toX - x) * width) / columns, ((toY - y) * height) / rows];
          const scale = length / (Math.hypot(across, down) || 1); // the inside is on the left hand
          const [left, top] = place(column + (x + toX) / 2, row + (y + toY) / 2).split(" ").map(Number);
          ticks.push(`M${left} ${top}l${(scale * down).toFixed(1)} ${(-scale * across).toFixed(1)}`);
        }
      }
    }
  }
  const covered = values.reduce((count, value) => count + Number(value >= level), 0) / values.length;
  return { path: parts.join(""), ticks: touches || covered > LARGE ? ticks.join("") : "" };
}

const OUTSIDE = -1;
/** Length of a tick as a fraction of the longer side, and crossings from one to the next. */
const [TICK, SPACING] = [0.012, 11];
/** A region that covers more of the picture has ticks. */
const LARGE = 0.25;

/**
 * @param {number[]} corners Clockwise from the upper left.
 * @param {number} level
 */
const pattern = ([a, b, c, d], level) =>
  Number(a >= level) | (Number(b >= level) << 1) | (Number(c >= level) << 2) | (Number(d >= level) << 3);

/**
 * Find where the level is crossed on one side of a cell.
 *
 * @param {number} side 0 top, 1 right, 2 bottom, 3 left.
 * @param {number[]} corners Clockwise from the upper left.
 * @param {number} level
 * @returns {[x: number, y: number]} In [0, 1], from the upper left corner of the cell.
 */
function crossing(side, corners, level) {
  const [from, to] = [corners[side], corners[(side + 1) % 4]];
  const unknown = from === OUTSIDE || to === OUTSIDE; // beyond the edge there is nothing to interpolate with
  const way = unknown ? 0.5 : (level - from) / (to - from);
  if (side === 0) return [way, 0];
  if (side === 1) return [1, way];
  return side === 2 ? [1 - way, 1] : [0, 1 - way];
}
