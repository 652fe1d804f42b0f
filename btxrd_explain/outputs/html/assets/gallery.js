/** The radiographs as cards: as many as reach below the screen, the rest when it is scrolled or asked for. */
import { missing, report, thumbnailOf } from "./data.js";
import { byId, decimal, el, percent, radiographs } from "./dom.js";
import { select, summarise } from "./filters.js";
import { classShown, layerElements, mapsOf } from "./layers.js";

/**
 * @typedef {import("./data.js").Row} Row
 * @typedef {import("./filters.js").Filters} Filters
 * @typedef {import("./layers.js").View} View
 */

const AT_ONCE = 24;
/** Pixels below the screen that are filled with cards. */
const AHEAD = 600;
/** Samples along the longer side of a card's heat map; the browser smooths it to the size shown. */
const SIDE = 96;
/** With more cards than this the print holds only those that were looked at. */
const PRINTED = 300;

export class Gallery {
  /**
   * @param {import("./store.js").Store<Filters>} filters
   * @param {import("./store.js").Store<View>} view
   * @param {(place: number) => void} open Opens a radiograph by its place in the gallery.
   */
  constructor(filters, view, open) {
    this.list = byId("cards");
    this.more = /** @type {HTMLButtonElement} */ (byId("more"));
    this.view = view;
    /** @type {number[]} Numbers of the rows that pass the filters, in their order. */
    this.chosen = [];
    this.visible = new IntersectionObserver((entries) => entries.forEach(this.#entered), { rootMargin: "300px" });
    this.list.addEventListener("click", (event) => {
      const card = event.target instanceof Element ? event.target.closest("button") : null;
      if (card) open(Number(card.dataset.place));
    });
    this.list.addEventListener("keydown", (event) => this.#move(event));
    this.more.addEventListener("click", () => this.#append(AT_ONCE));
    new IntersectionObserver(([entry]) => entry.isIntersecting && this.#fill(), {
      rootMargin: `${AHEAD}px`,
    }).observe(this.more);
    addEventListener("beforeprint", () => this.drawAll());
    filters.follow((state) => this.#show(select(report.rows, state)));
    view.follow(() => this.#redraw());
  }

  /**
   * Put the focus on a card.
   *
   * @param {number} place
   */
  focus(place) {
    if (place >= this.list.children.length) this.#append(place + 1 - this.list.children.length);
    const card = this.list.children[place]?.querySelector("button");
    if (!card) return;
    this.list.querySelector('button[tabindex="0"]')?.setAttribute("tabindex", "-1");
    card.tabIndex = 0;
    card.focus();
  }

  /** Draw all cards for the printer, unless there are too many; resolves when all is there. */
  async drawAll() {
    if (this.chosen.length <= PRINTED) this.#append(PRINTED);
    await Promise.all([...this.list.children].map((item) => draw(item, this.view.get())));
    const images = [...this.list.querySelectorAll("img")];
    images.forEach((image) => (image.loading = "eager"));
    await Promise.all(images.map((image) => image.decode().catch(() => {}))); // one that is missing stays blank
  }

  /** @param {number[]} chosen */
  #show(chosen) {
    this.chosen = chosen;
    this.visible.disconnect();
    this.list.replaceChildren();
    this.#append(AT_ONCE);
    this.#fill();
    const { scored, meanIou, judged, accuracy } = summarise(chosen.map((index) => report.rows[index]));
    const parts = [`${chosen.length} of ${radiographs(report.rows.length)}`];
    if (scored) parts.push(`mean IoU ${decimal(meanIou)} (n = ${scored})`);
    if (judged) parts.push(`${percent(accuracy)} correct (n = ${judged})`);
    byId("selection").textContent = parts.join(" · ");
    byId("none").hidden = chosen.length > 0;
  }

  /** Add cards until they reach below the screen, and would fill it: a link to the gallery finds all its room. */
  #fill() {
    const end = () => this.more.getBoundingClientRect().top;
    const height = () => end() - this.list.getBoundingClientRect().top;
    while (!this.more.hidden && (end() < innerHeight + AHEAD || height() < innerHeight)) this.#append(AT_ONCE);
  }

  /** @param {number} count */
  #append(count) {
    const shown = this.list.children.length;
    const items = this.chosen
      .slice(shown, shown + count)
      .map((index, place) => card(report.rows[index], index, shown + place));
    this.list.append(...items);
    items.forEach((item) => this.visible.observe(item));
    if (shown === 0) this.list.querySelector("button")?.setAttribute("tabindex", "0");
    const left = this.chosen.length - this.list.children.length;
    this.more.hidden = left === 0;
    this.more.textContent = `Show more (${left} left)`;
  }

  /** Draw cards that come into view, and let go of the pictures and layers of those that leave it. */
  #entered = (/** @type {IntersectionObserverEntry} */ { target, isIntersecting }) => {
    target.toggleAttribute("data-near", isIntersecting);
    if (isIntersecting) draw(target, this.view.get());
    else target.querySelector(".picture")?.replaceChildren();
  };

  #redraw() {
    this.list.querySelectorAll("[data-near]").forEach((item) => draw(item, this.view.get()));
  }

