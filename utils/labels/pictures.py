"""Image files as annotations need them: read whole, never half, and their size as displayed.

A picture is displayed turned as its EXIF orientation says (CIPA DC-008, Exif 2.3, tag 274), and
annotations are drawn on what is displayed; OpenCV turns it on reading.
"""

import io
import struct
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from utils.records import JPEG_END, JPEG_START, RecordError, decode_jpeg, encode_jpeg

import cv2
import numpy as np
from PIL import Image, ImageFile

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
MAX_PIXELS = 100_000_000  # 300 MB as bytes; no camera that one labels pictures of makes more
MAX_FILE_BYTES = 512 * 2**20
ORIENTATION, UPRIGHT, ON_ITS_SIDE = 274, 1, (5, 6, 7, 8)
# What Pillow raises for a broken file, beside OSError; its readers check little of what they parse.
BROKEN = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, AttributeError)
BROKEN += (EOFError, struct.error, OverflowError, ZeroDivisionError, MemoryError, RuntimeError)
BROKEN += (Image.DecompressionBombError, NotImplementedError)


@dataclass(frozen=True)
class RecordedImage:
    """A JPEG that came in a record; read as a Path is. name: file and record, for messages."""

    name: str
    jpeg: bytes

    def read_bytes(self):
        """Return the JPEG."""
        return self.jpeg

    def __str__(self):
        return self.name


def displayed_size(source):
    """Return (width, height) of an image as it is displayed, from its header alone.

    source: Path or RecordedImage. Raises RecordError where it is absent, no image or too large.
    """
    return _header(source)[0]


def _header(source):
    """Return ((width, height), EXIF orientation, mode) of an image; raise RecordError."""
    try:
        content = source if isinstance(source, Path) else io.BytesIO(source.read_bytes())
        with _strict_pillow(), Image.open(content, formats=FORMATS) as image:
            size, mode = image.size, image.mode
            orientation = image.getexif().get(ORIENTATION, UPRIGHT)
    except FileNotFoundError:
        raise RecordError(f"{source}: no such file; is the path right?") from None
    except BROKEN as error:
        raise RecordError(
            f"{source}: no image that can be read ({_reason(error)}); save it as JPEG or PNG"
        ) from None
    if size[0] * size[1] > MAX_PIXELS:
        raise RecordError(
            f"{source}: {size[0]} x {size[1]} pixels, more than {MAX_PIXELS:,}; shrink the image"
        )
    return size[::-1] if orientation in ON_ITS_SIDE else size, orientation, mode


def read_picture(source):
    """Return an image as (H, W, 3) uint8 RGB, turned as its EXIF orientation says.

    source: Path or RecordedImage. Grey images and palettes become RGB; transparency is left out.
    Raises RecordError where the file is absent, no image, too large or truncated.
    """
    _header(source)
    content = _read_bytes(source)
    if _ends_as_jpeg(content):
        return decode_jpeg(content, str(source))
    _check_whole(content, source)
    image = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise RecordError(f"{source}: OpenCV cannot decode the image; save it as JPEG or PNG")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def limited_size(size_px, max_side):
    """Return (width, height) shrunk until no side is above max_side pixels; 0 is no limit."""
    if not max_side or max(size_px) <= max_side:
        return tuple(size_px)
    return tuple(max(1, round(side * max_side / max(size_px))) for side in size_px)


def to_jpeg(source, image, max_side):
    """Return an image as the bytes of a JPEG, its sides at most max_side pixels.

    source: where the image, (H, W, 3) uint8 RGB, was read. An upright JPEG that is small enough
    stays byte by byte as it is; max_side 0 is no limit.
    """
    _, orientation, mode = _header(source)
    content = _read_bytes(source)
    size_px = image.shape[1::-1]
    smaller = limited_size(size_px, max_side)
    if smaller != size_px:
        return encode_jpeg(cv2.resize(image, smaller, interpolation=cv2.INTER_AREA))
    if orientation == UPRIGHT and mode in ("RGB", "L") and _ends_as_jpeg(content):
        return content
    return encode_jpeg(image)


def _read_bytes(source):
    """Return the content of an image file that is not absurdly large."""
    try:
        if isinstance(source, Path) and source.stat().st_size > MAX_FILE_BYTES:
            raise RecordError(f"{source}: more than {MAX_FILE_BYTES:,} bytes; shrink the image")
        return source.read_bytes()
    except OSError as error:
        raise RecordError(f"{source}: cannot be read ({error.strerror})") from None


def _ends_as_jpeg(content):
    return content.startswith(JPEG_START) and content.rstrip(b"\0").endswith(JPEG_END)


@contextmanager
def _strict_pillow():
    """Have Pillow refuse truncated images, which importing GluonCV makes it fill up with grey.

    Its warnings, of a size that has our own limit and of odd metadata, are not shown.
    """
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def _check_whole(content, source):
    """Raise RecordError for a truncated image, which OpenCV would fill up with grey."""
    try:
        with _strict_pillow(), Image.open(io.BytesIO(content), formats=FORMATS) as image:
            image.load()
    except BROKEN as error:
        raise RecordError(
            f"{source}: truncated or broken image ({_reason(error)}); copy or save it again"
        ) from None


def _reason(error):
    """Return what Pillow says, in one short line."""
    return " ".join(str(error).split())[:120] or type(error).__name__
