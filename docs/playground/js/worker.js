// A worker: keeps the truth and the models, and answers one job at a time.

let data, truth, models, modelSeed;

const JOBS = {
  start(job) {
    data = job.data;
    truth = makeTruth(data);
    return {};
  },
  // the starting points first <= i < last of a noise seed
  draw({ noise, first, last }) {
    const points = drawStart(truth, noise, first, last);
    return { points };
  },
  // `points` after the steps through `sigmas`
  steps({ settings, points, sigmas }) {
    const score = (at, sigma) => methodScore(settings, models, at, sigma);
    for (let i = 0; i + 1 < sigmas.length; i++) points = heunStep(score, points, sigmas[i], sigmas[i + 1]);
    return { points };
  },
  measure({ points }) {
    return measureSlice(truth, data.level, points);
  },
  // what guidance adds to the log density at `points`, over the weight minus 1: log(p_1 / p_0) for one guide
  ratio({ guides, points, sigma }) {
    const main = models.main.logDensity(points, sigma);
    const out = new Float64Array(main.length);
    for (const [name, part] of guides) {
      const weak = models[name].logDensity(points, sigma);
      for (let i = 0; i < out.length; i++) out[i] += part * (main[i] - weak[i]);
    }
    return { ratio: out, main };
  },
};

onmessage = ({ data: job }) => {
  try {
    if (job.seed !== undefined && job.seed !== modelSeed) {
      models = makeModels(data, job.seed, truth);
      modelSeed = job.seed;
    }
    postMessage(JOBS[job.kind](job));
  } catch (error) {
    postMessage({ error: `${job.kind}: ${error.message}` });
  }
};
