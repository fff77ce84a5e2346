"""Find objects in an image, a folder or a film.

    single-shot detect run/detector.params photos --out found

Writes every image with its boxes, `detections.json` and `detections.csv`; a film becomes a film.
What cannot be read is named, and the rest goes on. Folders within a folder are searched too.
"""

import csv
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from data import DATA_ROOT
from single_shot.answer import Answer
from single_shot.arguments import share
from single_shot.figure_files import write_figure
from single_shot.files import sha256, write_whole
from single_shot.finders import Finder, open_finder
from single_shot.labels.pictures import SUFFIXES, read_picture
from single_shot.video import VideoError, annotate_frame, film_facts, read_frames, write_frames
from utils.detection import DISPLAY_THRESHOLD
from utils.figures.drawing import show_detections
from utils.files import replace_atomically
from utils.hooks import progress
from utils.records import RecordError

import numpy as np
from tqdm import tqdm

OUT = DATA_ROOT.parent / "build" / "detected"
FILMS = (".avi", ".mp4", ".mov", ".mkv", ".webm")
FIELDS = ("file", "frame", "class", "score", "xmin", "ymin", "xmax", "ymax")


def rows_of(
    name: str, frame: int | None, detections_px: np.ndarray, class_names: Sequence[str]
) -> list[dict]:
    """Return a dict with FIELDS for each detection; frame: its number in a film, else None."""
    return [
        dict(
            zip(
                FIELDS,
                (name, frame, class_names[int(row[0])], *(round(float(v), 4) for v in row[1:])),
                strict=True,
            )
        )
        for row in detections_px
    ]


def sources_of(path: Path, out: Path) -> list[Path]:
    """Return the images and films under a folder, in order of their names, or the one file.

    What is in the folder out, where an earlier run may have left pictures, is none of them.
    Raises RecordError where there is none.
    """
    if not path.is_dir():
        return [path]
    found = [p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES + FILMS and p.is_file()]
    found = sorted(p for p in found if out.resolve() not in p.resolve().parents)
    if not found:
        raise RecordError(f"{path}: holds no image or film ({', '.join(SUFFIXES + FILMS)})")
    return found


class Results:
    """What a run has found so far.

    folder: where it is written; about: what the tables say of the run; rows: dicts with FIELDS;
    files: a dict for each file, with its name, size and number of detections, or its error.
    """

    def __init__(self, folder: Path, about: dict) -> None:
        self.folder, self.about = folder, about
        self.rows, self.files = [], []

    @property
    def num_failed(self) -> int:
        """How many files have an error."""
        return sum("error" in file for file in self.files)

    def write(self) -> None:
        """Write both tables."""
        write_whole(self.folder / "detections.json", json.dumps(self.content, indent=1) + "\n")
        replace_atomically(self.folder / "detections.csv", csv_writer(self.rows))

    @property
    def content(self) -> dict:
        """All that is known, as JSON can express it."""
        return self.about | {"files": self.files, "detections": self.rows}


def csv_writer(rows: Iterable[dict]) -> Callable[[str], None]:
    """Return a function that writes rows with FIELDS to a file, under a header line."""

    def write(path):
        # A name that is no UTF-8 is written with the numbers of its bytes.
        with open(path, "w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            writer = csv.DictWriter(file, FIELDS)
            writer.writeheader()
            writer.writerows(rows)

    return write


def detect_image(path: Path, name: str, finder: Finder, threshold: float, results: Results) -> None:
    """Write an image with its boxes to the folder of results; add what was found to them."""
    image = read_picture(path)
    detections_px = finder.find(image, threshold)
    ax = show_detections(image, detections_px, finder.class_names, threshold)
    write_figure(results.folder / f"{name}.png", ax.figure)
    height, width = image.shape[:2]
    results.rows += rows_of(name, None, detections_px, finder.class_names)
    results.files.append({"file": name, "size_px": [width, height], "found": len(detections_px)})


def detect_film(path: Path, name: str, finder: Finder, threshold: float, results: Results) -> None:
    """Write a film with its boxes to the folder of results; add what was found to them.

    Raises VideoError where it ends before its time; what came until then is kept.
    """
    facts, num_before = film_facts(path), len(results.rows)

    def annotated():
        total = facts.num_frames or None
        bar = progress(read_frames(path), desc=path.name, total=total, unit="frame")
        number = None
        for number, frame in enumerate(bar):
            detections_px = finder.find(frame, threshold)
            results.rows += rows_of(name, number, detections_px, finder.class_names)
            yield annotate_frame(frame, detections_px, finder.class_names, threshold)
        if number is None:
            raise VideoError(f"{path}: no frames in it; save the film again")

    target = results.folder / f"{name}.avi"
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{path.stem}.part.avi")
    try:
        count = write_frames(temporary, annotated(), facts.frames_per_second)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    found = len(results.rows) - num_before
    results.files.append({"file": name, "size_px": facts.size_px, "frames": count, "found": found})
    if count < facts.num_frames:
        raise VideoError(f"{path}: ends after {count} of {facts.num_frames} frames; is it cut off?")


def detect_all(
    sources: Sequence[Path], root: Path, finder: Finder, threshold: float, results: Results
) -> None:
    """Detect in every file, and write the tables, also of a run that is stopped.

    root: the folder that names are relative to. A file that cannot be read is told and counted.
    """
    try:
        for path in progress(sources, unit="file"):
            run = detect_film if path.suffix.lower() in FILMS else detect_image
            name = str(path.relative_to(root))
            try:
                run(path, name, finder, threshold, results)
            except (RecordError, VideoError) as error:
                tqdm.write(str(error), file=sys.stderr)
                results.files.append({"file": name, "error": str(error)})
    finally:
        results.write()


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of this part to a parser."""
    add = parser.add_argument
    add("checkpoint", type=Path, help="such as data/pretrained/toy_ssd_multi.params, or .onnx")
    add("source", type=Path, help="an image, a folder of images, or a film")
    add("--threshold", type=share, default=DISPLAY_THRESHOLD, help="least score")
    add("--out", type=Path, default=OUT, metavar="DIR", help="folder for the results")


def run(options: Namespace) -> Answer:
    """Detect; return the Answer, which failed if a file did."""
    finder = open_finder(options.checkpoint)
    sources = sources_of(options.source, options.out)
    about: dict = {
        "checkpoint": str(options.checkpoint),
        "checkpoint_sha256": sha256(options.checkpoint),
    }
    about |= {"threshold": options.threshold, "image_size": finder.image_size}
    results = Results(options.out, about | {"class_names": finder.class_names})
    results.write()
    root = options.source if options.source.is_dir() else options.source.parent
    detect_all(sources, root, finder, options.threshold, results)
    num_done = len({file["file"] for file in results.files if "error" not in file})
    text = f"{len(results.rows)} detections in {num_done} files: {options.out}"
    return Answer(text, results.content, status=1 if results.num_failed else 0)


def after_stop(options: Namespace) -> str:
    """Return what Ctrl-C left."""
    return f"what was found so far is in {options.out}"
