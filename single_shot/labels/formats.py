"""Annotation formats by name: which one a folder or file has, its reader, and its own sets."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from single_shot.labels.annotations import AnnotationError, Annotations
from single_shot.labels.assembling import check_together
from single_shot.labels.coco_json import read_coco
from single_shot.labels.createml import read_createml
from single_shot.labels.csv_labels import read_csv
from single_shot.labels.csv_rows import names_boxes
from single_shot.labels.csv_sets import find_csv_sets
from single_shot.labels.cvat import find_subsets, read_cvat
from single_shot.labels.im2rec import read_lst, read_rec
from single_shot.labels.label_studio import read_label_studio
from single_shot.labels.labelme import read_labelme
from single_shot.labels.nested import inner_folder
from single_shot.labels.pictures import SUFFIXES as PICTURE_SUFFIXES
from single_shot.labels.pictures import is_hidden
from single_shot.labels.raw import AS_FOUND, Choices
from single_shot.labels.set_names import HELD_OUT_SETS, SET_NAMES, TRAINING_SETS, set_of
from single_shot.labels.supervisely import read_supervisely
from single_shot.labels.tfrecord import NAME as TFRECORD_NAME
from single_shot.labels.tfrecord import read_tfrecord
from single_shot.labels.tfrecord_file import is_later_shard
from single_shot.labels.via import read_via
from single_shot.labels.voc import annotation_folder, read_folder
from single_shot.labels.voc_layouts import list_sets, read_listed
from single_shot.labels.yolo import names_of_sets, read_yolo
from single_shot.labels.yolo_files import yaml_file
from single_shot.labels.yolo_sets import empty_sets, find_sets

# Formats of one file a set, and of a folder a set.
FILE_READERS: dict[str, Callable[..., Annotations]] = {
    "coco": read_coco,
    "csv": read_csv,
    "cvat": read_cvat,
    "createml": read_createml,
    "label-studio": read_label_studio,
    "via": read_via,
    "lst": read_lst,
    "rec": read_rec,
    "tfrecord": read_tfrecord,
}
FOLDER_READERS: dict[str, Callable[..., Annotations]] = {
    "voc": read_folder,
    "labelme": read_labelme,
    "supervisely": read_supervisely,
}
FORMATS = ("voc", "coco", "csv", "yolo", *(k for k in FILE_READERS if k not in ("coco", "csv")))
FORMATS += ("labelme", "supervisely")
BY_SUFFIX = {".lst": "lst", ".rec": "rec", ".yaml": "yolo", ".yml": "yolo"}
# What must occur at the beginning or the end of a file in JSON, format by format.
JSON_SIGNS = {
    "labelme": (r'"shapes"', r'"imagePath"|"imageHeight"'),
    "supervisely": (r'"classTitle"|"objects"', r'"size"'),
    "via": (r'"_via_|"regions"', r'"filename"'),
    "label-studio": (r"^\s*\[", r'"data"\s*:\s*\{|"original_width"'),
    "createml": (r"^\s*\[", r'"annotations?"', r'"image(filename)?"\s*:\s*"'),
    "coco": (r'"images"|"image_id"', r'"annotations"|"categories"', r'"id"|\[\s*\]'),
}
SNIFFED_BYTES = 64 * 2**10
FILES_SNIFFED = 20  # of each ending in each folder
FILES_LISTED = 2_000_000


def guess_format(source: Path) -> tuple[str, str]:
    """Return the format of a file or folder and the file that tells it.

    Raises AnnotationError, which lists the choices, where that is not plain.
    """
    source = Path(source)
    if not source.exists():
        raise AnnotationError(f"{source}: no such file or folder")
    if source.is_file():
        name = format_of(source)
        fits = {name: source.name} if name else {}
    else:
        fits = _traces(source)
    if len(fits) == 1:
        return next(iter(fits.items()))
    found = ", ".join(f"{name} ({trace})" for name, trace in fits.items())
    what = f"more than one fits: {found}" if fits else "no format's files are there"
    raise AnnotationError(f"{source}: {what}; choose with --format {'|'.join(FORMATS)}")


def format_of(path: Path) -> str | None:
    """Return the format of one file by its ending and its content, None where it has none."""
    suffix = path.suffix.lower()
    if TFRECORD_NAME.search(path.name):
        return "tfrecord"
    if suffix not in (".json", ".xml", ".csv"):
        return BY_SUFFIX.get(suffix)
    text = _both_ends(path)
    if suffix == ".xml":
        root = re.search(r"<(annotations?)\b", text)
        return {"annotation": "voc", "annotations": "cvat"}[root[1]] if root else None
    if suffix == ".csv":
        return "via" if "region_shape_attributes" in text else "csv"
    signs = JSON_SIGNS.items()
    return next((name for name, known in signs if all(re.search(s, text) for s in known)), None)


def _both_ends(path):
    """Return the beginning and the end of a file as text, without a mark before it."""
    with path.open("rb") as file:
        start = file.read(SNIFFED_BYTES)
        file.seek(max(len(start), path.stat().st_size - SNIFFED_BYTES))
        both = (start + file.read(SNIFFED_BYTES)).replace(b"\0", b"").decode(errors="replace")
    return both.lstrip("\ufeff\ufffd")  # the mark of the byte order, of UTF-16 it cannot be read


def _files(folder):
    """Return the files in a folder and below it, hidden ones apart, in order."""
    found = (path for path in folder.rglob("*") if path.is_file())
    files = sorted(islice(found, FILES_LISTED + 1))
    if len(files) > FILES_LISTED:
        raise AnnotationError(f"{folder}: more than {FILES_LISTED:,} files; name a folder of fewer")
    return [path for path in files if not is_hidden(path, folder)]


def _is_empty(folder):
    """Whether no file lies in a folder or below it, hidden ones apart."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return all(is_hidden(path, folder) for path in found)


