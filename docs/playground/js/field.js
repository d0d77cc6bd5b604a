// Where the guide pulls: the log of main density over guide density on a lattice, and the arrows at one point.

import { guidesOf, guideActs } from "./sampler.js";

const SIZE = 96; // lattice points a side
const BANDS = 8; // jobs a lattice
const KEPT = 80; // lattices kept
const DENSE = 0.25; // the scale of the colours is that of this part of the lattice, where the main model is densest

export class Field {
  constructor(pool) {
    this.pool = pool;
    this.kept = new Map();
  }

  // log(p_1 / p_0) about its middle on a lattice of the window, scaled to -1 .. 1, [SIZE, SIZE], bottom row first; null
  // without a guide.
  // It does not depend on the weight, so a lattice is computed once.
  async at(settings, sigma, window) {
    const guides = parts(settings), key = keyOf(settings, sigma, window);
    if (guides.length && !this.kept.has(key)) {
      this.kept.set(key, await this.compute(settings.seed, guides, sigma, window));
      if (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value);
    }
    return this.known(settings, sigma, window);
  }

  known(settings, sigma, window) {
    return this.kept.get(keyOf(settings, sigma, window)) ?? null;
  }

  async compute(seed, guides, sigma, { x, y, half }) {
    const rows = SIZE / BANDS, step = (2 * half) / SIZE;
    const jobs = Array.from({ length: BANDS }, (_, band) => {
      const points = new Float64Array(2 * rows * SIZE);
      for (let i = 0; i < rows * SIZE; i++) {
        points[2 * i] = x - half + ((i % SIZE) + 0.5) * step;
        points[2 * i + 1] = y - half + (band * rows + Math.floor(i / SIZE) + 0.5) * step;
      }
      return this.pool.run({ kind: "ratio", seed, guides, points, sigma });
    });
    const bands = await Promise.all(jobs);
    const values = bands.flatMap(({ ratio }) => [...ratio]), main = bands.flatMap((band) => [...band.main]);
    const least = quantile(main, 1 - DENSE);
    const dense = values.filter((_, i) => main[i] >= least);
    const middle = quantile(dense, 0.5);
    const span = quantile(dense.map((v) => Math.abs(v - middle)), 0.9);
    return { size: SIZE, values: values.map((v) => Math.tanh((v - middle) / span)) };
  }
}

// Each guide's part in the pull; they add up to 1.
function parts(settings) {
  return guidesOf({ ...settings, w: 2 }).map(([name, weight]) => [name, weight - 1]).filter(([, part]) => part !== 0);
}

function keyOf(settings, sigma, window) {
  return JSON.stringify([settings.seed, parts(settings), sigma, window]);
}

export function hasGuide(settings) {
  return guidesOf(settings).length > 0;
}

// The main model's score at a point, and what guidance adds to it.
export function arrowsAt(settings, models, point, sigma) {
  const at = Float64Array.from(point);
  const score = models.main.score(at, sigma);
  const pull = [0, 0];
  if (guideActs(settings, sigma))
    for (const [name, weight] of guidesOf(settings)) {
      const weak = models[name].score(at, sigma);
      for (const k of [0, 1]) pull[k] += (weight - 1) * (score[k] - weak[k]);
    }
  return { point, score: [...score], pull };
}

function quantile(values, part) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.floor(part * (sorted.length - 1))];
}
