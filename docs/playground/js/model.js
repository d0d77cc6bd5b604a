// The paper's 2D model, as in toy2d/model.py: a small network gives an unnormalised log density,
//   log p(x; sigma) = gain mean(y^2) / sigma - |x|^2 / (2 (sigma_data^2 + sigma^2)),
// and its score is the gradient of that, written out as the way back through the layers.
// Points are flat arrays [x0, y0, x1, y1, ...]. A call has one sigma for all of its points.

const SIGMA_DATA = 0.5;
const LAYERS = 4; // after the first one, 4 -> hidden
const BLOCK = 12; // points at a time: their activations, [hidden, BLOCK], stay in the processor's cache

export class LogDensityMLP {
  // weights: the matrices in use [hidden, 4], then LAYERS times [hidden, hidden], then the gain, one after the other
  constructor(weights) {
    this.hidden = hiddenWidth(weights.length);
    const h = this.hidden;
    this.first = Float64Array.from(weights.subarray(0, 4 * h));
    this.matrices = [];
    this.transposed = [];
    for (let l = 0; l < LAYERS; l++) {
      const matrix = Float64Array.from(weights.subarray(4 * h + l * h * h, 4 * h + (l + 1) * h * h));
      this.matrices.push(matrix);
      this.transposed.push(matrix.map((_, i) => matrix[(i % h) * h + Math.floor(i / h)]));
    }
    this.gain = weights[weights.length - 1];
    this.input = new Float64Array(4 * BLOCK).fill(1); // the last of the four inputs is 1
    this.y = new Float64Array(h * BLOCK);
    this.activation = new Float64Array(h * BLOCK);
    this.slopes = this.matrices.map(() => new Float64Array(h * BLOCK));
  }

  logDensity(points, sigma) {
    const out = new Float64Array(points.length / 2);
    this.inBlocks(points, sigma, (start, count, scale) => {
      for (let p = 0; p < count; p++) {
        const x = points[2 * (start + p)] * scale, y = points[2 * (start + p) + 1] * scale;
        let squares = 0;
        for (let i = p; i < this.y.length; i += BLOCK) squares += this.y[i] * this.y[i];
        out[start + p] = (this.gain * squares) / this.hidden / sigma - 0.5 * (x * x + y * y);
      }
    });
    return out;
  }

  score(points, sigma) {
    const out = new Float64Array(points.length);
    this.inBlocks(points, sigma, (start, count, scale) => {
      const d = this.backward((2 * this.gain) / this.hidden / sigma);
      for (let p = 0; p < count; p++) {
        let x = 0, y = 0;
        for (let o = 0; o < this.hidden; o++) {
          x += d[o * BLOCK + p] * this.first[4 * o];
          y += d[o * BLOCK + p] * this.first[4 * o + 1];
        }
        const i = 2 * (start + p);
        out[i] = x * scale - points[i] * scale * scale;
        out[i + 1] = y * scale - points[i + 1] * scale * scale;
      }
    });
    return out;
  }

  // calls finish(start, count, scale) after each block's way up, with the network's output in this.y
  inBlocks(points, sigma, finish) {
    const n = points.length / 2;
    const scale = 1 / Math.sqrt(SIGMA_DATA ** 2 + sigma ** 2);
    this.input.fill(Math.log(sigma) / 4, 2 * BLOCK, 3 * BLOCK);
    for (let start = 0; start < n; start += BLOCK) {
      const count = Math.min(BLOCK, n - start);
      for (let p = 0; p < count; p++) {
        this.input[p] = points[2 * (start + p)] * scale;
        this.input[BLOCK + p] = points[2 * (start + p) + 1] * scale;
      }
      this.forward();
      finish(start, count, scale);
    }
  }

  forward() {
    product(this.first, this.input, this.y, 4, this.hidden);
    for (let l = 0; l < LAYERS; l++) {
      const slope = this.slopes[l];
      for (let i = 0; i < slope.length; i++) {
        const gate = 1 / (1 + Math.exp(-this.y[i]));
        const silu = this.y[i] * gate;
        this.activation[i] = silu;
        slope[i] = silu + gate - silu * gate;
      }
      product(this.matrices[l], this.activation, this.y, this.hidden, this.hidden);
    }
  }

  // factor * y, carried back to the output of the first layer
  backward(factor) {
    let d = this.y, other = this.activation;
    for (let i = 0; i < d.length; i++) d[i] *= factor;
    for (let l = LAYERS - 1; l >= 0; l--) {
      product(this.transposed[l], d, other, this.hidden, this.hidden);
      for (let i = 0; i < other.length; i++) other[i] *= this.slopes[l][i];
      [d, other] = [other, d];
    }
    return d;
  }
}

function hiddenWidth(length) {
  const h = Math.round((Math.sqrt(4 + LAYERS * (length - 1)) - 2) / LAYERS); // LAYERS h^2 + 4 h + 1 = length
  if (LAYERS * h * h + 4 * h + 1 !== length) throw new Error(`no 2D model has ${length} weights`);
  return h;
}

// out [rows, BLOCK] = w [rows, n] a [n, BLOCK]. Tiles of 4 x 3 numbers stay in registers: this loop is the whole cost.
function product(w, a, out, n, rows) {
  for (let o = 0; o < rows; o += 4) {
    const r0 = o * n, r1 = r0 + n, r2 = r1 + n, r3 = r2 + n;
    for (let p = 0; p < BLOCK; p += 3) {
      let s00 = 0, s01 = 0, s02 = 0, s10 = 0, s11 = 0, s12 = 0;
      let s20 = 0, s21 = 0, s22 = 0, s30 = 0, s31 = 0, s32 = 0;
      for (let k = 0, i = p; k < n; k++, i += BLOCK) {
        const a0 = a[i], a1 = a[i + 1], a2 = a[i + 2];
        let v = w[r0 + k];
        s00 += v * a0; s01 += v * a1; s02 += v * a2;
        v = w[r1 + k];
        s10 += v * a0; s11 += v * a1; s12 += v * a2;
        v = w[r2 + k];
        s20 += v * a0; s21 += v * a1; s22 += v * a2;
        v = w[r3 + k];
        s30 += v * a0; s31 += v * a1; s32 += v * a2;
      }
      let j = o * BLOCK + p;
      out[j] = s00; out[j + 1] = s01; out[j + 2] = s02;
      j += BLOCK;
      out[j] = s10; out[j + 1] = s11; out[j + 2] = s12;
      j += BLOCK;
      out[j] = s20; out[j + 1] = s21; out[j + 2] = s22;
      j += BLOCK;
      out[j] = s30; out[j + 1] = s31; out[j + 2] = s32;
    }
  }
}
