"""Which class names and objects can be learnt from; each that cannot becomes a Finding.

`utils.records.check_labels` is the same check for finished records.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from single_shot.labels.annotations import AnnotationError, Finding
from single_shot.labels.box_forms import BadObject, BoxForm, to_row
from single_shot.labels.numbers_in_text import shown
from single_shot.labels.pictures import RecordedImage
from single_shot.labels.raw import RawImage

import numpy as np

MAX_NAME, MAX_CLASSES = 80, 1000
FAULTS_SHOWN = 3  # where nothing can be used, so that there is no report


def check_names(
    source: Path, class_names: Sequence[str], findings: list[Finding]
) -> tuple[str, ...]:
    """Return class names as a tuple; raise AnnotationError where they are none or not distinct."""
    names = tuple(class_names)
    if not names:
        faults = [finding for finding in findings if finding.is_fault]
        why = "".join(f"\n  {fault}" for fault in faults[:FAULTS_SHOWN])
        more = f"\n  and {len(faults) - FAULTS_SHOWN} more" if len(faults) > FAULTS_SHOWN else ""
        what = "no annotation can be used" if faults else "no annotation holds an object"
        fix = "mend them" if faults else "name the classes (--classes)"
        raise AnnotationError(f"{source}: {what}; {fix}{why}{more}")
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


def check_objects(
    raw: RawImage,
    image: Path | RecordedImage | None,
    size_px: tuple,
    form: BoxForm,
    class_names: Sequence[str],
    first_id: int = 0,
    repair: bool = False,
) -> tuple:
    """Check the objects of a RawImage.

    size_px: its width and height; first_id: the number of the first class; repair: see Choices.

    Returns labels (M, 5) float32 rows in fractions, (M,) bool that marks difficult objects, the
    Findings of those that are left out or repaired, and how many boxes were set on the border by
    rounding.
    """
    rows, difficult, findings, rounded = {}, [], [], 0
    for each in raw.objects:
        where = f"{raw.where}, {raw.noun} {each.number}"
        try:
            if each.fault:
                raise BadObject(each.fault[0], f"{where}: {each.fault[1]}")
            class_id = _class_id(each.label, class_names, first_id, where)
            if each.doubt and not repair:
                raise _not_a_box(each, form, size_px, where)
            row, was_rounded, repairs = to_row(class_id, each.values, form, size_px, where, repair)
            repairs += [f"a {each.doubt[0]}; {each.doubt[1]}"] if each.doubt else []
            is_copy = row in rows
            if is_copy and not repair:
                raise BadObject(
                    "duplicate object",
                    f"{where}: same class and box as {raw.noun} {rows[row]}; remove one of the two",
                    row[1:],
                )
            if is_copy:
                repairs.append(f"a second copy of {raw.noun} {rows[row]} is left out")
            findings += [
                Finding("repaired", f"{where}: {done}", raw.path, each.number, image, row[1:])
                for done in repairs
            ]
            if is_copy:
                continue
        except BadObject as error:
            box = None if error.box is None else tuple(map(float, error.box))
            findings.append(Finding(error.kind, str(error), raw.path, each.number, image, box))
            continue
        rows[row] = each.number
        difficult.append(each.difficult)
        rounded += was_rounded
    labels = np.array(list(rows), dtype=np.float32).reshape(-1, 5)
    return labels, np.array(difficult, dtype=bool), findings, rounded


def _not_a_box(raw, form, size_px, where):
    """Return the BadObject of an object that is drawn as another shape than a box."""
    kind, done = raw.doubt
    try:
        box = to_row(0, raw.values, form, size_px, where, repair=True)[0][1:]
    except BadObject:
        box = None
    return BadObject(kind, f"{where}: a {kind}; with --repair, {done}", box)


def _class_id(label, class_names, first_id, where):
    """Return the index of a class name, or the class id itself, if it is one of class_names."""
    if isinstance(label, str) and label in class_names:
        return class_names.index(label)
    if type(label) is int and 0 <= label - first_id < len(class_names):
        return label - first_id
    known = ", ".join(class_names[:20]) + (", ..." if len(class_names) > 20 else "")
    if label is None or label == "":
        raise BadObject("unknown class", f"{where}: it has no class; give it one of {known}")
    if isinstance(label, str):
        raise BadObject(
            "unknown class",
            f"{where}: name is {shown(label)}; the classes are {known}: add it or mend the name",
        )
    raise BadObject(
        "unknown class",
        f"{where}: class id is {shown(label)}; it must be a whole number from {first_id} to "
        f"{first_id + len(class_names) - 1} ({known}): mend it or name all classes",
    )
