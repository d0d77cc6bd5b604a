"""Speed against straightforward formulations, measured in one run: `make bench`, about 5 minutes.

The 2D study here, the EDM2 network in `tests.bench_network`. Four pieces of work, each on 4096 points: an evaluation of the main
model, of a guided pair and of the exact score (a sampling run is 63 of them), and a training iteration. Each is done in three ways:

straightforward  the mixture as it is defined, component by component; the model's score by differentiating its log density
plain            what short runs use
fast             what long runs use: compiled (`toy2d.fast`)

The ways take turns, so that a busy machine slows all of them alike. Times are medians; a ratio is the median over the turns.
"""

import itertools
import json
import resource
import time
from collections.abc import Callable
from statistics import median

import torch

from edm.denoiser import Denoiser, expand_sigma
from edm.guidance import guide
from tests import bench_network
from toy2d import pretrained
from toy2d.fast import fast
from toy2d.fractal import fractal
from toy2d.mixture import dense_log_prob_and_score
from toy2d.model import LogDensityMLP, network_input
from toy2d.paired import AUTOGUIDANCE_W, draw_start, run
from toy2d.train import P_MEAN, P_STD, learning_rate, train, train_steps

POINTS, TURNS, CALLS = 4096, 9, 5
SIGMA = 0.1


def dense_score(x: torch.Tensor, sigma: float | torch.Tensor) -> torch.Tensor:
    """The exact score of class A by its definition, 512 rows at a time: all at once would take gigabytes."""
    levels = sigma.split(512) if torch.is_tensor(sigma) else itertools.repeat(sigma)
    parts = zip(x.split(512), levels, strict=False)
    return torch.cat([dense_log_prob_and_score(fractal("A"), *part)[1] for part in parts])


def differentiated_score(model: LogDensityMLP, x: torch.Tensor, sigma: torch.Tensor, create_graph: bool = False):
    """The score of a model as the gradient of its log density, written as in the paper."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        y = model.layers(network_input(x, sigma))
        log_density = model.gain * y.square().mean(1) / sigma[:, 0] - x.square().sum(1) / (
            2 * (0.25 + sigma[:, 0] ** 2)
        )
        return torch.autograd.grad(log_density.sum(), x, create_graph=create_graph)[0]


def straightforward(model: LogDensityMLP) -> Denoiser:
    def denoise(x, sigma, labels=None):
        level = expand_sigma(sigma, x).expand(len(x), 1)
        return x + level**2 * differentiated_score(model, x, level)

    return denoise


def straightforward_training():
    """Training iterations as they are written down; yields after each."""
    model = LogDensityMLP(64)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate(0), betas=(0.9, 0.99))
    generator = torch.Generator().manual_seed(0)
    while True:
        sigma = (P_MEAN + P_STD * torch.randn(POINTS, generator=generator)).exp()
        x = fractal("A").sample(POINTS, sigma, generator)
        model.normalize_weights()
        score = differentiated_score(model, x, sigma[:, None], create_graph=True)
        loss = (sigma[:, None] ** 2 * (score - dense_score(x, sigma)) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield


def work() -> dict[str, dict[str, Callable[[], object]]]:
    """Each piece of work, in each of the three ways."""
    main, weak, x = pretrained.load("main"), pretrained.load("guide"), fractal("A").sample(POINTS, SIGMA)
    ways = {
        "model": (straightforward(main), main, fast(main)),
        "guided": tuple(guide(f(main), f(weak), AUTOGUIDANCE_W) for f in (straightforward, lambda m: m, fast)),
        "exact": (lambda x, sigma: x + sigma**2 * dense_score(x, sigma), fractal("A"), fast(fractal("A"))),
    }
    pieces = {name: [lambda d=d: d(x, SIGMA) for d in denoisers] for name, denoisers in ways.items()}
    steps = (straightforward_training(), train_steps(iterations=10**6, compile=False), train_steps(iterations=10**6))
    pieces["training"] = [step.__next__ for step in steps]
    return {name: dict(zip(("straightforward", "plain", "fast"), calls, strict=True)) for name, calls in pieces.items()}


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def alternate(ways: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Milliseconds of each way, and how many times as long as the fast one the others take."""
    times: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(TURNS + 1):
        for way, call in ways.items():
            taken = median(seconds(call) for _ in range(1 if way == "straightforward" else CALLS))
            if turn:  # the first turn warms up, and compiles
                times[way].append(1000 * taken)
    ratios = {
        f"fast_is_x_{way}": median(a / b for a, b in zip(times[way], times["fast"], strict=True))
        for way in ways
        if way != "fast"
    }
    return {f"{way}_ms": median(values) for way, values in times.items()} | ratios


def same_answer() -> dict[str, float]:
    """Largest relative difference between straightforward and fast evaluations: all of this measures the same work."""
    found = {}
    with torch.no_grad():
        for name, ways in work().items():
            if name != "training":
                a, b = ways["straightforward"](), ways["fast"]()
                found[name] = ((a - b).norm(dim=1) / b.norm(dim=1)).max().item()
    return found


def main() -> None:
    torch.manual_seed(0)
    numbers = {"threads": torch.get_num_threads(), "torch": torch.__version__, "points": POINTS}
    for name, ways in work().items():
        with torch.set_grad_enabled(name == "training"):
            numbers[name] = alternate(ways)
    numbers["difference"] = same_answer()
    assert all(value < 1e-3 for value in numbers["difference"].values())
    start = draw_start(2**14)
    arms = {"model": pretrained.load("main"), "exact": fractal("A")}
    quick = {name: fast(arm) for name, arm in arms.items()}
    numbers["sample_2^14_plain_s"] = {name: seconds(lambda arm=arm: run(arm, start)) for name, arm in arms.items()}
    numbers["sample_2^14_fast_s"] = {name: seconds(lambda arm=arm: run(arm, start)) for name, arm in quick.items()}
    numbers["train_three_models_s"] = seconds(
        lambda: [train(**pretrained.RECIPES[kind], progress=False) for kind in ("main", "guide", "uncond")]
    )
    numbers["peak_memory_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    numbers["edm2_network"] = bench_network.measure()
    print(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
