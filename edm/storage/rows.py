"""Long experiments, row by row: on all cores side by side, every row on disk as soon as it is made.

Rows are never thrown away. A row file belongs to the settings and to the version of its experiment, and their digest is in its
name. Other settings or another version open another file and leave this one. So a run that was stopped goes on where it was.

A row file is text that only grows, with one JSON value a line. A head, which is an object, tells the settings, the version, the
torch and the device of the rows below it. A row is a list: its task, its numbers, its seconds.
"""

import functools
import hashlib
import json
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from tqdm import tqdm

from edm.storage.atomic import changes, plain

DIGITS = 6  # of the numbers in a row


class Unfinished(Exception):
    """A time limit stopped the work; the same call goes on from there."""


class Entry(NamedTuple):
    """A row as a file has it."""

    row: dict
    seconds: float
    head: dict  # of which settings, version, torch and device it is


@dataclass(frozen=True)
class Store:
    """Where an experiment keeps its rows: in files NAME-DIGEST.rows.jsonl, where `path` is FOLDER/NAME.

    version: a number that a person raises when the rows of the experiment change their meaning. adopt: a row file of other
    settings or of another version; `run_rows` takes over those of its rows that have the same tasks.
    """

    path: Path
    version: int = 1
    adopt: Path | None = None
    used: dict[str, Entry] = field(
        default_factory=dict
    )  # task -> what `run_rows` returned for it, in whichever run made

    def file(self, settings: Mapping) -> Path:
        """The row file of these settings."""
        text = json.dumps({"settings": plain(settings), "version": self.version}, sort_keys=True)
        return self.path.with_name(f"{self.path.name}-{digest(text)}.rows.jsonl")

    def facts(self) -> dict:
        """How the rows that were used came about, over all runs that made them; row_seconds: their seconds, added up."""
        made_by = {k: {e.head.get(k, "unknown") for e in self.used.values()} for k in ("torch", "device") if self.used}
        seconds = {"row_seconds": round(sum(e.seconds for e in self.used.values()), 1)} if self.used else {}
        return {k: ", ".join(sorted(values)) for k, values in made_by.items()} | seconds


def run_rows(
    function: Callable[..., Mapping],
    tasks: Sequence[Mapping],
    *,
    shared: Mapping | None = None,
    store: Store | None = None,
    settings: Mapping | None = None,
    device: str = "cpu",
    workers: int | None = None,
    late: Callable[[], bool] = lambda: False,
    desc: str = "",
) -> list[dict]:
    """`task | function(**task, **shared)` for every task, in the order of the tasks.

    function: of a module's top level, since it runs in other processes, one thread each; its result must be what JSON can hold.
    Its numbers are rounded to 6 significant digits, those of the tasks are not. shared: arguments for every task that say where
    something lies on this machine and not what a row means; a row is known by its task alone. store: keeps the rows; two
    functions with one store need tasks with different arguments. settings: what the rows depend on besides their tasks.
    device: what the function computes on, for the record. workers: processes, default one a core; 0 computes here.
    late: asked after every row; True ends the run with `Unfinished`. An error in a task ends the run with that error.
    """
    shared, settings, tasks = dict(shared or {}), plain(settings or {}), [plain(task) for task in tasks]
    version = store.version if store else None
    head = {"settings": settings, "version": version, "torch": torch.__version__, "device": device}
    file = store.file(settings) if store else None
    done, last = read(file) if file and file.exists() else ({}, None)
    wanted = list(map(key, tasks))
    if store and store.adopt:
        for name, entry in adopt(store.adopt, head, set(wanted) - done.keys(), shared, desc).items():
            done[name], last = entry, append(file, name, entry, last)
    todo = [task for task in tasks if key(task) not in done]
    if store:
        say(f"{desc}: {beginning(file, [done[k] for k in wanted if k in done], len(todo))}")
    with tqdm(total=len(tasks), initial=len(tasks) - len(todo), desc=desc, unit="row") as bar:
        workers = os.cpu_count() if workers is None else workers
        for task, row, seconds in compute(functools.partial(function, **shared), todo, workers, late):
            done[key(task)] = entry = Entry(plain(row, DIGITS), round(seconds, 3), head)
            last = append(file, key(task), entry, last) if file else None
            bar.update()
    if missing := sum(name not in done for name in wanted):
        raise Unfinished(f"{len(tasks) - missing} of {len(tasks)} rows: the same command goes on from here")
    if store:
        store.used.update((name, done[name]) for name in wanted)
    return [task | done[name].row for task, name in zip(tasks, wanted, strict=True)]


