// A picture of the plane: the true region, the points, and on request what guides them.

import { FLOWN, INSIDE } from "./measure.js";
import { SIGMA_MIN } from "./sampler.js";

const TREE = { x: 0.3, y: 0.3, half: 1.2 }; // the window of the paper's Figure 1
const CLOSE = { x: 0.45, y: 1.22, half: 0.3 }; // and of its Figure 2
const REACH = 14; // pixels within which the pointer finds a point
const ARROW = 0.17; // length of the longer arrow, in parts of the panel's width

// What of the plane is shown at a noise level.
export function windowAt(view, sigma) {
  if (view === "close") return CLOSE;
  return view === "tree" ? TREE : { ...TREE, half: Math.hypot(TREE.half, 2.2 * sigma) };
}

export class Panel {
  constructor(canvas, outlines, unit) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.outlines = { A: new Path2D(outlines.A), B: new Path2D(outlines.B) };
    this.unit = unit;
    this.fieldImage = document.createElement("canvas");
    this.dotImage = document.createElement("canvas");
  }

  // Takes the canvas's size on the page; true if it changed.
  fit() {
    const size = Math.round(this.canvas.clientWidth * Math.min(devicePixelRatio || 1, 2));
    if (size === 0 || size === this.canvas.width) return false;
    this.canvas.width = this.canvas.height = size;
    return true;
  }

  // window; points and, if it is known, their fate; colours; and if wanted field, arrows, and the path (states) of one
  // point, the cursor
  draw(scene) {
    const c = this.context, size = this.canvas.width;
    this.window = scene.window;
    if (!this.canvas.clientWidth) return; // the other picture is shown alone
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.fillStyle = scene.colours.paper;
    c.fillRect(0, 0, size, size);
    if (scene.field) this.drawField(scene.field, scene.colours);
    this.drawOutlines(scene);
    if (scene.points) this.drawPoints(scene);
    if (scene.path) this.drawPath(scene);
    if (scene.arrows) this.drawArrows(scene);
  }

  pixel(x, y) {
    const { x: cx, y: cy, half } = this.window, scale = this.canvas.width / (2 * half);
    return [(x - cx + half) * scale, (cy + half - y) * scale];
  }

  // The place in the plane under the pointer.
  place(event) {
    const box = this.canvas.getBoundingClientRect(), { x, y, half } = this.window;
    return [
      x + half * (2 * ((event.clientX - box.left) / box.width) - 1),
      y - half * (2 * ((event.clientY - box.top) / box.height) - 1),
    ];
  }

  // The number of the point nearest to a place, -1 if none is near.
  nearest(points, [x, y]) {
    const reach = (REACH * 2 * this.window.half) / this.canvas.clientWidth;
    let found = -1, least = reach * reach;
    for (let i = 0; i < points.length; i += 2) {
      const d = (points[i] - x) ** 2 + (points[i + 1] - y) ** 2;
      if (d < least) [found, least] = [i / 2, d];
    }
    return found;
  }

  drawField({ size, values }, { paper, rises, falls }) {
    const image = this.fieldImage.getContext("2d", { willReadFrequently: true }).createImageData(size, size);
    const ends = [rises, falls].map(rgb), middle = rgb(paper);
    for (let i = 0; i < values.length; i++) {
      const part = 0.55 * Math.abs(values[i]), end = ends[values[i] > 0 ? 0 : 1];
      const j = 4 * ((size - 1 - Math.floor(i / size)) * size + (i % size)); // rows of an image go down
      for (let k = 0; k < 3; k++) image.data[j + k] = middle[k] + part * (end[k] - middle[k]);
      image.data[j + 3] = 255;
    }
    this.fieldImage.width = this.fieldImage.height = size;
    this.fieldImage.getContext("2d").putImageData(image, 0, 0);
    this.context.imageSmoothingQuality = "high";
    this.context.drawImage(this.fieldImage, 0, 0, this.canvas.width, this.canvas.width);
  }

  drawOutlines({ colours, field }) {
    const c = this.context, [left, top] = this.pixel(0, 0);
    const scale = (this.canvas.width / (2 * this.window.half)) * this.unit;
    c.setTransform(scale, 0, 0, -scale, left, top);
    for (const [name, fill, line] of [
      ["B", colours.otherFill, field ? colours.soft : colours.otherLine],
      ["A", colours.regionFill, field ? colours.ink : colours.regionLine],
    ]) {
      c.fillStyle = fill;
      c.strokeStyle = line;
      c.lineWidth = this.ratio() / scale;
      if (!field) c.fill(this.outlines[name], "evenodd");
      c.stroke(this.outlines[name]);
    }
    c.setTransform(1, 0, 0, 1, 0, 0);
  }

  // canvas pixels to a pixel of the page
  ratio() {
    return this.canvas.width / this.canvas.clientWidth;
  }

  drawPoints({ points, fate, colours }) {
    const c = this.context, size = this.canvas.width;
    const n = points.length / 2, size480 = n > 4096 ? 0.9 : n > 1024 ? 1.25 : 1.8; // on a picture 480 pixels wide
    const r = Math.max(0.8, (this.canvas.clientWidth / 480) * size480) * this.ratio();
    const outside = [], flown = [], dot = this.dot(r, colours.inside), half = dot.width / 2;
    c.globalAlpha = 0.8;
    for (let i = 0; i < n; i++) {
      const [x, y] = this.pixel(points[2 * i], points[2 * i + 1]);
      if (fate && fate[i] === FLOWN) flown.push([x, y]);
      else if (fate && fate[i] !== INSIDE) outside.push([x, y]);
      else if (x > 0 && y > 0 && x < size && y < size) c.drawImage(dot, x - half, y - half);
    }
    c.globalAlpha = 1;
    c.fillStyle = colours.outside;
    c.beginPath();
    for (const [x, y] of outside) {
      c.moveTo(x + 1.5 * r, y);
      c.arc(x, y, 1.5 * r, 0, 2 * Math.PI);
    }
    c.fill();
    this.drawFlown(flown, colours);
  }

  // A round dot as a small picture, which is faster to draw thousands of times than a circle.
  dot(r, colour) {
    const name = `${r} ${colour}`;
    if (this.dotName !== name) {
      this.dotName = name;
      this.dotImage.width = this.dotImage.height = 2 * Math.ceil(r + 1);
      const c = this.dotImage.getContext("2d"), middle = this.dotImage.width / 2;
      c.fillStyle = colour;
      c.arc(middle, middle, r, 0, 2 * Math.PI);
      c.fill();
    }
    return this.dotImage;
  }

  // Points that flew off: as triangles, at the edge and pointing outwards if they are out of the picture.
  drawFlown(flown, { outside, ink, paper }) {
    const c = this.context, size = this.canvas.width, r = 5 * this.ratio();
    c.fillStyle = outside;
    c.strokeStyle = paper;
    c.lineWidth = this.ratio();
    for (const [x, y] of flown) {
      const dx = Number.isFinite(x) ? x - size / 2 : 0, dy = Number.isFinite(y) ? y - size / 2 : -1;
      const out = Math.max(Math.abs(dx), Math.abs(dy)) / (size / 2 - 1.5 * r), shrink = Math.max(1, out);
      const angle = Math.atan2(dy, dx);
      c.beginPath();
      const at = [size / 2 + dx / shrink, size / 2 + dy / shrink];
      for (const turn of [0, 2.4, -2.4])
        c.lineTo(at[0] + r * Math.cos(angle + turn), at[1] + r * Math.sin(angle + turn));
      c.closePath();
      c.fill();
      c.stroke();
    }
  }

  drawPath({ path, cursor, shown, colours }) {
    const c = this.context, k = 2 * cursor, ratio = this.ratio();
    for (const [colour, width] of [[colours.paper, 4], [colours.ink, 1.6]]) {
      c.strokeStyle = colour;
      c.lineWidth = width * ratio;
      c.lineJoin = "round";
      c.beginPath();
      for (const state of path) c.lineTo(...this.pixel(state[k], state[k + 1]));
      c.stroke();
    }
    const state = path[Math.min(shown, path.length - 1)];
    c.lineWidth = 2 * ratio;
    c.fillStyle = colours.paper;
    c.beginPath();
    c.arc(...this.pixel(state[k], state[k + 1]), 5 * ratio, 0, 2 * Math.PI);
    c.fill();
    c.stroke();
  }

  // The score's arrow and the pull's, in one scale: the longer of the two has a fixed length.
  drawArrows({ arrows: { point, score, pull }, colours }) {
    const from = this.pixel(...point), ratio = this.ratio();
    const longest = Math.max(Math.hypot(...score), Math.hypot(...pull));
    if (!(longest > 0)) return;
    for (const [vector, colour, name] of [[score, colours.ink, "score"], [pull, colours.pull, "pull"]]) {
      const length = (ARROW * this.canvas.width) / longest;
      const to = [from[0] + vector[0] * length, from[1] - vector[1] * length];
      if (Math.hypot(to[0] - from[0], to[1] - from[1]) > 3 * ratio) this.arrow(from, to, colour, name, colours.paper);
    }
  }

  arrow([x0, y0], [x1, y1], colour, name, halo) {
    const c = this.context, ratio = this.ratio(), angle = Math.atan2(y1 - y0, x1 - x0), head = 9 * ratio;
    const tip = (turn) => [x1 - head * Math.cos(angle + turn), y1 - head * Math.sin(angle + turn)];
    for (const [stroke, width] of [[halo, 6], [colour, 2.6]]) {
      c.strokeStyle = stroke;
      c.lineWidth = width * ratio;
      c.lineCap = c.lineJoin = "round";
      c.beginPath();
      c.moveTo(x0, y0);
      c.lineTo(x1, y1);
      c.moveTo(...tip(0.5));
      c.lineTo(x1, y1);
      c.lineTo(...tip(-0.5));
      c.stroke();
    }
    c.font = `600 ${13 * ratio}px sans-serif`;
    c.textAlign = Math.cos(angle) < 0 ? "right" : "left";
    c.textBaseline = "middle";
    const at = [x1 + 8 * ratio * Math.cos(angle), y1 + 10 * ratio * Math.sin(angle)];
    c.strokeStyle = halo;
    c.lineWidth = 4 * ratio;
    c.strokeText(name, ...at);
    c.fillStyle = colour;
    c.fillText(name, ...at);
  }
}

// The noise level at which a guide's pull is shown: at 0, where models have none, that of the last step.
export function pullLevel(sigma) {
  return Math.max(sigma, SIGMA_MIN);
}

function rgb(colour) {
  return [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
}
