"""Denoisers made worse on purpose [AG, section 4]: pure functions from a denoiser to a denoiser.

The paper corrupts a main model and, in the same way but more, its guide. If guidance then gives back the uncorrupted result,
it removes errors that two models share in kind.
"""

import math

from torch import Tensor

from edm.denoiser import Denoiser, expand_sigma
from edm.sampler import Generators, randn

MAIN_FACTOR, GUIDE_FACTOR = 1.1, 1.2  # the paper's: noise level raised by 10 % for the main model, 20 % for the guide


def raise_noise(denoiser: Denoiser, factor: float, generator: Generators = None) -> Denoiser:
    """Input noise raised by `factor` >= 1, and sigma told so: D'(x; sigma) = D(x + sqrt(f^2 - 1) sigma n; f sigma).

    n is unit normal noise, new in every call, from `generator` (or a list of one for each row of x, so that a row does not
    depend on its batch-mates). A factor of 1 is the denoiser itself. If x is data at noise level sigma, what D gets is data at
    level f sigma, honestly labelled: D makes no error of its own, it has only been robbed of information. The answer still
    is one to a wrong question: what reaches the sampler is noisy, and in the mean too smooth. Raises ValueError for a factor
    below 1 or not finite.
    """
    if not 1 <= factor < math.inf:
        raise ValueError(f"the noise level can be raised only, by a finite factor >= 1, got {factor}")
    if factor == 1:
        return denoiser

    def noisier(x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        noise = randn(x.shape[0], x.shape[1:], generator, dtype=x.dtype, device=x.device)
        added = math.sqrt(factor**2 - 1) * expand_sigma(sigma, x) * noise
        return denoiser(x + added, factor * sigma, labels)

    return noisier


def cancelling_weight(main_error: float, guide_error: float) -> float:
    """Guidance weight at which an error e_1 h of the main model and e_0 h of the guide cancel: w - 1 = e_1 / (e_0 - e_1).

    For the input noise of a Gaussian model e = f^2 - 1 at low noise levels and 1 - 1 / f^2 at high ones; for dropout, to first
    order, e is the rate. Raises ValueError unless the guide errs more, in the same direction.
    """
    if not 0 <= main_error < guide_error:
        raise ValueError(f"need 0 <= main_error < guide_error, got {main_error} and {guide_error}")
    return 1 + main_error / (guide_error - main_error)
