"""What finds objects for the command: a checkpoint, run by MXNet, or an exported file."""

from pathlib import Path
from typing import Protocol

from single_shot.onnx_runtime import load_onnx
from utils.context import best_context
from utils.detection import (
    DISPLAY_THRESHOLD,
    detect,
    detect_dataset,
    load_detector,
)

import numpy as np
from mxnet import gluon


class Finder(Protocol):
    """class_names: by class id; image_size: the side in pixels that images are resized to."""

    class_names: tuple
    image_size: int

    def find(self, image: np.ndarray, score_threshold: float = DISPLAY_THRESHOLD) -> np.ndarray:
        """Return the objects in an image, as `detection.detect` does."""
        ...

    def find_all(self, dataset: gluon.data.Dataset) -> list[np.ndarray]:
        """Return the detections of every sample, as `detection.detect_dataset` does."""
        ...


class CheckpointFinder:
    """A Finder of a checkpoint."""

    def __init__(self, path: Path) -> None:
        self.detector = load_detector(path, best_context())
        self.class_names, self.image_size = self.detector.class_names, self.detector.image_size

    def find(self, image: np.ndarray, score_threshold: float = DISPLAY_THRESHOLD) -> np.ndarray:
        """See Finder."""
        return detect(image, self.detector, score_threshold)

    def find_all(self, dataset: gluon.data.Dataset) -> list[np.ndarray]:
        """See Finder."""
        return detect_dataset(self.detector, dataset)


def open_finder(path: Path) -> Finder:
    """Return the Finder of a checkpoint, or of an exported file, which ends in .onnx.

    Raises checkpoint.CheckpointError or onnx_runtime.OnnxError, which name the file and the fix.
    """
    return load_onnx(path) if path.suffix == ".onnx" else CheckpointFinder(path)
