"""YOLO's text files, read and checked, in the layouts of Ultralytics, Darknet, LabelImg and others.

A text file has a line `class x_center y_center width height` for each object of an image, in
fractions of it, classes counted from 0. It lies beside the image or, for `images/a.jpg`, at
`labels/a.txt` (Ultralytics, Object Detection Datasets Overview). An image without a file is one
without objects, and is noted. Names of classes are in classes.txt, obj.names or a YAML file, which
may also say where the images of each set are.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from single_shot.labels.annotations import AnnotationError, Annotations, Finding
from single_shot.labels.assembling import assemble
from single_shot.labels.box_forms import BoxForm
from single_shot.labels.numbers_in_text import shown
from single_shot.labels.pictures import SUFFIXES, is_hidden, pictures_in
from single_shot.labels.raw import AS_FOUND, Choices, RawImage
from single_shot.labels.safe_files import find_by_last_parts, read_names, read_text
from single_shot.labels.yolo_lines import form_of, read_lines, to_object

import yaml

FORM = BoxForm(
    ("x_center", "y_center", "width", "height"),
    "centre",
    pixels=False,
    rule="a line is class, centre and size, divided by the image's width and height",
)
MAX_NAMES_BYTES = 128 * 2**10
MAX_LIST_BYTES = 64 * 2**20
MAX_BRACKETS = 100  # PyYAML needs minutes for thousands of open ones
NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels")
DARKNET_IMAGES = "obj_train_data"
ABSENT = ("null", "Null", "NULL", "~")  # how YAML writes nothing


def read_yolo(
    folder: Path,
    images: Path | None = None,
    class_names: Sequence[str] | None = None,
    split: str | None = None,
    choices: Choices = AS_FOUND,
) -> Annotations:
    """Return the Annotations in a folder of one of YOLO's layouts, or of its YAML file.

    images: folder of the images, by default found. split: a set, such as `train`, that the YAML
    file names or that has folders of its own, `labels/train` or `train/labels`. class_names: by
    default those of the file that has them. choices: see `raw.Choices`. Raises AnnotationError
    where folders, names or classes are missing.
    """
    folder = Path(folder)
    folder = folder if folder.is_dir() else folder.parent
    pairs = _pairs(folder, images, split)
    class_names = class_names or _find_names(folder, pairs)
    shared = _shared(pairs)
    findings, found, claimed = [*_orphans(pairs), *shared], [], {each.path for each in shared}
    pairs = [(picture, path) for picture, path in pairs if path not in claimed]
    for picture, path in choices.progress(pairs, desc="reading labels", unit="file"):
        try:
            found.append((picture, path, read_lines(path) if os.path.lexists(path) else []))
        except AnnotationError as error:
            findings.append(Finding("unreadable annotation", str(error), path))
            continue
        if not os.path.lexists(path):
            message = f"{picture}: no {path.name} in {path.parent}; taken for one without objects"
            findings.append(Finding("image without annotation", message, path, None, picture))
    every_line = chain.from_iterable(lines for _, _, lines in found)
    form = form_of(every_line, "kpt_shape" in _yaml(folder)[1])
    raw_images = []
    for picture, path, lines in found:
        objects = [to_object(*line, form) for line in lines]
        raw_images.append(
            RawImage(picture.name, picture.parent, path, objects, None, str(path), "line")
        )
    read = assemble(folder, raw_images, FORM, class_names, findings, choices)
    return replace(read, conventions=(*form.said, *read.conventions))


def find_sets(folder: Path) -> list[str]:
    """Return the names of the sets that a folder of one of YOLO's layouts has, training first."""
    file, content = _yaml(folder)
    named = [key for key in ("train", "val", "valid", "test") if content.get(key)]
    if named:
        return named
    places = [*folder.glob("labels/*"), *(path.parent for path in folder.glob("*/labels"))]
    return sorted({path.name for path in places if path.is_dir()})


