"""Rows of long experiments: kept as they are made, taken up again, and never thrown away."""

import json
import subprocess
import sys
import time

import pytest
import torch

from edm.sampler import sigma_steps
from edm.storage import rows
from edm.storage.rows import Store, run_rows

CALLS = []


def levels(num_steps: int) -> dict:
    return {"sigmas": sigma_steps(num_steps).tolist()}


def double(x: float, folder: str = "") -> dict:
    CALLS.append(x)
    if x < 0:
        raise ValueError(f"{x} is negative")
    return {"twice": 2 * x}


def nap(x: int) -> dict:
    time.sleep(0.1)
    return {}


@pytest.fixture(autouse=True)
def no_calls():
    CALLS.clear()


def calls() -> list:
    """Since the last time."""
    made = CALLS.copy()
    CALLS.clear()
    return made


def files(folder) -> dict[str, str]:
    return {p.name: p.read_text() for p in folder.glob("*.jsonl")}


def test_rows_come_in_the_order_of_the_tasks():
    tasks = [{"x": 3}, {"x": 1}]
    assert run_rows(double, tasks, workers=0) == [{"x": 3, "twice": 6}, {"x": 1, "twice": 2}]
    assert calls() == [3, 1]


def test_worker_processes_give_the_same():
    tasks = [{"num_steps": n} for n in (2, 3, 4)]
    expected = run_rows(levels, tasks, workers=0)
    assert run_rows(levels, tasks, workers=2) == expected and len(expected[1]["sigmas"]) == 4


def test_every_row_is_on_disk_at_once_and_a_stopped_run_goes_on(tmp_path):
    store = Store(tmp_path / "x")
    with pytest.raises(ValueError, match="-1 is negative"):
        run_rows(double, [{"x": 1}, {"x": 2}, {"x": -1}, {"x": 4}], store=store, workers=0)
    assert list(rows.read(store.file({}))[0]) == ['{"x": 1}', '{"x": 2}']
    calls()
    good = [{"x": 1}, {"x": 2}, {"x": 4}]
    assert [r["twice"] for r in run_rows(double, good, store=store, workers=0)] == [2, 4, 8]
    assert calls() == [4]
    before = files(tmp_path)
    assert [r["twice"] for r in run_rows(double, good, store=store, workers=0)] == [2, 4, 8]
    assert calls() == [] and files(tmp_path) == before


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_line_cut_off_by_a_kill_is_made_again(tmp_path, cut):
    """Wherever it was cut, also in the newline: what is cut off stays in the file and spoils no line after it."""
    store, tasks = Store(tmp_path / "x"), [{"x": 1}, {"x": 2}]
    whole = run_rows(double, tasks, store=store, workers=0)
    file = store.file({})
    text = file.read_text()
    file.write_text(text[:-cut])
    calls()
    assert run_rows(double, tasks, store=store, workers=0) == whole
    assert calls() == ([2] if cut > 1 else []) and file.read_text().startswith(text[:-cut])
    assert run_rows(double, [*tasks, {"x": 3}], store=store, workers=0)[:2] == whole and calls() == [3]


@pytest.mark.parametrize("change", [dict(settings={"n": 2}), dict(version=2)])
def test_other_settings_or_another_version_open_another_file(tmp_path, change, capsys):
    def run(settings=None, version=1):
        store = Store(tmp_path / "x", version)
        run_rows(double, [{"x": 1}], store=store, settings=settings or {"n": 1}, workers=0)
        return calls()

    assert run() == [1]
    old = files(tmp_path)
    capsys.readouterr()
    assert run(**change) == [1]  # made anew
    now = files(tmp_path)
    assert len(now) == 2 and now.items() > old.items()
    said = capsys.readouterr().err
    assert "0 rows are in" in said and "1 are made now" in said and f"can be adopted from {next(iter(old))}" in said
    assert run() == run(**change) == [] and files(tmp_path) == now  # each goes on with its own


def test_rows_of_another_torch_are_kept_used_and_named(tmp_path, monkeypatch, capsys):
    def run(*xs):
        store = Store(tmp_path / "x")
        run_rows(double, [{"x": x} for x in xs], store=store, workers=0)
        return store.facts()["torch"]

    monkeypatch.setattr(torch, "__version__", "1.0")
    assert run(1) == "1.0"
    (old,) = files(tmp_path).values()
    monkeypatch.setattr(torch, "__version__", "2.0")
    calls()
    assert run(1, 2) == "1.0, 2.0" and calls() == [2]
    assert "1 rows are in" in (said := capsys.readouterr().err) and "(of torch 1.0; this is 2.0)" in said
    (now,) = files(tmp_path).values()
    assert now.startswith(old)
    heads = [line["torch"] for line in map(json.loads, now.splitlines()) if isinstance(line, dict)]
    assert heads == ["1.0", "2.0"]


