// The table of meters: each number beside its floor, and its place on a scale.

import { unbroken } from "./texts.js";

export const METERS = [
  {
    key: "outliers",
    name: "Outliers",
    about: "outside the region that holds 99 % of the truth",
    most: 0.25, // at the end of the scale
    format: percent,
  },
  {
    key: "tv",
    name: "Branch TV",
    about: "error of the branches’ shares (total variation): 0 is right, 1 the worst",
    most: 0.7,
    format: (v) => v.toFixed(3),
  },
  {
    key: "leaves",
    name: "Leaves lost",
    about: "end branches, of 64, with under a tenth of their share",
    most: 64,
    format: (v) => String(Math.round(v * 10) / 10),
  },
  {
    key: "flown",
    name: "Flown off",
    about: "beyond radius 3; they count as outliers, too",
    most: 0.1,
    format: percent,
  },
];

export function percent(value) {
  return `${(100 * value).toFixed(1)} %`;
}

// One line for a reader or a screen reader.
export function inWords(numbers) {
  const lower = (name) => name[0].toLowerCase() + name.slice(1);
  return METERS.map(({ key, name, format }) => `${lower(name)} ${shown(format, numbers[key])}`).join(", ");
}

function shown(format, value) {
  return Number.isFinite(value) ? format(value) : "none";
}

export class MeterTable {
  constructor(body) {
    this.rows = METERS.map((meter) => {
      const row = body.insertRow();
      row.innerHTML =
        `<th scope="row"><b>${meter.name}</b><small>${unbroken(meter.about)}</small></th>` +
        `<td class="scale"><i class="floor"></i><i class="plain"></i><i class="guided"></i></td>` +
        `<td class="plain"></td><td class="guided"></td><td class="floor"></td>`;
      return { ...meter, row };
    });
  }

  // plain, guided, floor: numbers by key, or undefined where they are not known yet
  show(plain, guided, floor) {
    for (const { key, most, format, row } of this.rows) {
      const values = { plain: plain?.[key], guided: guided?.[key], floor: floor[key] };
      for (const [name, value] of Object.entries(values)) {
        row.querySelector(`td.${name}`).textContent = value === undefined ? "–" : shown(format, value);
        const mark = row.querySelector(`i.${name}`);
        mark.hidden = !Number.isFinite(value);
        mark.style.left = `${100 * Math.min(1, Math.max(0, value / most)) || 0}%`;
      }
    }
  }
}
