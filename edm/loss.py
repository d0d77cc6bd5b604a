"""The EDM2 training loss: denoising error weighted by an uncertainty that the network learns for each noise level."""

from torch import Tensor

from edm.denoiser import expand_sigma
from edm.network import EDM2Denoiser


def edm2_loss(
    denoiser: EDM2Denoiser, images: Tensor, sigma: float | Tensor, noise: Tensor, labels: Tensor | None = None
) -> Tensor:
    """lambda(sigma)/e^u * (D(y + sigma n; sigma) - y)^2 + u with learned u(sigma) [EDM2, eq. 21]: [N, C, H, W].

    images y and unit-normal noise n: [N, C, H, W]; sigma: one number or [N]; labels as the denoiser takes them.
    lambda = (sigma^2 + sd^2) / (sigma sd)^2 makes the initial loss equal at every noise level [EDM, eq. 144].

    For the backward pass, sum over pixels and average over the batch: with half precision a mean over pixels makes
    gradients so small that they underflow, and the model silently learns nothing. Raises ValueError for a noise level
    that is not positive (unless it lives on an accelerator) or noise that is not of the images' shape.
    """
    if noise.shape != images.shape:
        raise ValueError(f"noise must have the shape of images, {list(images.shape)}, got {list(noise.shape)}")
    s = expand_sigma(sigma, images)
    if s.device.type == "cpu" and not (s > 0).all():
        raise ValueError(f"sigma must be positive, got {sigma}")
    weight = (s**2 + denoiser.sigma_data**2) / (s * denoiser.sigma_data) ** 2
    log_variance = denoiser.log_variance(s)  # [N, 1, 1, 1]
    error = denoiser(images + s * noise, sigma, labels) - images
    return weight / log_variance.exp() * error**2 + log_variance
