"""Detection records: im2rec's RecordIO layout, packed, checked and read.

A record is a JPEG with a label vector `[A, B, extra header ..., id, xmin, ymin, xmax, ymax, ...]`:
A is the header's width (2 or more), B the width of an object's row (5 or more), boxes in fractions.
A sixth column says whether the object is difficult (1) or not (0), as in MXNet's example/ssd.
An image without objects carries one row of -1. What `ImageDetIter`, `ImageDetRecordIter` and
GluonCV's `RecordFileDetection` accept silently and train on wrongly is an error here.
"""

import errno
import os
import struct
from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path

from utils.files import InputError

import cv2
import mxnet as mx
import numpy as np

JPEG_QUALITY = 92
HEADER_WIDTH, OBJECT_WIDTH = 2, 5
MAX_WIDTH = 1000  # of an object's row; no tool writes more than a few columns
JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
RECORD_HEADER = struct.Struct("<II")  # before each payload: a magic number, flags and length
LENGTH_BITS = 2**29 - 1
FIELDS = ("class_id", "xmin", "ymin", "xmax", "ymax")


class RecordError(InputError):
    """A record that must not be trained on; the message names file, record, field and the fix."""


def check_labels(labels: np.ndarray, num_classes: int, where: str) -> np.ndarray:
    """Check the labels of one image; return them as (n, 5) float32 without padding rows.

    labels: (n, >= 5) rows [class_id, xmin, ymin, xmax, ymax, ...] in fractions, class ids from 0;
    rows that begin with five -1 are padding. num_classes: int. where: str that opens each message,
    such as "train.rec record 7".
    Raises RecordError at the first row that is wrong; nothing is clamped or dropped.
    """
    labels = np.asarray(labels, np.float32)
    if labels.ndim != 2 or labels.shape[1] < OBJECT_WIDTH:
        raise RecordError(
            f"{where}: labels have shape {labels.shape}; give (n, 5) rows {', '.join(FIELDS)}"
        )
    labels = labels[:, :OBJECT_WIDTH]
    for row, label in enumerate(labels):
        if not (label == -1).all():
            _check_row(label, num_classes, f"{where}, object {row}")
    return labels[~(labels == -1).all(axis=1)]


def _check_row(label, num_classes, where):
    for field, value in zip(FIELDS, label):
        if not np.isfinite(value):
            raise RecordError(f"{where}: {field} is {value}; find the division by zero or bad text")
    class_id = label[0]
    if class_id < 0 or class_id >= num_classes or class_id != int(class_id):
        raise RecordError(
            f"{where}: class_id is {class_id:g}; it must be a whole number from 0 to "
            f"{num_classes - 1}; number the classes from 0 or pass the right number of classes"
        )
    for field, value in zip(FIELDS[1:], label[1:]):
        if value < 0 or value > 1:
            side = "width" if field[0] == "x" else "height"
            raise RecordError(
                f"{where}: {field} is {value:g}, outside 0..1; divide pixel coordinates by the "
                f"image's {side} and clip the box to the image before packing"
            )
    for low, high in ((1, 3), (2, 4)):
        if label[low] >= label[high]:
            kind = "zero-area" if label[low] == label[high] else "reversed"
            raise RecordError(
                f"{where}: {kind} box, {FIELDS[low]} {label[low]:g} is not below {FIELDS[high]} "
                f"{label[high]:g}; give the corners as xmin, ymin, xmax, ymax"
            )


def pack_sample(image: np.ndarray | bytes, labels: np.ndarray, key: int) -> bytes:
    """Pack one image and its labels, which may be empty, as a record.

    image: (H, W, 3) uint8 RGB, or the bytes of a JPEG, which stay as they are.
    labels: (n, 5) or wider; all images of a file should have rows of one width.
    """
    rows = np.asarray(labels, np.float32)
    width = rows.shape[1] if rows.ndim == 2 else OBJECT_WIDTH
    if not len(rows):
        rows = np.full((1, width), -1, np.float32)
    label = np.concatenate([[HEADER_WIDTH, width], rows.ravel()]).astype(np.float32)
    jpeg = image if isinstance(image, bytes) else encode_jpeg(image)
    return mx.recordio.pack(mx.recordio.IRHeader(0, label, key, 0), jpeg)


def encode_jpeg(image: np.ndarray) -> bytes:
    """Encode an image (H, W, 3) uint8 RGB as JPEG bytes of quality JPEG_QUALITY."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return jpeg.tobytes()


def unpack_sample(
    payload: bytes, path: str, key: int, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Unpack and check one record.

    payload: bytes. path, key: name the record in errors. num_classes: int.
    Returns image (H, W, 3) uint8 RGB and labels (n, 5) float32, n >= 0.
    Raises RecordError.
    """
    where = f"{path} record {key}"
    rows, jpeg = unpack_rows(payload, where)
    labels = check_labels(rows, num_classes, where)
    return decode_jpeg(jpeg, where), labels


def unpack_rows(payload: bytes, where: str) -> tuple[np.ndarray, bytes]:
    """Return the object rows (n, >= 5) of a record as they are, padding included, and its JPEG.

    payload: bytes; where: str that opens each message. Raises RecordError.
    """
    try:
        header, jpeg = mx.recordio.unpack(payload)
    except (struct.error, ValueError) as error:
        raise RecordError(f"{where}: truncated label; write the file again ({error})") from error
    return label_rows(header.label, where), jpeg


