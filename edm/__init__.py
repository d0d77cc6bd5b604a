"""The method, for tensors of any shape, and for images: denoisers, guidance, sampling, averages of weights, training.

`edm.guidance.guide` is the idea of the project in one line. The names here are those that a few lines of one's own need.
"""

from importlib.metadata import PackageNotFoundError, version

from edm.denoiser import Denoiser
from edm.ema import PowerEMA
from edm.guidance import blend_weights, guide, guide_several, truncate, unconditional
from edm.sampler import Churn, heun_steps, sample, sigma_steps

try:
    __version__ = version("diffusion-guidance")
except PackageNotFoundError:  # the source tree on the path, not installed
    __version__ = "0+unknown"

__all__ = [
    "Churn",
    "Denoiser",
    "PowerEMA",
    "__version__",
    "blend_weights",
    "guide",
    "guide_several",
    "heun_steps",
    "sample",
    "sigma_steps",
    "truncate",
    "unconditional",
]
