"""Bad input to the three command lines: exit code 2, one line that names what is wrong, and nothing left behind."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch

from edm import cli as edm
from edm import network
from edm.cli.options import Parser
from edm.storage.png import png
from figures import __main__ as figures
from toy2d import __main__ as toy2d

PROGRAMS = {"edm": edm, "toy2d": toy2d, "figures": figures}
BAD = [  # a command, and what the line must name: the value, and a word of the remedy
    ("edm paint", "'paint'", "choose from"),
    ("edm sample --colour red", "--colour", "--help"),
    ("edm sample --weight x", "'x'", "such as 1.5"),
    ("edm sample --weight nan", "'nan'", "such as 1.5"),
    ("edm sample --weight 3 --guidance none", "--weight 3", "--guide"),
    ("edm sample --weight 3 --main alone.safetensors", "--weight 3", "--guide"),
    ("edm sample --guidance magic", "'magic'", "choose from"),
    ("edm sample --guidance blend --main alone.safetensors", "blend", "--guide"),
    ("edm sample --guidance cfg --main unlabelled.safetensors", "cfg", "--uncond"),
    ("edm sample --guidance none --interval 0.2 3", "--interval", "leave it out"),
    ("edm sample --interval 3 0.2", "3 0.2", "first"),
    ("edm sample --interval 1", "--interval", "2 arguments"),
    ("edm sample --alpha 0.3", "--alpha 0.3", "blend"),
    ("edm sample --alpha 2 --guidance blend", "'2'", "between 0 and 1"),
    ("edm sample --seeds 9-1", "'9-1'", "0-63"),
    ("edm sample --seeds ²", "'²'", "0-63"),
    ("edm sample --classes 10", "class 10", "0 to 9"),
    ("edm sample --steps 0", "'0'", "above 0"),
    ("edm sample --batch -1", "'-1'", "above 0"),
    ("edm sample --precision int8", "'int8'", "choose from"),
    ("edm sample --device cuda", "'cuda'", "--device cpu"),
    ("edm sample --device cuda:9", "'cuda:9'", "--device cpu"),
    ("edm sample --device toaster", "'toaster'", "--device cpu"),
    ("edm sample --main nowhere", "nowhere", "edm train"),
    ("edm sample --main a.pkl", "a.pkl", ""),
    ("edm sample --ema 0.5 --main run", "0.5", "(0, 0.29)"),
    ("edm sample --main shipped:imagenet", "'imagenet'", "fashion-16"),
    ("edm sample --main shipped:digits --guide shipped:fashion-16", "(1, 16, 16)", "same kind"),
    ("edm sample --main broken.safetensors", "broken.safetensors", "damaged"),
    ("edm sample --main shipped:digits --preset img64-s", "shipped:digits", "leave out"),
    ("edm sample --main shipped:digits --ema 0.1", "digits-main.safetensors", "training folder"),
    ("edm sample --out file.txt", "file.txt", "another folder with --out"),
    ("edm sample --out file.txt/deeper", "file.txt", "another folder with --out"),
    ("edm sample --preset img64-s --url ftp://nowhere", "ftp://nowhere", "https://"),
    ("edm evaluate --images empty", "empty", "edm sample"),
    ("edm evaluate --images images", "images", "--data"),
    ("edm evaluate --images images --weights 2", "--weights", "leave out"),
    ("edm evaluate --count 5", "--count 5", "6 or more"),
    ("edm evaluate --weights 1 inf", "'inf'", "such as 1.5"),
    ("edm evaluate --main shipped:digits --features taste", "'taste'", "inception"),
    ("edm evaluate --main shipped:digits --data nothing", "'nothing'", "choose from"),
    ("edm evaluate --main shipped:digits --out empty", "empty", "--out"),
    ("edm evaluate --main shipped:digits --reference broken.safetensors", "broken.safetensors", "damaged"),
    ("edm train --preset mnist", "'mnist'", "choose from"),
    ("edm train --data nothing", "'nothing'", "choose from"),
    ("edm train --batch 100 --micro-batch 7", "100", "--micro-batch"),
    ("edm train --lr nan", "'nan'", "such as"),
    ("edm train --lr 0", "'0'", "above 0"),
    ("edm train --label-dropout 2", "'2'", "between 0 and 1"),
    ("edm train --images many", "'many'", "above 0"),
    ("edm train --minutes -1", "'-1'", "0 or more"),
    ("edm train --seed -3", "'-3'", "0 or above"),
    ("edm train --out file.txt", "file.txt", "--out"),
    ("edm reconstruct nowhere", "nowhere", "train first"),
    ("edm reconstruct empty --ema wide", "'wide'", "such as"),
    ("edm convert missing/network.pkl", "missing/network.pkl", "no file"),
    ("edm convert evil.pkl", "evil.pkl", "system"),
    ("edm convert --out one.safetensors", "one.safetensors", "leave it out"),
    ("edm prepare file.txt", "file.txt", "data/NAME"),
    ("edm prepare nowhere out", "nowhere", ""),
    ("edm prepare empty out", "empty", "images"),
    ("edm prepare --data mnist", "'mnist'", "choose from"),
    ("toy2d", "COMMAND", "--help"),
    ("toy2d train --classes Z", "'Z'", "choose from"),
    ("toy2d train --iterations 0", "'0'", "above 0"),
    ("toy2d train --device cuda", "'cuda'", "--device cpu"),
    ("toy2d train --seeds 3", "--seeds", "leave it out"),
    ("toy2d train --all --hidden 8", "--hidden", "leave it out"),
    ("toy2d train --out empty", "empty", "--out"),
    ("toy2d sample --w 3", "--w", "--help"),
    ("toy2d sample --weight 3", "--weight", "--guide"),
    ("toy2d sample --guide guide --weight inf", "'inf'", "such as"),
    ("toy2d sample --guide guide --interval 3 1", "3 1", "first"),
    ("toy2d sample --guide guide --truncate 1.4", "--truncate 1.4", "leave out"),
    ("toy2d sample --main nothing", "'nothing'", "choose one of"),
    ("toy2d sample --main broken.safetensors", "broken.safetensors", "train or fetch it again"),
    ("toy2d sample --main nowhere.safetensors", "nowhere.safetensors", ""),
    ("toy2d sample --seed 77", "77", "--seeds 77"),
    ("toy2d sample -n 0", "'0'", "above 0"),
    ("toy2d sample -n 8 --noise-seed 5000", "5000", "4096"),
    ("toy2d sample -n 8 --out file.txt/points.npz", "file.txt", "--out"),
    ("toy2d evaluate nowhere.npz", "nowhere.npz", "toy2d sample"),
    ("toy2d evaluate damaged.npz", "damaged.npz", "toy2d sample"),
    ("toy2d evaluate file.txt", "file.txt", "toy2d sample"),
    ("toy2d evaluate other.npz", "other.npz", "toy2d sample"),
    ("toy2d evaluate words.npz", "words.npz", "toy2d sample"),
    ("toy2d evaluate flat.npz", "[9]", "[N, 2]"),
    ("toy2d evaluate far.npz", "0 of 9", "3.0"),
    ("figures", "NAME", "--help"),
    ("figures fig6", "'fig6'", "choose from"),
    ("figures fig1 --w 2", "--w", "--help"),
    ("figures fig1 --weight inf", "'inf'", "such as"),
    ("figures fig1 --seed 77 --out new", "77", "--seeds 77"),
    ("figures fig1 --seed -1", "'-1'", "0 or above"),
    ("figures fig1 --redraw --out new", "new", "without --redraw"),
    ("figures fig1 --out file.txt", "file.txt", "--out"),
    ("figures networks --data mnist", "'mnist'", "choose from"),
    ("figures networks --minutes -3", "'-3'", "0 or more"),
    ("figures fig1 --models nowhere", "nowhere", "iter4096.pkl"),
    ("figures seeds --models nowhere", "--models", "fig1"),
    ("figures seeds --adopt nowhere", "nowhere", "rows.jsonl"),
    ("figures seeds --seed 3", "--seed", "fig1"),
    ("figures fig1 --adopt file.txt", "--adopt", "seeds"),
    ("figures seeds --workers -1", "'-1'", "0 or above"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with files of many kinds, hardly any of them what it should be."""
    out = tmp_path_factory.mktemp("bad")
    for name in ("empty", "images/0003"):
        (out / name).mkdir(parents=True)
    (out / "file.txt").write_text("words")
    (out / "evil.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    (out / "broken.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}")
    (out / "images/0003/000001.png").write_bytes(png(torch.zeros(1, 8, 8, dtype=torch.uint8)))
    for name, classes in (("alone", 10), ("unlabelled", 0)):
        small = dict(model_channels=8, channel_mult=(1, 8), num_blocks=1, attn_resolutions=())
        network.save(out / f"{name}.safetensors", network.EDM2Denoiser(8, 1, classes, **small))
    network.save(out / "run/snapshot-0000000064-0.050.safetensors", network.EDM2Denoiser(8, 1, classes, **small))
    np.savez(out / "points.npz", samples=np.zeros((9, 2)))
    (out / "damaged.npz").write_bytes((out / "points.npz").read_bytes()[:-40])
    np.savez(out / "other.npz", points=np.zeros((9, 2)))
    np.savez(out / "words.npz", samples=np.array(["a", "b"]))
    np.savez(out / "flat.npz", samples=np.zeros(9))
    np.savez(out / "far.npz", samples=np.full((9, 2), 100.0))
    return out


