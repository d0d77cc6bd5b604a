// A run: two sets of points from the same noise, one without guidance and one with the chosen method, step by step.

import { sigmaSteps } from "./sampler.js";
import { meters } from "./measure.js";
import { samePlain } from "./settings.js";

const SLICE = 128; // points a job
const PREVIEW = 256; // points whose ends are shown while a slider moves
const METERS_BELOW = 0.03; // noise level from which on the meters run
const EMBEDDED_NOISE = 0; // noise seed whose starting points were made in Python

// states[i]: the points after i steps, [x0, y0, ...]; meters[i] from METERS_BELOW on; at the end, each point's fate
class Path {
  constructor(settings, start) {
    Object.assign(this, { settings, states: [start], meters: [], fate: null });
  }
}

export class Run {
  constructor(pool, world, settings, start, plain) {
    Object.assign(this, { pool, world, settings, plain });
    this.sigmas = sigmaSteps(settings.steps);
    this.guided = settings.method === "none" ? plain : new Path(settings, start);
    this.seconds = 0; // of computing
    this.fresh = this.paths.filter((path) => path.states.length === 1).length; // sets of points to compute
  }

  // Draws the starting points, or takes over what an earlier run has of the same points without guidance.
  static async start(pool, world, settings, earlier) {
    const shared = earlier && samePlain(earlier.settings, settings) ? earlier.plain : null;
    const start = shared ? shared.states[0] : await startingPoints(pool, world, settings);
    return new Run(pool, world, settings, start, shared ?? new Path({ ...settings, method: "none" }, start));
  }

  get paths() {
    return this.plain === this.guided ? [this.plain] : [this.plain, this.guided];
  }

  // steps taken
  get computed() {
    return Math.min(...this.paths.map((path) => path.states.length)) - 1;
  }

  get done() {
    return this.computed === this.settings.steps && this.paths.every((path) => path.fate);
  }

  // Takes the next step with both sets of points. A step that is under way is not begun again.
  advance() {
    this.underway ??= this.step(this.computed).finally(() => (this.underway = null));
    return this.underway;
  }

  async step(i) {
    const begin = performance.now();
    await Promise.all(this.paths.filter((path) => path.states.length === i + 1).map((path) => this.stepPath(path, i)));
    this.seconds += (performance.now() - begin) / 1000;
  }

  async stepPath(path, i) {
    const sigmas = this.sigmas.slice(i, i + 2), { seed } = this.settings;
    const job = { kind: "steps", seed, settings: path.settings, sigmas };
    const parts = await Promise.all(slices(path.states[i], SLICE).map((points) => this.pool.run({ ...job, points })));
    const state = join(parts.map((part) => part.points));
    let measured = null;
    if (sigmas[1] <= METERS_BELOW)
      measured = await Promise.all(slices(state, SLICE).map((points) => this.pool.run({ kind: "measure", points })));
    if (path.states.length > i + 1) return; // a run that was given up and shares this path was faster
    path.states.push(state);
    if (measured) path.meters[i + 1] = meters(measured, this.world.truth.weight, this.world.leaves);
    if (sigmas[1] === 0) path.fate = join(measured.map((part) => part.fate));
  }
}

// The end of a run of few points only, in one go: what is shown while a slider moves.
export async function preview(pool, world, settings, start) {
  const sigmas = sigmaSteps(settings.steps), points = start.slice(0, 2 * PREVIEW);
  const job = { kind: "steps", seed: settings.seed, settings, sigmas };
  const parts = await Promise.all(slices(points, PREVIEW / 8).map((part) => pool.run({ ...job, points: part })));
  const state = join(parts.map((part) => part.points));
  return { state, fate: (await pool.run({ kind: "measure", points: state })).fate };
}

async function startingPoints(pool, world, { noise, n }) {
  if (noise === EMBEDDED_NOISE) return Float64Array.from(world.start.subarray(0, 2 * n));
  const jobs = [];
  for (let first = 0; first < n; first += SLICE)
    jobs.push(pool.run({ kind: "draw", noise, first, last: Math.min(n, first + SLICE) }));
  return join((await Promise.all(jobs)).map((part) => part.points));
}

function slices(points, size) {
  const out = [];
  for (let i = 0; i < points.length; i += 2 * size) out.push(points.slice(i, i + 2 * size));
  return out;
}

function join(parts) {
  const out = new parts[0].constructor(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
