"""Boxes of every format by hand: where they lie, and why one is refused."""

from single_shot.labels import coco_json, csv_labels, im2rec, voc, yolo
from single_shot.labels.box_forms import BadObject, to_row

import numpy as np
import pytest

SIZE_PX = (40, 20)


# The box from 10 to 20 pixels of the width 40 and from 5 to 15 of the height 20.
@pytest.mark.parametrize(
    "form, values",
    [
        (voc.FORM, (11, 6, 20, 15)),
        (csv_labels.FORM, (10, 5, 20, 15)),
        (coco_json.FORM, (10, 5, 10, 10)),
        (yolo.FORM, (0.375, 0.5, 0.25, 0.5)),
        (im2rec.FORM, (0.25, 0.25, 0.5, 0.75)),
    ],
)
def test_one_box_in_five_forms(form, values):
    row, rounded, repairs = to_row(2, values, form, SIZE_PX, "here")
    assert row == (2, 0.25, 0.25, 0.5, 0.75) and not rounded and not repairs
    assert to_row(2, [str(value) for value in values], form, SIZE_PX, "here")[0] == row


@pytest.mark.parametrize(
    "form, values", [(voc.FORM, (1, 1, 40, 20)), (yolo.FORM, (0.5, 0.5, 1, 1))]
)
def test_the_whole_image_is_legal(form, values):
    assert to_row(0, values, form, SIZE_PX, "here") == ((0, 0, 0, 1, 1), False, [])


def test_one_pixel_has_two_different_edges_only_where_boxes_end_inside():
    row = to_row(0, (5, 5, 5, 9), voc.FORM, SIZE_PX, "here")[0]
    assert row[3] - row[1] == pytest.approx(1 / 40)
    with pytest.raises(BadObject, match="zero-area"):
        to_row(0, (5, 5, 5, 9), csv_labels.FORM, SIZE_PX, "here")
    with pytest.raises(BadObject, match="reversed box, xmin 5 is not below xmax 4"):
        to_row(0, (5, 5, 4, 9), voc.FORM, SIZE_PX, "here")


def test_a_box_of_one_pixel_is_a_slip_of_the_hand():
    with pytest.raises(BadObject, match="zero-area"):
        to_row(0, (5, 5, 5, 5), voc.FORM, SIZE_PX, "here")


@pytest.mark.parametrize(
    "form, values, edges_px, done",
    [
        (csv_labels.FORM, (20, 15, 10, 5), (10, 5, 20, 15), "corners were swapped"),
        (voc.FORM, (20, 6, 11, 15), (10, 5, 20, 15), "corners were swapped"),
        (coco_json.FORM, (20, 5, -10, 10), (10, 5, 20, 15), "corners were swapped"),
        (coco_json.FORM, (10, 5, 30.9, 10), (10, 5, 40, 15), "the box ended beyond the border"),
        (voc.FORM, (0, 6, 20, 15), (0, 5, 20, 15), "the box ended beyond the border"),
        (yolo.FORM, (0.5, 0.5, 1.02, 0.5), (0, 5, 40, 15), "the box ended beyond the border"),
    ],
)
def test_what_can_be_mended_in_one_way_is_repaired(form, values, edges_px, done):
    with pytest.raises(BadObject):
        to_row(0, values, form, SIZE_PX, "here")
    row, rounded, repairs = to_row(0, values, form, SIZE_PX, "here", repair=True)
    np.testing.assert_allclose(np.array(row[1:]) * [40, 20, 40, 20], edges_px, atol=1e-5)
    assert repairs == [done] and not rounded


@pytest.mark.parametrize("values", [(10, 5, 31.1, 10), (10, 5, 0, 10), (50, 5, 3, 3)])
def test_the_rest_is_not(values):
    with pytest.raises(BadObject):
        to_row(0, values, coco_json.FORM, SIZE_PX, "here", repair=True)


BAD = [
    (csv_labels.FORM, ("nan", 1, 2, 3), "not a finite number", "xmin is 'nan', not finite"),
    (csv_labels.FORM, (1, "", 2, 3), "not a finite number", "ymin is '', not a number"),
    (yolo.FORM, (0.5, 0.5, None, 0.5), "not a finite number", "as a fraction"),
    (csv_labels.FORM, (9, 1, 2, 3), "reversed", "xmin 9 is not below xmax 2"),
    (coco_json.FORM, (9, 1, 2, -3), "reversed", "height is -3, not above 0"),
    (yolo.FORM, (0.5, 0.5, 0, 0.5), "zero area", "width is 0, not above 0"),
    (csv_labels.FORM, (1, 1, 41, 3), "out of range", "xmin 1 to xmax 41 leaves the image, 0 to 40"),
    (csv_labels.FORM, (1, -1, 4, 3), "out of range", "ymin -1 to ymax 3 leaves the image, 0 to 20"),
    (
        coco_json.FORM,
        (35, 1, 10, 3),
        "out of range",
        "x 35 with width 10 leaves the image, 0 to 40",
    ),
    (voc.FORM, (1, 0, 4, 3), "out of range", "pixels count from 1"),
    (im2rec.FORM, (10, 5, 20, 15), "outside image", "divide pixel coordinates"),
    (coco_json.FORM, (-10, 1, 10, 3), "outside image", "x -10 with width 10 leaves the image"),
    (coco_json.FORM, (39.9, 1, 1e-9, 3), "zero area", "after rounding"),
    (coco_json.FORM, (1, 1, 1e308, 1e308), "out of range", "leaves the image"),
]


@pytest.mark.parametrize("form, values, kind, message", BAD)
def test_a_bad_box_is_named(form, values, kind, message):
    with pytest.raises(BadObject) as caught:
        to_row(0, values, form, SIZE_PX, "here, object 1")
    assert caught.value.kind == kind
    assert str(caught.value).startswith("here, object 1: ") and message in str(caught.value)
    if kind != "not a finite number":
        assert len(caught.value.box) == 4


def test_printed_decimals_are_set_on_the_border_and_counted():
    row, rounded, _ = to_row(0, (0, 0, 40.09, 20), csv_labels.FORM, SIZE_PX, "here")
    assert row == (0, 0, 0, 1, 1) and rounded
    with pytest.raises(BadObject):
        to_row(0, (0, 0, 40.11, 20), csv_labels.FORM, SIZE_PX, "here")
    assert not to_row(0, (0.65, 0.5, 0.7, 1), yolo.FORM, SIZE_PX, "here")[1]  # 0.65 + 0.35 > 1
    assert np.float64(0.65) + 0.35 >= 1
