// The two pictures: what is drawn on them, and what the pointer shows.

import { Panel, windowAt, pullLevel } from "./panel.js";
import { Field, arrowsAt, hasGuide } from "./field.js";
import { makeModels } from "./data.js";

const COLOURS = [
  ...["paper", "ink", "soft", "inside", "outside", "region-fill", "region-line"],
  ...["other-fill", "other-line", "rises", "falls", "pull"],
];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export class View {
  // canvases: without and with guidance; told: called when the pointer is at another point
  constructor(canvases, data, world, player, pool, still, told) {
    Object.assign(this, { data, world, player, still, told });
    this.panels = canvases.map((canvas) => new Panel(canvas, data.outlines, data.unit));
    this.field = new Field(pool);
    this.pointer = null; // place in the plane
    this.preview = null; // ends of few points, while a slider moves
    this.readColours();
    for (const panel of this.panels) this.listen(panel);
    this.panels.forEach((panel) => panel.fit());
    // a canvas of another size is empty, so it is drawn before it can be seen
    const sized = new ResizeObserver(() => this.panels.filter((panel) => panel.fit()).length && this.drawAtOnce());
    canvases.forEach((canvas) => sized.observe(canvas));
  }

  readColours() {
    const style = getComputedStyle(document.documentElement);
    const camel = (name) => name.replace(/-(.)/, (_, letter) => letter.toUpperCase());
    this.colours = Object.fromEntries(COLOURS.map((name) => [camel(name), style.getPropertyValue(`--${name}`).trim()]));
  }

  listen(panel) {
    const { canvas } = panel;
    const move = (event) => this.point(panel.place(event));
    canvas.addEventListener("pointermove", move);
    canvas.addEventListener("pointerdown", move);
    canvas.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && this.point(null));
    canvas.addEventListener("blur", () => this.point(null));
    canvas.addEventListener("keydown", (event) => {
      if (!Object.hasOwn(ARROWS, event.key)) return;
      const [dx, dy] = ARROWS[event.key];
      const { x, y, half } = panel.window, at = this.pointer ?? [x, y], step = (event.shiftKey ? 0.1 : 0.02) * half;
      this.point([at[0] + dx * step, at[1] + dy * step]);
      event.preventDefault();
      event.stopPropagation();
    });
  }

  point(place) {
    if (!this.panels[0].window) return;
    this.pointer = place;
    this.draw();
  }

  // The view chosen; a window that moves with the noise is motion, too.
  windowOf(settings, sigma) {
    return windowAt(settings.view === "follow" && this.still() ? "tree" : settings.view, sigma);
  }

  // Computes what the picture at a step needs beside the points.
  async prepare(settings, sigma) {
    if (settings.pull) await this.field.at(settings, pullLevel(sigma), this.windowOf(settings, sigma));
  }

  // Draws with the next frame.
  draw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.drawAtOnce();
    });
  }

  drawAtOnce() {
    if (this.player.run) this.drawNow(this.player.run, this.settings ?? this.player.run.settings);
  }

  drawNow(run, settings) {
    const { shown } = this.player, sigma = this.preview ? 0 : run.sigmas[shown];
    const window = this.windowOf(settings, sigma);
    const field = settings.pull && hasGuide(settings) ? this.fieldNow(settings, sigma, window) : null;
    const states = [run.plain, run.guided].map((path) => path.states[Math.min(shown, path.states.length - 1)]);
    const previews = this.preview && [this.preview.plain, this.preview.guided];
    const cursor = this.cursorAt(states, settings);
    this.panels.forEach((panel, i) => {
      const path = i ? run.guided : run.plain;
      const guided = i === 1;
      panel.draw({
        window,
        colours: this.colours,
        points: previews ? previews[i].state : states[i],
        fate: previews ? previews[i].fate : run.done ? path.fate : null,
        field: guided ? field : null,
        arrows: guided && field ? this.arrows : null,
        path: cursor >= 0 && !previews ? path.states : null,
        cursor,
        shown,
      });
    });
    this.told({ cursor, arrows: field ? this.arrows : null });
  }

  // The lattice if it is there; otherwise it is asked for, and drawn when it comes.
  fieldNow(settings, sigma, window) {
    const level = pullLevel(sigma), known = this.field.known(settings, level, window);
    if (!known && !this.player.playing) this.field.at(settings, level, window).then(() => this.draw());
    this.arrows = this.pointer && arrowsAt(settings, this.models(settings.seed), this.pointer, level);
    return known;
  }

  // The point under the pointer in either picture; with the pull shown, the pointer is for the arrows.
  cursorAt(states, settings) {
    if (!this.pointer || settings.pull) return -1;
    const found = this.panels.map((panel, i) => panel.nearest(states[i], this.pointer));
    return found[1] >= 0 ? found[1] : found[0];
  }

  models(seed) {
    if (this.modelSeed !== seed) {
      this.modelSeed = seed;
      this.made = makeModels(this.data, seed, this.world.truth);
    }
    return this.made;
  }
}
