"""Target or sampler? Guidance names a density and then samples another: which of the two loses the branches?

The target is p_main (p_main / p_weak)^(w - 1). Exact models tell it at sigma = 0, by weighting true samples. Trained models hold
1 / sigma in their log density, so theirs is taken at sigma = 0.01 from a fine grid. It is shown only where it is a density: if its
logarithm falls along every ray from the data to radius 100. From 0.01 on all methods follow the guided ODE to 0.
"""

import math
from pathlib import Path

import torch
from torch import Tensor

from edm.correctors import effective_sample_size, feynman_kac_steps, start_log_weights, systematic_resample
from edm.denoiser import Denoiser
from edm.guidance import guide
from edm.sampler import sample, sigma_steps
from edm.storage.rows import run_rows
from figures.engine.plots import grid
from figures.engine.result import Result
from figures.toy import places, target_plots
from toy2d import pretrained
from toy2d.fractal import fractal
from toy2d.likelihood import SIGMA_END
from toy2d.model import LogDensityMLP
from toy2d.paired import SIGMA_MAX, STEPS, draw_start, run

COST, NEEDS, VERSION = "9 min", "the shipped 2D models", 1
VERSION = 1  # raise it when rows or results change their meaning
FAST = dict(
    n=256, exact=(("cfg", 4.0),), trained=(("autoguidance", 3.0),), seeds=[6, 1], many=512, sde_steps=10, repeats=1
)

EXACT = (("cfg", 2.0), ("cfg", 4.0), ("autoguidance", 2.0), ("autoguidance", 3.0))
TRAINED = (("none", 1.0), ("cfg", 2.0), ("cfg", 4.0), ("autoguidance", 2.0), ("autoguidance", 3.0))
KINDS = {"none": "guide", "cfg": "uncond", "autoguidance": "guide"}  # weight 1 never calls its guide
BLURS = (0.01, 0.02)  # of the exact pair that stands for autoguidance
SDE_STEPS = 160
MANY = 2**15  # particles of the larger runs
REPEATS = 2  # noise seeds
PROPOSALS = 16  # true samples a target sample, weighted to stand for the target
RAYS, RADII, NEAR, FAR = 360, 60, 1.6, 100.0  # of the test; no true sample lies beyond 1.6
BOX, PIXELS = 2.0, 800  # half width of the grid, in pixels of half of SIGMA_END


class Blurred:
    """Exact class A or AB, but for a blur: it believes the data blurred by N(0, blur^2 I). A denoiser with a log density."""

    def __init__(self, classes: str, blur: float = 0.0):
        self.tree, self.blur = fractal(classes), blur

    def log_density(self, x: Tensor, sigma: float) -> Tensor:  # [N]
        return self.tree.log_prob(x, math.hypot(sigma, self.blur))

    def sample(self, n: int, sigma: float, generator: torch.Generator) -> Tensor:  # [n, 2]
        return self.tree.sample(n, math.hypot(sigma, self.blur), generator)

    def __call__(self, x: Tensor, sigma: float, labels: Tensor | None = None) -> Tensor:
        return x + sigma**2 * self.tree.score(x, math.hypot(sigma, self.blur))


def exact_models(arm: str) -> tuple[Blurred, Blurred]:
    """Main model and guide without any error of training: class A against both, or blurred against more blurred."""
    if arm == "cfg":
        return Blurred("A"), Blurred("AB")
    return Blurred("A", BLURS[0]), Blurred("A", BLURS[1])


def log_product(main, weak, weight: float, x: Tensor, sigma: float) -> Tensor:  # [N] float64
    """Unnormalised log density of the target."""
    log_main = main.log_density(x, sigma).double()
    return log_main if weight == 1 else log_main + (weight - 1) * (log_main - weak.log_density(x, sigma).double())


def falls(main: LogDensityMLP, weak: LogDensityMLP, weight: float) -> bool:
    """Whether the log product at SIGMA_END falls along every ray from the edge of the data to radius 100."""
    angle = torch.arange(RAYS) * (2 * math.pi / RAYS)
    radius = torch.logspace(math.log10(NEAR), math.log10(FAR), RADII)
    x = radius[:, None, None] * torch.stack([angle.cos(), angle.sin()], 1)
    values = log_product(main, weak, weight, x.reshape(-1, 2), SIGMA_END).view(RADII, RAYS)
    return bool((values[1:] < values[:-1]).all())


