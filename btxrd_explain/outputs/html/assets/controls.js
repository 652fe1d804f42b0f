/** Switches and sliders of the layers; several of them may stand for the same value. */
import { byId, decimal, el } from "./dom.js";
import { COLOURS, opacityOf } from "./layers.js";

/**
 * @typedef {import("./layers.js").View} View
 * @typedef {import("./store.js").Store<View>} ViewStore
 */

/**
 * Bind every control that names a value of the view with `data-view`, and let the page's style follow.
 *
 * @param {ViewStore} view
 * @param {string[]} classes
 */
export function bindControls(view, classes) {
  const map = /** @type {HTMLSelectElement} */ (byId("map"));
  map.append(...classes.map((name, index) => el("option", { value: index }, `class ${name}`)));
  for (const control of document.querySelectorAll("[data-view]")) {
    if (control instanceof HTMLInputElement || control instanceof HTMLSelectElement) bind(view, control);
  }
  for (const output of document.querySelectorAll("output[data-of]")) {
    const name = /** @type {"alpha" | "threshold"} */ (output.getAttribute("data-of"));
    view.follow((state) => (output.textContent = decimal(state[name], 2)));
  }
  view.follow(({ heat, annotation, region, alpha }) => {
    document.body.classList.toggle("without-heat", !heat);
    document.body.classList.toggle("without-annotation", !annotation);
    document.body.classList.toggle("without-region", !region);
    document.body.style.setProperty("--alpha", String(alpha));
    document.body.style.setProperty("--colours", gradient(alpha));
  });
}

/**
 * Return the colours of the heat map over mid grey as a style of a bar.
 *
 * @param {number} alpha
 */
function gradient(alpha) {
  const stops = Array.from({ length: 33 }, (_, step) => {
    const level = Math.round((step / 32) * 255);
    const opacity = alpha * opacityOf(level / 255);
    const mixed = [...COLOURS.subarray(3 * level, 3 * level + 3)].map((part) => 128 * (1 - opacity) + part * opacity);
    return `rgb(${mixed.map(Math.round).join(" ")})`;
  });
  return `linear-gradient(to right, ${stops.join(", ")})`;
}

/**
 * @param {ViewStore} view
 * @param {HTMLInputElement | HTMLSelectElement} control
 */
function bind(view, control) {
  const name = /** @type {keyof View} */ (control.dataset.view);
  const box = control instanceof HTMLInputElement && control.type === "checkbox" ? control : null;
  control.addEventListener("input", () => {
    const number = control.type === "range";
    view.set({ [name]: box ? box.checked : number ? Number(control.value) : control.value });
  });
  view.follow((state) => {
    if (box) box.checked = Boolean(state[name]);
    else control.value = String(state[name]);
  });
}

/** Bind brightness and contrast of the large picture. */
export function bindExposure() {
  const [brightness, contrast] = ["brightness", "contrast"].map((id) => /** @type {HTMLInputElement} */ (byId(id)));
  const invert = /** @type {HTMLInputElement} */ (byId("invert"));
  const apply = () => {
    const parts = [
      `brightness(${brightness.value})`,
      `contrast(${contrast.value})`,
      `invert(${Number(invert.checked)})`,
    ];
    byId("stage").style.setProperty("--exposure", parts.join(" "));
  };
  [brightness, contrast, invert].forEach((control) => control.addEventListener("input", apply));
  byId("plain").addEventListener("click", () => {
    [brightness.value, contrast.value, invert.checked] = ["1", "1", false];
    apply();
  });
}
