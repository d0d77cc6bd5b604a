"""`python -m edm sample`: images of given seeds as PNG files and a grid."""

import argparse
from pathlib import Path

from tqdm import tqdm

from edm import sampler
from edm.cli.options import command, integers, load_networks, networks
from edm.generate import KINDS, image_path, write_folder
from edm.storage.png import read_images, save_grid
from edm.training import distributed

TEXT = """\
Images of given seeds as PNG files (OUT/CLASS/SEED.png) and a grid (OUT/grid.png). A seed's image does not depend on the
other seeds nor on the number of processes, and all methods start from the same noise. Files that exist are not made again.

examples:
  python -m edm sample                                      80 digits with autoguidance
  python -m edm sample --guidance none --out runs/digits/unguided
  python -m edm sample --guidance cfg --weight 3 --classes 3,8 --seeds 0-19 --out runs/digits/cfg
  python -m edm sample --guidance blend --alpha 0.7 --interval 0.2 3 --out runs/digits/blend
  python -m edm sample --preset img64-s-autoguidance --seeds 0-9
  torchrun --nproc-per-node 8 -m edm sample --preset img64-s-autoguidance --seeds 0-49999 --batch 256 --compile"""


def add(commands_: argparse._SubParsersAction) -> None:
    p = command(commands_, "sample", "make images, guided or not", TEXT)
    networks(p)
    p.add_argument("--guidance", choices=KINDS, help="method (default: autoguidance if there is a guide)")
    p.add_argument("--weight", type=float, help="guidance weight, 1 is none (default: 2, or that of --preset)")
    p.add_argument("--seeds", type=integers, default=list(range(80)), metavar="LIST", help="such as 0-79 (the default)")
    p.add_argument(
        "--classes", type=integers, metavar="LIST", help="such as 0-4,7; seed s gets number s mod length (all)"
    )
    p.add_argument("--out", help="folder of the images (default: runs/samples/NAME, named after the settings)")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    world = distributed.join(args.device)
    found, weight = load_networks(args, world)
    weight = weight if args.weight is None else args.weight
    kind = args.guidance or ("none" if found.guide is None else "autoguidance")
    denoiser = found.guided(kind, weight, args.alpha, args.interval)
    name = args.preset or ("none" if kind == "none" else f"{kind}-{weight:g}")
    out, classes = Path(args.out or f"runs/samples/{name}"), found.classes(args.classes)
    settings = dict(networks=found.identity, guidance=kind, weight=weight, alpha=args.alpha)
    settings |= dict(interval=args.interval, steps=args.steps, precision=args.precision, data=found.data)
    options = dict(sigmas=sampler.sigma_steps(args.steps), batch=args.batch)
    write_folder(out, denoiser, args.seeds, found.shape, classes, settings=settings, world=world, **options)
    if world.main:
        first = args.seeds[:100]
        paths = [image_path(out, seed, classes[seed % len(classes)] if classes else None) for seed in first]
        save_grid(out / "grid.png", read_images(paths), min(10, len(first)))
        tqdm.write(f"{out}: {len(args.seeds)} images; {out / 'grid.png'} shows the first {len(first)}")
