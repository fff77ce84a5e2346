"""Main memory: what a training takes, what is there, and whether an error is about it."""

from pathlib import Path

import cv2
from mxnet.base import MXNetError

# Measured on ToySSD at 128 and 256 pixels and on SSD300 of a quarter of the paper's width: 880 to
# 1100 bytes for every pixel of a batch, most of them the maps of the first layers.
BYTES_PER_PIXEL = 1000
MEASURED_WIDTH = 0.25
MEMORY_WORDS = ("allocate", "out of memory", "insufficient memory")
ADVICE = "lower --batch-size (and raise --accumulate as much) or --image-size"


class MemoryShort(ValueError):
    """A run for which there is not enough memory; the message says what to change."""


def is_out_of_memory(error):
    """Return whether an error of Python, NumPy, OpenCV or MXNet is about a lack of memory."""
    if isinstance(error, (MXNetError, cv2.error)):
        return any(word in str(error).lower() for word in MEMORY_WORDS)
    return isinstance(error, MemoryError)


def available_memory():
    """Return the bytes that new programs can have without others being swapped out."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    (kilobytes,) = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(kilobytes) * 1024


def check_memory(batch_size, image_size, width=MEASURED_WIDTH):
    """Refuse a training that would be ended by the system for want of memory, without a word.

    batch_size: images at a time; image_size: their side in pixels; width: of an SSD's layers.
    Raises MemoryShort where about as much as it takes is not there.
    """
    needed = batch_size * image_size**2 * BYTES_PER_PIXEL * max(1, width / MEASURED_WIDTH)
    available = available_memory()
    if needed > available:
        raise MemoryShort(
            f"{batch_size} images of {image_size} x {image_size} pixels at a time take about "
            f"{needed / 1e9:.1f} GB of memory, and {available / 1e9:.1f} GB are free; {ADVICE}"
        )
