"""What was found in annotations, as text, as JSON and as pictures of the worst."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from single_shot.labels.annotations import Finding
from single_shot.labels.pictures import read_picture
from utils.figures.drawing import draw_boxes, panels, to_png
from utils.records import RecordError

import cv2
import numpy as np
from matplotlib.figure import Figure

REPORT_FILES = ("report.json", "report.txt", "findings.png")
PICTURES = 12
PICTURE_SIDE_PX = 480
FRAMED_SIDE_PX = 600  # with the ground around it, on which boxes beyond the image are seen
GROUND = 225
BOX_COLOR = "#D55E00"


def write_report(folder: Path, findings: Sequence[Finding]) -> None:
    """Write report.json and report.txt with all findings and, if one can be drawn, findings.png.

    folder: exists. findings: list of `annotations.Finding`.
    """
    folder = Path(folder)
    rows = [
        {
            "kind": each.kind,
            "fault": each.is_fault,
            "file": str(each.path),
            "object": each.number,
            "image": None if each.image is None else str(each.image),
            "box": each.box if each.box is None or np.isfinite(each.box).all() else None,
            "message": each.message,
        }
        for each in findings
    ]
    counts = dict(Counter(each.kind for each in findings).most_common())
    content = {"counts": counts, "findings": rows}
    (folder / "report.json").write_text(json.dumps(content, indent=1) + "\n")
    (folder / "report.txt").write_text(summary(findings) + "\n", errors="backslashreplace")
    figure = draw_findings(findings)
    if figure is not None:
        (folder / "findings.png").write_bytes(to_png(figure))


def summary(findings: Sequence[Finding], most: int | None = None) -> str:
    """Return the findings as text: how many of each kind, then one a line, faults first."""
    if not findings:
        return "Nothing to mend."
    counts = Counter(each.kind for each in findings)
    lines = [f"{count:6d}  {kind}" for kind, count in counts.most_common()]
    ordered = sorted(findings, key=lambda each: not each.is_fault)[:most]
    lines += ["", *(f"{'' if each.is_fault else 'note: '}{each}" for each in ordered)]
    if len(findings) > len(ordered):
        lines.append(f"and {len(findings) - len(ordered)} more")
    return "\n".join(lines)


def draw_findings(findings: Sequence[Finding], inches: float = 4) -> Figure | None:
    """Return a figure of images with their offending boxes, or None where there is none to draw.

    Faults come first, and images with most of them; at most PICTURES images are drawn, each on
    grey ground. A box that reaches beyond the ground is drawn up to its border.
    inches: width of a column.
    """
    by_image = {}
    for each in findings:
        if each.is_fault and each.box is not None and np.isfinite(each.box).all():
            by_image.setdefault(each.image, []).append(each)
    worst = sorted(by_image.items(), key=lambda pair: -len(pair[1]))
    drawn = []
    for image, found in worst:
        if len(drawn) == PICTURES:
            break
        try:
            drawn.append((*_framed(read_picture(image)), found))
        except RecordError:  # that the image cannot be read is a finding of its own
            continue
    if not drawn:
        return None
    pictures, places, groups = zip(*drawn)
    columns = min(3, len(drawn))
    titles = [f"{Path(str(found[0].image)).name}" for found in groups]
    axes = panels(pictures, titles, columns, inches * columns)
    for ax, place, found in zip(axes, places, groups):
        boxes = np.array([_drawn_box(each.box, *place) for each in found])
        texts = [f"{each.number}: {each.kind}" for each in found]
        draw_boxes(ax, boxes, texts, BOX_COLOR)
    return axes[0].figure


def _framed(image):
    """Return an image amid a grey square, and where: its upper left corner and size in pixels."""
    scale = PICTURE_SIDE_PX / max(image.shape[:2])
    width, height = (max(1, round(side * scale)) for side in image.shape[1::-1])
    left, top = (FRAMED_SIDE_PX - width) // 2, (FRAMED_SIDE_PX - height) // 2
    framed = np.full((FRAMED_SIDE_PX, FRAMED_SIDE_PX, 3), GROUND, dtype=np.uint8)
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    framed[top : top + height, left : left + width] = resized
    return framed, ((left, top), (width, height))


def _drawn_box(box, corner_px, size_px):
    """Return a box of an image as fractions of its square, corners in order and within it."""
    corners_px = np.reshape(box, (2, 2)) * size_px + corner_px
    corners = np.sort(np.clip(corners_px / FRAMED_SIDE_PX, 0, 1), axis=0)
    return corners.ravel()
