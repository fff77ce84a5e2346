"""Pictures of boxes, labels and detections, and the style of all figures."""

import io
from collections.abc import Sequence

from utils.detection import DISPLAY_THRESHOLD
from utils.figures.colors import PALETTE, class_colors
from utils.figures.tags import Tag
from utils.figures.texts import make_plain
from utils.metrics import as_numpy

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from IPython.display import Image, display
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Normal, Stroke

SMALL_PANEL_INCHES = 2.8
MANY_BOXES = 10  # from more on, lines are as thin as on a small panel
STYLE = {
    "figure.dpi": 100,
    "figure.figsize": (6.0, 4.0),
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.prop_cycle": cycler(color=PALETTE),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "lines.linewidth": 2.0,
    "lines.markersize": 5.0,
    "legend.frameon": False,
}


def use_style() -> None:
    """Give all figures from here on the style of the lessons."""
    matplotlib.rcParams.update(STYLE)


def show(figure: Figure, alt: str) -> None:
    """Display a figure in a notebook, as a PNG with alt text for readers who cannot see it.

    figure: a matplotlib Figure; alt: one or two sentences that say what it shows.
    The text is stored as the output's metadata `image/png`, `alt`.
    """
    if not alt.strip():
        raise ValueError("alt is empty: say in one or two sentences what the figure shows")
    display(Image(to_png(figure), alt=alt))
    plt.close(figure)  # or the notebook would show a figure of pyplot's again, without the text


def to_png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG file, without the version of the library in it."""
    buffer = io.BytesIO()
    make_plain(figure)
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def show_image(image: np.ndarray, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Show an image without ticks, on axes of its own where none are given.

    image: (H, W, 3) uint8 RGB, an array or NDArray. Returns the axes; their figure is `ax.figure`.
    Pixel coordinates run from 0 to W and 0 to H, from edge to edge.
    """
    image = image.asnumpy() if hasattr(image, "asnumpy") else np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image must be (H, W, 3) uint8 RGB; it is {image.shape} {image.dtype}")
    height, width = image.shape[:2]
    if ax is None:
        inches = min(5, 10 * width / height)
        size = max(1, inches), max(1, inches * height / width)
        ax = Figure(figsize=size, layout="constrained").subplots()
    ax.imshow(image, extent=(0, width, height, 0))
    ax.set_axis_off()
    if title:
        ax.set_title(title)
    return ax


def draw_boxes(
    ax: Axes,
    boxes: np.ndarray,
    texts: Sequence[str] | None = None,
    colors: str | Sequence[str] = PALETTE[0],
) -> Axes:
    """Draw boxes on the image that axes show, each with a filled tag if there are texts.

    boxes: (N, 4) `(xmin, ymin, xmax, ymax)` in fractions of the image. texts: None or N strings.
    colors: one matplotlib colour, or N.
    Returns ax. Raises ValueError where there is no image or the boxes are in pixels.
    """
    if not ax.images:
        raise ValueError("the axes show no image; call show_image first")
    boxes = as_numpy(boxes).reshape(-1, 4)
    if np.abs(boxes).max(initial=0) > 2:
        raise ValueError(
            f"boxes reach {np.abs(boxes).max():g}, but they must be fractions of the image: divide "
            "pixels by its width and height"
        )
    left, right, bottom, top = ax.images[0].get_extent()
    boxes_px = boxes * np.tile([right - left, bottom - top], 2) + [left, top, left, top]
    has_room = _panel_inches(ax) >= SMALL_PANEL_INCHES and len(boxes) <= MANY_BOXES
    line_width = 2 if has_room else 1.2  # thick lines hide much
    rgba = np.broadcast_to(to_rgba_array(colors), (len(boxes), 4))
    for index, (xmin, ymin, xmax, ymax) in enumerate(boxes_px):
        frame = Rectangle((xmin, ymin), xmax - xmin, ymax - ymin, fill=False)
        frame.set(edgecolor=rgba[index], linewidth=line_width)
        halo = Stroke(linewidth=line_width + 1.2, foreground="white")
        frame.set_path_effects([halo, Normal()])
        ax.add_patch(frame)
        if texts is not None:
            Tag(ax, boxes_px[index], texts[index], rgba[index])
    return ax


def _panel_inches(ax):
    """Return about how wide axes are, from the figure and its columns."""
    spec = ax.get_subplotspec()
    return ax.figure.get_figwidth() / (spec.get_gridspec().ncols if spec else 1)


