"""The command line, `python -m edm COMMAND`. One module a command holds its options, its help and its work."""

import sys

import torch

from edm.cli import convert, evaluate, prepare, reconstruct, sample, train
from edm.cli.options import Parser
from edm.official import RefusedPickle
from edm.training import distributed

OVERVIEW = """\
Train, sample and measure image denoisers, with guidance.

Start here: `python -m edm train` (under 5 minutes on a laptop), then `python -m edm sample --weight 3`.
Each command explains itself: `python -m edm sample --help`."""


def parser() -> Parser:
    """The options of all commands."""
    out = Parser(prog="python -m edm", usage="%(prog)s COMMAND [OPTIONS]", description=OVERVIEW)
    commands = out.add_subparsers(required=True, metavar="COMMAND", prog="python -m edm")
    for command in (train, prepare, sample, evaluate, reconstruct, convert):
        command.add(commands)
    return out


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns its exit code: 0 done, 2 wrong input (one line on stderr), 3 stopped by --minutes."""
    args = parser().parse_args(arguments)
    try:
        return args.run(args) or 0
    except torch.cuda.OutOfMemoryError:
        message = "out of GPU memory: take a smaller --batch (sampling) or --micro-batch (training)"
    except (ValueError, OSError, ImportError, RefusedPickle) as error:
        message = " ".join(str(error).split())
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    finally:
        distributed.leave()
    print(f"python -m edm: error: {message}", file=sys.stderr)
    return 2
