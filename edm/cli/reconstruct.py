"""`python -m edm reconstruct`: a network of any EMA width from the snapshots of a training folder."""

import argparse
from pathlib import Path

from tqdm import tqdm

from edm import network
from edm.cli.options import add_command, number, out_file, positive
from edm.training import snapshots

TEXT = """\
Post-hoc EMA: any width of the weight average from the snapshots of two widths that training stored.

examples:
  python -m edm reconstruct                                 the digits main model at width 0.15
  python -m edm reconstruct runs/digits/guide --ema 0.03 --out guide-0.030.safetensors"""


def add(commands: argparse._SubParsersAction) -> None:
    p = add_command(
        commands,
        "reconstruct",
        "average the weights over another width, after training",
        TEXT,
        "[OPTIONS] [FOLDER]",
    )
    p.add_argument("folder", nargs="?", default="runs/digits/main", help="training folder (default: runs/digits/main)")
    p.add_argument("--ema", type=number, default=0.15, help="relative width, between 0 and 0.29 (default: 0.15)")
    p.add_argument("--at", type=positive, help="after how many training images (default: the last snapshot)")
    p.add_argument("--out", help="file to write (default: FOLDER/network-EMA.safetensors)")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    out = out_file(args.out or Path(args.folder, f"network-{args.ema:.3f}.safetensors"))
    denoiser = snapshots.reconstruct(args.folder, args.ema, args.at)
    extra = {"images": args.at or snapshots.snapshots(args.folder)[-1].images, "std": args.ema}
    network.save(out, denoiser, extra | {"data": snapshots.data_name(args.folder)})
    tqdm.write(f"{out}: EMA width {args.ema:g} after {extra['images']} images")
