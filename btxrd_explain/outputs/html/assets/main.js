/** Puts the page together. */
import { showFigures } from "./charts.js";
import { bindControls, bindExposure } from "./controls.js";
import { report } from "./data.js";
import { byId } from "./dom.js";
import { buildFilterBar } from "./filterbar.js";
import { ALL } from "./filters.js";
import { Gallery } from "./gallery.js";
import { unseen } from "./layers.js";
import { showNotes } from "./notes.js";
import { createStore } from "./store.js";
import { showConfusion, showInterventions, showPerformance, showReaders, showSlices, showTiles } from "./summary.js";
import { Viewer } from "./viewer.js";

const filters = createStore({ ...ALL });
const view = createStore({
  map: "measured",
  heat: true,
  annotation: true,
  region: true,
  alpha: report.alpha,
  threshold: report.protocol.threshold ?? 0.5,
});
const gallery = new Gallery(filters, view, (place) => viewer.open(place));
const viewer = new Viewer(
  view,
  () => gallery.chosen,
  (place) => gallery.focus(place),
);

showTiles(report.tiles);
showConfusion(report, filters, () => byId("gallery").scrollIntoView());
showPerformance(report.performance);
showSlices(report.slices);
showReaders(report.readers);
showInterventions(report.interventions, filters, () => byId("gallery").scrollIntoView());
showFigures(report.figures, openRow);
showNotes(report);
buildFilterBar(report, filters);
bindControls(view, report.classes);
bindExposure();
document.body.classList.toggle("all-seen", !report.rows.some(({ frame }) => frame && unseen(frame)));
byId("print").addEventListener("click", async () => {
  await gallery.drawAll();
  print();
});

/**
 * Open a radiograph by its row; one that is filtered out brings all back.
 *
 * @param {number} row
 */
function openRow(row) {
  if (!gallery.chosen.includes(row)) filters.set({ ...ALL });
  viewer.open(gallery.chosen.indexOf(row));
}
