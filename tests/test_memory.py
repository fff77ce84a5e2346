from utils import memory

import cv2
import numpy as np
import pytest
from mxnet.base import MXNetError


@pytest.mark.parametrize(
    "error, expected",
    [
        (MemoryError(), True),
        (MXNetError("cpu_device_storage.h: Failed to allocate CPU Memory"), True),
        (MXNetError("cudaMalloc retry failed: out of memory"), True),
        (MXNetError("Shape inconsistent"), False),
        (ValueError("allocate"), False),
    ],
)
def test_errors_about_memory_are_told_from_others(error, expected):
    assert memory.is_out_of_memory(error) is expected


def test_the_errors_of_numpy_and_opencv_are_known():
    with pytest.raises(MemoryError) as caught:
        np.empty(2**60, dtype=np.uint8)
    assert memory.is_out_of_memory(caught.value)
    with pytest.raises(cv2.error) as caught:
        cv2.resize(np.zeros((2, 2, 3), dtype=np.uint8), (2**20, 2**20))
    assert memory.is_out_of_memory(caught.value)


def test_a_training_must_fit(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 1_100_000_000)
    memory.check_memory(16, 256)  # 1.05 GB
    with pytest.raises(memory.MemoryShort, match="17 images .* 1.1 GB .* 1.1 GB are free; lower"):
        memory.check_memory(17, 256)
    with pytest.raises(memory.MemoryShort, match="take about 4.2 GB"):
        memory.check_memory(16, 256, width=1.0)


def test_this_machine_has_memory():
    assert 2**20 < memory.available_memory() < 2**50