def label_rows(label: np.ndarray, where: str) -> np.ndarray:
    """Return the object rows (n, B) of a label vector `[A, B, ...]`; raise RecordError."""
    label = np.atleast_1d(label)
    widths = label[:HEADER_WIDTH].tolist()
    if len(label) < HEADER_WIDTH or not all(width.is_integer() for width in widths):
        widths = [0, 0]
    header_width, object_width = int(widths[0]), int(widths[1])
    if header_width < HEADER_WIDTH or not OBJECT_WIDTH <= object_width <= MAX_WIDTH:
        shown = ", ".join(f"{value:g}" for value in label[:HEADER_WIDTH])
        raise RecordError(
            f"{where}: label header is [{shown}]; detection records begin with [2, 5]: pack them "
            "with pack_sample or im2rec --pack-label"
        )
    if len(label) < header_width or (len(label) - header_width) % object_width:
        raise RecordError(
            f"{where}: label length {len(label)} does not fit a header of {header_width} and rows "
            f"of {object_width}; pack whole rows {', '.join(FIELDS)}"
        )
    return label[header_width:].reshape(-1, object_width)


def decode_jpeg(jpeg: bytes, where: str) -> np.ndarray:
    """Decode JPEG bytes to (H, W, 3) uint8 RGB; raise RecordError for a truncated or broken one.

    MXNet's own decoder fills what a truncated file lacks and goes on.
    """
    if not jpeg.startswith(JPEG_START):
        raise RecordError(f"{where}: no JPEG image behind the label; pack a JPEG file")
    if not jpeg.rstrip(b"\0").endswith(JPEG_END):  # some writers pad with zeros
        raise RecordError(f"{where}: truncated JPEG (no end marker); pack the image again")
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise RecordError(f"{where}: JPEG cannot be decoded; pack the image again")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def write_records(prefix: PathLike | str, samples: Iterable) -> int:
    """Write prefix.rec and prefix.idx from an iterable of (image, labels), keys 0, 1, 2 ...

    Both are written under temporary names and renamed when complete, the .idx last.
    Returns the number of records. Raises OSError where the disk does not take them.
    """
    finals = [Path(f"{prefix}.rec"), Path(f"{prefix}.idx")]
    temporary = [path.with_name(f".{path.name}.{os.getpid()}") for path in finals]
    count = 0
    try:
        try:
            writer = mx.recordio.MXIndexedRecordIO(str(temporary[1]), str(temporary[0]), "w")
            try:
                for count, (image, labels) in enumerate(samples, start=1):
                    writer.write_idx(count - 1, pack_sample(image, labels, count - 1))
                size = writer.tell()
            finally:
                writer.close()
        except mx.MXNetError:
            raise OSError(
                errno.EIO, "cannot be written; is the disk full?", f"{finals[0]}"
            ) from None
        if temporary[0].stat().st_size != size:  # MXNet does not notice what the last flush loses
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), f"{finals[0]}")
        for source, final in zip(temporary, finals):
            os.replace(source, final)
    finally:
        for path in temporary:
            path.unlink(missing_ok=True)
    return count


def read_records(
    rec_path: PathLike | str, num_classes: int
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield (key, image, labels) of every record, in the order of the .idx file beside the .rec.

    image: (H, W, 3) uint8 RGB. labels: (n, 5) float32. Raises RecordError.
    """
    for key, payload in read_payloads(rec_path):
        yield key, *unpack_sample(payload, Path(rec_path).name, key, num_classes)


def read_payloads(rec_path: PathLike | str) -> Iterator[tuple[int, bytes]]:
    """Yield (key, payload) of every record, as `read_records` does, unpacked by `unpack_sample`.

    payload: bytes. Raises RecordError where the .rec and the .idx do not fit.
    """
    rec_path = Path(rec_path)
    idx_path = rec_path.with_suffix(".idx")
    for path in (rec_path, idx_path):
        if not path.is_file():
            raise RecordError(f"{path}: no such file; a record file is a pair of .rec and .idx")
    try:
        reader = mx.recordio.MXIndexedRecordIO(str(idx_path), str(rec_path), "r")
    except (ValueError, IndexError) as error:
        raise RecordError(f"{idx_path}: not lines of `key<TAB>offset`; write both again") from error
    if not reader.keys:
        raise RecordError(f"{idx_path}: holds no records; write both again")
    try:
        for key in reader.keys:
            if not _fits(rec_path, reader.idx[key]):
                raise _broken_file(rec_path, key)
            try:
                payload = reader.read_idx(key)
            except mx.MXNetError as error:
                raise _broken_file(rec_path, key) from error
            if not payload:
                raise _broken_file(rec_path, key)
            yield key, payload
    finally:
        reader.close()


def _fits(path, offset):
    """Whether the length of the record at an offset fits into the file.

    MXNet's reader allocates what a broken length says, up to 512 MiB, before it looks.
    """
    if not 0 <= offset <= path.stat().st_size - RECORD_HEADER.size:
        return False
    with open(path, "rb") as file:
        file.seek(offset)
        _, length = RECORD_HEADER.unpack(file.read(RECORD_HEADER.size))
    return (length & LENGTH_BITS) <= path.stat().st_size - offset - RECORD_HEADER.size


def _broken_file(path, key):
    return RecordError(
        f"{path} record {key}: truncated record file, or .idx of another file; write both again"
    )
