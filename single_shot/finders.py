"""What finds objects for the command: a checkpoint, run by MXNet, or an exported file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Protocol

from single_shot.mxnet_int8 import in_eight_bits
from single_shot.onnx_runtime import load_onnx
from single_shot.sources import calibration_images
from utils.context import best_context
from utils.detection import (
    DISPLAY_THRESHOLD,
    Detector,
    detect,
    detect_dataset,
    load_detector,
)
from utils.files import InputError

import mxnet as mx
import numpy as np
from mxnet import gluon

MXNET, MXNET_INT8 = ENGINES = ("mxnet", "mxnet-int8")


class Finder(Protocol):
    """What finds objects.

    engine: what runs it; class_names: by class id; image_size: the side in pixels that images are
    resized to.
    """

    engine: str
    class_names: tuple
    image_size: int

    def find(self, image: np.ndarray, score_threshold: float = DISPLAY_THRESHOLD) -> np.ndarray:
        """Return the objects in an image, as `detection.detect` does."""
        ...

    def find_all(self, dataset: gluon.data.Dataset) -> list[np.ndarray]:
        """Return the detections of every sample, as `detection.detect_dataset` does."""
        ...


class CheckpointFinder:
    """A Finder by a Detector, which one of ENGINES runs."""

    def __init__(self, detector: Detector, engine: str) -> None:
        self.detector, self.engine = detector, engine
        self.class_names, self.image_size = detector.class_names, detector.image_size

    def find(self, image: np.ndarray, score_threshold: float = DISPLAY_THRESHOLD) -> np.ndarray:
        """See Finder."""
        return detect(image, self.detector, score_threshold)

    def find_all(self, dataset: gluon.data.Dataset) -> list[np.ndarray]:
        """See Finder."""
        return detect_dataset(self.detector, dataset)


def add_engine(parser: ArgumentParser) -> None:
    """Add the options that choose how a checkpoint is run to a parser."""
    eight_bits = "of a checkpoint; mxnet-int8 computes convolutions in eight bits, on the CPU"
    parser.add_argument("--engine", choices=ENGINES, default=MXNET, help=eight_bits)
    calibrate = (
        "for mxnet-int8: a prepared folder or an embedded set, on whose training images eight bits "
        "are scaled; default: none"
    )
    parser.add_argument("--calibrate", metavar="SOURCE", help=calibrate)


def open_finder(path: Path, engine: str = MXNET, calibrate: str | None = None) -> Finder:
    """Return the Finder of a checkpoint, or of an exported file, which ends in .onnx.

    engine: for a checkpoint, one of ENGINES; calibrate: the source that MXNET_INT8 needs.
    Raises InputError, which names the file or the option, and the fix.
    """
    if calibrate and engine != MXNET_INT8:
        raise InputError(f"--calibrate is for --engine {MXNET_INT8}; leave it out")
    if path.suffix == ".onnx":
        if engine == MXNET_INT8:
            raise InputError(
                f"{path}: --engine is for checkpoints; `single-shot export --int8` writes such a "
                "file in eight bits"
            )
        return load_onnx(path)
    if engine == MXNET:
        return CheckpointFinder(load_detector(path, best_context()), engine)
    if not calibrate:
        raise InputError(
            f"--engine {engine} scales eight bits on training images; name them with --calibrate"
        )
    detector = load_detector(path, mx.cpu(), compiled=False)
    images = calibration_images(calibrate, detector.class_names)
    return CheckpointFinder(in_eight_bits(detector, images), engine)
