"""Words for what a harm did and what guidance made of it (notebook 11)."""

from collections.abc import Mapping

import numpy as np


def path(pair: Mapping, key: str, form: str) -> str:
    """A number before the harm, after it, and guided: means over training seeds, from the stored result of `corruptions`."""
    return " → ".join(format(np.mean(pair[stage][key]), form) for stage in ("clean", "corrupted", "guided"))
