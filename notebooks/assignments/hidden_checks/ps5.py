"""Problem set 5: paired runs and their statistics."""

import math

import scipy.stats
import torch

from edm.guidance import guide
from hidden_checks import agree, fresh, normal, require, uniform
from toy2d import pretrained
from toy2d import paired
from toy2d.fractal import fractal

WEIGHT = 2.0


def _seed(generator) -> int:
    seeds = pretrained.seeds()
    return seeds[int(uniform(generator, 0, len(seeds)))]


def paired_samples(answer) -> None:
    generator = fresh()
    start = 3 * normal(generator, 16, 2)
    centres = {name: normal(generator, 2) for name in ("p", "q", "r")}
    starts = {name: [] for name in centres}

    def denoiser(name):
        def denoise(x, sigma, labels=None):
            starts[name].append(x)
            return centres[name] + 0.1 * (x - centres[name])

        return denoise

    got = answer({name: denoiser(name) for name in centres}, start)
    require(set(got) == set(centres), f"paired_samples: the arms should be {sorted(centres)}")
    require(
        all(calls and torch.equal(calls[0], start) for calls in starts.values()),
        "paired_samples: every arm must start from the points it is given",
    )
    for name in centres:
        agree(f"paired_samples, arm {name}", got[name], paired.run(denoiser(name), start))


def paired_difference(answer) -> None:
    generator = fresh()
    n = int(uniform(generator, 6, 12))
    a = normal(generator, n)
    b = 0.5 * a + normal(generator, n)
    mean, error = answer(a, b)
    d = a - b
    agree("paired_difference, mean", mean, d.sum() / n)
    agree("paired_difference, standard error", error, math.sqrt(((d - d.mean()) ** 2).sum() / (n - 1) / n))


def bootstrap_interval(answer) -> None:
    """Against the normal interval, which is right for so many points; a quarter of the standard error is allowed."""
    generator = fresh()
    d = uniform(generator, -2, 2) + uniform(generator, 0.5, 2) * normal(generator, 400)
    error = (d.std() / math.sqrt(len(d))).item()
    for level in (0.9, 0.6):
        z = scipy.stats.norm.ppf((1 + level) / 2)
        low, high = answer(d, level, 2000, torch.Generator().manual_seed(1))
        for end, expected in ((low, d.mean().item() - z * error), (high, d.mean().item() + z * error)):
            off = abs(float(end) - expected) / error
            require(off < 0.25, f"bootstrap_interval at level {level}: an end is off by {off:.2g} standard errors")
        again = answer(d, level, 2000, torch.Generator().manual_seed(1))
        require(tuple(map(float, again)) == (low, high), "bootstrap_interval: same generator, same interval")


def seed_interval(answer) -> None:
    generator = fresh()
    for m in (3, 5):
        values, level = normal(generator, m), uniform(generator, 0.6, 0.98)
        expected = scipy.stats.t.interval(level, m - 1, values.mean().item(), values.std().item() / math.sqrt(m))
        agree(f"seed_interval of {m} seeds", answer(values, level), expected)


def experiment(answer) -> None:
    generator = fresh()
    seed, start = _seed(generator), paired.draw_start(256, seed=int(uniform(generator, 2, 4096)))
    main = pretrained.load("main", seed)
    denoisers = {"none": main} | {
        kind: guide(main, pretrained.load(kind, seed), WEIGHT) for kind in ("early", "small", "guide")
    }
    got = answer(seed, start)
    require(set(got) == set(denoisers), f"experiment: the arms should be {sorted(denoisers)}")
    for name, denoiser in denoisers.items():
        expected = (fractal("A").mahalanobis(paired.run(denoiser, start)) > 3).tolist()
        marks = [float(m) for m in got[name]]
        require(len(marks) == len(expected), f"experiment, arm {name}: one number a point")
        wrong = sum(abs(m - e) > 0.5 for m, e in zip(marks, expected, strict=True))
        require(wrong <= 1, f"experiment, arm {name}, training seed {seed}: {wrong} of 256 points judged otherwise")
