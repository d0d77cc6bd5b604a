// Starting points that equal Python's `draw_start`: each point has a Mersenne Twister of its own, and it is read as
// PyTorch reads it.

const WORDS = 624;
const STARTS_A_SEED = 2 ** 20;

export const SIGMA_MAX = 5;

// The first numbers of the generator with that seed, each between 0 and 2^32 - 1.
function mersenne(seed, count) {
  const state = new Uint32Array(WORDS);
  state[0] = seed;
  for (let i = 1; i < WORDS; i++) state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
  const out = [];
  for (let i = 0; i < count; i++) {
    const mixed = (state[i] & 0x80000000) | (state[i + 1] & 0x7fffffff);
    let y = state[i + 397] ^ (mixed >>> 1) ^ (mixed & 1 ? 0x9908b0df : 0);
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    out.push((y ^ (y >>> 18)) >>> 0);
  }
  return out;
}

// A uniform number in [0, 1) from the lowest 53 bits of two numbers.
function uniform(high, low) {
  return ((high & 0x1fffff) * 2 ** 32 + low) * 2 ** -53;
}

// Exact samples of p_A(x; sigma_max), points first <= i < last of a noise seed; rounded to float32, as Python's are.
export function drawStart(mixture, seed, first, last) {
  const out = new Float64Array(2 * (last - first));
  for (let i = first; i < last; i++) {
    const bits = mersenne(seed * STARTS_A_SEED + i, 10);
    const u = [];
    for (let k = 0; k < bits.length; k += 2) u.push(uniform(bits[k], bits[k + 1]));
    const normals = [];
    for (let k = 1; k < u.length; k += 2) {
      const radius = Math.sqrt(-2 * Math.log1p(-u[k + 1]));
      normals.push(radius * Math.cos(2 * Math.PI * u[k]), radius * Math.sin(2 * Math.PI * u[k]));
    }
    out.set(mixture.draw(u[0], normals, SIGMA_MAX).map(Math.fround), 2 * (i - first));
  }
  return out;
}
