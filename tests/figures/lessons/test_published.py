"""Files made in the layout of the published ones, hostile files, and what networks cost: by count and by formula."""

import sys

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from edm import official
from edm.network import PRESETS, EDM2Denoiser
from figures.lessons import cost, published


def test_miniature_is_read_as_it_was_written_and_leaves_no_modules(tmp_path):
    made = published.miniature(tmp_path / "net.pkl")
    found = official.read(tmp_path / "net.pkl")
    assert found.class_name == "Precond" and found.kwargs["use_fp16"] is True
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in made.state_dict().items())
    assert not {"dnnlib", "torch_utils", "torch_utils.persistence"} & sys.modules.keys()
    asked = published.asked_for(tmp_path / "net.pkl")
    assert "torch_utils.persistence._reconstruct_persistent_obj" in asked and "torch.storage._load_from_bytes" in asked


def test_hostile_files_act_when_python_reads_them_and_not_when_we_do(tmp_path):
    for kind, (path, marker) in published.hostile(tmp_path).items():
        if kind == "source":
            assert isinstance(official.load(path), EDM2Denoiser)
        else:
            with pytest.raises(official.RefusedPickle, match="io.open"):
                official.load(path)
        assert not marker.exists()
        published.read_by_python(path)
        assert marker.exists(), "the control: the file is hostile"


def test_panels_are_paired_and_files_are_found(tmp_path):
    main, guide = official.PRESETS["img64-s-autoguidance"][:2]
    assert published.found("img64-s-autoguidance", [tmp_path]) is None
    for name in (main, guide):
        published.miniature(tmp_path / name)
    files = published.found("img64-s-autoguidance", ["nowhere", tmp_path])
    panels = published.panels(files, (1.0, 1.7), [3, 4], classes=[0, 1], steps=2, device="cpu")
    assert list(panels) == ["w = 1", "w = 1.7"] and panels["w = 1"].shape == (2, 3, 8, 8)
    assert torch.equal(panels["w = 1"], panels["w = 1.7"])  # main model and guide are the same network here


def test_counts_agree_with_formulas():
    net = cost.network("img64-xs")
    with torch.device("meta"):
        assert net.parameters == sum(p.numel() for p in EDM2Denoiser(**PRESETS["img64-xs"]).parameters())
    c, size = 128, 64 * 64
    first = 2 * size * 9 * 4 * c  # the first convolution: 3 + 1 channels to c
    block = 2 * size * 2 * 9 * c * c  # a residual block of the encoder at full size: two convolutions
    decoder = sum(2 * size * (9 * n * c + 9 * c * c + n * c) for n in (2 * c + c, 2 * c, 2 * c, 2 * c))
    up = 2 * size * (2 * 9 * (2 * c) ** 2)
    embedding = 2 * 4 * c * (3 * c + 4 * c + 2 * c)
    assert net.by_resolution[64] == first + 3 * block + decoder + up + embedding
    assert 0.999 < sum(net.by_resolution.values()) / net.flops < 1
    assert net.held_bytes == 2 * (
        4 * c * 64**2 + (c + 3 * 2 * c) * 32**2 + (2 + 3 * 3) * c * 16**2 + (3 + 3 * 4) * c * 8**2
    )
    assert cost.sampling_flops(net, None, 10) == 10 * 63 * net.flops
    assert cost.gpu_hours(3.6e18, 100) == pytest.approx(10) and cost.hours_text(0.01) == "36 s"


def test_a_training_step_is_three_forward_passes():
    denoiser = EDM2Denoiser(**PRESETS["digits"])
    x = torch.randn(2, 1, 8, 8)
    with FlopCounterMode(display=False) as forward:
        out = denoiser(x, 1.0)
    with FlopCounterMode(display=False) as backward:
        out.square().sum().backward()
    # all but the first convolution, whose input needs no gradient
    assert 2.9 < (forward.get_total_flops() + backward.get_total_flops()) / forward.get_total_flops() <= cost.PASSES
