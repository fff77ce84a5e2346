"""Pascal VOC's folder layout, read and checked; `utils.voc_export` writes it.

A folder holds `JPEGImages/ID.jpg`, `Annotations/ID.xml` and `ImageSets/Main/SET.txt`, a list of
ids. Corners are pixels counted from 1, both ends inside the box (Everingham et al., VOC2007
Development Kit, section 4), so that a box reaches from the edge xmin - 1 to the edge xmax.
"""

from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import ParseError

from utils.records import RecordError, decode_jpeg

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse
from mxnet import gluon

VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)
CORNERS = ("xmin", "ymin", "xmax", "ymax")


class VocError(RecordError):
    """A folder that must not be trained on; the message names file, object, field and the fix."""


@dataclass(frozen=True)
class Annotation:
    """What an XML file says of one image.

    size_px: width, height. labels: (M, 5) float32 rows `[class_id, xmin, ymin, xmax, ymax]` in
    fractions; difficult: (M,) bool.
    """

    path: Path
    size_px: tuple
    labels: np.ndarray
    difficult: np.ndarray


def read_annotation(path, class_names):
    """Return the Annotation in an XML file and a list of its bad objects.

    Each bad object is a VocError that names the file, the object, the field and the fix; it is left
    out of the labels. Raises VocError where the file as a whole cannot be read.
    """
    root = _parse(path)
    width, height = (_number(root, f"size/{side}", path) for side in ("width", "height"))
    if min(width, height) < 1:
        raise VocError(f"{path}: size is {width:g} x {height:g}; give the image's pixels")
    rows, difficult, faults = [], [], []
    for number, node in enumerate(root.iter("object")):
        where = f"{path}, object {number}"
        try:
            rows.append(_read_object(node, (width, height), class_names, where))
            difficult.append((node.findtext("difficult") or "0").strip() == "1")
        except VocError as error:
            faults.append(error)
    labels = np.array(rows, dtype=np.float32).reshape(-1, 5)
    size_px = int(width), int(height)
    return Annotation(path, size_px, labels, np.array(difficult, dtype=bool)), faults


def _parse(path):
    """Return the root of an XML file; raise VocError where it is absent or not safe and sound."""
    try:
        return parse(path).getroot()
    except FileNotFoundError:
        raise VocError(f"{path}: no such file; every id of a set needs an annotation") from None
    except (ParseError, DefusedXmlException, UnicodeError) as error:
        raise VocError(f"{path}: not safe, well-formed XML ({error!r}); write it again") from None


def _read_object(node, size_px, class_names, where):
    """Return the row `[class_id, xmin, ymin, xmax, ymax]` of an object."""
    name = (node.findtext("name") or "").strip()
    if name not in class_names:
        raise VocError(
            f"{where}: name is {name!r}; the classes are {', '.join(class_names)}: add it or "
            "mend the name"
        )
    corners = [_number(node, f"bndbox/{corner}", where) for corner in CORNERS]
    for low, high, limit in ((0, 2, size_px[0]), (1, 3, size_px[1])):
        if corners[low] < 1 or corners[high] > limit:
            raise VocError(
                f"{where}: {CORNERS[low]} {corners[low]:g} to {CORNERS[high]} {corners[high]:g} "
                f"leaves the image, 1 to {limit:g}; pixels count from 1, and the box ends inside"
            )
        if corners[low] >= corners[high]:
            kind = "zero-area" if corners[low] == corners[high] else "reversed"
            raise VocError(
                f"{where}: {kind} box, {CORNERS[low]} {corners[low]:g} is not below "
                f"{CORNERS[high]} {corners[high]:g}; draw the box again or remove the object"
            )
    xmin, ymin, xmax, ymax = corners
    width, height = size_px
    edges = (xmin - 1) / width, (ymin - 1) / height, xmax / width, ymax / height
    return class_names.index(name), *edges


