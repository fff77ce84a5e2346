"""Where the images of YOLO's layouts are, and those of each set.

Sets are what a YAML file names; else Darknet's folders `obj_train_data`, folders of texts
(`labels/train`, `train/labels`), folders of images with texts beside, or lists of images
(`train.txt`), which Darknet's `obj.data` may name.
"""

import os
import re
from pathlib import Path

from single_shot.labels.annotations import AnnotationError
from single_shot.labels.numbers_in_text import shown
from single_shot.labels.pictures import SUFFIXES, pictures_in
from single_shot.labels.safe_files import find_by_last_parts, find_inside, read_text
from single_shot.labels.set_names import HELD_OUT_SETS, SET_NAMES, is_divided
from single_shot.labels.yolo_files import read_darknet, read_yaml

MAX_LIST_BYTES = 64 * 2**20
DARKNET_FOLDER = re.compile(r"obj_(.+)_data", re.IGNORECASE)
YAML_SETS = ("train", "val", "valid", "test")


def find_sets(folder: Path) -> list[str]:
    """Return the names of the sets that a folder of one of YOLO's layouts has, training first."""
    _, content = read_yaml(folder)
    return [key for key in YAML_SETS if content.get(key)] or sorted(_places(folder))


def empty_sets(folder: Path) -> list[str]:
    """Return the held-out sets that a YAML file names and that hold no image.

    There is none where other images lie in the folder, which may be those that it means.
    """
    _, content = read_yaml(folder)
    found = {}
    for name in (key for key in YAML_SETS if content.get(key)):
        try:
            found[name] = pictures_of_set(folder, name)
        except AnnotationError:
            found[name] = []
    empty = [name for name, pictures in found.items() if not pictures]
    if not empty or not all(name in HELD_OUT_SETS for name in empty):
        return []
    used = {picture for pictures in found.values() for picture in pictures}
    return empty if used.issuperset(pictures_in(folder, "**/*")) else []


def pictures_of_set(folder: Path, split: str) -> list[Path]:
    """Return the images of a set, by the YAML file's entry or by its folders or list."""
    file, content = read_yaml(folder)
    entry = content.get(split)
    if entry:
        entries = entry if isinstance(entry, list) else [entry]
        base = content.get("path")
        found = [each for text in entries for each in _entry(folder, base, text, file)]
        if not found:
            raise AnnotationError(f"{file}: {split} holds no image; mend the path or remove it")
        return sorted(set(found))
    tried = _folders_of(folder, split)
    for place in _places(folder).get(split, tried):
        if found := _pictures_at(folder, place):
            return found
    names = " or ".join(f"{path.relative_to(folder)}" for path in tried)
    sets = ", ".join(find_sets(folder)) or "none"
    raise AnnotationError(f"{folder}: no images in {names}; the sets there are {sets}")


def folders_of_images(folder: Path) -> list[list[Path]]:
    """Return where the images of a folder without sets may be, the most usual first."""
    return [[child(folder, "images")], [*_darknet_folders(folder).values()], [folder]]


def child(folder: Path, name: str) -> Path:
    """Return the folder of a name in lower case in a folder, in capitals where only that is."""
    exact = folder / name
    if exact.is_dir():
        return exact
    return next((path for path in _folders_in(folder) if path.name.lower() == name), exact)


