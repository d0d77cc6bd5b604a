"""`python -m edm convert`: published networks to safetensors, without executing anything in their files."""

import argparse

from tqdm import tqdm

from edm import official
from edm.cli.networks import add_published
from edm.cli.options import add_command, out_file

TEXT = """\
Read a published network without executing anything in the file, and write it as safetensors. Without FILE: the networks
of --preset, downloaded if they are not there. NVIDIA licenses those weights CC BY-NC-SA 4.0: not for commercial use.

examples:
  python -m edm convert                                     both networks of img64-s-autoguidance
  python -m edm convert edm2-img64-s-1073741-0.045.pkl --out main.safetensors"""


def add(commands: argparse._SubParsersAction) -> None:
    p = add_command(
        commands, "convert", "published EDM2 pickle to safetensors, without executing it", TEXT, "[OPTIONS] [FILE]"
    )
    p.add_argument("file", nargs="?", help="published .pkl file")
    p.add_argument("--out", help="file to write (default: the same name with .safetensors)")
    add_published(p, "img64-s-autoguidance")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    names = [args.file] if args.file else [name for name in official.PRESETS[args.preset][:2] if name]
    if args.out and len(names) > 1:
        raise ValueError(
            f"--out {args.out} is one file, but --preset {args.preset} has {len(names)} networks: leave it out"
        )
    if args.out:
        out_file(args.out)
    for name in names:
        path = official.fetch(name, args.weights_folder, args.url)
        out = out_file(args.out or path.with_suffix(".safetensors"))
        official.convert(path, out)
        tqdm.write(f"{out}: converted from {path}")
