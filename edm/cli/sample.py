"""`python -m edm sample`: images of given seeds as PNG files and a grid."""

import argparse

from tqdm import tqdm

from edm import sampler
from edm.cli.networks import ALPHA, WEIGHT, add_networks, check_guidance, guided, load_networks
from edm.cli.options import add_command, integers, number, out_folder
from edm.generate import KINDS, image_path, write_folder
from edm.storage.png import read_images, save_grid
from edm.training import distributed

TEXT = """\
Images of given seeds as PNG files (OUT/CLASS/SEED.png) and a grid (OUT/grid.png). A seed's image does not depend on the
other seeds nor on the number of processes, and all methods start from the same noise. Files that exist are not made again.

examples:
  python -m edm sample                                      80 garments with autoguidance, by the networks that come with it
  python -m edm sample --guidance none                      the same without guidance, from the same noise
  python -m edm sample --main shipped:digits --weight 1.25
  python -m edm sample --main runs/digits/main --guidance cfg --weight 3 --classes 3,8 --seeds 0-19
  python -m edm sample --guidance blend --alpha 0.7 --interval 0.2 3 --out runs/blend
  python -m edm sample --preset img64-s-autoguidance --seeds 0-9
  torchrun --nproc-per-node 8 -m edm sample --preset img64-s-autoguidance --seeds 0-49999 --batch 256 --compile"""


def add(commands: argparse._SubParsersAction) -> None:
    p = add_command(commands, "sample", "make images, guided or not", TEXT)
    add_networks(p)
    p.add_argument("--guidance", choices=KINDS, help="method (default: autoguidance if there is a guide)")
    p.add_argument(
        "--weight",
        type=number,
        help=f"guidance weight, 1 is none (default: {WEIGHT:g}, or that of --preset with its guide)",
    )
    p.add_argument("--seeds", type=integers, default=list(range(80)), metavar="LIST", help="such as 0-79 (the default)")
    p.add_argument(
        "--classes", type=integers, metavar="LIST", help="such as 0-4,7; seed s gets number s mod length (default: all)"
    )
    p.add_argument("--out", help="folder of the images (default: runs/samples/NETWORKS/METHOD-WEIGHT)")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    world = distributed.join(args.device)
    if args.out:
        out_folder(args.out)
    found, source, usual = load_networks(args, world)
    kind = args.guidance or ("none" if found.guide is None else "autoguidance")
    check_guidance(args, [kind], found)
    if kind == "none" and args.weight is not None:
        raise ValueError(
            f"--weight {args.weight:g} is for guidance, and there is none: name a --guide or a method (--guidance)"
        )
    weight = args.weight if args.weight is not None else usual if kind == "autoguidance" else WEIGHT
    denoiser, method = guided(found, kind, weight, args), method_name(kind, weight, args)
    out, classes = out_folder(args.out or f"runs/samples/{source}/{method}"), found.classes(args.classes)
    settings = dict(
        networks=found.identity, guidance=kind, weight=weight, alpha=ALPHA if args.alpha is None else args.alpha
    )
    settings |= dict(interval=args.interval, steps=args.steps, precision=args.precision, data=found.data)
    options = dict(sigmas=sampler.sigma_steps(args.steps), batch=args.batch)
    write_folder(out, denoiser, args.seeds, found.shape, classes, settings=settings, world=world, **options)
    if world.main:
        first = args.seeds[:100]
        paths = [image_path(out, seed, classes[seed % len(classes)] if classes else None) for seed in first]
        save_grid(out / "grid.png", read_images(paths), min(10, len(first)))
        how = "no guidance" if kind == "none" else f"{kind}, weight {weight:g}"
        tqdm.write(f"{out}: {len(args.seeds)} images ({how}); {out / 'grid.png'} shows the first {len(first)}")


def method_name(kind: str, weight: float, args: argparse.Namespace) -> str:
    """What images are filed under: the method and all that the command line says about it, such as blend-2-0.7."""
    more = [] if args.alpha is None else [f"{args.alpha:g}"]
    more += [] if args.interval is None else ["sigma", *(f"{sigma:g}" for sigma in args.interval)]
    return kind if kind == "none" else "-".join([kind, f"{weight:g}", *more])
