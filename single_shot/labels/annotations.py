"""What annotations say of images, in one form for all formats, and a data set of such images.

The readers (`voc`, `coco_json`, `csv_labels`, `yolo`, `im2rec`) return Annotations. Boxes belong to
the picture as it is displayed, turned as its EXIF orientation says. What must not be learnt is a
Finding with the file, the object and the fix; nothing is clamped or dropped silently.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from single_shot.labels.numbers_in_text import printable
from single_shot.labels.pictures import RecordedImage, read_picture
from utils.records import RecordError

import numpy as np
from mxnet import gluon

# Worth a look, but legal: they stop nothing.
NOTES = (
    *("image without annotation", "no object left", "identical pictures", "rounded edges"),
    *("repaired", "root category", "leak", "dark picture"),
)
FINDINGS_SHOWN = 20  # in a message


class AnnotationError(RecordError):
    """Annotations that must not be learnt; the message names file, object, field and the fix."""


@dataclass(frozen=True)
class Finding:
    """What is wrong, or worth knowing, with an annotation or an image.

    kind: a few words, such as "zero area"; message: with file, object and fix. path: of the
    annotation; number: of the object there, or None. image: as in Annotation, or None.
    box: the box in question, in fractions of the image, or None where it cannot be drawn.
    """

    kind: str
    message: str
    path: Path
    number: int | None = None
    image: Path | RecordedImage | None = None
    box: tuple | np.ndarray | None = None

    @property
    def is_fault(self) -> bool:
        """Whether the object or image must not be learnt; the others are notes."""
        return self.kind not in NOTES

    def __str__(self):
        return printable(self.message)


@dataclass(frozen=True)
class Annotation:
    """What is said of one image.

    image: its Path, or a `pictures.RecordedImage`. path: the file that describes it.
    size_px: width, height as displayed. labels: (M, 5) float32 rows
    `[class_id, xmin, ymin, xmax, ymax]` in fractions; difficult: (M,) bool.
    """

    path: Path
    size_px: tuple
    labels: np.ndarray
    difficult: np.ndarray
    image: Path | RecordedImage | None = None


@dataclass(frozen=True)
class Annotations:
    """What a reader found: the names of the classes, an Annotation an image, and Findings.

    conventions: sentences on how it took what the format leaves open.
    """

    class_names: tuple
    items: list
    findings: list
    conventions: tuple = ()

    @property
    def faults(self) -> list[Finding]:
        """The findings that are no notes."""
        return [finding for finding in self.findings if finding.is_fault]


class AnnotatedDataset(gluon.data.Dataset):
    """Samples of annotated images, which are read when they are asked for.

    annotations: what a reader returned. drop_bad: leave out bad objects and images, see
    `without_spoiled`, which are then in `findings` (all) and `faults` (without the notes).
    Raises AnnotationError, without drop_bad, for all faults in one message.
    """

    error = AnnotationError

    def __init__(self, annotations: Annotations, drop_bad: bool = False) -> None:
        if annotations.faults and not drop_bad:
            raise self.error(refusal(annotations.faults))
        annotations = without_spoiled(annotations)
        self.class_names = annotations.class_names
        self.annotations = annotations.items
        self.findings, self.faults = annotations.findings, annotations.faults

    @property
    def left_out(self) -> list[Finding]:
        """The findings of what drop_bad leaves out: the faults, and images without them."""
        return [each for each in self.findings if each.is_fault or each.kind == "no object left"]

    def __len__(self) -> int:
        return len(self.annotations)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return image (H, W, 3) uint8 RGB and labels (M, 5); raise `error` for a bad image."""
        annotation = self.annotations[index]
        try:
            return read_annotated(annotation), annotation.labels
        except RecordError as error:
            raise self.error(str(error)) from None

    @property
    def images(self) -> list[str]:
        """Where the image of every sample is."""
        return [annotation.image for annotation in self.annotations]

    @property
    def labels(self) -> list[np.ndarray]:
        """The labels of every image, without reading the images."""
        return [annotation.labels for annotation in self.annotations]

    @property
    def difficult(self) -> list[np.ndarray]:
        """For every image, which of its objects are difficult."""
        return [annotation.difficult for annotation in self.annotations]

    @property
    def max_objects(self) -> int:
        """The number of objects in the fullest image, at least 1."""
        return max(1, max(map(len, self.labels), default=1))


def spoiled_items(annotations: Annotations) -> list[Annotation]:
    """Return the items whose objects are all bad: without them, they would teach background."""
    spoiled = {each.image for each in annotations.faults if each.number is not None}
    return [each for each in annotations.items if not len(each.labels) and each.image in spoiled]


def no_object_left(item: Annotation) -> Finding:
    """Return the note that one of `spoiled_items` is left out."""
    message = f"{item.image}: all its objects are bad, so it is left out with them"
    return Finding("no object left", message, item.path, None, item.image)


def without_spoiled(annotations: Annotations) -> Annotations:
    """Return Annotations without their `spoiled_items`, each of which becomes a note."""
    spoiled = spoiled_items(annotations)
    left_out = set(map(id, spoiled))
    items = [item for item in annotations.items if id(item) not in left_out]
    findings = [*annotations.findings, *map(no_object_left, spoiled)]
    return replace(annotations, items=items, findings=findings)


def read_annotated(annotation: Annotation) -> np.ndarray:
    """Return the image of an Annotation, (H, W, 3) uint8 RGB.

    Raises RecordError where it is absent, broken or of another size than the annotation says.
    """
    path = annotation.image
    assert path is not None, f"{annotation.path}: no image of it is known"
    if isinstance(path, Path) and not path.is_file():
        raise RecordError(f"{path}: no such file, but {annotation.path.name} describes it")
    image = read_picture(path)
    if image.shape[1::-1] != annotation.size_px:
        raise SizeMismatch(
            f"{path}: {image.shape[1]} x {image.shape[0]} pixels, but its annotation says "
            "{} x {}; one of the two belongs to another image".format(*annotation.size_px)
        )
    return image


class SizeMismatch(RecordError):
    """An image that has not the size that its annotation states."""


def refusal(faults: list[Finding]) -> str:
    """Return the message that lists the faults which stop a data set, the first FINDINGS_SHOWN."""
    lines = [f"  {fault}" for fault in faults[:FINDINGS_SHOWN]]
    if len(faults) > FINDINGS_SHOWN:
        lines.append(f"  and {len(faults) - FINDINGS_SHOWN} more")
    return (
        f"{len(faults)} bad objects or files; mend them, or leave them out with drop_bad "
        "(--drop-bad):\n" + "\n".join(lines)
    )
