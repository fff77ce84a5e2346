"""What a reader hands over: images and objects as a file gives them, and what is left open."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from single_shot.labels.annotations import Finding
from single_shot.labels.numbers_in_text import shown


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