  /** @param {KeyboardEvent} event */
  #move(event) {
    const card = event.target instanceof Element ? event.target.closest("button") : null;
    if (!card || event.altKey || event.ctrlKey || event.metaKey) return;
    const columns = getComputedStyle(this.list).gridTemplateColumns.split(" ").length;
    const last = this.chosen.length - 1;
    const place = Number(card.dataset.place);
    /** @type {Record<string, number>} */
    const places = {
      ArrowLeft: place - 1,
      ArrowRight: place + 1,
      ArrowUp: place - columns,
      ArrowDown: place + columns,
      Home: 0,
      End: last,
    };
    if (!(event.key in places)) return;
    event.preventDefault();
    this.focus(Math.min(Math.max(places[event.key], 0), last));
  }
}

/**
 * @param {Row} row
 * @param {number} index
 * @param {number} place
 */
function card(row, index, place) {
  const score = row.iou === null ? null : `IoU ${decimal(row.iou, 2)}`;
  const verdict = row.error ? "no prediction" : row.outcome;
  const sure = row.confidence === null ? "" : ` with confidence ${decimal(row.confidence, 2)}`;
  const words = [
    row.id,
    row.label && `true class ${row.label}`,
    row.predicted && `predicted ${row.predicted}${sure}`,
    verdict,
    score,
  ];
  const arrow = row.label && row.predicted ? `${row.label} → ${row.predicted}` : (row.predicted ?? row.label ?? "");
  return el(
    "li",
    { "data-index": index },
    el(
      "button",
      {
        type: "button",
        class: "card",
        "data-place": place,
        tabindex: -1,
        "aria-label": words.filter(Boolean).join(", "),
      },
      el("span", { class: "picture" }),
      el("span", { class: "name" }, row.id),
      el("span", { class: "classes" }, arrow, row.confidence === null ? "" : ` (${decimal(row.confidence, 2)})`),
      el("span", { class: "badges" }, badge(row, verdict), score && el("span", { class: "score" }, score)),
    ),
  );
}

/**
 * @param {Row} row
 * @param {string | null} verdict
 */
function badge(row, verdict) {
  if (!verdict) return null;
  const right = row.outcome === "correct";
  return el("span", { class: right ? "badge right" : "badge wrong" }, `${right ? "✓" : "✗"} ${verdict}`);
}

/**
 * Draw a card's picture and layers; what is there already is used again.
 *
 * @param {Element} item
 * @param {View} view
 */
async function draw(item, view) {
  const index = Number(item.getAttribute("data-index"));
  const row = report.rows[index];
  const picture = /** @type {HTMLElement} */ (item.querySelector(".picture"));
  if (!row.thumbnail || !row.frame) {
    picture.textContent = row.error ?? "no picture";
    return;
  }
  if (!picture.firstChild) {
    const [height, width] = row.thumbnail;
    const image = el("img", { alt: "", width, height, loading: "lazy", error: missing });
    const { canvas, drawing, trace } = layerElements(row.frame);
    const layers = el("span", { class: "layers" }, image, canvas, drawing);
    layers.style.setProperty("--ratio", String(width / height));
    picture.append(layers);
    image.src = await thumbnailOf(index).catch(() => "");
    const maps = await mapsOf(index, SIDE).catch(() => null);
    trace("annotation", maps?.details.outline ?? "");
  }
  const maps = await mapsOf(index, SIDE).catch(() => null);
  const canvas = picture.querySelector("canvas");
  if (!maps || !canvas || !view.heat) return;
  maps.paint(canvas, classShown(row, view.map));
  const cross = maps.cross(classShown(row, view.map));
  picture.querySelectorAll("path.hottest").forEach((path) => path.setAttribute("d", cross));
}