def show_labels(
    image: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Show an image with its labelled objects, a colour for each class.

    image: (H, W, 3) uint8 RGB. labels: (M, 5) rows `[class_id, xmin, ymin, xmax, ymax]` in
    fractions; those of a class id below 0 are padding. Returns the axes.
    """
    ax = show_image(image, ax, title)
    labels = as_numpy(labels).reshape(-1, 5)
    labels = labels[labels[:, 0] >= 0]
    class_ids = labels[:, 0].astype(int)
    texts = [class_names[class_id] for class_id in class_ids]
    return draw_boxes(ax, labels[:, 1:], texts, class_colors(class_ids))


def show_detections(
    image: np.ndarray,
    detections_px: np.ndarray,
    class_names: Sequence[str],
    threshold: float = DISPLAY_THRESHOLD,
    ax: Axes | None = None,
) -> Axes:
    """Show an image with what was detected in it, class and score on a tag.

    image: (H, W, 3) uint8 RGB. detections_px: (D, 6) rows `[class_id, score, xmin, ymin, xmax,
    ymax]` with boxes in pixels of the image, as `detect` returns them; those of a score below
    the threshold or a class id below 0 are not drawn. Returns the axes.
    """
    ax = show_image(image, ax)
    rows = as_numpy(detections_px).reshape(-1, 6)
    rows = rows[(rows[:, 0] >= 0) & (rows[:, 1] >= threshold)]
    rows = rows[np.argsort(rows[:, 1], kind="stable")]  # the best is drawn last, on top
    class_ids = rows[:, 0].astype(int)
    texts = [f"{class_names[int(row[0])]} {row[1]:.2f}" for row in rows]
    height, width = image.shape[:2]
    boxes = rows[:, 2:] / [width, height, width, height]
    return draw_boxes(ax, boxes, texts, class_colors(class_ids))


def image_grid(
    images: Sequence[np.ndarray],
    labels: Sequence[np.ndarray] | None = None,
    class_names: Sequence[str] = (),
    titles: Sequence[str] | None = None,
    columns: int = 4,
) -> Figure:
    """Return a figure of images side by side, with their labelled boxes if there are labels.

    images: list of (H, W, 3) uint8 RGB. labels: None or, for each image, (M, 5) rows as for
    `show_labels`. titles: None or a string for each image.
    """
    rows = -(-len(images) // columns)
    aspect = max(image.shape[0] / image.shape[1] for image in images)
    head = 0.0 if titles is None else 0.3
    figure = Figure(figsize=(2.2 * columns, (2.2 * aspect + head) * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for index, image in enumerate(images):
        title = None if titles is None else titles[index]
        objects = np.zeros((0, 5)) if labels is None else labels[index]
        show_labels(image, objects, class_names, axes[index], title)
    for ax in axes[len(images) :]:
        ax.remove()
    return figure


def panels(
    images: Sequence[np.ndarray],
    titles: Sequence[str] | None = None,
    columns: int | None = None,
    width: float = 10,
) -> np.ndarray:
    """Return one axes for every image, which it shows.

    images: list of (H, W, 3) uint8 RGB. titles: None or one for each image. columns: images in a
    row, by default all; the images of a column should have one shape. width: of the figure, inches.
    """
    axes = _panel_axes(images, titles, columns, width)
    for ax, image in zip(axes, images):
        show_image(image, ax)
    return axes


def detection_panels(
    images: Sequence[np.ndarray],
    detections_px: Sequence[np.ndarray],
    class_names: Sequence[str],
    titles: Sequence[str] | None = None,
    columns: int | None = None,
    width: float = 10,
) -> Figure:
    """Return a figure of what was detected in images.

    detections_px: for each image, rows as for `show_detections`; the rest as for `panels`.
    """
    axes = _panel_axes(images, titles, columns, width)
    for ax, image, rows in zip(axes, images, detections_px):
        show_detections(image, rows, class_names, ax=ax)
    return axes[0].figure


def _panel_axes(images, titles, columns, width):
    """Return empty axes with titles, as wide as the images of the first row need them."""
    columns = min(columns or len(images), len(images))
    rows = -(-len(images) // columns)
    aspects = [image.shape[1] / image.shape[0] for image in images[:columns]]
    title_height = 0.0 if titles is None else 0.3
    height = width / sum(aspects) + title_height
    figure = Figure(figsize=(width, rows * height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, width_ratios=aspects).ravel()
    for ax in axes[len(images) :]:
        ax.remove()
    for ax, title in zip(axes, titles or []):
        ax.set_title(title)
    return axes[: len(images)]
