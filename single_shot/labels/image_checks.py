"""The images behind annotations: whether each can be read whole, and which have no annotation."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from single_shot.labels.annotations import (
    Annotations,
    Finding,
    SizeMismatch,
    no_object_left,
    read_annotated,
    spoiled_items,
)
from single_shot.labels.groups import look_of
from single_shot.labels.pictures import pictures_in
from utils.records import RecordError

DARK = 16  # of 256 values; a picture without greater ones shows nothing to the eye


@dataclass
class SeenPictures:
    """Pictures that were read: the first Annotation of each, and what each image looks like."""

    first: dict = field(default_factory=dict)
    looks: dict = field(default_factory=dict)  # see `groups.look_of`


def check_images(
    annotations: Annotations, seen: SeenPictures | None = None, progress: Callable = iter
) -> Annotations:
    """Read every image whole; return the Annotations without the bad ones, which are Findings.

    An image whose objects are all bad is left out too, which is a note: without them, it would
    teach that they are background. A picture that is there twice is a note as well.
    seen: shared between the parts of a data set. progress: wraps the list of items, such as tqdm.
    """
    seen = seen or SeenPictures()
    items, findings = [], list(annotations.findings)
    spoiled = set(map(id, spoiled_items(annotations)))
    for item in progress(annotations.items):
        try:
            digest, look, brightest = _seen(item)
        except RecordError as error:
            findings.append(Finding(_kind(item, error), str(error), item.path, None, item.image))
            continue
        if id(item) in spoiled:
            findings.append(no_object_left(item))
            continue
        items.append(item)
        if brightest < DARK:
            message = (
                f"{item.image}: no value in it is above {brightest} of 255; if it holds 12 bits in "
                "16, save it with all of them used"
            )
            findings.append(Finding("dark picture", message, item.path, None, item.image))
        first = seen.first.setdefault(digest, item)
        seen.looks[item.image] = look
        if first is not item:
            message = (
                f"{item.image}: the same picture as {first.image}; if one trains and one tests, "
                "scores are too good: remove one"
            )
            findings.append(Finding("identical pictures", message, item.path, None, item.image))
    return replace(annotations, items=items, findings=findings)


def _seen(item):
    """Return a digest of an image's pixels, its look and its greatest value; raise RecordError.

    The image itself, which may have 360 MB, is let go before the next is read.
    """
    image = read_annotated(item)
    return hashlib.sha256(image.data).digest(), look_of(image), int(image.max())


def _kind(item, error):
    if isinstance(error, SizeMismatch):
        return "size mismatch"
    missing = isinstance(item.image, Path) and not item.image.is_file()
    return "image missing" if missing else "image unreadable"


def images_without_annotation(parts: Sequence[Annotations]) -> list[Finding]:
    """Return a note for every image that lies beside annotated ones and is not annotated itself.

    parts: Annotations of all parts of a data set. Such images are not used: nobody says that they
    hold no object.
    """
    known = {item.image: item.path for part in parts for item in part.items}
    known |= {each.image: each.path for part in parts for each in part.findings}
    files = {image: path for image, path in known.items() if isinstance(image, Path)}
    folders = {image.parent: path for image, path in files.items()}
    return [
        Finding(
            "image without annotation",
            f"{path}: no annotation, so it is not used; annotate it, if only as without objects",
            annotation,
            None,
            path,
        )
        for folder, annotation in sorted(folders.items())
        for path in pictures_in(folder)
        if path not in files
    ]


def leaks(train: Sequence, held_out: Sequence, groups: Sequence[int]) -> list[Finding]:
    """Return a note for every held-out image that belongs together with a training image.

    train, held_out: Annotations of single images; groups: a number for each, training first, as
    `groups.group_images` gives them.
    """
    trained = dict(zip(groups, train))
    return [
        Finding(
            "leak",
            f"{item.image}: belongs together with {trained[group].image}, which trains; scores on "
            "it are too good: divide all images anew (--join-sets) or move one of the two",
            item.path,
            None,
            item.image,
        )
        for item, group in zip(held_out, groups[len(train) :])
        if group in trained
    ]
