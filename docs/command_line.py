"""The page about the command lines, made from the parsers themselves: `docs/command_line.md` (not under version control)."""

import argparse
from pathlib import Path

INTRODUCTION = """\
# The command lines

Three programs do the work: `python -m edm` for images, `python -m toy2d` for the 2D world, `python -m figures` for every
figure and experiment. This page is what each of them prints for `--help`.
"""


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Every program with its parser."""
    from edm import cli
    from figures import __main__ as figures
    from toy2d import __main__ as toy2d

    return {"python -m edm": cli.parser(), "python -m toy2d": toy2d.parser(), "python -m figures": figures.parser()}


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The commands of a program, by name; none if it has no commands."""
    found = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(found[0].choices) if found else {}


def page() -> str:
    """The whole page as Markdown."""
    parts = [INTRODUCTION]
    for program, parser in parsers().items():
        parts.append(f"## `{program}`\n\n```text\n{parser.format_help().rstrip()}\n```\n")
        for name, command in commands(parser).items():
            parts.append(f"### `{program} {name}`\n\n```text\n{command.format_help().rstrip()}\n```\n")
    return "\n".join(parts)


def write_page(path: Path) -> None:
    """Write the page, if it has changed: Sphinx builds again what is newer."""
    text = page()
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
