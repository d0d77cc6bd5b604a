"""How good and how varied generated images are: distances between sets of features.

Features come from `edm.features`. Means and covariances are accumulated in float64 while images stream by, so 50 000
images need no more memory than 500; only the neighbour counts keep a fixed number of features.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy import stats
from torch import Tensor

Stats = tuple[np.ndarray, np.ndarray]  # mean [F], covariance [F, F], float64

KEEP = 10_000  # features kept for the neighbour counts


class RunningStats:
    """Mean and covariance of features that arrive in batches, in any number of processes; float64.

    `update` takes features [n, F]; `merge` takes another RunningStats, e.g. that of another process (plain arrays, so
    `torch.distributed.all_gather_object` carries it). Batches are centred before they are combined, so a large offset
    that all features share costs no digits (Chan, Golub and LeVeque 1979).
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean: np.ndarray = np.zeros(())  # [F] as soon as there are features
        self.scatter: np.ndarray = np.zeros(())  # [F, F], sum of (x - mean)(x - mean)^T

    def update(self, features: Tensor | np.ndarray) -> None:
        x = _features(features)
        mean = x.mean(0)
        centred = x - mean
        self._combine(len(x), mean.cpu().numpy(), (centred.T @ centred).cpu().numpy())

    def merge(self, other: "RunningStats") -> None:
        if other.count:
            self._combine(other.count, other.mean, other.scatter)

    def _combine(self, count: int, mean: np.ndarray, scatter: np.ndarray) -> None:
        if self.count and mean.shape != self.mean.shape:
            raise ValueError(
                f"these features have {mean.shape[0]} dimensions, the ones before had {self.mean.shape[0]}"
            )
        total = self.count + count
        delta = mean - self.mean
        self.mean = self.mean + delta * (count / total)
        self.scatter = self.scatter + scatter + np.outer(delta, delta) * (self.count * count / total)
        self.count = total

    def result(self) -> Stats:
        """(mean [F], covariance [F, F] with divisor n - 1). Raises ValueError for fewer than two features."""
        if self.count < 2:
            raise ValueError(f"a covariance needs at least 2 features, got {self.count}")
        return self.mean, self.scatter / (self.count - 1)


def feature_stats(features: Tensor | np.ndarray) -> Stats:
    """Mean [F] and covariance [F, F] (divisor n - 1) of features [n, F], in float64."""
    running = RunningStats()
    running.update(features)
    return running.result()


def frechet_distance(stats_a: Stats, stats_b: Stats) -> float:
    """|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)), the squared Wasserstein distance of two Gaussians (FID).

    The trace of the root is taken from the symmetric matrix C_a^(1/2) C_b C_a^(1/2), which has the same eigenvalues as
    C_a C_b: all real, so nothing complex has to be thrown away. Raises ValueError for statistics that do not match.
    """
    (mean_a, cov_a), (mean_b, cov_b) = (_checked(s) for s in (stats_a, stats_b))
    if mean_a.shape != mean_b.shape:
        raise ValueError(f"statistics of {mean_a.shape[0]} and {mean_b.shape[0]} features cannot be compared")
    values, vectors = np.linalg.eigh(cov_a)
    root_a = (vectors * np.sqrt(_without_noise(values))) @ vectors.T
    product = root_a @ cov_b @ root_a
    trace_root = np.sqrt(_without_noise(np.linalg.eigvalsh((product + product.T) / 2))).sum()
    distance = np.square(mean_a - mean_b).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * trace_root
    return max(float(distance), 0.0)


def precision_recall_density_coverage(
    real: Tensor | np.ndarray,
    fake: Tensor | np.ndarray,
    k: int = 5,
    chunk: int = 1024,
    real_radius: Tensor | None = None,
) -> dict[str, float]:
    """Quality and variation apart, from balls around each point that reach to its k-th nearest neighbour.

    precision: share of fakes inside some real ball; recall: share of reals inside some fake ball (Kynkaanniemi et al.
    2019, arXiv 1904.06991). density: number of real balls around a fake, on average and in units of k; coverage:
    share of real balls that hold a fake (Naeem et al. 2020, arXiv 2002.09797). real [n, F], fake [m, F]; `chunk` rows
    of the distance matrix exist at a time. real_radius [n]: of the real balls, if known. Raises ValueError unless each
    set has more than k features.
    """
    real, fake = _features(real), _features(fake)
    if k < 1 or min(len(real), len(fake)) <= k:
        raise ValueError(f"need k >= 1 and more than k features, got {k=}, {len(real)} real and {len(fake)} fake")
    if real.shape[1] != fake.shape[1]:
        raise ValueError(f"real features have {real.shape[1]} dimensions, fake ones {fake.shape[1]}")
    centre = real.mean(0)  # distances are taken by matrix products, which lose digits far from the origin
    real, fake = real - centre, (fake - centre).to(real.device)
    real_radius = _neighbour_radius(real, k, chunk) if real_radius is None else real_radius
    fake_radius = _neighbour_radius(fake, k, chunk)
    counts, recalled, covered = [], [], torch.zeros(len(real), dtype=torch.bool, device=real.device)
    for rows in fake.split(chunk):
        inside = torch.cdist(rows, real) <= real_radius  # [chunk, n]
        counts.append(inside.sum(1))
        covered |= inside.any(0)
    for rows in real.split(chunk):
        recalled.append((torch.cdist(rows, fake) <= fake_radius).any(1))
    balls = torch.cat(counts)  # around each fake
    return {
        "precision": (balls > 0).double().mean().item(),
        "recall": torch.cat(recalled).double().mean().item(),
        "density": balls.double().mean().item() / k,
        "coverage": covered.double().mean().item(),
    }


