"""Who takes part in the experiment `methods`: each method with its paper, what the paper claims, and the strengths to try.

The pair of models is that of the paper: main and unconditional model where it speaks of CFG, main and worse model for autoguidance.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from edm.adaptive import guide_feedback, guide_projected, guide_rescaled
from edm.correctors import (
    cfgpp_steps,
    feedback_steps,
    feynman_kac_steps,
    projected_steps,
    start_log_weights,
    systematic_resample,
)
from edm.denoiser import Denoiser
from edm.guidance import guide, guide_scheduled, guide_segmented, noisier, stages, truncate
from edm.sampler import sigma_steps
from toy2d import contest, pretrained, tuned
from toy2d.fractal import fractal
from toy2d.methods import BLUR, Method, Models
from toy2d.paired import SIGMA_MAX

LOW, MIDDLE, HIGH = 0.01, 0.25, 0.5  # noise levels: guidance hardly matters below LOW, and loses branches above HIGH
LARGE, SMALL = (1.25, 1.5, 2.0, 3.0, 4.0), (1.1, 1.25, 1.5, 2.0, 3.0)  # weights
SHARES = (0.0, 0.2, 0.4, 0.6, 0.8)  # of the guide in what the main model learned, as feedback guidance assumes
KINDS = ("by noise level", "by sample", "another sampler", "by training")


def steps(number: int) -> Tensor:
    return sigma_steps(number, sigma_max=SIGMA_MAX)


def seeded(models: Models) -> torch.Generator:
    """New noise of a sampler: the same for every strength."""
    return torch.Generator().manual_seed(models.seed + 10_000)


def end(states) -> Tensor:
    *_, last = states
    return last.x


def log_density(model: Denoiser, x: Tensor, sigma: float) -> Tensor:  # [N]
    """Of a trained or an exact model, up to a constant."""
    return (model.log_density if hasattr(model, "log_density") else model.log_prob)(x, sigma)


def product(kind: str) -> Callable:
    """Feynman-Kac particles for the product of the main model and a guide, at the end drawn in proportion to their weights."""

    def sample(models: Models, w: float, x: Tensor, sigmas: Tensor) -> Tensor:
        weak, generator = getattr(models, kind), seeded(models)
        logs = (log_density(m.denoiser, x, SIGMA_MAX) for m in (models.main, weak))
        *_, last = feynman_kac_steps(
            models.main, weak, w, x, steps(160), log_weights=start_log_weights(*logs, w), generator=generator
        )
        return last.x[systematic_resample(last.log_weights, generator)]

    return sample


@lru_cache(32)
def self_tuned(seed: int, true: bool = False) -> Denoiser:
    """The main model of a training seed, tuned on its own samples or, as a control, on true ones."""
    main = pretrained.load("main", seed)
    if true:
        samples = fractal("A").sample(tuned.SAMPLES, 0.0, torch.Generator().manual_seed(seed))
    else:
        samples = tuned.own_samples(main, seed=seed)
    return tuned.tune_on_samples(main, samples, seed=seed)


def exact_feedback(m: Models, share: float) -> Denoiser:
    def log_ratio(x: Tensor, sigma: float) -> Tensor:
        return m.main.denoiser.log_prob(x, sigma) - m.uncond.denoiser.log_prob(x, sigma)

    return guide_feedback(m.main, m.uncond, log_ratio, 1 - share)


def tracked_feedback(m: Models, share: float, x: Tensor, sigmas: Tensor) -> Tensor:
    return end(feedback_steps(m.main, m.uncond, x, steps(64), mixing=1 - share, generator=seeded(m)))


def by_blur(sigma: float) -> float:
    """The step up in noise level that adds the variance BLUR^2 everywhere: large where there is little noise."""
    return math.hypot(sigma, BLUR) - sigma


def by_stages(m: Models, w: float) -> Denoiser:
    little = 1 + (w - 1) / 4
    return guide_scheduled(m.main, m.uncond, stages([little, w, little], [HIGH, 0.05]))


def trained_in(m: Models, strength: float) -> Denoiser:
    return m.add(tuned.model_guidance(m.main.denoiser, m.uncond.denoiser, strength, m.seed))


MAKE = {  # name -> strengths, the denoiser
    "no guidance": ((1.0,), contest.NONE.make),
    "autoguidance": (SMALL, contest.AUTOGUIDANCE.make),
    "CFG": (SMALL, contest.CFG.make),
    "truncation": ((1.03, 1.05, 1.1, 1.2), lambda m, w: truncate(m.main, w)),
    "CFG, interval": (LARGE, lambda m, w: guide(m.main, m.uncond, w, (LOW, HIGH))),
    "autoguidance, interval": (LARGE, lambda m, w: guide(m.main, m.weak, w, (LOW, HIGH))),
    "stages": (LARGE, by_stages),
    "negative window": (SMALL, lambda m, w: guide_scheduled(m.main, m.uncond, stages([0.5, w], [1.0]))),
    "SGG": (SMALL, lambda m, w: guide_segmented(m.main, m.uncond, m.weak, (w, w), MIDDLE)),
    "self-guidance": (SMALL, lambda m, w: guide(m.main, noisier(m.main, lambda sigma: sigma / 10), w)),
    "self-guidance, low noise": (SMALL, lambda m, w: guide(m.main, noisier(m.main, by_blur), w)),
    "APG": (LARGE, lambda m, w: guide_projected(m.main, m.uncond, w)),
    "CFG-Zero*, scale only": (SMALL, lambda m, w: guide_rescaled(m.main, m.uncond, w)),
    "CFG-Zero*": (SMALL, lambda m, w: guide_rescaled(m.main, m.uncond, w, zero_above=4.5)),
    "FBG, exact ratio": (SHARES, exact_feedback),
    "SIMS": (SMALL, lambda m, w: guide(m.main, m.add(self_tuned(m.seed)), w)),
    "SIMS, true samples": (SMALL, lambda m, w: guide(m.main, m.add(self_tuned(m.seed, True)), w)),
    "Neon": (SMALL, lambda m, w: m.add(tuned.extrapolate(m.main.denoiser, self_tuned(m.seed), w))),
    "model guidance": ((0.0, 0.1, 0.2, 0.4), trained_in),
}
SAMPLE = {  # name -> strengths, the points
    "APG, momentum": (LARGE, lambda m, w, x, sigmas: end(projected_steps(m.main, m.uncond, w, x, sigmas))),
    "FBG, tracked": (SHARES, tracked_feedback),
    "Euler": ((1.0,), lambda m, s, x, _: end(cfgpp_steps(m.main, m.main, s, x, steps(63)))),
    "CFG++": ((0.1, 0.125, 0.15, 0.2, 0.4), lambda m, s, x, _: end(cfgpp_steps(m.main, m.uncond, s, x, steps(63)))),
    "Feynman-Kac, CFG": ((1.0, 1.5, 2.0, 3.0), product("uncond")),
    "Feynman-Kac, autoguidance": ((1.0, 1.5, 2.0, 3.0), product("weak")),
}
METHODS = {name: Method(name, strengths, make=make) for name, (strengths, make) in MAKE.items()} | {
    name: Method(name, strengths, sample=sample) for name, (strengths, sample) in SAMPLE.items()
}


BETTER, NO_HELP, AS_GOOD = "better", "no help", "as good"  # what a claim says of a method and its baseline


class Paper(NamedTuple):
    """What is claimed of a method."""

    kind: str  # what it changes, one of KINDS; "" for the baselines
    number: str  # arXiv
    claim: str  # in our words
    against: str = "CFG"  # the baseline that the claim is about
    numbers: tuple[str, ...] = ("outliers", "misplaced")  # which must fall
    says: str = BETTER


LEVEL, SAMPLED, STEP, TRAINED = KINDS
NOTHING = "no guidance"
PAPERS = {
    "no guidance": Paper("", "", ""),
    "autoguidance": Paper("", "2406.02507", "quality rises and coverage stays", NOTHING),
    "CFG": Paper("", "2207.12598", "quality rises, at a price in coverage", NOTHING, ("outliers",)),
    "truncation": Paper(LEVEL, "2406.02507", "a larger score is no substitute for guidance", NOTHING, says=NO_HELP),
    "CFG, interval": Paper(LEVEL, "2404.07724", "guidance at middle noise levels alone is better than CFG"),
    "autoguidance, interval": Paper(
        LEVEL, "2406.02507", "the interval does not help here", "autoguidance", says=NO_HELP
    ),
    "stages": Paper(LEVEL, "2509.22007", "little guidance early and late is better than CFG"),
    "negative window": Paper(LEVEL, "2602.00716", "negative guidance early keeps what CFG loses"),
    "SGG": Paper(LEVEL, "2603.20584", "CFG early and autoguidance late are better than CFG"),
    "self-guidance": Paper(LEVEL, "2412.05827", "the model at higher noise is a guide for itself", NOTHING),
    "self-guidance, low noise": Paper(LEVEL, "2412.05827", "the same, by a constant step in variance", NOTHING),
    "APG": Paper(SAMPLED, "2410.02416", "the part of guidance along the prediction does the harm"),
    "APG, momentum": Paper(SAMPLED, "2410.02416", "the same, with negative momentum"),
    "CFG-Zero*, scale only": Paper(SAMPLED, "2503.18886", "the guide's velocity must be rescaled"),
    "CFG-Zero*": Paper(SAMPLED, "2503.18886", "the same, and the first step must be zero"),
    "FBG, exact ratio": Paper(SAMPLED, "2506.06085", "a weight by need is better than a constant one"),
    "FBG, tracked": Paper(SAMPLED, "2506.06085", "the same, with the ratio tracked along the path"),
    "Euler": Paper(STEP, "", "control: the steps of CFG++ without guidance do no harm", NOTHING, says=AS_GOOD),
    "CFG++": Paper(STEP, "2406.08070", "with the guide's noise in the step, fewer modes are lost"),
    "Feynman-Kac, CFG": Paper(STEP, "2503.02819", "weighted particles sample the product, CFG does not"),
    "Feynman-Kac, autoguidance": Paper(STEP, "2503.02819", "the same for autoguidance's product", "autoguidance"),
    "SIMS": Paper(TRAINED, "2408.16333", "the model tuned on its own samples is a guide for it", NOTHING),
    "SIMS, true samples": Paper(TRAINED, "", "control: tuned on true samples, it is no guide", NOTHING, says=NO_HELP),
    "Neon": Paper(TRAINED, "2510.03597", "away from the tuned weights the model is better", NOTHING),
    "model guidance": Paper(
        TRAINED, "2502.12154", "guidance trained in is as good as CFG, at half the price", says=AS_GOOD
    ),
}


UNGUIDED = {  # strengths at which a method is another sampler, or longer training, and no guidance
    "Feynman-Kac, CFG": 1.0, "Feynman-Kac, autoguidance": 1.0, "FBG, exact ratio": 0.0, "FBG, tracked": 0.0, "model guidance": 0.0,
}  # fmt: skip


def taking_part(world: str) -> list[str]:
    """The methods that a world allows: exact models cannot be tuned, and only they know their ratio."""
    if world == "exact":
        return [name for name, paper in PAPERS.items() if paper.kind != TRAINED]
    return [name for name in PAPERS if name != "FBG, exact ratio"]
