"""`python -m edm evaluate`: images of a folder, or networks over guidance methods and weights, against real images."""

import argparse
import json
from pathlib import Path

from tqdm import tqdm

from edm.cli.options import command, load_networks, networks, positive
from edm.evaluation import sweep
from edm.evaluation.yardstick import file_of, floor_text, sweep_pair, yardstick
from edm.generate import KINDS
from edm.metrics import collect, evaluate_features
from edm.storage.atomic import write_json
from edm.storage.png import read_folder
from edm.training import distributed

TEXT = """\
Frechet distance, precision, recall, density, coverage and class agreement: of a folder that `sample` wrote (--images), or
of the networks over guidance methods and weights, without storing images. Killed, the same command goes on.

examples:
  python -m edm evaluate                                    the digits pair: 3 sets of 500 seeds, ten minutes on a laptop
  python -m edm evaluate --guidance autoguidance blend --weights 1.5 2 2.5
  python -m edm evaluate --images runs/digits/cfg
  python -m edm evaluate --images out/img64 --data imagenet64 --features inception --reference img64.pkl"""


def add(commands_: argparse._SubParsersAction) -> None:
    p = command(commands_, "evaluate", "measure images or networks against the training images", TEXT)
    networks(p)
    p.add_argument("--images", help="folder of images to measure instead of networks")
    p.add_argument(
        "--guidance",
        choices=KINDS,
        nargs="+",
        default=["autoguidance", "cfg"],
        help="methods (default: both main ones)",
    )
    p.add_argument(
        "--weights",
        type=float,
        nargs="+",
        default=[1.25, 1.5, 2.0, 3.0],
        help="default: 1.25 1.5 2 3; 1 is always there",
    )
    p.add_argument("--count", type=positive, default=500, help="images for each number (default: 500)")
    p.add_argument("--repeats", type=positive, default=3, help="sets of seeds, for the spread (default: 3)")
    p.add_argument("--data", help="data set to compare with (default: that of the training)")
    p.add_argument("--features", help="classifier:DATA, inception or dinov2 (default: classifier of the data set)")
    p.add_argument("--reference", help="file of published reference statistics instead of the data set")
    p.add_argument("--out", help="JSON file (default: evaluate.json beside the networks or images)")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    world = distributed.join(args.device)
    if world.size > 1:
        raise ValueError("evaluate runs in one process: make the images with `torchrun ... sample`, then give --images")
    options = (args.features, args.data_folder, world.device, args.reference)
    if args.images:
        batches = read_folder(args.images, args.batch)
        measure_by = yardstick(args.data or images_data(args.images), *options)
        numbers = evaluate_features(collect(measure_by.extractor, batches), measure_by.real)
        settings = dict(folder=args.images, images=numbers["images"], features=measure_by.extractor.name)
        settings |= dict(features_version=measure_by.extractor.version, reference=args.reference)
        path = file_of(args.out or Path(args.images, "evaluate.json"), settings)
        write_json(path, dict(settings=settings, floor=measure_by.floor, **numbers))
        tqdm.write("\n".join(f"{key:<20}{value:10.4f}" for key, value in numbers.items()))
        tqdm.write(f"{path}: complete{floor_text(measure_by)}")
        return
    found, _ = load_networks(args, world)
    measure_by = yardstick(args.data or found.data or "imagenet64", *options)
    path = Path(args.out or (Path(args.main).parent if not args.preset else Path("runs")) / "evaluate.json")
    sweep_pair(
        path, found, measure_by, arms=sweep.arms(args.guidance, args.weights), repeats=args.repeats, count=args.count,
        steps=args.steps, alpha=args.alpha, interval=args.interval, batch=args.batch,
    )  # fmt: skip


def images_data(folder: str) -> str:
    """Name of the data set whose network made the images in a folder."""
    try:
        return json.loads(Path(folder, "sample.json").read_text())["data"]
    except (OSError, ValueError, KeyError):
        raise ValueError(f"{folder} does not say what it should be like: give --data, such as --data digits") from None
