"""The paper's 2D model: a small network that gives an unnormalised log density; its score is the exact gradient of that.

The gradient is written out in closed form, as the backward pass through five linear layers. It is then an ordinary function of
the weights: training needs one backward pass, not a derivative of a derivative.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from edm.denoiser import expand_sigma
from toy2d.chunks import in_chunks
from toy2d.fractal import SIGMA_DATA

CHUNK = 2048  # rows at a time, so that the layers' outputs stay in the processor's cache
EPS = 1e-4
SILU_GAIN = 1 / 0.596  # silu of a unit normal has root mean square 0.596 [EDM2, eq. 81]


def normalize_rows(w: Tensor) -> Tensor:
    """w / (eps + |w| / sqrt(n)), row by row with n = fan-in: rows of norm sqrt(n) [EDM2, eq. 66]."""
    norm = w.norm(dim=1, keepdim=True) / math.sqrt(w.shape[1])
    return w / (EPS + norm)


class MPLinear(nn.Module):
    """Magnitude-preserving linear layer without bias [EDM2, eq. 47]."""

    def __init__(self, n_in: int, n_out: int, generator: torch.Generator | None = None):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in, generator=generator))

    def matrix(self) -> Tensor:  # [n_out, n_in]
        """The matrix in use; unit-variance independent inputs give unit-variance outputs."""
        return normalize_rows(self.weight) / math.sqrt(self.weight.shape[1])

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.matrix())


class MPSiLU(nn.Module):
    """silu(x) / 0.596: a unit normal keeps its root mean square [EDM2, eq. 81]."""

    def forward(self, x: Tensor) -> Tensor:
        return SILU_GAIN * x * torch.sigmoid(x)


class LogDensityMLP(nn.Module):
    """log p(x; sigma) = gain mean(y^2) / sigma - |x|^2 / (2 (sigma_data^2 + sigma^2)) + const., y the network's output.

    Input of the network: [x / sqrt(sigma_data^2 + sigma^2), ln(sigma) / 4, 1]. With gain 0, as at the start, this is the
    density of N(0, (sigma_data^2 + sigma^2) I). Calling the model denoises: it is a denoiser (`edm.denoiser`).
    x: [N, 2]; sigma: a number or [N], > 0.
    """

    def __init__(self, hidden: int = 64, layers: int = 4, generator: torch.Generator | None = None):
        super().__init__()
        if hidden < 1 or layers < 1:
            raise ValueError(f"need hidden >= 1 and layers >= 1, got {hidden=}, {layers=}")
        self.hidden = hidden
        self.layers = nn.Sequential(MPLinear(4, hidden, generator))
        for _ in range(layers):
            self.layers.extend([MPSiLU(), MPLinear(hidden, hidden, generator)])
        self.gain = nn.Parameter(torch.zeros([]))

    def log_density(self, x: Tensor, sigma: float | Tensor) -> Tensor:  # [N]
        """Unnormalised log density, in nats."""
        return self._in_chunks(x, sigma)[0]

    def score(self, x: Tensor, sigma: float | Tensor) -> Tensor:  # [N, 2]
        """Gradient of `log_density` in x."""
        return self._in_chunks(x, sigma)[1]

    def forward(self, x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:  # [N, 2]
        """The denoiser x + sigma^2 score(x; sigma)."""
        return x + expand_sigma(sigma, x) ** 2 * self.score(x, sigma)

    @torch.no_grad()
    def normalize_weights(self) -> None:
        """Force the stored rows to norm sqrt(fan-in); training does so before every step [EDM2, section 2.3]."""
        for layer in self.layers[::2]:
            layer.weight.copy_(normalize_rows(layer.weight))

    def matrices(self) -> list[Tensor]:
        """The matrices in use, each layer's after the first with the factor of the activation before it."""
        first, *others = (layer.matrix() for layer in self.layers[::2])
        return [first, *(SILU_GAIN * matrix for matrix in others)]

    def log_density_and_score(
        self, x: Tensor, sigma: Tensor, masks: Sequence[Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Both, for x [N, 2] and sigma [N, 1]; masks as in the function of this name."""
        return log_density_and_score(x, sigma, self.matrices(), self.gain, masks)

    def _in_chunks(self, x: Tensor, sigma: float | Tensor) -> tuple[Tensor, Tensor]:
        matrices = self.matrices()
        chunk = CHUNK if x.device.type == "cpu" else 64 * CHUNK
        return in_chunks(
            lambda x, level: log_density_and_score(x, check_positive(level), matrices, self.gain), x, sigma, chunk
        )


def check_positive(sigma: Tensor) -> Tensor:
    """`sigma` itself. Raises ValueError if a level is 0; levels on an accelerator are not read back."""
    if sigma.device.type == "cpu" and not (sigma > 0).all():
        raise ValueError("the model is defined for sigma > 0 only")
    return sigma


def silu_and_slope(x: Tensor) -> tuple[Tensor, Tensor]:
    """silu(x) = x s with s = sigmoid(x), and its derivative s + silu(x) - s silu(x)."""
    gate = torch.sigmoid(x)
    y = x * gate
    return y, torch.lerp(y, y.new_ones(()), gate)


def log_density_and_score(
    x: Tensor, sigma: Tensor, matrices: Sequence[Tensor], gain: Tensor, masks: Sequence[Tensor] | None = None
) -> tuple[Tensor, Tensor]:  # [N], [N, 2]
    """The formula of `LogDensityMLP`, and its gradient in x: up through the layers, then the same way down.

    x: [N, 2]; sigma: [N, 1]; matrices: as `LogDensityMLP.matrices` gives them; masks: factors of the activations, [N or 1, hidden]
    for each layer but the first (`toy2d.corruption.dropout`).
    """
    scale = (SIGMA_DATA**2 + sigma**2).rsqrt()
    first, *others = matrices
    masks = [None] * len(others) if masks is None else masks
    slopes = []  # of the activations
    y = linear(network_input(x, sigma), first)
    for matrix, mask in zip(others, masks, strict=True):
        y, slope = silu_and_slope(y)
        slopes.append(slope if mask is None else slope * mask)
        y = linear(y if mask is None else y * mask, matrix)
    log_density = gain * y.square().mean(1) / sigma[:, 0] - 0.5 * (x * scale).square().sum(1)

    d = 2 * gain / y.shape[1] / sigma * y  # gradient in y
    for matrix, slope in zip(reversed(others), reversed(slopes), strict=True):
        d = (d @ matrix) * slope
    score = (d @ first[:, :2]) * scale - x * scale**2
    return log_density, score


def network_input(x: Tensor, sigma: Tensor) -> Tensor:  # [N, 4]
    """[x / sqrt(sigma_data^2 + sigma^2), ln(sigma) / 4, 1] for x [N, 2] and sigma [N, 1]."""
    scale = (SIGMA_DATA**2 + sigma**2).rsqrt()
    return torch.cat([x * scale, sigma.log() / 4, torch.ones_like(sigma)], dim=1)
