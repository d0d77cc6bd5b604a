// The exact mixture, as in toy2d/mixture.py: density, score and branch shares of class A at any noise level.
// The 8 Gaussians of a branch share a covariance, so the arithmetic goes by branch, in that covariance's own axes.

const PER_BRANCH = 8;
const NEGLIGIBLE = -60; // a share below exp(-60) of the largest counts as none
const LOG_2PI = Math.log(2 * Math.PI);

export class GaussianMixture {
  // numbers: for each branch its weight, its covariance (xx, xy, yy) and its 8 means (x, y)
  constructor(numbers) {
    const stride = 4 + 2 * PER_BRANCH;
    const g = (this.branches = numbers.length / stride);
    for (const name of ["weight", "cx", "cy", "ux", "uy", "v0", "v1", "a", "b", "half", "p", "q"])
      this[name] = new Float64Array(g);
    this.m = new Float64Array(g * PER_BRANCH); // mean minus the branch's centre, along the first axis
    this.n = new Float64Array(g * PER_BRANCH); // and along the second
    this.means = new Float64Array(2 * g * PER_BRANCH);
    this.roots = new Float64Array(3 * g); // Cholesky factors: xx, yx, yy
    this.joint = new Float64Array(g * PER_BRANCH);
    for (let i = 0; i < g; i++) this.addBranch(i, numbers.subarray(i * stride, (i + 1) * stride));
    this.cumulative = this.weight.map(((sum) => (w) => (sum += w))(0));
  }

  addBranch(i, [weight, xx, xy, yy, ...means]) {
    const angle = 0.5 * Math.atan2(2 * xy, xx - yy);
    const c = Math.cos(angle), s = Math.sin(angle);
    this.weight[i] = weight;
    this.ux[i] = c;
    this.uy[i] = s;
    this.v0[i] = c * c * xx + 2 * c * s * xy + s * s * yy;
    this.v1[i] = s * s * xx - 2 * c * s * xy + c * c * yy;
    this.roots.set([Math.sqrt(xx), xy / Math.sqrt(xx), Math.sqrt(yy - (xy * xy) / xx)], 3 * i);
    this.means.set(means, 2 * PER_BRANCH * i);
    for (let k = 0; k < PER_BRANCH; k++) {
      this.cx[i] += means[2 * k] / PER_BRANCH;
      this.cy[i] += means[2 * k + 1] / PER_BRANCH;
    }
    for (let k = 0; k < PER_BRANCH; k++) {
      const dx = means[2 * k] - this.cx[i], dy = means[2 * k + 1] - this.cy[i];
      this.m[i * PER_BRANCH + k] = c * dx + s * dy;
      this.n[i * PER_BRANCH + k] = c * dy - s * dx;
    }
  }

  // for all points of a call: noised precisions along each branch's axes, and the part of the log that x does not enter
  atNoise(sigma) {
    const noise = sigma * sigma;
    for (let i = 0; i < this.branches; i++) {
      this.a[i] = 1 / (this.v0[i] + noise);
      this.b[i] = 1 / (this.v1[i] + noise);
      this.half[i] = Math.log(this.weight[i] / PER_BRANCH) + 0.5 * Math.log(this.a[i] * this.b[i]) - LOG_2PI;
    }
  }

  // fills this.joint with log(w_i N(x; mu_i, S_i + sigma^2 I)) and returns the largest of them
  logJoint(x, y) {
    let top = -Infinity;
    for (let i = 0, j = 0; i < this.branches; i++) {
      const dx = x - this.cx[i], dy = y - this.cy[i];
      const p = (this.p[i] = this.ux[i] * dx + this.uy[i] * dy);
      const q = (this.q[i] = this.ux[i] * dy - this.uy[i] * dx);
      const a = 0.5 * this.a[i], b = 0.5 * this.b[i], half = this.half[i];
      for (let k = 0; k < PER_BRANCH; k++, j++) {
        const s = p - this.m[j], t = q - this.n[j];
        const joint = half - a * s * s - b * t * t;
        this.joint[j] = joint;
        if (joint > top) top = joint;
      }
    }
    return top;
  }

  logProb(points, sigma = 0) {
    return this.logProbAndShares(points, sigma, null);
  }

  // Log density of each point. If `shares` [branches] is given, each point's probability to be of each branch is added
  // to it; points for which `counts` is false are left out of that.
  logProbAndShares(points, sigma, shares, counts = () => true) {
    this.atNoise(sigma);
    const out = new Float64Array(points.length / 2);
    const mass = new Float64Array(this.branches);
    for (let i = 0; i < out.length; i++) {
      const top = this.logJoint(points[2 * i], points[2 * i + 1]);
      let total = 0;
      for (let g = 0, j = 0; g < this.branches; g++) {
        mass[g] = 0;
        for (let k = 0; k < PER_BRANCH; k++, j++) {
          const log = this.joint[j] - top;
          if (log > NEGLIGIBLE) mass[g] += Math.exp(log);
        }
        total += mass[g];
      }
      out[i] = top + Math.log(total);
      if (shares && counts(i)) for (let g = 0; g < this.branches; g++) shares[g] += mass[g] / total;
    }
    return out;
  }

  score(points, sigma) {
    this.atNoise(sigma);
    const out = new Float64Array(points.length);
    for (let i = 0; i < points.length; i += 2) {
      const top = this.logJoint(points[i], points[i + 1]);
      let total = 0, x = 0, y = 0;
      for (let g = 0, j = 0; g < this.branches; g++) {
        let mass = 0, along = 0, across = 0;
        for (let k = 0; k < PER_BRANCH; k++, j++) {
          const log = this.joint[j] - top;
          if (log > NEGLIGIBLE) {
            const e = Math.exp(log);
            mass += e;
            along += e * this.m[j];
            across += e * this.n[j];
          }
        }
        if (mass === 0) continue;
        along = this.a[g] * (along - this.p[g] * mass);
        across = this.b[g] * (across - this.q[g] * mass);
        x += along * this.ux[g] - across * this.uy[g];
        y += along * this.uy[g] + across * this.ux[g];
        total += mass;
      }
      out[i] = x / total;
      out[i + 1] = y / total;
    }
    return out;
  }

  // A point of the mixture noised to sigma, from a uniform number and four unit normal ones.
  draw(uniform, normals, sigma) {
    let g = 0;
    while (g < this.branches - 1 && uniform >= this.cumulative[g]) g++;
    const before = g === 0 ? 0 : this.cumulative[g - 1];
    const k = Math.min(PER_BRANCH - 1, Math.floor(((uniform - before) / this.weight[g]) * PER_BRANCH));
    const i = g * PER_BRANCH + k;
    const [z0, z1, z2, z3] = normals;
    return [
      this.means[2 * i] + this.roots[3 * g] * z0 + sigma * z2,
      this.means[2 * i + 1] + this.roots[3 * g + 1] * z0 + this.roots[3 * g + 2] * z1 + sigma * z3,
    ];
  }
}
