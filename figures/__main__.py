"""Make figures and tables, and run the experiments behind them: `python -m figures NAME...`."""

import argparse
import sys
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from edm.cli import options as cli  # noqa: E402 (the backend comes first)
from edm.storage.rows import Store, Unfinished  # noqa: E402
from figures.engine import registry, result  # noqa: E402
from figures.images.study import STUDIES  # noqa: E402
from toy2d import pretrained  # noqa: E402
from toy2d.paired import AUTOGUIDANCE_W  # noqa: E402

EXAMPLES = """examples:
  python -m figures list                 what there is, how long each takes and what it needs
  python -m figures all                  the paper's 2D figures into figures/out
  python -m figures fig1 fig2            two figures, from the shipped models of training seed 0
  python -m figures fig1 --seed 2 --weight 2
                                         another training seed, another autoguidance weight
  python -m figures fig1 --models FOLDER
                                         from the authors' own three networks: their files, read without running them
  python -m figures fig1 --redraw        the picture again from fig1.json and fig1.npz, nothing computed
  python -m figures fig1 --retrain       train the models first (about 2 minutes), then use those
  python -m figures experiments          the 2D experiments over training seeds
  python -m figures seeds --fast         a quick look: few seeds, few samples
  python -m figures images               the image study: trains its networks first, then measures (about ten hours)
  python -m figures seeds --adopt FILE   use the rows of an older row file, after saying what differs from now
  until python -m figures images --data fashion-mnist --minutes 9; [ $? -ne 3 ]; do :; done
                                         on other images, on a GPU, in stretches below ten minutes

A long experiment that was stopped goes on from the rows it has: the same command again. Rows of other settings or of an
older version of the experiment stay in files of their own (NAME-DIGEST.rows.jsonl beside the results; those of the image
study lie beside its networks)."""


def parser() -> cli.Parser:
    usage = "%(prog)s NAME... [OPTIONS]"
    p = cli.Parser("python -m figures", usage=usage, description=__doc__, epilog=EXAMPLES)
    p.add_argument("names", nargs="+", metavar="NAME", help=", ".join([*registry.MODULES, *registry.GROUPS, "list"]))
    p.add_argument("--seed", type=cli.natural, help="training seed of the models in the pictures (default: 0)")
    p.add_argument(
        "--weight",
        dest="w",
        type=cli.number,
        metavar="W",
        help=f"autoguidance weight of the pictures (default: {AUTOGUIDANCE_W:g}, the paper's)",
    )
    p.add_argument("--noise-seed", type=cli.natural, help="seed of the starting points (default: 0)")
    p.add_argument("--data", choices=STUDIES, help="image study: of which data set (default: fashion-16)")
    p.add_argument(
        "--minutes", type=cli.minutes, help="image study: stop after so long with exit code 3; the same command goes on"
    )
    p.add_argument(
        "--out",
        type=Path,
        help="folder to write to (default: figures/out, or figures-out in the current folder where the project is "
        "installed and not a checkout; in it the folder of --data, and fast with --fast)",
    )
    p.add_argument("--fast", action="store_true", help="few seeds and samples: seconds instead of minutes")
    p.add_argument("--workers", type=cli.natural, help="processes of an experiment (default: one a core)")
    p.add_argument(
        "--models", type=Path, metavar="FOLDER", help="fig1: with the authors' own networks, downloaded files"
    )
    p.add_argument(
        "--adopt", type=Path, metavar="FILE", help="use the rows of an older row file, after saying what differs"
    )
    p.add_argument("--redraw", action="store_true", help="draw again from the stored results")
    p.add_argument("--retrain", action="store_true", help="train the models of this seed first, into OUT/checkpoints")
    return p


def make(name: str, out: Path, redraw: bool = False, fast: bool = False, adopt: Path | None = None, **options) -> None:
    """Compute (or load), draw and write one figure; each file whole or not at all. Its rows stay where they are.

    options: arguments of the module's `compute`; those that it does not have are left out, since a group shares them.
    """
    module = registry.load(name)
    if not redraw:
        start, store = time.perf_counter(), Store(out / name, module.VERSION, adopt)
        options |= {"store": store} | (module.FAST if fast else {})
        known = registry.options(name)
        made = module.compute(**{k: v for k, v in options.items() if k in known})
        facts = result.facts(made.numbers.get("device", "cpu")) | {"version": module.VERSION} | store.facts()
        made.numbers["facts"] = facts | {"seconds": round(time.perf_counter() - start, 1)}
        result.save_result(name, made, out)
    stored = result.load_result(name, out)  # a picture shows what is stored, from the first time on
    result.save_picture(name, module.draw(stored), out)
    if hasattr(module, "extras"):
        module.extras(stored, out)


def folder_of(name: str, args: argparse.Namespace) -> Path:
    """Where the files of an experiment go: --out, or the folder of results, that of the data set for the image study."""
    study = [args.data or "fashion-16"] * (name in registry.GROUPS["images"])
    return args.out or result.OUT.joinpath(*study, *["fast"] * args.fast)


def given(args: argparse.Namespace, names: list[str]) -> dict:
    """The options on the command line that are an experiment's own. Raises ValueError where nothing would heed them."""
    own = ("seed", "w", "noise_seed", "data", "minutes", "workers", "models", "adopt", "retrain")
    found = {name: value for name in own if (value := getattr(args, name)) is not None and value is not False}
    if args.redraw and (unheeded := sorted(found.keys() - {"data"})):
        raise ValueError(f"--redraw computes nothing: leave {registry.flag(unheeded[0])} out")
    if args.fast and (fixed := {k for name in names for k in registry.load(name).FAST} & found.keys()):
        option = registry.flag(min(fixed))
        raise ValueError(f"--fast chooses {option} itself: leave {option} out")
    registry.check_options(args.names, found)
    return found


def listing() -> str:
    lines, width = [], max(map(len, registry.MODULES)) + 2
    for name in registry.MODULES:
        module = registry.load(name)
        title = " ".join(module.__doc__.split("\n\n")[0].split())
        lines.append(f"{name:{width}s}{title}\n{'':{width}s}{module.COST}; needs {module.NEEDS}")
    groups = [f"{group:{width}s}{', '.join(members)}" for group, members in registry.GROUPS.items()]
    return "\n".join([*lines, "", "groups:", *groups])


def main(arguments: list[str] | None = None) -> int:
    """Make what the arguments ask for; the exit code: 0 done, 2 wrong input, 3 stopped by --minutes, 130 by Ctrl-C."""
    args = parser().parse_args(arguments)
    if "list" in args.names:
        print(listing())
        return 0
    try:
        names = registry.names(args.names)
        options = given(args, names)
        for name in names:
            cli.out_folder(folder_of(name, args))
        trained = folder_of(names[0], args) / "checkpoints"
        if options.pop("retrain", False):
            pretrained.make(args.seed or 0, trained)
        begin = time.perf_counter()
        for name in names:
            start = time.perf_counter()
            if args.minutes is not None:
                options["minutes"] = args.minutes - (start - begin) / 60
            models = {"folder": trained} if args.retrain and "retrain" in registry.options(name) else {}
            out = folder_of(name, args)
            make(name, out, args.redraw, args.fast, **options, **models)
            print(f"{out / name}.png  ({time.perf_counter() - start:.0f} s)", flush=True)
    except cli.REFUSALS as error:
        return cli.refuse("python -m figures", error)
    except Unfinished as error:
        print(error, file=sys.stderr)
        return cli.UNFINISHED
    except KeyboardInterrupt:
        return cli.interrupted()
    return 0


if __name__ == "__main__":
    sys.exit(main())
