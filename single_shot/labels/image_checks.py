"""The images behind annotations: whether each can be read whole, and which have no annotation."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from single_shot.labels.annotations import Annotations, Finding, SizeMismatch, read_annotated
from single_shot.labels.pictures import SUFFIXES
from utils.records import RecordError


def check_images(
    annotations: Annotations, seen: dict | None = None, progress: Callable = iter
) -> Annotations:
    """Read every image whole; return the Annotations without the bad ones, which are Findings.

    An image whose objects are all bad is left out too, which is a note: without them, it would
    teach that they are background. A picture that is there twice is a note as well.
    seen: dict of pictures, shared between the parts of a data set. progress: wraps the list of
    items, such as tqdm.
    """
    seen = {} if seen is None else seen
    items, findings = [], list(annotations.findings)
    spoiled = {each.image for each in annotations.faults if each.number is not None}
    for item in progress(annotations.items):
        try:
            image = read_annotated(item)
        except RecordError as error:
            findings.append(Finding(_kind(item, error), str(error), item.path, None, item.image))
            continue
        if not len(item.labels) and item.image in spoiled:
            message = f"{item.image}: all its objects are bad, so it is left out with them"
            findings.append(Finding("no object left", message, item.path, None, item.image))
            continue
        items.append(item)
        first = seen.setdefault(hashlib.sha256(image.tobytes()).digest(), item)
        if first is not item:
            message = (
                f"{item.image}: the same picture as {first.image}; if one trains and one tests, "
                "scores are too good: remove one"
            )
            findings.append(Finding("identical pictures", message, item.path, None, item.image))
    return replace(annotations, items=items, findings=findings)


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
        for path in sorted(folder.iterdir() if folder.is_dir() else [])
        if path.suffix.lower() in SUFFIXES and path not in files
    ]
