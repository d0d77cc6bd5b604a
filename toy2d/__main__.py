"""Command line of the 2D world: train, sample, evaluate. `python -m toy2d COMMAND --help` shows examples."""

import argparse
import json
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import torch

from edm.cli import options as cli
from edm.denoiser import Denoiser
from edm.guidance import guide, truncate
from edm.storage.atomic import write_atomic
from toy2d import metrics, pretrained
from toy2d.contest import add_contest
from toy2d.fractal import CLASSES, fractal
from toy2d.paired import AUTOGUIDANCE_W, draw_start, run
from toy2d.train import train

# Where `train --all` writes: the shipped models themselves in a checkout, never into an installed package.
ALL_OUT = pretrained.FOLDER if (pretrained.FOLDER.parents[1] / "pyproject.toml").is_file() else Path("toy2d-models")
TRAIN = """\
Train one model, or all that are shipped.

examples:
  python -m toy2d train --all                    all shipped models, seeds 0-7, into toy2d/checkpoints (2 to 3 minutes a seed)
  python -m toy2d train --all --seeds 7          one more seed
  python -m toy2d train --hidden 16 --iterations 1024 --out tiny.safetensors"""
SAMPLE = """\
Draw points, with or without guidance. The same --noise-seed gives the same starting points, whatever the models.

examples:
  python -m toy2d sample                         main model alone, 2^14 points into samples.npz
  python -m toy2d sample --guide guide --weight 3
                                                 autoguidance
  python -m toy2d sample --guide uncond --weight 4 --interval 0.01 0.5
  python -m toy2d sample --main tiny.safetensors --truncate 1.4 -n 4096 --out tiny.npz
  python -m toy2d sample --main exact            the true score: the floor of every measurement"""
EVALUATE = """\
Measure points against the true distribution of class A.

examples:
  python -m toy2d evaluate samples.npz           outliers, coverage, distances beside those of true samples
  python -m toy2d evaluate samples.npz --json"""


