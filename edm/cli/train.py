"""`python -m edm train`: a main model and its guide, then guided and unguided images from the same noise."""

import argparse
import dataclasses
import math
import time

from tqdm import tqdm

from edm import data, models, sampler
from edm.cli.networks import add_machine
from edm.cli.options import UNFINISHED, above_zero, add_command, minutes, natural, out_folder, positive, share
from edm.evaluation import sweep
from edm.evaluation.report import picture, sweep_pair
from edm.evaluation.yardstick import yardstick
from edm.presets import PAIRS, Pair
from edm.training import distributed
from edm.training.run import train_in_folder

TEXT = """\
Train a pair, a main model and a worse one that guides it, then compare guided and unguided images from the same noise.
Killed or stopped, the same command goes on from the last checkpoint; on a CPU with the same result, to the bit.
Exit code 3: stopped by --minutes before the end.

examples:
  python -m edm train                                       the digits pair: under 5 minutes on a laptop
  until python -m edm train --preset fashion-mnist --minutes 9 --compile; [ $? -ne 3 ]; do :; done
                                                            32 x 32 on one GPU, in stretches below ten minutes
  torchrun --nproc-per-node 8 -m edm train --preset img64 --data data/imagenet64 --micro-batch 64 --compile
writes OUT/main and OUT/guide (snapshots, checkpoints, log.jsonl, grids), OUT/guidance.png and OUT/guidance.json"""


def add(commands: argparse._SubParsersAction) -> None:
    p = add_command(commands, "train", "train a main model and its guide", TEXT)
    p.add_argument("--preset", choices=PAIRS, default="digits", help="which pair (default: digits)")
    p.add_argument("--out", help="folder of the run (default: runs/PRESET)")
    p.add_argument("--data", help="data set, or folder made by `prepare` (default: that of the preset)")
    p.add_argument("--only", choices=("main", "guide"), help="train one of the two and measure nothing")
    p.add_argument(
        "--images", type=positive, help="training length of the main model; the guide's shrinks in proportion"
    )
    p.add_argument("--batch", type=positive, help="images in a step, over all processes")
    p.add_argument("--micro-batch", type=positive, help="images at a time on a process, to save memory (default: all)")
    p.add_argument("--lr", type=above_zero, help="learning rate alpha")
    p.add_argument("--label-dropout", type=share, help="share of images without their class; 1 trains without classes")
    p.add_argument("--precision", choices=("float32", "bfloat16", "float16"), help="of the network (CPU: float32)")
    p.add_argument("--seed", type=natural, help="of the main model's run; the guide takes the next (default: 0)")
    p.add_argument("--minutes", type=minutes, help="stop with a checkpoint after so long")
    add_machine(p)
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    world = distributed.join(args.device)
    pair, out, begin = pair_from(args, world), out_folder(args.out or f"runs/{args.preset}"), time.monotonic()
    if world.main:
        data.load(pair.main.data, "train", args.data_folder)  # one process downloads, the others find it
    world.wait()
    image_set = data.load(pair.main.data, "train", args.data_folder)

    def minutes_left() -> float:
        return math.inf if args.minutes is None else args.minutes - (time.monotonic() - begin) / 60

    for name, config in (("main", pair.main), ("guide", pair.guide)):
        if args.only in (None, name):
            options = dict(world=world, micro_batch=args.micro_batch, compile=args.compile)
            if not train_in_folder(out / name, config, image_set, minutes=minutes_left(), **options):
                return unfinished()
    if args.only or not world.main:
        return 0
    found = models.load(out / "main", out / "guide", ema=pair.ema[0], ema_guide=pair.ema[1], device=world.device)
    panels = {
        "without guidance": found.main,
        f"autoguidance, weight {pair.show:g}, same noise": found.guided("autoguidance", pair.show),
    }
    sigmas = sampler.sigma_steps(pair.num_steps)
    picture(out / "guidance.png", panels, found.shape, found.classes(), sigmas=sigmas, device=world.device)
    tqdm.write(f"{out / 'guidance.png'}: without guidance above, with guidance below, from the same noise")
    measure_by = yardstick(pair.main.data, None, args.data_folder, world.device)
    rows = sweep_pair(
        out / "guidance.json", found, measure_by, arms=sweep.arms(("autoguidance", "cfg"), pair.weights), repeats=1,
        count=pair.count, steps=pair.num_steps, late=lambda: minutes_left() < 0,
    )  # fmt: skip
    if rows is None:
        return unfinished()
    tqdm.write(f"next: python -m edm sample --main {out / 'main'}")
    return 0


def pair_from(args: argparse.Namespace, world: distributed.World) -> Pair:
    """The preset's pair with the changes that the options ask for; without a GPU in float32 unless --precision says so.

    Raises ValueError for a batch that cannot be divided.
    """
    pair = PAIRS[args.preset]
    if args.seed is not None:  # the two runs stay independent
        guide = dataclasses.replace(pair.guide, seed=args.seed + pair.guide.seed - pair.main.seed)
        pair = dataclasses.replace(pair, main=dataclasses.replace(pair.main, seed=args.seed), guide=guide)
    batch = args.batch or pair.main.batch
    share_of_process = batch // world.size
    if batch % world.size or share_of_process % min(args.micro_batch or share_of_process, share_of_process):
        raise ValueError(
            f"a batch of {batch} images cannot be divided by {world.size} processes and a micro-batch of "
            f"{args.micro_batch or share_of_process}: change --batch or --micro-batch"
        )
    names = ("data", "batch", "lr", "label_dropout", "precision")
    changes = {name: value for name in names if (value := getattr(args, name)) is not None}
    if world.device.type == "cpu":
        changes["precision"] = args.precision or "float32"
    if args.images is None:
        return pair.replace(**changes)
    length = args.images / pair.main.images
    pair = pair.replace(**changes, lr_ramp=round(pair.main.lr_ramp * min(length, 1)))
    guide = dataclasses.replace(pair.guide, images=max(round(pair.guide.images * length), 1))
    return dataclasses.replace(pair, main=dataclasses.replace(pair.main, images=args.images), guide=guide)


def unfinished() -> int:
    tqdm.write("not finished: the same command goes on from here")
    return UNFINISHED
