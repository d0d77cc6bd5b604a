"""Files that are whole or not there, and values for JSON."""

import json
import math
import os

import numpy as np
import pytest

from edm.storage.atomic import changes, plain, write_atomic


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_written_whole_or_not_at_all(tmp_path, durable):
    target = tmp_path / "folder" / "x.json"
    write_atomic(target, "old", durable=durable)

    def breaks(file):
        file.write(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomic(target, breaks, durable=durable)
    assert target.read_text() == "old" and os.listdir(target.parent) == ["x.json"]
    write_atomic(target, lambda file: file.write(b"new"), durable=durable)
    assert target.read_bytes() == b"new" and os.listdir(target.parent) == ["x.json"]


@pytest.mark.parametrize("durable, waits", [(True, 2), (False, 0)])
def test_only_a_durable_file_waits_for_the_disk(tmp_path, monkeypatch, durable, waits):
    seen, fsync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (seen.append(handle), fsync(handle)))
    write_atomic(tmp_path / "x", b"1", durable=durable)
    assert len(seen) == waits


def test_values_keep_their_type_and_precision():
    value = {"a": np.float64(1 / 3), "b": [np.int64(2), math.nan], 3: (True, np.bool_(False)), "c": np.arange(2) / 3}
    made = plain(value)
    assert made["a"] == 1 / 3 and type(made["a"]) is float and made["c"] == [0.0, 1 / 3]
    assert made["3"] == [True, False] and [type(v) for v in made["3"]] == [bool, bool]
    assert made["b"][0] == 2 and type(made["b"][0]) is int and math.isnan(made["b"][1])
    assert plain(made, digits=6) == plain(value, digits=6) == json.loads(json.dumps(plain(value, digits=6)))
    assert plain(value, digits=6) == {"a": 0.333333, "b": [2, None], "3": [True, False], "c": [0.0, 0.333333]}


@pytest.mark.parametrize("number", [12345678, np.int32(12345678), True, "1.23456789", None])
def test_only_floats_are_rounded(number):
    assert plain(number, digits=3) == number


def test_changes_name_what_differs():
    old, new = {"n": 1, "net": {"lr": 0.1, "layers": [1, 2]}}, {"n": 1, "net": {"lr": 0.2, "layers": [1, 2]}, "w": 3}
    assert list(changes(old, new)) == ["net.lr 0.1 -> 0.2", "w None -> 3"] and list(changes(old, old)) == []