def test_adopted_rows_are_those_with_the_same_tasks(tmp_path, capsys):
    old = Store(tmp_path / "x")
    run_rows(double, [{"x": x} for x in (1, 2, 3)], store=old, settings={"n": 1, "net": {"lr": 0.1}}, workers=0)
    before = files(tmp_path)
    capsys.readouterr()
    new = Store(tmp_path / "x", version=2, adopt=old.file({"n": 1, "net": {"lr": 0.1}}))
    tasks, settings = [{"x": 2}, {"x": 4}], {"n": 1, "net": {"lr": 0.2}}
    calls()
    assert [r["twice"] for r in run_rows(double, tasks, store=new, settings=settings, workers=0)] == [4, 8]
    assert calls() == [4] and files(tmp_path).items() > before.items()
    said = capsys.readouterr().err
    assert "settings.net.lr 0.1 -> 0.2, version 1 -> 2" in said and "1 of its 3 rows are used" in said
    run_rows(double, tasks, store=Store(tmp_path / "x", version=2), settings=settings, workers=0)
    assert calls() == []  # adopted for good
    entries, _ = rows.read(new.file(settings))
    assert entries['{"x": 2}'].head["adopted_from"] == new.adopt.name and entries['{"x": 2}'].head["version"] == 1
    assert entries['{"x": 4}'].head["version"] == 2


def test_rows_of_the_older_format_can_be_adopted(tmp_path):
    """Its tasks held folders, its heads a digest of the code, its rows no seconds."""
    old, task = tmp_path / "old.jsonl", json.dumps({"folder": "/home/somebody", "x": 5})
    head = {"settings": {}, "code": "abc", "torch": "1.0"}
    old.write_text("\n".join(map(json.dumps, [head, [task, {"twice": 10}]])) + "\n")
    store = Store(tmp_path / "x", adopt=old)
    found = run_rows(double, [{"x": 5}], shared={"folder": "elsewhere"}, store=store, workers=0)
    assert found == [{"x": 5, "twice": 10}] and calls() == []
    assert store.facts() == {"torch": "1.0", "device": "unknown", "row_seconds": 0.0}


@pytest.mark.parametrize("text", [None, "", '{"settings": {}}\n', '{\n "a": 1\n}\n', '["x", 1]\n[1, 2, 3]\n'])
def test_nothing_to_adopt_is_refused(tmp_path, text):
    if text is not None:
        (tmp_path / "old").write_text(text)
    with pytest.raises(ValueError, match="old holds no rows to adopt"):
        run_rows(double, [{"x": 1}], store=Store(tmp_path / "x", adopt=tmp_path / "old"), workers=0)
    assert calls() == []


def test_arguments_arrive_as_they_are(tmp_path):
    third, store = 1 / 3, Store(tmp_path / "x")
    (row,) = run_rows(double, [{"x": third}], store=store, workers=0)
    assert calls() == [third] and row == {"x": third, "twice": 0.666667}  # results are rounded, arguments are not
    assert run_rows(double, [{"x": third}], store=store, workers=0) == [row] and calls() == []
    run_rows(double, [{"x": 0.333333}, {"x": float("inf")}], store=store, workers=0)
    assert calls() == [0.333333, float("inf")]


def test_keys_hold_no_folder(tmp_path):
    def run(folder):
        return run_rows(double, [{"x": 1}], shared={"folder": folder}, store=Store(tmp_path / "x"), workers=0)

    assert run("/home/one") == run("/home/two") == [{"x": 1, "twice": 2}]
    assert calls() == [1] and "/home" not in "".join(files(tmp_path).values())


def test_seconds_are_those_of_all_runs(tmp_path):
    tasks = [{"x": x} for x in range(4)]
    run_rows(nap, tasks[:2], store=Store(tmp_path / "x"), workers=0)
    store = Store(tmp_path / "x")
    run_rows(nap, tasks, store=store, device="a toaster", workers=0)
    run_rows(nap, tasks, store=store, workers=0)  # a row counts once
    assert 0.4 <= store.facts()["row_seconds"] < 4
    assert store.facts()["device"] == "a toaster, cpu"


@pytest.mark.parametrize("workers", [0, 2])
def test_what_is_late_ends_with_all_rows_on_disk(tmp_path, workers):
    store, tasks = Store(tmp_path / "x"), [{"x": x} for x in range(40)]
    with pytest.raises(rows.Unfinished, match="of 40 rows: the same command goes on"):
        run_rows(nap, tasks, store=store, workers=workers, late=lambda: True)
    kept = len(rows.read(store.file({}))[0])
    assert 1 <= kept <= 8
    assert len(run_rows(double, tasks, store=store, workers=0)) == 40 and len(calls()) == 40 - kept


KILLED = """
import sys, time
from edm.storage import rows

def slow(x):
    print(x, flush=True)
    time.sleep(600)

if __name__ == "__main__":
    rows.run_rows(slow, [{"x": 1}, {"x": 2}], workers=2)
"""


def test_workers_end_with_a_killed_run(tmp_path):
    """Not even kill -9 leaves workers behind: they hold the pipe open for as long as they live."""
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    run = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert {run.stdout.readline().strip() for _ in range(2)} == {"1", "2"}  # both workers are at work
    run.kill()
    assert run.stdout.read() == ""  # comes back when the last of them has ended
