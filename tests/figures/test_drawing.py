"""Pictures: what is drawn where, what stays readable, and alt text that survives."""

import io

from utils.figures.colors import PALETTE
from utils.figures.drawing import (
    draw_boxes,
    image_grid,
    show,
    show_detections,
    show_image,
    show_labels,
    to_png,
    use_style,
)

import matplotlib
import matplotlib.pyplot as plt
import mxnet as mx
import nbformat
import numpy as np
import pytest
from bs4 import BeautifulSoup
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib.colors import to_hex, to_rgb
from nbconvert import HTMLExporter

CLASS_NAMES = ["circle", "square", "star"]
BLACK = np.zeros((60, 100, 3), dtype=np.uint8)


def corners_px(ax):
    """Return the corners of the boxes that axes show, (N, 4) in pixels of the image."""
    return np.array([patch.get_bbox().extents for patch in ax.patches]).reshape(-1, 4)


def texts_of(ax):
    return [text.get_text() for text in ax.texts]


def contrast(color, other):
    """Return the contrast of two colours, 1 to 21, by the Web Content Accessibility Guidelines."""
    luminance = []
    for rgb in (np.array(to_rgb(color)), np.array(to_rgb(other))):
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        luminance.append(linear @ [0.2126, 0.7152, 0.0722])
    return (max(luminance) + 0.05) / (min(luminance) + 0.05)


# --- Boxes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("columns", "width"), [(1, 2), (6, 1.2)])
def test_lines_are_thin_on_small_panels(columns, width):
    figure = plt.figure(figsize=(6, 2))
    ax = show_image(BLACK, figure.subplots(1, columns, squeeze=False)[0, 0])
    draw_boxes(ax, [[0.1, 0.1, 0.5, 0.5]])
    assert ax.patches[0].get_linewidth() == width


@pytest.mark.parametrize(("count", "width"), [(10, 2), (11, 1.2)])
def test_lines_are_thin_where_there_are_many(count, width):
    ax = draw_boxes(show_image(BLACK), [[0.1, 0.1, 0.5, 0.5]] * count)
    assert {patch.get_linewidth() for patch in ax.patches} == {width}


def test_boxes_are_fractions_of_the_image():
    ax = draw_boxes(show_image(BLACK), mx.nd.array([[0.1, 0.5, 0.6, 1], [0, 0, 1, 1]]))
    np.testing.assert_allclose(corners_px(ax), [[10, 30, 60, 60], [0, 0, 100, 60]], rtol=1e-6)
    assert len(ax.texts) == 0


def test_boxes_fit_images_that_imshow_placed():
    ax = matplotlib.figure.Figure().subplots()
    ax.imshow(BLACK)  # from -0.5 to 99.5 and from -0.5 to 59.5
    draw_boxes(ax, [[0, 0, 0.5, 0.5]])
    np.testing.assert_allclose(corners_px(ax), [[-0.5, -0.5, 49.5, 29.5]])


def test_a_drawn_box_is_where_it_should_be_in_the_png():
    figure = matplotlib.figure.Figure(figsize=(2, 1), dpi=100)
    ax = show_image(np.zeros((50, 100, 3), np.uint8), figure.add_axes((0, 0, 1, 1)))
    draw_boxes(ax, [[0.25, 0.2, 0.75, 0.8]], colors="red")
    pixels = plt.imread(io.BytesIO(to_png(figure)))[:, :, :3]  # (100, 200, 3)
    red = (pixels[..., 0] > 0.9) & (pixels[..., 1] < 0.1)
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    assert [columns[0], rows[0], columns[-1], rows[-1]] == pytest.approx([50, 20, 150, 80], abs=2)
    assert not red[30:70, 60:140].any()


def test_one_colour_or_one_for_each_box():
    boxes = [[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]]
    same = draw_boxes(show_image(BLACK), boxes, colors=PALETTE[2])
    assert [to_hex(patch.get_edgecolor()).upper() for patch in same.patches] == [PALETTE[2]] * 2
    each = draw_boxes(show_image(BLACK), boxes, colors=PALETTE[:2])
    assert tuple(to_hex(patch.get_edgecolor()).upper() for patch in each.patches) == PALETTE[:2]


def test_no_boxes_draw_nothing():
    ax = draw_boxes(show_image(BLACK), np.zeros((0, 4)), texts=[])
    assert len(ax.patches) == len(ax.texts) == 0


def test_pixels_in_place_of_fractions_are_an_error():
    with pytest.raises(ValueError, match="boxes reach 60, .* divide pixels"):
        draw_boxes(show_image(BLACK), [[10, 30, 60, 60]])


def test_axes_without_an_image_are_an_error():
    with pytest.raises(ValueError, match="show_image first"):
        draw_boxes(matplotlib.figure.Figure().subplots(), [[0, 0, 1, 1]])


@pytest.mark.parametrize("image", [BLACK[..., 0], BLACK / 255, BLACK.transpose(2, 0, 1)])
def test_images_of_another_form_are_an_error(image):
    with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8 RGB"):
        show_image(image)


# --- Tags -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("color", PALETTE)
def test_the_text_of_a_tag_stands_out_from_its_colour(color):
    ax = draw_boxes(show_image(BLACK), [[0.2, 0.2, 0.6, 0.6]], ["circle"], color)
    (tag,) = ax.texts
    assert to_hex(tag.get_bbox_patch().get_facecolor()).upper() == color
    assert contrast(tag.get_color(), color) >= 4.5  # level AA


