// The settings of a run: their defaults, their way into the address bar and back, and the Python that repeats the run.

import { guidesOf } from "./sampler.js";
import { SIGMA_MAX } from "./random.js";

export const METHODS = {
  none: "No guidance",
  cfg: "CFG",
  autoguidance: "Autoguidance",
  blend: "Blend",
  truncation: "Truncation",
  exact: "Exact score",
};
export const GUIDES = {
  guide: "smaller and less trained",
  early: "less trained only",
  small: "smaller only",
};
export const VIEWS = { follow: "follows the noise", tree: "whole tree", close: "close-up of twigs" };

export const DEFAULTS = {
  method: "autoguidance",
  guide: "guide",
  w: 3, // guidance weight
  alpha: 0.5, // blend: the part of autoguidance
  factor: 1.4, // truncation: the score times this
  lo: 0, // guidance acts where lo < sigma <= hi
  hi: SIGMA_MAX,
  seed: 0, // training seed
  noise: 0, // noise seed
  steps: 32,
  n: 2048,
  view: "follow",
  pull: 0, // 1: show where the guide pulls
};

export const RULES = {
  method: choice("Method", Object.keys(METHODS)),
  guide: choice("Guide", Object.keys(GUIDES)),
  w: range("Weight", 0, 6),
  alpha: range("Part of autoguidance", 0, 1),
  factor: range("Factor", 0.5, 2),
  lo: range("Lower end of the interval", 0, SIGMA_MAX),
  hi: range("Upper end of the interval", 0, SIGMA_MAX),
  seed: choice("Training seed", []), // filled in with the seeds that the page holds
  noise: range("Noise seed", 0, 4095, true),
  steps: choice("Number of steps", [8, 16, 32, 64, 128]),
  n: choice("Number of points", [256, 512, 1024, 2048, 4096, 8192]),
  view: choice("View", Object.keys(VIEWS)),
  pull: choice("Pull", [0, 1]),
};

// A rule turns the text of an address into a value, or throws a message that says what is wrong.
function choice(name, values) {
  return {
    name,
    values,
    read(text) {
      const found = this.values.find((value) => String(value) === text);
      if (found === undefined)
        throw new Error(`${name} “${text}” is not in this page: there are ${this.values.join(", ")}.`);
      return found;
    },
  };
}

function range(name, min, max, whole = false) {
  return {
    name,
    min,
    max,
    read(text) {
      const value = text.trim() === "" ? NaN : Number(text);
      if (!Number.isFinite(value) || (whole && !Number.isInteger(value)))
        throw new Error(`${name} “${text}” is not a ${whole ? "whole " : ""}number.`);
      if (value < min || value > max) throw new Error(`${name} ${text} is outside ${min} to ${max}.`);
      return value;
    },
  };
}

// The settings that an address names, the defaults for the others, and a message for each that cannot be used.
export function readAddress(address) {
  const settings = { ...DEFAULTS }, problems = [];
  for (const [key, text] of new URLSearchParams(address)) {
    const shown = text.length > 40 ? text.slice(0, 40) + "…" : text;
    try {
      if (Object.hasOwn(RULES, key)) settings[key] = RULES[key].read(shown);
      else problems.push(`The address names “${key.slice(0, 40)}”, which this page does not know.`);
    } catch (error) {
      problems.push(`${error.message} Using ${DEFAULTS[key]}.`);
    }
  }
  if (settings.lo >= settings.hi) {
    problems.push(`The interval ${settings.lo} < σ ≤ ${settings.hi} is empty. Using all noise levels.`);
    Object.assign(settings, { lo: DEFAULTS.lo, hi: DEFAULTS.hi });
  }
  return { settings, problems };
}

// What differs from the defaults, as an address. Only what the method uses, so that equal runs have equal addresses.
export function writeAddress(settings) {
  const out = new URLSearchParams();
  for (const key of [...runKeys(settings), "view", "pull"])
    if (settings[key] !== DEFAULTS[key]) out.set(key, settings[key]);
  return out.toString();
}

const PLAIN_KEYS = ["seed", "noise", "steps", "n"];

// The settings on which the samples depend.
export function runKeys({ method }) {
  const of = {
    none: [],
    cfg: ["w", "lo", "hi"],
    autoguidance: ["guide", "w", "lo", "hi"],
    blend: ["guide", "w", "alpha", "lo", "hi"],
    truncation: ["factor"],
    exact: [],
  };
  return ["method", ...of[method], ...PLAIN_KEYS];
}

export function sameRun(a, b) {
  return a.method === b.method && runKeys(a).every((key) => a[key] === b[key]);
}

export function samePlain(a, b) {
  return PLAIN_KEYS.every((key) => a[key] === b[key]);
}

export function hasInterval({ lo, hi }) {
  return lo > 0 || hi < SIGMA_MAX;
}

// A method with its weights in words, such as “Autoguidance, w = 3, 0.01 < σ ≤ 0.5”.
export function title(settings) {
  const { method, w, alpha, factor, lo, hi } = settings;
  const words = [METHODS[method]];
  if (method === "truncation") words.push(`× ${factor}`);
  if (guidesOf(settings).length) words.push(`w = ${w}`);
  if (method === "blend") words.push(`${Math.round(100 * alpha)} % autoguidance`);
  if (guidesOf(settings).length && hasInterval(settings)) words.push(lo > 0 ? `${lo} < σ ≤ ${hi}` : `σ ≤ ${hi}`);
  return words.join(", ");
}

// Python that makes the same samples, from the same starting points.
export function python(settings, startModule) {
  const { method, guide, w, alpha, factor, lo, hi, seed, noise, steps, n } = settings;
  const load = (kind) => `pretrained.load("${kind}", ${seed})`;
  const interval = hasInterval(settings) ? `, interval=(${lo}, ${hi})` : "";
  const from = {
    cfg: "guide",
    autoguidance: "guide",
    blend: "blend_weights, guide_several",
    truncation: "truncate",
  }[method];
  const denoiser = {
    none: load("main"),
    cfg: `guide(${load("main")}, ${load("uncond")}, ${w}${interval})`,
    autoguidance: `guide(${load("main")}, ${load(guide)}, ${w}${interval})`,
    blend:
      `guide_several(${load("main")}, ` +
      `list(zip([${load("uncond")}, ${load(guide)}], blend_weights(${w}, ${alpha})))${interval})`,
    truncation: `truncate(${load("main")}, ${factor})`,
    exact: 'fractal("A")',
  }[method];
  const imports = [
    from && `from edm.guidance import ${from}`,
    "from edm.sampler import sample, sigma_steps",
    method === "exact" ? "from toy2d.fractal import fractal" : "from toy2d import pretrained",
    `from ${startModule} import draw_start`,
  ];
  const start = `draw_start(${n}, seed=${noise})`, levels = `sigma_steps(${steps}, sigma_max=${SIGMA_MAX})`;
  return [...imports.filter(Boolean), "", `x = sample(${denoiser}, ${start}, ${levels})`, ""].join("\n");
}