def _sample(paths: Iterable[Path]) -> list[Path]:
    """Return the first files of each ending in each folder."""
    groups: dict = {}
    for path in paths:
        groups.setdefault((path.parent, path.suffix.lower()), []).append(path)
    return [path for group in groups.values() for path in group[:FILES_SNIFFED]]


def _traces(folder):
    """Return the formats that a folder's files have, with the first file of each."""
    files = _files(folder)
    fits, lists = {}, {}
    for path in _sample(files):
        name = None if path.suffix.lower() in (".yaml", ".yml") else format_of(path)
        if name:
            known = fits if name != "csv" or names_boxes(path) else lists
            known.setdefault(name, str(path.relative_to(folder)))
    pictures = [path for path in files if path.suffix.lower() in PICTURE_SUFFIXES]
    names = {name.casefold() for path in pictures for name in (path.stem, path.name)}
    texts = (path for path in files if path.suffix.lower() == ".txt")
    trace = next((path for path in texts if path.stem.casefold() in names), yaml_file(folder))
    if trace:
        fits["yolo"] = str(trace.relative_to(folder))
    fits = fits or lists  # of classes or images, beside annotations or alone
    return {name: fits[name] for name in FORMATS if name in fits}


def own_sets(source: Path, name: str) -> tuple[list[str], list[str]]:
    """Return the two sets that a source itself is divided into, and those that are left over.

    source: file or folder; name: one of FORMATS. Training comes first; what is held out is the
    validation set, or the test set where there is no other. The first list is empty where the
    source has no such sets. Those that hold nothing are among the others.
    """
    folder, empty = inner_folder(Path(source), name), []
    if name == "yolo":
        folder = folder if folder.is_dir() else folder.parent
        empty = empty_sets(folder)
        known = {each: each for each in find_sets(folder) if each not in empty}
    elif name == "cvat" and (file := _only_file(folder, name)):
        known = {each: each for each in find_subsets(file) if each.lower() in SET_NAMES}
    elif name == "csv" and (file := _only_file(folder, name)):
        known = {each: each for each in find_csv_sets(file)}
    elif not folder.is_dir():
        return [], []
    elif name == "voc" and (lists := list_sets(folder)):
        known = {each: each for each in lists}
    elif name in FOLDER_READERS:
        places = dict.fromkeys([folder, annotation_folder(folder) if name == "voc" else folder])
        paths = [path for place in places for path in sorted(place.iterdir()) if path.is_dir()]
        of_sets = [path for path in paths if path.name.lower() in HELD_OUT_SETS]
        empty = [path.name for path in of_sets if _is_empty(path)]
        known = {path.name: path.name for path in paths if path.name not in empty}
    else:
        files = [str(path.relative_to(folder)) for path in _files_of(folder, name)]
        known = {each: file for file in files if (each := set_of(file))}
        known = known if len(known) == len(files) else {}
    by_name = {text.lower(): part for text, part in known.items()}
    training = next((by_name[each] for each in TRAINING_SETS if each in by_name), None)
    held_out = next((by_name[each] for each in HELD_OUT_SETS if each in by_name), None)
    nothing = [f"{each} (nothing is there)" for each in empty]
    if not training or not held_out:
        return [], nothing
    rest = {part for each, part in by_name.items() if name == "csv" or each in SET_NAMES} - {
        training,
        held_out,
    }
    return [training, held_out], [*sorted(rest), *nothing]


