"""Features to compare images by: each extractor is a callable from uint8 images to (features [N, F], logits or None).

| name                | features                                    | needs                                              |
|---------------------|---------------------------------------------|----------------------------------------------------|
| classifier:DATA SET | 64, penultimate layer of a small network    | nothing; once 15 seconds for digits, a few minutes |
|                     | that is trained here on that data set       | for Fashion-MNIST on a laptop                      |
| autoencoder:DATA SET| 64, the middle of a network that learned to | the same                                           |
|                     | copy the images and never saw a label       |                                                    |
| pixels:DATA SET     | 64 principal components of its pixels       | nothing                                            |
| inception           | 2048, the InceptionV3 of the standard FID   | `pip install 'diffusion-guidance[fid]'`, 91 MB     |
| dinov2              | 1024, DINOv2 ViT-L/14, as in FD_DINOv2      | its repository and 1.2 GB of weights               |

A distance is only comparable with another one under the same extractor: with a classifier, the same file of weights.
"""

import hashlib
import itertools
import json
import logging
import math
import pickle
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from edm import data
from edm.storage.atomic import write_atomic
from edm.training.counter import torch_seeded

log = logging.getLogger(__name__)

FEATURES = 64  # of a classifier
RECIPE = "recipe 1"  # of its training: a new number when network, optimizer or schedule change
INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"


@dataclass(frozen=True, eq=False)
class Extractor:
    """Callable: images uint8 [N, C, H, W], array or tensor, to features [N, dim] and logits [N, classes] or None."""

    name: str
    version: str  # changes whenever the features do
    dim: int
    channels: int  # gray images are repeated for an extractor of 3
    device: torch.device
    run: Callable[[Tensor], tuple[Tensor, Tensor | None]]
    info: Mapping[str, float] = field(default_factory=dict)  # classifier: test_accuracy, seconds (of training), epochs

    @torch.inference_mode()
    def __call__(self, images: np.ndarray | Tensor) -> tuple[Tensor, Tensor | None]:
        x = data.as_tensor(images).to(self.device)
        if x.dtype != torch.uint8 or x.ndim != 4 or x.shape[1] not in {1, self.channels}:
            wanted = f"uint8 [N, {self.channels}, H, W]"
            raise ValueError(f"{self.name} features need images {wanted}, got {x.dtype} {list(x.shape)}")
        return self.run(x.expand(-1, self.channels, -1, -1))


def load(
    name: str,
    *,
    folder: str | Path = "data",
    cache: str | Path = "data/cache",
    weights: str | Path | None = None,
    device: torch.device | str | None = None,
    seed: int = 0,
    epochs: int | None = None,
) -> Extractor:
    """An extractor by name (see the table above).

    folder: where data sets lie; cache: where trained classifiers are kept; weights: a local file (inception) or clone of
    the repository (dinov2) instead of a download; device: a GPU if there is one; seed, epochs: of the training of a
    classifier or an autoencoder (default: `usual_epochs`). Raises ValueError for unknown names,
    ImportError naming the package to install, FileNotFoundError naming the file to put in place without a network.
    """
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if name == "inception":
        return _inception(device, weights)
    if name == "dinov2":
        return _dinov2(device, weights)
    from edm.evaluation import unlabelled  # which builds on this module

    kind, _, data_set = name.partition(":")
    kinds = {"classifier": _classifier, "autoencoder": unlabelled.autoencoder, "pixels": unlabelled.pixels}
    if kind not in kinds or not data_set:
        wanted = ", ".join(f"{kind}:DATA-SET" for kind in kinds)
        raise ValueError(f"unknown features {name!r}: choose from inception, dinov2, {wanted}")
    return kinds[kind](data_set, folder, cache, device, seed, epochs)


