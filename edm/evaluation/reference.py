"""What generated images are compared with: the features of a data set, computed once, or published statistics."""

import hashlib
import io
import logging
import zipfile
from pathlib import Path

import numpy as np

from edm.data import ImageSet
from edm.features import Extractor
from edm.metrics import FeatureSet, collect
from edm.storage.atomic import write_atomic

log = logging.getLogger(__name__)


def reference(image_set: ImageSet, extractor: Extractor, cache: str | Path | None = "data/cache") -> FeatureSet:
    """Features of a data set under an extractor of `edm.features`, read from or written to an .npz in `cache`.

    The file is found again by data set, extractor and the extractor's version; cache=None keeps nothing.
    """
    key = f"{image_set.fingerprint} seen by {extractor.name} version {extractor.version}"
    name = f"{image_set.name}-{extractor.name}".replace("/", "-").replace(":", "-")
    path = cache and Path(cache, f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}.npz")
    if path and path.is_file():
        try:
            with np.load(path, allow_pickle=False) as file:
                if str(file["key"]) != key:
                    raise ValueError("it belongs to other images")
                stats = file["mean"], file["covariance"]
                agreement = float(file["agreement"])
                agreement = None if np.isnan(agreement) else agreement
                return FeatureSet(int(file["count"]), stats, file["kept"], agreement)
        except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
            log.warning("%s cannot be used (%s) and is computed again", path, error)
    found = collect(extractor, image_set.in_order())
    if path:
        mean, covariance = found.stats
        agreement = np.nan if found.agreement is None else found.agreement
        file = io.BytesIO()
        np.savez(
            file, key=key, mean=mean, covariance=covariance, count=found.count, kept=found.kept, agreement=agreement
        )
        write_atomic(path, file.getvalue())
    return found


def published(path: str | Path, extractor: Extractor) -> FeatureSet:
    """Published reference statistics (.pkl or .npz with mu and sigma), for the kind of features the extractor gives.

    Only the Frechet distance can be computed against them. Raises ValueError if the file has none that fit.
    """
    from edm.official import read_stats

    content = read_stats(path)
    kinds = {"inception": "fid", "dinov2": "fd_dinov2"}  # how files that hold several kinds name them
    moments = content.get(kinds.get(extractor.name), content)
    if "mu" not in moments or "sigma" not in moments:
        raise ValueError(f"{path} holds no mean and covariance for {extractor.name} features, only {sorted(content)}")
    mean, covariance = (np.asarray(moments[name], np.float64) for name in ("mu", "sigma"))
    if mean.shape != (extractor.dim,) or covariance.shape != (extractor.dim, extractor.dim):
        raise ValueError(f"{path} is about {mean.shape} features, {extractor.name} has {extractor.dim}")
    return FeatureSet(0, (mean, covariance))
