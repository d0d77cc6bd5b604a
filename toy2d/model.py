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


class MPSiLU(nn.Module):
    """silu(x) / 0.596; the factor is left to the matrix that follows."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """silu(x) = x s, with s = sigmoid(x), and its derivative s + silu(x) - s silu(x)."""
        gate = torch.sigmoid(x)
        y = x * gate
        return y, torch.lerp(y, y.new_ones(()), gate)


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

    def _in_chunks(self, x: Tensor, sigma: float | Tensor) -> tuple[Tensor, Tensor]:
        if x.ndim != 2 or x.shape[1] != 2:
            raise ValueError(f"x must have shape [N, 2], got {list(x.shape)}")
        level = expand_sigma(sigma, x)
        if level.device.type == "cpu" and not (level > 0).all():
            raise ValueError("the model is defined for sigma > 0 only")
        chunk = CHUNK if x.device.type == "cpu" else 64 * CHUNK
        parts = zip(x.split(chunk), level.expand(x.shape[0], 1).split(chunk), strict=True)
        columns = zip(*(self.log_density_and_score(*part) for part in parts), strict=True)
        return tuple(torch.cat(column) for column in columns)

    def log_density_and_score(
        self, x: Tensor, sigma: Tensor, masks: Sequence[Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Both, for x [N, 2] and sigma [N, 1]: up through the layers, then the same way down with the gradient.

        masks: factors of the activations, [N or 1, hidden] for each layer but the first (`toy2d.corruption.dropout`).
        """
        scale = (SIGMA_DATA**2 + sigma**2).rsqrt()
        h = torch.cat([x * scale, sigma.log() / 4, torch.ones_like(sigma)], dim=1)  # [N, 4]
        first, *matrices = (layer.matrix() for layer in self.layers[::2])
        matrices = [matrix * SILU_GAIN for matrix in matrices]
        masks = [None] * len(matrices) if masks is None else masks
        slopes = []  # of the activations
        y = linear(h, first)
        for activation, matrix, mask in zip(self.layers[1::2], matrices, masks, strict=True):
            y, slope = activation(y)
            slopes.append(slope if mask is None else slope * mask)
            y = linear(y if mask is None else y * mask, matrix)
        log_density = self.gain * y.square().mean(1) / sigma[:, 0] - 0.5 * (x * scale).square().sum(1)

        d = 2 * self.gain / self.hidden / sigma * y  # gradient in y
        for matrix, slope in zip(reversed(matrices), reversed(slopes), strict=True):
            d = (d @ matrix) * slope
        score = (d @ first[:, :2]) * scale - x * scale**2
        return log_density, score
