"""The settings that the image experiments compare, and their rows: all figures share them, and each is made only once.

Weights and EMA widths are chosen on the noise seeds SELECT and reported on the noise seeds REPORT, which never overlap. Within a
training seed every setting starts from the same noise, so that rows are paired.
"""

import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from figures.common import plain
from figures.images import family
from figures.images.family import STUDIES, Net, Unfinished
from figures.images.numbers import measure, yardstick
from figures.rows import run_rows

SELECT, REPORT = (0,), (10_000, 20_000, 30_000, 40_000)  # first noise seeds of each set of `Study.count` seeds
MAIN = Net()


def arm(kind: str = "none", w: float = 1.0, main: Net = MAIN, guide: Net | None = None, *, interval=None, alpha=None,
        labels: bool = True, corrupt: tuple[str, str] = ("", "")) -> dict:  # fmt: skip
    """A setting as `measure` takes it. Weight 1 is the main model alone, whatever the kind: one row for all of them.

    corrupt: of main and guide, such as "dropout 0.05" or "noise 0.1". alpha: share of autoguidance in a blend, whose ends
    are CFG and autoguidance.
    """
    if kind == "blend" and alpha in (0, 1):
        kind, alpha = ("cfg", "autoguidance")[int(alpha)], None
    if w == 1 or kind == "none":
        kind, w, guide, interval, alpha, corrupt = "none", 1.0, None, None, None, (corrupt[0], "")
    if kind == "cfg":
        guide = None
    nets = dict(main=_spec(main), guide=_spec(guide))
    return dict(kind=kind, w=float(w), **nets, interval=interval, alpha=alpha, labels=labels, corrupt=corrupt)


@lru_cache(maxsize=1)
def tiny_runs() -> Path:
    """Networks of the quick look, trained for a few batches; gone when the process ends."""
    tiny_runs.folder = tempfile.TemporaryDirectory()
    return Path(tiny_runs.folder.name)


def place(study: str, runs: Path | None = None, seeds: Sequence[int] | None = None) -> Path:
    """Folder of a study's runs. Those of the quick look are trained when needed; ValueError if others are missing."""
    if study not in STUDIES:
        raise ValueError(f"unknown study {study!r}: choose from {', '.join(STUDIES)}")
    runs = Path(runs or (tiny_runs() if study == "tiny" else family.RUNS / study))
    todo = list(family.missing(STUDIES[study], runs, seeds))
    if todo and study == "tiny":
        family.train(STUDIES[study], runs, workers=0)
    elif todo:
        raise ValueError(f"{todo[0]} is not trained: run `python -m figures images --data {study}` first")
    return runs


def measure_all(study: str, arms: Iterable[Mapping], firsts: Sequence[int] = SELECT, *, runs: Path | None = None,
                seeds: Sequence[int] | None = None, workers: int | None = None, minutes: float | None = None,
                desc: str = "") -> list[dict]:  # fmt: skip
    """`measure` for every arm, training seed and set of noise seeds. Rows are kept in the folder of the runs and made only once,
    whichever figure asks. minutes: raises Unfinished after so long."""
    begin, runs, plan = time.monotonic(), place(study, runs, seeds), STUDIES[study]
    arms = list({repr(a): a for a in map(plain, arms)}.values())
    version = yardstick(study, runs).extractor.version  # made here, so that the workers find it
    common = dict(study=study, runs=str(runs))
    tasks = [
        dict(**common, seed=s, first=f, **a)
        for s in (plan.seeds if seeds is None else seeds)
        for f in firsts
        for a in arms
    ]
    settings = dict(config=family.record(plan), count=plan.count, steps=plan.steps, features=version)
    if family.device().type == "cuda":
        workers = 0
    options = dict(store=runs / "rows.jsonl", settings=settings, workers=workers, desc=desc)
    chunk = len(tasks) if minutes is None else 4 * max(workers or 1, 1)
    for end in range(chunk, len(tasks), chunk):
        run_rows(measure, tasks[:end], **options)
        if time.monotonic() - begin > 60 * minutes:
            raise Unfinished(f"{end} of {len(tasks)} rows: the same command goes on from here")
    rows = run_rows(measure, tasks, **options)
    return [{k: v for k, v in row.items() if k not in common} for row in rows]


def _spec(net: Net | None) -> list | None:
    return None if net is None else [net.size, net.part, net.ema, net.shift]
