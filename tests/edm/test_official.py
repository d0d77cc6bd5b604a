"""Published networks: what is read, and what is downloaded. What is refused is in test_unpickle.py.

tests/data/toy-published.pkl is a 2D network as the published programs write it, its source text replaced by a placeholder;
toy-published.npz has its outputs. An image network in the same layout is made here.
"""

import http.server
import pickle
import re
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edm import network, official
from edm.network import EDM2Denoiser

TOY = Path(__file__).parents[1] / "data" / "toy-published.pkl"
SMALL = dict(img_resolution=8, img_channels=2, label_dim=3, model_channels=32, channel_mult=[1, 2], num_blocks=1)


class Persistent:
    """An object that carries its source text, and is made again by a function of the published programs."""

    def __init__(self, class_name, state):
        self.class_name, self.state = class_name, state

    def __reduce__(self):
        meta = dict(type="class", version=6, module_src="raise SystemExit('ran')", class_name=self.class_name)
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta | {"state": self.state},)


def persistent(module: nn.Module | None, class_name: str, **kwargs):
    """A module of ours in the layout of the published programs."""
    if module is None:
        return None
    children = {name: persistent(child, type(child).__name__) for name, child in module._modules.items()}
    if isinstance(module, nn.ModuleDict):
        container = nn.ModuleDict()
        container._modules = children
        return container
    state = dict(_parameters=dict(module._parameters), _buffers=dict(module._buffers), _modules=children)
    return Persistent(class_name, state | {"_init_args": (), "_init_kwargs": kwargs, "training": False})


@pytest.fixture
def published_modules(monkeypatch):
    """The modules that the published files name, for writing such files."""
    for name, attribute in (
        (
            "torch_utils.persistence",
            types.FunctionType((lambda meta: None).__code__, {}, "_reconstruct_persistent_obj"),
        ),
        ("dnnlib.util", type("EasyDict", (dict,), {"__module__": "dnnlib.util"})),
    ):
        module = types.ModuleType(name)
        attribute.__module__ = name
        attribute.__qualname__ = attribute.__name__
        setattr(module, attribute.__name__, attribute)
        monkeypatch.setitem(sys.modules, name.split(".")[0], types.ModuleType(name.split(".")[0]))
        monkeypatch.setitem(sys.modules, name, module)
    return sys.modules["dnnlib.util"].EasyDict


def write(
    path: Path, EasyDict, denoiser: EDM2Denoiser, protocol: int = 4, class_name: str = "Precond", **kwargs
) -> Path:
    root = EasyDict(encoder=Persistent("StandardRGBEncoder", {"shift": np.float64(0), "_init_kwargs": {}}))
    root.update(dataset_kwargs=EasyDict(path="x.zip"), loss_fn=Persistent("EDM2Loss", {"P_mean": -0.8}))
    root["ema"] = persistent(denoiser.half(), class_name, **kwargs)
    path.write_bytes(pickle.dumps(root, protocol))
    return path


@pytest.mark.parametrize("protocol", [4, 5])
def test_image_network_is_read_exactly(published_modules, tmp_path, protocol):
    source = EDM2Denoiser(**SMALL, attn_resolutions=(4,))
    source.unet.out_gain.data.fill_(1)
    kwargs = SMALL | {"use_fp16": True, "attn_resolutions": [4]}
    path = write(tmp_path / "net.pkl", published_modules, source, protocol, **kwargs)
    found = official.read(path)
    assert found.class_name == "Precond" and found.kwargs == kwargs
    assert found.tensors.keys() == source.state_dict().keys()
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in source.state_dict().items())
    assert {tensor.dtype for tensor in found.tensors.values()} == {torch.float16}

    loaded = official.load(path)
    x, labels = torch.randn(2, 2, 8, 8), torch.tensor([2, 0])
    assert torch.equal(loaded(x, 0.7, labels), source.float().eval()(x, 0.7, labels))
    official.convert(path, tmp_path / "net.safetensors")
    converted = network.load(tmp_path / "net.safetensors")
    assert torch.equal(loaded(x, 0.7, labels), converted(x, 0.7, labels))
    assert network.metadata(tmp_path / "net.safetensors")["extra"] == {"source": "net.pkl"}


