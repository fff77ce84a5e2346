"""The files beside YOLO's texts: a YAML file, Darknet's `obj.data`, and lists of class names."""

import re
from collections.abc import Iterable
from pathlib import Path

from single_shot.labels.annotations import AnnotationError
from single_shot.labels.numbers_in_text import shown
from single_shot.labels.safe_files import find_by_last_parts, read_names, read_text

import yaml

MAX_NAMES_BYTES = 128 * 2**10
MAX_BRACKETS = 100  # PyYAML needs minutes for thousands of open ones
NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels")
ABSENT = ("null", "Null", "NULL", "~")  # how YAML writes nothing
YAML_ENDINGS = (".yaml", ".yml")


def find_names(folder: Path, text_folders: Iterable[Path]) -> list[str]:
    """Return the class names of a folder; raise AnnotationError where files give several.

    text_folders: those of the text files in it. Files with names may lie in each of them, and in
    each above it; where one list begins with another, as LabelImg's do, the longest counts.
    """
    lists = {path: read_names(path, MAX_NAMES_BYTES) for path in _name_files(folder, text_folders)}
    file, content = read_yaml(folder)
    if file and (not lists or "names" in content):
        try:
            lists[file] = _names_in_yaml(file, content)
        except AnnotationError:
            if not lists:
                raise
    if not lists:
        raise AnnotationError(
            f"{folder}: no classes.txt, obj.names or data.yaml; name the classes in their order "
            "(--classes)"
        )
    longest = max(lists, key=lambda path: len(lists[path]))
    for path, names in lists.items():
        if names != lists[longest][: len(names)]:
            raise AnnotationError(
                f"{path} names the classes {_few(names)}, {longest} {_few(lists[longest])}; if one "
                "is right for all texts, remove the other or name the classes in that order "
                "(--classes), else prepare the folders apart"
            )
    return lists[longest]


def _few(names):
    return shown(", ".join(names[:5]) + (", ..." if len(names) > 5 else ""))


def _name_files(folder, text_folders):
    """Return the files with names in a folder and in those of its texts, and between them."""
    places = {folder: None}
    for each in sorted(set(text_folders)):
        places |= {each: None}
        places |= {above: None for above in each.parents if above.is_relative_to(folder)}
    found = {place / name: None for place in places for name in NAME_FILES}
    named = read_darknet(folder).get("names")
    place = find_by_last_parts(folder, named, str(folder)) if named else None
    found |= {place: None} if place else {}
    return [path for path in found if path.is_file()]


def read_darknet(folder: Path) -> dict[str, str]:
    """Return what Darknet's file, `obj.data` or another, says: `train = data/train.txt`."""
    paths = [path for place in (folder, folder / "data") for path in sorted(place.glob("*.data"))]
    for path in paths:
        try:
            lines = read_text(path, MAX_NAMES_BYTES).split("\n")
        except AnnotationError:  # of another program
            continue
        pairs = (line.partition("=") for line in lines)
        content = {key.strip(): value.strip() for key, _, value in pairs if value.strip()}
        if "train" in content:
            return content
    return {}


def yaml_file(folder: Path) -> Path | None:
    """Return the YAML file of a folder that describes its data, or None.

    It is called data or dataset, or names classes.
    """
    found = (path for path in folder.glob("*.*") if path.suffix.lower() in YAML_ENDINGS)
    files = sorted(found, key=lambda path: (YAML_ENDINGS.index(path.suffix.lower()), path))
    usual = [path for path in files if path.stem.lower() in ("data", "dataset")]
    return next((path for path in files if path in usual or _has_names(path)), None)


def _has_names(path):
    """Whether a YAML file, which may be of any program, names classes."""
    try:
        text = read_text(path, MAX_NAMES_BYTES)
    except AnnotationError:
        return False
    return bool(re.search(r"""^["']?names["']?\s*:""", text, re.MULTILINE))


def read_yaml(folder: Path) -> tuple[Path | None, dict]:
    """Return the YAML file of a folder and its content, (None, {}) without one."""
    path = yaml_file(folder)
    if path is None:
        return None, {}
    fix = "write `names: [first, second]` or name the classes (--classes)"
    text = read_text(path, MAX_NAMES_BYTES)
    if text.count("[") + text.count("{") > MAX_BRACKETS:
        raise AnnotationError(f"{path}: more than {MAX_BRACKETS} brackets; {fix}")
    try:
        # BaseLoader makes text of everything, so that a class may be called `no`.
        content = yaml.load(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise AnnotationError(f"{path}: no YAML that can be read ({reason}); {fix}") from None
    entries = content.items() if isinstance(content, dict) else ()
    return path, {key: value for key, value in entries if value not in ABSENT}


def _names_in_yaml(path, content):
    """Return the list or mapping `names` of a YAML file as a list; raise AnnotationError."""
    names = content.get("names")
    if isinstance(names, dict) and all(str(key) in names for key in range(len(names))):
        names = [names[str(key)] for key in range(len(names))]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise AnnotationError(
            f"{path}: names is no list of texts, nor are they numbered; write `names: [first, "
            "second]` or name the classes (--classes)"
        )
    return names
