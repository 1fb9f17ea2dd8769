// A picture with the faces that one model found in it.

import { countWords, draw, make } from "./dom.js";
import { filterFaces, needsWide } from "./filter.js";
import { drawFaces } from "./overlay.js";
import { Steadiness } from "./steadiness.js";
import { showRoute, showStages } from "./timing.js";

export class Panel {
  constructor(model, choose) {
    this.model = model;
    this.steadiness = new Map(); // by the value of `overlap`
    this.view = make("div", { className: "view" });
    this.svg = draw("svg", { class: "overlay", "aria-hidden": "true" });
    this.count = make("span", { className: "count" });
    this.rate = make("span", { className: "rate" });
    this.bar = make("div", { className: "bar", role: "img" });
    this.legend = make("ul", { className: "legend" });
    this.route = make("details", { className: "route", open: true, hidden: true });
    const caption = make("figcaption", {}, make("h2", {}, model.name), this.count, this.rate);
    const parts = [caption, this.view, this.bar, this.legend, this.route];
    this.element = make("figure", { className: "panel", ariaLabel: model.name }, ...parts);
    this.element.dataset.model = model.name;
    this.element.addEventListener("click", () => choose(model.name));
    // The drawing scales by itself; its labels and lines keep their size.
    new ResizeObserver(() => this.redraw()).observe(this.view);
    this.forget();
  }

  /** Forget the answers, but not how steady faces were. */
  forget() {
    this.answers = new Map(); // by the value of `overlap`
    this.wide = null; // the same with a low score limit
    this.layers = [];
    this.chosen = -1;
    this.svg.replaceChildren();
  }

  showPicture({ url, name }) {
    this.view.replaceChildren(make("img", { alt: name, src: url }), this.svg);
  }

  showFrame(canvas) {
    Object.assign(canvas, { role: "img", ariaLabel: "Camera" });
    const shown = this.view.firstChild;
    if (shown instanceof HTMLCanvasElement) shown.replaceWith(canvas);
    else this.view.replaceChildren(canvas, this.svg);
  }

  measure(overlap, faces) {
    if (!this.steadiness.has(overlap)) this.steadiness.set(overlap, new Steadiness());
    this.steadiness.get(overlap).add(faces);
  }

  /** The first answer, which details are shown of. */
  get first() {
    return this.answers.values().next().value;
  }

  list(overlap, limits) {
    const wide = needsWide(limits.score, this.model) && this.wide?.get(overlap);
    return filterFaces((wide || this.answers.get(overlap)).body.faces, limits);
  }

  update(limits) {
    if (!this.first) return;
    const { body, elapsedMs } = this.first;
    this.layers = [...this.answers.keys()].map((overlap) => this.list(overlap, limits));
    this.size = body.image;
    this.count.textContent = countWords(this.layers[0].length, "face");
    showStages(this.bar, this.legend, body.timing_ms, elapsedMs);
    showRoute(this.route, body.route);
    this.redraw();
  }

  fail(error) {
    this.forget();
    for (const part of [this.bar, this.legend, this.rate]) part.replaceChildren();
    showRoute(this.route);
    this.count.textContent = error.title;
  }

  /** Emphasise a face of the first answer; -1 for none. */
  choose(number) {
    this.chosen = number;
    this.redraw();
  }

  redraw() {
    const width = this.view.clientWidth;
    if (!width || !this.layers.length) return;
    drawFaces(this.svg, this.size, this.layers, width / this.size.width, this.chosen);
  }
}
