"""Main memory: what a training takes, what is there, and whether an error is about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from single_shot.recipes import NARROW
from utils.compat import control_groups
from utils.detection import EVALUATION_BATCH
from utils.files import InputError

import cv2
from mxnet import Context
from mxnet.base import MXNetError

# Measured on ToySSD at 128 and 256 pixels and on SSD300 of a quarter of the paper's width: 880 to
# 1100 bytes for every pixel of a batch, most of them the maps of the first layers.
BYTES_PER_PIXEL = 1000
# Measured where a batch of 8 is decoded: 524 MB for 8732 anchors and 300 classes. An SSD of 300
# pixels has 8732 anchors, ToySSD fewer for as many pixels.
DECODING_BYTES = 25  # for each image, anchor and class
ANCHORS_PER_PIXEL = 0.1
MEMORY_WORDS = ("allocate", "out of memory", "insufficient memory")
V1_FILES = ("memory.limit_in_bytes", "memory.usage_in_bytes")
ADVICE = "lower --batch-size (and raise --accumulate as much) or --image-size"


class MemoryShort(InputError):
    """A run for which there is not enough memory; the message says what to change."""


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error of Python, NumPy, OpenCV or MXNet is about a lack of memory."""
    if isinstance(error, (MXNetError, cv2.error)):
        return any(word in str(error).lower() for word in MEMORY_WORDS)
    return isinstance(error, MemoryError)


@contextmanager
def explain_shortage(advice: str = ADVICE) -> Iterator[None]:
    """Raise MemoryShort, with the advice, for an error about a lack of memory within the block."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise MemoryShort(f"not enough memory: {advice}") from error


def available_memory(*places) -> int:
    """Return the bytes that this process can still have without being ended or others swapped out.

    places: see `compat.control_groups`, whose limits count as well as what the machine has.
    """
    lines = Path("/proc/meminfo").read_text().splitlines()
    (kilobytes,) = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    groups = map(_left_in, control_groups("memory", *places))
    return min([int(kilobytes) * 1024, *groups])


def _left_in(folder):
    """Return how many bytes a control group (version 1 or 2) has left, infinity without a limit.

    What it holds of files counts as left: the system gives it up first.
    """
    version_2 = (folder / "memory.max").exists()
    names = ("memory.max", "memory.current") if version_2 else V1_FILES
    try:
        limit, used = ((folder / name).read_text().strip() for name in names)
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        reclaimable = int(stat.get("inactive_file" if version_2 else "total_inactive_file", 0))
        return int(limit) - int(used) + reclaimable
    except (OSError, ValueError):  # no such file, or the word "max"
        return float("inf")


def memory_needed(
    batch_size: int, image_size: int, width: float = NARROW, num_classes: int = 0
) -> float:
    """Return about how many bytes of memory a training takes; the rest as for `check_memory`.

    num_classes: of the detections that its evaluation decodes; 0 counts the training alone.
    """
    training = batch_size * image_size**2 * BYTES_PER_PIXEL * max(1, width / NARROW)
    anchors = ANCHORS_PER_PIXEL * image_size**2
    return training + EVALUATION_BATCH * anchors * num_classes * DECODING_BYTES


def check_memory(
    batch_size: int,
    image_size: int,
    width: float = NARROW,
    ctx: Context | None = None,
    advice: str = ADVICE,
    num_classes: int = 0,
) -> None:
    """Refuse a training that would be ended by the system for want of memory, without a word.

    batch_size: images at a time; image_size: their side in pixels; width: of an SSD's layers.
    ctx: the device; what a GPU has is not known here, and main memory is not what it needs.
    advice: what to change, for the message. num_classes: as for `memory_needed`.
    Raises MemoryShort where about as much as it takes is not there.
    """
    if ctx is not None and ctx.device_type == "gpu":
        return
    needed = memory_needed(batch_size, image_size, width, num_classes)
    available = available_memory()
    if needed > available:
        images = f"{batch_size} images of {image_size} x {image_size} pixels at a time"
        images += f" and {num_classes} classes" if num_classes else ""
        raise MemoryShort(
            f"{images} take about {needed / 1e9:.1f} GB of memory, and {available / 1e9:.1f} GB "
            f"are free; {advice}"
        )
