"""What closed forms predict of guidance, beside what it does: widths of branches, raised input noise, shares of branches.

(a) Main model and guide are exact but for a blur, so both believe every branch too wide (`toy2d.gaussian.guided_std`).
(b) The exact model sees its input through more noise than the sampler knows of (`edm.corruption.raise_noise`).
(c) Trained models give the branches other shares than the guides do, and guidance moves mass where these shares differ.
"""

import math
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import brentq
from torch import Tensor

from edm.corruption import GUIDE_FACTOR, MAIN_FACTOR, raise_noise
from edm.denoiser import Denoiser
from edm.guidance import guide
from edm.sampler import sample, sigma_steps
from edm.storage.rows import run_rows
from figures.engine.result import Result
from figures.toy import places, theory_plots
from toy2d import pretrained, widths
from toy2d.fractal import BRANCHES, COMPONENTS, branch_depths, fractal
from toy2d.gaussian import guided_share, noise_restoring_weight, product_share
from toy2d.mixture import GaussianMixture
from toy2d.paired import SIGMA_MAX, STEPS, draw_start, run

COST, NEEDS, VERSION = "7 min", "the shipped 2D models", 1
VERSION = 1  # raise it when rows or results change their meaning
FAST = dict(
    n=128, seeds=[0, 1], n_shares=512, weights=(1.0, 3.0), noise_weights=(1.0, 2.0), fine=(8, 1e-3), noise_steps=8,
    share_weights=(2.0,),
)  # fmt: skip

BLURS = ((0.01, 0.02), (0.004, 0.008))  # of main model and guide
WEIGHTS = (1.0, 1.33, 1.5, 2.0, 2.5, 3.0, 5.0)
COARSE, FINE = (STEPS, 0.002), (64, 2e-4)  # steps and sigma_min: the paper's, and converged ones
NOISE_WEIGHTS = (1.0, 1.5, 1.75, 2.0, 2.1, 2.25, 2.5, 3.0)
NOISE_STEPS = 128
SHARE_WEIGHTS = (2.0, 3.0)  # of autoguidance
MANY = 2**16  # samples of a predicted mixture
TRUNK, LEAF = 0, 6  # depths; also branches, the first of their depth
ORDER = 2**16  # noise seeds of a training seed's independent samples lie so far apart


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blurred(tree: GaussianMixture, blur: float) -> Denoiser:
    """Exact in all but one thing: it believes the data of `tree` blurred by N(0, blur^2 I)."""
    return lambda x, sigma, labels=None: x + sigma**2 * tree.score(x, math.hypot(sigma, blur))


def alone(branch: int) -> GaussianMixture:
    """One branch of class A as if there were no other, in the middle of the plane."""
    tree, part = fractal("A", torch.float64), slice(COMPONENTS * branch, COMPONENTS * (branch + 1))
    means = tree.means[part]
    return GaussianMixture(tree.weights[part], means - means.mean(0), tree.covariances[part])


def row(part: str, **task) -> dict:
    """One measurement of part "blur", "alone", "noise" or "shares"."""
    return {"blur": blur_row, "alone": alone_row, "noise": noise_row, "shares": shares_row}[part](**task)


def blur_row(main: float, weak: float, weight: float, steps: int, sigma_min: float, n: int) -> dict:
    """Samples of a guided pair of blurred models, beside the mixture that the closed form predicts."""
    denoiser = guide(blurred(fractal("A"), main), blurred(fractal("A"), weak), weight)
    x = sample(denoiser, draw_start(n), sigma_steps(steps, sigma_min, SIGMA_MAX))
    found = dict(zip(("length", "width"), widths.measured(x[~places.flown(x)]).T.tolist(), strict=True))
    mixture = widths.guided(main, weak, weight, sigma_min, SIGMA_MAX)
    predicted = dict(zip(("length", "width"), widths.expected(mixture).T.tolist(), strict=True))
    predicted["outliers"] = places.numbers(mixture.sample(min(8 * n, MANY), generator=generator(0)).float())["outliers"]
    return places.numbers(x) | found | {"predicted": predicted}


