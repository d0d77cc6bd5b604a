"""Command line of the 2D world: train, sample, evaluate. `python -m toy2d COMMAND --help` shows examples."""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

from edm.guidance import guide, truncate
from toy2d import metrics, pretrained
from toy2d.contest import add_contest, contest_command
from toy2d.fractal import CLASSES, fractal
from toy2d.paired import draw_start, run
from toy2d.train import train

EXAMPLES = {
    "train": """examples:
  python -m toy2d train --all                    all shipped models, seeds 0-7, into toy2d/checkpoints (2 to 3 minutes a seed)
  python -m toy2d train --all --seeds 7          one more seed
  python -m toy2d train --hidden 16 --iterations 1024 --out tiny.safetensors""",
    "sample": """examples:
  python -m toy2d sample                         main model alone, 2^14 points into samples.npz
  python -m toy2d sample --guide guide --w 3     autoguidance
  python -m toy2d sample --guide uncond --w 4 --interval 0.01 0.5
  python -m toy2d sample --main tiny.safetensors --truncate 1.4 -n 4096 --out tiny.npz
  python -m toy2d sample --main exact            the true score: the floor of every measurement""",
    "evaluate": """examples:
  python -m toy2d evaluate samples.npz           outliers, coverage, distances beside those of true samples
  python -m toy2d evaluate samples.npz --json""",
}


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser("python -m toy2d", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, help: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name, help=help, epilog=EXAMPLES[name], formatter_class=argparse.RawDescriptionHelpFormatter
        )

    p = command("train", "train one model, or all that are shipped")
    p.add_argument("--all", action="store_true", help="train every shipped kind: " + ", ".join(pretrained.RECIPES))
    p.add_argument(
        "--seeds", type=int, nargs="+", default=list(range(8)), help="with --all: training seeds (default: 0 to 7)"
    )
    p.add_argument("--classes", default="A", help=f"one of {', '.join(CLASSES)} (default: A)")
    p.add_argument("--hidden", type=int, default=64, help="width of the network (default: 64)")
    p.add_argument("--iterations", type=int, default=4096, help="training steps (default: 4096)")
    p.add_argument("--seed", type=int, default=0, help="without --all: training seed (default: 0)")
    p.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    p.add_argument("--out", type=Path, help="file to write; with --all a folder (default: toy2d/checkpoints)")

    p = command("sample", "draw points, with or without guidance")
    p.add_argument("--main", default="main", help="a shipped kind, a .safetensors file, or exact (default: main)")
    p.add_argument("--guide", help="a shipped kind or a .safetensors file (default: none)")
    p.add_argument("--w", type=float, default=3.0, help="guidance weight, used with --guide (default: 3)")
    p.add_argument("--interval", type=float, nargs=2, metavar=("LO", "HI"), help="guide only for LO < sigma <= HI")
    p.add_argument("--truncate", type=float, help="multiply the score by this factor instead of guiding")
    p.add_argument("-n", type=int, default=2**14, help="number of points (default: 16384)")
    p.add_argument("--seed", type=int, default=0, help="training seed of the shipped models (default: 0)")
    p.add_argument("--noise-seed", type=int, default=0, help="seed of the starting points (default: 0)")
    p.add_argument("--out", type=Path, default=Path("samples.npz"), help="file to write (default: samples.npz)")

    p = command("evaluate", "measure points against the true distribution of class A")
    p.add_argument("file", type=Path, help=".npz with an array `samples` [N, 2]")
    p.add_argument("--json", action="store_true", help="print JSON instead of a table")

    add_contest(commands)
    return top


def model(name: str, seed: int):
    if name == "exact":
        return fractal("A")
    return pretrained.load_file(name) if name.endswith(".safetensors") else pretrained.load(name, seed)


def train_command(args: argparse.Namespace) -> None:
    if args.all:
        folder = args.out or pretrained.FOLDER
        for seed in args.seeds:
            pretrained.make(seed, folder, args.device)
        return
    out = args.out or Path(f"{args.classes}-h{args.hidden}-it{args.iterations}-{args.seed}.safetensors")
    recipe = dict(classes=args.classes, hidden=args.hidden, iterations=args.iterations)
    start = time.perf_counter()
    trained = train(**recipe, seed=args.seed, device=args.device)
    pretrained.save(out, trained.model, pretrained.facts(recipe, args.seed, start))
    print(f"wrote {out}")


def sample_command(args: argparse.Namespace) -> None:
    denoiser = model(args.main, args.seed)
    if args.truncate is not None:
        denoiser = truncate(denoiser, args.truncate)
    if args.guide:
        denoiser = guide(denoiser, model(args.guide, args.seed), args.w, args.interval and tuple(args.interval))
    samples = run(denoiser, draw_start(args.n, args.noise_seed), progress=True)
    np.savez(args.out, samples=samples.numpy())
    print(f"wrote {args.out}")


def evaluate_command(args: argparse.Namespace) -> None:
    try:
        samples = torch.from_numpy(np.load(args.file)["samples"])
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{args.file} is not an .npz file with an array `samples` ({error})") from error
    numbers, floor = metrics.evaluate(samples), metrics.floor(len(samples))
    if args.json:
        print(json.dumps({"samples": numbers, "floor": floor}, indent=2))
        return
    print(f"{'':28s}{'samples':>12s}{'true samples':>14s}")
    for name, value in numbers.items():
        print(f"{name:28s}{value:12.5g}{floor[name]:14.5g}")


def main() -> int:
    args = parser().parse_args()
    try:
        {
            "train": train_command, "sample": sample_command, "evaluate": evaluate_command, "contest": contest_command,
        }[args.command](args)  # fmt: skip
    except (ValueError, OSError) as error:
        print(f"toy2d {args.command}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