def on_grid(main, weak, weight: float, n: int, generator: torch.Generator) -> tuple[Tensor, float]:  # [n, 2]
    """Samples of the product at SIGMA_END: pixels in proportion to it, a uniform place in each.

    Also how far its logarithm falls, in nats, from its maximum to the edge of the grid, so that nothing is left outside.
    """
    x = grid((0.0, 0.0), BOX, PIXELS)[2]
    values = log_product(main, weak, weight, x, SIGMA_END)
    square = values.view(PIXELS, PIXELS)
    edge = torch.cat([square[0], square[-1], square[:, 0], square[:, -1]]).max()
    ends = values.softmax(0).cumsum(0)
    u = torch.rand(n, generator=generator, dtype=torch.float64) * ends[-1]
    chosen = torch.searchsorted(ends, u).clamp(max=len(x) - 1)
    x = x[chosen] + (torch.rand(n, 2, generator=generator) - 0.5) * (2 * BOX / PIXELS)
    return x, (values.max() - edge).item()


def particles(main, weak, weight: float, n: int, sigmas: Tensor, method: str, start, generator) -> Tensor:
    """Samples at sigmas[-1] of the guided SDE, without weights ("sde"), with those of Feynman and Kac ("weights"), or with
    weights from the models' log densities ("densities")."""
    x, log_start = start(n, generator)
    log_main, log_weak = (m.log_density(x, float(sigmas[0])) for m in (main, weak))
    first = start_log_weights(log_main, log_weak, weight, log_start)
    if method == "densities":
        return exactly_weighted(main, weak, weight, x, sigmas, first, generator)
    share = 0.0 if method == "sde" else 0.5
    *_, last = feynman_kac_steps(main, weak, weight, x, sigmas, log_weights=first, generator=generator, resample=share)
    return last.x if method == "sde" else last.x[systematic_resample(last.log_weights, generator)]


@torch.no_grad()
def exactly_weighted(main, weak, weight: float, x: Tensor, sigmas: Tensor, log_weights: Tensor, generator) -> Tensor:
    """The same particles with weights that hold for any densities, noised versions of one another or not.

    A step x -> x' of the guided SDE is weighed against the noising step x' -> x that would undo it:
    d log W = L(x'; sigma') - L(x; sigma) + log N(x; x', h) - log N(x'; x + h s, h), with L the log product, s the guided score and
    h = sigma^2 - sigma'^2 (Del Moral, Doucet & Jasra 2006, eq. 12). It needs log densities, which denoisers do not have.
    """
    guided, n = guide(main, weak, weight), len(x)
    log_p = log_product(main, weak, weight, x, float(sigmas[0]))
    for sigma, sigma_next in zip(sigmas.tolist(), sigmas.tolist()[1:], strict=False):
        if effective_sample_size(log_weights) < n / 2:
            chosen = systematic_resample(log_weights, generator)
            x, log_p, log_weights = x[chosen], log_p[chosen], torch.zeros(n, dtype=torch.float64)
        h = sigma**2 - sigma_next**2
        noise = torch.randn(x.shape, generator=generator)
        moved = x + h / sigma**2 * (guided(x, sigma) - x) + math.sqrt(h) * noise
        log_moved = log_product(main, weak, weight, moved, sigma_next)
        back, forth = ((moved - x).double().square().sum(1) / h, noise.double().square().sum(1))
        log_weights = log_weights + log_moved - log_p + (forth - back) / 2
        log_weights = log_weights.nan_to_num(-math.inf, -math.inf)
        x, log_p = moved, log_moved
    return x[systematic_resample(log_weights, generator)]


