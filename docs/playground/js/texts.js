// Sentences of the page that depend on its state.

import { hasGuide } from "./field.js";

export const ABOUT = {
  none: "The main model alone. Both pictures are the same.",
  cfg: "Classifier-free guidance: the guide is a model of both classes that is not told which one is wanted.",
  autoguidance: "The guide is a worse version of the main model: it learned the same class, but less well.",
  blend: "Two guides at once: CFG’s and autoguidance’s share the weight.",
  truncation: "No guide. The score, which says where the density rises, is made longer by a factor.",
  exact: "No trained model. The samples follow the true score, which is known in this world.",
};

// What the marks in the pictures mean.
export function legend(settings) {
  if (settings.pull && !hasGuide(settings)) return "This method has no guide, so there is no pull to show.";
  if (settings.pull)
    return [
      mark("rises", "main model believes more"),
      mark("falls", "guide believes more"),
      '<span class="roomy">Guidance pushes from purple to orange. Move the pointer over the right picture.</span>',
    ].join("");
  return [
    mark("region", "99 % of class A"),
    mark("other", "class B"),
    mark("inside", "sample"),
    mark("outside", "outlier, known at the end"),
    mark("flown", "flown off"),
  ].join("");
}

function mark(name, text) {
  return `<span><i class="mark ${name}"></i>${text}</span>`;
}

// What the pointer is at, or undefined if there is nothing to say.
export function pointed(settings, { cursor, arrows }) {
  if (arrows) {
    const part = Math.hypot(...arrows.pull) / Math.hypot(...arrows.score);
    if (part === 0) return "<span>At this noise level the guide does not act.</span>";
    const length = `${part.toFixed(2)} times as long as the main model’s <b>score</b>`;
    return `<span>Here guidance adds a <b class="pull">pull</b> that is ${length}.</span>`;
  }
  if (cursor < 0) return undefined;
  return `<span>Point ${cursor}: its path from the same noise, without guidance and with it.</span>`;
}

// Numbers stay on a line with what they belong to.
export function unbroken(text) {
  return text.replace(/ (?=%)|(?<=[=≤<×≈]) (?=\d)|(?<=\bw|σ) (?=[=≤<≈])/g, "\u00a0");
}

export function timing(run, workers) {
  const { n, steps } = run.settings;
  const pictures = run.fresh > 1 ? "both pictures" : "the right picture only";
  return `Computed in ${run.seconds.toFixed(1)} s by ${workers} workers: ${n} points, ${steps} steps, ${pictures}.`;
}