@pytest.mark.parametrize(
    "box",
    [[0, 0, 0.3, 0.3], [0.8, 0, 1, 0.3], [0.7, 0.6, 1, 1], [-0.2, -0.2, 0.5, 0.5], [0, 0.9, 1, 1]],
)
def test_a_tag_stays_inside_the_image(box):
    ax = draw_boxes(show_image(BLACK), [box], ["circle 0.98"])
    to_png(ax.figure)  # the canvas of a Figure without pyplot draws nothing
    image = ax.images[0].get_window_extent()
    tag = ax.texts[0].get_window_extent()
    assert image.x0 - 1 <= tag.x0 and tag.x1 <= image.x1 + 1
    assert image.y0 - 1 <= tag.y0 and tag.y1 <= image.y1 + 1


def test_the_tag_of_a_box_around_the_image_is_at_the_box_where_the_axes_have_room():
    ax = show_image(BLACK)
    ax.set(xlim=(-50, 150), ylim=(90, -30))
    draw_boxes(ax, [[-0.3, -0.4, 1.3, 1.4]], ["field"])
    assert ax.texts[0].xy == pytest.approx((-30, -24))


# --- Labels, detections, grids --------------------------------------------------------------------


def test_labels_show_class_names_without_padding():
    labels = mx.nd.array([[2, 0.1, 0.1, 0.5, 0.5], [0, 0.5, 0.5, 1, 1], [-1, -1, -1, -1, -1]])
    ax = show_labels(BLACK, labels, CLASS_NAMES, title="Two objects")
    assert texts_of(ax) == ["star", "circle"]
    assert ax.get_title() == "Two objects"
    colors = [to_hex(patch.get_edgecolor()).upper() for patch in ax.patches]
    assert colors == [PALETTE[2], PALETTE[0]]


def test_detections_show_class_and_score_from_the_threshold_on():
    detections_px = [
        [0, 0.98, 10, 30, 60, 60],
        [1, 0.3, 0, 0, 50, 30],
        [2, 0.5, 0, 0, 100, 60],
        [-1, 0.9, 0, 0, 20, 20],
    ]
    ax = show_detections(BLACK, detections_px, CLASS_NAMES)
    assert texts_of(ax) == ["star 0.50", "circle 0.98"]  # the best last, on top
    np.testing.assert_allclose(corners_px(ax), [[0, 0, 100, 60], [10, 30, 60, 60]])
    all_three = show_detections(BLACK, detections_px, CLASS_NAMES, threshold=0.2)
    assert texts_of(all_three) == ["square 0.30", "star 0.50", "circle 0.98"]


def test_an_image_without_detections_is_shown():
    ax = show_detections(BLACK, np.zeros((0, 6)), CLASS_NAMES)
    assert len(ax.images) == 1
    assert len(ax.patches) == 0


def test_boxes_of_a_picture_of_two_pixels_are_pixels():
    rows = [[0, 0.9, 0.0, 0.5, 1.0, 2.0]]
    ax = show_detections(np.zeros((2, 2, 3), np.uint8), rows, ("cat",))
    (frame,) = ax.patches
    assert frame.get_bbox().extents.tolist() == [0, 0.5, 1, 2]


def test_image_grid_has_a_picture_for_each_image():
    labels = [np.zeros((0, 5)), [[0, 0, 0, 0.5, 0.5]], [[1, 0, 0, 1, 1], [2, 0.2, 0.2, 1, 1]]]
    figure = image_grid([BLACK] * 3, labels, CLASS_NAMES, ["none", "one", "two"], columns=2)
    assert [len(ax.patches) for ax in figure.axes] == [0, 1, 2]
    assert [ax.get_title() for ax in figure.axes] == ["none", "one", "two"]
    grid = figure.axes[0].get_gridspec()
    assert (grid.nrows, grid.ncols) == (2, 2)


# --- Style and state ------------------------------------------------------------------------------


def test_the_style_sets_palette_and_grid():
    with matplotlib.rc_context():
        use_style()
        figure = matplotlib.figure.Figure()
        (line,) = figure.subplots().plot([0, 1])
        assert line.get_color() == PALETTE[0]
        assert matplotlib.rcParams["axes.grid"]


def test_pyplot_has_no_figures_left():
    plt.close("all")
    show_detections(BLACK, [[0, 0.98, 10, 30, 60, 60]], CLASS_NAMES)
    image_grid([BLACK] * 2)
    assert plt.get_fignums() == []


def test_the_same_figure_gives_the_same_bytes():
    def picture():
        return to_png(show_labels(BLACK, [[0, 0, 0, 0.5, 0.5]], CLASS_NAMES).figure)

    assert picture() == picture()
    assert b"matplotlib" not in picture().lower()


# --- Alt text -------------------------------------------------------------------------------------


def test_an_empty_alt_text_is_an_error():
    with pytest.raises(ValueError, match="alt is empty"):
        show(show_image(BLACK).figure, alt=" ")


@pytest.fixture
def shell():
    """IPython as a notebook runs it, so that what is displayed can be captured."""
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def test_alt_text_reaches_the_notebook_and_its_page(shell):
    alt = 'A black picture & a "box" < 1'
    figure, _ = plt.subplots()
    with capture_output() as captured:
        show(figure, alt=alt)
    assert plt.get_fignums() == []  # or a notebook would show the figure again
    (shown,) = captured.outputs
    output = nbformat.v4.new_output("display_data", shown.data, metadata=shown.metadata)
    assert output.metadata["image/png"]["alt"] == alt

    cells = [nbformat.v4.new_code_cell("show(figure, alt)", outputs=[output])]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbformat.validate(notebook)
    page, _ = HTMLExporter(template_name="classic").from_notebook_node(notebook)
    (image,) = BeautifulSoup(page, "html.parser").select("img")
    assert image["src"].startswith("data:image/png;base64,")
    assert image["alt"] == alt
