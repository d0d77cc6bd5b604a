"""Tiny random networks of diffusers: a step of ours must be the library's own, for each kind of prediction."""

import pytest
import torch

from edm.guidance import guide
from edm.interop import PREDICTIONS, DiffusersDenoiser, from_diffusers
from edm.sampler import heun_steps, sample, sigma_steps

diffusers = pytest.importorskip(
    "diffusers", reason="diffusers is not installed: pip install 'diffusion-guidance[diffusers]'"
)


def network(seed=0, classes=None, channels_out=3):
    torch.manual_seed(seed)
    unet = diffusers.UNet2DModel(
        sample_size=8, in_channels=3, out_channels=channels_out, layers_per_block=1, block_out_channels=(8, 16),
        norm_num_groups=4, down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"),
        num_class_embeds=classes,
    )  # fmt: skip
    return unet.eval().requires_grad_(False)


def ddim(prediction="epsilon", **options):
    scheduler = diffusers.DDIMScheduler(prediction_type=prediction, clip_sample=False, **options)
    scheduler.set_timesteps(10)
    return scheduler


def images(n=2, seed=1):
    return torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


def euler(denoiser, x, sigma, sigma_next, labels=None):
    return x + (sigma_next / sigma - 1) * (x - denoiser(x, sigma, labels))


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("schedule", ["linear", "squaredcos_cap_v2"])
def test_a_step_is_that_of_ddim(prediction, schedule):
    """DDIM moves z; x = z (1 + sigma^2)^(1/2) moves by Euler's method."""
    unet, scheduler = network(), ddim(prediction, beta_schedule=schedule)
    denoiser, z = from_diffusers(unet, scheduler), images()
    for t, t_next in ((900, 800), (500, 400), (100, 0)):
        signal, signal_next = scheduler.alphas_cumprod[t], scheduler.alphas_cumprod[t_next]
        sigma, sigma_next = (((1 - a) / a).sqrt().item() for a in (signal, signal_next))
        theirs = scheduler.step(unet(z, t).sample, t, z).prev_sample
        ours = euler(denoiser, z / signal.sqrt(), sigma, sigma_next) * signal_next.sqrt()
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * theirs.abs().max().item())


def test_a_step_is_that_of_euler():
    """The library's Euler sampler keeps x itself, as we do; its levels lie between whole times."""
    unet, scheduler = network(), diffusers.EulerDiscreteScheduler(timestep_spacing="linspace")
    scheduler.set_timesteps(7)
    denoiser, x = from_diffusers(unet, scheduler), images() * scheduler.sigmas[0]
    for i, t in enumerate(scheduler.timesteps[:-1]):
        z = scheduler.scale_model_input(x, t)
        theirs = scheduler.step(unet(z, t).sample, t, x).prev_sample
        ours = euler(denoiser, x, scheduler.sigmas[i].item(), scheduler.sigmas[i + 1].item())
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3 * theirs.abs().max().item())
        x = theirs


def test_autoguidance_by_two_networks_is_one_line():
    """In the library's terms: epsilon of the guide plus w times the difference."""
    main, weak, scheduler, w = network(0), network(1), ddim(), 2.5
    z, t = images(), 500
    signal = scheduler.alphas_cumprod[t]
    epsilon = weak(z, t).sample + w * (main(z, t).sample - weak(z, t).sample)
    sigma = ((1 - signal) / signal).sqrt().item()
    x = z / signal.sqrt()
    guided = guide(from_diffusers(main, scheduler), from_diffusers(weak, scheduler), w)
    torch.testing.assert_close(guided(x, sigma), x - sigma * epsilon, rtol=1e-4, atol=1e-3)


def test_it_samples():
    denoiser = from_diffusers(network(), ddim())
    sigmas = sigma_steps(4, denoiser.sigma_min, denoiser.sigma_max)
    x = sample(denoiser, denoiser.sigma_max * images(), sigmas)
    assert x.shape == (2, 3, 8, 8) and x.isfinite().all()
    one = sample(denoiser, denoiser.sigma_max * images()[:1], sigmas)
    torch.testing.assert_close(x[:1], one, rtol=1e-3, atol=1e-3)
    assert len(list(heun_steps(denoiser, denoiser.sigma_max * images(), sigmas.float()))) == 5


def test_times_and_levels():
    scheduler = ddim()
    denoiser, signal = from_diffusers(network(), scheduler), scheduler.alphas_cumprod.double()
    levels = ((1 - signal) / signal).sqrt()
    torch.testing.assert_close(denoiser.time(levels), torch.arange(1000, dtype=torch.float64), rtol=0, atol=1e-6)
    assert denoiser.time((levels[3] * levels[4]).sqrt()).item() == pytest.approx(3.5)
    assert denoiser.sigma_min == pytest.approx(levels[0].item()) and denoiser.sigma_max == pytest.approx(
        levels[-1].item()
    )
    x, mixed = images(), levels[[10, 700]]
    rows = [denoiser(x[i : i + 1], mixed[i].item()) for i in range(2)]
    torch.testing.assert_close(denoiser(x, mixed), torch.cat(rows), rtol=1e-4, atol=1e-4 * mixed[1].item())


@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_levels_outside_the_schedule(factor):
    denoiser = from_diffusers(network(), ddim())
    sigma = factor * (denoiser.sigma_min if factor < 1 else denoiser.sigma_max)
    with pytest.raises(ValueError, match="the schedule covers noise levels"):
        denoiser(images(), sigma)


def test_a_schedule_that_ends_in_pure_noise():
    """Its last whole time is infinite noise; the range ends at the one before."""
    scheduler = ddim(rescale_betas_zero_snr=True)
    assert scheduler.alphas_cumprod[-1] == 0
    assert from_diffusers(network(), scheduler).sigma_max < float("inf")


def test_labels():
    unet, scheduler = network(classes=4), ddim()
    denoiser, x = from_diffusers(unet, scheduler), images()
    numbers, rows = torch.tensor([1, 3]), torch.eye(4)[[1, 3]]
    torch.testing.assert_close(denoiser(x, 1.0, numbers), denoiser(x, 1.0, rows))
    assert not torch.allclose(denoiser(x, 1.0, numbers), denoiser(x, 1.0, numbers.flip(0)))
    own = from_diffusers(unet, scheduler, condition=lambda labels: {"class_labels": torch.tensor([1, 3])})
    torch.testing.assert_close(own(x, 1.0), denoiser(x, 1.0, numbers))


def test_learned_variances_are_left_out():
    assert from_diffusers(network(channels_out=6), ddim())(images(), 1.0).shape == (2, 3, 8, 8)


def test_what_is_no_schedule():
    with pytest.raises(ValueError, match="alphas_cumprod"):
        from_diffusers(network(), diffusers.FlowMatchEulerDiscreteScheduler())
    with pytest.raises(ValueError, match="prediction"):
        from_diffusers(network(), ddim(), prediction="x0")
    with pytest.raises(ValueError, match="falling"):
        DiffusersDenoiser(network(), torch.tensor([0.1, 0.9]), "epsilon", lambda labels: {})
