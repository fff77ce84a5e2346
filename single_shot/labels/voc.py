"""Pascal VOC's folder layout, read and checked; `single_shot.labels.voc_writer` writes it.

A folder holds `JPEGImages/ID.jpg`, `Annotations/ID.xml` and `ImageSets/Main/SET.txt`, a list of
ids. Corners are pixels counted from 1, both ends inside the box (Everingham et al., VOC2007
Development Kit, section 4), so that a box reaches from the edge xmin - 1 to the edge xmax.
"""

from collections.abc import Sequence
from pathlib import Path
from unicodedata import normalize

from single_shot.labels.annotations import (
    AnnotatedDataset,
    Annotation,
    AnnotationError,
    Annotations,
    Finding,
)
from single_shot.labels.assembling import assemble
from single_shot.labels.box_forms import BoxForm
from single_shot.labels.checks import check_objects
from single_shot.labels.image_files import IMAGE_FOLDERS
from single_shot.labels.numbers_in_text import shown, to_number, to_size
from single_shot.labels.pictures import is_hidden, pictures_by_stem, pictures_in
from single_shot.labels.raw import AS_FOUND, Choices, RawImage, RawObject, size_from_image
from single_shot.labels.safe_files import parse_xml
from single_shot.labels.shapes import bounds_of_turned, turn_of
from single_shot.labels.voc_lists import VocError, read_ids

VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)
CORNERS = ("xmin", "ymin", "xmax", "ymax")
FORM = BoxForm(
    tuple(f"bndbox/{corner}" for corner in CORNERS),
    "corners",
    pixels=True,
    rule="pixels count from 1, and the box ends inside",
    first=1,
    ends_inside=True,
)
ANNOTATION_FOLDERS = ("Annotations", "annotations", "xmls", "labels")
MAX_XML_BYTES = 4 * 2**20


def read_annotation(path: Path, class_names: Sequence[str]) -> tuple[Annotation, list]:
    """Return the Annotation in an XML file, without its image, and the Findings of bad objects.

    Bad objects are left out of the labels. Raises VocError where the whole file cannot be read.
    """
    raw = _read_raw(_parse(Path(path)), Path(path), None, None)
    labels, difficult, faults, _ = check_objects(raw, None, raw.size_px, FORM, tuple(class_names))
    return Annotation(raw.path, raw.size_px, labels, difficult), faults


def read_sets(
    parts: Sequence,
    class_names: Sequence[str] | None = None,
    images: Path | None = None,
    choices: Choices = AS_FOUND,
) -> Annotations:
    """Return the Annotations of sets of VOC folders.

    parts: pairs of folder and set, such as `[("VOC2007", "trainval"), ("VOC2012", "trainval")]`.
    class_names: by default all that occur. images: their folder, by default JPEGImages. choices:
    see `raw.Choices`. Raises VocError for a list of ids that is absent or bad.
    """
    pairs = []
    for folder, split in parts:
        annotated, root = Path(folder) / "Annotations", images or Path(folder) / "JPEGImages"
        paths = [annotated / f"{image_id}.xml" for image_id in read_ids(folder, split)]
        pairs += [(path, _nested(root, path, annotated)) for path in paths]
    return _read_files(parts[0][0], pairs, class_names, choices)


def read_folder(
    folder: Path,
    images: Path | None = None,
    class_names: Sequence[str] | None = None,
    choices: Choices = AS_FOUND,
    split: str = ".",
) -> Annotations:
    """Return the Annotations of all XML files in a folder, or in its folder of annotations.

    images: folder of the images, by default the first that there is of JPEGImages and others beside
    or above the annotations, or the folder of each XML file. choices: see `raw.Choices`. split:
    folder of a set in that of the annotations, and maybe of the images.
    Raises VocError where there is no XML file.
    """
    folder = Path(folder)
    annotated = annotation_folder(folder)
    found = (path for path in (annotated / split).rglob("*") if path.suffix.lower() == ".xml")
    paths = sorted(path for path in found if not is_hidden(path, annotated))
    if not paths:
        place = annotated / split
        raise VocError(f"{place}: holds no .xml file; is it the folder of the annotations?")
    above = [annotated.parent] if annotated != folder or _holds_only_xml(annotated) else []
    known = [place / name for place in (folder, *above) for name in IMAGE_FOLDERS]
    otherwise = annotated if pictures_in(annotated, "**/*") else folder
    root = Path(images) if images else next((path for path in known if path.is_dir()), otherwise)
    pairs = [(path, _nested(root, path, annotated)) for path in paths]
    return _read_files(annotated, pairs, class_names, choices)


def annotation_folder(folder: Path) -> Path:
    """Return the folder of annotations in a folder, or the folder itself where it has none."""
    known = (folder / name for name in ANNOTATION_FOLDERS)
    return next((path for path in known if path.is_dir()), folder)


