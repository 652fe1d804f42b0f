/**
 * Elements from plain values. Text is always text: nothing here, nor anywhere else on the page, parses HTML.
 */

/** Classes that are listed one by one; of more, a list would fill several screens. */
export const MOST_CLASSES = 20;

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown>} [attributes] `class`, `aria-...` and the like; functions become listeners of the
 *   event that the key names; false, null and undefined are left out, true is an attribute without a value.
 * @param {...(Node | string | number | null)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function el(tag, attributes = {}, ...children) {
  return /** @type {HTMLElementTagNameMap[Tag]} */ (filled(document.createElement(tag), attributes, children));
}

/**
 * Make an element of SVG.
 *
 * @param {string} tag
 * @param {Record<string, unknown>} [attributes] See {@link el}.
 * @param {...(Node | string | number | null)} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes = {}, ...children) {
  return /** @type {SVGElement} */ (filled(document.createElementNS(SVG, tag), attributes, children));
}

/**
 * @param {Element} element
 * @param {Record<string, unknown>} attributes
 * @param {(Node | string | number | null)[]} children
 */
function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, /** @type {EventListener} */ (value));
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(
    ...children.filter((child) => child !== null).map((child) => (child instanceof Node ? child : String(child))),
  );
  return element;
}

/**
 * Find an element that must be there.
 *
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}

/**
 * @param {number | null | undefined} value
 * @param {number} [digits]
 */
export const decimal = (value, digits = 3) =>
  value === null || value === undefined ? "undefined" : value.toFixed(digits);

/** @param {number | null | undefined} value In [0, 1]. */
export const percent = (value) =>
  value === null || value === undefined ? "undefined" : `${(100 * value).toFixed(1)}\u00a0%`;

/** @param {number} count */
export const radiographs = (count) => `${count} radiograph${count === 1 ? "" : "s"}`;