def alone_row(branch: int, main: float, weak: float, weight: float, steps: int, sigma_min: float, n: int) -> dict:
    """Width across of a branch that is alone in the plane, measured and predicted, as ratios to the true one."""
    tree = alone(branch)
    x = tree.sample(n, SIGMA_MAX, generator(0)).float()
    denoiser = guide(blurred(tree, main), blurred(tree, weak), weight)
    across = widths.branches()[3][branch, 1]
    ends = sample(denoiser, x, sigma_steps(steps, sigma_min, SIGMA_MAX)).double() @ across
    predicted = widths.guided(main, weak, weight, sigma_min, SIGMA_MAX).covariances[COMPONENTS * branch].double()
    true = across @ tree.covariances[0].double() @ across
    return {"width": (ends.std() / true.sqrt()).item(), "predicted": (across @ predicted @ across / true).sqrt().item()}


def noise_row(main: float, weak: float, weight: float, steps: int, fresh: bool, n: int) -> dict:
    """The exact model with raised input noise, guided by the same with more. fresh=False leaves the noise out: D(x; f sigma)."""

    def worse(factor: float, seed: int) -> Denoiser:
        if fresh:
            return raise_noise(fractal("A"), factor, generator(seed))
        return lambda x, sigma, labels=None: fractal("A")(x, factor * sigma)

    x = sample(guide(worse(main, 1), worse(weak, 2), weight), draw_start(n), sigma_steps(steps, COARSE[1], SIGMA_MAX))
    spread = x.double().var(0).sum().sqrt().item()
    return places.numbers(x) | {"spread": spread, "width": widths.measured(x[~places.flown(x)])[:, 1].tolist()}


def shares_row(seed: int, weights: list[float], n: int) -> dict:
    """Shares of main model and guide in independent samples, and those under guidance, measured and predicted.

    The change is measured from a sample of the main model that the predictions do not use: what both hold by chance would agree.
    """
    main, weak = (pretrained.load(kind, seed) for kind in ("main", "guide"))
    arms = [main, main, main, weak, weak, *(guide(main, weak, w) for w in weights)]
    ends = [run(d, fractal("A").sample(n, SIGMA_MAX, generator(seed * ORDER + i))) for i, d in enumerate(arms)]
    smooth = [
        (places.shares(x) * n + 0.5) / (n + 0.5 * BRANCHES) for x in ends
    ]  # half a sample more, so that none is 0
    log = [s.log() for s in smooth]
    m, g, leaves = (smooth[1] + smooth[2]) / 2, (smooth[3] + smooth[4]) / 2, branch_depths() == LEAF
    out = {"ratio": (log[1] - log[3]).tolist(), "ratio_again": (log[2] - log[4]).tolist(), "guided": []}
    for w, x, own in zip(weights, ends[5:], log[5:], strict=True):
        product = m * (m / g) ** (w - 1)
        predicted = {"product": product / product.sum(), "splits": by_splits(m, g, w)}
        numbers = {"change": (own - log[0]).tolist(), "lost": places.lost(places.shares(x))}
        for rule, share in predicted.items():
            numbers[rule] = {"lost": places.lost(share), "leaves": (share / m).log()[leaves].tolist()}
        out["guided"].append(numbers)
    return out


