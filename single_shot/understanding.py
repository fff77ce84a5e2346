"""What a source of labelled pictures is: format, sets, images and conventions, read and said."""

import functools
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from single_shot.labels.annotations import Annotation, Annotations, Finding
from single_shot.labels.formats import guess_format, own_sets, read_source
from single_shot.labels.groups import group_images
from single_shot.labels.image_checks import (
    SeenPictures,
    check_images,
    images_without_annotation,
    leaks,
)
from single_shot.labels.numbers_in_text import printable
from single_shot.labels.raw import Choices
from single_shot.labels.unused import unused_line
from utils.hooks import progress

NAMES_SHOWN, FOLDERS_SHOWN = 20, 3


@dataclass(frozen=True)
class Understood:
    """A source that was read, every image of it checked.

    format_name: one of `formats.FORMATS`. sets: names of the parts, if there are two that stay
    apart. parts: Annotations of each. groups: a number for each image of all parts, the same for
    those that belong together. findings: of all parts. lines: what to tell a person.
    """

    format_name: str
    sets: list
    parts: list
    groups: list
    findings: list
    lines: list

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.parts[0].class_names

    @property
    def items(self) -> list[list[Annotation]]:
        """The Annotations of the images of each set, or of all images if the sets do not stay."""
        items = [part.items for part in self.parts]
        return items if self.sets else [[item for of_part in items for item in of_part]]


def understand(options: Namespace) -> Understood:
    """Return the source that the options of `single-shot prepare` name.

    Raises AnnotationError where it cannot be read, or in two ways.
    """
    name, trace = options.format, "as --format says"
    if name is None:
        name, trace = guess_format(options.source)
    sets, unused, whose = options.sets, [], "as --sets says"
    if not sets:
        sets, unused = own_sets(options.source, name)
        whose = "the source's own"
    parts, groups = read_and_check(options, name, sets)
    lines = [f"format: {name} ({trace})"]
    if sets:
        lines.append(f"sets: {' and '.join(sets)} ({whose}{', joined' * options.join_sets})")
    lines += [f"not used: {', '.join(unused)}"] if unused else []
    lines += [folders_line(parts), names_line(parts[0].class_names)]
    lines += dict.fromkeys(said for part in parts for said in part.conventions)
    findings = [each for part in parts for each in part.findings]
    findings += images_without_annotation(parts)
    lines += unused_line(options.source, parts, findings, unused)
    sets = [] if options.join_sets else sets
    found = leaks(parts[0].items, parts[1].items, groups) if sets else []
    lines += groups_line(groups, found)
    return Understood(name, sets, parts, groups, findings + found, [*map(printable, lines)])


def read_and_check(
    options: Namespace, name: str, sets: Sequence[str]
) -> tuple[list[Annotations], list[int]]:
    """Return the checked Annotations of each part of the source, one or two, and their groups."""
    watched = functools.partial(progress, mininterval=0.5)
    choices = Choices(
        origin=options.origin,
        exif=options.exif,
        columns=tuple(options.columns) or None,
        repair=options.repair,
        without_objects=options.without_objects,
        progress=watched,
    )
    parts = read_source(options.source, name, options.images, options.classes, sets, choices)
    bar = functools.partial(watched, desc="checking", unit="image")
    seen = SeenPictures()
    checked = [check_images(part, seen, bar) for part in parts]
    images = [item.image for part in checked for item in part.items]
    looks = [seen.looks[image] for image in images]
    return checked, group_images([*map(str, images)], looks, options.group_by)


def folders_line(parts: Sequence[Annotations]) -> str:
    """Return where the images are."""
    images = [item.image for part in parts for item in part.items]
    folders = sorted({str(image.parent) for image in images if isinstance(image, Path)})
    more = f" and {len(folders) - FOLDERS_SHOWN} more" if len(folders) > FOLDERS_SHOWN else ""
    return f"images: {', '.join(folders[:FOLDERS_SHOWN]) or 'in the records'}{more}"


def names_line(class_names: Sequence[str]) -> str:
    """Return what the classes are called."""
    more = ", ..." if len(class_names) > NAMES_SHOWN else ""
    return f"classes: {', '.join(class_names[:NAMES_SHOWN])}{more}"


def groups_line(groups: Sequence[int], found: Sequence[Finding]) -> list[str]:
    """Return a line on images that belong together, if there are any; found: those that leak."""
    count = len(set(groups))
    if count == len(groups):
        return []
    where = f"{len(found)} held-out images leak, see the report" if found else "each is on one side"
    return [
        f"groups: {len(groups)} images in {count} groups of copies, frames or near copies "
        f"(--group-by); {where}"
    ]
