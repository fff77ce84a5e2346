"""Image files as annotations need them: read whole, never half, and their size as displayed.

A picture is displayed turned as its EXIF orientation says (CIPA DC-008, Exif 2.3, tag 274), and
annotations are drawn on what is displayed. Pillow reads every format here: it turns all of them,
which OpenCV does not, and refuses what is cut off, which OpenCV fills up with grey.
"""

import io
import struct
import unicodedata
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from utils.records import JPEG_END, JPEG_START, RecordError, encode_jpeg

import cv2
import numpy as np
from PIL import Image, ImageFile, ImageOps

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
MAX_PIXELS = 120_000_000  # 360 MB as bytes; telephones make 12,000 x 9,000
STRIP_ROWS = 1024
MAX_FILE_BYTES = 512 * 2**20
ORIENTATION, UPRIGHT, ON_ITS_SIDE = 274, 1, (5, 6, 7, 8)
# What Pillow raises for a broken file, beside OSError; its readers check little of what they parse.
BROKEN: tuple[type[Exception], ...] = (
    *(OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, AttributeError),
    *(EOFError, struct.error, OverflowError, ZeroDivisionError, MemoryError, RuntimeError),
    *(Image.DecompressionBombError, NotImplementedError),
)


@dataclass(frozen=True)
class FilePart:
    """So many bytes from a place in a file on, which are read when they are asked for."""

    path: Path
    start: int
    num_bytes: int

    def read_bytes(self) -> bytes:
        """Return the bytes."""
        with self.path.open("rb") as file:
            file.seek(self.start)
            return file.read(self.num_bytes)


@dataclass(frozen=True)
class RecordedImage:
    """An image file that came in a record; read as a Path is. name: of the record, for messages."""

    name: str
    content: bytes | FilePart

    def read_bytes(self) -> bytes:
        """Return the image file."""
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()

    def __str__(self):
        return self.name


def is_hidden(path: Path, folder: Path) -> bool:
    """Return whether a path below a folder is that of a hidden file, or of one in a hidden folder.

    macOS leaves a `._a.jpg` for every `a.jpg` in archives and on disks that others read.
    """
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def pictures_in(folder: Path, pattern: str = "*") -> list[Path]:
    """Return what has a picture's ending, in any case, and is not hidden, in order of the names.

    pattern: `**/*` for folders within the folder too. A folder that is not there holds none.
    """
    found = (path for path in folder.glob(pattern) if path.suffix.lower() in SUFFIXES)
    return sorted(path for path in found if not is_hidden(path, folder))


def pictures_by_stem(folder: Path) -> dict[str, list[Path]]:
    """Return the pictures in a folder by their names without ending, in Unicode's composed form.

    Which those are: see `pictures_in`.
    """
    found: dict[str, list[Path]] = {}
    for path in pictures_in(folder):
        found.setdefault(unicodedata.normalize("NFC", path.stem), []).append(path)
    return found


def displayed_size(source: Path | RecordedImage) -> tuple[int, int]:
    """Return (width, height) of an image as it is displayed, from its header alone.

    source: Path or RecordedImage. Raises RecordError where it is absent, no image or too large.
    """
    return _header(source)[0]


def size_and_orientation(source: Path | RecordedImage) -> tuple[tuple[int, int], int]:
    """Return the size of an image as `displayed_size` does, and its EXIF orientation, 1 to 8."""
    size_px, orientation, _ = _header(source)
    return size_px, orientation if orientation in range(1, 9) else UPRIGHT


def _header(source):
    """Return ((width, height) as displayed, EXIF orientation, mode) of an image from its header.

    Raises RecordError where it is absent, no image or too large.
    """
    with _opened(source) as image:
        orientation = image.getexif().get(ORIENTATION, UPRIGHT)
        # The size of a TIFF comes as displayed.
        turned = orientation in ON_ITS_SIDE and image.format != "TIFF"
        return image.size[::-1] if turned else image.size, orientation, image.mode


def read_picture(source: str | Path | RecordedImage) -> np.ndarray:
    """Return an image as (H, W, 3) uint8 RGB, turned as its EXIF orientation says.

    source: a path or a RecordedImage. Grey images and palettes become RGB; transparency is left
    out; of 16 bits the upper eight count.
    Raises RecordError where the file is absent, no image, too large or truncated.
    """
    with _opened(Path(source) if isinstance(source, str) else source) as image:
        image.load()
        if image.format != "TIFF":  # which Pillow turns when it loads it
            ImageOps.exif_transpose(image, in_place=True)
        if image.mode.startswith("I"):  # 16 bits of grey, which `convert` would cut off at 255
            image = Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
        elif image.mode == "F":
            raise RecordError(
                f"{source}: pixels are floating-point numbers; save it as JPEG or PNG"
            )
        return _as_rgb(image)


def _as_rgb(image):
    """Return an image as (H, W, 3) uint8, by strips, since each whole copy may be 400 MB."""
    pixels = np.empty((image.height, image.width, 3), dtype=np.uint8)
    for top in range(0, image.height, STRIP_ROWS):
        bottom = min(top + STRIP_ROWS, image.height)
        strip = image.crop((0, top, image.width, bottom))
        pixels[top:bottom] = np.asarray(strip.convert("RGB"))
    return pixels


@contextmanager
def _opened(source):
    """Yield an image as Pillow opens it; raise RecordError for whatever is wrong with it."""
    try:
        if isinstance(source, Path) and source.stat().st_size > MAX_FILE_BYTES:
            raise RecordError(f"{source}: more than {MAX_FILE_BYTES:,} bytes; shrink the image")
        file = source if isinstance(source, Path) else io.BytesIO(source.read_bytes())
        with _strict_pillow(), Image.open(file, formats=FORMATS) as image:
            if image.size[0] * image.size[1] > MAX_PIXELS:
                raise RecordError(
                    f"{source}: {image.size[0]} x {image.size[1]} pixels, more than "
                    f"{MAX_PIXELS:,}; shrink the image"
                )
            yield image
    except RecordError:
        raise
    except FileNotFoundError:
        raise RecordError(f"{source}: no such file; is the path right?") from None
    except BROKEN as error:
        raise RecordError(
            f"{source}: no whole image that can be read ({_reason(error)}); copy it again, or save "
            "it as JPEG or PNG"
        ) from None


def limited_size(size_px: tuple[int, int], max_side: int) -> tuple[int, int]:
    """Return (width, height) shrunk until no side is above max_side pixels; 0 is no limit."""
    if not max_side or max(size_px) <= max_side:
        return size_px
    width, height = (max(1, round(side * max_side / max(size_px))) for side in size_px)
    return width, height


def to_jpeg(source: Path | RecordedImage, image: np.ndarray, max_side: int) -> bytes:
    """Return an image as the bytes of a JPEG, its sides at most max_side pixels.

    source: where the image, (H, W, 3) uint8 RGB, was read. An upright JPEG that is small enough
    stays byte by byte as it is; max_side 0 is no limit.
    """
    _, orientation, mode = _header(source)
    content = source.read_bytes()
    size_px = image.shape[1], image.shape[0]
    smaller = limited_size(size_px, max_side)
    if smaller != size_px:
        return encode_jpeg(cv2.resize(image, smaller, interpolation=cv2.INTER_AREA))
    if orientation == UPRIGHT and mode in ("RGB", "L") and _ends_as_jpeg(content):
        return content
    return encode_jpeg(image)


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


def _reason(error):
    """Return what Pillow says, in one short line."""
    return " ".join(str(error).split())[:120] or type(error).__name__