class Classifier(nn.Module):
    """Convolutions that halve the image down to 4 x 4; the average over those places is the feature vector."""

    def __init__(self, channels: int, resolution: int, classes: int):
        super().__init__()
        stride = 2 if resolution >= 32 else 1
        layers, width, size = _convolution(channels, 32, stride), 32, resolution // stride
        while size > 4:
            layers += [*_convolution(width, FEATURES), nn.MaxPool2d(2)]
            width, size = FEATURES, size // 2
        self.body = nn.Sequential(*layers, *_convolution(width, FEATURES))
        self.head = nn.Linear(FEATURES, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # [N, FEATURES], [N, classes]
        features = self.body(x).mean((2, 3))
        return features, self.head(features)


def _convolution(a: int, b: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(a, b, 3, stride, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]


def train_classifier(
    train: data.ImageSet, *, seed: int = 0, epochs: int, device: torch.device | str = "cpu", batch_size: int = 128
) -> Classifier:
    """A classifier of these images, in evaluation mode; on a CPU the same seed gives the same weights, to the bit."""
    with torch_seeded(seed):
        model = Classifier(train.channels, train.resolution, train.num_classes).to(device)
    steps = math.ceil(epochs * len(train) / batch_size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    stream = itertools.islice(data.batches(train, batch_size, seed), steps)
    for images, labels in tqdm(stream, f"classifier of {train.name}", steps, unit="batch", leave=False, disable=None):
        _, logits = model(data.to_float(images.to(device)))
        optimizer.zero_grad()
        F.cross_entropy(logits, labels.to(device)).backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def _classifier(
    data_set: str, folder: str | Path, cache: str | Path, device: torch.device, seed: int, epochs: int | None
) -> Extractor:
    train = data.load(data_set, "train", folder)
    epochs = usual_epochs(train) if epochs is None else epochs

    def fit() -> tuple[Classifier, dict]:
        fitted = train_classifier(train, seed=seed, epochs=epochs, device=device)
        return fitted, {"test_accuracy": _accuracy(fitted, data.load(data_set, "test", folder), device)}

    model, info, version = kept_model(
        f"classifier-{train.name}-seed{seed}", f"{RECIPE}, seed {seed}, {epochs} epochs of {train.fingerprint}", cache,
        Classifier(train.channels, train.resolution, train.num_classes), fit,
    )  # fmt: skip
    model = model.to(device).eval()
    return Extractor(f"classifier:{data_set}", version, FEATURES, train.channels, device,
                     lambda images: model(data.to_float(images)), info | {"epochs": epochs})  # fmt: skip


def usual_epochs(train: data.ImageSet) -> int:
    """As many as make 60 000 images, but at least 3."""
    return max(3, math.ceil(60_000 / len(train)))


def kept_model(
    stem: str, recipe: str, cache: str | Path, model: nn.Module, fit: Callable[[], tuple[nn.Module, dict]]
) -> tuple[nn.Module, dict, str]:
    """A network that is trained once: read into `model` from a file in `cache`, or made by `fit`, which also tells its numbers.

    recipe: all that decides the weights; its digest is in the file's name. Returns the network, its numbers with the
    seconds of the training, and a digest of the file.
    """
    path = Path(cache, f"{stem}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}.safetensors".replace("/", "-"))
    try:
        info = _read(path, model)
    except (OSError, safetensors.SafetensorError, RuntimeError, KeyError, ValueError) as error:
        if path.exists():
            log.warning("%s cannot be used (%s) and is trained again", path, error)
        began = time.perf_counter()
        model, info = fit()
        info = {"seconds": time.perf_counter() - began, **info}
        tensors = {key: value.cpu().contiguous() for key, value in model.state_dict().items()}
        write_atomic(path, safetensors.torch.save(tensors, {"info": json.dumps(info), "recipe": recipe}))
    return model, info, hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _accuracy(model: Classifier, image_set: data.ImageSet, device: torch.device) -> float:
    with torch.inference_mode():
        found = [model(data.to_float(images).to(device))[1].argmax(1) for images, _ in image_set.in_order(1000)]
    return float((torch.cat(found).cpu().numpy() == image_set.labels).mean())


def _read(path: Path, model: nn.Module) -> dict:
    with safetensors.safe_open(path, "pt") as file:
        model.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118, not a dict
        return json.loads(file.metadata()["info"])


def _inception(device: torch.device, weights: str | Path | None) -> Extractor:
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3
    except ImportError as error:
        raise ImportError("inception features need torch-fidelity: pip install 'diffusion-guidance[fid]'") from error
    path = Path(weights or Path(torch.hub.get_dir(), "checkpoints", Path(URL_INCEPTION_V3).name))
    if not path.is_file():
        try:
            if weights is not None:
                raise FileNotFoundError("there is no such file")
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(URL_INCEPTION_V3, str(path), hash_prefix=INCEPTION_SHA256)
        except (OSError, RuntimeError) as error:  # no network, or not the published file
            raise FileNotFoundError(f"no InceptionV3 weights ({error}): put {URL_INCEPTION_V3} at {path}") from error
    try:
        torch.load(path, map_location="cpu", weights_only=True)  # torch-fidelity would run code from the file
        model = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(path)).to(device)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path} is damaged or holds other weights ({error}); get {URL_INCEPTION_V3} again") from error
    return Extractor("inception", "2015-12-05", 2048, 3, device, lambda images: (model(images)[0], None))


def _dinov2(device: torch.device, weights: str | Path | None) -> Extractor:
    if weights is not None and not Path(weights, "hubconf.py").is_file():
        raise FileNotFoundError(
            f"{weights} is not a clone of https://github.com/facebookresearch/dinov2: no hubconf.py"
        )
    source = {"source": "local"} if weights else {"source": "github", "trust_repo": "check"}
    try:
        model = torch.hub.load(str(weights or "facebookresearch/dinov2"), "dinov2_vitl14", **source).eval().to(device)
    except (OSError, RuntimeError) as error:
        place = Path(torch.hub.get_dir(), "checkpoints", "dinov2_vitl14_pretrain.pth")
        raise FileNotFoundError(
            f"DINOv2 could not be downloaded ({error}); clone https://github.com/facebookresearch/dinov2, give the path of "
            f"the clone as `weights`, and put https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/{place.name} at {place}"
        ) from error
    mean = torch.tensor([0.485, 0.456, 0.406], device=device).reshape(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225], device=device).reshape(3, 1, 1)

    def run(images: Tensor) -> tuple[Tensor, None]:
        x = F.interpolate(images.float() / 255, (224, 224), mode="bicubic", antialias=True).clamp(0, 1)
        return model((x - mean) / std), None

    return Extractor("dinov2", "vitl14", 1024, 3, device, run)
