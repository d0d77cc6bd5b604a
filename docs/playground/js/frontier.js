// The plot of quality against coverage: a dot for every run made in this tab.

import { inWords } from "./meters.js";
import { METHODS, sameRun, title } from "./settings.js";

const NAMESPACE = "http://www.w3.org/2000/svg";
const STORE = "playground-runs";
const BOX = { left: 60, right: 12, top: 12, bottom: 40, width: 420, height: 300 };
const SHAPES = {
  none: "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
  cfg: "M-4.8-4.8h9.6v9.6h-9.6z",
  autoguidance: "M-5.4 0a5.4 5.4 0 1 0 10.8 0a5.4 5.4 0 1 0-10.8 0z",
  blend: "M0-6.8L6.8 0L0 6.8L-6.8 0z",
  truncation: "M0-6.4L6.2 5H-6.2z",
  exact: "M-6-2h4v-4h4v4h4v4h-4v4h-4v-4h-4z",
};

export class Frontier {
  // pick: called with the settings of a dot that is chosen
  constructor(svg, legend, label, pick) {
    Object.assign(this, { svg, label, pick });
    this.runs = read();
    this.at = -1; // the dot that the keyboard is at
    legend.innerHTML = Object.entries(METHODS)
      .map(([key, name]) => {
        const shape = `<path class="${key}" d="${SHAPES[key]}"/>`;
        return `<span><svg viewBox="-8 -8 16 16" aria-hidden="true">${shape}</svg>${name}</span>`;
      })
      .join("");
    svg.addEventListener("keydown", (event) => this.key(event));
    svg.addEventListener("blur", () => this.mark(-1));
  }

  // Adds what a run has measured, and what its points without guidance have.
  add(run) {
    for (const { settings, meters } of run.paths) {
      const numbers = meters[settings.steps];
      const known = this.runs.some((old) => sameRun(old.settings, settings));
      if (!known && Number.isFinite(numbers.tv)) this.runs.push({ settings: { ...settings }, numbers });
    }
    write(this.runs);
  }

  clear() {
    this.runs = [];
    write(this.runs);
  }

  draw(settings, floor) {
    const key = JSON.stringify([this.runs, settings]);
    if (key === this.drawn) return;
    Object.assign(this, { drawn: key, present: settings });
    const xs = this.runs.map((run) => run.numbers.tv), ys = this.runs.map((run) => run.numbers.outliers);
    const most = { x: Math.max(0.3, ...xs) * 1.06, y: Math.max(0.16, ...ys) * 1.08 };
    const { left, right, top, bottom, width, height } = BOX;
    const x = (tv) => left + (tv / most.x) * (width - left - right);
    const y = (share) => height - bottom - (share / most.y) * (height - top - bottom);
    this.svg.replaceChildren();
    for (const tv of ticks(most.x)) {
      this.put("line", { class: "grid", x1: x(tv), x2: x(tv), y1: top, y2: y(0) });
      this.put("text", { x: x(tv), y: y(0) + 15, "text-anchor": "middle" }, tv.toFixed(1));
    }
    for (const share of ticks(most.y)) {
      this.put("line", { class: "grid", x1: left, x2: width - right, y1: y(share), y2: y(share) });
      this.put("text", { x: left - 6, y: y(share) + 4, "text-anchor": "end" }, `${Math.round(100 * share)} %`);
    }
    const name = { class: "title", "text-anchor": "middle" };
    this.put("text", { ...name, x: (left + width - right) / 2, y: height - 6 }, "branch TV: lost coverage →");
    this.put("text", { ...name, transform: `translate(14 ${(top + y(0)) / 2}) rotate(-90)` }, "outliers →");
    const truth = `translate(${x(floor.tv)} ${y(floor.outliers)})`;
    this.put("path", { class: "truth", d: "M0-7v14M-7 0h14", transform: truth });
    this.put("text", { class: "truth", x: x(floor.tv) + 10, y: y(floor.outliers) + 4 }, "true samples");
    this.dots = this.runs.map(({ settings: of, numbers }, i) => this.dot(of, x(numbers.tv), y(numbers.outliers), i));
  }

  dot(of, x, y, i) {
    const alike = ["seed", "steps", "n"].every((key) => of[key] === this.present[key]);
    const now = sameRun(of, this.present);
    const names = [of.method, alike ? "" : "other", now ? "now" : ""].join(" ").trim();
    const dot = this.put("path", { class: names, d: SHAPES[of.method], transform: `translate(${x} ${y})` });
    dot.addEventListener("click", () => this.pick(of));
    dot.addEventListener("pointerenter", () => this.mark(i));
    dot.addEventListener("pointerleave", () => this.mark(-1));
    return dot;
  }

  put(name, attributes, text = "") {
    const element = document.createElementNS(NAMESPACE, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    return this.svg.appendChild(element);
  }

  // Says below the plot which run a dot is.
  mark(i) {
    this.at = i;
    this.dots?.forEach((dot, k) => dot.classList.toggle("marked", k === i));
    const { settings: of, numbers } = this.runs[i] ?? {};
    this.label.textContent = of
      ? `${title(of)} (training seed ${of.seed}, noise seed ${of.noise}, ${of.n} points): ${inWords(numbers)}.`
      : "Every run leaves a dot. A dot is better the nearer it is to the cross, which stands for true samples.";
  }

  key(event) {
    const turn = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const count = this.runs.length;
    if (turn && count) this.mark((Math.max(this.at, turn < 0 ? 0 : -1) + turn + count) % count);
    else if (event.key === "Enter" && this.runs[this.at]) this.pick(this.runs[this.at].settings);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

function ticks(most) {
  const step = most > 0.4 ? 0.2 : most > 0.2 ? 0.1 : 0.05;
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step);
}

// A page in a frame may be denied a store; the runs then last as long as the page.
function read() {
  try {
    return JSON.parse(sessionStorage.getItem(STORE)) ?? [];
  } catch {
    return [];
  }
}

function write(runs) {
  try {
    sessionStorage.setItem(STORE, JSON.stringify(runs));
  } catch {
    return;
  }
}