def _nested(root, path, annotated):
    """Return the folder of images that lies as an XML file does in that of the annotations."""
    nested = Path(root) / path.relative_to(annotated).parent
    return nested if nested.is_dir() else root


def _holds_only_xml(folder):
    files = (path for path in folder.iterdir() if path.is_file() and not is_hidden(path, folder))
    return all(path.suffix.lower() == ".xml" for path in files)


def _read_files(source, pairs, class_names, choices):
    """Return the Annotations of pairs of an XML file and the folder of its image."""
    raw_images, findings = [], []
    pictures = {root: pictures_by_stem(root) for root in {root for _, root in pairs}}
    for path, root in choices.progress(pairs, desc="reading labels", unit="file"):
        try:
            tree = _parse(path)
            name = _picture_name(tree, path, pictures[root])
            raw = _read_raw(tree, path, name, root, choices)
            raw_images.append(raw)
            findings += size_from_image(raw)
        except VocError as error:
            findings.append(Finding("unreadable annotation", str(error), path))
    return assemble(source, raw_images, FORM, class_names, findings, choices)


def _picture_name(tree, path, pictures):
    """Return the file name of the image that an XML file describes; raise VocError.

    That of its own name comes before the one that it states: files are renamed together, and what
    is written in them stays behind.
    """
    stated = (tree.findtext("filename") or "").strip().replace("\\", "/").rpartition("/")[2]
    same_stem = [picture.name for picture in pictures.get(normalize("NFC", path.stem), [])]
    if stated in same_stem:
        return stated
    if len(same_stem) > 1:
        raise VocError(
            f"{path}: {' and '.join(same_stem)} are there, and filename is {shown(stated)}; name "
            "one of them"
        )
    if same_stem:
        return same_stem[0]
    return stated or f"{path.stem}.jpg"


def _read_raw(tree, path, name, root, choices=AS_FOUND):
    """Return the RawImage in the tree of an XML file; raise VocError."""
    objects = [_object(node, number) for number, node in enumerate(tree.iter("object"))]
    sides = [(tree.findtext(f"size/{side}") or "").strip() for side in ("width", "height")]
    try:
        size_px = to_size(*sides, choices.repair and root is not None)
    except ValueError as error:
        raise VocError(f"{path}: size: {error}") from None
    return RawImage(name, root, path, objects, size_px, str(path))


def _object(node, number):
    """Return the RawObject of a node; CVAT writes a turned box as it was before the turn."""
    label = (node.findtext("name") or "").strip()
    values = tuple(node.findtext(field) for field in FORM.fields)
    difficult = (node.findtext("difficult") or "0").strip() == "1"
    own = {each.findtext("name"): each.findtext("value") for each in node.iter("attribute")}
    if degrees := turn_of(own.get("rotation")):
        try:
            values = bounds_of_turned([to_number(value) for value in values], degrees)
            doubt = "turned box", "its bounds are taken"
            return RawObject(label, values, number, difficult, doubt=doubt)
        except ValueError:  # told with the box
            pass
    return RawObject(label, values, number, difficult)


def _parse(path):
    """Return the root of an XML file; raise VocError where it is absent or not safe and sound."""
    if not path.is_file():
        raise VocError(f"{path}: no such file; every id of a set needs an annotation")
    try:
        return parse_xml(path, MAX_XML_BYTES)
    except AnnotationError as error:
        raise VocError(str(error)) from None


class VocDataset(AnnotatedDataset):
    """Samples of VOC folders; images are read when they are asked for.

    parts: pairs of folder and set, as for `read_sets`. class_names: of all classes. drop_bad: leave
    out bad objects, which are then in `faults`.
    difficult: for each image, (M,) bool; training uses difficult objects, evaluation does not.
    Raises VocError for a folder or file that is absent and, without drop_bad, for every bad object
    in one message.
    """

    error = VocError

    def __init__(
        self, parts: Sequence, class_names: Sequence[str] = VOC_CLASSES, drop_bad: bool = False
    ) -> None:
        super().__init__(read_sets(parts, class_names), drop_bad)


def find_classes(parts: Sequence, drop_bad: bool = False) -> list[str]:
    """Return the names of all objects in sets of folders, in alphabetical order as VOC's own.

    parts, drop_bad: as for VocDataset. Raises VocError where there are none and, without drop_bad,
    for an annotation that cannot be read.
    """
    names = set()
    for folder, split in parts:
        for image_id in read_ids(folder, split):
            try:
                root = _parse(Path(folder) / "Annotations" / f"{image_id}.xml")
            except VocError:
                if not drop_bad:
                    raise
                continue  # the data set counts it among its faults
            names |= {(node.findtext("name") or "").strip() for node in root.iter("object")}
    names.discard("")
    if not names:
        raise VocError(f"{parts}: no annotation holds an object; name the classes (--classes)")
    return sorted(names)