def exact_start(main: Blurred):
    """Draws n points of the main model at SIGMA_MAX, with their log density."""

    def start(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        x = main.sample(n, SIGMA_MAX, generator)
        return x, main.log_density(x, SIGMA_MAX)

    return start


def row(
    models: str, arm: str, weight: float, method: str, count: int, steps: int, n: int, noise_seed: int, seed=None
) -> dict:
    """`places.numbers` of n samples by a method, of `count` that were made together; and evaluations of one model a sample."""
    generator = torch.Generator().manual_seed(noise_seed)
    if models == "exact":
        x, more = exact_ends(arm, weight, method, count, steps, n, noise_seed, generator)
    else:
        x, more = trained_ends(arm, weight, method, count, steps, noise_seed, seed, generator)
    chosen = torch.randperm(len(x), generator=generator)[:n]  # n samples of every method: one floor for all
    return places.numbers(x[chosen]) | {"evaluations": cost(method, steps, count, n, weight)} | more


def exact_ends(arm, weight, method, count, steps, n, noise_seed, generator) -> tuple[Tensor, dict]:
    main, weak = exact_models(arm)
    if method == "target":
        x = main.sample(PROPOSALS * n, 0.0, generator)
        log_weights = start_log_weights(main.log_density(x, 0.0), weak.log_density(x, 0.0), weight)
        x = x[systematic_resample(log_weights, generator)]
        return x, {"effective": effective_sample_size(log_weights) / (PROPOSALS * n)}
    if method == "ode":
        return run(guide(main, weak, weight), draw_start(n, noise_seed)), {}
    sigmas = sigma_steps(steps, 0.002, SIGMA_MAX)
    return particles(main, weak, weight, count, sigmas, method, exact_start(main), generator), {}


def trained_ends(arm, weight, method, count, steps, noise_seed, seed, generator) -> tuple[Tensor, dict]:
    main, weak = pretrained.load("main", seed), pretrained.load(KINDS[arm], seed)
    guided: Denoiser = guide(main, weak, weight)
    if method == "ode":
        return run(guided, draw_start(count, noise_seed)), {}
    more = {}
    if method == "target":
        x, more["margin"] = on_grid(main, weak, weight, count, generator)
    else:
        sigmas = sigma_steps(steps, SIGMA_END, SIGMA_MAX)[:-1]
        x = particles(main, weak, weight, count, sigmas, method, exact_start(Blurred("A")), generator)
    return sample(guided, x, sigma_steps(STEPS // 4, 0.002, SIGMA_END)), more


def cost(method: str, steps: int, count: int, n: int, weight: float) -> float | None:
    """Evaluations of main model and guide together for each sample that is kept; the target itself is no method."""
    models = 1 if weight == 1 else 2
    each = {"target": None, "ode": 2 * STEPS - 1}.get(method, steps)
    return None if each is None else models * each * (count / n)


def compute(
    *, seeds=None, n=2**13, exact=EXACT, trained=TRAINED, many=MANY, sde_steps=SDE_STEPS, repeats=REPEATS,
    store: Path | None = None, workers=None,
) -> Result:  # fmt: skip
    """seeds: training seeds. n: samples measured; many: particles of the larger runs. repeats: noise seeds of exact models."""
    seeds = pretrained.seeds() if seeds is None else list(seeds)
    plain = [("target", n), ("ode", n), ("sde", n), ("weights", n)]
    tasks = []
    for arm, w in exact:
        base = dict(models="exact", arm=arm, weight=w, steps=sde_steps, n=n)
        tasks += [dict(base, method=m, count=c, noise_seed=i) for m, c in plain for i in range(repeats)]
        tasks += [dict(base, method="weights", count=many, noise_seed=i) for i in range(repeats)]
    densities = []
    for arm, w in trained:
        for s in seeds:
            models = pretrained.load("main", s), pretrained.load(KINDS[arm], s)
            densities.append({"arm": arm, "weight": w, "seed": s, "falls": falls(*models, w)})
            base = dict(models="trained", arm=arm, weight=w, steps=sde_steps, n=n, noise_seed=s, seed=s)
            if densities[-1]["falls"]:
                methods = [*plain, ("densities", n), ("weights", many // 2)]
                tasks += [dict(base, method=m, count=c) for m, c in methods if w != 1 or m != "weights"]
            else:
                tasks.append(dict(base, method="ode", count=n))
    rows = run_rows(row, tasks, store=store, workers=workers, desc="target")
    return Result(
        {"n": n, "many": many, "seeds": seeds, "floor": places.floor(n), "densities": densities, "rows": rows}
    )


def draw(result: Result):
    return target_plots.draw(result.numbers)
