"""Pairs of a main model and a guide to train with one command, and how a pair is then shown and measured.

The guide of a pair is the paper's kind: fewer channels and less training [AG, section 5.1]. All models of the small sets
are trained with a tenth of the labels withheld, so that the main model without its class also serves classifier-free
guidance.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edm import network
from edm.train import Config


@dataclass(frozen=True)
class Pair:
    """Two training runs, and the sweep over guidance weights that closes them."""

    main: Config
    guide: Config
    weights: tuple[float, ...] = (1.0, 1.25, 1.5, 2.0, 3.0)
    count: int = 10_000  # images for each number of the sweep
    num_steps: int = 32  # of the sampler
    show: float = 2.0  # weight of the closing picture
    ema: tuple[float | None, float | None] = (None, None)  # EMA widths of main and guide; None is the widest stored one

    def replace(self, **changes: Any) -> "Pair":
        """The same pair with fields of both training runs changed."""
        return dataclasses.replace(
            self, main=dataclasses.replace(self.main, **changes), guide=dataclasses.replace(self.guide, **changes)
        )


def _shape(name: str, **changes: Any) -> dict:
    """Arguments of a network preset without those that the data set decides."""
    decided = ("img_resolution", "img_channels", "label_dim")
    return {k: v for k, v in (network.PRESETS[name] | changes).items() if k not in decided}


_DIGITS = Config(
    data="digits", network=_shape("digits"), images=1_100 * 128, batch=128, lr=0.02, lr_ref=300, lr_ramp=5_000,
    P_std=1.4, label_dropout=0.1, snapshot=50 * 128,
)  # fmt: skip
_SMALL = Config(
    data="fashion-mnist", network=_shape("img32"), images=4_000 * 1024, batch=1024, lr=0.01, lr_ref=1_000,
    lr_ramp=100 * 1024, P_mean=-0.8, P_std=1.4, label_dropout=0.1, snapshot=100 * 1024, precision="bfloat16",
)  # fmt: skip
_SMALLER = Config(
    data="fashion-16", network=_shape("img16"), images=3_072 * 128, batch=128, lr=0.03, lr_ref=300, lr_ramp=5_000,
    P_std=1.4, label_dropout=0.1, snapshot=96 * 128,
)  # fmt: skip
_FASHION_32 = dict(model_channels=16, channel_mult=(1, 2, 4, 4), num_blocks=1, attn_resolutions=())
_SMALLER_32 = dataclasses.replace(
    _SMALLER, data="fashion-mnist", network=_FASHION_32, images=8_192 * 128, snapshot=256 * 128
)
_IMG64 = Config(network=_shape("img64-s"), precision="float16", snapshot=8 * 2**20)
_XS: dict[str, Any] = dict(network=_shape("img64-xs"), lr=0.012, images=128 * 2**20)

PAIRS: Mapping[str, Pair] = {
    # 8 x 8: a few minutes on a laptop
    "digits": Pair(
        _DIGITS,
        dataclasses.replace(_DIGITS, images=150 * 128, seed=1),
        weights=(1.0, 1.25, 1.5, 2.0), count=500, num_steps=12,
    ),
    # 16 x 16: twenty minutes on a laptop
    "fashion-16": Pair(
        _SMALLER,
        dataclasses.replace(_SMALLER, network=_shape("img16", model_channels=8), images=384 * 128, seed=1),
        weights=(1.0, 1.25, 1.5, 2.0), count=1000, num_steps=12,
    ),
    # 32 x 32 on a CPU: two hours on one core, main model and guide one after the other
    "fashion-mnist-cpu": Pair(
        _SMALLER_32,
        dataclasses.replace(_SMALLER_32, network=_FASHION_32 | {"model_channels": 8}, images=1_024 * 128, snapshot=4_096, seed=1),
        weights=(1.0, 1.25, 1.5, 2.0), count=1000, show=2.0,
    ),
    # 32 x 32: ten minutes on one large GPU
    "fashion-mnist": Pair(_SMALL, dataclasses.replace(_SMALL, network=_shape("img32", model_channels=32), images=500 * 1024)),
    "cifar10": Pair(
        dataclasses.replace(_SMALL, data="cifar10"),
        dataclasses.replace(_SMALL, data="cifar10", network=_shape("img32", model_channels=32), images=500 * 1024),
    ),
    # The paper's ImageNet-64 pair: EDM2-S, and XS trained an eighth as long. Days on eight large GPUs.
    "img64": Pair(_IMG64, dataclasses.replace(_IMG64, **_XS), weights=(1.0, 1.7), ema=(0.045, 0.110)),
}  # fmt: skip
