/** The large picture: the radiograph under its layers, enlarged and moved at will. */
import { missing, pictureOf } from "./data.js";
import { byId, el } from "./dom.js";
import { layerElements } from "./layers.js";

export const STEP = 1.25;
const MOST = 8;

export class Stage {
  constructor() {
    this.root = byId("stage");
    this.zoom = 1;
    /** @type {import("./layers.js").Maps | null} */
    this.maps = null;
    /** @type {ReturnType<typeof layerElements> | null} */
    this.elements = null;
    /** @type {HTMLElement | null} */
    this.layers = null;
    new ResizeObserver(() => this.#fit()).observe(this.root);
    this.root.addEventListener("dblclick", () => this.enlarge(this.zoom > 1 ? 1 / this.zoom : 2));
    this.root.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.#drag();
  }

  /**
   * Show another radiograph.
   *
   * @param {import("./layers.js").Maps} maps
   * @param {number} index
   */
  show(maps, index) {
    const { row, frame, details } = maps;
    [this.maps, this.zoom] = [maps, 1];
    this.elements = layerElements(frame);
    this.elements.trace("annotation", details.outline ?? "");
    const image = el("img", { src: pictureOf(index), alt: `Radiograph ${row.id}`, draggable: "false", error: missing });
    this.layers = el("div", { class: "layers" });
    this.layers.append(image, this.elements.canvas, this.elements.drawing);
    this.root.replaceChildren(this.layers);
    this.#fit();
  }

  /**
   * Say that there is nothing to show.
   *
   * @param {string} reason
   */
  clear(reason) {
    [this.maps, this.elements, this.layers] = [null, null, null];
    this.root.replaceChildren(el("p", { class: "empty" }, reason));
  }

  /** @param {number} classIndex */
  paint(classIndex) {
    if (!this.maps || !this.elements) return;
    this.maps.paint(this.elements.canvas, classIndex);
    this.elements.trace("hottest", this.maps.cross(classIndex));
  }

  /**
   * @param {number} classIndex
   * @param {number} threshold
   */
  trace(classIndex, threshold) {
    if (!this.maps || !this.elements) return;
    const { path, ticks } = this.maps.region(classIndex, threshold);
    this.elements.trace("region", path);
    this.elements.trace("ticks", ticks);
  }

  /**
   * Enlarge by a factor, keeping the middle of the view (or another point of it) in place.
   *
   * @param {number} factor
   * @param {[x: number, y: number]} [fixed] In pixels from the upper left corner of the view.
   */
  enlarge(factor, fixed = [this.root.clientWidth / 2, this.root.clientHeight / 2]) {
    const before = this.zoom;
    this.zoom = Math.min(Math.max(this.zoom * factor, 1), MOST);
    const place = [this.root.scrollLeft + fixed[0], this.root.scrollTop + fixed[1]];
    this.#fit();
    const grown = this.zoom / before;
    this.root.scrollTo(place[0] * grown - fixed[0], place[1] * grown - fixed[1]);
  }

  #fit() {
    if (!this.maps || !this.layers) return;
    const [height, width] = this.maps.frame.original;
    const scale = Math.min(this.root.clientWidth / width, this.root.clientHeight / height) * this.zoom;
    this.layers.style.width = `${width * scale}px`;
    this.layers.style.height = `${height * scale}px`;
    this.root.toggleAttribute("data-enlarged", this.zoom > 1);
    byId("zoom-level").textContent = `${Math.round(100 * this.zoom)} %`;
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    event.preventDefault();
    const { left, top } = this.root.getBoundingClientRect();
    this.enlarge(STEP ** -Math.sign(event.deltaY), [event.clientX - left, event.clientY - top]);
  }

  /** A mouse moves the picture; fingers scroll it as they scroll any page. */
  #drag() {
    this.root.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "mouse" || event.button !== 0) return;
      const [x, y] = [this.root.scrollLeft + event.clientX, this.root.scrollTop + event.clientY];
      const move = (/** @type {PointerEvent} */ next) => this.root.scrollTo(x - next.clientX, y - next.clientY);
      addEventListener("pointermove", move);
      addEventListener("pointerup", () => removeEventListener("pointermove", move), { once: true });
    });
  }
}
