"""The rows of CSV files, and what they hold without a header."""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from single_shot.labels.annotations import AnnotationError
from single_shot.labels.csv_columns import CORNERS, EXTENT, Columns, find_columns
from single_shot.labels.numbers_in_text import to_number
from single_shot.labels.pictures import SUFFIXES
from single_shot.labels.raw import RawObject
from single_shot.labels.safe_files import read_text

DELIMITERS = ",;\t"
MAX_CSV_BYTES = 256 * 2**20
SNIFFED_BYTES = 64 * 2**10
GROUP = 5
# makesense.ai's rows: class, x, y, width, height, image, width and height of it.
MAKESENSE = Columns(5, 0, (1, 2, 3, 4), None, EXTENT, (6, 7))
Rows = Sequence[tuple[int, list[str]]]


def read_rows(path: Path) -> Rows:
    """Return line number and cells of every row that is not empty; raise AnnotationError."""
    rows = _rows_of(read_text(path, MAX_CSV_BYTES), path)
    if not rows:
        raise AnnotationError(f"{path}: holds no row; write one an object under a header")
    return rows


def names_boxes(path: Path) -> bool:
    """Whether the beginning of a CSV file has boxes: a header that names them, or four numbers.

    Others list classes or images, or are a form to fill in, and lie beside those that annotate.
    """
    with path.open("rb") as file:
        whole_lines = file.read(SNIFFED_BYTES).rpartition(b"\n")
    text = (whole_lines[0] or whole_lines[2]).decode("utf-8-sig", "replace")
    try:
        rows = _rows_of(text.replace("\r", ""), path)
    except AnnotationError:  # told where the file is read
        return False
    if rows and find_columns(rows[0][1]):
        return True
    told = (cells for _, cells in rows if any(cells[1:]))  # others are images without objects
    return sum(map(is_number, next(told, ()))) >= len(CORNERS)


def _rows_of(text, path):
    """Return line number and cells of every row of a text that is not empty."""
    first = next((line for line in text.split("\n") if line.strip()), "")
    delimiter = max(DELIMITERS, key=first.count)
    if re.fullmatch(r"\S+( [^\s,]+(,[^\s,]+){4})+", first.strip()):  # keras-yolo3's own
        text = text.replace(" ", ",")
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    rows = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                cells = [cell.strip() for cell in cells]
                rows.append((reader.line_num, _with_points(cells) if delimiter == ";" else cells))
    except csv.Error as error:
        raise AnnotationError(
            f"{path}, line {reader.line_num}: no CSV ({error}); quote and separate by commas"
        ) from None
    return rows


def _with_points(cells):
    """Return cells with points in decimals, where spreadsheets of some countries have commas."""
    return [re.sub(r"^(-?\d+),(\d+)$", r"\1.\2", cell) for cell in cells]


def is_number(cell: str) -> bool:
    """Whether a cell holds a number."""
    try:
        to_number(cell)
    except ValueError:
        return False
    return True


def makesense_columns(rows: Rows) -> Columns | None:
    """Return the Columns of rows without a header as makesense.ai writes them, else None."""
    cells = rows[0][1]
    if len(cells) != MAKESENSE.last + 1:
        return None
    named = Path(cells[MAKESENSE.image]).suffix.lower() in SUFFIXES
    numbers = (cells[at] for at in (*MAKESENSE.box, *MAKESENSE.size))
    return MAKESENSE if named and all(map(is_number, numbers)) else None


def has_groups(rows: Rows) -> bool:
    """Whether rows without a header are images with groups of five."""
    cells = rows[0][1][1:]
    fits = any(len(cells) % GROUP == 1 for _, cells in rows)
    return fits and (any(map(is_number, cells)) or not any(cells))


def check_order(rows: Rows, path: Path) -> None:
    """Raise AnnotationError where rows without a header can be read in two ways.

    The class may come last or first; what fits both ways is asked for.
    """
    groups = [
        cells[start : start + GROUP]
        for _, cells in rows
        for start in range(1, len(cells) - GROUP + 1, GROUP)
        if any(cells[start : start + GROUP])
    ]
    if groups and all(_is_box(group[1:]) for group in groups):
        raise AnnotationError(
            f"{path}: there is no header, and rows can be read with the class first or last; say "
            "which (--columns image class xmin ymin xmax ymax, or --columns image xmin ymin xmax "
            "ymax class)"
        )


def _is_box(cells):
    try:
        left, top, right, bottom = map(to_number, cells)
    except ValueError:
        return False
    return left < right and top < bottom


def groups_of_five(rows: Rows) -> dict[str, list]:
    """Return image name to RawObjects of rows that each describe an image or an object of it."""
    groups = {}
    for line, cells in rows:
        objects = groups.setdefault(cells[0], [])
        if len(cells) % GROUP != 1:
            message = (
                f"{len(cells)} cells; write the image, then groups of five (xmin, ymin, xmax, "
                "ymax, class)"
            )
            objects.append(RawObject("", (), line, fault=("bad row", message)))
            continue
        for start in range(1, len(cells), GROUP):
            group = cells[start : start + GROUP]
            if any(group):
                objects.append(RawObject(group[4], tuple(group[:4]), line))
    return groups
