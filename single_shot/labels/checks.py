"""From objects as a file gives them to checked labels, the same for every format.

A reader parses; here every box is turned into fractions of the image, and every object that must
not be learnt becomes a Finding. `records.check_labels` is the same check for finished records.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from single_shot.labels.annotations import Annotation, AnnotationError, Annotations, Finding
from single_shot.labels.box_forms import ROUNDING_PX, BadObject, BoxForm, to_row
from single_shot.labels.conventions import (
    STORED,
    decide_exif,
    decide_origin,
    first_class_id,
    turned,
)
from single_shot.labels.image_files import ImageFinder
from single_shot.labels.numbers_in_text import shown
from single_shot.labels.pictures import (
    ON_ITS_SIDE,
    UPRIGHT,
    RecordedImage,
    size_and_orientation,
)
from utils.records import RecordError

import numpy as np

MAX_NAME, MAX_CLASSES = 80, 1000
FAULTS_SHOWN = 3  # where nothing can be used, so that there is no report
SEVERAL = 3  # images; that none of fewer is there is told one by one


def unwatched(items: Iterable, **options) -> Iterable:
    """Return items as they are, where nobody watches how far their reading has come."""
    return items


@dataclass(frozen=True)
class Choices:
    """What a person decides where files leave it open; None lets the whole set decide.

    origin: number of the first pixel, 0 or 1. exif: whether boxes were drawn on pictures as they
    are `displayed` or as they are `stored`. columns: names of the columns of a CSV file without a
    header. repair: mend what can be mended in one way only, and say so. without_objects: what
    images without any object are, `background` or not labelled yet (`leave-out`). progress: wraps
    what takes long to go through, with the options `desc` and `unit` of tqdm. alone: what is read
    is the whole set; else it is `Located`, and waits for the other parts of the set.
    """

    origin: int | None = None
    exif: str | None = None
    columns: tuple | None = None
    repair: bool = False
    without_objects: str = "background"
    progress: Callable = unwatched
    alone: bool = True


AS_FOUND = Choices()  # the set decides, and nothing is repaired


@dataclass(frozen=True)
class RawObject:
    """An object as a file gives it: class name or id, four values, its number in the file.

    fault: kind and message of what makes it useless, in place of the values. doubt: what it is
    instead of a box, such as "polygon", and how the values come from it: they count where repairs
    are asked for.
    """

    label: object
    values: tuple
    number: int
    difficult: bool = False
    fault: tuple[str, str] | None = None
    doubt: tuple[str, str] | None = None


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


def size_from_image(raw: RawImage, is_stated: bool = True) -> list[Finding]:
    """Return the Finding that the size of an image was repaired, if it was: it is None then.

    is_stated: whether the annotation should have stated it.
    """
    if raw.size_px or not is_stated:
        return []
    message = f"{raw.where}: {shown(str(raw.name))}: no size; that of the image is taken"
    return [Finding("repaired", message, raw.path)]


@dataclass(frozen=True)
class LocatedImage:
    """A RawImage whose file was found: its path, its size as displayed, how EXIF turns it."""

    raw: RawImage
    image: Path | RecordedImage | None
    size_px: tuple
    orientation: int = UPRIGHT


@dataclass(frozen=True, kw_only=True)
class Located(Annotations):
    """A part of a source whose images were found, without items until `check_together`.

    source: the file or folder, for messages. form: BoxForm as the format has it. images:
    LocatedImages. led_elsewhere: how many of their names were found by their last parts.
    ids_from_one: as for `assemble`.
    """

    source: Path
    form: BoxForm
    images: list
    led_elsewhere: int
    ids_from_one: bool


def assemble(
    source: Path,
    raw_images: Sequence[RawImage],
    form: BoxForm,
    class_names: Sequence[str] | None,
    findings: Sequence[Finding] = (),
    choices: Choices = AS_FOUND,
    ids_from_one: bool = False,
) -> Annotations:
    """Return the Annotations of what a reader has parsed.

    source: the file or folder, for messages. form: BoxForm. class_names: None takes all names that
    occur, in alphabetical order. findings: those of the reader. choices: Choices. ids_from_one:
    the format's class ids begin there. Bad objects are left out of the labels, images with a fault
    of their own altogether. What is not read alone is returned as Located.
    Raises AnnotationError where there is no class, or fractions stand for pixels.
    """
    findings, finder = list(findings), ImageFinder()
    names = check_names(source, class_names or sorted(_names(raw_images)), findings)
    located, seen, doubled = [], {}, set()
    for raw in choices.progress(raw_images, desc="finding images", unit="image"):
        try:
            located.append(_locate(raw, seen, finder))
        except DoubledImage as error:
            findings.append(Finding(error.kind, str(error), raw.path, None, _drawable(raw)))
            doubled.add(error.image)
        except BadObject as error:
            findings.append(Finding(error.kind, str(error), raw.path, None, _drawable(raw)))
    _check_presence(source, raw_images, located)
    findings += _doubled_findings(located, doubled)
    located = [each for each in located if each.image not in doubled]
    part = Located(
        names,
        [],
        findings,
        source=source,
        form=form,
        images=located,
        led_elsewhere=finder.led_elsewhere,
        ids_from_one=ids_from_one,
    )
    return check_together([part], choices)[0] if choices.alone else part


def check_together(parts: Sequence[Located], choices: Choices = AS_FOUND) -> list[Annotations]:
    """Return the Annotations of all parts of a source, with what they leave open decided by all.

    parts: with the same classes; boxes are decided upon with those of the same form. Raises
    AnnotationError where fractions stand for pixels.
    """
    images = [each for part in parts for each in part.images]
    from_one = any(part.ids_from_one for part in parts)
    first_id, said = first_class_id(images, len(parts[0].class_names), from_one)
    if empty := sum(not each.raw.objects for each in images):
        taken = "taken as background" if choices.without_objects == "background" else "left out"
        said.append(f"{empty} images without objects: {taken} (--without-objects)")
    if led_elsewhere := sum(part.led_elsewhere for part in parts):
        said.append(
            f"{led_elsewhere} names lead to other folders; the images were found by their last "
            "parts"
        )
    decided = {}
    for form in {part.form for part in parts}:
        alike = [each for part in parts if part.form == form for each in part.images]
        settled, of_pixels = decide_origin(alike, form, choices.origin)
        drawn_on, of_exif = decide_exif(alike, settled, choices.exif)
        decided[form] = settled, drawn_on, [*of_pixels, *of_exif, *said]
    return [_check_part(part, *decided[part.form], first_id, choices) for part in parts]


def _check_part(part, form, drawn_on, said, first_id, choices):
    """Return the Annotations of a Located part, its boxes checked; raise AnnotationError."""
    names, findings = part.class_names, list(part.findings)
    items, rounded = [], 0
    for each in part.images:
        stored = drawn_on(each) == STORED
        size_px = each.size_px[::-1] if stored and each.orientation in ON_ITS_SIDE else each.size_px
        labels, difficult, found, count = check_objects(
            each.raw, each.image, size_px, form, names, first_id, choices.repair
        )
        rounded += count
        findings.extend(found)
        if not each.raw.objects and choices.without_objects != "background":
            continue
        if stored:
            labels = turned(labels, each.orientation)
        items.append(Annotation(each.raw.path, each.size_px, labels, difficult, each.image))
    _check_unit(part.source, items, form)
    if rounded:
        message = (
            f"{part.source}: {rounded} boxes end up to {ROUNDING_PX:g} pixels beyond their "
            "image, as printed decimals do; they are set on its border"
        )
        findings.append(Finding("rounded edges", message, Path(part.source)))
    return Annotations(names, items, findings, (*part.conventions, *said))


class DoubledImage(BadObject):
    """A second annotation of an image; image: that image, where the first has other objects."""

    def __init__(self, raw, image, first):
        message = f"{raw.where}: {image.name} is in {first.where} already; keep one"
        super().__init__("duplicate image", message)
        known = [(each.label, each.values) for each in first.objects]
        same = all((each.label, each.values) in known for each in raw.objects)
        self.image = None if same else image


def _doubled_findings(located, doubled):
    """Return a note for every image whose objects are in several annotations.

    None of them has all objects, so that each would teach that the others are background.
    """
    return [
        Finding(
            "no object left",
            f"{each.raw.where}: {each.image}: its objects are in several annotations, so it is "
            "left out with them",
            each.raw.path,
            None,
            each.image,
        )
        for each in located
        if each.image in doubled
    ]


def _check_presence(source, raw_images, located):
    """Raise AnnotationError, once, where none of several images is there."""
    paths = [raw.name for raw in raw_images if isinstance(raw.name, str)]
    there = any(not isinstance(each.image, Path) or each.image.is_file() for each in located)
    if len(paths) >= SEVERAL and not there:
        raise AnnotationError(
            f"{source}: none of its {len(paths)} images is in {raw_images[0].root}, such as "
            f"{shown(paths[0])}; name their folder (--images)"
        )


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


def _names(raw_images):
    labels = {each.label for raw in raw_images for each in raw.objects}
    return {label for label in labels if isinstance(label, str) and label}


def _locate(raw, seen, finder):
    """Return the LocatedImage of a RawImage; raise BadObject. seen: image to its RawImage."""
    image = raw.name
    if isinstance(image, str):
        try:
            image = finder.find(raw.root, image, raw.where)
        except BadObject:
            raise
        except RecordError as error:
            raise BadObject("unsafe path", str(error)) from None
    if image in seen:
        raise DoubledImage(raw, image, seen[image])
    seen[image] = raw
    if isinstance(image, Path) and not image.is_file():
        if raw.size_px:
            return LocatedImage(raw, image, raw.size_px)  # told when the image is read
        raise BadObject(
            "image missing",
            f"{raw.where}: no image {image}; put it there, name its folder (--images) or remove "
            "its annotation",
        )
    try:
        size_px, orientation = size_and_orientation(image)
    except RecordError as error:
        if raw.size_px:
            return LocatedImage(raw, image, raw.size_px)
        raise BadObject("image unreadable", str(error)) from None
    stated = raw.size_px or size_px
    if stated != size_px and not (orientation in ON_ITS_SIDE and stated == size_px[::-1]):
        return LocatedImage(raw, image, stated)  # told when the image is read
    return LocatedImage(raw, image, size_px, orientation)


def _drawable(raw):
    return None if isinstance(raw.name, str) else raw.name


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
