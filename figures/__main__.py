"""Make figures and tables, and run the experiments behind them: `python -m figures NAME...`."""

import argparse
import inspect
import sys
import time
from pathlib import Path
from types import ModuleType

import matplotlib

matplotlib.use("Agg")

from figures import claims, common, corruptions, density, design, fig1, fig2, fig9, flow, intervals, search, seeds  # noqa: E402 (the backend comes first)
from toy2d import pretrained  # noqa: E402
from toy2d.arms import AUTOGUIDANCE_W  # noqa: E402

# Every module has compute(...) -> Result, draw(result) -> Figure, COST (time on 2 cores), NEEDS (what must be there) and FAST
# (arguments of compute for a quick look). Where it has extras(result, out), that writes more files.
GROUPS: dict[str, dict[str, ModuleType]] = {
    "all": dict(fig1=fig1, fig2=fig2, fig9=fig9, flow=flow, density=density),  # the paper's 2D figures
    "experiments": dict(
        seeds=seeds, intervals=intervals, design=design, corruptions=corruptions, claims=claims, search=search
    ),  # 2D, over training seeds
}
FIGURES: dict[str, ModuleType] = {name: module for group in GROUPS.values() for name, module in group.items()}

EXAMPLES = """examples:
  python -m figures list                 what there is, how long each takes and what it needs
  python -m figures all                  the paper's 2D figures into figures/out
  python -m figures fig1 fig2            two figures, from the shipped models of training seed 0
  python -m figures fig1 --seed 2 --w 2  another training seed, another autoguidance weight
  python -m figures fig1 --redraw        the picture again from fig1.json and fig1.npz, nothing computed
  python -m figures fig1 --retrain       train the models first (about 2 minutes), then use those
  python -m figures experiments          the 2D experiments over training seeds
  python -m figures seeds --fast         a quick look: few seeds, few samples

A long experiment that was stopped goes on from the rows it has: the same command again."""


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        "python -m figures", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("names", nargs="+", metavar="NAME", help=", ".join([*FIGURES, *GROUPS, "list"]))
    p.add_argument("--seed", type=int, default=0, help="training seed of the models in the pictures (default: 0)")
    p.add_argument(
        "--w", type=float, default=AUTOGUIDANCE_W, help="autoguidance weight of the pictures (default: 3, the paper's)"
    )
    p.add_argument("--noise-seed", type=int, default=0, help="seed of the starting points (default: 0)")
    p.add_argument("--out", type=Path, help="folder to write to (default: figures/out; with --fast figures/out/fast)")
    p.add_argument("--fast", action="store_true", help="few seeds and samples: seconds instead of minutes")
    p.add_argument("--workers", type=int, help="processes of an experiment (default: one a core)")
    p.add_argument("--redraw", action="store_true", help="draw again from the stored results")
    p.add_argument("--retrain", action="store_true", help="train the models of this seed first, into OUT/checkpoints")
    return p


def make(name: str, out: Path, redraw: bool = False, fast: bool = False, **options) -> None:
    """Compute (or load), draw and write one figure; each file whole or not at all."""
    module, store = FIGURES[name], out / f"{name}.rows.jsonl"
    if not redraw:
        start = time.perf_counter()
        options |= {"store": store} | (module.FAST if fast else {})
        known = inspect.signature(module.compute).parameters
        result = module.compute(**{k: v for k, v in options.items() if k in known})
        result.numbers["facts"] = common.facts() | {"seconds": round(time.perf_counter() - start, 1)}
        common.save_result(name, result, out)
        store.unlink(missing_ok=True)
    result = common.load_result(name, out)  # a picture shows what is stored, from the first time on
    common.save_picture(name, module.draw(result), out)
    if hasattr(module, "extras"):
        module.extras(result, out)


def listing() -> str:
    lines = []
    for name, module in FIGURES.items():
        title = " ".join(module.__doc__.split("\n\n")[0].split())
        lines.append(f"{name:12s}{title}\n{'':12s}{module.COST}; needs {module.NEEDS}")
    groups = [f"{group:12s}{', '.join(members)}" for group, members in GROUPS.items()]
    return "\n".join([*lines, "", "groups:", *groups])


def main() -> int:
    args = parser().parse_args()
    if "list" in args.names:
        print(listing())
        return 0
    names = [name for wanted in args.names for name in GROUPS.get(wanted, [wanted])]
    out = args.out or (common.OUT / "fast" if args.fast else common.OUT)
    try:
        if unknown := [name for name in names if name not in FIGURES]:
            known = ", ".join([*FIGURES, *GROUPS, "list"])
            raise ValueError(f"unknown figure {unknown[0]!r}: choose from {known}")
        common.check_folder(out)
        folder = pretrained.FOLDER
        if args.retrain:
            folder = out / "checkpoints"
            pretrained.make(args.seed, folder)
        options = dict(seed=args.seed, w=args.w, noise_seed=args.noise_seed, folder=folder, workers=args.workers)
        for name in names:
            start = time.perf_counter()
            make(name, out, args.redraw, args.fast, **options)
            print(f"{out / name}.png  ({time.perf_counter() - start:.0f} s)", flush=True)
    except (ValueError, OSError) as error:
        print(f"figures: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
