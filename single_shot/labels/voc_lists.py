"""The lists of image ids in Pascal VOC's `ImageSets/Main`: an id a line, and columns behind it."""

import re
from pathlib import Path

from single_shot.labels.annotations import AnnotationError
from single_shot.labels.safe_files import read_text

MAX_LIST_BYTES = 64 * 2**20
QUOTED = re.compile(r'"([^"]+)"(\s.*)?')  # as CVAT writes an id with blanks
# Lists of one class say whether an image has it; others have several whole numbers.
COLUMNS = (re.compile(r"(.*\S)\s+-?[01]"), re.compile(r"(.*?\S)(\s+-?\d+)+"))


class VocError(AnnotationError):
    """A folder that must not be trained on; the message names file, object, field and the fix."""


def read_ids(folder: Path, split: str) -> list[str]:
    """Return the image ids of a set; columns behind them, as in per-class lists, are left out.

    An id may lead into folders, and have blanks. Raises VocError where the list is absent or empty,
    names a file outside the folder, or may mean either of two files.
    """
    path = Path(folder) / "ImageSets" / "Main" / f"{split}.txt"
    if not path.is_file():
        known = sorted(p.stem for p in path.parent.glob("*.txt"))
        raise VocError(f"{path}: no such file; the sets there are {', '.join(known) or 'none'}")
    try:
        lines = read_text(path, MAX_LIST_BYTES).splitlines()
    except AnnotationError as error:
        raise VocError(str(error)) from None
    annotated = Path(folder) / "Annotations"
    ids = [_id_in(line.strip(), annotated, path) for line in lines if line.strip()]
    if not ids:
        raise VocError(f"{path}: holds no image id; write one a line")
    return ids


def _id_in(line, annotated, path):
    """Return the id in a line of a list; raise VocError."""
    if quoted := QUOTED.fullmatch(line):
        return _safe(quoted[1], path)
    if len(line.split()) == 1:
        return _safe(line, path)
    shorter = [found[1] for each in COLUMNS if (found := each.fullmatch(line))]
    meant = [_safe(each, path) for each in dict.fromkeys([line, *shorter])]
    there = [each for each in meant if (annotated / f"{each}.xml").is_file()]
    if len(there) > 1:
        raise VocError(
            f"{path}: {line!r} may mean {there[0]!r} or {there[1]!r}; put the id in quotation marks"
        )
    return there[0] if there else meant[:2][-1]


def _safe(image_id, path):
    """Return an id that stays in its folder; raise VocError for another."""
    parts = image_id.split("/")
    if "\\" in image_id or any(not part or part.startswith(".") for part in parts):
        raise VocError(
            f"{path}: the id {image_id!r} is not a plain name; write ids, without an ending or a "
            "path that leads elsewhere"
        )
    return image_id
