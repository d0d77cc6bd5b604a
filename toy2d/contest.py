"""The contest: a guidance method of your own against no guidance, CFG and autoguidance, at equal coverage.

A method is a Python file. `toy2d/contest_template.py` is one to copy. It holds

    STRENGTHS = (1.0, 1.5, 2.0)                          what to try, in any unit
    def make(models, strength): ...                      a denoiser D(x, sigma, labels=None) -> tensor of x's shape
    or def sample(models, strength, start, sigmas): ...  the points at sigma = 0, from `start` [N, 2] at sigmas[0]

models.main is to be guided. models.weak, .early and .small are worse versions of it, models.uncond knows no class. All are
denoisers. They come from one training run, whose number is models.seed.

Half of the training runs choose the strength: the one with the fewest outliers among those whose branch TV stays within a budget.
The budget counts from the branch TV of as many true samples. The other half reports. All methods start from the same points, so
their differences are paired.
"""

import argparse
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from edm.cli import options as cli
from edm.guidance import guide
from edm.metrics import paired_difference
from toy2d import metrics, pretrained
from toy2d.fractal import fractal
from toy2d.methods import TEMPLATE, Method, Models, Numbers, load, measure, play, trained

BUDGET = 0.1  # of branch TV, as a mean over the choosing seeds, above that of as many true samples
KEYS = ("outliers", "diverged", "branch_tv", "leaves_lost", "misplaced")

WEIGHTS = (1.25, 1.5, 2.0, 2.5, 3.0, 4.0)
NONE = Method("no guidance", (1.0,), lambda models, w: models.main)
AUTOGUIDANCE = Method("autoguidance", WEIGHTS, lambda models, w: guide(models.main, models.weak, w))
CFG = Method("CFG", (1.1, *WEIGHTS), lambda models, w: guide(models.main, models.uncond, w))
BASELINES = (NONE, AUTOGUIDANCE, CFG)


def choose(runs: Mapping[float, Sequence[Numbers]], limit: float, true_outliers: float) -> float:
    """The strength with the fewest outliers, by the mean of its runs, among those whose mean branch TV is within the limit.

    To have fewer outliers than true samples have is no gain: such strengths count as equal, and of equal ones the one with the
    least branch TV is taken. So it is if none is within the limit.
    """
    within = [s for s in runs if mean(runs[s], "branch_tv") <= limit]
    outliers = {s: max(mean(runs[s], "outliers"), true_outliers) if within else 0 for s in runs}
    return min(within or runs, key=lambda s: (outliers[s], mean(runs[s], "branch_tv")))


def mean(runs: Sequence[Numbers], key: str) -> float:
    return sum(run[key] for run in runs) / len(runs)


