"""Figures as PNG files."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from single_shot.files import write_whole
from utils.figures import image_grid, to_png
from utils.records import read_records

import cv2
import numpy as np
from matplotlib.figure import Figure

CONTACT_SHEET_IMAGES = 24


def write_figure(path: Path, figure: Figure) -> None:
    """Write a figure as PNG, all of it or nothing."""
    write_whole(path, to_png(figure))


def write_image(path: Path, image: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB as PNG, all of it or nothing; quickly rather than small.

    OpenCV's default tries one filter of PNG; whoever names a level, even the fastest, has it try
    all of them on every row, for twice the time.
    """
    _, content = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    write_whole(path, content.tobytes())


def write_contact_sheet(path: Path, rec_path: Path, class_names: Sequence[str]) -> None:
    """Write a PNG of a record file's first images with their boxes."""
    records = islice(read_records(rec_path, len(class_names)), CONTACT_SHEET_IMAGES)
    _, images, labels = zip(*records)
    write_figure(path, image_grid(images, labels, class_names, columns=6))
