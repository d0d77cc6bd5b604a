"""Extractors: the classifier trained here, and the two published networks behind their wrappers."""

import sys
import types
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torch import nn

from edm import data, features


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The classifier of the digits, trained for a third of the usual time."""
    return features.load("classifier:digits", cache=tmp_path_factory.mktemp("cache"), device="cpu", epochs=14)


def test_the_digits_classifier_is_good_and_reports_it(digits):
    test = data.load("digits", "test")
    found, logits = digits(test.images)
    assert found.shape == (360, digits.dim) and found.dtype == torch.float32 and logits.shape == (360, 10)
    accuracy = (logits.argmax(1).numpy() == test.labels).mean()
    assert accuracy == pytest.approx(digits.info["test_accuracy"]) and accuracy >= 0.97
    assert digits.info["epochs"] == 14 and digits.info["seconds"] > 0


def test_an_image_has_the_same_features_in_any_batch(digits):
    images = data.load("digits", "test").images[:20]
    together, _ = digits(images)
    alone = torch.cat([digits(torch.from_numpy(image[None]))[0] for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)


def test_the_classifier_is_read_back_and_a_damaged_file_is_replaced(tmp_path, caplog):
    options = {"cache": tmp_path, "device": "cpu", "epochs": 1}
    extractor = features.load("classifier:digits", **options)
    (path,) = tmp_path.iterdir()
    images, written = data.load("digits", "test").images, path.stat().st_mtime_ns
    again = features.load("classifier:digits", **options)
    assert path.stat().st_mtime_ns == written and again.info == extractor.info and again.version == extractor.version
    assert torch.equal(again(images)[0], extractor(images)[0]) and not caplog.text
    path.write_bytes(path.read_bytes()[:-100])
    third = features.load("classifier:digits", **options)
    assert str(path) in caplog.text and "trained again" in caplog.text
    assert torch.equal(third(images)[0], extractor(images)[0])
    assert features.load("classifier:digits", seed=1, **options).version != extractor.version
    assert len(list(tmp_path.iterdir())) == 2


def test_training_is_deterministic_and_leaves_the_global_generator_alone(tmp_path):
    digits = data.load("digits")
    torch.manual_seed(5)
    one = features.train_classifier(digits, seed=1, epochs=1).state_dict()
    after = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(1))
    two = features.train_classifier(digits, seed=1, epochs=1).state_dict()
    other = features.train_classifier(digits, seed=2, epochs=1).state_dict()
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not torch.equal(one["head.weight"], other["head.weight"])


@pytest.mark.parametrize("channels, resolution", [(1, 8), (1, 32), (3, 32), (3, 64), (3, 28)])
def test_the_classifier_fits_any_image_size(channels, resolution):
    model = features.Classifier(channels, resolution, 7)
    found, logits = model(torch.zeros(2, channels, resolution, resolution))
    assert found.shape == (2, features.FEATURES) and logits.shape == (2, 7)


def test_wrong_images_and_names_are_refused(digits):
    for bad in (np.zeros((2, 1, 8, 8), np.float32), np.zeros((2, 3, 8, 8), np.uint8), np.zeros((1, 8, 8), np.uint8)):
        with pytest.raises(ValueError, match=r"classifier:digits features need images uint8 \[N, 1, H, W\]"):
            digits(bad)
    for name in ("vgg", "classifier", "classifier:"):
        with pytest.raises(ValueError, match="unknown features"):
            features.load(name)
    with pytest.raises(ValueError, match="unknown data set 'nothing'"):
        features.load("classifier:nothing")


# --- inception: torch-fidelity stood in for by a module with its interface ---


class StandIn(nn.Module):
    """Reads a weights file as torch-fidelity does and gives mean colours, 2048 wide, as the features called '2048'."""

    def __init__(self, name, features_list, feature_digits_weights_path):
        super().__init__()
        assert name == "inception-v3-compat" and features_list == ["2048"]
        self.scale = nn.Parameter(torch.zeros(()), requires_grad=False)
        self.load_state_dict(torch.load(feature_digits_weights_path, weights_only=False))

    def forward(self, x):
        assert x.dtype == torch.uint8 and x.shape[1] == 3
        return (self.scale * x.float().mean((2, 3)).mean(1, keepdim=True).expand(-1, 2048),)


@pytest.fixture
def torch_fidelity(monkeypatch, tmp_path):
    module = types.ModuleType("torch_fidelity.feature_extractor_inceptionv3")
    module.FeatureExtractorInceptionV3 = StandIn
    module.URL_INCEPTION_V3 = "https://example.org/weights-inception-2015-12-05-6726825d.pth"
    monkeypatch.setitem(sys.modules, "torch_fidelity", types.ModuleType("torch_fidelity"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


def test_inception_takes_gray_and_colour_images(torch_fidelity, tmp_path):
    torch.save({"scale": torch.tensor(2.0)}, tmp_path / "w.pth")
    extractor = features.load("inception", weights=tmp_path / "w.pth", device="cpu")
    found, logits = extractor(np.full((4, 1, 8, 8), 10, np.uint8))
    assert found.shape == (4, 2048) == (4, extractor.dim) and (found == 20).all() and logits is None
    assert extractor(np.zeros((2, 3, 8, 8), np.uint8))[0].shape == (2, 2048)


def test_inception_says_what_to_install_and_which_file_to_put_where(torch_fidelity, tmp_path, monkeypatch):
    def no_network(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    place = tmp_path / "hub" / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth"
    with pytest.raises(FileNotFoundError, match=f"no network.*put https://example.org/weights.* at {place}"):
        features.load("inception", device="cpu")
    with pytest.raises(FileNotFoundError, match="nowhere.pth"):
        features.load("inception", weights=tmp_path / "nowhere.pth", device="cpu")
    torch.save({"scale": torch.tensor(1.0)}, place)  # put there by hand
    assert features.load("inception", device="cpu").dim == 2048
    place.write_bytes(place.read_bytes()[:100])
    with pytest.raises(ValueError, match=f"{place} is damaged"):
        features.load("inception", device="cpu")
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(ImportError, match="pip install"):
        features.load("inception", device="cpu")


def test_inception_runs_no_code_from_a_weights_file(torch_fidelity, tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path / "sprung").touch, ()

    torch.save({"scale": Trap()}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match="w.pth is damaged or holds other weights"):
        features.load("inception", weights=tmp_path / "w.pth", device="cpu")
    assert not (tmp_path / "sprung").exists()


# --- dinov2: a clone of its repository stood in for by a folder with the same entry point ---


def test_dinov2_from_a_local_clone(tmp_path):
    (tmp_path / "hubconf.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def forward(self, x):\n"
        "        assert x.shape[1:] == (3, 224, 224), x.shape\n"
        "        return x.mean((2, 3)).repeat(1, 342)[:, :1024]\n"
        "def dinov2_vitl14(pretrained=True):\n"
        "    return Net()\n"
    )
    extractor = features.load("dinov2", weights=tmp_path, device="cpu")
    found, logits = extractor(np.full((2, 3, 16, 16), 255, np.uint8))
    assert found.shape == (2, 1024) == (2, extractor.dim) and logits is None
    torch.testing.assert_close(found[0, :3], torch.tensor([0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225]))


def test_dinov2_says_what_to_fetch(tmp_path, monkeypatch):
    def no_network(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "load", no_network)
    with pytest.raises(FileNotFoundError, match="no network.*clone https.*dinov2.*dinov2_vitl14_pretrain.pth at"):
        features.load("dinov2", device="cpu")
    with pytest.raises(FileNotFoundError, match="not a clone"):
        features.load("dinov2", weights=tmp_path, device="cpu")
