"""Several pictures in one figure, all as high as their row."""

from utils.plotting import show_detections, show_image

from matplotlib.figure import Figure


def panels(images, titles=None, columns=None, width=10):
    """Return one axes for every image, which it shows.

    images: list of (H, W, 3) uint8 RGB. titles: None or one for each image. columns: images in a
    row, by default all; the images of a column should have one shape. width: of the figure, inches.
    """
    axes = _axes(images, titles, columns, width)
    for ax, image in zip(axes, images):
        show_image(image, ax)
    return axes


def detection_panels(images, detections_px, class_names, titles=None, columns=None, width=10):
    """Return a figure of what was detected in images.

    detections_px: for each image, rows as for `plotting.show_detections`; the rest as for `panels`.
    """
    axes = _axes(images, titles, columns, width)
    for ax, image, rows in zip(axes, images, detections_px):
        show_detections(image, rows, class_names, ax=ax)
    return axes[0].figure


def _axes(images, titles, columns, width):
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
