"""Class names that another CSV file tells: keras-retinanet's, Open Images' and FiftyOne's.

Each row of it is a class and its number (`cat,0`), or a code and a name (`/m/01yrx,Cat`).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from single_shot.labels.annotations import AnnotationError
from single_shot.labels.csv_rows import names_boxes, read_rows
from single_shot.labels.pictures import is_hidden

MAX_CLASSES_BYTES = 2**20


def named_beside(
    path: Path, groups: dict, class_names: Sequence[str] | None
) -> tuple[dict, Sequence[str] | None, list[str]]:
    """Return groups, of image name to RawObjects, and class names as a file beside path has them.

    class_names: stay where they are given. Returns also what to say: which file named the classes,
    or that it does not fit and is not used.
    """
    labels = {each.label for objects in groups.values() for each in objects if each.label}
    said: list[str] = []
    for file in _files_beside(path):
        table = _two_columns(file)
        numbers = _numbers(table)
        names = list(numbers.values()) if numbers else []
        if labels and labels <= set(class_names or ()):
            continue
        if numbers and class_names is None and (labels <= set(names) or _count(labels, names)):
            return groups, names, [f"{file}: names the classes"]
        if _has_codes(table) and labels <= table.keys() | set(class_names or ()):
            return _renamed(groups, table), class_names, [f"{file}: names the classes"]
        if class_names is None:
            what = (
                "lacks classes that occur" if numbers or _has_codes(table) else "is no list of them"
            )
            said.append(f"{file}: {what}, so it does not name the classes")
    return groups, class_names, said


def _files_beside(path):
    """Return the CSV files that may name classes, beside a file or in `metadata` up from it."""
    folders = (path.parent, path.parent / "metadata", path.parent.parent / "metadata")
    files = (each for folder in folders for each in sorted(folder.glob("*.[cC][sS][vV]")))
    named = (file for file in files if "class" in file.name.lower() and file != path)
    return [file for file in named if not is_hidden(file, file.parent) and not names_boxes(file)]


def _two_columns(file):
    """Return the first column's cells to those of the second; empty where it is another table."""
    try:
        if file.stat().st_size > MAX_CLASSES_BYTES:
            return {}
        rows = [cells for _, cells in read_rows(file)]
    except (AnnotationError, OSError):  # no annotation file: that it is broken harms nothing
        return {}
    if any(len(cells) != 2 or not all(cells) for cells in rows):
        return {}
    table = dict(rows)
    return table if len(table) == len(rows) == len(set(table.values())) else {}


def _numbers(table):
    """Return class numbers to names, in order, of a table of them; empty for one of codes.

    They run from 0 or 1 on; a header above them is left out.
    """
    pairs = [pair[::-1] if pair[1].isdigit() else pair for pair in table.items()]
    if pairs and not pairs[0][0].isdigit():
        pairs = pairs[1:]
    if not pairs or not all(number.isascii() and number.isdigit() for number, _ in pairs):
        return {}
    names = {int(number): name for number, name in pairs}
    first = min(names)
    whole = first in (0, 1) and sorted(names) == [*range(first, first + len(pairs))]
    return dict(sorted(names.items())) if whole else {}


def _has_codes(table):
    """Whether a table tells the names of codes."""
    return bool(table) and not any(cell.isdigit() for pair in table.items() for cell in pair)


def _count(labels, names):
    """Whether labels are numbers of the names."""
    return all(each.isascii() and each.isdigit() and int(each) <= len(names) for each in labels)


def _renamed(groups, table):
    """Return groups of RawObjects whose classes have the names of a table of codes."""
    return {
        image: [replace(each, label=table.get(each.label, each.label)) for each in objects]
        for image, objects in groups.items()
    }
