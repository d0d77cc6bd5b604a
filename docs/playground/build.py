"""Write the playground: one HTML file that holds the 2D models, the exact mixture and the page's own code.

examples:
  python docs/playground/build.py                      html/playground.html
  python docs/playground/build.py --out page.html      another place
"""

import argparse
import base64
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import contourpy
import numpy as np
import torch

from toy2d import metrics, pretrained
from toy2d.fractal import branch_depths, fractal
from toy2d.mixture import GaussianMixture
from toy2d.model import SILU_GAIN, LogDensityMLP
from toy2d.paired import draw_start

FOLDER = Path(__file__).resolve().parent
OUT = FOLDER.parents[1] / "html" / "playground.html"
SEEDS = (0, 1, 2, 3)  # training seeds in the page; two of each population (the sign of the main model's gain)
COUNTS = (256, 512, 1024, 2048, 4096, 8192)  # numbers of points that the page offers
UNIT = 1e-4  # of the outlines' coordinates
TOLERANCE = 3e-4  # how far a simplified outline may lie from the exact one
NEWTON = 4  # steps that put a corner onto the exact outline
# Modules in the order in which they are joined; what the workers need comes first.
COMPUTE = ("data", "model", "mixture", "random", "sampler", "measure")
PAGE = (
    "settings", "questions", "pool", "run", "field", "panel", "view", "player",
    "meters", "frontier", "texts", "ask", "controls", "share", "main",
)  # fmt: skip
LIMIT = 2_000_000  # bytes


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", type=Path, default=OUT, help="file to write (default: html/playground.html)")
    p.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="training seeds to include (default: 0 1 2 3)")
    args = p.parse_args()
    torch.set_num_threads(1)  # the arrays are small: on a busy machine more threads wait for each other
    try:
        text = page(args.seeds)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(text)
    except (ValueError, OSError) as error:
        print(f"playground: {error}", file=sys.stderr)
        return 2
    print(f"{args.out}  {args.out.stat().st_size / 1e6:.2f} MB")
    return 0


def page(seeds: Iterable[int] = SEEDS) -> str:
    """The whole page as text. Raises ValueError if it is too large or a training seed is not shipped."""
    parts = {
        "style": (FOLDER / "style.css").read_text(),
        "data": json.dumps(data(seeds)),
        "worker": bundle([*COMPUTE, "worker"]),
        "page": bundle([*COMPUTE, *PAGE]),
    }
    text = (FOLDER / "template.html").read_text()
    for name, content in parts.items():
        text = text.replace("{{ " + name + " }}", content, 1)
    if len(text.encode()) > LIMIT:
        raise ValueError(f"the page has {len(text.encode())} bytes, more than {LIMIT}: include fewer training seeds")
    return text


def bundle(names: Iterable[str]) -> str:
    """The modules as one script: their imports and the word `export` are left out. Raises ValueError for a name used twice."""
    out, owner = [], {}
    for module in names:
        source = (FOLDER / "js" / f"{module}.js").read_text()
        for name in re.findall(r"^(?:export )?(?:async )?(?:const|let|function|class) (\w+)", source, re.M):
            if owner.setdefault(name, module) != module:
                raise ValueError(f"{module}.js and {owner[name]}.js both define {name}: rename one of them")
        source = re.sub(r"^import .*?;\n", "", source, flags=re.M | re.S)
        out.append(f"// {module}.js\n" + re.sub(r"^export ", "", source, flags=re.M))
    return "\n".join(out)


def data(seeds: Iterable[int] = SEEDS) -> dict:
    """Everything the page knows: models, mixture, outlines, starting points and floors."""
    kinds, truth = pretrained.RECIPES, fractal("A")
    models = {seed: {kind: encode(weights(pretrained.load(kind, seed)), "f4") for kind in kinds} for seed in seeds}
    level = metrics.region_levels(truth)[0]
    return {
        "models": models,
        "mixture": encode(mixture(truth), "f8"),
        "leaves": (branch_depths() == branch_depths().max()).nonzero()[:, 0].tolist(),
        "level": level,
        "floors": {n: floor(n, truth) for n in COUNTS},
        "start": encode(draw_start(max(COUNTS)).numpy(), "f4"),
        "start_module": draw_start.__module__,
        "outlines": {"A": outline(truth, level, 0.004), "B": outline(fractal("B"), level, 0.008)},
        "unit": UNIT,
    }


def encode(array: np.ndarray, kind: str) -> str:
    """Little-endian numbers of that kind as base64."""
    return base64.b64encode(np.ascontiguousarray(array, dtype="<" + kind).tobytes()).decode()


