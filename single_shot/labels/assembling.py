"""From what a reader hands over to checked labels, the same for every format.

A reader parses; here its images are found, what files leave open is decided by all of them, and
every box is turned into fractions of its image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from single_shot.labels.annotations import Annotation, AnnotationError, Annotations, Finding
from single_shot.labels.box_forms import ROUNDING_PX, BoxForm
from single_shot.labels.checks import check_names, check_objects
from single_shot.labels.conventions import (
    STORED,
    decide_exif,
    decide_origin,
    first_class_id,
    turned,
)
from single_shot.labels.image_files import ImageFinder
from single_shot.labels.locating import locate_images
from single_shot.labels.pictures import ON_ITS_SIDE
from single_shot.labels.raw import AS_FOUND, Choices, RawImage


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
    located, faults = locate_images(source, raw_images, finder, choices.progress)
    part = Located(
        names,
        [],
        [*findings, *faults],
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


def _check_unit(source, items, form):
    """Raise AnnotationError where all boxes lie in the first pixel: they are fractions."""
    ends_px = [item.labels[:, 3:] * item.size_px for item in items if len(item.labels)]
    if form.pixels and ends_px and max(ends.max() for ends in ends_px) < 1 + ROUNDING_PX:
        raise AnnotationError(
            f"{source}: no box reaches beyond the first pixel; they look like "
            "fractions: multiply them by the image's width and height"
        )


def _names(raw_images):
    labels = {each.label for raw in raw_images for each in raw.objects}
    return {label for label in labels if isinstance(label, str) and label}
