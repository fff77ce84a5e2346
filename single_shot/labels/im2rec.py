"""MXNet's own files: lists for im2rec (`.lst`) and finished records (`.rec` with `.idx`).

A line of a list is `index<TAB>label vector<TAB>path`, its numbers apart by tabs too; the vector is
that of a record (`utils.records`). Corners are fractions of the image. A sixth column of an object
says whether it is difficult, as in MXNet's example/ssd. Class ids count from 0.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from single_shot.labels.annotations import AnnotationError, Annotations, Finding
from single_shot.labels.assembling import assemble
from single_shot.labels.box_forms import BoxForm
from single_shot.labels.image_files import image_root
from single_shot.labels.numbers_in_text import shown, to_number
from single_shot.labels.pictures import FilePart, RecordedImage
from single_shot.labels.raw import AS_FOUND, Choices, RawImage, RawObject
from single_shot.labels.safe_files import read_names, read_text
from utils.records import (
    FIELDS,
    OBJECT_WIDTH,
    RECORD_HEADER,
    RecordError,
    label_rows,
    read_payloads,
    unpack_rows,
)

import numpy as np

FORM = BoxForm(
    FIELDS[1:],
    "corners",
    pixels=False,
    rule="divide pixel coordinates by the image's width and height",
)
MAX_LIST_BYTES = 256 * 2**20
MAX_RECORD_BYTES = 16 * 2**30
MAX_NAMES_BYTES = 2**20


def read_lst(
    path: Path,
    images: Path | None = None,
    class_names: Sequence[str] | None = None,
    choices: Choices = AS_FOUND,
) -> Annotations:
    """Return the Annotations in a list for im2rec.

    images: folder that the paths begin in, by default found beside the file. class_names: by
    default those in classes.txt or manifest.json there. choices: see `raw.Choices`. Raises
    AnnotationError where the file cannot be read.
    """
    path = Path(path)
    findings, lines = [], []
    for number, line in enumerate(read_text(path, MAX_LIST_BYTES).split("\n"), start=1):
        if line.strip():
            where = f"{path}, line {number}"
            try:
                lines.append((where, *_split_line(line, where)))
            except RecordError as error:
                findings.append(Finding("bad row", str(error), path, number))
    root = image_root(path, images, (name for _, name, _ in lines))
    raw_images = [
        RawImage(name, root, path, objects, None, where) for where, name, objects in lines
    ]
    class_names = class_names or find_names(path, raw_images)
    return assemble(path, raw_images, FORM, class_names, findings, choices)


def _split_line(line, where):
    """Return the image's path and the RawObjects of a line; raise RecordError."""
    fields = line.split("\t")
    if len(fields) < 3:
        raise AnnotationError(f"{where}: not index, label and path apart by tabs; write it again")
    try:
        label = np.array([to_number(value) for value in fields[1:-1]])
    except ValueError as error:
        raise AnnotationError(f"{where}: a label is {error}; write numbers") from None
    return fields[-1].strip(), _objects(label_rows(label, where))


def read_rec(
    path: Path,
    images: Path | None = None,
    class_names: Sequence[str] | None = None,
    choices: Choices = AS_FOUND,
) -> Annotations:
    """Return the Annotations in a record file, from which images are read when they are asked for.

    images: not used, since records hold them. class_names, choices: as for `read_lst`. Raises
    RecordError where the .rec or its .idx cannot be read.
    """
    path = Path(path)
    if path.is_file() and path.stat().st_size > MAX_RECORD_BYTES:
        raise AnnotationError(f"{path}: more than {MAX_RECORD_BYTES:,} bytes; split it")
    findings, raw_images = [], []
    offsets = _offsets(path.with_suffix(".idx"))
    records = choices.progress(read_payloads(path), desc="reading labels", unit="record")
    for key, payload in records:
        where = f"{path} record {key}"
        try:
            rows, jpeg = unpack_rows(payload, where)
        except RecordError as error:
            findings.append(Finding("bad row", str(error), path, key))
            continue
        image = RecordedImage(where, _place(path, offsets.get(key), payload, bytes(jpeg)))
        raw_images.append(RawImage(image, path.parent, path, _objects(rows), None, where))
    class_names = class_names or find_names(path, raw_images)
    return assemble(path, raw_images, FORM, class_names, findings, choices)


def _offsets(path):
    """Return where each record begins, as an .idx says; empty where `read_payloads` refuses it."""
    try:
        lines = path.read_text().splitlines()
        return {int(key): int(offset) for key, offset in (line.split("\t") for line in lines)}
    except (OSError, ValueError):
        return {}


def _place(path, offset, payload, jpeg):
    """Return the FilePart that is the JPEG at the end of a record, or the JPEG where there is none.

    MXNet writes a record in pieces where it holds the sign that begins one.
    """
    if offset is None:
        return jpeg
    start = offset + RECORD_HEADER.size + len(payload) - len(jpeg)
    part = FilePart(path, start, len(jpeg))
    return part if part.read_bytes() == jpeg else jpeg


def _objects(rows):
    """Return the RawObjects of rows (n, >= 5); rows of -1 are padding."""
    objects = []
    for number, row in enumerate(np.asarray(rows, dtype=float)):
        if (row[:OBJECT_WIDTH] == -1).all():
            continue
        class_id = int(row[0]) if row[0] % 1 == 0 else float(row[0])
        difficult = len(row) > OBJECT_WIDTH and row[OBJECT_WIDTH] == 1
        objects.append(RawObject(class_id, tuple(row[1:OBJECT_WIDTH].tolist()), number, difficult))
    return objects


def find_names(path: Path, raw_images: Sequence[RawImage]) -> list[str]:
    """Return the class names in classes.txt or manifest.json beside a file.

    Raises AnnotationError, which tells the ids that occur, where there is neither.
    """
    for name, read in (("classes.txt", read_names), ("manifest.json", _names_in_manifest)):
        file = path.parent / name
        if file.is_file():
            return read(file, MAX_NAMES_BYTES)
    ids = sorted({shown(each.label) for raw in raw_images for each in raw.objects})
    raise AnnotationError(
        f"{path}: holds class ids and no names (ids: {', '.join(ids[:20]) or 'none'}); name the "
        "classes in their order (--classes), or one a line in classes.txt beside the file"
    )


def _names_in_manifest(path, max_bytes):
    text = read_text(path, max_bytes)
    try:
        names = json.loads(text)["class_names"]
    except (ValueError, KeyError, TypeError, RecursionError):
        names = None
    if not isinstance(names, list):
        raise AnnotationError(f"{path}: holds no class_names; name the classes (--classes)")
    return names
