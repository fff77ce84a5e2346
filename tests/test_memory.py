from single_shot import memory

import cv2
import mxnet as mx
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


def test_memory_grows_with_the_batch_and_with_the_width():
    wide, narrow = memory.memory_needed(32, 300, 1.0), memory.memory_needed(32, 300)
    assert wide == 4 * narrow == 4 * memory.memory_needed(8, 300, 1.0) == 11.52e9
    assert memory.memory_needed(32, 300, 1 / 8) == narrow


def test_memory_grows_with_the_classes_that_evaluation_decodes(monkeypatch):
    """300 classes of 8732 anchors took 524 MB more than the estimate that knew of no classes."""
    more = memory.memory_needed(8, 300, num_classes=300) - memory.memory_needed(8, 300)
    assert more == pytest.approx(524e6, rel=0.05)
    monkeypatch.setattr(memory, "available_memory", lambda: 1_100_000_000)
    memory.check_memory(8, 300, num_classes=100)
    with pytest.raises(memory.MemoryShort, match="8 images .* and 300 classes .* about 1.3 GB"):
        memory.check_memory(8, 300, num_classes=300)


def test_a_gpu_does_not_need_main_memory(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 1)
    memory.check_memory(17, 256, ctx=mx.gpu(0))
    with pytest.raises(memory.MemoryShort):
        memory.check_memory(17, 256, ctx=mx.cpu(0))


def write_group(folder, **contents):
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / f"memory.{name}").write_text(f"{content}\n")


def left(tmp_path, membership):
    (tmp_path / "membership").write_text(membership)
    return memory.available_memory(tmp_path / "root", tmp_path / "membership")


def test_control_groups_of_version_2_limit_the_memory(tmp_path):
    box = tmp_path / "root/box"
    write_group(box, max=5_000_000, current=4_000_000, stat="anon 1\ninactive_file 500")
    write_group(box / "inner", max="max", current=4_000_000, stat="inactive_file 0")
    assert left(tmp_path, "0::/box/inner\n") == 1_000_500
    assert left(tmp_path, "0::/other\n") > 2**20


def test_control_groups_of_version_1_limit_the_memory(tmp_path):
    group = tmp_path / "root/memory/box"
    write_group(group, limit_in_bytes=700, usage_in_bytes=300, stat="total_inactive_file 11")
    assert left(tmp_path, "5:cpu:/box\n4:memory:/box\n") == 411
    assert left(tmp_path, "5:cpu:/box\n") > 2**20


def test_this_machine_has_memory():
    assert 2**20 < memory.available_memory() < 2**50
