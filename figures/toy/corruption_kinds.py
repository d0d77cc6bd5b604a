"""The ways to corrupt the 2D models, each with a strength for the main model and a greater one for the guide."""

from collections.abc import Callable
from typing import NamedTuple

import torch

from edm.corruption import GUIDE_FACTOR, MAIN_FACTOR, raise_noise
from toy2d import pretrained
from toy2d.corruption import dropout, noisy_weights, quantized
from toy2d.fractal import fractal


class Kind(NamedTuple):
    """A way to corrupt. apply(model, strength, generator) -> denoiser; apart: main and guide draw their own numbers."""

    title: str
    apply: Callable
    main: float
    guide: float
    apart: bool
    fresh: bool = False  # new random numbers in every call
    base: str = "clean"  # what is corrupted


CLEAN = ("clean", "exact")  # not corrupted: the trained main model, the exact mixture
KINDS = {
    "noise": Kind("input noise +10 / +20 %", raise_noise, MAIN_FACTOR, GUIDE_FACTOR, True, True),
    "dropout": Kind("dropout 5 / 10 %", dropout, 0.05, 0.10, True, True),
    "weights": Kind("weight noise 5 / 10 %, same direction", noisy_weights, 0.05, 0.10, False),
    "bits": Kind("weights of 5 / 4 bits", lambda model, bits, _: quantized(model, bits), 5, 4, False),
    "exact noise": Kind("input noise, exact score", raise_noise, MAIN_FACTOR, GUIDE_FACTOR, True, True, "exact"),
    "nested dropout": Kind("dropout, new and nested units", dropout, 0.05, 0.10, False, True),
    "weights apart": Kind("weight noise, unrelated directions", noisy_weights, 0.05, 0.10, True),
    "fresh weights": Kind("weight noise, new in every call", lambda m, a, g: noisy_weights(m, a, g, fixed=False), 0.05, 0.10,
                          True, True),
}  # fmt: skip
MATRIX = ("noise", "dropout", "weights")  # those of which every pair is tried
SHORT = {
    "clean": "not corrupted",
    "noise": "input noise",
    "dropout": "dropout",
    "weights": "weight noise",
    "bits": "rounding",
}


def corrupted(kind: str, role: str, seed: int, noise_seed: int = 0):
    """The model of a training seed corrupted as `kind` says, by more for the role "guide" than for the role "main".

    What is drawn once for good depends on the training seed alone, what is new in every call also on the noise seed: two calls
    of this function give the same numbers in the same order.
    """
    if kind in CLEAN:
        return fractal("A") if kind == "exact" else pretrained.load("main", seed)
    k = KINDS[kind]
    stream = seed * 4 + 2 * (role == "guide" and k.apart) + (noise_seed + 1) * 10_000 * k.fresh
    model = corrupted(k.base, role, seed)
    return k.apply(model, k.main if role == "main" else k.guide, torch.Generator().manual_seed(stream))
