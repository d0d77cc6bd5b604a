"""Long experiments, row by row: on all cores side by side, every row kept as soon as it is made, so that a run that was
stopped goes on where it was."""

import hashlib
import inspect
import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import torch
from tqdm import tqdm

from edm.storage.atomic import plain, write_atomic


def run_rows(
    function: Callable[..., Mapping],
    tasks: Sequence[Mapping],
    *,
    store: Path | None = None,
    settings: Mapping | None = None,
    workers: int | None = None,
    desc: str = "",
) -> list[dict]:
    """`task | function(**task)` for every task, in the order of the tasks.

    function: of a module's top level, since it runs in other processes, one thread each; its result must be what JSON can hold.
    store: a file that keeps the rows; those it holds are not computed again if `settings` and the function's module are
    what they were. workers: processes, default one a core; 0 computes here. An error in a task ends the run with that error.
    """
    tasks = [plain(dict(task)) for task in tasks]
    code = hashlib.sha256(inspect.getsource(inspect.getmodule(function)).encode()).hexdigest()[:12]
    head = {"settings": plain(dict(settings or {})), "code": code, "torch": torch.__version__}
    done = read(store, head) if store else {}
    if store:
        kept = [json.dumps(head), *(json.dumps(entry) for entry in done.items())]
        write_atomic(store, "\n".join(kept) + "\n")
    todo = [task for task in tasks if key(task) not in done]
    with tqdm(total=len(tasks), initial=len(tasks) - len(todo), desc=desc, unit="row") as bar:
        for task, row in compute(function, todo, os.cpu_count() if workers is None else workers):
            done[key(task)] = plain(dict(row))
            if store:
                with open(store, "a") as file:
                    file.write(json.dumps([key(task), done[key(task)]]) + "\n")
            bar.update()
    return [task | done[key(task)] for task in tasks]


def key(task: Mapping) -> str:
    return json.dumps(task, sort_keys=True)


def read(store: Path, head: Mapping) -> dict[str, dict]:
    """The whole rows in a store with this head; a line that was cut off by a kill is left out."""
    lines = store.read_text().split("\n") if store.exists() else []
    if len(lines) < 2 or lines[0] != json.dumps(head):
        return {}
    return dict(json.loads(line) for line in lines[1:-1])


def compute(function, tasks, workers: int):
    """Yield (task, row) as they are done."""
    if workers == 0 or len(tasks) < 2:
        for task in tasks:
            yield task, function(**task)
        return
    context = multiprocessing.get_context(
        "spawn"
    )  # a forked process would inherit PyTorch's threads in an unknown state
    with ProcessPoolExecutor(workers, context, begin_worker) as pool:
        futures = {pool.submit(function, **task): task for task in tasks}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def begin_worker() -> None:
    """One thread of arithmetic; and a worker does not outlive the process that it works for, however that ends."""
    torch.set_num_threads(1)
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
