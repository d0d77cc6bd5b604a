"""What a method of the contest is, what it may use, and one run of it, measured.

A method is a module or a `Method`. It has a name, STRENGTHS and one of two functions: make(models, strength) gives a denoiser,
sample(models, strength, start, sigmas) gives points.
"""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edm.denoiser import Denoiser
from edm.sampler import sample, sigma_steps
from toy2d import metrics, pretrained
from toy2d.fractal import fractal
from toy2d.mixture import GaussianMixture
from toy2d.paired import SIGMA_MAX, STEPS, draw_start

TEMPLATE = Path(__file__).parent / "contest_template.py"
BLUR = 0.02  # of the exact world's worse models; the leaves of the fractal are .004 wide, its trunk .016
Numbers = dict[str, float]  # of one run


class Counted:
    """A denoiser that counts the points it was asked about. `.denoiser` is the model itself, which does not count."""

    def __init__(self, denoiser: Denoiser):
        self.denoiser, self.points = denoiser, 0

    def __call__(self, x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        self.points += len(x)
        return self.denoiser(x, sigma, labels)


@dataclass(frozen=True)
class Models:
    """What a method may use: a main model, and guides for it."""

    seed: int  # of the training run
    main: Counted
    weak: Counted  # smaller and less trained: the guide of autoguidance
    uncond: Counted  # knows no class: the guide of CFG
    early: Counted  # less trained only
    small: Counted  # smaller only
    own: list[Counted] = field(default_factory=list)

    def add(self, denoiser: Denoiser) -> Counted:
        """A model that the method made itself, say by training: its evaluations count like those of the others."""
        self.own.append(Counted(denoiser))
        return self.own[-1]

    def evaluations(self) -> tuple[int, int]:
        """Points that the main model and that all others were asked about."""
        return self.main.points, sum(m.points for m in (self.weak, self.uncond, self.early, self.small, *self.own))


@dataclass(frozen=True)
class Method:
    """What a method's file holds, for methods that have no file."""

    name: str
    STRENGTHS: Sequence[float]
    make: Callable[[Models, float], Denoiser] | None = None
    sample: Callable[[Models, float, Tensor, Tensor], Tensor] | None = None


def trained(seed: int) -> Models:
    """The shipped models of a training seed."""
    kinds = dict(main="main", weak="guide", uncond="uncond", early="early", small="small")
    return Models(seed, **{name: Counted(pretrained.load(kind, seed)) for name, kind in kinds.items()})


def exact(seed: int = 0) -> Models:
    """Models without any error of training: class A, both classes, and class A blurred by BLUR as every worse version of it."""
    truth = fractal("A")
    eye = torch.eye(2, dtype=torch.float64)
    blurred = GaussianMixture(truth.weights.double(), truth.means.double(), truth.covariances.double() + BLUR**2 * eye)
    return Models(seed, Counted(truth), *(Counted(d) for d in (blurred, fractal("AB"), blurred, blurred)))


def load(file: Path | str) -> Any:
    """The method in a file. Raises ValueError, in one line, if it is none."""
    file = Path(file)
    if not file.is_file():
        raise ValueError(f"no file {file}: make one with `python -m toy2d contest --template {file}`")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None:
        raise ValueError(f"{file} is not a Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise ValueError(f"{file}, line {error.lineno}: {error.msg}") from error
    module.name = file.stem
    if not getattr(module, "STRENGTHS", None) or not (hasattr(module, "make") or hasattr(module, "sample")):
        raise ValueError(f"{file} needs STRENGTHS and a function make or sample: see {TEMPLATE.name}")
    return module


def play(method: Any, strength: float, models: Models, n: int, noise_seed: int) -> Numbers:
    """One run of a method from n starting points, measured. evaluations: of all models, for one sample; guide: without main model.

    Raises ValueError for points or predictions of a wrong shape, and for predictions that are not finite close to the data.
    """
    where = f"{method.name} at strength {strength:g}"
    start, sigmas = draw_start(n, noise_seed), sigma_steps(STEPS, sigma_max=SIGMA_MAX)
    with torch.no_grad():
        if getattr(method, "sample", None):
            points = method.sample(models, strength, start, sigmas)
        else:
            points = sample(checked(method.make(models, strength), where), start, sigmas)
    check(points, start, f"{where}: the points")
    if not points.isfinite().any():
        raise ValueError(f"{where}: no point is finite at the end")
    main, guides = models.evaluations()
    return measure(points) | {"evaluations": (main + guides) / n, "guide": guides / n}


def checked(denoiser: Denoiser, where: str) -> Denoiser:
    """The same denoiser; a prediction of a wrong shape, or one that is not finite where x is not far off, is an error."""

    def denoise(x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        denoised = denoiser(x, sigma, labels)
        check(denoised, x, f"{where}: the prediction at sigma = {float(sigma):.3g}")
        if not denoised[x.norm(dim=1) < 10 * SIGMA_MAX].isfinite().all():
            raise ValueError(f"{where}: the prediction at sigma = {float(sigma):.3g} is not finite")
        return denoised

    return denoise


def check(given: Any, like: Tensor, what: str) -> None:
    if not isinstance(given, Tensor) or given.shape != like.shape:
        got = f"shape {list(given.shape)}" if isinstance(given, Tensor) else f"type {type(given).__name__}"
        raise ValueError(f"{what} must be a tensor of shape {list(like.shape)}, got {got}")


def measure(points: Tensor) -> Numbers:
    """Numbers against class A, points that flew off (`diverged`) being outliers. See `toy2d.metrics.evaluate`.

    Where more than half flew off, coverage means nothing: branch_tv is 1, and all 64 leaves are lost.
    """
    target = fractal("A")
    x = points[points.norm(dim=1) < metrics.DIVERGED_RADIUS]  # the comparison is False for nan
    inside = int((target.log_prob(x) >= metrics.region_levels(target)[0]).sum()) if len(x) else 0
    numbers = {"outliers": 1 - inside / len(points), "diverged": 1 - len(x) / len(points)}
    if len(x) < len(points) / 2:
        return numbers | {"branch_tv": 1.0, "leaves_lost": 64.0, "misplaced": 1.0}
    occupancy, truth = metrics.branch_occupancy(x, target), metrics.branch_weights(target)
    return numbers | {
        "branch_tv": 0.5 * (occupancy - truth).abs().sum().item(),
        "leaves_lost": float(metrics.leaves_lost(occupancy, truth)),
        "misplaced": metrics.misplaced(points, target),
    }