def parser() -> cli.Parser:
    top = cli.Parser("python -m toy2d", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND", prog="python -m toy2d")
    kinds = ", ".join(pretrained.RECIPES)

    p = cli.add_command(commands, "train", "train one model, or all that are shipped", TRAIN)
    p.add_argument("--all", action="store_true", help=f"train every shipped kind: {kinds}")
    p.add_argument("--seeds", type=cli.natural, nargs="+", help="with --all: training seeds (default: 0 to 7)")
    p.add_argument("--classes", choices=CLASSES, help="of the data (default: A)")
    p.add_argument("--hidden", type=cli.positive, help="width of the network (default: 64)")
    p.add_argument("--iterations", type=cli.positive, help="training steps (default: 4096)")
    p.add_argument("--seed", type=cli.natural, help="without --all: training seed (default: 0)")
    p.add_argument("--device", type=cli.device, default="cpu", help="cpu or cuda (default: cpu)")
    p.add_argument(
        "--out",
        type=Path,
        help=(
            "file to write; with --all a folder (default: toy2d/checkpoints in a checkout of the project, else toy2d-models)"
        ),
    )
    p.set_defaults(run=train_command)

    p = cli.add_command(commands, "sample", "draw points, with or without guidance", SAMPLE)
    p.add_argument("--main", default="main", help=f"{kinds}, a .safetensors file, or exact (default: main)")
    p.add_argument("--guide", help=f"{kinds}, or a .safetensors file (default: none)")
    p.add_argument(
        "--weight", type=cli.number, help=f"guidance weight, used with --guide (default: {AUTOGUIDANCE_W:g})"
    )
    cli.add_interval(p)
    p.add_argument("--truncate", type=cli.number, help="multiply the score by this factor instead of guiding")
    p.add_argument("-n", type=cli.positive, default=2**14, help="number of points (default: 16384)")
    p.add_argument("--seed", type=cli.natural, default=0, help="training seed of the shipped models (default: 0)")
    p.add_argument("--noise-seed", type=cli.natural, default=0, help="seed of the starting points (default: 0)")
    p.add_argument("--device", type=cli.device, default="cpu", help="cpu or cuda (default: cpu)")
    p.add_argument("--out", type=Path, default=Path("samples.npz"), help="file to write (default: samples.npz)")
    p.set_defaults(run=sample_command)

    p = cli.add_command(
        commands, "evaluate", "measure points against the true distribution of class A", EVALUATE, "FILE"
    )
    p.add_argument("file", type=Path, help=".npz with an array `samples` [N, 2]")
    p.add_argument("--json", action="store_true", help="print JSON instead of a table")
    p.set_defaults(run=evaluate_command)

    add_contest(commands)
    return top


def model(name: str, seed: int) -> Denoiser:
    """The denoiser that --main or --guide names."""
    if name == "exact":
        return fractal("A")
    return pretrained.load_file(name) if name.endswith(".safetensors") else pretrained.load(name, seed)


def train_command(args: argparse.Namespace) -> None:
    own = ("classes", "hidden", "iterations", "seed") if args.all else ("seeds",)
    if unheeded := [name for name in own if getattr(args, name) is not None]:
        where = "with --all, which trains the shipped kinds" if args.all else "without --all"
        raise ValueError(f"--{unheeded[0]} has no effect {where}: leave it out")
    if args.all:
        folder = cli.out_folder(args.out or ALL_OUT)
        for seed in range(8) if args.seeds is None else args.seeds:
            pretrained.make(seed, folder, args.device)
        return
    classes, hidden = args.classes or "A", args.hidden or 64
    iterations, seed = args.iterations or 4096, args.seed or 0
    out = cli.out_file(args.out or Path(f"{classes}-h{hidden}-it{iterations}-{seed}.safetensors"))
    start = time.perf_counter()
    trained = train(classes, hidden, iterations, seed, device=args.device)
    recipe = dict(classes=classes, hidden=hidden, iterations=iterations)
    pretrained.save(out, trained.model, pretrained.facts(recipe, seed, start))
    print(f"wrote {out}")


def sample_command(args: argparse.Namespace) -> None:
    out, interval = cli.out_file(args.out), cli.interval_of(args)
    if args.guide is None and (args.weight is not None or interval):
        raise ValueError(
            f"--{'interval' if interval else 'weight'} is for guidance: name a model with --guide, or leave it out"
        )
    if args.guide and args.truncate is not None:
        raise ValueError(f"--truncate {args.truncate:g} is instead of --guide {args.guide}: leave out one of the two")
    main, weak = (name and model(name, args.seed) for name in (args.main, args.guide))
    for network in (main, weak):
        if isinstance(network, torch.nn.Module):
            network.to(args.device)
    if args.truncate is not None:
        main = truncate(main, args.truncate)
    if weak is not None:
        main = guide(main, weak, AUTOGUIDANCE_W if args.weight is None else args.weight, interval)
    samples = run(main, draw_start(args.n, args.noise_seed).to(args.device), progress=True).cpu()
    write_atomic(out, lambda file: np.savez(file, samples=samples.numpy()))
    print(f"wrote {out}")


def evaluate_command(args: argparse.Namespace) -> None:
    samples = read_samples(args.file)
    numbers, floor = metrics.evaluate(samples), metrics.floor(len(samples))
    if args.json:
        print(json.dumps({"samples": numbers, "floor": floor}, indent=2))
        return
    print(f"{'':28s}{'samples':>12s}{'true samples':>14s}")
    for name, value in numbers.items():
        print(f"{name:28s}{value:12.5g}{floor[name]:14.5g}")


def read_samples(file: Path) -> torch.Tensor:  # [N, 2] float32
    """The points in a file that `sample` wrote. Raises ValueError naming the file if it holds none."""
    try:
        with np.load(file) as stored:
            return torch.from_numpy(stored["samples"].astype(np.float32))
    except (OSError, EOFError, LookupError, TypeError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{file} is not an .npz file with an array `samples` of points ({error}): make one with `python -m toy2d sample`"
        ) from error


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns its exit code: 0 done, 2 wrong input (one line on stderr)."""
    args = parser().parse_args(arguments)
    try:
        args.run(args)
    except cli.REFUSALS as error:
        return cli.refuse(args.prog, error)
    except KeyboardInterrupt:
        return cli.interrupted()
    return 0


if __name__ == "__main__":
    sys.exit(main())
