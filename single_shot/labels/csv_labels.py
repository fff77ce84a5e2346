"""Boxes in CSV, read and checked: a row an object under a header, or rows without one.

The header names the columns: D2L's banana set has `img_name,label,xmin,ymin,xmax,ymax` (Zhang et
al., Dive into Deep Learning, section 14.6), Open Images `ImageID,...,LabelName,...,XMin,XMax,YMin,
YMax` in fractions, Kaggle's sets a column `bbox` with `[x, y, width, height]`. Without a header a
row is an image and one or more groups of `xmin,ymin,xmax,ymax,class`, as keras-retinanet (one a
row) and keras-yolo3 (all in one row) have them, or what `columns` says. Corners are pixel edges,
counted from 0: a box over the whole image ends at its width and height.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from single_shot.labels.annotations import AnnotationError, Annotations, Finding
from single_shot.labels.assembling import assemble
from single_shot.labels.box_forms import FLOAT_NOISE
from single_shot.labels.csv_classes import named_beside
from single_shot.labels.csv_columns import CORNERS, FORM, find_columns
from single_shot.labels.csv_rows import (
    check_order,
    groups_of_five,
    has_groups,
    is_number,
    makesense_columns,
    read_rows,
)
from single_shot.labels.csv_sets import keep_set
from single_shot.labels.image_files import image_root
from single_shot.labels.numbers_in_text import to_number, to_size, to_whole
from single_shot.labels.raw import AS_FOUND, Choices, RawImage, RawObject


def read_csv(
    path: Path,
    images: Path | None = None,
    class_names: Sequence[str] | None = None,
    choices: Choices = AS_FOUND,
    part: str | None = None,
) -> Annotations:
    """Return the Annotations in a CSV file.

    images: folder of the images, by default found beside the file. class_names: by default those
    of a file beside it, or all that occur; where they are given, a class that is a whole number
    counts in them. An image with empty fields has no objects. choices: see `raw.Choices`. part: the
    set, as a column such as `split` names it, whose images alone are read. Raises AnnotationError
    where the file cannot be read, or in two ways.
    """
    path = Path(path)
    rows = read_rows(path)
    columns, skipped = find_columns(choices.columns or rows[0][1]), 0 if choices.columns else 1
    if columns is None and (columns := makesense_columns(rows)):
        skipped = 0
    findings, sizes_px = [], {}
    if columns:
        # Files that were joined have their header several times.
        rows = [row for row in rows[skipped:] if not skipped or row[1] != rows[0][1]]
        groups = _by_image(rows, columns, path, findings, class_names)
        sizes_px = _sizes(rows, columns, groups)
    elif has_groups(rows):
        check_order(rows, path)
        groups = groups_of_five(rows)
    else:
        raise AnnotationError(
            f"{path}: the first line is neither a header with img_name, label, "
            f"{', '.join(CORNERS)} nor an image with groups of five (xmin, ymin, xmax, ymax, "
            "class); add the header, or name the columns (--columns)"
        )
    form = _in_unit(groups, columns.form if columns else FORM)
    groups = {name: [_plain_class(each) for each in objects] for name, objects in groups.items()}
    groups, class_names, of_names = named_beside(path, groups, class_names)
    class_names = class_names or _numbered(groups)
    groups, class_names, of_sets = keep_set(path, rows, columns, groups, class_names, part)
    root = image_root(path, images, groups)
    raw_images = [
        RawImage(
            name,
            root,
            path,
            [_with_class_id(each, class_names) for each in objects],
            sizes_px.get(name),
            str(path),
            "line",
        )
        for name, objects in groups.items()
    ]
    found = assemble(path, raw_images, form, class_names, findings, choices)
    said = [*of_names, *of_sets]
    if not form.pixels:
        said.append(f"{path}: no value is above 1: boxes are fractions of the image")
    return replace(found, conventions=(*found.conventions, *said))


def _by_image(rows, columns, path, findings, class_names):
    """Return image name to RawObjects, in the order of first mention."""
    if columns.label is None and len(class_names or ()) != 1:
        raise AnnotationError(
            f"{path}: no column names the class; add one called label, or name the only class "
            "(--classes)"
        )
    groups = {}
    for line, cells in rows:
        if len(cells) <= columns.last:
            message = f"{len(cells)} cells, fewer than the header has; mend it"
            if len(cells) > columns.image:
                fault = RawObject("", (), line, fault=("bad row", message))
                groups.setdefault(cells[columns.image], []).append(fault)
            else:
                findings.append(Finding("bad row", f"{path}, line {line}: {message}", path, line))
            continue
        objects = groups.setdefault(cells[columns.image], [])
        values = tuple(cells[column] for column in columns.box)
        if len(values) == 1:
            values = tuple(value.strip() for value in values[0].strip("[]() ").split(","))
        label = cells[columns.label] if columns.label is not None else class_names[0]
        has_label = columns.label is not None and label
        if not has_label and not any(values):
            continue
        difficult = columns.difficult is not None and cells[columns.difficult] in ("1", "True")
        if len(values) != 4:
            fault = "bad row", f"{len(values)} numbers in bbox; write [x, y, width, height]"
            objects.append(RawObject(label, (), line, difficult, fault))
        else:
            objects.append(RawObject(label, values, line, difficult))
    return groups


def _sizes(rows, columns, groups):
    """Return image name to the width and height in pixels that its rows state, if they do.

    A row that states another size than the first of its image becomes a fault in groups, of image
    name to RawObjects. Columns that hold the width and height of every box are not those of images.
    """
    sizes_px, others, of_boxes = {}, {}, True
    for line, cells in rows:
        try:
            name = cells[columns.image]
            size_px = to_size(*(cells[column] for column in columns.size), repair=True)
        except (IndexError, TypeError, ValueError):  # told where the row is read, or without size
            continue
        with suppress(IndexError, ValueError):  # told where the row is read, or without objects
            box = [to_number(cells[column]) for column in columns.box if columns.form is FORM]
            of_boxes &= bool(box) and size_px == (box[2] - box[0], box[3] - box[1])
        if size_px and size_px != (first := sizes_px.setdefault(name, size_px)):
            message = "size is {} x {}, but {} x {} in a row before; mend one".format(
                *size_px, *first
            )
            others.setdefault(name, {})[line] = RawObject("", (), line, fault=("bad row", message))
    if of_boxes:
        return {}
    for name, faults in others.items():
        groups[name] = [each for each in groups[name] if each.number not in faults]
        groups[name] += faults.values()
    return sizes_px


def _in_unit(groups, form):
    """Return the form in fractions where no value of the file is above 1 and some are not whole."""
    values = [
        to_number(value)
        for objects in groups.values()
        for each in objects
        for value in each.values
        if is_number(value)
    ]
    if values and max(values) <= 1 + FLOAT_NOISE and any(value % 1 for value in values):
        return replace(form, pixels=False, rule="no value is above 1: they are fractions")
    return form


def _plain_class(raw):
    """Return a RawObject whose class is a whole number without a point, as tables write it."""
    if re.fullmatch(r"\d{1,9}\.0*", raw.label):
        return replace(raw, label=str(to_whole(raw.label)))
    return raw


def _numbered(groups):
    """Return the class names in the order of their numbers, if all are numbers, else None."""
    names = {each.label for objects in groups.values() for each in objects if each.label}
    if names and all(name.isascii() and name.isdigit() for name in names):
        return sorted(names, key=lambda name: (len(name), name))
    return None


def _with_class_id(raw, class_names):
    """Return a RawObject with a class id where its class is a number and not all names are."""
    numbered = raw.label.isascii() and raw.label.isdigit() and len(raw.label) < 10
    if not numbered or not class_names or raw.label in class_names:
        return raw
    if all(str(name).isdigit() for name in class_names):
        return raw  # a name that the classes, such as those of the first set, lack
    return replace(raw, label=int(raw.label))
