"""What was found in annotations, as text, as JSON and as pictures of the worst."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from single_shot.labels.annotations import Finding
from single_shot.labels.pictures import limited_size, read_picture
from utils.figures.drawing import draw_boxes, panels, to_png
from utils.records import RecordError

import cv2
import numpy as np
from matplotlib.figure import Figure

REPORT_FILES = ("report.json", "report.txt", "findings.png")
PICTURES = 12
PICTURE_SIDE_PX = 480
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


def draw_findings(findings: Sequence[Finding]) -> Figure | None:
    """Return a figure of images with their offending boxes, or None where there is none to draw.

    Faults come first, and images with most of them; at most PICTURES images are drawn. A box that
    reaches beyond its image is drawn up to the border.
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
            drawn.append((_small(read_picture(image)), found))
        except RecordError:  # that the image cannot be read is a finding of its own
            continue
    if not drawn:
        return None
    pictures, groups = zip(*drawn)
    titles = [f"{Path(str(found[0].image)).name}" for found in groups]
    axes = panels(pictures, titles, columns=min(3, len(drawn)), width=4 * min(3, len(drawn)))
    for ax, found in zip(axes, groups):
        boxes = np.array([_drawn_box(each.box) for each in found])
        texts = [f"{each.number}: {each.kind}" for each in found]
        draw_boxes(ax, boxes, texts, BOX_COLOR)
    return axes[0].figure


def _small(image):
    size_px = limited_size(image.shape[1::-1], PICTURE_SIDE_PX)
    return cv2.resize(image, size_px, interpolation=cv2.INTER_AREA)


def _drawn_box(box):
    """Return a box with its corners in order and within the image, so that it can be seen."""
    xmin, ymin, xmax, ymax = np.clip(box, 0, 1)
    return min(xmin, xmax), min(ymin, ymax), max(xmin, xmax), max(ymin, ymax)
