"""From objects as a file gives them to checked labels, the same for every format.

A reader parses; here every box is turned into fractions of the image, and every object that must
not be learnt becomes a Finding. `records.check_labels` is the same check for finished records.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from single_shot.labels.annotations import Annotation, AnnotationError, Annotations, Finding
from single_shot.labels.box_forms import ROUNDING_PX, BadObject, BoxForm, to_row
from single_shot.labels.numbers_in_text import shown
from single_shot.labels.pictures import RecordedImage, displayed_size
from single_shot.labels.safe_files import find_inside
from utils.records import RecordError

import numpy as np

MAX_NAME, MAX_CLASSES = 80, 1000


@dataclass(frozen=True)
class RawObject:
    """An object as a file gives it: class name or id, four values, its number in the file."""

    label: object
    values: tuple
    number: int
    difficult: bool = False


@dataclass(frozen=True)
class RawImage:
    """An image as a file gives it.

    name: its file in the folder root, or a RecordedImage. path: of the annotation; where: opens
    messages; noun: what an object's number counts. size_px: None where only the image has it.
    """

    name: object
    root: Path
    path: Path
    objects: list
    size_px: tuple | None = None
    where: str = ""
    noun: str = "object"


def assemble(
    source: Path,
    raw_images: Sequence[RawImage],
    form: BoxForm,
    class_names: Sequence[str] | None,
    findings: Sequence[Finding] = (),
) -> Annotations:
    """Return the Annotations of what a reader has parsed.

    source: the file or folder, for messages. form: BoxForm. class_names: None takes all names that
    occur, in alphabetical order. findings: those of the reader. Bad objects are left out of the
    labels, images with a fault of their own altogether.
    Raises AnnotationError where there is no class, or fractions stand for pixels.
    """
    findings = list(findings)
    names = check_names(source, class_names or sorted(_names(raw_images)), findings)
    items, seen, rounded = [], {}, 0
    for raw in raw_images:
        try:
            image, size_px = _locate(raw, seen)
        except BadObject as error:
            findings.append(Finding(error.kind, str(error), raw.path, None, _drawable(raw)))
            continue
        labels, difficult, faults, count = check_objects(raw, image, size_px, form, names)
        rounded += count
        findings.extend(faults)
        items.append(Annotation(raw.path, size_px, labels, difficult, image))
    _check_unit(source, items, form)
    if rounded:
        message = (
            f"{source}: {rounded} boxes end up to {ROUNDING_PX:g} pixels beyond their "
            "image, as printed decimals do; they are set on its border"
        )
        findings.append(Finding("rounded edges", message, Path(source)))
    return Annotations(names, items, findings)


def _check_unit(source, items, form):
    """Raise AnnotationError where all boxes lie in the first pixel: they are fractions."""
    ends_px = [item.labels[:, 3:] * item.size_px for item in items if len(item.labels)]
    if form.pixels and ends_px and max(ends.max() for ends in ends_px) < 1 + ROUNDING_PX:
        raise AnnotationError(
            f"{source}: no box reaches beyond the first pixel; they look like "
            "fractions: multiply them by the image's width and height"
        )


def check_names(
    source: Path, class_names: Sequence[str], findings: list[Finding]
) -> tuple[str, ...]:
    """Return class names as a tuple; raise AnnotationError where they are none or not distinct."""
    names = tuple(class_names)
    if not names:
        why = "".join(f"\n  {finding}" for finding in findings[:3])
        raise AnnotationError(
            f"{source}: no annotation holds an object; name the classes (--classes){why}"
        )
    repeated = {name for name, times in Counter(map(shown, names)).items() if times > 1}
    for name in names:
        sound = isinstance(name, str) and name.strip() and len(name) <= MAX_NAME
        if not sound or shown(name) in repeated:
            raise AnnotationError(
                f"{source}: class name {shown(name)} is empty, no text, over {MAX_NAME} characters "
                "or there twice; name each class once"
            )
    if len(names) > MAX_CLASSES:
        raise AnnotationError(
            f"{source}: {len(names)} classes, more than {MAX_CLASSES}; is it the right column?"
        )
    return names


def _names(raw_images):
    labels = {each.label for raw in raw_images for each in raw.objects}
    return {label for label in labels if isinstance(label, str) and label}


def _locate(raw, seen):
    """Return the image of a RawImage and its size; raise BadObject. seen: image to annotation."""
    image = raw.name
    if isinstance(image, str):
        try:
            image = find_inside(raw.root, image, raw.where)
        except RecordError as error:
            raise BadObject("unsafe path", str(error)) from None
    if image in seen:
        raise BadObject(
            "duplicate image",
            f"{raw.where}: {image.name} is in {seen[image]} already; keep one",
        )
    seen[image] = raw.where
    if raw.size_px:
        return image, raw.size_px
    if isinstance(image, Path) and not image.is_file():
        raise BadObject(
            "image missing",
            f"{raw.where}: no image {image}; put it there, name its folder (--images) or remove "
            "its annotation",
        )
    try:
        return image, displayed_size(image)
    except RecordError as error:
        raise BadObject("image unreadable", str(error)) from None


def _drawable(raw):
    return None if isinstance(raw.name, str) else raw.name


def check_objects(
    raw: RawImage,
    image: Path | RecordedImage | None,
    size_px: tuple,
    form: BoxForm,
    class_names: Sequence[str],
) -> tuple:
    """Check the objects of a RawImage; size_px: its width and height.

    Returns labels (M, 5) float32 rows in fractions, (M,) bool that marks difficult objects, the
    Findings of those that are left out, and how many boxes were set on the border by rounding.
    """
    rows, difficult, findings, rounded = {}, [], [], 0
    for each in raw.objects:
        where = f"{raw.where}, {raw.noun} {each.number}"
        try:
            class_id = _class_id(each.label, class_names, where)
            row, was_rounded = to_row(class_id, each.values, form, size_px, where)
            if row in rows:
                raise BadObject(
                    "duplicate object",
                    f"{where}: same class and box as {raw.noun} {rows[row]}; remove one of the two",
                    row[1:],
                )
        except BadObject as error:
            box = None if error.box is None else tuple(map(float, error.box))
            findings.append(Finding(error.kind, str(error), raw.path, each.number, image, box))
            continue
        rows[row] = each.number
        difficult.append(each.difficult)
        rounded += was_rounded
    labels = np.array(list(rows), dtype=np.float32).reshape(-1, 5)
    return labels, np.array(difficult, dtype=bool), findings, rounded


def _class_id(label, class_names, where):
    """Return the index of a class name, or the class id itself, if it is one of class_names."""
    known = ", ".join(class_names[:20]) + (", ..." if len(class_names) > 20 else "")
    if isinstance(label, str):
        if label in class_names:
            return class_names.index(label)
        raise BadObject(
            "unknown class",
            f"{where}: name is {shown(label)}; the classes are {known}: add it or mend the name",
        )
    if type(label) is int and 0 <= label < len(class_names):
        return label
    raise BadObject(
        "unknown class",
        f"{where}: class id is {shown(label)}; it must be a whole number from 0 to "
        f"{len(class_names) - 1} ({known}): mend it or name all classes",
    )
