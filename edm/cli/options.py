"""The dialect of the project's three command lines: kinds of values, one-line errors, exit codes.

`python -m edm`, `python -m toy2d` and `python -m figures` all speak it. An error is one line on stderr: PROGRAM: error: what is
wrong and what to do; see `PROGRAM --help`. The exit code is 0 for done, 2 for bad input, 3 for stopped by --minutes.
"""

import argparse
import math
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import torch

from edm.official import RefusedPickle

BAD_INPUT, UNFINISHED, INTERRUPTED = 2, 3, 130  # exit codes
# what the library raises for input that it cannot use
REFUSALS = (ValueError, OSError, ImportError, RefusedPickle, torch.cuda.OutOfMemoryError)


class Parser(argparse.ArgumentParser):
    """Keeps the line breaks of its help, takes no abbreviations, and says what is wrong in one line."""

    def __init__(self, prog: str | None = None, **options: Any):
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(prog, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        raise SystemExit(refuse(self.prog, message))


def refuse(prog: str, error: Exception | str) -> int:
    """Say on stderr, in one line, why `prog` cannot do what it was asked to; the exit code for that."""
    if isinstance(error, torch.cuda.OutOfMemoryError):
        error = "out of GPU memory: take a smaller --batch (sampling) or --micro-batch (training)"
    print(f"{prog}: error: {' '.join(str(error).split())}; see `{prog} --help`", file=sys.stderr)
    return BAD_INPUT


def interrupted() -> int:
    """Say that Ctrl-C was heard; the exit code for that."""
    print("\nstopped; the same command goes on from here", file=sys.stderr)
    return INTERRUPTED


def add_command(
    commands: argparse._SubParsersAction, name: str, help: str, text: str, usage: str = "[OPTIONS]"
) -> Parser:
    """A command whose --help shows the description and the examples of `text`."""
    description, _, examples = text.partition("\nexamples:\n")
    usage, epilog = f"%(prog)s {usage}", "examples:\n" + examples
    p = commands.add_parser(name, usage=usage, help=help, description=description, epilog=epilog)
    p.set_defaults(prog=p.prog)
    return p


def integers(text: str) -> list[int]:
    """'0-3,7' as [0, 1, 2, 3, 7]."""
    out: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and (not last.isdecimal() or int(last) < int(first))):
            raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers and ranges such as 0-63 or 1,3,7")
        out += range(int(first), int(last if dash else first) + 1)
    return out


def natural(text: str) -> int:
    """A whole number, 0 or above."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, 0 or above")
    return int(text)


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def number(text: str) -> float:
    """A number that is not infinite."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number such as 1.5")
    return value


def above_zero(text: str) -> float:
    """A number above 0."""
    if (value := number(text)) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0")
    return value


def minutes(text: str) -> float:
    """A time limit, 0 or above."""
    if (value := number(text)) < 0:
        raise argparse.ArgumentTypeError(f"{text!r} minutes are less than none: give 0 or more")
    return value


def share(text: str) -> float:
    """A number between 0 and 1, these included."""
    if not 0 <= (value := number(text)) <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} does not lie between 0 and 1")
    return value


def device(text: str) -> str:
    """cpu, or cuda with or without a number, if PyTorch sees such a GPU."""
    try:
        chosen = torch.device(text)
    except RuntimeError:
        chosen = None
    if chosen is None or chosen.type not in ("cpu", "cuda"):
        raise argparse.ArgumentTypeError(f"{text!r} is not known here: use --device cpu or --device cuda")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if chosen.type == "cuda" and (chosen.index or 0) >= count:
        raise argparse.ArgumentTypeError(f"{text!r} is not there, PyTorch sees {count} GPUs: use --device cpu")
    return text


def add_interval(p: argparse.ArgumentParser) -> None:
    """--interval LO HI: the noise levels at which guidance acts."""
    p.add_argument(
        "--interval",
        type=number,
        nargs=2,
        metavar=("LO", "HI"),
        help="guide only for LO < sigma <= HI (default: everywhere)",
    )


def interval_of(args: argparse.Namespace) -> tuple[float, float] | None:
    """The noise levels that --interval asks for. Raises ValueError unless LO < HI."""
    if args.interval is None:
        return None
    lo, hi = args.interval
    if lo >= hi:
        raise ValueError(
            f"--interval {lo:g} {hi:g} is empty: give the lower noise level first, such as --interval 0.2 3"
        )
    return lo, hi


def out_folder(path: str | Path) -> Path:
    """The folder, after a look whether it can be written to. Nothing is made, since bad input must leave nothing behind."""
    path = Path(path)
    home = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    if not home.is_dir() or not os.access(home, os.W_OK):
        why = f"{home} cannot be written to" if home.is_dir() else f"{home} is a file"
        raise ValueError(f"cannot write to {path} ({why}): choose another folder with --out")
    return path


def out_file(path: str | Path) -> Path:
    """The file, after a look whether it can be written."""
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder: choose a file with --out, such as --out {path / 'NAME'}")
    out_folder(path.parent)
    return path
