"""Write a detector as one ONNX file that needs neither MXNet nor this course.

    single-shot export run/detector.params --out detector.onnx

The file takes an RGB image of any size as bytes, (1, height, width, 3), and returns boxes in its
pixels, scores and class ids: resizing, normalising, decoding and suppression are inside. It is
compared with the detector on images before it gets its name.
"""

import argparse
from argparse import ArgumentParser, Namespace
from pathlib import Path

from data import DATA_ROOT
from single_shot.answer import Answer
from single_shot.arguments import share
from single_shot.files import sha256, write_whole
from single_shot.labels.pictures import SUFFIXES, read_picture
from single_shot.onnx_graph import OUTPUTS, build
from single_shot.onnx_graph.quantised import NUM_CALIBRATION_IMAGES
from single_shot.onnx_runtime import OnnxDetector
from single_shot.sources import open_split
from utils.comparison import assert_same_detections, pair_detections
from utils.context import best_context
from utils.data import resize
from utils.detection import (
    DISPLAY_THRESHOLD,
    MAX_DETECTIONS,
    NMS_THRESHOLD,
    SCORE_THRESHOLD,
    Detector,
    detect,
    load_detector,
)
from utils.files import InputError
from utils.hooks import progress

import numpy as np

SAMPLES = DATA_ROOT / "samples"
# At some sizes a pixel here and there differs from OpenCV's by one level of 255.
SCORE_TOLERANCE = 1e-3
MOST_ODD = 0.1  # of the detections in eight bits that may have no partner


class NotTheSame(InputError):
    """The file does not find what the detector finds; the message names the image."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of this part to a parser."""
    add = parser.add_argument
    add("checkpoint", type=Path, help="such as data/pretrained/toy_ssd_multi.params")
    add("--out", type=onnx_path, metavar="FILE.onnx", help="default: beside the checkpoint")
    add("--threshold", type=share, default=DISPLAY_THRESHOLD, help="least score, by default")
    add("--nms", type=share, default=NMS_THRESHOLD, help="IoU that suppresses, by default")
    eight_bits = (
        "eight bits in place of 32, scaled on training images of a prepared folder or an embedded "
        "set: a quarter of the size, and faster"
    )
    add("--int8", metavar="SOURCE", help=eight_bits)
    compared = "folder of images that both must see alike; default: the course's samples"
    add("--compare-on", type=Path, default=SAMPLES, metavar="DIR", help=compared)


def onnx_path(text: str) -> Path:
    """Return a path that ends in .onnx, as `detect` knows such files by; for argparse."""
    path = Path(text)
    if path.suffix != ".onnx":
        raise argparse.ArgumentTypeError(f"{text}: must end in .onnx")
    return path


def check_the_same(exported: OnnxDetector, detector: Detector, images: dict) -> int:
    """Compare an exported detector with the one that it came from; return how many rows.

    images: by name, (H, W, 3) uint8. In the size that the network sees, at the threshold of
    evaluation, since small scores tell most; in their own size, what a person is shown: the two
    resize alike but for a level of 255 here and there, which may turn the order of small scores.
    Raises NotTheSame, which names the image.
    """
    count = 0
    for name, image in progress(images.items(), desc="compare", unit="image"):
        square, _ = resize(image, None, detector.image_size)
        for picture, threshold in ((square, SCORE_THRESHOLD), (image, DISPLAY_THRESHOLD)):
            height, width = picture.shape[:2]
            scale = np.array([1, 1, width, height, width, height])
            ours = detect(picture, detector, threshold) / scale
            theirs = exported.find(picture, threshold) / scale
            cut = ours[-1, 1] if len(ours) == MAX_DETECTIONS else threshold
            try:
                assert_same_detections(theirs, ours, atol=SCORE_TOLERANCE, cut_score=cut)
            except AssertionError as error:
                raise NotTheSame(
                    f"{name}: the file would not find what the detector finds; nothing is written. "
                    f"Please report this with the image. {str(error).splitlines()[1]}"
                ) from None
            count += len(ours)
    return count


def check_much_alike(exported: OnnxDetector, detector: Detector, images: dict) -> int:
    """Compare a detector in eight bits with the one that it came from; return how many rows.

    At the threshold of evaluation scores would differ in rank; what a person is shown must be the
    same but for `MOST_ODD`. Raises NotTheSame.
    """
    count = odd = 0
    for image in progress(images.values(), desc="compare", unit="image"):
        ours, theirs = detect(image, detector), exported.find(image)
        pairs = pair_detections(theirs, ours, atol=0.2, min_iou=0.75)
        count += len(ours)
        odd += len(ours) + len(theirs) - 2 * int((pairs >= 0).sum())
    if odd > max(2, MOST_ODD * 2 * count):
        raise NotTheSame(
            f"in eight bits {odd} of {2 * count} detections have no partner; nothing is written. "
            "Give --int8 a set that looks like what the detector will see, or leave it out"
        )
    return count


def images_of(folder: Path) -> dict:
    """Return the images in a folder by their names."""
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise InputError(f"{folder}: holds no image ({', '.join(SUFFIXES)}) to compare on")
    return {str(path): read_picture(path) for path in paths}


def calibration_images(source: str, class_names: tuple) -> list[np.ndarray]:
    """Return training images of a prepared folder or an embedded set."""
    dataset = open_split(source, "train", class_names)
    step = max(1, len(dataset) // NUM_CALIBRATION_IMAGES)
    return [dataset[index][0] for index in range(0, len(dataset), step)][:NUM_CALIBRATION_IMAGES]


def run(options: Namespace) -> Answer:
    """Export, compare, write; return the Answer."""
    out = options.out or options.checkpoint.with_suffix(".onnx")
    detector = load_detector(options.checkpoint, best_context(), compiled=False)
    images = images_of(options.compare_on)
    origin = {"checkpoint_sha256": sha256(options.checkpoint)}
    calibration = calibration_images(options.int8, detector.class_names) if options.int8 else []
    model = build(detector, options.threshold, options.nms, origin, calibration)
    content = model.SerializeToString()
    exported = OnnxDetector(content, out)
    check = check_much_alike if calibration else check_the_same
    count = check(exported, detector, images)
    write_whole(out, content)
    facts = {
        "file": str(out),
        "bytes": len(content),
        "outputs": list(OUTPUTS),
        "class_names": list(detector.class_names),
        "bits": 8 if calibration else 32,
        "compared": {"images": len(images), "detections": count},
    }
    nearly = "nearly " if calibration else ""
    text = (
        f"{out}: {len(content) / 1e6:.1f} MB; finds {nearly}what the checkpoint finds, {count} "
        f"detections in {len(images)} images"
    )
    return Answer(text, facts)


def after_stop(options: Namespace) -> str:
    """Return what Ctrl-C left."""
    return "nothing is written"
