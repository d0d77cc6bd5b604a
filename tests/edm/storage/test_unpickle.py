"""Hostile and broken files: refused or named, and nothing of them runs."""

import copyreg
import io
import os
import pickle
import random
import re
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from edm import official
from edm.storage import unpickle
from edm.storage.unpickle import RefusedPickle

TOY = Path(__file__).parents[2] / "data" / "toy-published.pkl"


def text(word: str) -> bytes:
    return b"X" + struct.pack("<I", len(word)) + word.encode()


def name(module: str, attribute: str) -> bytes:
    """The instruction that asks for module.attribute, protocol 2 and 3."""
    return f"c{module}\n{attribute}\n".encode()


def stack_name(module: str, attribute: str) -> bytes:
    """The same in protocol 4."""
    return text(module) + text(attribute) + b"\x93"


def binary(data: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(data)) + data


def storage(
    kind: bytes = name("torch", "FloatStorage"), count: int = 4, stored: int = 4, data: bytes = bytes(16)
) -> bytes:
    """What torch writes for a storage, with anything one likes in it."""
    head = b"".join(pickle.dumps(x, 2) for x in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
    described = b"\x80\x02(" + text("storage") + kind + text("0") + text("cpu") + pickle.dumps(count, 2)[2:-1] + b"NtQ."
    return head + described + pickle.dumps(["0"], 2) + struct.pack("<q", stored) + data


def nested(data: bytes) -> bytes:
    return name("torch.storage", "_load_from_bytes") + binary(data) + b"\x85R"


def tensor(offset=0, size=(4,), stride=(1,), **options) -> bytes:
    layout = b"".join(pickle.dumps(x, 2)[2:-1] for x in (offset, size, stride))
    return name("torch._utils", "_rebuild_tensor_v2") + b"(" + nested(storage(**options)) + layout + b"\x89NtR"


class Evil:
    """Runs a command when a pickle of it is read by Python's own machine."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def modules() -> set[str]:
    """What has been imported, but for the codecs that decoding text brings in."""
    return {module for module in sys.modules if not module.startswith("encodings.")}


def refused(path: Path, content: bytes, offender: str) -> None:
    path.write_bytes(content)
    before = modules()
    with pytest.raises(RefusedPickle, match=re.escape(offender)) as raised:
        official.read(path)
    assert str(path) in str(raised.value)
    assert modules() == before


@pytest.fixture
def sentinel(tmp_path):
    """A file that exists only if something ran."""
    path = tmp_path / "ran"
    yield path
    assert not path.exists()


@pytest.mark.parametrize("protocol", range(6))
def test_a_call_is_refused_in_every_protocol(tmp_path, sentinel, protocol):
    content = pickle.dumps({"ema": Evil(sentinel)}, protocol)
    refused(tmp_path / "a.pkl", content, f"{os.system.__module__}.system")
    pickle.loads(content)  # it was live
    assert sentinel.exists()
    sentinel.unlink()


def test_instructions_written_by_hand_are_refused(tmp_path, sentinel):
    command = f"touch {sentinel}"
    for content, offender in (
        (f"cos\nsystem\n(S'{command}'\ntR.".encode(), "os.system"),
        (f"(S'{command}'\nios\nsystem\n.".encode(), "os.system"),
        (f"(cos\nsystem\nS'{command}'\no.".encode(), "os.system"),
        (stack_name("os", "system") + text(command) + b"\x85R.", "os.system"),
        (stack_name("builtins", "exec") + text("open('x', 'w')") + b"\x85R.", "builtins.exec"),
        (name("builtins", "getattr") + name("collections", "OrderedDict") + text("__init__") + b"\x86R.", "builtins.getattr"),
        (stack_name("collections", "OrderedDict.__init__.__globals__") + b".", "OrderedDict.__init__"),
        (stack_name("torch._utils", "_rebuild_parameter.__globals__") + b".", "_rebuild_parameter.__globals__"),
        (b"K\x01K\x02\x93.", "(1, 2)"),
        (name("antigravity", "x") + b".", "antigravity.x"),
        (name("torch", "load") + b".", "torch.load"),
        (name("numpy", "load") + b".", "numpy.load"),
    ):  # fmt: skip
        refused(tmp_path / "a.pkl", content, offender)


def test_instructions_that_weights_do_not_need_are_refused(tmp_path):
    ordered = name("collections", "OrderedDict")
    for content, offender in (
        (b"Pnumber 7\n.", "PERSID"),
        (text("7") + b"Q.", "BINPERSID"),
        (b"(" + ordered + b"o.", "OBJ"),
        (ordered + b")}\x92.", "NEWOBJ_EX"),
        (ordered + b"}" + text("__setstate__") + ordered + b"sb.", "sets attributes of"),
        (ordered + b"N}" + text("__call__") + ordered + b"s\x86b.", "sets attributes of"),
        (name("numpy", "ndarray") + b")R.", "numpy.ndarray"),
        (text("system") + b")R.", "calls 'system'"),
        (ordered + b"K\x01R.", "calls Name"),
        (b"\x96" + struct.pack("<Q", 4) + b"abcd.", "BYTEARRAY8"),
        (b"\x97.", "NEXT_BUFFER"),
        (b"\x8b" + struct.pack("<i", 4) + b"abcd.", "LONG4"),
    ):
        refused(tmp_path / "a.pkl", content, offender)


def test_registered_extensions_are_refused(tmp_path, sentinel):
    copyreg.add_extension("os", "system", 240)
    try:
        pickle.loads(b"\x82\xf0.")  # now in Python's cache, where its own machine asks nobody
        refused(tmp_path / "a.pkl", b"\x82\xf0" + text(f"touch {sentinel}") + b"\x85R.", "EXT1")
    finally:
        copyreg.remove_extension("os", "system", 240)


def test_setstate_of_an_object_is_data(tmp_path, sentinel):
    content = name("dnnlib.util", "EasyDict") + b")\x81}" + text("__setstate__") + text(f"touch {sentinel}") + b"sb."
    (tmp_path / "a.pkl").write_bytes(content)
    found = unpickle.load(tmp_path / "a.pkl")
    assert found.kind == "EasyDict" and found.state == {"__setstate__": f"touch {sentinel}"}


def test_source_text_stays_text(tmp_path, sentinel):
    source = f"open({str(sentinel)!r}, 'w')"
    meta = dict(type="class", version=6, module_src=source, class_name="Precond", state={"_init_kwargs": {}})
    content = name("torch_utils.persistence", "_reconstruct_persistent_obj") + pickle.dumps(meta, 2)[2:-1] + b"\x85R."
    (tmp_path / "a.pkl").write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read"):  # it has no weights
        official.read(tmp_path / "a.pkl")


def test_code_in_the_bytes_of_a_storage_is_refused(tmp_path, sentinel):
    path = tmp_path / "a.pkl"
    refused(path, nested(pickle.dumps(Evil(sentinel), 2)) + b".", "system")
    refused(path, nested(storage(kind=name("os", "system"))) + b".", "os.system")
    refused(path, nested(pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(Evil(sentinel), 2)) + b".", "system")
    modern = io.BytesIO()
    torch.save(Evil(sentinel), modern)
    path.write_bytes(nested(modern.getvalue()) + b".")
    with pytest.raises(ValueError, match="damaged"):
        official.read(path)


def test_numpy_objects_are_refused(tmp_path, sentinel):
    array = np.array([Evil(sentinel)], dtype=object)
    for protocol in (3, 4):
        refused(tmp_path / "a.pkl", pickle.dumps({"mu": array}, protocol), "'O8', which are not plain numbers")
    (tmp_path / "a.npz").write_bytes(pickle.dumps(Evil(sentinel)))
    with pytest.raises(RefusedPickle, match="system"):
        official.read_stats(tmp_path / "a.npz")


def test_sizes_that_do_not_fit_are_refused_before_memory_is_used(tmp_path):
    array = pickle.dumps(np.arange(3.0), 4)
    content = {
        "whole": tensor() + b".",
        "expanded": tensor(size=(2**40,), stride=(0,)) + b".",
        "beyond the end": tensor(offset=1) + b".",
        "long stride": tensor(size=(2,), stride=(4,)) + b".",
        "negative": tensor(offset=-1, size=(2,)) + b".",
        "negative stride": tensor(offset=3, stride=(-1,)) + b".",
        "too many dimensions": tensor(size=(1,) * 100, stride=(1,) * 100) + b".",
        "not a number": tensor(size=(2.0,)) + b".",
        "claims a terabyte": tensor(count=2**38, stored=2**38) + b".",
        "stored differs": tensor(stored=2**38) + b".",
        "less data": tensor(data=bytes(8)) + b".",
        "more data": tensor(data=bytes(64)) + b".",
        "huge array": array.replace(b"K\x03\x85", b"J\xff\xff\xff\x7f\x85"),
        "long bytes": b"\x8e" + struct.pack("<Q", 2**60) + b"abc.",
        "long text": b"\x8d" + struct.pack("<Q", 2**63) + b"abc.",
        "laughing keys": b"}" + b")" + b"q\x00h\x00\x86" * 60 + b"Ns.",
    }
    assert b"K\x03\x85" in array
    path = tmp_path / "a.pkl"
    path.write_bytes(content.pop("whole"))
    assert torch.equal(unpickle.load(path), torch.zeros(4))
    for what, bad in content.items():
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=f"{path} is truncated, damaged"):
            pytest.fail(f"{what}: {unpickle.load(path)}")


def test_endless_structures_end(tmp_path):
    path = tmp_path / "a.pkl"
    state = text("_parameters") + b"}" + text("_buffers") + b"}" + text("_init_kwargs") + b"}"
    module = name("dnnlib.util", "EasyDict") + b")\x81q\x00"
    child = text("_modules") + b"}" + text("a") + b"h\x00s"
    path.write_bytes(module + b"}(" + state + child + b"ub.")  # a module that is its own child
    with pytest.raises(ValueError, match="too many objects"):
        official.read(path)
    many = b"(" + b"".join(text(str(i)) + b"h\x01" for i in range(100)) + b"u"
    nest = b"]q\x01" + b"".join(b"}" + many + b"q\x01" for _ in range(9))  # 100 ** 9 visits
    path.write_bytes(nest + b".")
    with pytest.raises(ValueError, match="too many objects"):
        official.read_stats(path)
    path.write_bytes(b"}q\x00" + text("a") + b"h\x00s.")  # a dictionary in itself
    with pytest.raises(ValueError, match="too many objects"):
        official.read_stats(path)
    path.write_bytes(b")" + b"\x85" * 10**5 + b".")  # a very deep tuple
    with pytest.raises(ValueError, match="no published network"):
        official.read(path)


def test_random_damage_never_does_worse_than_an_error(tmp_path):
    whole, path, dice = TOY.read_bytes(), tmp_path / "net.pkl", random.Random(0)
    outcomes = {"read": 0, "error": 0, "refused": 0}
    before = modules()
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(dice.choice([1, 3, 10])):
            damaged[dice.randrange(4000)] = dice.randrange(256)  # where the instructions are dense
        path.write_bytes(damaged)
        try:
            official.load(path)
            outcomes["read"] += 1
        except ValueError:
            outcomes["error"] += 1
        except RefusedPickle:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 5 and modules() == before, outcomes
