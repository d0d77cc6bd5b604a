"""Make the paper's figures: `python -m figures NAME...`."""

import argparse
import inspect
import sys
import time
from pathlib import Path
from types import ModuleType

import matplotlib

matplotlib.use("Agg")

from figures import common, density, fig1, fig2, fig9, flow, table  # noqa: E402 (the backend comes first)
from toy2d import pretrained  # noqa: E402
from toy2d.arms import AUTOGUIDANCE_W  # noqa: E402

FIGURES: dict[str, ModuleType] = dict(fig1=fig1, fig2=fig2, fig9=fig9, flow=flow, table=table, density=density)

EXAMPLES = """examples:
  python -m figures all                  everything below into figures/out, about 3 minutes on 2 cores
  python -m figures fig1 fig2            two figures, from the shipped models of training seed 0
  python -m figures fig1 --seed 2 --w 2  another training seed, another autoguidance weight
  python -m figures fig1 --redraw        the picture again from fig1.json and fig1.npz, nothing computed
  python -m figures fig1 --retrain       train the models first (about 2 minutes), then use those
  python -m figures list                 what there is"""


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        "python -m figures", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("names", nargs="+", metavar="NAME", help=", ".join([*FIGURES, "all", "list"]))
    p.add_argument("--seed", type=int, default=0, help="training seed of the models; `table` shows all (default: 0)")
    p.add_argument(
        "--w", type=float, default=AUTOGUIDANCE_W, help="autoguidance weight, not in table (default: 3, the paper's)"
    )
    p.add_argument("--noise-seed", type=int, default=0, help="seed of the starting points (default: 0)")
    p.add_argument("--out", type=Path, default=common.OUT, help="folder to write to (default: figures/out)")
    p.add_argument("--redraw", action="store_true", help="draw again from the stored results")
    p.add_argument("--retrain", action="store_true", help="train the models of this seed first, into OUT/checkpoints")
    return p


def make(name: str, out: Path, redraw: bool = False, **options) -> None:
    """Compute (or load), draw and write one figure; each file whole or not at all."""
    module = FIGURES[name]
    if redraw:
        result = common.load_result(name, out)
    else:
        start = time.perf_counter()
        known = inspect.signature(module.compute).parameters
        result = module.compute(**{k: v for k, v in options.items() if k in known})
        result.numbers["facts"] = common.facts() | {"seconds": round(time.perf_counter() - start, 1)}
        common.save_result(name, result, out)
    common.save_picture(name, module.draw(result), out)
    if module is flow:
        flow.animate(result, out / f"{name}.gif")
    if module is table:
        common.write(out / f"{name}.md", lambda p: p.write_text(table.markdown(common.plain(result.numbers))))


def main() -> int:
    args = parser().parse_args()
    if "list" in args.names:
        for name, module in FIGURES.items():
            print(f"{name:8s}{module.__doc__.splitlines()[0]}")
        return 0
    names = list(FIGURES) if "all" in args.names else args.names
    try:
        if unknown := [name for name in names if name not in FIGURES]:
            raise ValueError(f"unknown figure {unknown[0]!r}: choose from {', '.join([*FIGURES, 'all', 'list'])}")
        common.check_folder(args.out)
        folder = pretrained.FOLDER
        if args.retrain:
            folder = args.out / "checkpoints"
            pretrained.make(args.seed, folder)
        options = {"seed": args.seed, "w": args.w, "noise_seed": args.noise_seed, "folder": folder}
        for name in names:
            start = time.perf_counter()
            make(name, args.out, args.redraw, **options)
            print(f"{args.out / name}.png  ({time.perf_counter() - start:.0f} s)", flush=True)
    except (ValueError, OSError) as error:
        print(f"figures: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