def _pairs(folder, images, split):
    """Return pairs of an image and its text file, which need not exist; raise AnnotationError."""
    if images:
        return _pairs_apart(folder, Path(images), split)
    pictures = _pictures_of_set(folder, split) if split else _all_pictures(folder)
    return [(picture, _text_of(picture, folder)) for picture in pictures]


def _pairs_apart(folder, images, split):
    """Return the pairs of images that lie apart from the texts; raise AnnotationError.

    A set that has no folder there has the images whose text files are its own.
    """
    beside = [folder / "labels"]
    if split:
        beside = [folder / "labels" / split, folder / split / "labels", folder / split]
    texts = next((path for path in beside if path.is_dir()), folder)
    is_whole = not split or (images / split).is_dir()
    images = images / split if split and is_whole else images
    pictures = pictures_in(images, "**/*")
    if not pictures:
        raise AnnotationError(f"{images}: no such folder, or no image in it (--images)")
    pairs = [(picture, _text_apart(picture, images, texts)) for picture in pictures]
    with_text = [pair for pair in pairs if os.path.lexists(pair[1])]
    if not with_text:
        raise AnnotationError(
            f"{images}: no image in it has a text file in {texts}; name the folder that goes with "
            "them (--images)"
        )
    return pairs if is_whole else with_text


def _text_apart(picture, images, texts):
    """Return the path of an image's text file: in the folder of the same name, or in texts."""
    nested = _in_any_case((texts / picture.relative_to(images)).with_suffix(".txt"))
    return nested if os.path.lexists(nested) else _in_any_case(texts / f"{picture.stem}.txt")


def _in_any_case(path):
    """Return the path of a text file, with its ending in capitals where only that is there."""
    capitals = path.with_suffix(".TXT")
    return capitals if not os.path.lexists(path) and os.path.lexists(capitals) else path


def _pictures_of_set(folder, split):
    """Return the images of a set, by the YAML file's entry or by its folders."""
    file, content = _yaml(folder)
    entry = content.get(split)
    if entry:
        entries = entry if isinstance(entry, list) else [entry]
        base = content.get("path")
        found = [each for text in entries for each in _entry(folder, base, text, file)]
        if not found:
            raise AnnotationError(f"{file}: {split} holds no image; mend the path or remove it")
        return sorted(set(found))
    tried = [folder / "images" / split, folder / split / "images", folder / split]
    for place in tried:
        if place.is_dir() and (found := pictures_in(place, "**/*")):
            return found
    names = " or ".join(f"{path.relative_to(folder)}" for path in tried)
    sets = ", ".join(find_sets(folder)) or "none"
    raise AnnotationError(f"{folder}: no images in {names}; the sets there are {sets}")


def _entry(folder, base, text, file):
    """Return the images that an entry of a YAML file names: a folder, a list or one image.

    Paths there are often those of another machine: the last parts of one that lie in the folder
    count.
    """
    if not isinstance(text, str):
        raise AnnotationError(f"{file}: {shown(text)} is no path; write a folder of images")
    joined = "/".join(filter(None, (base if isinstance(base, str) else "", text)))
    found = (find_by_last_parts(folder, whole, str(file)) for whole in (joined, text))
    place = next((path for path in found if path), None)
    if place is None:
        raise AnnotationError(f"{file}: {shown(text)} is not in {folder}; mend the path")
    if place.is_dir():
        return pictures_in(place, "**/*")
    if place.suffix.lower() in SUFFIXES:
        return [place]
    lines = (line.strip() for line in read_text(place, MAX_LIST_BYTES).split("\n"))
    return [_listed(folder, line, place) for line in lines if line]


def _listed(folder, name, path):
    """Return the image that a line of a list names."""
    found = find_by_last_parts(folder, name, str(path))
    if found is None:
        raise AnnotationError(
            f"{path}: no image {shown(name)} in {folder}; put it there or remove the line"
        )
    return found


