"""What the tests of the 2D world share."""

import pytest
import torch

from toy2d.fast import can_compile


@pytest.fixture
def no_compiler(monkeypatch):
    """torch.compile fails, as it does where no C++ compiler is installed."""

    def broken(*args, **kwargs):
        raise RuntimeError("InvalidCxxCompiler")

    can_compile.cache_clear()
    monkeypatch.setattr(torch, "compile", broken)
    yield
    can_compile.cache_clear()
