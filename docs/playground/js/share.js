// What can be taken away: the samples as a table, the Python that repeats the run, and the link.

import { FLOWN, INSIDE } from "./measure.js";
import { python, writeAddress } from "./settings.js";

const COLUMNS = [
  ...["start_x", "start_y", "unguided_x", "unguided_y", "guided_x", "guided_y"],
  ...["unguided_outlier", "guided_outlier", "unguided_flown", "guided_flown"],
];

// The samples of a finished run: comment lines with its Python, then a line for each starting point.
export function table(run, startModule) {
  const comments = python(run.settings, startModule).trim().split("\n").map((line) => `# ${line}`.trim());
  const [start, plain, guided] = [run.plain.states[0], run.plain.states.at(-1), run.guided.states.at(-1)];
  const rows = [COLUMNS.join(",")];
  for (let i = 0; i < start.length / 2; i++) {
    const numbers = [start, plain, guided].flatMap((points) => [digits(points[2 * i]), digits(points[2 * i + 1])]);
    const fates = [run.plain.fate[i], run.guided.fate[i]];
    const outlier = fates.map((f) => Number(f !== INSIDE)), flown = fates.map((f) => Number(f === FLOWN));
    rows.push([...numbers, ...outlier, ...flown].join(","));
  }
  return [...comments, ...rows, ""].join("\n");
}

export function save(text, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// Puts the text on the clipboard; false where that is not allowed.
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

export function linkTo(settings) {
  const address = writeAddress(settings);
  return location.href.split("#")[0] + (address && "#" + address);
}

// float32 holds no more than nine digits
function digits(value) {
  return Number.isFinite(value) ? String(Number(value.toPrecision(9))) : "nan";
}
