"""Files in the layout of the published pickles, made here: a miniature network, and hostile files that are to be refused.

For teaching and tests without the real files. The layout is that of `edm.official`: objects that carry the source text of
their class, which the programs they were published with execute when they read them.
"""

import contextlib
import io
import pickle
import pickletools
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from edm import models, official
from edm.generate import generate
from edm.network import EDM2Denoiser
from edm.sampler import sigma_steps

FOLDERS = ("data/networks", "../data/networks")  # from the repository root, and from notebooks/
SOURCE = "class {name}:  # here the published files hold the source of their modules, thousands of lines\n    ...\n"


def miniature(path: str | Path, source: str = SOURCE) -> EDM2Denoiser:
    """Write a small image network of random weights as a published file; returns what was written, in float16.

    source: the text that stands in the file for each class.
    """
    kwargs = dict(img_resolution=8, img_channels=3, label_dim=10, model_channels=32, channel_mult=[1, 2], num_blocks=1)
    kwargs |= dict(attn_resolutions=[4])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        denoiser = EDM2Denoiser(**kwargs).half()
    with torch.no_grad():
        denoiser.unet.out_gain.fill_(1)
    with _published_modules() as (EasyDict, _):
        root = EasyDict(
            dataset_kwargs=EasyDict(path="images.zip"), loss_fn=_Persistent("EDM2Loss", {"P_mean": -0.8}, source)
        )
        root["ema"] = _persistent(denoiser, "Precond", source, **kwargs, use_fp16=True)
        Path(path).write_bytes(pickle.dumps(root, 4))
    return denoiser


class _Persistent:
    """An object that carries its source text; the name of the function that makes it again is in the file, not its code."""

    def __init__(self, class_name: str, state: dict, source: str):
        text = source.replace("{name}", class_name)
        self.meta = dict(type="class", version=6, module_src=text, class_name=class_name, state=state)

    def __reduce__(self):
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (self.meta,)


def _persistent(module: nn.Module, class_name: str, source: str, **kwargs):
    """A module of ours and its children in that layout."""
    children = {
        name: None if child is None else _persistent(child, type(child).__name__, source)
        for name, child in module._modules.items()
    }
    if isinstance(module, nn.ModuleDict):
        container = nn.ModuleDict()
        container._modules = children
        return container
    state = dict(_parameters=dict(module._parameters), _buffers=dict(module._buffers), _modules=children)
    return _Persistent(class_name, state | {"_init_args": (), "_init_kwargs": kwargs, "training": False}, source)


@contextlib.contextmanager
def _published_modules() -> Iterator[tuple[type, object]]:
    """Stand-ins under the names that published files ask for: pickle writes a name only if it can be imported."""

    def _reconstruct_persistent_obj(meta):  # as the published programs: the text in the file becomes a module
        exec(meta["module_src"], {})  # noqa: S102
        return meta

    easy = type("EasyDict", (dict,), {"__module__": "dnnlib.util"})
    made = {"torch_utils": {}, "torch_utils.persistence": {"_reconstruct_persistent_obj": _reconstruct_persistent_obj}}
    made |= {"dnnlib": {}, "dnnlib.util": {"EasyDict": easy}}
    _reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    before = {name: sys.modules.get(name) for name in made}
    for name, content in made.items():
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__dict__.update(content)
    try:
        yield easy, _reconstruct_persistent_obj
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


class _Call:
    """Pickles as the instruction to call a function."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


def hostile(folder: str | Path) -> dict[str, tuple[Path, Path]]:
    """Three files, each with the marker (an empty file) that it is meant to leave behind in `folder`: (file, marker).

    "call": asks Python to make the marker. "nested": the same inside the bytes of a tensor, where an inspection of the
    outer file sees only data. "source": a sound miniature network whose source text makes the marker when executed.
    """
    folder = Path(folder).absolute()
    files = {kind: (folder / f"{kind}.pkl", folder / f"{kind}-was-here") for kind in ("call", "nested", "source")}
    path, marker = files["call"]
    path.write_bytes(pickle.dumps({"ema": _Call(io.open, str(marker), "w")}, 4))
    path, marker = files["nested"]
    inner = pickle.dumps(_Call(io.open, str(marker), "w"), 2)
    path.write_bytes(pickle.dumps({"ema": _Call(torch.storage._load_from_bytes, inner)}, 4))
    path, marker = files["source"]
    miniature(path, f"open({str(marker)!r}, 'w')\n" + SOURCE)
    return files


def read_by_python(path: str | Path) -> None:
    """Let Python's own machine run a file that `hostile` or `miniature` made, as the published programs would. No other file!"""
    with _published_modules(), contextlib.suppress(Exception):  # what was run has run, whatever came after
        pickle.loads(Path(path).read_bytes())


def instructions(path: str | Path) -> list[str]:
    """The instructions of a pickle in words, from the standard library's disassembler, which runs none of them."""
    text = io.StringIO()
    pickletools.dis(Path(path).read_bytes(), text)
    return [line for line in text.getvalue().splitlines() if line[:1] == " "]


def asked_for(path: str | Path) -> list[str]:
    """Names of functions and classes that a pickle of protocol 4 asks for, in order, each once."""
    words, memo, names = [""], [], {}  # words: what text was pushed last
    for opcode, arg, _ in pickletools.genops(Path(path).read_bytes()):
        if opcode.name == "MEMOIZE":
            memo.append(words[-1])
        elif opcode.name in ("BINGET", "LONG_BINGET"):
            words.append(memo[arg])
        elif isinstance(arg, str):
            words.append(arg)
        elif opcode.name == "STACK_GLOBAL":
            names[".".join(words[-2:])] = None
    return list(names)


def found(preset: str, folders=FOLDERS) -> list[Path] | None:
    """The files of a preset of `edm.official`, main model first, if all of them lie in one of the folders."""
    names = [name for name in official.PRESETS[preset][:2] if name]
    for folder in folders:
        if all(Path(folder, name).is_file() for name in names):
            return [Path(folder, name) for name in names]
    return None


def panels(files: list[Path], weights, seeds, *, classes=None, steps: int = 32, device="cuda", batch: int = 16) -> dict:
    """Images of main model and guide from the same noise at several guidance weights: title -> uint8 [n, C, H, W]."""
    networks = models.load(*files, device=device)
    options = dict(sigmas=sigma_steps(steps), device=device, batch=batch)
    out = {}
    for w in weights:
        denoiser = networks.guided("none" if w == 1 else "autoguidance", w)
        made = generate(denoiser, seeds, networks.shape, networks.classes(classes), **options)
        out[f"w = {w:g}"] = torch.cat([part.images for part in made])
    return out
