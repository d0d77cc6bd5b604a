"""The networks that the image study samples from: averages out of training runs, kept as small files of their own.

An average is reconstructed once, from the snapshots of its run, and rounded to float16 into RUNS/kept. From then on the file is
used. So the folder `kept`, in which the trained features lie, too, is all that measuring needs. `python -m figures.images.nets
fashion-16` fills it while the snapshots, a hundred times as large, are at hand, and on another machine the study goes on from it.
"""

import argparse
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from edm import models, network
from edm.network import EDM2Denoiser
from edm.training import snapshots
from edm.training.run import as_json
from figures.images.study import RUNS, STUDIES, Study, device, study

SHIPPED = ("shipped main", "shipped guide")  # kinds of networks that come with the program instead of a run


@dataclass(frozen=True)
class Net:
    """A network: the average of width `ema` that a run has after length · T images; `shift` counts training seeds on."""

    kind: str = "main"  # of run (`study.KINDS`), or one of `SHIPPED`
    length: float = 1.0
    ema: float = 0.10
    shift: int = 0  # among the seeds of the same stage

    def name(self) -> str:
        """For tables and pictures: 'XS, T/8'."""
        size = {"main": "main", "xs": "XS", "guide": "same size", "eighth": "an eighth of the data"}.get(
            self.kind, self.kind
        )
        if self.kind == "main" and self.length < 1:
            size = "snapshot of the same run"
        if self.shift:
            size = "main of another run"
        length = f"{self.length:g} T" if self.length > 1 else "T" if self.length == 1 else f"T/{1 / self.length:g}"
        return f"{size}, {length}"


def path_of(plan: Study, seed: int, net: Net, runs: Path) -> Path:
    """Where the average is kept."""
    return runs / "kept" / f"{net.kind}-{seed_of(plan, seed, net)}-{images(plan, net):010d}-{net.ema:.3f}.safetensors"


def seed_of(plan: Study, seed: int, net: Net) -> int:
    """The training seed of a network that an arm of training seed `seed` uses."""
    stage = plan.choosing if seed in plan.choosing.seeds else plan.reporting
    return stage.seeds[(stage.seeds.index(seed) + net.shift) % len(stage.seeds)]


def images(plan: Study, net: Net) -> int:
    """After how many training images the average is taken."""
    return round(net.length * plan.T)


def load(plan: Study, seed: int, net: Net, runs: Path) -> EDM2Denoiser:
    """The network `net` of training seed `seed`, its weights rounded to float16, in float32 arithmetic.

    Raises FileNotFoundError that says what is missing, ValueError if what is kept is of another configuration.
    """
    if net.kind in SHIPPED:
        return network.load(models.CHECKPOINTS / f"{plan.data}-{net.kind.split()[1]}.safetensors")
    path, recipe = path_of(plan, seed, net, runs), digest(plan, net, seed_of(plan, seed, net))
    if not path.exists():
        extra = dict(data=plan.data, std=net.ema, images=images(plan, net), recipe=recipe)
        network.save(path, average(plan, seed, net, runs), extra, dtype=torch.float16)
    if network.metadata(path)["extra"].get("recipe") != recipe:
        raise ValueError(
            f"{path} was trained otherwise than this study says: choose another folder of runs or remove it"
        )
    return network.load(path)


def average(plan: Study, seed: int, net: Net, runs: Path) -> EDM2Denoiser:
    """The average from the snapshots of its run. FileNotFoundError if the run has not come so far."""
    folder = runs / f"{net.kind}-{seed_of(plan, seed, net)}"
    wanted = images(plan, net)
    times = sorted({s.images for s in snapshots.snapshots(folder)}) if any(folder.glob("snapshot-*")) else []
    taken = min(times, key=lambda time: abs(time - wanted), default=-1)
    if abs(taken - wanted) > 0.1 * wanted:
        raise FileNotFoundError(
            f"{folder} has no snapshot after about {wanted} images: train first, `python -m figures images`"
        )
    return snapshots.reconstruct(folder, net.ema, taken)


def digest(plan: Study, net: Net, seed: int) -> str:
    """Tells averages of runs with other settings apart; the length of a run changes nothing that came before."""
    config = {k: v for k, v in as_json(plan.run(net.kind, seed)).items() if k not in ("images", "snapshot")}
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:8]


@lru_cache(maxsize=16)
def ready(plan_name: str, seed: int, net: Net, runs: Path, arithmetic: str) -> EDM2Denoiser:
    """The copy of a network for sampling, on the device, its U-Net in `arithmetic`."""
    return load(study(plan_name), seed, net, runs).to(device()).for_sampling(getattr(torch, arithmetic))


def keep(plan: Study, nets: Iterable[Net], seeds: Iterable[int], runs: Path) -> tuple[list[Path], list[str]]:
    """Make the files of these networks for these training seeds. Returns them, and what could not be made yet."""
    nets, made, lacking = list(nets), [], []
    for seed in seeds:
        for net in nets:
            try:
                load(plan, seed, net, runs)
                made.append(path_of(plan, seed, net, runs))
            except FileNotFoundError as error:
                lacking.append(str(error))
    return made, lacking


def ship(name: str, main: EDM2Denoiser, guide: EDM2Denoiser, about: Mapping, out: Path = models.CHECKPOINTS) -> None:
    """Write a main model and its guide as float16 into the package, where `edm.models.shipped` finds them.

    about: what the files tell of their training, such as `data` and `std`.
    """
    for role, denoiser in (("main", main), ("guide", guide)):
        network.save(out / f"{name}-{role}.safetensors", denoiser, about, dtype=torch.float16)


def ship_folder(folder: str | Path, name: str, std: float = 0.10, out: Path = models.CHECKPOINTS) -> None:
    """`ship` the pair that `python -m edm train` left in a folder: the last averages of width `std`."""
    pair = [snapshots.load(Path(folder, role), std) for role in ("main", "guide")]
    ship(name, *pair, dict(data=snapshots.data_name(Path(folder, "main")), std=std), out)


def main() -> None:
    from figures.images.settings import nets_of

    p = argparse.ArgumentParser("python -m figures.images.nets", description=__doc__.split("\n\n")[0])
    p.add_argument("study", choices=STUDIES)
    p.add_argument("--runs", type=Path, help="folder of the runs (default: runs/images/STUDY)")
    args = p.parse_args()
    plan, runs = study(args.study), args.runs or RUNS / args.study
    for stage, name in ((plan.choosing, "choosing"), (plan.reporting, "reporting")):
        made, lacking = keep(plan, nets_of(plan), stage.seeds, runs)
        size = sum(path.stat().st_size for path in made) / 2**20
        print(f"{name}: {len(made)} networks, {size:.0f} MiB in {runs / 'kept'}; {len(lacking)} cannot be made yet")
        print(*lacking[:1], sep="\n", end="\n" * bool(lacking))


if __name__ == "__main__":
    main()
