"""The command line, `python -m edm COMMAND`. One module a command holds its options, its help and its work."""

from edm.cli import convert, evaluate, prepare, reconstruct, sample, train
from edm.cli.options import REFUSALS, Parser, interrupted, refuse
from edm.training import distributed

OVERVIEW = """\
Train, sample and measure image denoisers, with guidance.

Start here: `python -m edm sample` makes garments with the networks that come with the program, in a minute. Then
`python -m edm train` trains a pair of your own, on digits, under 5 minutes on a laptop.
Each command explains itself with examples: `python -m edm sample --help`."""


def parser() -> Parser:
    """The options of all commands."""
    out = Parser(prog="python -m edm", usage="%(prog)s COMMAND [OPTIONS]", description=OVERVIEW)
    commands = out.add_subparsers(required=True, metavar="COMMAND", prog="python -m edm")
    for command in (sample, evaluate, train, reconstruct, prepare, convert):
        command.add(commands)
    return out


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns its exit code: 0 done, 2 wrong input (one line on stderr), 3 stopped by --minutes."""
    args = parser().parse_args(arguments)
    try:
        return args.run(args) or 0
    except REFUSALS as error:
        return refuse(args.prog, error)
    except KeyboardInterrupt:
        return interrupted()
    finally:
        distributed.leave()
