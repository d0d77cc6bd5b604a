"""Tests run side by side (pytest-xdist), one thread each: faster than one after the other on all cores."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported, here and in every process that tests start

import torch  # noqa: E402

torch.set_num_threads(1)
