"""The sets that a column of a CSV file, such as `split`, divides its images into."""

from collections.abc import Sequence
from pathlib import Path

from single_shot.labels.annotations import AnnotationError
from single_shot.labels.csv_columns import Columns, find_columns
from single_shot.labels.csv_rows import Rows, read_rows
from single_shot.labels.raw import RawObject

SETS_SHOWN = 5


def find_csv_sets(path: Path) -> list[str]:
    """Return the sets that the rows of a CSV file name; none unless each row is in one."""
    rows = read_rows(path)
    columns = find_columns(rows[0][1])
    if columns is None or columns.part is None:
        return []
    sets = {cells[columns.part] for _, cells in rows[1:] if len(cells) > columns.part}
    sets -= {rows[0][1][columns.part]}
    is_plain = "" not in sets and len({each.lower() for each in sets}) == len(sets)
    return sorted(sets) if is_plain else []


def keep_set(
    path: Path,
    rows: Rows,
    columns: Columns | None,
    groups: dict[str, list],
    class_names: Sequence[str] | None,
    part: str | None,
) -> tuple[dict[str, list], Sequence[str] | None, list[str]]:
    """Return the groups, of image name to RawObjects, of one set, class names and what to say.

    Without a part all groups stay, and it is said that the column is not used. The classes are
    those of all sets. A row whose image is in another set before becomes a fault.
    Raises AnnotationError for a set without images.
    """
    if columns is None or columns.part is None:
        if part is None:
            return groups, class_names, []
        raise AnnotationError(
            f"{path}: has no column such as split that names the set {part}, and no file or folder "
            "beside it is called so; name another (--sets)"
        )
    set_of: dict[str, str] = {}
    for line, cells in rows:
        if len(cells) <= columns.last:
            continue
        name, found = cells[columns.image], cells[columns.part]
        if found != set_of.setdefault(name, found) and part is not None:
            message = f"set is {found}, but {set_of[name]} in a row before; mend one"
            objects = [each for each in groups[name] if each.number != line]
            groups[name] = [*objects, RawObject("", (), line, fault=("bad row", message))]
    if part is None:
        sets = sorted(set(set_of.values()))
        shown = ", ".join(each or "''" for each in sets[:SETS_SHOWN])
        shown += ", ..." * (len(sets) > SETS_SHOWN)
        said = f"{path}: its column of sets ({shown}) is not used; name two by --sets TRAIN VAL"
        return groups, class_names, [said]
    labels = {each.label for objects in groups.values() for each in objects if each.label}
    kept = {name: objects for name, objects in groups.items() if set_of.get(name, part) == part}
    if not kept:
        raise AnnotationError(f"{path}: no image is in the set {part}; see its column of sets")
    return kept, class_names or sorted(labels), []
