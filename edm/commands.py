"""What each command of `python -m edm` does with its options (`edm.cli` lists them)."""

import argparse
import dataclasses
import json
import time
from pathlib import Path

import torch
from tqdm import tqdm

from edm import data, distributed, models, network, official, sampler, sweep
from edm import reconstruct as post_hoc
from edm.checkpoint import write_json
from edm.generate import image_path, write_folder
from edm.grid import save_grid
from edm.metrics import collect, evaluate_features
from edm.presets import PAIRS, Pair
from edm.report import Yardstick, picture, sweep_to_file, yardstick
from edm.run import train_in_folder

UNFINISHED = 3  # exit code of a training command that --minutes stopped


def train(args: argparse.Namespace) -> int:
    world = distributed.join(args.device)
    pair, out, begin = pair_from(args, world.device), Path(args.out or f"runs/{args.preset}"), time.monotonic()
    if world.main:
        data.load(pair.main.data, "train", args.data_folder)  # one process downloads, the others find it
    world.wait()
    image_set = data.load(pair.main.data, "train", args.data_folder)

    def minutes_left() -> float | None:
        return None if args.minutes is None else args.minutes - (time.monotonic() - begin) / 60

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
    rows = measure(
        out / "guidance.json", found, measure_by, arms=sweep.arms(("autoguidance", "cfg"), pair.weights), repeats=1,
        count=pair.count, steps=pair.num_steps, late=lambda: args.minutes is not None and minutes_left() < 0,
    )  # fmt: skip
    return 0 if rows is not None else unfinished()


def pair_from(args: argparse.Namespace, device: torch.device) -> Pair:
    """The preset's pair with the changes that the options ask for; without a GPU always in float32."""
    pair = PAIRS[args.preset]
    if args.seed is not None:  # the two runs stay independent
        guide = dataclasses.replace(pair.guide, seed=args.seed + pair.guide.seed - pair.main.seed)
        pair = dataclasses.replace(pair, main=dataclasses.replace(pair.main, seed=args.seed), guide=guide)
    names = ("data", "batch", "lr", "label_dropout", "precision")
    changes = {name: value for name in names if (value := getattr(args, name)) is not None}
    if device.type == "cpu":
        changes["precision"] = args.precision or "float32"
    if args.images is None:
        return pair.replace(**changes)
    share = args.images / pair.main.images
    pair = pair.replace(**changes, lr_ramp=round(pair.main.lr_ramp * min(share, 1)))
    guide = dataclasses.replace(pair.guide, images=max(round(pair.guide.images * share), 1))
    return dataclasses.replace(pair, main=dataclasses.replace(pair.main, images=args.images), guide=guide)


def unfinished() -> int:
    tqdm.write("not finished: the same command goes on from here")
    return UNFINISHED


def measure(path: Path, found: models.Models, measure_by: Yardstick, *, arms: list, repeats: int, count: int, steps: int,
            alpha: float = 0.5, interval=None, batch: int = 100, late=lambda: False) -> list[dict] | None:  # fmt: skip
    """Sweep the arms into `path` and print the table; None if `late` stopped it. Sets of seeds follow one another."""
    settings = dict(networks=found.identity, count=count, steps=steps, alpha=alpha, interval=interval)
    rows = sweep_to_file(
        path, lambda kind, weight: found.guided(kind, weight, alpha, interval), measure_by, settings, late=late, arms=arms,
        first_seeds=[count * i for i in range(repeats)], count=count, shape=found.shape, classes=found.classes(),
        sigmas=sampler.sigma_steps(steps), batch=batch, device=measure_by.extractor.device,
    )  # fmt: skip
    if rows is not None:
        tqdm.write(f"{sweep.summary(rows)}\n{path}: {count} images a number{floor_text(measure_by)}")
    return rows


def floor_text(measure_by: Yardstick) -> str:
    """What a perfect model could reach, for the line below a table."""
    if measure_by.floor is None:
        return ""
    return f"; real test images have Frechet distance {measure_by.floor['frechet_distance']:.3f}"


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


def sample(args: argparse.Namespace) -> None:
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
        save_grid(out / "grid.png", sweep.read_images(paths), min(10, len(first)))
        tqdm.write(f"{out}: {len(args.seeds)} images; {out / 'grid.png'} shows the first {len(first)}")


def evaluate(args: argparse.Namespace) -> None:
    world = distributed.join(args.device)
    if world.size > 1:
        raise ValueError("evaluate runs in one process: make the images with `torchrun ... sample`, then give --images")
    options = (args.features, args.data_folder, world.device, args.reference)
    if args.images:
        batches = sweep.read_folder(args.images, args.batch)
        measure_by = yardstick(args.data or images_data(args.images), *options)
        numbers = evaluate_features(collect(measure_by.extractor, batches), measure_by.real)
        path = Path(args.out or Path(args.images, "evaluate.json"))
        write_json(
            path, dict(folder=args.images, features=measure_by.extractor.name, floor=measure_by.floor, **numbers)
        )
        tqdm.write("\n".join(f"{key:<20}{value:10.4f}" for key, value in numbers.items()))
        tqdm.write(f"{path}: complete{floor_text(measure_by)}")
        return
    found, _ = load_networks(args, world)
    measure_by = yardstick(args.data or found.data or "imagenet64", *options)
    path = Path(args.out or (Path(args.main).parent if not args.preset else Path("runs")) / "evaluate.json")
    measure(
        path, found, measure_by, arms=sweep.arms(args.guidance, args.weights), repeats=args.repeats, count=args.count,
        steps=args.steps, alpha=args.alpha, interval=args.interval, batch=args.batch,
    )  # fmt: skip


def images_data(folder: str) -> str:
    """Name of the data set whose network made the images in a folder."""
    try:
        return json.loads(Path(folder, "sample.json").read_text())["data"]
    except (OSError, ValueError, KeyError):
        raise ValueError(f"{folder} does not say what it should be like: give --data, such as --data digits") from None


def reconstruct(args: argparse.Namespace) -> None:
    out = Path(args.out or Path(args.folder, f"network-{args.ema:.3f}.safetensors"))
    denoiser = post_hoc.reconstruct(args.folder, args.ema, args.at)
    extra = {"images": args.at or post_hoc.snapshots(args.folder)[-1].images, "std": args.ema}
    network.save(out, denoiser, extra | {"data": post_hoc.data_name(args.folder)})
    tqdm.write(f"{out}: EMA width {args.ema:g} after {extra['images']} images")


def convert(args: argparse.Namespace) -> None:
    names = [args.file] if args.file else [name for name in official.PRESETS[args.preset][:2] if name]
    if args.out and len(names) > 1:
        raise ValueError(
            f"--out {args.out} is one file, but --preset {args.preset} has {len(names)} networks: leave it out"
        )
    for name in names:
        path = official.fetch(name, args.weights_folder, args.url)
        out = Path(args.out or path.with_suffix(".safetensors"))
        official.convert(path, out)
        tqdm.write(f"{out}: converted from {path}")


def prepare(args: argparse.Namespace) -> None:
    if args.source is None:
        image_set = data.load(args.data, "train", args.data_folder)
        shape = " x ".join(map(str, image_set.images.shape[1:]))
        tqdm.write(f"{image_set.name}: {len(image_set)} images of {shape}, {image_set.num_classes} classes")
        return
    if args.dest is None:
        raise ValueError(
            f"prepare {args.source} needs a folder to write: python -m edm prepare {args.source} data/NAME"
        )
    data.prepare(args.source, args.dest, args.resolution)
    tqdm.write(f"{args.dest}: complete; train on it with --data {args.dest}")
