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
from single_shot.onnx_runtime import OnnxDetector
from utils.checkpoint import load_checkpoint, wrong_content
from utils.comparison import assert_same_detections
from utils.context import best_context
from utils.detection import (
    DISPLAY_THRESHOLD,
    MAX_DETECTIONS,
    NMS_THRESHOLD,
    SCORE_THRESHOLD,
    Detector,
    detect,
)
from utils.files import InputError
from utils.hooks import progress
from utils.networks import TOY_SSD, build_network

import numpy as np

SAMPLES = DATA_ROOT / "samples"
# An image that is enlarged may differ from OpenCV's in a level of 255 here and there.
SCORE_TOLERANCE = 1e-3


class NotTheSame(InputError):
    """The file does not find what the detector finds; the message names the image."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of this part to a parser."""
    add = parser.add_argument
    add("checkpoint", type=Path, help="such as data/pretrained/toy_ssd_multi.params")
    add("--out", type=onnx_path, metavar="FILE.onnx", help="default: beside the checkpoint")
    add("--threshold", type=share, default=DISPLAY_THRESHOLD, help="least score, by default")
    add("--nms", type=share, default=NMS_THRESHOLD, help="IoU that suppresses, by default")
    compared = "folder of images that both must see alike; default: the course's samples"
    add("--compare-on", type=Path, default=SAMPLES, metavar="DIR", help=compared)


def onnx_path(text: str) -> Path:
    """Return a path that ends in .onnx, as `detect` knows such files by; for argparse."""
    path = Path(text)
    if path.suffix != ".onnx":
        raise argparse.ArgumentTypeError(f"{text}: must end in .onnx")
    return path


def load_for_export(path: Path) -> Detector:
    """Return the Detector in a checkpoint, as it was trained: not compiled for inference.

    Raises checkpoint.CheckpointError, which names the file and the fix.
    """
    checkpoint, ctx = load_checkpoint(path), best_context()
    names = tuple(checkpoint.metadata["class_names"])
    description = checkpoint.metadata.get("network", TOY_SSD)
    with wrong_content(path):
        net = build_network(description, len(names), ctx)
        checkpoint.load_into(net, ctx)
    image_size = checkpoint.metadata["image_size"]
    return Detector(net, names, image_size, per_class=description != TOY_SSD)


def check_the_same(exported: OnnxDetector, detector: Detector, images: dict) -> int:
    """Compare an exported detector with the one that it came from; return how many rows.

    images: by name, (H, W, 3) uint8. At the threshold of evaluation, since small scores tell most.
    Raises NotTheSame, which names the image.
    """
    count = 0
    for name, image in progress(images.items(), desc="compare", unit="image"):
        height, width = image.shape[:2]
        scale = np.array([1, 1, width, height, width, height])
        ours = detect(image, detector, SCORE_THRESHOLD) / scale
        theirs = exported.find(image, SCORE_THRESHOLD) / scale
        is_full = len(ours) == MAX_DETECTIONS
        cut = ours[-1, 1] if is_full else SCORE_THRESHOLD
        try:
            assert_same_detections(theirs, ours, atol=SCORE_TOLERANCE, cut_score=cut)
        except AssertionError as error:
            raise NotTheSame(
                f"{name}: the file would not find what the detector finds; nothing is written. "
                f"Please report this with the image. {str(error).splitlines()[1]}"
            ) from None
        count += len(ours)
    return count


def images_of(folder: Path) -> dict:
    """Return the images in a folder by their names."""
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise InputError(f"{folder}: holds no image ({', '.join(SUFFIXES)}) to compare on")
    return {str(path): read_picture(path) for path in paths}


def run(options: Namespace) -> Answer:
    """Export, compare, write; return the Answer."""
    out = options.out or options.checkpoint.with_suffix(".onnx")
    detector = load_for_export(options.checkpoint)
    images = images_of(options.compare_on)
    content = build(
        detector, options.threshold, options.nms, {"checkpoint_sha256": sha256(options.checkpoint)}
    ).SerializeToString()
    exported = OnnxDetector(content, out)
    count = check_the_same(exported, detector, images)
    write_whole(out, content)
    facts = {
        "file": str(out),
        "bytes": len(content),
        "outputs": list(OUTPUTS),
        "class_names": list(detector.class_names),
        "compared": {"images": len(images), "detections": count},
    }
    text = (
        f"{out}: {len(content) / 1e6:.1f} MB; the same {count} detections as the checkpoint in "
        f"{len(images)} images"
    )
    return Answer(text, facts)


def after_stop(options: Namespace) -> str:
    """Return what Ctrl-C left."""
    return "nothing is written"
