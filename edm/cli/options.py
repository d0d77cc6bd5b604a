"""What the commands share: a parser that says what is wrong in one line, kinds of values, groups of options."""

import argparse
from pathlib import Path

import torch

from edm import models, official
from edm.official import BASE_URL, PRESETS
from edm.training import distributed


class Parser(argparse.ArgumentParser):
    """Keeps the line breaks of its help, and says what is wrong in one line."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **kwargs)

    def error(self, message: str):
        self.exit(2, f"{self.prog}: error: {message}; see `{self.prog} --help`\n")


def integers(text: str) -> list[int]:
    """'0-3,7' as [0, 1, 2, 3, 7]."""
    out: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.isdigit() or (dash and (not last.isdigit() or int(last) < int(first))):
            raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers and ranges such as 0-63 or 1,3,7")
        out += range(int(first), int(last if dash else first) + 1)
    return out


def positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def command(commands_, name: str, help: str, text: str, usage: str = "[OPTIONS]") -> argparse.ArgumentParser:
    """A command whose --help shows the description and the examples of `text`."""
    description, _, examples = text.partition("\nexamples:\n")
    epilog = "examples:\n" + examples
    return commands_.add_parser(name, usage=f"%(prog)s {usage}", help=help, description=description, epilog=epilog)


def published(p: argparse.ArgumentParser, preset: str | None) -> None:
    p.add_argument(
        "--preset", choices=PRESETS, default=preset, help=f"published networks (default: {preset or 'none'})"
    )
    p.add_argument("--url", default=BASE_URL, help=f"where published files are (default: {BASE_URL})")
    p.add_argument("--weights-folder", default="data/networks", help="where they are kept (default: data/networks)")


def networks(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--main", default="runs/digits/main", help="training folder, .safetensors or .pkl (default: runs/digits/main)"
    )
    p.add_argument("--guide", help="of autoguidance (default: the folder guide beside --main)")
    p.add_argument("--uncond", help="unconditional guide of CFG (default: main without its class)")
    p.add_argument("--ema", type=float, help="EMA width of main, reconstructed if need be (default: the widest stored)")
    p.add_argument("--ema-guide", type=float, help="EMA width of the guide (default: the widest stored)")
    p.add_argument("--alpha", type=float, default=0.5, help="blend: share of autoguidance, 0...1 (default: 0.5)")
    p.add_argument("--interval", type=float, nargs=2, metavar=("LO", "HI"), help="guide only for LO < sigma <= HI")
    p.add_argument("--steps", type=positive, default=32, help="of the sampler; 2 STEPS - 1 evaluations (default: 32)")
    p.add_argument("--batch", type=positive, default=100, help="images at a time (default: 100)")
    p.add_argument(
        "--precision", choices=("float32", "bfloat16", "float16"), help="default: float16 on a GPU, else float32"
    )
    published(p, None)
    machine(p)


def machine(p: argparse.ArgumentParser) -> None:
    p.add_argument("--device", help="cpu or cuda (default: a GPU if there is one)")
    p.add_argument("--compile", action="store_true", help="compile the network: slow start, then faster")
    p.add_argument("--data-folder", default="data", help="where data sets lie and downloads go (default: data)")


def load_networks(args: argparse.Namespace, world: distributed.World) -> tuple[models.Models, float]:
    """The networks that --main, --guide, --uncond or --preset name, and the guidance weight that goes with them."""
    main, guide, weight = Path(args.main), args.guide, 2.0
    if args.preset:
        preset = official.PRESETS[args.preset]
        if world.main:
            fetch = [official.fetch(name, args.weights_folder, args.url) for name in preset[:2] if name]
        world.wait()
        fetch = [Path(args.weights_folder, name) for name in preset[:2] if name]
        main, guide, weight = fetch[0], guide or (fetch[1] if len(fetch) > 1 else None), preset.weight
    elif guide is None and (main.parent / "guide").is_dir():
        guide = main.parent / "guide"
    dtype = args.precision and getattr(torch, args.precision)
    found = models.load(
        main, guide, args.uncond, ema=args.ema, ema_guide=args.ema_guide, device=world.device, dtype=dtype,
        compile=args.compile,
    )  # fmt: skip
    return found, weight
