"""Detect in an image, a folder or a film: `python -m utils.detect --help`.

Writes every image with its boxes, `detections.json` and `detections.csv`; a film becomes a film.
What cannot be read is named, and the rest goes on. Folders within a folder are searched too.
"""

import csv
import json
import sys
from pathlib import Path

from utils.checkpoint import CheckpointError, replace_atomically
from utils.command_line import Parser, share
from utils.context import best_context
from utils.detection import DISPLAY_THRESHOLD, detect, load_detector
from utils.labels.pictures import SUFFIXES, read_picture
from utils.make_data import DATA_ROOT, sha256
from utils.plotting import show_detections, to_png
from utils.progress import progress
from utils.records import RecordError
from utils.video import VideoError, annotate_frame, film_facts, read_frames, write_frames

from tqdm import tqdm

OUT = DATA_ROOT.parent / "build" / "detected"
FILMS = (".avi", ".mp4", ".mov", ".mkv", ".webm")
FIELDS = ("file", "frame", "class", "score", "xmin", "ymin", "xmax", "ymax")
RESULTS = ("detections.json", "detections.csv")


def rows_of(name, frame, detections_px, class_names):
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


def sources_of(path, out):
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

    def __init__(self, folder, about):
        self.folder, self.about = folder, about
        self.rows, self.files = [], []

    @property
    def num_failed(self):
        """How many files have an error."""
        return sum("error" in file for file in self.files)

    def write(self):
        """Write both tables."""
        content = self.about | {"files": self.files, "detections": self.rows}
        for name, write in zip(RESULTS, (json_writer(content), csv_writer(self.rows))):
            replace_atomically(self.folder / name, write)


def json_writer(content):
    """Return a function that writes content to a file."""
    return lambda file: Path(file).write_text(json.dumps(content, indent=1) + "\n")


def csv_writer(rows):
    """Return a function that writes rows with FIELDS to a file, under a header line."""

    def write(path):
        # A name that is no UTF-8 is written with the numbers of its bytes.
        with open(path, "w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            writer = csv.DictWriter(file, FIELDS)
            writer.writeheader()
            writer.writerows(rows)

    return write


def detect_image(path, name, detector, threshold, results):
    """Write an image with its boxes to the folder of results; add what was found to them."""
    image = read_picture(path)
    detections_px = detect(image, detector, threshold)
    ax = show_detections(image, detections_px, detector.class_names, threshold)
    picture = to_png(ax.figure)
    replace_atomically(results.folder / f"{name}.png", lambda file: Path(file).write_bytes(picture))
    height, width = image.shape[:2]
    results.rows += rows_of(name, None, detections_px, detector.class_names)
    results.files.append({"file": name, "size_px": [width, height], "found": len(detections_px)})


def detect_film(path, name, detector, threshold, results):
    """Write a film with its boxes to the folder of results; add what was found to them.

    Raises VideoError where it ends before its time; what came until then is kept.
    """
    facts, num_before = film_facts(path), len(results.rows)

    def annotated():
        total = facts.num_frames or None
        bar = progress(read_frames(path), desc=path.name, total=total, unit="frame")
        number = None
        for number, frame in enumerate(bar):
            detections_px = detect(frame, detector, threshold)
            results.rows += rows_of(name, number, detections_px, detector.class_names)
            yield annotate_frame(frame, detections_px, detector.class_names, threshold)
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


def detect_all(sources, root, detector, threshold, results):
    """Detect in every file, and write the tables, also of a run that is stopped.

    root: the folder that names are relative to. A file that cannot be read is told and counted.
    """
    try:
        for path in progress(sources, unit="file"):
            run = detect_film if path.suffix.lower() in FILMS else detect_image
            name = str(path.relative_to(root))
            try:
                run(path, name, detector, threshold, results)
            except (RecordError, VideoError) as error:
                tqdm.write(str(error), file=sys.stderr)
                results.files.append({"file": name, "error": str(error)})
    finally:
        results.write()


def parse_arguments(arguments=None):
    """Return the options of the command line."""
    parser = Parser(prog="python -m utils.detect", description=__doc__)
    add = parser.add_argument
    add("checkpoint", type=Path, help="such as data/pretrained/toy_ssd_multi.params")
    add("source", type=Path, help="an image, a folder of images, or a film")
    add("--threshold", type=share, default=DISPLAY_THRESHOLD, help="least score")
    add("--out", type=Path, default=OUT, metavar="DIR", help="folder for the results")
    return parser.parse_args(arguments)


def main(arguments=None):
    """Detect; return the exit status: 1 if a file failed, 2 if none could run, 130 for Ctrl-C."""
    options = parse_arguments(arguments)
    try:
        detector = load_detector(options.checkpoint, best_context())
        sources = sources_of(options.source, options.out)
        about = {
            "checkpoint": str(options.checkpoint),
            "checkpoint_sha256": sha256(options.checkpoint),
        }
        about |= {"threshold": options.threshold, "image_size": detector.image_size}
        results = Results(options.out, about | {"class_names": detector.class_names})
        results.write()
        root = options.source if options.source.is_dir() else options.source.parent
        detect_all(sources, root, detector, options.threshold, results)
    except (RecordError, CheckpointError) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"{error.filename or options.out}: {error.strerror}; choose another --out",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print(f"\nstopped; what was found so far is in {options.out}", file=sys.stderr)
        return 130
    num_done = len({file["file"] for file in results.files if "error" not in file})
    print(f"{len(results.rows)} detections in {num_done} files: {options.out}")
    return 1 if results.num_failed else 0


if __name__ == "__main__":
    sys.exit(main())
