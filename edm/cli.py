"""The command line, `python -m edm COMMAND`: options, examples, and errors of one line. `edm.commands` does the work."""

import argparse
import sys

import torch

from edm import commands, distributed
from edm.generate import KINDS
from edm.official import BASE_URL, PRESETS, RefusedPickle
from edm.presets import PAIRS

OVERVIEW = """\
Train, sample and measure image denoisers, with guidance.

Start here: `python -m edm train` (under 5 minutes on a laptop), then `python -m edm sample --weight 3`.
Each command explains itself: `python -m edm sample --help`."""

TRAIN = """\
Train a pair, a main model and a worse one that guides it, then compare guided and unguided images from the same noise.
Killed or stopped, the same command goes on from the last checkpoint; on a CPU with the same result, to the bit.
Exit code 3: stopped by --minutes before the end.

examples:
  python -m edm train                                       the digits pair: under 5 minutes on a laptop
  until python -m edm train --preset fashion-mnist --minutes 9 --compile; [ $? -ne 3 ]; do :; done
                                                            32 x 32 on one GPU, in stretches below ten minutes
  torchrun --nproc-per-node 8 -m edm train --preset img64 --data data/imagenet64 --micro-batch 64 --compile
writes OUT/main and OUT/guide (snapshots, checkpoints, log.jsonl, grids), OUT/guidance.png and OUT/guidance.json"""

PREPARE = """\
Crop every image to its central square and average it down, without loss after that. Killed, the same command goes on.
Without SOURCE: load a known data set (downloading it if need be) and say what it holds.

examples:
  python -m edm prepare                                     digits: comes with scikit-learn, nothing to do
  python -m edm prepare --data cifar10                      download and check
  python -m edm prepare ILSVRC2012/train data/imagenet64/train --resolution 64
  python -m edm prepare photos.zip data/photos --resolution 32"""

SAMPLE = """\
Images of given seeds as PNG files (OUT/CLASS/SEED.png) and a grid (OUT/grid.png). A seed's image does not depend on the
other seeds nor on the number of processes, and all methods start from the same noise. Files that exist are not made again.

examples:
  python -m edm sample                                      80 digits with autoguidance
  python -m edm sample --guidance none --out runs/digits/unguided
  python -m edm sample --guidance cfg --weight 3 --classes 3,8 --seeds 0-19 --out runs/digits/cfg
  python -m edm sample --guidance blend --alpha 0.7 --interval 0.2 3 --out runs/digits/blend
  python -m edm sample --preset img64-s-autoguidance --seeds 0-9
  torchrun --nproc-per-node 8 -m edm sample --preset img64-s-autoguidance --seeds 0-49999 --batch 256 --compile"""

EVALUATE = """\
Frechet distance, precision, recall, density, coverage and class agreement: of a folder that `sample` wrote (--images), or
of the networks over guidance methods and weights, without storing images. Killed, the same command goes on.

examples:
  python -m edm evaluate                                    the digits pair: 3 sets of 500 seeds, ten minutes on a laptop
  python -m edm evaluate --guidance autoguidance blend --weights 1.5 2 2.5
  python -m edm evaluate --images runs/digits/cfg
  python -m edm evaluate --images out/img64 --data imagenet64 --features inception --reference img64.pkl"""

RECONSTRUCT = """\
Post-hoc EMA: any width of the weight average from the snapshots of two widths that training stored.

examples:
  python -m edm reconstruct                                 the digits main model at width 0.15
  python -m edm reconstruct runs/digits/guide --ema 0.03 --out guide-0.030.safetensors"""

CONVERT = """\
Read a published network without executing anything in the file, and write it as safetensors. Without FILE: the networks
of --preset, downloaded if they are not there. NVIDIA licenses those weights CC BY-NC-SA 4.0: not for commercial use.

examples:
  python -m edm convert                                     both networks of img64-s-autoguidance
  python -m edm convert edm2-img64-s-1073741-0.045.pkl --out main.safetensors"""


