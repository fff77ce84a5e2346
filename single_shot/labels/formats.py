"""Annotation formats by name: which one a folder or file has, and its reader."""

from collections.abc import Sequence
from pathlib import Path

from single_shot.labels.annotations import AnnotationError, Annotations
from single_shot.labels.coco_json import read_coco
from single_shot.labels.csv_labels import read_csv
from single_shot.labels.im2rec import read_lst, read_rec
from single_shot.labels.voc import read_folder, read_sets
from single_shot.labels.yolo import read_yolo

FORMATS = ("voc", "coco", "csv", "yolo", "lst", "rec")
# Formats of one file a set, and their readers.
READERS = {"coco": read_coco, "csv": read_csv, "lst": read_lst, "rec": read_rec}
SUFFIXES = {"coco": ".json", "csv": ".csv", "lst": ".lst", "rec": ".rec"}
# Where a folder has what tells a format.
TRACES = {
    "voc": ("Annotations/*.xml", "*.xml"),
    "coco": ("*.json", "annotations/*.json", "*/*.coco.json"),
    "csv": ("*.csv", "*/*.csv"),
    "yolo": ("labels", "*/labels"),
    "lst": ("*.lst",),
    "rec": ("*.rec",),
}
NOT_COCO = ("manifest.json", "report.json")


def guess_format(source: Path) -> tuple[str, str]:
    """Return the format of a file or folder and what tells it, such as ("voc", "*.xml").

    Raises AnnotationError, which lists the choices, where that is not plain.
    """
    source = Path(source)
    if not source.exists():
        raise AnnotationError(f"{source}: no such file or folder")
    if source.is_file():
        fits = {name: suffix for name, suffix in SUFFIXES.items() if source.suffix == suffix}
    else:
        fits = {name: trace for name in FORMATS if (trace := _trace(source, name))}
    if len(fits) == 1:
        return next(iter(fits.items()))
    found = ", ".join(f"{name} ({trace})" for name, trace in fits.items())
    what = f"more than one fits: {found}" if fits else "no format's files are there"
    raise AnnotationError(f"{source}: {what}; choose with --format {'|'.join(FORMATS)}")


def _trace(folder, name):
    return next((trace for trace in TRACES[name] if _matches(folder, name, (trace,))), None)


def _matches(folder, name, traces):
    found = [path for trace in traces for path in sorted(folder.glob(trace))]
    return [path for path in found if name != "coco" or path.name not in NOT_COCO]


def read_source(
    source: Path,
    name: str,
    images: Path | None = None,
    class_names: Sequence[str] | None = None,
    sets: Sequence[str | None] = (),
) -> list[Annotations]:
    """Return a list of the Annotations of a source: one, or one for each of its sets.

    source: Path. name: one of FORMATS. images: folder of the images, or None. sets: names of VOC's
    or YOLO's sets, or files in the source, for training and held out; the classes are those of the
    first. Raises AnnotationError.
    """
    parts = []
    for each in sets or [None]:
        part = _read_part(Path(source), name, images, class_names, each)
        class_names = part.class_names
        parts.append(part)
    return parts


def _read_part(source, name, images, class_names, part):
    """Return the Annotations of one set, or of the whole source where part is None."""
    if name == "yolo":
        return read_yolo(source, images, class_names, part)
    if name == "voc":
        if part is None:
            return read_folder(source, images, class_names)
        return read_sets([(source, part)], class_names, images)
    if part is not None:
        return READERS[name](source / part, images, class_names)
    if source.is_file():
        return READERS[name](source, images, class_names)
    files = _matches(source, name, TRACES[name])
    if len(files) != 1:
        shown = ", ".join(str(path.relative_to(source)) for path in files[:10]) or "none"
        raise AnnotationError(
            f"{source}: {len(files)} files of format {name} ({shown}); name one as the source, or "
            "two by --sets TRAIN VAL"
        )
    return READERS[name](files[0], images, class_names)