def weights(model: LogDensityMLP) -> np.ndarray:
    """The matrices in use, the activations' gain folded into them, and then the model's gain; one flat array."""
    first, *rest = (layer.matrix() for layer in model.layers[::2])
    return torch.cat([first.flatten(), *((m * SILU_GAIN).flatten() for m in rest), model.gain[None]]).numpy()


def mixture(truth: GaussianMixture) -> np.ndarray:  # [G, 4 + 2 M]
    """For each branch: weight, covariance (xx, xy, yy), then its components' means; float64."""
    exact = truth.groups(torch.zeros(1, dtype=torch.float64))
    turned = exact.offset.permute(2, 1, 0)  # [G, M, 2], along the axes
    means = exact.centre[:, None] + torch.einsum("gmi,gji->gmj", turned, exact.axes)
    covariance = torch.einsum("gik,kg,gjk->gij", exact.axes, exact.variance, exact.axes)
    columns = [exact.log_weight.exp().sum(0), covariance[:, 0, 0], covariance[:, 0, 1], covariance[:, 1, 1]]
    return torch.cat([torch.stack(columns, 1), means.flatten(1)], 1).numpy()


def floor(n: int, truth: GaussianMixture) -> dict[str, float]:
    """What the meters show for n true samples, on average over as many sets as 2^17 samples give."""
    share, weight = _true_shares(truth), metrics.branch_weights(truth)
    sets = [part.double().mean(0) for part in share.split(n)]
    return {
        "outliers": 0.01,  # the region holds 99 %
        "tv": float(np.mean([0.5 * (s - weight).abs().sum().item() for s in sets])),
        "leaves": float(np.mean([metrics.leaves_lost(s, weight) for s in sets])),
        "flown": 0.0,
    }


_SHARES: dict[GaussianMixture, torch.Tensor] = {}


def _true_shares(truth: GaussianMixture) -> torch.Tensor:
    if truth not in _SHARES:
        _SHARES[truth] = truth.posterior(metrics.true_samples(truth, 2**17))
    return _SHARES[truth]


def outline(truth: GaussianMixture, level: float, spacing: float) -> str:
    """The border of {log p > level} as an SVG path in units of UNIT.

    Lines are first followed on a grid. Newton steps along the gradient then put every corner onto the exact border.
    """
    low, high = truth.means.min(0).values - 0.1, truth.means.max(0).values + 0.1
    x, y = (torch.arange(a, b, spacing) for a, b in zip(low.tolist(), high.tolist(), strict=True))
    points = torch.cartesian_prod(y, x).flip(1)
    log_prob = truth.log_prob(points).reshape(len(y), len(x))
    lines = contourpy.contour_generator(x.numpy(), y.numpy(), log_prob.clamp(min=level - 20).numpy()).lines(level)
    path = []
    for line in lines:
        at = torch.from_numpy(line).double()
        for _ in range(NEWTON):
            log_prob, score = truth.log_prob_and_score(at)
            step = ((level - log_prob) / score.square().sum(1))[:, None] * score
            at = at + step.clamp(-spacing / 4, spacing / 4)
        corners = np.round(simplify(at.numpy(), TOLERANCE) / UNIT).astype(int)
        if len(corners) > 3:
            moves = np.diff(corners[:-1], axis=0)  # the last corner is the first
            path.append(f"M{corners[0][0]} {corners[0][1]}l" + " ".join(f"{dx} {dy}" for dx, dy in moves) + "z")
    return "".join(path).replace(" -", "-")


def simplify(line: np.ndarray, tolerance: float) -> np.ndarray:  # [M, 2]
    """The line [N, 2] with fewer corners, none of those left out farther than `tolerance` from it (Ramer, Douglas, Peucker)."""
    keep = np.zeros(len(line), dtype=bool)
    keep[[0, len(line) // 2, -1]] = True  # a closed line needs a second corner to measure from
    parts = [(0, len(line) // 2), (len(line) // 2, len(line) - 1)]
    while parts:
        first, last = parts.pop()
        if last - first < 2:
            continue
        chord, inner = line[last] - line[first], line[first + 1 : last] - line[first]
        t = np.clip(inner @ chord / max(chord @ chord, 1e-12), 0, 1)
        distance = np.linalg.norm(inner - t[:, None] * chord, axis=1)
        if distance.max() > tolerance:
            middle = first + 1 + int(distance.argmax())
            keep[middle] = True
            parts += [(first, middle), (middle, last)]
    return line[keep]


if __name__ == "__main__":
    sys.exit(main())