def contents(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


@pytest.mark.parametrize("command, value, remedy", BAD, ids=[command for command, _, _ in BAD])
def test_bad_input_is_one_line_and_leaves_nothing_behind(command, value, remedy, folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    before, (program, *words) = contents(folder), command.split()
    try:
        code = PROGRAMS[program].main(words)
    except SystemExit as stopped:
        code = stopped.code
    out, err = capsys.readouterr()
    assert code == 2, err
    assert re.fullmatch(
        rf"python -m {program}( [a-z]+)?: error: .+; see `python -m {program}( [a-z]+)? --help`\n", err
    ), err
    assert value in err and remedy in err, err
    assert contents(folder) == before and out == ""


def test_there_are_enough_of_them():
    assert len({command for command, _, _ in BAD}) == len(BAD) >= 50
    assert {command.split()[0] for command, _, _ in BAD} == PROGRAMS.keys()


COMMANDS = ["edm", "toy2d", "figures"]
COMMANDS += [f"edm {name}" for name in ("train", "prepare", "sample", "evaluate", "reconstruct", "convert")]
COMMANDS += [f"toy2d {name}" for name in ("train", "sample", "evaluate")]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_commands_that_parse(command, capsys):
    program, *words = command.split()
    with pytest.raises(SystemExit) as stopped:
        PROGRAMS[program].main([*words, "--help"])
    shown = capsys.readouterr().out
    assert stopped.value.code == 0 and all(len(line) <= 132 for line in shown.splitlines())
    examples = shown.partition("examples:\n")[2]
    lines = re.findall(r"^  .*?-m (\w+) ?(.*?)(?:  .*|; .*)?$", examples, re.MULTILINE)
    if words or program == "figures":
        assert len(lines) >= 2 and {name for name, _ in lines} == {program}
    for _, line in lines:
        assert isinstance(PROGRAMS[program].parser(), Parser)
        args = PROGRAMS[program].parser().parse_args(shlex.split(line))
        assert not words or args.prog == "python -m " + command


def test_options_reach_the_figure(tmp_path, monkeypatch):
    """The weight under the name that `compute` has for it; folders and files as paths."""
    calls = []
    monkeypatch.setattr(figures, "make", lambda name, out, *flags, **options: calls.append((name, options)))
    assert figures.main(["fig1", "--weight", "2", "--models", "there", "--out", str(tmp_path / "new")]) == 0
    assert figures.main(["seeds", "--adopt", "old.jsonl", "--out", str(tmp_path / "new")]) == 0
    (first, options), (second, others) = calls
    assert (first, options["w"], options["models"]) == ("fig1", 2.0, Path("there"))
    assert (second, others["adopt"]) == ("seeds", Path("old.jsonl"))
