"""Networks of the quick look, trained once for all tests here; they know nothing."""

import pytest

from figures.images import measure
from figures.images.study import study


@pytest.fixture(scope="session")
def tiny():
    return study("tiny")


@pytest.fixture(scope="session")
def runs(tiny):
    return measure.place(tiny)
