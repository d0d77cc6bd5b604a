"""Options that name networks and say how they guide: what `sample` and `evaluate` share."""

import argparse
from pathlib import Path
from typing import NamedTuple

import torch

from edm import models, official
from edm.cli.options import add_interval, device, interval_of, number, positive, share
from edm.denoiser import Denoiser
from edm.official import BASE_URL, PRESETS
from edm.training import distributed

DEFAULT, SHIPPED = "shipped:fashion-16", "shipped:"
WEIGHT, ALPHA = 2.0, 0.5  # where the command line says nothing


class Found(NamedTuple):
    """The networks that the options name."""

    models: models.Models
    name: str  # for folders of results
    weight: float  # of autoguidance, if the command line gives none


def add_networks(p: argparse.ArgumentParser) -> None:
    names = " or ".join(SHIPPED + name for name in models.shipped_names())
    p.add_argument("--main", help=f"training folder, .safetensors, .pkl, {names} (default: {DEFAULT})")
    p.add_argument("--guide", help="of autoguidance (default: the folder guide beside --main, or the shipped one)")
    p.add_argument("--uncond", help="unconditional guide of CFG (default: main without its class)")
    p.add_argument(
        "--ema", type=number, help="EMA width of main, reconstructed if need be (default: the widest stored)"
    )
    p.add_argument("--ema-guide", type=number, help="EMA width of the guide (default: the widest stored)")
    p.add_argument("--alpha", type=share, help=f"blend: share of autoguidance, 0...1 (default: {ALPHA:g})")
    add_interval(p)
    p.add_argument("--steps", type=positive, default=32, help="of the sampler; 2 STEPS - 1 evaluations (default: 32)")
    p.add_argument("--batch", type=positive, default=100, help="images at a time (default: 100)")
    p.add_argument(
        "--precision", choices=("float32", "bfloat16", "float16"), help="default: float16 on a GPU, else float32"
    )
    add_published(p, None)
    add_machine(p)


def add_published(p: argparse.ArgumentParser, preset: str | None) -> None:
    p.add_argument(
        "--preset", choices=PRESETS, default=preset, help=f"published networks (default: {preset or 'none'})"
    )
    p.add_argument("--url", default=BASE_URL, help=f"where published files are (default: {BASE_URL})")
    p.add_argument("--weights-folder", default="data/networks", help="where they are kept (default: data/networks)")


def add_machine(p: argparse.ArgumentParser) -> None:
    p.add_argument("--device", type=device, help="cpu or cuda (default: a GPU if there is one)")
    p.add_argument("--compile", action="store_true", help="compile the network: slow start, then faster")
    p.add_argument("--data-folder", default="data", help="where data sets lie and downloads go (default: data)")


def load_networks(args: argparse.Namespace, world: distributed.World) -> Found:
    """The networks that --main, --guide, --uncond or --preset name. Raises ValueError or FileNotFoundError."""
    if args.preset and args.main:
        raise ValueError(f"--preset {args.preset} and --main {args.main} both name a main model: leave out one of them")
    main, guide, weight = Path(), args.guide, WEIGHT
    if args.preset:
        preset, name = official.PRESETS[args.preset], args.preset
        files = [file for file in preset[:2] if file]
        if world.main:
            for file in files:
                official.fetch(file, args.weights_folder, args.url)
        world.wait()
        main, *guides = (Path(args.weights_folder, file) for file in files)
        if guides:
            guide, weight = guide or guides[0], preset.weight
    else:
        wanted = args.main or DEFAULT
        main, name = path_of(wanted, "main"), name_of(wanted)
        if guide is None and wanted.startswith(SHIPPED):
            guide = wanted
        elif guide is None and (main.parent / "guide").is_dir():
            guide = main.parent / "guide"
    found = models.load(
        main, guide and path_of(str(guide), "guide"), args.uncond, ema=args.ema, ema_guide=args.ema_guide,
        device=world.device, dtype=args.precision and getattr(torch, args.precision), compile=args.compile,
    )  # fmt: skip
    return Found(found, name, weight)


def path_of(text: str, role: str) -> Path:
    """The path of a network; `shipped:NAME` is the main model of that pair or its guide, as `role` says."""
    return models.shipped_path(text.removeprefix(SHIPPED), role) if text.startswith(SHIPPED) else Path(text)


def name_of(main: str) -> str:
    """What results of a main model are filed under: shipped-NAME, the name of a run's folder, or that of the file."""
    if main.startswith(SHIPPED):
        return main.replace(":", "-")
    path = Path(main).absolute()
    return path.stem if path.suffix else path.parent.name if path.name == "main" else path.name


def check_guidance(args: argparse.Namespace, kinds: list[str], found: models.Models) -> None:
    """Raise ValueError for options that the guidance methods would not heed, or a network that they lack."""
    for kind in kinds:
        if kind in ("autoguidance", "blend") and found.guide is None:
            raise ValueError(f"--guidance {kind} needs a worse network beside the main one: name it with --guide")
        if kind in ("cfg", "blend") and found.uncond is None and not found.main.label_dim:
            raise ValueError(
                f"--guidance {kind} needs classes, and the network knows none: name another guide with --uncond"
            )
    if args.alpha is not None and "blend" not in kinds:
        raise ValueError(f"--alpha {args.alpha:g} is for --guidance blend: leave it out, or choose that")
    if args.interval is not None and set(kinds) == {"none"}:
        raise ValueError(
            "--interval is for guidance, and there is none: leave it out, or choose a method with --guidance"
        )


def guided(found: models.Models, kind: str, weight: float, args: argparse.Namespace) -> Denoiser:
    """The main model guided as the options say."""
    return found.guided(kind, weight, ALPHA if args.alpha is None else args.alpha, interval_of(args))
