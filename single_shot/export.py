"""Write a detector as one ONNX file that needs neither MXNet nor this course.

    single-shot export run/detector.params --out detector.onnx

The file takes an RGB image of any size as bytes, (1, height, width, 3), and returns boxes in its
pixels, scores and class ids: resizing, normalising, decoding and suppression are inside. It is
compared with the detector on images before it gets its name.

With --batch it takes N images of one size, and a fourth output, batch_indices, says of each row
from which image it is. With --raw it takes N images too, and returns for every anchor, before any
threshold and suppression, boxes (N, A, 4) in pixels, not clipped, and probabilities (N, A, C), a
column for each class and none for the background.
"""

import argparse
from argparse import ArgumentParser, Namespace
from pathlib import Path

from data import DATA_ROOT
from single_shot.answer import Answer
from single_shot.arguments import share
from single_shot.export_checks import check_much_alike, check_raw, check_the_same
from single_shot.files import sha256, write_whole
from single_shot.labels.pictures import SUFFIXES, pictures_in, read_picture
from single_shot.onnx_graph import BATCH_OUTPUTS, OUTPUTS, RAW_OUTPUTS, build, build_raw
from single_shot.onnx_graph.seal import sealed
from single_shot.onnx_runtime import OnnxDetector, open_session
from single_shot.sources import calibration_images
from utils.context import best_context
from utils.detection import DISPLAY_THRESHOLD, NMS_THRESHOLD, Detector, load_detector
from utils.files import InputError

SAMPLES = DATA_ROOT / "samples"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of this part to a parser."""
    add = parser.add_argument
    add("checkpoint", type=Path, help="such as data/pretrained/toy_ssd_multi.params")
    add("--out", type=onnx_path, metavar="FILE.onnx", help="default: beside the checkpoint")
    add("--threshold", type=share, default=DISPLAY_THRESHOLD, help="least score, by default")
    add("--nms", type=share, default=NMS_THRESHOLD, help="IoU that suppresses, by default")
    add("--batch", action="store_true", help="takes N images of one size at once")
    eight_bits = (
        "eight bits in place of 32, scaled on training images of a prepared folder or an embedded "
        "set: a quarter of the size, and faster"
    )
    raw = (
        "boxes and probabilities of all anchors, without the background's and before any "
        "threshold and suppression, of N images of one size; `detect` and `evaluate` refuse it"
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--int8", metavar="SOURCE", help=eight_bits)
    kind.add_argument("--raw", action="store_true", help=raw)
    compared = "folder of images that both must see alike; default: the course's samples"
    add("--compare-on", type=Path, default=SAMPLES, metavar="DIR", help=compared)


def onnx_path(text: str) -> Path:
    """Return a path that ends in .onnx, as `detect` knows such files by; for argparse."""
    path = Path(text)
    if path.suffix != ".onnx":
        raise argparse.ArgumentTypeError(f"{text}: must end in .onnx")
    return path


def images_of(folder: Path) -> dict:
    """Return the images in a folder by their names."""
    paths = pictures_in(folder)
    if not paths:
        raise InputError(f"{folder}: holds no image ({', '.join(SUFFIXES)}) to compare on")
    return {str(path): read_picture(path) for path in paths}


def content_of(
    options: Namespace, out: Path, detector: Detector, images: dict
) -> tuple[bytes, int]:
    """Return the file that options ask for, and how many rows of it have been compared.

    out: for messages; images: by name. Raises export_checks.NotTheSame.
    """
    origin = {"checkpoint_sha256": sha256(options.checkpoint)}
    if options.raw:
        content = sealed(build_raw(detector, origin).SerializeToString())
        return content, check_raw(open_session(content, out), detector, images)
    calibration = calibration_images(options.int8, detector.class_names) if options.int8 else []
    thresholds = options.threshold, options.nms
    model = build(detector, *thresholds, origin, calibration, options.batch)
    content = sealed(model.SerializeToString())
    exported = OnnxDetector(content, out)
    check = check_much_alike if calibration else check_the_same
    count = check(exported, detector, images)
    return content, count


def run(options: Namespace) -> Answer:
    """Export, compare, write; return the Answer."""
    if options.raw and (options.threshold, options.nms) != (DISPLAY_THRESHOLD, NMS_THRESHOLD):
        raise InputError("a raw file has no thresholds; leave out --threshold and --nms")
    out = options.out or options.checkpoint.with_suffix(".onnx")
    detector = load_detector(options.checkpoint, best_context(), compiled=False)
    images = images_of(options.compare_on)
    content, count = content_of(options, out, detector, images)
    write_whole(out, content)
    rows = "boxes" if options.raw else "detections"
    of_objects = BATCH_OUTPUTS if options.batch else OUTPUTS
    facts = {
        "file": str(out),
        "bytes": len(content),
        "outputs": list(RAW_OUTPUTS if options.raw else of_objects),
        "class_names": list(detector.class_names),
        "bits": 8 if options.int8 else 32,
        "compared": {"images": len(images), rows: count},
    }
    does = "predicts" if options.raw else "finds"
    nearly = "nearly " if options.int8 else ""
    text = (
        f"{out}: {len(content) / 1e6:.1f} MB; {does} {nearly}what the checkpoint {does}, {count} "
        f"{rows} in {len(images)} images"
    )
    return Answer(text, facts)


def after_stop(options: Namespace) -> str:
    """Return what Ctrl-C left."""
    return "nothing is written"
