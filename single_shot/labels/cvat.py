"""CVAT's XML 1.1, "CVAT for images": boxes, turned boxes, and other shapes by their bounds.

Corners are pixel edges, counted from 0 (CVAT documentation, XML annotation format, version 1.1).
"""

from collections.abc import Sequence
from pathlib import Path

from single_shot.labels.annotations import AnnotationError, Annotations, Finding
from single_shot.labels.assembling import assemble
from single_shot.labels.box_forms import BoxForm
from single_shot.labels.image_files import image_root
from single_shot.labels.numbers_in_text import shown, to_number, to_size
from single_shot.labels.raw import AS_FOUND, Choices, RawImage, RawObject, size_from_image
from single_shot.labels.safe_files import parse_xml
from single_shot.labels.shapes import bounds, bounds_of_ellipse, bounds_of_turned

CORNERS = ("xtl", "ytl", "xbr", "ybr")
FORM = BoxForm(CORNERS, "corners", pixels=True, rule="corners are pixel edges, counted from 0")
MAX_XML_BYTES = 256 * 2**20
OUTLINES = ("polygon", "polyline", "points")


def read_cvat(
    path: Path,
    images: Path | None = None,
    class_names: Sequence[str] | None = None,
    choices: Choices = AS_FOUND,
    subset: str | None = None,
) -> Annotations:
    """Return the Annotations in a file of CVAT's XML for images.

    images: folder of the images, by default found beside the file. class_names: by default all that
    occur. choices: see `raw.Choices`. subset: of a project, whose images alone are read.
    Raises AnnotationError where the file cannot be read, or has no image in the subset.
    """
    path = Path(path)
    tree = parse_xml(path, MAX_XML_BYTES)
    if tree.find("track") is not None:
        raise AnnotationError(
            f"{path}: annotates a film (track); export it from CVAT as `CVAT for images`"
        )
    nodes = [node for node in tree.findall("image") if subset in (None, node.get("subset"))]
    if not nodes:
        where = f" in the subset {subset}" if subset else ""
        raise AnnotationError(f"{path}: holds no image{where}; export it as `CVAT for images 1.1`")
    root = image_root(path, images, map(_name, nodes))
    raw_images, findings = [], []
    for node in nodes:
        try:
            raw = _raw_image(node, path, root, choices.repair)
            raw_images.append(raw)
            findings += size_from_image(raw)
        except AnnotationError as error:
            findings.append(Finding("unreadable annotation", str(error), path))
    return assemble(path, raw_images, FORM, class_names, findings, choices)


def find_subsets(path: Path) -> list[str]:
    """Return the subsets that the images of a project are in; none unless each is in one."""
    subsets = {node.get("subset", "") for node in parse_xml(path, MAX_XML_BYTES).iter("image")}
    return [] if "" in subsets else sorted(subsets)


def _name(node):
    """Return the name of an image's file, in the folder of its subset where a project has them."""
    return "/".join(filter(None, (node.get("subset"), node.get("name"))))


def _raw_image(node, path, root, repair):
    """Return the RawImage of an image's node; raise AnnotationError."""
    name = _name(node)
    try:
        size_px = to_size(node.get("width"), node.get("height"), repair)
    except ValueError as error:
        message = f"{path}, image {shown(name)}: {error}"
        raise AnnotationError(message) from None
    shapes = [shape for shape in node if shape.tag != "tag"]  # which is of the whole image
    objects = [_object(shape, number) for number, shape in enumerate(shapes)]
    return RawImage(name, root, path, objects, size_px, f"{path}, image {shown(name)}", "shape")


def _object(shape, number):
    """Return the RawObject of a shape."""
    label, kind = shape.get("label", "").strip(), shape.tag
    corners = tuple(shape.get(field) for field in CORNERS)
    try:
        degrees = to_number(shape.get("rotation") or 0)
        if kind == "box":
            if degrees % 360 == 0:
                return RawObject(label, corners, number)
            kind, box = "turned box", [*map(to_number, corners)]
            values = bounds_of_turned(box, degrees)
        elif kind in OUTLINES:
            pairs = (point.split(",") for point in shape.get("points", "").split(";"))
            values = bounds([*pairs])
        elif kind == "ellipse":
            x, y, rx, ry = (to_number(shape.get(field)) for field in ("cx", "cy", "rx", "ry"))
            values = bounds_of_ellipse((x, y), (rx, ry), degrees)
        elif kind == "mask":
            fields = ("left", "top", "width", "height")
            x, y, width, height = (to_number(shape.get(field)) for field in fields)
            values = x, y, x + width, y + height
        else:
            raise ValueError(f"a {kind[:40]} has no box")
    except ValueError as error:
        return RawObject(label, (), number, fault=("bad row", f"{error}; draw a box"))
    return RawObject(label, values, number, doubt=(kind, "its bounds are taken"))
