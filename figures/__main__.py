"""Make figures and tables, and run the experiments behind them: `python -m figures NAME...`."""

import argparse
import inspect
import sys
import time
from pathlib import Path
from types import ModuleType

import matplotlib

matplotlib.use("Agg")

from figures import (  # noqa: E402 (the backend comes first)
    claims,
    common,
    corruptions,
    density,
    design,
    fig1,
    fig2,
    fig9,
    flow,
    intervals,
    pull,
    search,
    seeds,
)
from figures.images import blend, fig3, fig7, grids, networks, table1  # noqa: E402
from figures.images import corruptions as image_corruptions  # noqa: E402
from figures.images import search as image_search  # noqa: E402
from figures.images.family import STUDIES, Unfinished  # noqa: E402
from toy2d import pretrained  # noqa: E402
from toy2d.arms import AUTOGUIDANCE_W  # noqa: E402

# Every module has compute(...) -> Result, draw(result) -> Figure, COST (time on 2 cores), NEEDS (what must be there) and FAST
# (arguments of compute for a quick look). Where it has extras(result, out), that writes more files.
GROUPS: dict[str, dict[str, ModuleType]] = {
    "all": dict(fig1=fig1, fig2=fig2, fig9=fig9, flow=flow, density=density),  # the paper's 2D figures
    "experiments": dict(  # 2D, over training seeds
        seeds=seeds, pull=pull, intervals=intervals, design=design, search=search, corruptions=corruptions, claims=claims
    ),
    "digits": dict(  # the image study, of --data
        images=networks, fig3=fig3, fig7=fig7, table1=table1, image_search=image_search, blend=blend,
        image_corruptions=image_corruptions, grids=grids,
    ),
}  # fmt: skip
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
  python -m figures digits               the image study on digits: trains its networks first (25 minutes), then measures
  python -m figures digits --data fashion-16
                                         the same on Fashion-MNIST at 16 x 16, on a CPU in three hours
  until python -m figures digits --data fashion-mnist --minutes 9; [ $? -ne 3 ]; do :; done
                                         on other images, on a GPU, in stretches below ten minutes

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
    p.add_argument("--data", choices=STUDIES, default="digits", help="image study: of which data set (default: digits)")
    p.add_argument(
        "--minutes", type=float, help="image study: stop after so long with exit code 3; the same command goes on"
    )
    p.add_argument(
        "--out", type=Path, help="folder to write to (default: figures/out, its folder of --data, fast with --fast)"
    )
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
    lines, width = [], max(map(len, FIGURES)) + 2
    for name, module in FIGURES.items():
        title = " ".join(module.__doc__.split("\n\n")[0].split())
        lines.append(f"{name:{width}s}{title}\n{'':{width}s}{module.COST}; needs {module.NEEDS}")
    groups = [f"{group:{width}s}{', '.join(members)}" for group, members in GROUPS.items()]
    return "\n".join([*lines, "", "groups:", *groups])


def main() -> int:
    args = parser().parse_args()
    if "list" in args.names:
        print(listing())
        return 0
    names = [name for wanted in args.names for name in GROUPS.get(wanted, [wanted])]
    folders = [args.data] * (args.data != "digits") + ["fast"] * args.fast
    out = args.out or common.OUT.joinpath(*folders)
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
        begin = time.perf_counter()
        for name in names:
            start = time.perf_counter()
            options |= dict(data=args.data, minutes=args.minutes and args.minutes - (start - begin) / 60)
            make(name, out, args.redraw, args.fast, **options)
            print(f"{out / name}.png  ({time.perf_counter() - start:.0f} s)", flush=True)
    except (ValueError, OSError) as error:
        print(f"figures: {error}", file=sys.stderr)
        return 2
    except Unfinished as error:
        print(error, file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
