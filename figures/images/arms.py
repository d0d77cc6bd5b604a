"""The arms of the image study: what is sampled, as a frozen dataclass, and the denoiser that it means."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edm.corruption import raise_noise
from edm.denoiser import Denoiser
from edm.generate import guided
from edm.guidance import truncate, unconditional
from edm.sampler import seeded
from figures.images.dropout import drop_out
from figures.images.nets import Net, ready
from figures.images.study import Study

KINDS = ("none", "cfg", "autoguidance", "blend", "truncation")


@dataclass(frozen=True)
class Harm:
    """A corruption of a network [AG, section 4].

    "noise": the noise level of the input raised by `amount`, and the network is told so. "dropout": that share of the features
    of every block dropped, anew in every call. "one mask": the same features all along a trajectory, and those that the main
    model drops are among those that its guide drops. "eight masks": the mean of eight calls with dropout.
    """

    kind: str
    amount: float


@dataclass(frozen=True)
class Arm:
    """What is sampled. Settings that mean the same are equal: `arm` sees to that."""

    kind: str = "none"
    w: float = 1.0  # guidance weight; of a truncation its factor
    main: Net = Net()
    guide: Net | None = None
    interval: tuple[float, float] | None = None  # of noise levels at which guidance acts
    alpha: float | None = None  # share of autoguidance in a blend
    labels: bool = True
    harm: Harm | None = None  # of the main model
    guide_harm: Harm | None = None
    narrowed: float = 1.0  # every image is drawn towards the mean of its class by this factor, after sampling
    steps: int | None = None  # of the sampler; None is the study's
    arithmetic: str | None = None  # None is the study's


def arm(kind: str = "none", w: float = 1.0, **options) -> Arm:
    """An arm in its simplest form: weight 1 is the main model alone, the ends of a blend are CFG and autoguidance."""
    made = Arm(kind, float(w), **options)
    if made.kind not in KINDS:
        raise ValueError(f"unknown kind of arm {kind!r}: choose from {', '.join(KINDS)}")
    if made.kind == "blend" and made.alpha in (0, 1):
        made = dataclasses.replace(made, kind=("cfg", "autoguidance")[int(made.alpha)], alpha=None)
    if made.w == 1 or made.kind == "none":
        made = dataclasses.replace(made, kind="none", w=1.0, interval=None, alpha=None)
    if made.kind in ("none", "cfg", "truncation"):
        made = dataclasses.replace(made, guide=None, guide_harm=None)
    if made.kind in ("autoguidance", "blend") and made.guide is None:
        raise ValueError(f"{kind} needs a guide")
    return made


def as_dict(made: Arm) -> dict:
    """An arm as JSON has it: the fields that are not the usual ones, so that a field which is added later changes no old row."""
    out = {}
    for field in dataclasses.fields(made):
        value = getattr(made, field.name)
        if value != field.default:
            out[field.name] = dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value
            out[field.name] = list(value) if isinstance(value, tuple) else out[field.name]
    return out


def from_dict(stored: Mapping) -> Arm:
    """The arm that `as_dict` wrote."""
    kinds = {"main": Net, "guide": Net, "harm": Harm, "guide_harm": Harm}
    values = {k: kinds[k](**v) if k in kinds else v for k, v in stored.items()}
    if "interval" in values:
        values["interval"] = tuple(values["interval"])
    return Arm(**values)


def networks(made: Arm) -> list[Net]:
    return [net for net in (made.main, made.guide) if net is not None]


def denoiser(plan: Study, seed: int, made: Arm, noise_seeds: Sequence[int], runs: Path,
             counted: Callable[[Denoiser, str], Denoiser] = lambda net, role: net) -> Denoiser:  # fmt: skip
    """The denoiser of an arm of training seed `seed` for images of these noise seeds, one a row.

    The noise seeds matter to corruptions that draw random numbers: each row has its own. counted: wraps every network, by
    its role "main" or "guide".
    """

    def network(net: Net, harm: Harm | None, role: str) -> Denoiser:
        whole = ready(plan.name, seed, net, runs, made.arithmetic or plan.arithmetic)
        return counted(harmed(whole, harm, role, noise_seeds), role)

    main = network(made.main, made.harm, "main")
    if made.kind == "truncation":
        return truncate(main, made.w)
    guide = None if made.guide is None else network(made.guide, made.guide_harm, "guide")
    uncond = unconditional(network(made.main, made.harm, "guide"))
    return guided(main, made.kind, made.w, guide=guide, uncond=uncond, alpha=made.alpha or 0.0, interval=made.interval)


def harmed(net: Denoiser, harm: Harm | None, role: str, noise_seeds: Sequence[int]) -> Denoiser:
    """A network with a corruption; each row of a batch draws from its own noise seed, main model and guide apart."""
    place = {"main": 1, "guide": 2}[role]
    if harm is None:
        return net
    if harm.kind == "noise":
        return raise_noise(net, 1 + harm.amount, seeded([seed + place * 10**9 for seed in noise_seeds]))
    return drop_out(net, harm.amount, harm.kind, noise_seeds, place)