def key(task: Mapping) -> str:
    """What a row is known by."""
    return json.dumps(task, sort_keys=True)


def digest(text: str) -> str:
    """Eight characters for the name of a file."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def read(file: Path) -> tuple[dict[str, Entry], dict | None]:
    """The rows of a file by their tasks, and its last head. A line that was cut off by a kill is passed over."""
    entries, head = {}, None
    for line in file.read_text(errors="replace").splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            head = value
        elif head is not None and isinstance(value, list) and len(value) in (2, 3):  # 2: of a file without seconds
            name, row, *seconds = value
            entries[name] = Entry(row, seconds[0] if seconds else row.get("seconds", 0.0), head)
    return entries, head


def append(file: Path, name: str, entry: Entry, last: dict | None) -> dict:
    """Put a row on disk, below a head of its own where the last head of the file is another. Returns its head."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "ab+") as out:
        if out.tell():
            out.seek(-1, os.SEEK_END)
            out.write(b"" if out.read(1) == b"\n" else b"\n")  # what a kill cut off stays a line of its own
        lines = [entry.head] * (entry.head != last) + [[name, entry.row, entry.seconds]]
        out.write("".join(json.dumps(line) + "\n" for line in lines).encode())
    return entry.head


def adopt(file: Path, head: Mapping, wanted: set[str], shared: Mapping, desc: str) -> dict[str, Entry]:
    """The rows of another file whose tasks are wanted, after saying what else they were made with.

    Raises ValueError if the file holds no rows at all.
    """
    entries = read(file)[0] if file.is_file() else {}
    if not entries:
        raise ValueError(f"{file} holds no rows to adopt: give a file whose name ends in rows.jsonl")
    found = {}
    for name, entry in entries.items():  # older files had in their tasks what is now `shared`
        name = key({k: v for k, v in json.loads(name).items() if k not in shared})
        if name in wanted:
            found[name] = entry._replace(head=entry.head | {"adopted_from": file.name})
    for old in {key(entry.head): entry.head for entry in entries.values()}.values():
        parts = ({k: h.get(k) for k in ("settings", "version", "torch")} for h in (old, head))
        say(f"{desc}: {file} was made with {', '.join(changes(*parts)) or 'the same settings, version and torch'}")
    say(f"{desc}: {len(found)} of its {len(entries)} rows are used")
    return found


def beginning(file: Path, found: Sequence[Entry], todo: int) -> str:
    """What is taken from a file and what is made anew, in one line."""
    old = sorted({str(e.head.get("torch")) for e in found} - {torch.__version__})
    torch_ = f" (of torch {', '.join(old)}; this is {torch.__version__})" if old else ""
    text = f"{len(found)} rows are in {file}{torch_}, {todo} are made now"
    name = file.name.rsplit("-", 1)[0]
    others = sorted(
        {*file.parent.glob(f"{name}.rows.jsonl"), *file.parent.glob(f"{name}-????????.rows.jsonl")} - {file}
    )
    if others and todo:
        text += f"; rows of other settings or versions can be adopted from {', '.join(p.name for p in others)}"
    return text


def say(text: str) -> None:
    tqdm.write(text, file=sys.stderr)


def compute(
    function: Callable, tasks: Sequence[Mapping], workers: int, late: Callable[[], bool] = lambda: False
) -> Iterator[tuple[Mapping, object, float]]:
    """Yield (task, result, seconds) as they are done. Once it is late no further task is begun."""
    if workers == 0 or len(tasks) < 2:
        for task in tasks:
            yield task, *timed(function, task)
            if late():
                return
        return
    # A forked process would inherit PyTorch's threads in an unknown state.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), begin_worker) as pool:
        futures = {pool.submit(timed, function, task): task for task in tasks}
        try:
            for future in as_completed(futures):
                if not future.cancelled():
                    yield futures[future], *future.result()
                if late():
                    for other in futures:  # those that have begun are waited for
                        other.cancel()
        finally:
            pool.shutdown(cancel_futures=True)


def timed(function: Callable, task: Mapping) -> tuple[object, float]:
    begin = time.perf_counter()
    return function(**task), time.perf_counter() - begin


def begin_worker() -> None:
    """One thread of arithmetic; and a worker does not outlive the process that it works for, however that ends."""
    torch.set_num_threads(1)
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
