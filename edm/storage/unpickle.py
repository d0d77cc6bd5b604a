"""Read a pickle without running anything from it.

A pickle is a program for a small stack machine, and Python's own machine calls whatever function the program names. The
machine here knows data and a fixed table of names, those that published networks use, and gives the names their meaning
itself, as plain records, arrays and tensors. It never imports, looks up or calls what a file names.
"""

import io
import math
import pickletools
import re
import reprlib
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch


class RefusedPickle(Exception):
    """The file asks for something that reading weights does not need: the message says what."""


@dataclass(frozen=True)
class Name:
    """A name from the table: a word of the file for one of its kinds of object, and no more than a word."""

    text: str


@dataclass(repr=False)
class Record:
    """An object of the file: name of its class, items if it is a dictionary, attributes as the file has them."""

    kind: str
    items: dict = field(default_factory=dict)
    state: Any = None


@dataclass(repr=False)
class Array:
    """A numpy array or dtype of the file, in `value`: made empty, and filled by a later instruction."""

    value: Any = None


def load(path: str | Path) -> Any:
    """The object in a pickle file: plain data and torch tensors, and `Record` and `Array` for the rest.

    Raises FileNotFoundError; RefusedPickle for whatever is not in the table; ValueError for a file that is empty,
    truncated, damaged or no pickle at all.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no file {path}")
    data = Path(path).read_bytes()
    if not data:
        raise ValueError(f"{path} is empty: download it again")
    if data[:512].lstrip()[:1] == b"<":
        raise ValueError(f"{path} is a web page, perhaps an error message, not a pickle: download it again")
    try:
        return run(io.BytesIO(data))
    except RefusedPickle as refused:
        raise RefusedPickle(f"{path} was not read: {refused}") from None
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, struct.error) as error:
        raise ValueError(f"{path} is truncated, damaged or not a pickle: {error}") from error


def run(stream: io.BytesIO, persistent: bool = False) -> Any:
    """Run the machine on one pickle from the current position of a stream.

    persistent: let the file refer to outside objects, and return what it says of them as it stands.
    """
    stack, marks, memo = [], [], {}

    def pop() -> Any:
        if len(stack) <= (marks[-1] if marks else 0):
            raise ValueError("the stack is empty")
        return stack.pop()

    def pop_to_mark() -> list:
        start = marks.pop()
        items, stack[start:] = stack[start:], []
        return items

    for opcode, arg, _ in pickletools.genops(stream):  # decodes arguments, and nothing else
        match opcode.name:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case name if name in _LITERALS:
                stack.append(_LITERALS[name]() if callable(_LITERALS[name]) else _LITERALS[name])
            case name if name in _ARGUMENT:
                stack.append(arg)
            case "MARK":
                marks.append(len(stack))
            case "MEMOIZE" | "PUT" | "BINPUT" | "LONG_BINPUT":
                memo[len(memo) if arg is None else arg] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(memo[arg])
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple([pop() for _ in range(int(opcode.name[-1]))][::-1]))
            case "TUPLE" | "LIST":
                stack.append(tuple(pop_to_mark()) if opcode.name == "TUPLE" else pop_to_mark())
            case "DICT":
                stack.append(_set_items({}, pop_to_mark()))
            case "APPEND" | "APPENDS":
                items = [pop()] if opcode.name == "APPEND" else pop_to_mark()
                _check(isinstance(stack[-1], list), "a list", stack[-1])
                stack[-1].extend(items)
            case "ADDITEMS":
                items = pop_to_mark()
                _check(isinstance(stack[-1], set), "a set", stack[-1])
                stack[-1].update(_key(item) for item in items)
            case "SETITEM" | "SETITEMS":
                items = [pop(), pop()][::-1] if opcode.name == "SETITEM" else pop_to_mark()
                _set_items(stack[-1].items if isinstance(stack[-1], Record) else stack[-1], items)
            case "GLOBAL":
                stack.append(_name(*arg.split(" ", 1)))
            case "STACK_GLOBAL":
                name, module = pop(), pop()
                stack.append(_name(module, name))
            case "INST":
                raise RefusedPickle(f"it asks for {arg.replace(' ', '.')!r:.200} and calls it")
            case "REDUCE" | "NEWOBJ":
                args, function = pop(), pop()
                meaning = _NAMES[function.text] if isinstance(function, Name) else None
                if meaning is None or not isinstance(args, tuple):
                    raise RefusedPickle(f"it calls {reprlib.repr(function)}, which is no function of the table")
                stack.append(meaning(*args))
            case "BUILD":
                state = pop()
                _build(stack[-1], state)
            case "BINPERSID" if persistent:
                pass  # what it says of the outside object stays on the stack
            case name:
                what = "" if arg is None else f" {arg!r:.80}"
                raise RefusedPickle(f"it uses the instruction {name}{what}, which weights do not need")
    return pop()


_LITERALS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS |= {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": set, "EMPTY_TUPLE": tuple}
_ARGUMENT = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT"}  # these push their argument
_ARGUMENT |= {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "STRING", "BINSTRING", "SHORT_BINSTRING"}
_ARGUMENT |= {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}


def _check(good: bool, wanted: str, found: Any) -> None:
    if not good:
        raise ValueError(f"expected {wanted}, found {reprlib.repr(found)}")


def _key(key: Any) -> Any:
    """Keys and members of sets are names or numbers: to hash a tuple of tuples of ... can take for ever."""
    _check(isinstance(key, (str, int, float)), "a name or number as key", key)
    return key


def _set_items(target: Any, items: list) -> dict:
    _check(isinstance(target, dict) and len(items) % 2 == 0, "a dictionary and pairs for it", target)
    target.update((_key(k), v) for k, v in zip(items[::2], items[1::2], strict=True))
    return target


def _name(module: Any, name: Any) -> Name:
    text = f"{module}.{name}" if isinstance(module, str) and isinstance(name, str) else reprlib.repr((module, name))
    if text not in _NAMES:
        raise RefusedPickle(f"it asks for {text!r:.200}, which weights do not need and which might run code")
    return Name(text)


def _build(target: Any, state: Any) -> None:
    """Give an object of the file its attributes."""
    if isinstance(target, Record):
        target.state = state
    elif isinstance(target, Array) and isinstance(target.value, np.dtype):
        _check(isinstance(state, tuple) and state[1:2] in (("<",), ("|",)), "a little-endian type", state)
    elif isinstance(target, Array):
        target.value = _array(*state)
    else:
        raise RefusedPickle(f"it sets attributes of {reprlib.repr(target)}, which is no object of the file")


# What the names mean. Torch: a tensor is a window on a storage, and a storage is stored as a file within the file.
_STORAGES = dict(Half=torch.float16, BFloat16=torch.bfloat16, Float=torch.float32, Double=torch.float64)
_STORAGES = {f"torch.{kind}Storage": dtype for kind, dtype in (_STORAGES | dict(Long=torch.int64)).items()}


def _storage(data: bytes) -> torch.Tensor:
    """The storage in a file of torch's format before version 1.6: five pickles, then a count and the elements.

    torch.load is not used: even with weights_only it ran code from such files until version 2.6, and it believes sizes.
    """
    _check(isinstance(data, bytes), "the bytes of a storage", data)
    stream = io.BytesIO(data)
    magic, protocol, system = run(stream), run(stream), run(stream)
    _check(magic == 0x1950A86A20F9469CFC6C and protocol == 1001, "the bytes of a torch storage", magic)
    _check(isinstance(system, dict) and system.get("little_endian") is True, "little-endian numbers", system)
    described, keys = run(stream, persistent=True), run(stream)
    _check(isinstance(described, tuple) and len(described) >= 5 and described[0] == "storage", "a storage", described)
    _, kind, key, _, count = described[:5]
    _check(isinstance(kind, Name) and kind.text in _STORAGES, "a type of storage", kind)
    _check(isinstance(key, str) and keys == [key] and type(count) is int, "one storage and its size", described)
    dtype, (stored,), rest = _STORAGES[kind.text], struct.unpack("<q", stream.read(8)), stream.read()
    _check(stored == count >= 0 and len(rest) == count * dtype.itemsize, f"{count} elements of {dtype}", len(rest))
    return torch.frombuffer(bytearray(rest), dtype=dtype) if count else torch.empty(0, dtype=dtype)


def _tensor(storage, offset, size, stride, requires_grad=False, hooks=None, metadata=None) -> torch.Tensor:
    _check(isinstance(storage, torch.Tensor) and type(size) is type(stride) is tuple, "a tensor", size)
    numbers = (offset, *size, *stride)
    good = len(size) == len(stride) <= 8 and all(type(n) is int and n >= 0 for n in numbers)
    _check(good, "offset, size and stride of a tensor", numbers)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    fits = 0 in size or (math.prod(size) <= storage.numel() and last < storage.numel())
    _check(fits, f"a tensor within its {storage.numel()} stored elements", (offset, size, stride))
    return storage.as_strided(size, stride, offset)


def _dtype(text, *_) -> Array:
    if not isinstance(text, str) or not re.fullmatch(r"b1|[iu][1248]|f[248]", text):
        raise RefusedPickle(f"it has numpy data of type {reprlib.repr(text)}, which are not plain numbers")
    return Array(np.dtype(text))


def _array(version, shape, dtype, fortran, data) -> np.ndarray:
    kind = dtype.value if isinstance(dtype, Array) else None
    _check(isinstance(kind, np.dtype) and isinstance(data, bytes) and isinstance(shape, tuple), "an array", shape)
    good = all(type(n) is int and n >= 0 for n in shape) and math.prod(shape) * kind.itemsize == len(data)
    _check(good, f"the shape of {len(data)} bytes", shape)
    return np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C").copy()


def _persistent_object(meta) -> Record:
    """An object whose class comes as source text in the file. The text stays text."""
    good = isinstance(meta, dict) and isinstance(meta.get("class_name"), str) and isinstance(meta.get("state"), dict)
    _check(good, "the description of an object", meta)
    return Record(meta["class_name"], state=meta["state"])


def _empty(kind: str) -> Callable[[], Record]:
    return lambda: Record(kind)


_NAMES: dict[str, Callable | None] = {  # every name that may occur; one that means None may not be called
    "torch_utils.persistence._reconstruct_persistent_obj": _persistent_object,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": lambda data, requires_grad, hooks: data,
    "torch.storage._load_from_bytes": _storage,
    "dnnlib.util.EasyDict": _empty("EasyDict"),
    "collections.OrderedDict": _empty("OrderedDict"),
    **{f"torch.nn.modules.container.{k}": _empty(k) for k in ("ModuleDict", "ModuleList", "Sequential")},
    "numpy.ndarray": None,
    "numpy.dtype": _dtype,
} | dict.fromkeys(_STORAGES)
for _package in ("numpy.core", "numpy._core"):
    _NAMES[f"{_package}.multiarray._reconstruct"] = lambda *_: Array()
    _NAMES[f"{_package}.multiarray.scalar"] = lambda dtype, data: _array(1, (), dtype, False, data)[()]