def halves(seeds: Sequence[int]) -> tuple[list[int], list[int]]:
    """Seeds that choose, and seeds that report. Raises ValueError for fewer than four."""
    if len(seeds) < 4 or len(set(seeds)) < len(seeds):
        raise ValueError(f"need four training seeds or more, all different, got {list(seeds)}")
    return list(seeds[: len(seeds) // 2]), list(seeds[len(seeds) // 2 :])


def judge(
    method: Any, *, budget: float = BUDGET, n: int = 4096, seeds: Sequence[int] | None = None, noise_seed: int = 0,
    models: Callable[[int], Models] = trained, progress: bool = False,
) -> dict:  # fmt: skip
    """The table of the method (a module, or a `Method`) and of the baselines. seeds: training seeds (default: all shipped).

    rows: name -> its strength, the mean of each number over the reporting seeds, and the notes on it. difference: baseline ->
    number -> the method minus that baseline, paired, with its 95 % interval. Training seed s starts from noise seed
    noise_seed + s. Errors: as for `play`.
    """
    seeds = pretrained.seeds() if seeds is None else list(seeds)
    choosing, reporting = halves(seeds)
    methods, true = [*BASELINES, method], floor(n)
    limit = true["branch_tv"] + budget
    total = sum(len(choosing) * len(m.STRENGTHS) + len(reporting) for m in methods)
    rows, report = {}, {}
    with tqdm(total=total, disable=not progress, unit="run", leave=False) as bar:

        def runs(m: Any, strength: float, seeds: Sequence[int]) -> list[Numbers]:
            bar.set_description(m.name)
            bar.update(len(seeds))
            return [play(m, strength, models(s), n, noise_seed + s) for s in seeds]

        for m in methods[::-1]:  # an error in the method shows at once
            tried = {s: runs(m, s, choosing) for s in m.STRENGTHS}
            best = choose(tried, limit, true["outliers"])
            report[m.name] = runs(m, best, reporting)
            means = {key: mean(report[m.name], key) for key in (*KEYS, "evaluations")}
            rows[m.name] = {"strength": best, **means, "notes": [] if m is NONE else notes(tried, best, limit)}
    return {
        "budget": budget, "n": n, "choosing": choosing, "reporting": reporting, "noise_seed": noise_seed, "method": method.name,
        "floor": true, "limit": limit, "rows": dict(reversed(rows.items())),
        "difference": {b.name: differences(report[method.name], report[b.name]) for b in BASELINES},
    }  # fmt: skip


def differences(runs: Sequence[Numbers], baseline: Sequence[Numbers]) -> dict[str, dict]:
    """Each number minus the baseline's, run by run."""
    return {key: paired_difference([r[key] for r in runs], [r[key] for r in baseline]) for key in KEYS}


def notes(tried: Mapping[float, Sequence[Numbers]], best: float, limit: float) -> list[str]:
    """What a reader must know about the choice."""
    out = []
    if all(run["guide"] == 0 for runs in tried.values() for run in runs):
        out.append("never calls a guide")
    if mean(tried[best], "branch_tv") > limit:
        out.append("no strength keeps the budget: this is the one with the least branch TV")
    elif len(tried) > 1 and best == list(tried)[-1]:
        out.append("the best strength is the last: try further ones")
    return out


def floor(n: int) -> Numbers:
    """The numbers of n true samples."""
    return measure(fractal("A").sample(n, generator=metrics.fresh_generator()))


def text(table: Mapping) -> str:
    """The table as it is printed."""
    forms = dict(outliers=".1%", diverged=".2%", branch_tv=".3f", leaves_lost=".1f", misplaced=".1%", evaluations=".0f")
    head = ["", "strength", "outliers", "flown off", "branch TV", "leaves lost", "misplaced", "evaluations"]
    lines = [head, ["true samples (floor)", "", *(format(table["floor"][k], forms[k]) for k in KEYS), ""]]
    for name, row in table["rows"].items():
        lines.append(
            [name, "" if name == NONE.name else f"{row['strength']:g}", *(format(row[k], f) for k, f in forms.items())]
        )
    out = aligned(lines) + ["", f"{table['method']} minus each baseline, with 95 % interval:"]
    changes = [["", "outliers", "branch TV", "misplaced"]]
    for name, d in table["difference"].items():
        changes.append([name, *(interval(d[k], forms[k]) for k in ("outliers", "branch_tv", "misplaced"))])
    out += aligned(changes)
    out += [f"note on {name}: {note}" for name, row in table["rows"].items() for note in row["notes"]]
    seeds = (" ".join(map(str, table[key])) for key in ("choosing", "reporting"))
    rule = "strength: fewest outliers with a branch TV of at most {:.3f}, chosen on training seeds {}, reported on {}; {} points"
    return "\n".join([*out, rule.format(table["limit"], *seeds, table["n"])])


def interval(d: Mapping[str, float], form: str) -> str:
    return f"{d['mean']:+{form}} ({d['low']:+{form}} to {d['high']:+{form}})"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) + 2 for column in zip(*rows, strict=True)]
    return [
        "".join(cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(zip(r, widths, strict=True)))
        for r in rows
    ]


HELP = """\
Judge a guidance method of your own against CFG and autoguidance, at equal coverage. The method is a Python file.

examples:
  python -m toy2d contest --template mine.py     write a method to start from
  python -m toy2d contest mine.py                judge it: about a minute
  python -m toy2d contest mine.py -n 1024        a quick look
  python -m toy2d contest mine.py --budget 0.2 --json"""


def add_contest(commands: argparse._SubParsersAction) -> None:
    """The command's parser, among those of `python -m toy2d`."""
    p = cli.add_command(commands, "contest", "judge a guidance method of your own", HELP, "[OPTIONS] FILE")
    p.add_argument("file", type=Path, help="Python file with the method")
    p.add_argument("--template", action="store_true", help="write the template into that file instead, as a start")
    p.add_argument(
        "--budget", type=cli.number, default=BUDGET, help=f"branch TV above that of true samples (default: {BUDGET})"
    )
    p.add_argument("-n", type=cli.positive, default=4096, help="points of each run (default: 4096)")
    p.add_argument("--noise-seed", type=cli.natural, default=0, help="seed of the starting points (default: 0)")
    p.add_argument("--json", action="store_true", help="print JSON instead of a table")
    p.set_defaults(run=contest_command)


def contest_command(args: argparse.Namespace) -> None:
    """Judge the method in a file, or write the template of one."""
    if args.template:
        if args.file.exists():
            raise ValueError(f"{args.file} exists: give the name of a new file")
        shutil.copyfile(TEMPLATE, args.file)
        print(f"wrote {args.file}: change it, then `python -m toy2d contest {args.file}`")
        return
    table = judge(load(args.file), budget=args.budget, n=args.n, noise_seed=args.noise_seed, progress=True)
    print(json.dumps(table, indent=2) if args.json else text(table))