def _number(node, field, where):
    text = node.findtext(field)
    try:
        value = float(text)
    except (TypeError, ValueError):
        raise VocError(f"{where}: {field} is {text!r}, not a number; write it in pixels") from None
    if not np.isfinite(value):
        raise VocError(f"{where}: {field} is {text!r}; write it in pixels")
    return value


class VocDataset(gluon.data.Dataset):
    """Samples of VOC folders; images are read when they are asked for.

    parts: pairs of folder and set, such as `[("VOC2007", "trainval"), ("VOC2012", "trainval")]`.
    class_names: of all classes; drop_bad: leave out bad objects, which are then in `faults`.
    difficult: for each image, (M,) bool; training uses difficult objects, evaluation does not.
    Raises VocError for a folder or file that is absent and, without drop_bad, for every bad object
    in one message.
    """

    def __init__(self, parts, class_names=VOC_CLASSES, drop_bad=False):
        self.class_names = tuple(class_names)
        self.annotations, self.images, self.faults = [], [], []
        for folder, split in parts:
            for image_id in read_ids(folder, split):
                path = Path(folder) / "Annotations" / f"{image_id}.xml"
                annotation, faults = read_annotation(path, self.class_names)
                self.annotations.append(annotation)
                self.images.append(Path(folder) / "JPEGImages" / f"{image_id}.jpg")
                self.faults.extend(faults)
        if self.faults and not drop_bad:
            shown = "\n".join(f"  {fault}" for fault in self.faults[:20])
            raise VocError(
                f"{len(self.faults)} bad objects; mend them, or leave them out with drop_bad "
                f"(--drop-bad):\n{shown}"
            )

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        """Return image (H, W, 3) uint8 RGB and labels (M, 5); raise VocError for a bad image."""
        path, annotation = self.images[index], self.annotations[index]
        if not path.is_file():
            raise VocError(f"{path}: no such file, but {annotation.path.name} describes it")
        image = decode_jpeg(path.read_bytes(), str(path))
        if image.shape[1::-1] != annotation.size_px:
            raise VocError(
                f"{path}: {image.shape[1]} x {image.shape[0]} pixels, but its annotation says "
                "{} x {}; one of the two belongs to another image".format(*annotation.size_px)
            )
        return image, annotation.labels

    @property
    def labels(self):
        """The labels of every image, without reading the images."""
        return [annotation.labels for annotation in self.annotations]

    @property
    def difficult(self):
        """For every image, which of its objects are difficult."""
        return [annotation.difficult for annotation in self.annotations]

    @property
    def max_objects(self):
        """The number of objects in the fullest image, at least 1."""
        return max(1, max(map(len, self.labels)))


def read_ids(folder, split):
    """Return the image ids of a set; a second column, as in per-class lists, is left out.

    Raises VocError where the list is absent, empty, or names a file outside the folder.
    """
    path = Path(folder) / "ImageSets" / "Main" / f"{split}.txt"
    if not path.is_file():
        known = sorted(p.stem for p in path.parent.glob("*.txt"))
        raise VocError(f"{path}: no such file; the sets there are {', '.join(known) or 'none'}")
    ids = [line.split()[0] for line in path.read_text().splitlines() if line.strip()]
    if not ids:
        raise VocError(f"{path}: holds no image id; write one a line")
    for image_id in ids:
        if "/" in image_id or "\\" in image_id or image_id.startswith("."):
            raise VocError(f"{path}: the id {image_id!r} is not a plain name; write ids, not paths")
    return ids


def find_classes(parts):
    """Return the names of all objects in sets of folders, in alphabetical order as VOC's own.

    parts: as for VocDataset. Raises VocError where there are none.
    """
    names = set()
    for folder, split in parts:
        for image_id in read_ids(folder, split):
            root = _parse(Path(folder) / "Annotations" / f"{image_id}.xml")
            names |= {(node.findtext("name") or "").strip() for node in root.iter("object")}
    names.discard("")
    if not names:
        raise VocError(f"{parts}: no annotation holds an object; name the classes (--classes)")
    return sorted(names)
