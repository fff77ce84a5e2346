"""The boxes that lie nearest the borders of their images, drawn large.

A box that is read a pixel off is legal, and no eye sees it on a whole image. Where an object is cut
off by the border, its box ends there: that is where a person sees how pixels were counted.
"""

from collections.abc import Iterable

from single_shot.labels.annotations import Annotation, read_annotated
from single_shot.labels.report import BOX_COLOR, GROUND
from utils.figures.drawing import draw_boxes, panels

import numpy as np
from matplotlib.figure import Figure

BORDERS_FILE = "borders.png"
SIDES = ("left", "top", "right", "bottom")
IMAGES_A_SIDE = 2
WINDOW_PX = 48
NAME_LENGTH = 20


def nearest_boxes(items: Iterable[Annotation]) -> list[tuple[Annotation, str, np.ndarray]]:
    """Return an Annotation, a side and a box in pixels for each of a few boxes near the borders.

    For every side those of IMAGES_A_SIDE images whose boxes end nearest to it come first; no image
    comes twice. Of equal ones it is the first.
    """
    boxes_px = [(item, item.labels[:, 1:] * np.tile(item.size_px, 2)) for item in items]
    boxes_px = [(item, boxes) for item, boxes in boxes_px if len(boxes)]
    found: dict[int, tuple] = {}
    for number, side in enumerate(SIDES):
        gaps = [np.abs(boxes[:, number] - _border(item, number)) for item, boxes in boxes_px]
        order = [at for at in np.argsort([*map(np.min, gaps)], kind="stable") if at not in found]
        for at in order[:IMAGES_A_SIDE]:
            item, boxes = boxes_px[at]
            found[at] = item, side, boxes[gaps[at].argmin()]
    return list(found.values())


def _border(item, number):
    """Return where the border of an image lies on which a side of a box may end, in pixels."""
    return 0 if number < 2 else item.size_px[number - 2]


def draw_borders(items: Iterable[Annotation]) -> Figure | None:
    """Return a figure of `nearest_boxes` with the pixels around one side of each, None without any.

    Beyond an image the ground is grey. A title tells the image, the side, and how far it is from
    the border.
    """
    windows, titles, boxes = [], [], []
    for item, side, box in nearest_boxes(items):
        number = SIDES.index(side)
        middle = np.array([box[0] + box[2], box[1] + box[3]]) / 2
        middle[number % 2] = box[number]
        corner = np.round(middle).astype(int) - WINDOW_PX // 2
        windows.append(_window(read_annotated(item), *corner))
        boxes.append((box - np.tile(corner, 2)) / WINDOW_PX)
        name = str(item.image).rpartition("/")[2][-NAME_LENGTH:]
        titles.append(f"{name}\n{side}: {abs(box[number] - _border(item, number)):.3g} px")
    if not windows:
        return None
    axes = panels(windows, titles, min(len(windows), 4), 2.5 * min(len(windows), 4))
    for ax, box in zip(axes, boxes):
        draw_boxes(ax, np.clip(box, -0.5, 1.5), None, BOX_COLOR)
    return axes[0].figure


def _window(image, left, top):
    """Return a square of an image from a corner on, which may lie beyond it, on grey ground."""
    window = np.full((WINDOW_PX, WINDOW_PX, 3), GROUND, dtype=np.uint8)
    height, width = image.shape[:2]
    xs = slice(max(left, 0), min(left + WINDOW_PX, width))
    ys = slice(max(top, 0), min(top + WINDOW_PX, height))
    window[ys.start - top : ys.stop - top, xs.start - left : xs.stop - left] = image[ys, xs]
    return window
