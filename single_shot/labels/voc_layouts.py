"""Where the sets of Pascal VOC's layout are: in lists of ids, of one folder or of several years."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from single_shot.labels.annotations import AnnotationError, Annotations, Finding
from single_shot.labels.pictures import SUFFIXES
from single_shot.labels.raw import Choices
from single_shot.labels.safe_files import read_text
from single_shot.labels.set_names import SET_NAMES
from single_shot.labels.voc import annotation_folder, read_folder, read_sets
from single_shot.labels.voc_lists import MAX_LIST_BYTES


def list_sets(folder: Path) -> list[str]:
    """Return the names of the sets that a folder's lists divide it into, such as `train`.

    Lists lie in `ImageSets/Main`, also of folders of several years (`VOC2007/`), or at the top.
    """
    main = [path for paths in _main_lists(folder).values() for path in paths]
    return sorted({path.stem for path in main} or _lists_at_top(folder))


def read_listed(
    folder: Path,
    split: str,
    images: Path | None,
    class_names: Sequence[str] | None,
    choices: Choices,
) -> Annotations:
    """Return the Annotations of a set that is a list of ids; arguments as for `voc.read_sets`."""
    main = _main_lists(folder)
    if not main and split in (at_top := _lists_at_top(folder)):
        return _read_ids_at_top(folder, at_top[split], images, class_names, choices)
    parts = [(each, split) for each, paths in main.items() if split in {p.stem for p in paths}]
    return read_sets(parts or [(folder, split)], class_names, images, choices)


def _main_lists(folder):
    """Return the lists of sets that are not empty, by the folder that has them."""
    places = [folder]
    if not (folder / "ImageSets").is_dir() and annotation_folder(folder) == folder:
        places = [path.parent for path in sorted(folder.glob("*/ImageSets"))]
    found = {}
    for place in places:
        paths = sorted(place.glob("ImageSets/Main/*.txt"))
        if paths:
            found[place] = [path for path in paths if _is_set(path)]
    return found


def _is_set(path):
    return path.stem.lower() in SET_NAMES and path.stat().st_size > 0


def _lists_at_top(folder):
    """Return the lists in a folder by the names of their sets, if their ids are its XML files."""
    annotated = annotation_folder(folder)
    lists = {path.stem: path for path in sorted(folder.glob("*.txt")) if _is_set(path)}
    return {
        name: path
        for name, path in lists.items()
        if (ids := _ids(path)) and (annotated / f"{next(iter(ids))}.xml").is_file()
    }


def _ids(path):
    """Return the ids in a list, which may be names of images, in order."""
    lines = (
        line.strip().replace("\\", "/") for line in read_text(path, MAX_LIST_BYTES).split("\n")
    )
    names = (line.rpartition("/")[2] for line in lines if line)
    return {n[: n.rindex(".")] if Path(n).suffix.lower() in SUFFIXES else n: None for n in names}


def _read_ids_at_top(folder, path, images, class_names, choices):
    """Return the Annotations of a folder that are in a list; raise AnnotationError."""
    ids = _ids(path)
    whole = read_folder(folder, images, class_names, replace(choices, alone=False))
    located = [each for each in whole.images if each.raw.path.stem in ids]
    findings = [each for each in whole.findings if each.path.stem in ids]
    known = {each.raw.path.stem for each in located} | {each.path.stem for each in findings}
    for absent in (each for each in ids if each not in known):
        message = f"{path}: no annotation of {absent}; put it there or remove the line"
        findings.append(Finding("unreadable annotation", message, path))
    if not located:
        raise AnnotationError(f"{path}: none of its images can be read; see {folder}")
    return replace(whole, images=located, findings=findings)
