/** One radiograph at a time: its layers, its scores, and what is known of it. */
import { report } from "./data.js";
import { byId, decimal, el, MOST_CLASSES } from "./dom.js";
import { classShown, mapsOf } from "./layers.js";
import { facts, mapNote, scores, verdict } from "./facts.js";
import { Stage, STEP } from "./stage.js";

/**
 * @typedef {import("./layers.js").View} View
 * @typedef {import("./store.js").Store<View>} ViewStore
 */

/** @typedef {{name: string, index: number, roles: string, probability: number | null}} Choice A class on offer. */

/** Samples along the longer side of a heat map. */
const SIDE = 320;

export class Viewer {
  /**
   * @param {ViewStore} view
   * @param {() => number[]} chosen The numbers of the rows that can be turned to.
   * @param {(place: number) => void} closed Told which place was shown last.
   */
  constructor(view, chosen, closed) {
    this.dialog = /** @type {HTMLDialogElement} */ (byId("viewer"));
    this.stage = new Stage();
    this.live = /** @type {HTMLDataElement} */ (byId("live-iou"));
    this.view = view;
    this.chosen = chosen;
    this.place = 0;
    /** Index of the class whose map is shown. */
    this.shown = -1;
    /** @type {import("./layers.js").Maps | null} */
    this.maps = null;
    byId("previous").addEventListener("click", () => this.turn(-1));
    byId("next").addEventListener("click", () => this.turn(1));
    byId("close").addEventListener("click", () => this.dialog.close());
    byId("larger").addEventListener("click", () => this.stage.enlarge(STEP));
    byId("smaller").addEventListener("click", () => this.stage.enlarge(1 / STEP));
    byId("fit").addEventListener("click", () => this.stage.enlarge(0));
    this.dialog.addEventListener("keydown", (event) => this.#key(event));
    this.dialog.addEventListener("close", () => closed(this.place));
    view.follow(() => this.#redraw());
  }

  /**
   * Open a radiograph.
   *
   * @param {number} place Its place among those that can be turned to.
   */
  async open(place) {
    this.place = place;
    if (!this.dialog.open) this.dialog.showModal();
    const index = this.chosen()[place];
    const row = report.rows[index];
    byId("viewer-name").textContent = row.id;
    byId("viewer-place").textContent = `${place + 1} of ${this.chosen().length}`;
    byId("verdict").replaceChildren(...verdict(row));
    byId("facts").replaceChildren(...facts(row));
    this.maps = null;
    this.shown = classShown(row, this.view.get().map);
    this.#offerClasses(row);
    if (report.protocol.threshold === null && row.threshold !== null) this.view.set({ threshold: row.threshold });
    if (!row.thumbnail || !row.frame) {
      this.stage.clear(row.error ?? "There is no picture of this radiograph.");
    } else {
      const maps = await mapsOf(index, SIDE).catch(() => null);
      if (this.chosen()[this.place] !== index) return; // turned on while it was loading
      this.maps = maps;
      if (maps) this.stage.show(maps, index);
      else this.stage.clear("The folder of this page is missing: there is no picture to show.");
    }
    this.#choose(this.shown);
  }

  /**
   * Turn to another radiograph.
   *
   * @param {number} steps
   */
  turn(steps) {
    const place = Math.min(Math.max(this.place + steps, 0), this.chosen().length - 1);
    if (place !== this.place) this.open(place);
  }

  /** @param {import("./data.js").Row} row */
  #offerClasses(row) {
    const choices = report.classes.map((name, index) => {
      const isTrue = (row.true_classes ?? [row.label]).includes(name);
      const isPredicted = (row.predicted_classes ?? [row.predicted]).includes(name);
      const roles = [isTrue && "true", isPredicted && "predicted"].filter(Boolean).join(", ");
      return { name, index, roles, probability: row.probabilities?.[index] ?? null };
    });
    const offered =
      choices.length > MOST_CLASSES ? [this.#asSelect(choices)] : choices.map((choice) => this.#asRadio(choice));
    byId("classes").replaceChildren(...offered);
  }

  /** @param {Choice} choice */
  #asRadio({ name, index, roles, probability }) {
    const input = el("input", { type: "radio", name: "class", value: index, change: () => this.#choose(index) });
    const bar = el("span", { class: "bar", "aria-hidden": "true" });
    bar.style.setProperty("--share", String(probability ?? 0));
    const value = el("span", { class: "probability" }, probability === null ? "" : probability.toFixed(3));
    const words = el("span", { class: "class" }, name, roles && el("small", {}, ` ${roles}`));
    return el("label", {}, input, words, bar, value);
  }

  /**
   * Offer many classes: true and predicted ones first, then those of the highest probability.
   *
   * @param {Choice[]} choices
   */
  #asSelect(choices) {
    const rank = (/** @type {Choice} */ { roles, probability }) => (roles ? 2 : 0) + (probability ?? 0);
    const select = el("select", { "aria-label": "Class", change: () => this.#choose(Number(select.value)) });
    const options = [...choices].sort((one, other) => rank(other) - rank(one) || one.index - other.index);
    select.append(
      ...options.map(({ name, index, roles, probability }) => {
        const facts = [probability?.toFixed(3), roles].filter(Boolean).join(", ");
        return el("option", { value: index }, facts ? `${name} (${facts})` : name);
      }),
    );
    return select;
  }

  /** @param {number} classIndex */
  #choose(classIndex) {
    this.shown = classIndex;
    byId("classes")
      .querySelectorAll("input")
      .forEach((input, index) => (input.checked = index === classIndex));
    const select = byId("classes").querySelector("select");
    if (select) select.value = String(classIndex);
    this.stage.paint(classIndex);
    this.#redraw();
  }

  #redraw() {
    if (!this.dialog.open) return;
    const row = report.rows[this.chosen()[this.place]];
    const { threshold } = this.view.get();
    this.stage.trace(this.shown, threshold);
    byId("map-note").textContent = mapNote(row, this.shown);
    const iou = this.maps?.iou(this.shown, threshold) ?? null;
    this.live.value = String(iou ?? "");
    this.live.textContent = decimal(iou);
    byId("scores").replaceChildren(...scores(row, this.shown, threshold));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const moves = ["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key);
    const ownKeys = target.matches("input, select") || (target.id === "stage" && this.stage.zoom > 1);
    if (moves && ownKeys) return; // they move a slider, choose a class or scroll the picture
    const action = this.#actions()[event.key] ?? this.#classAction(event.key);
    if (!action) return;
    event.preventDefault();
    action();
  }

  /** @returns {Record<string, (() => void) | undefined>} What each key does. */
  #actions() {
    const { view } = this;
    const toggle = (/** @type {"heat" | "annotation" | "region"} */ layer) => () =>
      view.set({ [layer]: !view.get()[layer] });
    const move = (/** @type {"alpha" | "threshold"} */ name, /** @type {number} */ by) => () =>
      view.set({ [name]: Math.round(100 * Math.min(Math.max(view.get()[name] + by, 0), 1)) / 100 });
    return {
      ArrowLeft: () => this.turn(-1),
      ArrowRight: () => this.turn(1),
      Home: () => this.turn(-Infinity),
      End: () => this.turn(Infinity),
      h: toggle("heat"),
      a: toggle("annotation"),
      r: toggle("region"),
      t: move("threshold", 0.05),
      T: move("threshold", -0.05),
      o: move("alpha", 0.05),
      O: move("alpha", -0.05),
      "+": () => this.stage.enlarge(STEP),
      "-": () => this.stage.enlarge(1 / STEP),
      0: () => this.stage.enlarge(0),
      "?": () => byId("shortcuts").toggleAttribute("open"),
    };
  }

  /** @param {string} key A digit chooses a class. */
  #classAction(key) {
    const index = Number(key) - 1;
    return index in report.classes ? () => this.#choose(index) : undefined;
  }
}
