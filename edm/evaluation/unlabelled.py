"""Features that never saw a label: the middle of an autoencoder, and principal components of the pixels.

A classifier's features keep what tells classes apart and may forget the rest. These two keep what the images look like.
A result that holds in one of the three feature spaces only says something about that space.
"""

import hashlib
import itertools
import math

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from edm import data
from edm.features import Extractor, kept_model, usual_epochs

DIM = 64  # of both kinds of features
WIDTH = 32  # channels of the autoencoder
RECIPE = "recipe 1"  # of its training: a new number when network, optimiser or schedule change


class Autoencoder(nn.Module):
    """Convolutions halve the image down to 4 x 4, one layer makes `DIM` numbers of it, and the way back is the same.

    The numbers in the middle have mean 0 and variance 1 over the training images (batch normalisation without a scale).
    """

    def __init__(self, channels: int, resolution: int):
        super().__init__()
        halvings = int(math.log2(resolution // 4))
        down, up = [nn.Conv2d(channels, WIDTH, 3, padding=1), nn.SiLU()], []
        for _ in range(halvings):
            down += [nn.Conv2d(WIDTH, WIDTH, 4, stride=2, padding=1), nn.SiLU()]
            up += [nn.ConvTranspose2d(WIDTH, WIDTH, 4, stride=2, padding=1), nn.SiLU()]
        middle = nn.Linear(WIDTH * 16, DIM), nn.BatchNorm1d(DIM, affine=False)
        self.encode = nn.Sequential(*down, nn.Flatten(), *middle)
        self.decode = nn.Sequential(nn.Linear(DIM, WIDTH * 16), nn.SiLU(), nn.Unflatten(1, (WIDTH, 4, 4)), *up,
                                    nn.Conv2d(WIDTH, channels, 3, padding=1))  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:  # [N, C, R, R] -> the same
        return self.decode(self.encode(x))


def train_autoencoder(
    train: data.ImageSet, *, seed: int = 0, epochs: int, device: torch.device | str = "cpu", batch_size: int = 128
) -> tuple[Autoencoder, float]:
    """An autoencoder of these images in evaluation mode, and its mean square error over the last tenth of the training.

    On a CPU the same seed gives the same weights, to the bit. Pixels lie in [-1, 1].
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Autoencoder(train.channels, train.resolution).to(device)
    steps = math.ceil(epochs * len(train) / batch_size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    stream, errors = itertools.islice(data.batches(train, batch_size, seed), steps), []
    for images, _ in tqdm(stream, f"autoencoder of {train.name}", steps, unit="batch", leave=False, disable=None):
        x = data.to_float(images.to(device))
        optimizer.zero_grad()
        error = (model(x) - x).square().mean()
        error.backward()
        optimizer.step()
        schedule.step()
        errors.append(error.detach())
    return model.eval(), float(torch.stack(errors[-max(steps // 10, 1) :]).mean())


def autoencoder(
    data_set: str, folder, cache, device: torch.device, seed: int = 0, epochs: int | None = None
) -> Extractor:
    """The `DIM` numbers in the middle of an autoencoder, which is trained once and kept in `cache`."""
    train = data.load(data_set, "train", folder)
    epochs = usual_epochs(train) if epochs is None else epochs

    def fit() -> tuple[Autoencoder, dict]:
        fitted, error = train_autoencoder(train, seed=seed, epochs=epochs, device=device)
        return fitted, {"mean_square_error": error}

    model, info, version = kept_model(
        f"autoencoder-{train.name}-seed{seed}", f"{RECIPE}, seed {seed}, {epochs} epochs of {train.fingerprint}", cache,
        Autoencoder(train.channels, train.resolution), fit,
    )  # fmt: skip
    model = model.to(device).eval()
    return Extractor(f"autoencoder:{data_set}", version, DIM, train.channels, device,
                     lambda images: (model.encode(data.to_float(images)), None), info | {"epochs": epochs})  # fmt: skip


def pixels(data_set: str, folder, cache, device: torch.device, seed: int = 0, epochs: int | None = None) -> Extractor:
    """The `DIM` principal components of the training images that vary most, pixels in [-1, 1]; nothing is trained or kept.

    There are fewer if the images have fewer pixels. cache, seed, epochs: of the other kinds of features; not used.
    """
    train = data.load(data_set, "train", folder)
    size = math.prod(train.images.shape[1:])
    total, second = np.zeros(size), np.zeros((size, size))
    for images, _ in train.in_order(4096):
        x = data.to_float(images).flatten(1).double().numpy()
        total, second = total + x.sum(0), second + x.T @ x
    mean = total / len(train)
    _, vectors = np.linalg.eigh(second / len(train) - np.outer(mean, mean))
    axes = torch.from_numpy(np.ascontiguousarray(vectors[:, ::-1][:, :DIM])).float().to(device)  # [size, DIM]
    centre = torch.from_numpy(mean).float().to(device)
    version = hashlib.sha256(train.fingerprint.encode()).hexdigest()[:12]

    def run(images: Tensor) -> tuple[Tensor, None]:
        return (data.to_float(images).flatten(1) - centre) @ axes, None

    return Extractor(f"pixels:{data_set}", version, axes.shape[1], train.channels, device, run)