def by_splits(main: Tensor, weak: Tensor, weight: float) -> Tensor:  # [127]
    """Shares under guidance if every fork of the tree were two far modes (`toy2d.gaussian.guided_share`).

    A fork is first a branch against all that it bears, then its two children's subtrees against each other.
    """
    out = torch.zeros_like(main)

    def descend(branch: int, depth: int, mass: float) -> None:
        size = 2 ** (LEAF - depth) - 1  # branches of each child's subtree
        if size == 0:
            out[branch] = mass
            return
        left, right = slice(branch + 1, branch + 1 + size), slice(branch + 1 + size, branch + 1 + 2 * size)
        (own, one, two), (weak_own, weak_one, weak_two) = (
            (s[branch].item(), s[left].sum().item(), s[right].sum().item()) for s in (main, weak)
        )
        stay = guided_share(own / (own + one + two), weak_own / (weak_own + weak_one + weak_two), weight)
        first = guided_share(one / (one + two), weak_one / (weak_one + weak_two), weight)
        out[branch] = mass * stay
        descend(branch + 1, depth + 1, mass * (1 - stay) * first)
        descend(branch + 1 + size, depth + 1, mass * (1 - stay) * (1 - first))

    descend(0, 0, 1.0)
    return out


def compute(
    *, seeds=None, n=2**13, n_shares=2**15, weights=WEIGHTS, noise_weights=NOISE_WEIGHTS, fine=FINE,
    noise_steps=NOISE_STEPS, share_weights=SHARE_WEIGHTS, store: Path | None = None, workers=None,
) -> Result:  # fmt: skip
    """seeds: training seeds of (c). n: samples of an arm of (a) and (b); n_shares: of (c). fine: converged steps and sigma_min."""
    seeds = pretrained.seeds() if seeds is None else list(seeds)
    pairs = [dict(main=a, weak=b, weight=w) for a, b in BLURS for w in weights]
    settings = [dict(steps=steps, sigma_min=sigma_min, n=n) for steps, sigma_min in (COARSE, fine)]
    noise = dict(part="noise", main=MAIN_FACTOR, weak=GUIDE_FACTOR, weight=1.0, steps=noise_steps, fresh=True, n=n)
    tasks = [dict(part="shares", seed=s, weights=share_weights, n=n_shares) for s in seeds]
    tasks += [dict(part="blur", **pair, **s) for s in settings for pair in pairs]
    tasks += [dict(part="alone", branch=b, **p, **settings[1]) for b in (TRUNK, LEAF) for p in pairs]
    tasks += [dict(noise, weight=w) for w in noise_weights]
    tasks += [dict(noise, main=1.0), dict(noise, main=GUIDE_FACTOR), dict(noise, weight=2.0, steps=2 * noise_steps)]
    tasks += [dict(noise, main=f, fresh=False) for f in (MAIN_FACTOR, GUIDE_FACTOR)] + [
        dict(noise, weight=2.1, fresh=False)
    ]
    rows = run_rows(row, tasks, store=store, workers=workers, desc="theory")
    of = {part: [r for r in rows if r["part"] == part] for part in ("blur", "alone", "noise", "shares")}
    exact = of["noise"][len(noise_weights)]["spread"]
    of["noise"] = [r | {"spread": r["spread"] / exact} for r in of["noise"]]  # the first row without raised noise is 1
    numbers = {"n": n, "n_shares": n_shares, "seeds": seeds, "floor": places.floor(n), "blur": of["blur"]}
    numbers |= {"alone": of["alone"], "noise": of["noise"], "two_modes": two_modes()}
    numbers["restoring"] = [restoring(of["blur"], *pair, *s) for pair in BLURS for s in (COARSE, fine)]
    numbers["noise_weight"] = noise_weights_found(of["noise"][: len(noise_weights)])
    numbers["shares"] = [shares_found(w, of["shares"], i) for i, w in enumerate(share_weights)]
    return Result(numbers)


def crossing(x, y, level: float) -> float | None:
    """Where the line through points (x, y) first falls to `level`; None if it does not."""
    for x0, x1, y0, y1 in zip(x, x[1:], y, y[1:], strict=False):
        if y0 >= level >= y1 and y0 > y1:
            return x0 + (x1 - x0) * (y0 - level) / (y0 - y1)
    return None


