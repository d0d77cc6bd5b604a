"""What docs/names.md says of diffusers, checked by running it."""

import pytest
import torch

from edm.adaptive import inner, project
from edm.guidance import guide

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'diffusion-guidance[diffusers]'")
guiders = pytest.importorskip("diffusers.guiders", reason="this version of diffusers has no guiders")

W, SIGMA = 2.5, 0.7
X, MAIN, WEAK = torch.randn(3, 2, 3, 4, 4, generator=torch.Generator().manual_seed(0))


def predicted(guider):
    guider.set_state(step=5, num_inference_steps=10, timestep=torch.tensor(500))
    out = guider.forward(MAIN, WEAK)
    return getattr(out, "pred", out)


@pytest.mark.parametrize("to_ours", ["denoised", "noise"])
def test_scales_of_cfg(to_ours):
    """s of the default is our w, s of the original formulation is w - 1, whatever the network predicts."""
    theirs = predicted(guiders.ClassifierFreeGuidance(guidance_scale=W))
    original = predicted(guiders.ClassifierFreeGuidance(guidance_scale=W - 1, use_original_formulation=True))
    torch.testing.assert_close(original, theirs, rtol=1e-5, atol=1e-5)

    def denoise(out):
        return out if to_ours == "denoised" else X - SIGMA * out

    ours = guide(lambda x, s, l: denoise(MAIN), lambda x, s, l: denoise(WEAK), W)(X, SIGMA)
    torch.testing.assert_close(denoise(theirs), ours, rtol=1e-4, atol=1e-5)


def test_autoguidance_has_the_same_scale():
    theirs = predicted(guiders.AutoGuidance(guidance_scale=W, auto_guidance_layers=[1], dropout=0.1))
    torch.testing.assert_close(theirs, WEAK + W * (MAIN - WEAK))


def test_apg_adds_to_another_prediction():
    options = dict(eta=0.3, adaptive_projected_guidance_rescale=2.0)
    step = project(MAIN - WEAK, MAIN, 0.3, 2.0)
    torch.testing.assert_close(
        predicted(guiders.AdaptiveProjectedGuidance(guidance_scale=W, **options)), WEAK + W * step
    )
    original = guiders.AdaptiveProjectedGuidance(guidance_scale=W - 1, use_original_formulation=True, **options)
    torch.testing.assert_close(predicted(original), MAIN + (W - 1) * step)


def test_cfg_zero_star():
    scale = inner(MAIN, WEAK) / inner(WEAK, WEAK)
    theirs = predicted(guiders.ClassifierFreeZeroStarGuidance(guidance_scale=W))
    torch.testing.assert_close(theirs, scale * WEAK + W * (MAIN - scale * WEAK))
