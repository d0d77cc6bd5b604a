// What build.py put into the page, decoded: typed arrays from base64, and the models made of them.

import { LogDensityMLP } from "./model.js";
import { GaussianMixture } from "./mixture.js";

// A little-endian array from base64.
export function decode(text, Type) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return new Type(bytes.buffer);
}

export function makeTruth(data) {
  return new GaussianMixture(decode(data.mixture, Float64Array));
}

// The models of one training seed by name (main, guide, uncond, early, small), each made when first
// asked for; and the truth.
export function makeModels(data, seed, truth) {
  const models = { truth };
  for (const [name, weights] of Object.entries(data.models[seed])) {
    let model = null;
    Object.defineProperty(models, name, { get: () => (model ??= new LogDensityMLP(decode(weights, Float32Array))) });
  }
  return models;
}
