// Heun's method on dx/dsigma = (x - D(x; sigma)) / sigma, as in edm/sampler.py, and the guidance of edm/guidance.py.
// Written in scores: D = x + sigma^2 score, so the slope is -sigma score.

import { SIGMA_MAX } from "./random.js";

export const SIGMA_MIN = 0.002;
const RHO = 7;

// Noise levels from SIGMA_MAX down to SIGMA_MIN, then 0: steps + 1 of them.
export function sigmaSteps(steps) {
  const from = SIGMA_MAX ** (1 / RHO), to = SIGMA_MIN ** (1 / RHO);
  const levels = Array.from({ length: steps }, (_, i) => (from + (i / (steps - 1)) * (to - from)) ** RHO);
  levels[0] = SIGMA_MAX;
  levels[steps - 1] = SIGMA_MIN;
  return [...levels, 0];
}

// The guides that a method uses, with their weights: D = D_main + sum of (w - 1) (D_main - D_guide).
export function guidesOf({ method, guide, w, alpha }) {
  if (method === "cfg") return [["uncond", w]];
  if (method === "autoguidance") return [[guide, w]];
  if (method === "blend") return [["uncond", (1 - alpha) * (w - 1) + 1], [guide, alpha * (w - 1) + 1]];
  return [];
}

export function guideActs(settings, sigma) {
  return settings.lo < sigma && sigma <= settings.hi;
}

// Score of a method at one noise level, for points [x0, y0, ...]. models: main, guide, ...
// and truth, the exact mixture.
export function methodScore(settings, models, points, sigma) {
  if (settings.method === "exact") return models.truth.score(points, sigma);
  const main = models.main.score(points, sigma);
  if (settings.method === "truncation") return main.map((s) => s * settings.factor);
  if (!guideActs(settings, sigma)) return main;
  const out = main.slice();
  for (const [name, weight] of guidesOf(settings)) {
    if (weight === 1) continue;
    const weak = models[name].score(points, sigma);
    for (let i = 0; i < out.length; i++) out[i] += (weight - 1) * (main[i] - weak[i]);
  }
  return out;
}

// The state after one step from sigma to next; the step to 0 is a plain Euler step.
export function heunStep(score, points, sigma, next) {
  const slope = score(points, sigma).map((s) => -sigma * s);
  const out = points.map((x, i) => x + (next - sigma) * slope[i]);
  if (next === 0) return out;
  const slopeNext = score(out, next);
  return points.map((x, i) => x + ((next - sigma) * (slope[i] - next * slopeNext[i])) / 2);
}
