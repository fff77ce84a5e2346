"""Which file each annotation is about, how large it is, and how EXIF turns it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from single_shot.labels.annotations import AnnotationError, Finding
from single_shot.labels.box_forms import BadObject
from single_shot.labels.image_files import ImageFinder
from single_shot.labels.numbers_in_text import shown
from single_shot.labels.pictures import (
    ON_ITS_SIDE,
    UPRIGHT,
    RecordedImage,
    size_and_orientation,
)
from single_shot.labels.raw import RawImage
from utils.records import RecordError

SEVERAL = 3  # images; that none of fewer is there is told one by one


@dataclass(frozen=True)
class LocatedImage:
    """A RawImage whose file was found: its path, its size as displayed, how EXIF turns it."""

    raw: RawImage
    image: Path | RecordedImage | None
    size_px: tuple
    orientation: int = UPRIGHT


def locate_images(
    source: Path, raw_images: Sequence[RawImage], finder: ImageFinder, progress: Callable
) -> tuple[list[LocatedImage], list[Finding]]:
    """Return the images that were found, and the Findings of the others.

    source: for messages; progress: see `raw.Choices`. An image whose objects are in several
    annotations is left out. Raises AnnotationError where none of several images is there.
    """
    located, findings, seen, doubled = [], [], {}, set()
    for raw in progress(raw_images, desc="finding images", unit="image"):
        try:
            located.append(_locate(raw, seen, finder))
        except BadObject as error:
            findings.append(Finding(error.kind, str(error), raw.path, None, _drawable(raw)))
            if isinstance(error, DoubledImage):
                doubled.add(error.image)
    _check_presence(source, raw_images, located)
    findings += _doubled_findings(located, doubled)
    return [each for each in located if each.image not in doubled], findings


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
