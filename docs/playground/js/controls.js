// The form: every control has data-setting, the name of the setting that it shows and changes.

import { guidesOf } from "./sampler.js";
import { RULES } from "./settings.js";

const LOW_END = 0.001; // of the logarithmic axis of noise levels; there the handle means 0
const FORMATS = {
  w: (v) => v.toFixed(2).replace(/0$/, ""),
  factor: (v) => `× ${v.toFixed(2)}`,
  alpha: (v) => `${Math.round(100 * v)} %`,
};
// Sliders on another scale than the setting's own.
const toLog = (v) => Math.log10(Math.max(v, LOW_END));
const SCALES = {
  lo: { toSlider: toLog, toSetting: (s) => (s <= toLog(0) ? 0 : twoDigits(10 ** s)) },
  hi: { toSlider: toLog, toSetting: (s) => Math.min(RULES.hi.max, twoDigits(10 ** s)) },
};
const SAME = { toSlider: (v) => v, toSetting: (v) => v };

export class Controls {
  // change(key, value, live): live while a slider moves, not when it is let go
  constructor(form, change) {
    this.form = form;
    this.inputs = [...form.querySelectorAll("[data-setting]")];
    for (const input of this.inputs)
      for (const event of ["input", "change"])
        input.addEventListener(event, () => this.read(input, event, change));
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  read(input, event, change) {
    const key = input.dataset.setting;
    if (event === "input" && input.type !== "range") return; // these change at once
    if (input.type === "checkbox") return change(key, Number(input.checked), false);
    if (input.type === "range") {
      const value = (SCALES[key] ?? SAME).toSetting(Number(input.value));
      return change(key, this.apart(key, value), event === "input");
    }
    try {
      change(key, RULES[key].read(input.value), false);
      input.setCustomValidity("");
    } catch (error) {
      input.setCustomValidity(error.message);
      input.reportValidity();
    }
  }

  // the two handles of the interval keep apart
  apart(key, value) {
    const { lo, hi } = this.settings;
    if (key === "lo") return value < hi ? value : twoDigits(hi / 1.1);
    return key === "hi" && value <= lo ? twoDigits(lo * 1.1 + (lo === 0 ? LOW_END : 0)) : value;
  }

  show(settings) {
    this.settings = settings;
    for (const input of this.inputs) {
      const key = input.dataset.setting, value = settings[key];
      if (input.type === "radio") input.checked = input.value === String(value);
      else if (input.type === "checkbox") input.checked = Boolean(value);
      else input.value = input.type === "range" ? (SCALES[key] ?? SAME).toSlider(value) : value;
      const output = this.form.querySelector(`output[data-of="${key}"]`);
      if (output) output.textContent = (FORMATS[key] ?? String)(value);
    }
    for (const row of this.form.querySelectorAll("[data-methods]"))
      row.hidden = !row.dataset.methods.split(" ").includes(settings.method);
    this.showInterval(settings);
    this.form.querySelector('[data-setting="pull"]').disabled = !guidesOf(settings).length;
  }

  showInterval({ lo, hi }) {
    const part = (v) => (toLog(v) - toLog(0)) / (toLog(RULES.hi.max) - toLog(0));
    const axis = this.form.querySelector(".interval");
    axis.style.setProperty("--from", part(lo));
    axis.style.setProperty("--to", part(hi));
    const all = lo === 0 && hi === RULES.hi.max;
    this.form.querySelector("[data-of=interval]").textContent = all ? "all noise levels" : `${lo} < σ ≤ ${hi}`;
  }
}

function twoDigits(value) {
  return Number(value.toPrecision(2));
}
