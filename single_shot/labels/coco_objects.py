"""An annotation in COCO's JSON as an object: its box, or the bounds of what it has instead.

A crowd (`iscrowd`) becomes a difficult object. CVAT writes a turned box as it was before the turn,
and `rotation` among its attributes.
"""

from single_shot.labels.numbers_in_text import shown, to_number
from single_shot.labels.raw import RawObject
from single_shot.labels.shapes import bounds_of_flat, bounds_of_runs, bounds_of_turned, turn_of


def object_of(entry: dict, number: int, names: dict[int, str], image: dict) -> RawObject:
    """Return the RawObject of an annotation; names: category id to name; image: its entry."""
    category, box = entry.get("category_id"), entry.get("bbox")
    label = names.get(category) if type(category) is int else None
    if label is None:
        what = f"category {shown(category)} is none of the file's, or one of two of that id"
        return RawObject("", (), number, fault=("unknown class", f"{what}; mend it"))
    crowd = entry.get("iscrowd") in (1, True, "1")
    try:
        kind, (xmin, ymin, xmax, ymax) = _outline(entry, box, image)
    except (TypeError, ValueError, AttributeError):  # told with the box, or no outline either
        if isinstance(box, list) and len(box) == 4:
            return RawObject(label, tuple(box), number, crowd)
        fault = "bad row", f"bbox is {shown(box)}; write [x, y, width, height]"
        return RawObject(label, (), number, crowd, fault)
    doubt = kind, "its bounds are taken"
    return RawObject(label, (xmin, ymin, xmax - xmin, ymax - ymin), number, crowd, doubt=doubt)


def _outline(entry, box, image):
    """Return what an annotation has instead of an upright box, and its bounds.

    Raises TypeError, ValueError or AttributeError where it has nothing else.
    """
    if box:
        degrees = turn_of(entry["attributes"].get("rotation")) if "attributes" in entry else 0
        if not degrees:
            raise ValueError("an upright box")
        x, y, width, height = map(to_number, box)
        return "turned box", bounds_of_turned((x, y, x + width, y + height), degrees)
    shape = entry.get("segmentation") or []
    if isinstance(shape, dict):
        stated = [image.get("height"), image.get("width")]
        if all(stated) and shape.get("size") != stated:
            raise ValueError("a mask of another size")
        return "mask", bounds_of_runs(shape.get("counts"), shape.get("size"))
    lows, highs = zip(*[(part[:2], part[2:]) for part in map(bounds_of_flat, shape)])
    return "polygon", (*map(min, zip(*lows)), *map(max, zip(*highs)))
