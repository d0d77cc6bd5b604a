"""`python -m edm prepare`: a folder or zip of images cropped and shrunk for training; or a known data set loaded."""

import argparse

from tqdm import tqdm

from edm import data
from edm.cli.options import add_command, out_folder, positive

TEXT = """\
Crop every image to its central square and average it down, without loss after that. Killed, the same command goes on.
Without SOURCE: load a known data set (downloading it if need be) and say what it holds.

examples:
  python -m edm prepare                                     digits: comes with scikit-learn, nothing to do
  python -m edm prepare --data cifar10                      download and check
  python -m edm prepare ILSVRC2012/train data/imagenet64/train --resolution 64
  python -m edm prepare photos.zip data/photos --resolution 32"""


def add(commands: argparse._SubParsersAction) -> None:
    p = add_command(
        commands,
        "prepare",
        "crop and shrink a folder or zip of images for training",
        TEXT,
        "[OPTIONS] [SOURCE DEST]",
    )
    p.add_argument("source", nargs="?", help="folder or zip, one subfolder for each class")
    p.add_argument("dest", nargs="?", help="folder to write")
    p.add_argument("--resolution", type=positive, default=64, help="pixels along each side (default: 64)")
    p.add_argument("--data", default="digits", help="without SOURCE: the data set to load (default: digits)")
    p.add_argument("--data-folder", default="data", help="where data sets lie and downloads go (default: data)")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    if args.source is None:
        image_set = data.load(args.data, "train", args.data_folder)
        shape = " x ".join(map(str, image_set.images.shape[1:]))
        tqdm.write(f"{image_set.name}: {len(image_set)} images of {shape}, {image_set.num_classes} classes")
        return
    if args.dest is None:
        raise ValueError(
            f"prepare {args.source} needs a folder to write: python -m edm prepare {args.source} data/NAME"
        )
    out_folder(args.dest)
    data.prepare(args.source, args.dest, args.resolution)
    tqdm.write(f"{args.dest}: complete; train on it with --data {args.dest}")
