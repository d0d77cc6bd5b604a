// Plays a run: computes its steps, or shows again those that are there.

import { Run, preview } from "./run.js";
import { samePlain } from "./settings.js";

const FRAME = 50; // least milliseconds a step is shown
const LONGEST = 2500; // most milliseconds that a whole run is held up by that

export class Player {
  // hooks: changed() after everything that shows; prepare(i) before step i is shown; finished(run) once a run;
  // previewed(result) with few points at the end. still: true where motion is not wanted.
  constructor(pool, world, still, hooks) {
    Object.assign(this, { pool, world, still, hooks });
    this.run = null;
    this.shown = 0; // number of the state that is shown
    this.playing = false;
    this.busy = false; // computing without showing the steps
    this.ticket = 0; // of the present run; what an older run still answers is not for us
  }

  get sigma() {
    return this.run.sigmas[this.shown];
  }

  get atEnd() {
    return this.shown === this.run.settings.steps;
  }

  // Begins a new run and plays it, up to the first noise level at or below `stop` if that is given.
  async restart(settings, stop = 0) {
    const ticket = ++this.ticket;
    Object.assign(this, { playing: false, previewing: false, interrupted: false, wanted: null, stop });
    this.pool.clear();
    const run = await Run.start(this.pool, this.world, settings, this.run);
    if (ticket !== this.ticket) return;
    Object.assign(this, { run, shown: 0, busy: this.still() });
    this.hooks.changed();
    if (!this.still()) return this.play();
    const end = this.stop ? run.sigmas.findIndex((sigma) => sigma <= this.stop) : settings.steps;
    while (run.computed < end) {
      await this.compute(run);
      if (ticket !== this.ticket) return;
    }
    Object.assign(this, { shown: end, busy: false });
    await this.hooks.prepare(end);
    this.hooks.changed();
  }

  async compute(run) {
    await run.advance();
    if (run.done && !run.told && this.run === run) {
      run.told = true;
      this.hooks.finished(run);
    }
  }

  // Goes on, or starts again from the noise if the end is shown.
  async play() {
    const { ticket, run } = this;
    if (this.playing || !run) return;
    const mine = (this.turn = {}); // of two loops the older one ends
    this.playing = true;
    if (this.atEnd) this.shown = 0;
    this.hooks.changed();
    const wait = Math.min(FRAME, LONGEST / run.settings.steps);
    const goesOn = () => this.playing && this.turn === mine && this.ticket === ticket;
    while (goesOn() && !this.atEnd) {
      const begin = performance.now();
      if (this.shown === run.computed) await this.compute(run);
      if (goesOn()) await this.hooks.prepare(this.shown + 1);
      if (!goesOn()) break;
      this.shown++;
      if (this.stop && this.sigma <= this.stop) this.playing = this.stop = false;
      this.hooks.changed();
      await new Promise((done) => setTimeout(done, Math.max(0, begin + wait - performance.now())));
    }
    if (this.turn !== mine || this.ticket !== ticket) return;
    this.playing = false;
    this.hooks.changed();
  }

  pause() {
    this.playing = false;
    this.hooks.changed();
  }

  // Shows state i, as far as it is computed; one step beyond that is computed first.
  async show(i) {
    const { run, ticket } = this;
    if (!run || this.busy) return;
    this.playing = this.stop = false;
    const wanted = Math.max(0, Math.min(i, run.settings.steps, run.computed + 1));
    if (wanted > run.computed) await this.compute(run);
    if (ticket !== this.ticket) return;
    this.shown = Math.min(wanted, run.computed);
    this.hooks.changed();
  }

  // While a slider moves: the end of the first few points with these settings. Only the newest wish is kept.
  async preview(settings) {
    if (!this.run || !samePlain(settings, this.run.settings)) return;
    this.wanted = settings;
    this.playing = false;
    if (this.previewing) return;
    const { ticket, run } = this;
    this.previewing = this.interrupted = true; // the run's step may have lost jobs: it cannot go on
    this.pool.clear();
    while (this.wanted) {
      const now = this.wanted;
      this.wanted = null;
      const start = run.plain.states[0];
      run.plainPreview ??= await preview(this.pool, this.world, run.plain.settings, start);
      const guided = await preview(this.pool, this.world, now, start);
      if (ticket !== this.ticket) return;
      this.hooks.previewed({ settings: now, plain: run.plainPreview, guided });
    }
    this.previewing = false;
  }
}