class Parser(argparse.ArgumentParser):
    """Keeps the line breaks of its help, and says what is wrong in one line."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **kwargs)

    def error(self, message: str):
        self.exit(2, f"{self.prog}: error: {message}; see `{self.prog} --help`\n")


def integers(text: str) -> list[int]:
    """'0-3,7' as [0, 1, 2, 3, 7]."""
    out: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.isdigit() or (dash and (not last.isdigit() or int(last) < int(first))):
            raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers and ranges such as 0-63 or 1,3,7")
        out += range(int(first), int(last if dash else first) + 1)
    return out


def positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def command(commands_, name: str, help: str, text: str, usage: str = "[OPTIONS]") -> argparse.ArgumentParser:
    """A command whose --help shows the description and the examples of `text`."""
    description, _, examples = text.partition("\nexamples:\n")
    epilog = "examples:\n" + examples
    return commands_.add_parser(name, usage=f"%(prog)s {usage}", help=help, description=description, epilog=epilog)


def parser() -> Parser:
    out = Parser(prog="python -m edm", usage="%(prog)s COMMAND [OPTIONS]", description=OVERVIEW)
    commands_ = out.add_subparsers(required=True, metavar="COMMAND", prog="python -m edm")
    add_train(commands_)
    add_prepare(commands_)
    add_sample(commands_)
    add_evaluate(commands_)
    add_reconstruct(commands_)
    add_convert(commands_)
    return out


def add_train(commands_) -> None:
    p = command(commands_, "train", "train a main model and its guide", TRAIN)
    p.add_argument("--preset", choices=PAIRS, default="digits", help="which pair (default: digits)")
    p.add_argument("--out", help="folder of the run (default: runs/PRESET)")
    p.add_argument("--data", help="data set, or folder made by `prepare` (default: that of the preset)")
    p.add_argument("--only", choices=("main", "guide"), help="train one of the two and measure nothing")
    p.add_argument(
        "--images", type=positive, help="training length of the main model; the guide's shrinks in proportion"
    )
    p.add_argument("--batch", type=positive, help="images in a step, over all processes")
    p.add_argument("--micro-batch", type=positive, help="images at a time on a process, to save memory (default: all)")
    p.add_argument("--lr", type=float, help="learning rate alpha")
    p.add_argument("--label-dropout", type=float, help="share of images without their class; 1 trains without classes")
    p.add_argument("--precision", choices=("float32", "bfloat16", "float16"), help="of the network (CPU: float32)")
    p.add_argument("--seed", type=int, help="of the main model's run; the guide takes the next (default: 0)")
    p.add_argument("--minutes", type=float, help="stop with a checkpoint after so long")
    machine(p)
    p.set_defaults(run=commands.train)


def add_prepare(commands_) -> None:
    p = command(
        commands_,
        "prepare",
        "crop and shrink a folder or zip of images for training",
        PREPARE,
        "[OPTIONS] [SOURCE DEST]",
    )
    p.add_argument("source", nargs="?", help="folder or zip, one subfolder for each class")
    p.add_argument("dest", nargs="?", help="folder to write")
    p.add_argument("--resolution", type=positive, default=64, help="pixels along each side (default: 64)")
    p.add_argument("--data", default="digits", help="without SOURCE: the data set to load (default: digits)")
    p.add_argument("--data-folder", default="data", help="where data sets lie and downloads go (default: data)")
    p.set_defaults(run=commands.prepare)


def add_sample(commands_) -> None:
    p = command(commands_, "sample", "make images, guided or not", SAMPLE)
    networks(p)
    p.add_argument("--guidance", choices=KINDS, help="method (default: autoguidance if there is a guide)")
    p.add_argument("--weight", type=float, help="guidance weight, 1 is none (default: 2, or that of --preset)")
    p.add_argument("--seeds", type=integers, default=list(range(80)), metavar="LIST", help="such as 0-79 (the default)")
    p.add_argument(
        "--classes", type=integers, metavar="LIST", help="such as 0-4,7; seed s gets number s mod length (all)"
    )
    p.add_argument("--out", help="folder of the images (default: runs/samples/NAME, named after the settings)")
    p.set_defaults(run=commands.sample)


def add_evaluate(commands_) -> None:
    p = command(commands_, "evaluate", "measure images or networks against the training images", EVALUATE)
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
    p.set_defaults(run=commands.evaluate)


def add_reconstruct(commands_) -> None:
    p = command(
        commands_,
        "reconstruct",
        "average the weights over another width, after training",
        RECONSTRUCT,
        "[OPTIONS] [FOLDER]",
    )
    p.add_argument("folder", nargs="?", default="runs/digits/main", help="training folder (default: runs/digits/main)")
    p.add_argument("--ema", type=float, default=0.15, help="relative width, between 0 and 0.29 (default: 0.15)")
    p.add_argument("--at", type=positive, help="after how many training images (default: the last snapshot)")
    p.add_argument("--out", help="file to write (default: FOLDER/network-EMA.safetensors)")
    p.set_defaults(run=commands.reconstruct)


def add_convert(commands_) -> None:
    p = command(
        commands_, "convert", "published EDM2 pickle to safetensors, without executing it", CONVERT, "[OPTIONS] [FILE]"
    )
    p.add_argument("file", nargs="?", help="published .pkl file")
    p.add_argument("--out", help="file to write (default: the same name with .safetensors)")
    published(p, "img64-s-autoguidance")
    p.set_defaults(run=commands.convert)


def published(p: argparse.ArgumentParser, preset: str | None) -> None:
    p.add_argument(
        "--preset", choices=PRESETS, default=preset, help=f"published networks (default: {preset or 'none'})"
    )
    p.add_argument("--url", default=BASE_URL, help=f"where published files are (default: {BASE_URL})")
    p.add_argument("--weights-folder", default="data/networks", help="where they are kept (default: data/networks)")


def networks(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--main", default="runs/digits/main", help="training folder, .safetensors or .pkl (default: runs/digits/main)"
    )
    p.add_argument("--guide", help="of autoguidance (default: the folder guide beside --main)")
    p.add_argument("--uncond", help="unconditional guide of CFG (default: main without its class)")
    p.add_argument("--ema", type=float, help="EMA width of main, reconstructed if need be (default: the widest stored)")
    p.add_argument("--ema-guide", type=float, help="EMA width of the guide (default: the widest stored)")
    p.add_argument("--alpha", type=float, default=0.5, help="blend: share of autoguidance, 0...1 (default: 0.5)")
    p.add_argument("--interval", type=float, nargs=2, metavar=("LO", "HI"), help="guide only for LO < sigma <= HI")
    p.add_argument("--steps", type=positive, default=32, help="of the sampler; 2 STEPS - 1 evaluations (default: 32)")
    p.add_argument("--batch", type=positive, default=100, help="images at a time (default: 100)")
    p.add_argument(
        "--precision", choices=("float32", "bfloat16", "float16"), help="default: float16 on a GPU, else float32"
    )
    published(p, None)
    machine(p)


def machine(p: argparse.ArgumentParser) -> None:
    p.add_argument("--device", help="cpu or cuda (default: a GPU if there is one)")
    p.add_argument("--compile", action="store_true", help="compile the network: slow start, then faster")
    p.add_argument("--data-folder", default="data", help="where data sets lie and downloads go (default: data)")


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns its exit code: 0 done, 2 wrong input (one line on stderr), 3 stopped by --minutes."""
    args = parser().parse_args(arguments)
    try:
        return args.run(args) or 0
    except torch.cuda.OutOfMemoryError:
        message = "out of GPU memory: take a smaller --batch (sampling) or --micro-batch (training)"
    except (ValueError, OSError, ImportError, RefusedPickle) as error:
        message = " ".join(str(error).split())
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    finally:
        distributed.leave()
    print(f"python -m edm: error: {message}", file=sys.stderr)
    return 2
