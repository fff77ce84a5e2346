"""Find objects in an image, a folder or a film.

    single-shot detect run/detector.params photos --out found

Writes every image with its boxes, `detections.json` and `detections.csv`; a film becomes a film.
What cannot be read is named, and the rest goes on. Folders within a folder are searched too.
"""

from __future__ import annotations

import csv
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path

from data import DATA_ROOT
from single_shot.answer import Answer
from single_shot.arguments import share
from single_shot.figure_files import write_image
from single_shot.files import locked, sha256, write_whole
from single_shot.finders import Finder, add_engine, open_finder
from single_shot.labels.pictures import SUFFIXES, is_hidden, read_picture
from single_shot.pipeline import Later, work_ahead
from single_shot.video import (
    FilmFacts,
    VideoError,
    annotate_frame,
    film_facts,
    read_frames,
    write_frames,
)
from utils.detection import DISPLAY_THRESHOLD
from utils.files import replace_atomically
from utils.hooks import progress
from utils.records import RecordError

import cv2
import numpy as np
from tqdm import tqdm

OUT = DATA_ROOT.parent / "build" / "detected"
TABLES = "detections"  # in OUT, with .json and .csv; one process at a time writes them
FILMS = (".avi", ".mp4", ".mov", ".mkv", ".webm")
RECKONED = (".mkv", ".webm")  # OpenCV takes their number of frames from the length of all tracks
LEAST_OF_RECKONED = 0.9  # of that number, less a second: with fewer, a film is cut off
MOST_PX = 2000  # of a side of a picture that is written; the tables count pixels of the file
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

    What is in a folder out below it, where an earlier run may have left pictures, is none of them.
    Raises RecordError where there is none, or where they would be written over.
    """
    if not path.is_dir():
        return [path]
    if out.resolve() == path.resolve():
        raise RecordError(f"{out}: holds the images; choose another folder for the results (--out)")
    found = [p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES + FILMS and p.is_file()]
    found = [p for p in found if not is_hidden(p, path)]
    if path.resolve() in out.resolve().parents:
        found = [p for p in found if out.resolve() not in p.resolve().parents]
    found.sort()
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
        write_whole(self.folder / f"{TABLES}.json", json.dumps(self.content, indent=1) + "\n")
        replace_atomically(self.folder / f"{TABLES}.csv", csv_writer(self.rows))

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


def is_film(path: Path) -> bool:
    """Return whether a path is that of a film, by its ending."""
    return path.suffix.lower() in FILMS


def read_unless_film(path: Path) -> np.ndarray | None:
    """Return an image as `read_picture` does, or None for a film, which is read frame by frame."""
    return None if is_film(path) else read_picture(path)


def detect_image(
    image: np.ndarray,
    name: str,
    finder: Finder,
    threshold: float,
    results: Results,
    later: Later | None,
) -> None:
    """Add what is found in an image to the results; have it written to their folder with its boxes.

    later: None writes no image.
    """
    detections_px = finder.find(image, threshold)
    if later is not None:
        later(
            write_painted, results.folder / f"{name}.png", image, detections_px, finder, threshold
        )
    height, width = image.shape[:2]
    results.rows += rows_of(name, None, detections_px, finder.class_names)
    results.files.append({"file": name, "size_px": [width, height], "found": len(detections_px)})


def write_painted(
    path: Path, image: np.ndarray, detections_px: np.ndarray, finder: Finder, threshold: float
) -> None:
    """Write an image with its boxes, at most MOST_PX wide and high."""
    shrink = min(1, MOST_PX / max(image.shape[:2]))
    if shrink < 1:
        height, width = (max(1, round(side * shrink)) for side in image.shape[:2])
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    rows_px = detections_px * np.array([1, 1] + 4 * [shrink])
    write_image(path, annotate_frame(image, rows_px, finder.class_names, threshold))


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
    except OSError as error:
        error.filename = str(target)  # the temporary one means nothing to its user
        raise
    finally:
        temporary.unlink(missing_ok=True)
    found = len(results.rows) - num_before
    results.files.append({"file": name, "size_px": facts.size_px, "frames": count, "found": found})
    if is_cut_off(path, count, facts):
        raise VideoError(f"{path}: ends after {count} of {facts.num_frames} frames; is it cut off?")


def is_cut_off(path: Path, count: int, facts: FilmFacts) -> bool:
    """Return whether a film gave fewer frames than it has."""
    if path.suffix.lower() in RECKONED:  # sound may outlast the frames
        return count < LEAST_OF_RECKONED * facts.num_frames - facts.frames_per_second
    return count < facts.num_frames


def detect_all(
    sources: Sequence[Path],
    root: Path,
    finder: Finder,
    threshold: float,
    results: Results,
    pictures: bool = True,
) -> None:
    """Detect in every file, and write the tables, also of a run that is stopped.

    root: the folder that names are relative to; pictures: whether images are written. A file that
    cannot be read is told and counted.
    """
    try:
        with Later() as later, closing(work_ahead(read_unless_film, sources)) as images:
            painter = later if pictures else None
            for path, image in zip(progress(sources, unit="file"), images, strict=True):
                name = str(path.relative_to(root))
                try:
                    if is_film(path):
                        detect_film(path, name, finder, threshold, results)
                    else:
                        detect_image(image.result(), name, finder, threshold, results, painter)
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
    add("--no-pictures", action="store_true", help="write the tables alone, of images")
    add_engine(parser)


def run(options: Namespace) -> Answer:
    """Detect; return the Answer, which failed if a file did."""
    finder = open_finder(options.checkpoint, options.engine, options.calibrate)
    sources = sources_of(options.source, options.out)
    about: dict = {
        "checkpoint": str(options.checkpoint),
        "checkpoint_sha256": sha256(options.checkpoint),
        "engine": finder.engine,
    }
    about |= {"threshold": options.threshold, "image_size": finder.image_size}
    results = Results(options.out, about | {"class_names": finder.class_names})
    root = options.source if options.source.is_dir() else options.source.parent
    with locked(options.out / TABLES):
        results.write()
        detect_all(sources, root, finder, options.threshold, results, not options.no_pictures)
    num_done = len({file["file"] for file in results.files if "error" not in file})
    text = f"{len(results.rows)} detections in {num_done} files: {options.out}"
    return Answer(text, results.content, status=1 if results.num_failed else 0)


def after_stop(options: Namespace) -> str:
    """Return what Ctrl-C left."""
    return f"what was found so far is in {options.out}"
