"""Detect in an image, a folder or a film: `python -m utils.detect --help`.

Writes every image with its boxes, `detections.json` and `detections.csv`; a film becomes a film.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

from utils.checkpoint import CheckpointError, replace_atomically
from utils.context import best_context
from utils.detection import DISPLAY_THRESHOLD, detect, load_detector
from utils.labels.pictures import SUFFIXES, read_picture
from utils.make_data import DATA_ROOT
from utils.plotting import show_detections, to_png
from utils.records import RecordError
from utils.video import VideoError, annotate_frame, read_frames, write_frames

from tqdm import tqdm

OUT = DATA_ROOT.parent / "build" / "detected"
IMAGES = set(SUFFIXES)
FILMS = {".avi", ".mp4", ".mov", ".mkv", ".webm"}
FIELDS = ("file", "frame", "class", "score", "xmin", "ymin", "xmax", "ymax")
FRAMES_PER_SECOND = 25  # of the annotated film


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


def sources_of(path):
    """Return the images of a folder, in order of their names, or the one file.

    Raises RecordError where there is none.
    """
    path = Path(path)
    if not path.is_dir():
        return [path]
    found = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGES | FILMS)
    if not found:
        raise RecordError(f"{path}: holds no image or film ({', '.join(sorted(IMAGES | FILMS))})")
    return found


def detect_image(path, detector, threshold, out):
    """Write an image with its boxes to out; return its rows."""
    image = read_picture(path)
    detections_px = detect(image, detector, threshold)
    ax = show_detections(image, detections_px, detector.class_names, threshold)
    picture = to_png(ax.figure)
    replace_atomically(out / f"{path.name}.png", lambda file: Path(file).write_bytes(picture))
    return rows_of(path.name, None, detections_px, detector.class_names)


def detect_film(path, detector, threshold, out):
    """Write a film with its boxes to out; return its rows."""
    rows = []

    def annotated():
        for number, frame in enumerate(tqdm(read_frames(path), desc=path.name, unit="frame")):
            detections_px = detect(frame, detector, threshold)
            rows.extend(rows_of(path.name, number, detections_px, detector.class_names))
            yield annotate_frame(frame, detections_px, detector.class_names, threshold)

    temporary = out / f".{path.stem}.part.avi"
    try:
        write_frames(temporary, annotated(), FRAMES_PER_SECOND)
        temporary.replace(out / f"{path.name}.avi")
    finally:
        temporary.unlink(missing_ok=True)
    return rows


def write_csv(path, rows):
    """Write rows with FIELDS under a header line."""
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(rows)


def parse_arguments(arguments=None):
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m utils.detect", description=__doc__)
    parser.add_argument(
        "checkpoint", type=Path, help="such as data/pretrained/toy_ssd_multi.params"
    )
    parser.add_argument("source", type=Path, help="an image, a folder of images, or a film")
    parser.add_argument("--threshold", type=float, default=DISPLAY_THRESHOLD, help="least score")
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR")
    return parser.parse_args(arguments)


def main(arguments=None):
    """Detect in every source; return the exit status: 1 if a file failed, 2 if none could run."""
    options = parse_arguments(arguments)
    try:
        detector = load_detector(options.checkpoint, best_context())
        sources = sources_of(options.source)
    except (RecordError, CheckpointError) as error:
        print(error, file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    rows, failed = [], 0
    for path in tqdm(sources, unit="file"):
        run = detect_film if path.suffix.lower() in FILMS else detect_image
        try:
            rows.extend(run(path, detector, options.threshold, options.out))
        except (RecordError, VideoError) as error:
            print(error, file=sys.stderr)
            failed += 1
    text = json.dumps(rows, indent=1) + "\n"
    replace_atomically(options.out / "detections.json", lambda file: Path(file).write_text(text))
    replace_atomically(options.out / "detections.csv", lambda file: write_csv(file, rows))
    print(f"{len(rows)} detections in {len(sources) - failed} files: {options.out}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