def _folders_in(folder):
    """Return the folders in a folder, hidden ones apart, in order; its files are not looked at."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = [each.name for each in entries if each.is_dir() and not each.name.startswith(".")]
    return [folder / name for name in sorted(names)]


def _places(folder):
    """Return where the images of each set may be: the first way that divides all, or the first."""
    ways = [
        {name: [place] for name, place in _darknet_folders(folder).items()},
        {name: _folders_of(folder, name) for name in _text_folders(folder)},
        {name: [folder / name] for name in _folders_side_by_side(folder)},
        {name: [place] for name, place in _lists(folder).items()},
    ]
    known = [way for way in ways if way]
    return next((way for way in known if is_divided(way)), next(iter(known), {}))


def _darknet_folders(folder):
    found = ((DARKNET_FOLDER.fullmatch(path.name), path) for path in _folders_in(folder))
    return {match[1]: path for match, path in found if match}


def _text_folders(folder):
    """Return the names of the sets whose texts have folders, `labels/train` or `train/labels`."""
    inner = _folders_in(child(folder, "labels"))
    outer = [path for path in _folders_in(folder) if child(path, "labels").is_dir()]
    return {path.name for path in [*inner, *outer]}


def _folders_of(folder, split):
    """Return the folders where the images of a set may be."""
    place = folder / split
    return [child(folder, "images") / split, child(place, "images"), place]


def _folders_side_by_side(folder):
    """Return the names of the folders of sets that hold text files beside images."""
    paths = (path for path in _folders_in(folder) if path.name.lower() in SET_NAMES)
    return [path.name for path in paths if any(path.glob("*.[tT][xX][tT]"))]


def _lists(folder):
    """Return the lists of images by the names of their sets, Darknet's own before others."""
    named = {key: value for key, value in read_darknet(folder).items() if key in SET_NAMES}
    found = {key: find_by_last_parts(folder, text, str(folder)) for key, text in named.items()}
    beside = [path for path in sorted(folder.glob("*.txt")) if path.stem.lower() in SET_NAMES]
    found = {key: path for key, path in found.items() if path} or {
        path.stem: path for path in beside
    }
    return {key: path for key, path in found.items() if path.is_file() and _is_list(folder, path)}


def _is_list(folder, path):
    """Whether the first line of a text file leads to an image of the folder."""
    first = next(iter(_lines(path)), "")
    is_picture = Path(first).suffix.lower() in SUFFIXES
    return is_picture and find_by_last_parts(folder, first, str(path)) is not None


def _lines(path):
    lines = (line.strip() for line in read_text(path, MAX_LIST_BYTES).split("\n"))
    return [line for line in lines if line]


def _pictures_at(folder, place):
    """Return the images in a folder or in a list, none where there is neither."""
    if place.is_file():
        return [_listed(folder, line, place) for line in _lines(place)]
    return pictures_in(place, "**/*") if place.is_dir() else []


def _entry(folder, base, text, file):
    """Return the images that an entry of a YAML file names: a folder, a list or one image.

    Paths there are often those of another machine: the last parts of one that lie in the folder
    count.
    """
    if not isinstance(text, str):
        raise AnnotationError(f"{file}: {shown(text)} is no path; write a folder of images")
    joined = "/".join(filter(None, (base if isinstance(base, str) else "", text)))
    found = (find_by_last_parts(folder, whole, str(file)) for whole in (joined, text))
    pattern = _pattern_in(_parts(text))
    place = next((path for path in found if path and (not pattern or pattern in path.parts)), None)
    if place and place.suffix.lower() in SUFFIXES and place.is_file():
        return [place]
    pictures = _pictures_at(folder, place) if place else _by_pattern(folder, text, str(file))
    if pictures is None:
        raise AnnotationError(f"{file}: {shown(text)} is not in {folder}; mend the path")
    return pictures


def _parts(text):
    return [part for part in text.replace("\\", "/").split("/") if part not in ("", ".")]


def _pattern_in(parts):
    """Return the first of the parts of a path that is a pattern, None where there is none."""
    return next((part for part in parts if any(sign in part for sign in "*?[")), None)


def _by_pattern(folder, text, where):
    """Return the images that a pattern such as `images/*.jpg` means, None where there is none.

    The last parts of one count too, from a part that is no pattern itself.
    """
    parts = _parts(text)
    pattern = _pattern_in(parts)
    if pattern is None or any("**" in part and part != "**" for part in parts):
        return None
    for start in range(max(parts.index(pattern), 1)):
        tail = parts[start:]
        if ".." in tail or tail[0][1:2] == ":":
            continue
        found = sorted(path.relative_to(folder) for path in folder.glob("/".join(tail)))
        places = [find_inside(folder, path.as_posix(), where) for path in found]
        if pictures := [each for place in places for each in _at_match(place)]:
            return pictures
    return None


def _at_match(place):
    if place.is_dir():
        return pictures_in(place, "**/*")
    return [place] if place.suffix.lower() in SUFFIXES else []


def _listed(folder, name, path):
    """Return the image that a line of a list names."""
    found = find_by_last_parts(folder, name, str(path))
    if found is None:
        raise AnnotationError(
            f"{path}: no image {shown(name)} in {folder}; put it there or remove the line"
        )
    return found
