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
    return (
      '<span><i class="mark rises"></i>the main model believes more</span><span><i class="mark falls"></i>the guide believes more</span>' +
      "<span>Guidance pushes from purple to orange. Move the pointer over the right picture for arrows.</span>"
    );
  return (
    '<span><i class="mark region"></i>99 % of class A</span><span><i class="mark other"></i>class B</span>' +
    '<span><i class="mark inside"></i>sample</span><span><i class="mark outside"></i>outlier, known at the end</span>' +
    '<span><i class="mark flown"></i>flown off</span>'
  );
}

// What the pointer is at, or undefined if there is nothing to say.
export function pointed(settings, { cursor, arrows }) {
  if (arrows) {
    const part = Math.hypot(...arrows.pull) / Math.hypot(...arrows.score);
    return part > 0
      ? `<span>Here guidance adds a <b class="pull">pull</b> that is ${part.toFixed(2)} times as long as the main model’s <b>score</b>.</span>`
      : "<span>At this noise level the guide does not act.</span>";
  }
  return cursor >= 0 ? `<span>Point ${cursor}: its path from the same noise, without guidance on the left and with it on the right.</span>` : undefined;
}

// Numbers stay on a line with what they belong to.
export function unbroken(text) {
  return text.replace(/ %|(?<=[=≤<×≈]) (?=\d)|(?<=\bw|σ|α) (?=[=≤<≈])/g, (found) => found.replace(" ", "\u00a0"));
}

export function timing(run, workers) {
  const { n, steps } = run.settings;
  const sets = run.fresh > 1 ? "both pictures" : "one picture, since the other was there";
  return `This run: ${n} points, ${steps} steps, ${sets}, computed in ${run.seconds.toFixed(1)} s by ${workers} workers.`;
}
