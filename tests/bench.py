"""Speed against straightforward formulations, measured in one run: `make bench`, about 5 minutes.

The 2D study here, the EDM2 network in `tests.bench_network`.

The baseline writes the mixture as it is defined (every component's 2x2 system solved for every point) and takes the model's score
by differentiating twice. All do one training iteration at batch 4096 on the same data; the runs alternate, medians count.
"""

import json
import math
import resource
import time

import torch

from edm.sampler import sample, sigma_steps
from tests import bench_network
from toy2d import pretrained
from toy2d.fractal import fractal
from toy2d.model import LogDensityMLP
from toy2d.paired import draw_start
from toy2d.train import P_MEAN, P_STD, train, train_steps

BATCH, REPEATS = 4096, 9


def dense_score(mixture, x: torch.Tensor, sigma: torch.Tensor, by_hand: bool = False) -> torch.Tensor:  # [N, 2]
    """The definition, in tensors [N, K, ...]; by_hand writes out the inverse of a 2x2 matrix instead of calling a solver."""
    covariance = mixture.covariances + sigma[:, None, None, None] ** 2 * torch.eye(2)  # [N, K, 2, 2]
    difference = mixture.means - x[:, None]  # [N, K, 2]
    if by_hand:
        (a, b), (_, c) = (row.unbind(-1) for row in covariance.unbind(-2))  # [N, K]
        dx, dy = difference.unbind(-1)
        determinant = a * c - b * b
        solved = torch.stack([c * dx - b * dy, a * dy - b * dx], -1) / determinant[..., None]
    else:
        determinant = torch.linalg.det(covariance)
        solved = torch.linalg.solve(covariance, difference)
    log_joint = mixture.weights.log() - 0.5 * (difference * solved).sum(-1) - 0.5 * determinant.log()
    return (log_joint.softmax(1)[..., None] * solved).sum(1)


class BaselineIteration:
    """One training iteration, the straightforward way; call it."""

    def __init__(self, by_hand: bool):
        self.by_hand = by_hand
        self.mixture, self.model = fractal("A"), LogDensityMLP(64)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.01, betas=(0.9, 0.99))
        self.generator = torch.Generator().manual_seed(0)

    def __call__(self) -> None:
        sigma = (P_MEAN + P_STD * torch.randn(BATCH, generator=self.generator)).exp()
        x = self.mixture.sample(BATCH, sigma, self.generator)
        target = dense_score(self.mixture, x, sigma, self.by_hand)
        self.model.normalize_weights()
        x.requires_grad_()
        (score,) = torch.autograd.grad(self.model.log_density(x, sigma).sum(), x, create_graph=True)
        loss = (sigma[:, None] ** 2 * (score - target) ** 2).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def seconds(function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def median(values) -> float:
    return sorted(values)[len(values) // 2]


def training_iteration() -> dict[str, float]:
    """Milliseconds of an iteration (medians), and how many times faster ours is than each of the others."""
    ours, plain = train_steps(iterations=10**6), train_steps(iterations=10**6, compile=False)
    runs = {
        "solver": (BaselineIteration(by_hand=False), 1),
        "inverted_by_hand": (BaselineIteration(by_hand=True), 1),
        "ours_uncompiled": (plain.__next__, 5),
        "ours": (ours.__next__, 10),
    }
    times = {name: [] for name in runs}
    for repeat in range(REPEATS + 1):
        for name, (step, count) in runs.items():
            taken = median([seconds(step) for _ in range(count)])
            if repeat:  # the first round warms up
                times[name].append(1000 * taken)
    medians = {name: median(values) for name, values in times.items()}
    return {f"{k}_ms": v for k, v in medians.items()} | {
        f"speedup_over_{k}": v / medians["ours"] for k, v in medians.items()
    }


def check_same_answer() -> float:
    """Largest relative difference between the two scores."""
    mixture = fractal("A")
    sigma = torch.linspace(-4, 2, 256).exp()
    x = mixture.sample(256, sigma, torch.Generator().manual_seed(0))
    ours, dense = mixture.score(x, sigma), dense_score(mixture, x, sigma)
    return ((ours - dense).norm(dim=1) / dense.norm(dim=1)).max().item()


def main() -> None:
    torch.manual_seed(0)
    numbers = {"threads": torch.get_num_threads(), "torch": torch.__version__}
    start, sigmas = draw_start(2**14), sigma_steps(32, sigma_max=5.0)
    numbers["sample_exact_score_s"] = seconds(lambda: sample(fractal("A"), start, sigmas))
    numbers["sample_model_s"] = seconds(lambda: sample(pretrained.load("main"), start, sigmas))
    numbers["train_three_models_s"] = seconds(
        lambda: [train(**pretrained.RECIPES[kind], progress=False) for kind in ("main", "guide", "uncond")]
    )
    numbers["peak_memory_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    numbers["training_iteration"] = training_iteration()
    numbers["score_difference"] = check_same_answer()
    numbers["edm2_network"] = bench_network.measure()
    assert numbers["score_difference"] < 1e-2 and math.isfinite(numbers["training_iteration"]["speedup"])
    print(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