def _all_pictures(folder):
    """Return the images of a folder without sets; raise AnnotationError where it has none."""
    for place in (folder / "images", folder / DARKNET_IMAGES, folder):
        found = pictures_in(place, "**/*") if place.is_dir() else []
        if any(_text_of(picture, folder).is_file() for picture in found):
            return found
    sets = find_sets(folder)
    hint = f"; name two of its sets (--sets): {', '.join(sets)}" if len(sets) > 1 else ""
    raise AnnotationError(
        f"{folder}: no images with text files, as images and labels, {DARKNET_IMAGES}, or side by "
        f"side{hint}"
    )


def _text_of(picture, folder):
    """Return the path of an image's text file: in `labels` for its `images`, or beside it."""
    parts = list(picture.relative_to(folder).parts)
    if "images" in parts[:-1]:
        last = len(parts) - 2 - parts[-2::-1].index("images")
        swapped = folder.joinpath(*parts[:last], "labels", *parts[last + 1 :]).with_suffix(".txt")
        if swapped.parent.is_dir():
            return _in_any_case(swapped)
    apart = _in_any_case((folder / "labels" / picture.relative_to(folder)).with_suffix(".txt"))
    return apart if os.path.lexists(apart) else _in_any_case(picture.with_suffix(".txt"))


def _shared(pairs):
    """Return a Finding for every image whose text file is that of another image too."""
    claims = {}
    for picture, path in pairs:
        claims.setdefault(path, []).append(picture)
    return [
        Finding(
            "ambiguous image",
            f"{picture}: {path} may be its own or that of {pictures[picture == pictures[0]]}; give "
            "each a text file or remove one",
            path,
            None,
            picture,
        )
        for path, pictures in claims.items()
        if len(pictures) > 1 and os.path.lexists(path)
        for picture in pictures
    ]


def _orphans(pairs):
    """Return a Finding for every text file beside those of images that belongs to none."""
    known = {path for _, path in pairs}
    names = {path.parent: picture.parent for picture, path in pairs}
    findings = []
    for texts, pictures in sorted(names.items()):
        for path in sorted(texts.glob("*.[tT][xX][tT]")):
            if path in known or is_hidden(path, texts):
                continue
            if path.name not in (*NAME_FILES, "train.txt", "valid.txt"):
                message = (
                    f"{path}: no image {path.stem} in {pictures}; put it there or remove the file"
                )
                findings.append(Finding("orphan annotation", message, path))
    return findings


def _find_names(folder, pairs):
    """Return the class names of the nearest file that has them; raise AnnotationError."""
    places = {folder: None} | {path.parent: None for _, path in pairs[:1]}
    places |= {path.parent.parent: None for _, path in pairs[:1] if path.parent != folder}
    for place in places:
        for name in NAME_FILES:
            if (place / name).is_file():
                return read_names(place / name, MAX_NAMES_BYTES)
    file, content = _yaml(folder)
    if file:
        return _names_in_yaml(file, content)
    raise AnnotationError(
        f"{folder}: no classes.txt, obj.names or data.yaml; name the classes in their order "
        "(--classes)"
    )


def yaml_file(folder: Path) -> Path | None:
    """Return the YAML file of a folder that describes its data, or None.

    It is called data or dataset, or names classes.
    """
    files = [path for pattern in ("*.yaml", "*.yml") for path in sorted(folder.glob(pattern))]
    usual = [path for path in files if path.stem in ("data", "dataset")]
    return next((path for path in files if path in usual or _has_names(path)), None)


def _has_names(path):
    """Whether a YAML file, which may be of any program, names classes."""
    try:
        text = read_text(path, MAX_NAMES_BYTES)
    except AnnotationError:
        return False
    return bool(re.search(r"""^["']?names["']?\s*:""", text, re.MULTILINE))


def _yaml(folder):
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
