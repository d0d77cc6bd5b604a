// The meters, as in toy2d/metrics.py: exact measurements of points against the true distribution.

const FLOWN_RADIUS = 3; // from the origin; of 2^18 true samples the farthest lies at 1.6
const LOST = 0.1; // a leaf is lost below this part of its share

// Inside: in the region that holds 99 % of the truth. Flown: too far away, or not a number.
export const INSIDE = 0, OUTSIDE = 1, FLOWN = 2;

// One slice of points: the fate of each, and the sum of the branches' probabilities over those that did not fly off.
export function measureSlice(truth, level, points) {
  const shares = new Float64Array(truth.branches);
  const fate = new Uint8Array(points.length / 2);
  for (let i = 0; i < fate.length; i++)
    fate[i] = Math.hypot(points[2 * i], points[2 * i + 1]) < FLOWN_RADIUS ? INSIDE : FLOWN;
  const logProb = truth.logProbAndShares(points, 0, shares, (i) => fate[i] === INSIDE);
  for (let i = 0; i < fate.length; i++) if (fate[i] === INSIDE && !(logProb[i] >= level)) fate[i] = OUTSIDE;
  return { shares, fate };
}

// The meters from the slices of all points. Points that flew off are outliers too.
export function meters(slices, weight, leaves) {
  let n = 0, outside = 0, flown = 0;
  const shares = new Float64Array(weight.length);
  for (const slice of slices) {
    n += slice.fate.length;
    for (const fate of slice.fate) {
      if (fate !== INSIDE) outside++;
      if (fate === FLOWN) flown++;
    }
    for (let g = 0; g < shares.length; g++) shares[g] += slice.shares[g];
  }
  const stayed = n - flown;
  let tv = 0;
  for (let g = 0; g < shares.length; g++) tv += 0.5 * Math.abs(shares[g] / stayed - weight[g]);
  const lost = leaves.filter((g) => shares[g] / stayed < LOST * weight[g]).length;
  return stayed === 0
    ? { outliers: 1, tv: NaN, leaves: NaN, flown: 1 }
    : { outliers: outside / n, tv, leaves: lost, flown: flown / n };
}