def restoring(rows: list[dict], main: float, weak: float, steps: int, sigma_min: float) -> dict:
    """Weights at which widths and outliers are the true ones, predicted and measured (straight lines between the weights)."""
    here = [r for r in rows if (r["main"], r["weak"], r["steps"], r["sigma_min"]) == (main, weak, steps, sigma_min)]
    w = [r["weight"] for r in here]
    found = {"main": main, "weak": weak, "steps": steps, "sigma_min": sigma_min}
    for name, depth in (("trunk", TRUNK), ("leaves", LEAF)):

        def excess(weight: float, depth=depth) -> float:
            return widths.expected(widths.guided(main, weak, weight, sigma_min, SIGMA_MAX))[depth, 1].item() - 1

        log = [math.log(r["width"][depth]) for r in here]
        predicted = brentq(excess, 1.0, 6.0, xtol=1e-3) if excess(1.0) > 0 > excess(6.0) else None
        found[name] = {"predicted": predicted, "measured": crossing(w, log, 0.0)}
    share = {"predicted": [r["predicted"]["outliers"] for r in here], "measured": [r["outliers"] for r in here]}
    return found | {"outliers": {name: crossing(w, values, 0.01) for name, values in share.items()}}


def noise_weights_found(rows: list[dict]) -> dict:
    """The weight that gives back the spread of the whole cloud, and those with least total variation and fewest outliers."""
    w = [r["weight"] for r in rows]
    best = {key: min(rows, key=lambda r: r[key])["weight"] for key in ("branch_tv", "outliers")}
    measured = crossing(w, [-r["spread"] for r in rows], -1.0)
    return {
        "predicted": noise_restoring_weight(MAIN_FACTOR, GUIDE_FACTOR),
        "paper": 2.0,
        "spread": measured,
        "best": best,
    }


def two_modes(main: float = 0.3, weights=(1.0, 1.5, 2.0, 3.0, 4.0, 5.0)) -> list[dict]:
    """Share of a mode that the main model gives `main` and the guide more, or less: by the product and by the guided ODE."""
    return [
        {"main": main, "weak": g, "weights": list(weights), "product": [product_share(main, g, w) for w in weights],
         "ode": [guided_share(main, g, w) for w in weights]}
        for g in (main + 0.1, main - 0.1)
    ]  # fmt: skip


def shares_found(weight: float, rows: list[dict], which: int) -> dict:
    """How far shares under guidance follow the ratio of the models' shares, by depth; and which lost leaves that explains.

    slope: of log(share under guidance / share without) on log(main's share / guide's), over all seeds. The product rule says
    w - 1. Chance in the ratio flattens a slope, so `slope_freed` uses a second, independent sample of the ratio (an instrument).
    """
    guided, depths = [r["guided"][which] for r in rows], branch_depths().numpy()
    change = np.array([g["change"] for g in guided])  # [seeds, 127]
    ratio, again = (np.array([r[key] for r in rows]) for key in ("ratio", "ratio_again"))
    lines = []
    for depth in range(LEAF + 1):
        y, x, z = (a[:, depths == depth].ravel() for a in (change, ratio, again))
        both = np.cov([y, x, z])
        lines.append({"slope": both[0, 1] / both[1, 1], "slope_freed": both[0, 2] / both[1, 2],
                      "correlation": np.corrcoef(y, x)[0, 1], "reliability": np.corrcoef(x, z)[0, 1]})  # fmt: skip
    leaves = change[:, depths == LEAF]
    out = {"weight": weight, "depths": lines, "lost": [len(g["lost"]) for g in guided], "leaves": np.round(leaves, 2)}
    for rule in ("product", "splits"):
        said = [len(g[rule]["lost"]) for g in guided]
        found = np.array([g[rule]["leaves"] for g in guided])
        out[rule] = {
            "predicted": said, "hits": [len(set(g["lost"]) & set(g[rule]["lost"])) for g in guided],
            "by_chance": [a * b / leaves.shape[1] for a, b in zip(out["lost"], said, strict=True)],
            "correlation": np.corrcoef(found.ravel(), leaves.ravel())[0, 1], "leaves": np.round(found, 2),
        }  # fmt: skip
    return out


def draw(result: Result):
    return theory_plots.draw(result.numbers)