def _only_file(source, name):
    """Return the one file of a format that a source is or holds, else None."""
    files = [source] if source.is_file() else _files_of(source, name)
    return files[0] if len(files) == 1 else None


def _files_of(folder, name):
    """Return the annotation files of a format in a folder; COCO's of boxes where it has others.

    Of files in parts, the first stands for all.
    """
    files = [path for path in _sample(_files(folder)) if format_of(path) == name]
    boxes = [path for path in files if path.name.startswith("instances_")]
    boxes = [path for path in files if names_boxes(path)] if name == "csv" else boxes
    return [path for path in boxes or files if not is_later_shard(path)]


def read_source(
    source: Path,
    name: str,
    images: Path | None = None,
    class_names: Sequence[str] | None = None,
    sets: Sequence[str | None] = (),
    choices: Choices = AS_FOUND,
) -> list[Annotations]:
    """Return a list of the Annotations of a source: one, or one for each of its sets.

    source: Path. name: one of FORMATS. images: folder of the images, or None. sets: names of the
    source's sets, or files or folders in it, for training and held out; the classes are those of
    the first; where pixels and class ids begin and how EXIF counts is decided by all together.
    choices: see `raw.Choices`. Raises AnnotationError.
    """
    source = Path(source)
    if not any((source / each).exists() for each in sets if each):
        source = inner_folder(source, name)
    parts, waiting = [], replace(choices, alone=False)
    if name == "yolo" and not class_names:
        class_names = names_of_sets(source, images, sets or [None])
    for each in sets or [None]:
        part = _read_part(source, name, (images, class_names), each, waiting)
        class_names = part.class_names
        parts.append(part)
    return check_together(parts, choices)


def _read_part(source, name, images_and_names, part, choices):
    """Return the Annotations of one set, or of the whole source where part is None."""
    images, class_names = images_and_names
    if name == "yolo":
        return read_yolo(source, images, class_names, part, choices)
    if name == "voc" and part is not None:
        annotated = annotation_folder(source)
        place = annotated / part
        if annotated != source and place.parent == annotated and place.is_dir():
            return read_folder(source, images, class_names, choices, part)
        if not (source / part).is_dir():
            return read_listed(source, part, images, class_names, choices)
    is_subset = name in ("cvat", "csv") and part is not None and not (source / part).exists()
    if is_subset and (file := _only_file(source, name)):
        return FILE_READERS[name](file, images, class_names, choices, part)
    path = source if part is None else source / part
    if name in FOLDER_READERS:
        return FOLDER_READERS[name](path, images, class_names, choices)
    if path.is_file():
        return FILE_READERS[name](path, images, class_names, choices)
    files = _files_of(path, name)
    if len(files) != 1:
        shown = ", ".join(str(file.relative_to(source)) for file in files[:10]) or "none"
        raise AnnotationError(
            f"{source}: {len(files)} files of format {name} ({shown}); name one as the source, or "
            "two by --sets TRAIN VAL"
        )
    return FILE_READERS[name](files[0], images, class_names, choices)
