"""Files that are no published network, or not a whole one: each is named, and it is said what is wrong with it."""

import pickle
from pathlib import Path

import pytest

from edm import official

TOY = Path(__file__).parents[2] / "data" / "toy-published.pkl"


def test_files_that_are_no_pickle_are_named(tmp_path):
    path = tmp_path / "net.pkl"
    with pytest.raises(FileNotFoundError, match=f"no file {path}"):
        official.load(path)
    for content, message in (
        (b"", "is empty"),
        (b"\n<!DOCTYPE html><html><body>404 Not Found</body></html>", "is a web page"),
        (b"Hello, this is no pickle", "not a pickle"),
        (bytes(1000), "not a pickle"),
        (b"\x1f\x8b\x08" + bytes(100), "not a pickle"),
        (pickle.dumps({"a": 1}), "holds no published network"),
        (pickle.dumps([1, 2]), "holds no published network"),
        (pickle.dumps({"ema": 3}), "holds no published network"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message) as raised:
            official.load(path)
        assert str(path) in str(raised.value)


def test_truncated_anywhere_is_an_error_that_names_the_file(tmp_path):
    whole, path = TOY.read_bytes(), tmp_path / "net.pkl"
    for end in [*range(1, 1500, 37), *range(1500, len(whole), 1511), len(whole) - 1]:
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match=f"{path} is truncated"):
            official.load(path)
