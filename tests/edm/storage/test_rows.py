"""Rows of long experiments: kept as they are made, taken up again, thrown away when anything behind them changed."""

import subprocess
import sys

import pytest

from edm.sampler import sigma_steps
from edm.storage import rows

CALLS = []


def levels(num_steps: int) -> dict:
    return {"sigmas": sigma_steps(num_steps).tolist()}


def double(x: int) -> dict:
    CALLS.append(x)
    if x < 0:
        raise ValueError(f"{x} is negative")
    return {"twice": 2 * x}


@pytest.fixture(autouse=True)
def no_calls():
    CALLS.clear()


def test_rows_come_in_the_order_of_the_tasks(tmp_path):
    tasks = [{"x": 3}, {"x": 1}]
    expected = [{"x": 3, "twice": 6}, {"x": 1, "twice": 2}]
    assert rows.run_rows(double, tasks, workers=0) == expected
    assert CALLS == [3, 1]


def test_worker_processes_give_the_same(tmp_path):
    tasks = [{"num_steps": n} for n in (2, 3, 4)]
    expected = rows.run_rows(levels, tasks, workers=0)
    assert rows.run_rows(levels, tasks, workers=2) == expected and len(expected[1]["sigmas"]) == 4


def test_a_stopped_run_goes_on(tmp_path):
    store = tmp_path / "x.rows.jsonl"
    tasks = [{"x": 1}, {"x": 2}, {"x": -1}, {"x": 4}]
    with pytest.raises(ValueError, match="-1 is negative"):
        rows.run_rows(double, tasks, store=store, workers=0)
    with open(store, "a") as file:
        file.write('["{\\"x\\": 4}", {"twi')  # killed while it wrote
    CALLS.clear()
    good = [{"x": 1}, {"x": 2}, {"x": 4}]
    assert [r["twice"] for r in rows.run_rows(double, good, store=store, workers=0)] == [2, 4, 8]
    assert CALLS == [4]
    CALLS.clear()
    rows.run_rows(double, good, store=store, workers=0)
    assert CALLS == []


def test_other_settings_start_anew(tmp_path):
    store = tmp_path / "x.rows.jsonl"
    rows.run_rows(double, [{"x": 1}], store=store, settings={"n": 1}, workers=0)
    rows.run_rows(double, [{"x": 1}], store=store, settings={"n": 2}, workers=0)
    assert CALLS == [1, 1]


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
