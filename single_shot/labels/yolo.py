"""YOLO's text files, read and checked.

Every image `images/NAME.jpg` has a file `labels/NAME.txt` with a line `class x_center y_center
width height` for each object, in fractions of the image, classes counted from 0 (Ultralytics,
Object Detection Datasets Overview). An image without a file is one without objects, and is noted.
"""

from collections.abc import Sequence
from pathlib import Path

from single_shot.labels.annotations import AnnotationError, Annotations, Finding
from single_shot.labels.box_forms import BoxForm
from single_shot.labels.checks import RawImage, RawObject, assemble
from single_shot.labels.numbers_in_text import to_whole
from single_shot.labels.pictures import pictures_by_stem
from single_shot.labels.safe_files import read_text

import yaml

FORM = BoxForm(
    ("x_center", "y_center", "width", "height"),
    "centre",
    pixels=False,
    rule="a line is class, centre and size, divided by the image's width and height",
)
MAX_LABEL_BYTES = 4 * 2**20
MAX_NAMES_BYTES = 128 * 2**10
MAX_BRACKETS = 100  # PyYAML needs minutes for thousands of open ones
FIELDS = 5


def read_yolo(
    folder: Path,
    images: Path | None = None,
    class_names: Sequence[str] | None = None,
    split: str | None = None,
) -> Annotations:
    """Return the Annotations in a folder of YOLO's layout.

    images: folder of the images, by default `images` beside `labels`. split: such as `train`, where
    the layout has one, as `labels/train` or `train/labels`. class_names: by default those of
    classes.txt or data.yaml. Raises AnnotationError where folders, names or classes are missing.
    """
    folder = Path(folder)
    label_folder, image_folder = _folders(folder, images, split)
    class_names = class_names or _find_names((folder, label_folder, label_folder.parent))
    pictures = pictures_by_stem(image_folder)
    texts = {path.stem: path for path in _files(label_folder, (".txt",))}
    texts.pop("classes", None)
    findings, raw_images = [], []
    for stem in sorted(texts.keys() - pictures.keys()):
        message = (
            f"{texts[stem]}: no image {stem} in {image_folder}; put it there or remove the file"
        )
        findings.append(Finding("orphan annotation", message, texts[stem]))
    for stem, picture in sorted(pictures.items()):
        path = texts.get(stem, label_folder / f"{stem}.txt")
        try:
            objects = _read_lines(path, findings) if stem in texts else []
        except AnnotationError as error:
            findings.append(Finding("unreadable annotation", str(error), path))
            continue
        if stem not in texts:
            message = f"{picture}: no {path.name} in {label_folder}; taken for one without objects"
            findings.append(Finding("image without annotation", message, path, None, picture))
        raw_images.append(
            RawImage(picture.name, image_folder, path, objects, None, str(path), "line")
        )
    return assemble(folder, raw_images, FORM, class_names, findings)


def _folders(folder, images, split):
    """Return the folders of the labels and the images; raise AnnotationError."""
    tried = [folder / "labels" / split, folder / split / "labels"] if split else [folder / "labels"]
    labels = next((path for path in tried if path.is_dir()), None)
    if labels is None:
        raise AnnotationError(
            f"{folder}: no folder {' or '.join(str(path.relative_to(folder)) for path in tried)}; "
            "is it the folder above labels and images?"
        )
    if not _files(labels, (".txt",)):
        sets = sorted(path.name for path in labels.iterdir() if path.is_dir())
        hint = f"; name two of its sets (--sets): {', '.join(sets)}" if sets else ""
        raise AnnotationError(f"{labels}: holds no .txt file{hint}")
    parts = ["images" if part == "labels" else part for part in labels.relative_to(folder).parts]
    image_folder = Path(images) if images else folder.joinpath(*parts)
    if not image_folder.is_dir():
        raise AnnotationError(f"{image_folder}: no such folder; name the images' (--images)")
    return labels, image_folder


def _files(folder, suffixes):
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)


def _find_names(folders):
    """Return the class names in classes.txt or data.yaml of the first folder that has one."""
    for folder in folders:
        if (folder / "classes.txt").is_file():
            text = read_text(folder / "classes.txt", MAX_NAMES_BYTES)
            return [line.strip() for line in text.splitlines() if line.strip()]
        if (folder / "data.yaml").is_file():
            return _names_in_yaml(folder / "data.yaml")
    raise AnnotationError(
        f"{folders[0]}: no classes.txt or data.yaml; name the classes in their order (--classes)"
    )


def _names_in_yaml(path):
    """Return the list or mapping `names` of a data.yaml as a list; raise AnnotationError."""
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
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict) and all(str(key) in names for key in range(len(names))):
        names = [names[str(key)] for key in range(len(names))]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise AnnotationError(f"{path}: names is no list of texts, nor are they numbered; {fix}")
    return names


def _read_lines(path, findings):
    """Return the RawObjects of a label file; a line of other than five fields is a Finding."""
    objects = []
    for number, line in enumerate(read_text(path, MAX_LABEL_BYTES).split("\n"), start=1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != FIELDS:
            message = (
                f"{path}, line {number}: {len(fields)} fields; a box has five: class x_center "
                "y_center width height (polygons and scores are not read)"
            )
            findings.append(Finding("bad row", message, path, number))
            continue
        try:
            class_id = to_whole(fields[0])
        except ValueError as error:
            message = f"{path}, line {number}: class is {error}; write its number, from 0"
            findings.append(Finding("unknown class", message, path, number))
            continue
        objects.append(RawObject(class_id, tuple(fields[1:]), number))
    return objects