def test_2d_network_of_the_published_programs(tmp_path):
    from toy2d.model import LogDensityMLP

    found = official.load(TOY)
    assert found.class_name == "ToyModel" and found.kwargs == {"hidden": 64, "layers": 4}
    assert official.read(TOY).kwargs == {"num_layers": 4, "hidden_dim": 64, "sigma_data": 0.5}
    model = LogDensityMLP(**found.kwargs)
    model.load_state_dict(found.tensors)
    wanted = np.load(TOY.with_suffix(".npz"))
    x, sigma = torch.tensor(wanted["x"]), torch.tensor(wanted["sigma"])
    score = model.score(x, sigma).detach().numpy()
    assert np.abs(score - wanted["score"]).max() < 1e-5 * np.abs(wanted["score"]).max()
    with pytest.raises(ValueError, match="only image networks"):
        official.convert(TOY, tmp_path / "toy.safetensors")


def test_networks_that_cannot_be_built_are_named(published_modules, tmp_path):
    source = EDM2Denoiser(**SMALL, attn_resolutions=(4,))
    for kwargs, message in (
        (SMALL | {"attn_resolutions": [4], "colour": 1}, "colour"),
        (SMALL | {"attn_resolutions": [4], "model_channels": 64}, "should be"),
        (SMALL | {"attn_resolutions": [4], "model_channels": 10**9}, "should be|overflow"),
        (SMALL | {"attn_resolutions": [4], "num_blocks": 10**12}, "too few"),
        (SMALL | {"attn_resolutions": [4], "num_blocks": "many"}, "do not fit"),
    ):
        path = write(tmp_path / "net.pkl", published_modules, source, **kwargs)
        with pytest.raises(ValueError, match=message) as raised:
            official.load(path)
        assert str(path) in str(raised.value)
    path = write(tmp_path / "net.pkl", published_modules, source, class_name="VPPrecond", **SMALL)
    with pytest.raises(ValueError, match="'VPPrecond' are not known"):
        official.load(path)


def test_reference_statistics(published_modules, tmp_path):
    mu, sigma = np.arange(3.0), np.asfortranarray(np.arange(9.0, dtype=np.float32).reshape(3, 3))
    EasyDict = published_modules
    path = tmp_path / "stats.pkl"
    for protocol in (3, 4):
        path.write_bytes(pickle.dumps(EasyDict(fid={"mu": mu, "sigma": sigma, "n": np.int64(5)}), protocol))
        found = official.read_stats(path)
        assert found["fid"]["n"] == 5 and found["fid"]["sigma"].dtype == np.float32
        assert np.array_equal(found["fid"]["mu"], mu) and np.array_equal(found["fid"]["sigma"], sigma)
    np.savez(tmp_path / "stats.npz", mu=mu, sigma=sigma)
    found = official.read_stats(tmp_path / "stats.npz")
    assert found.keys() == {"mu", "sigma"} and np.array_equal(found["sigma"], sigma)
    np.savez(tmp_path / "objects.npz", mu=np.array([{}], dtype=object))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "stats.npz").read_bytes()[:-100])
    for name in ("objects.npz", "cut.npz"):
        with pytest.raises((ValueError, official.RefusedPickle), match=name):
            official.read_stats(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="none.npz"):
        official.read_stats(tmp_path / "none.npz")
    path.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(ValueError, match="no statistics, but a list"):
        official.read_stats(path)


def test_presets_name_files_as_published():
    for preset in official.PRESETS.values():
        for name in filter(None, (preset.main, preset.guide)):
            assert re.fullmatch(r"edm2-img64-(xs|s)-\d{7}-0\.\d{3}\.pkl", name)
        assert (preset.guide is None) == (preset.weight == 1)
    assert official.PRESETS["img64-s-autoguidance"] == (
        "edm2-img64-s-1073741-0.045.pkl",
        "edm2-img64-xs-0134217-0.110.pkl",
        1.70,
    )


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/nets/a.pkl" and self.path != "/nets/short.pkl":
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", "5" if self.path == "/nets/a.pkl" else "50")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_):
        pass


@pytest.fixture
def address():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/nets/"
    server.shutdown()
    server.server_close()


def test_fetch(address, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    path = official.fetch("a.pkl", tmp_path / "new", address)
    assert path == tmp_path / "new" / "a.pkl" and path.read_bytes() == b"hello"
    path.write_bytes(b"mine")
    assert official.fetch("a.pkl", tmp_path / "new", address).read_bytes() == b"mine"  # not downloaded again
    assert official.fetch(path, tmp_path) == path
    for name in ("short.pkl", "none.pkl"):
        with pytest.raises(FileNotFoundError, match=re.escape(f"put it at {tmp_path / name}")):
            official.fetch(name, tmp_path, address)
    with pytest.raises(FileNotFoundError, match="no file elsewhere/a.pkl"):
        official.fetch("elsewhere/a.pkl", tmp_path, address)
    with pytest.raises(ValueError, match="must begin with https"):
        official.fetch("b.pkl", tmp_path, "file:///etc")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.pkl", "new"]  # nothing half-done
