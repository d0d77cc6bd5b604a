"""A file appears whole or not at all."""

import pytest

from edm.storage import atomic


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    atomic.write_atomic(path, b"old")

    def fail(file):
        file.write(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        atomic.write_atomic(path, fail)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
