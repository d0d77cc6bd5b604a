"""`python -m edm evaluate`: images of a folder, or networks over guidance methods and weights, against real images."""

import argparse
import json
from pathlib import Path

from tqdm import tqdm

from edm import official
from edm.cli.networks import ALPHA, add_networks, check_guidance, guided, load_networks
from edm.cli.options import add_command, interval_of, number, out_file, positive
from edm.evaluation import sweep
from edm.evaluation.report import file_of, floor_text, sweep_pair
from edm.evaluation.yardstick import yardstick
from edm.generate import KINDS
from edm.metrics import collect, evaluate_features
from edm.storage.atomic import write_json
from edm.storage.png import read_folder
from edm.training import distributed

NEIGHBOURS = 5  # that precision and recall look at

TEXT = """\
Frechet distance, precision, recall, density, coverage and class agreement: of a folder that `sample` wrote (--images), or
of the networks over guidance methods and weights, without storing images. Killed, the same command goes on.

examples:
  python -m edm evaluate --main shipped:digits              3 sets of 500 seeds, ten minutes on a laptop; no download
  python -m edm evaluate                                    garments, by the networks that come with it; loads Fashion-MNIST
  python -m edm evaluate --main runs/digits/main --guidance autoguidance blend --weights 1.5 2 2.5
  python -m edm evaluate --images runs/samples/digits/cfg-3
  python -m edm evaluate --images out/img64 --data imagenet64 --features inception --reference img64.pkl"""


def add(commands: argparse._SubParsersAction) -> None:
    p = add_command(commands, "evaluate", "measure images or networks against the training images", TEXT)
    add_networks(p)
    p.add_argument("--images", help="folder of images to measure instead of networks")
    p.add_argument("--guidance", choices=KINDS, nargs="+", help="methods (default: cfg, and autoguidance with a guide)")
    p.add_argument("--weights", type=number, nargs="+", help="default: 1.25 1.5 2 3; 1 is always there")
    p.add_argument("--count", type=positive, default=500, help="images for each number (default: 500)")
    p.add_argument("--repeats", type=positive, default=3, help="sets of seeds, for the spread (default: 3)")
    p.add_argument("--data", help="data set to compare with (default: that of the training)")
    p.add_argument("--features", help="classifier:DATA, inception or dinov2 (default: classifier of the data set)")
    p.add_argument("--reference", help="file of published reference statistics instead of the data set")
    p.add_argument(
        "--out", help="JSON file (default: evaluate.json beside the networks or images, or in runs/NETWORKS)"
    )
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    world = distributed.join(args.device)
    if world.size > 1:
        raise ValueError("evaluate runs in one process: make the images with `torchrun ... sample`, then give --images")
    if args.count <= NEIGHBOURS:
        raise ValueError(f"--count {args.count} is too few for precision and recall: give {NEIGHBOURS + 1} or more")
    if args.out:
        out_file(args.out)
    if args.reference:
        official.read_stats(args.reference)  # a damaged file is refused now, not after a classifier has been trained
    (measure_folder if args.images else measure_networks)(args, world)


def measure_folder(args: argparse.Namespace, world: distributed.World) -> None:
    """Measure a folder of images: numbers beside them, and printed."""
    of_networks = ("main", "preset", "guide", "uncond", "ema", "ema_guide", "guidance", "weights", "alpha", "interval")
    if unheeded := [name for name in of_networks if getattr(args, name) is not None]:
        raise ValueError(f"--images measures images that are there: leave out --{unheeded[0].replace('_', '-')}")
    batches = read_folder(args.images, args.batch)
    measure_by = yardstick(
        args.data or images_data(args.images), args.features, args.data_folder, world.device, args.reference
    )
    numbers = evaluate_features(collect(measure_by.extractor, batches), measure_by.real)
    settings = dict(folder=args.images, images=numbers["images"], features=measure_by.extractor.name)
    settings |= dict(features_version=measure_by.extractor.version, against=measure_by.against)
    path = file_of(args.out or Path(args.images, "evaluate.json"), settings)
    write_json(path, dict(settings=settings, floor=measure_by.floor, **numbers))
    tqdm.write("\n".join(f"{key:<20}{value:10.4f}" for key, value in numbers.items()))
    tqdm.write(f"{path}: complete{floor_text(measure_by)}")


def measure_networks(args: argparse.Namespace, world: distributed.World) -> None:
    """Measure networks over guidance methods and weights, row by row into a file."""
    found, source, _ = load_networks(args, world)
    kinds = args.guidance or (["cfg"] if found.guide is None else ["autoguidance", "cfg"])
    check_guidance(args, kinds, found)
    arms = sweep.arms(kinds, args.weights or [1.25, 1.5, 2.0, 3.0])
    for kind, weight in arms:  # what cannot be made is said now, not after the first rows
        guided(found, kind, weight, args)
    at_home = Path(args.main).parent if args.main and Path(args.main).exists() else Path("runs", source)
    path = out_file(args.out or at_home / "evaluate.json")
    measure_by = yardstick(
        args.data or found.data or "imagenet64", args.features, args.data_folder, world.device, args.reference
    )
    sweep_pair(
        path, found, measure_by, arms=arms, repeats=args.repeats, count=args.count, steps=args.steps,
        alpha=ALPHA if args.alpha is None else args.alpha, interval=interval_of(args), batch=args.batch,
    )  # fmt: skip


def images_data(folder: str) -> str:
    """Name of the data set whose network made the images in a folder."""
    try:
        return str(json.loads(Path(folder, "sample.json").read_text())["data"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(f"{folder} does not say what it should be like: give --data, such as --data digits") from None