def class_agreement(logits: Tensor, labels: Tensor | np.ndarray) -> float:
    """Share of images whose most likely class, by logits [N, classes], is the class they were made for, labels [N]."""
    labels = torch.as_tensor(labels, device=logits.device)
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or len(labels) == 0:
        raise ValueError(f"need logits [N, classes] and labels [N], got {list(logits.shape)} and {list(labels.shape)}")
    return (logits.argmax(1) == labels).double().mean().item()


def paired_difference(a: Sequence[float], b: Sequence[float]) -> dict[str, float]:
    """Mean of a - b over pairs (say, seeds that a[i] and b[i] share) with its 95 % interval by Student's t."""
    difference = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    n = difference.size
    if difference.ndim != 1 or n < 2 or len(a) != len(b):
        raise ValueError(f"need at least two pairs of numbers, got {len(a)} and {len(b)}")
    mean, error = float(difference.mean()), float(difference.std(ddof=1)) / math.sqrt(n)
    reach = float(stats.t.ppf(0.975, n - 1)) * error
    return {"mean": mean, "low": mean - reach, "high": mean + reach, "pairs": n}


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """What is kept of a set of images: enough for every number of `evaluate_features`."""

    count: int
    stats: Stats
    kept: np.ndarray | None = None  # [at most KEEP, F] float32, a random subset; published statistics have none
    agreement: float | None = None  # `class_agreement`, where the extractor has logits and the images have labels


def collect(
    extractor: Callable[[np.ndarray | Tensor], tuple[Tensor, Tensor | None]],
    batches: Iterable[tuple[np.ndarray | Tensor, np.ndarray | Tensor | None]],
) -> FeatureSet:
    """Run an extractor of `edm.features` over batches of (uint8 images [n, C, H, W], labels [n] or None), once.

    The same batches give the same result, to the bit. Raises ValueError for fewer than two images.
    """
    running, agreed, judged = RunningStats(), 0.0, 0
    rng = np.random.default_rng(0)
    kept, priority = [], np.empty(0)
    for images, labels in batches:
        features, logits = extractor(images)
        running.update(features)
        kept.append(features.float().cpu().numpy())
        priority = np.append(priority, rng.random(len(features)))  # those with the lowest numbers stay
        if len(priority) > 2 * KEEP:
            kept, priority = _lowest(kept, priority)
        if logits is not None and labels is not None:
            agreed += class_agreement(logits, labels) * len(features)
            judged += len(features)
    stats = running.result()
    kept, _ = _lowest(kept, priority)
    return FeatureSet(running.count, stats, kept[0], agreed / judged if judged else None)


def evaluate_features(fake: FeatureSet, real: FeatureSet, k: int = 5) -> dict[str, float]:
    """All numbers for generated images against real ones, both from `collect` with the same extractor.

    images, frechet_distance; precision, recall, density, coverage if both keep features; class_agreement if known.
    """
    numbers = {"images": fake.count, "frechet_distance": frechet_distance(fake.stats, real.stats)}
    if fake.kept is not None and real.kept is not None:
        numbers |= precision_recall_density_coverage(real.kept, fake.kept, k, real_radius=_radius(real, k))
    if fake.agreement is not None:
        numbers["class_agreement"] = fake.agreement
    return numbers


@lru_cache(maxsize=4)
def _radius(real: FeatureSet, k: int) -> Tensor | None:
    """Radius of the balls around a reference set: it takes longer than all the rest, and serves many sets of images."""
    if real.kept is None or len(real.kept) <= k:
        return None
    x = _features(real.kept)
    return _neighbour_radius(x - x.mean(0), k, 1024)


def _lowest(kept: list[np.ndarray], priority: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    chosen = np.sort(np.argsort(priority, kind="stable")[:KEEP])
    return [np.concatenate(kept)[chosen]], priority[chosen]


def _features(features: Tensor | np.ndarray) -> Tensor:  # [n, F] float64
    x = torch.as_tensor(features).detach().double()
    if x.ndim != 2 or len(x) == 0:
        raise ValueError(f"features must have shape [n, F] with n >= 1, got {list(x.shape)}")
    if not x.isfinite().all():
        raise ValueError("features hold values that are not finite: the images or the extractor are broken")
    return x


def _checked(moments: Stats) -> Stats:
    mean, cov = (np.asarray(part, np.float64) for part in moments)
    if mean.ndim != 1 or cov.shape != (mean.size, mean.size):
        raise ValueError(f"need mean [F] and covariance [F, F], got {mean.shape} and {cov.shape}")
    if not (np.isfinite(mean).all() and np.isfinite(cov).all()):
        raise ValueError("mean or covariance hold values that are not finite")
    return mean, cov


def _without_noise(eigenvalues: np.ndarray) -> np.ndarray:
    """Eigenvalues of a covariance, with those that rounding alone explains set to 0 (their roots would add up)."""
    floor = eigenvalues.max(initial=0) * eigenvalues.size * np.finfo(np.float64).eps
    return np.where(eigenvalues > floor, eigenvalues, 0)


def _neighbour_radius(x: Tensor, k: int, chunk: int) -> Tensor:  # [n]
    """Distance of each row to its k-th nearest other row (the smallest distance of all is to itself)."""
    return torch.cat([torch.cdist(rows, x).kthvalue(k + 1, dim=1).values for rows in x.split(chunk)])
