"""Metrics: worked out by hand, against GluonCV and pycocotools, and by their properties."""

import contextlib
import io

from utils.average_precision import MODES
from utils.metrics import (
    SIZE_RANGES,
    box_mae,
    class_accuracy,
    evaluate_by_size,
    evaluate_coco,
    evaluate_detections,
)

import mxnet as mx
import numpy as np
import pytest
from gluoncv.utils.metrics.voc_detection import VOC07MApMetric, VOCMApMetric
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

CLASS_NAMES = ["circle", "square", "star"]


# --- Metrics of anchors ---------------------------------------------------------------------------


def test_class_accuracy_leaves_out_ignored_anchors():
    cls_preds = mx.nd.array([[[2, 1], [0, 3], [5, 1], [0, 9]]])  # classes 0, 1, 0, 1
    cls_targets = mx.nd.array([[0, 1, 1, -1]])  # right, right, wrong, ignored
    assert class_accuracy(cls_preds, cls_targets) == pytest.approx(2 / 3)


def test_class_accuracy_without_any_anchor_that_counts_is_nan():
    assert np.isnan(class_accuracy(np.zeros((1, 2, 2)), np.full((1, 2), -1)))


def test_box_mae_counts_background_anchors_as_zero_error():
    box_preds = mx.nd.array([[1, 2, 3, 4, 9, 9, 9, 9]])
    box_targets = mx.nd.array([[0, 2, 5, 4, 0, 0, 0, 0]])
    box_masks = mx.nd.array([[1, 1, 1, 1, 0, 0, 0, 0]])
    assert box_mae(box_preds, box_targets, box_masks) == pytest.approx((1 + 0 + 2 + 0) / 8)


def test_anchor_metrics_equal_those_of_mxnet():
    random = np.random.default_rng(0)
    cls_preds = mx.nd.array(random.normal(size=(2, 50, 4)))
    cls_targets = mx.nd.array(random.integers(0, 4, (2, 50)))
    accuracy = mx.metric.Accuracy(axis=2)
    accuracy.update([cls_targets], [cls_preds])
    assert class_accuracy(cls_preds, cls_targets) == pytest.approx(accuracy.get()[1])

    box_preds, box_targets = mx.nd.array(random.normal(size=(2, 2, 200)))
    box_masks = mx.nd.array(random.integers(0, 2, (2, 200)))
    error = mx.metric.MAE()
    error.update([box_targets * box_masks], [box_preds * box_masks])
    assert box_mae(box_preds, box_targets, box_masks) == pytest.approx(error.get()[1], rel=1e-6)


# --- Six detections of four objects, by hand ------------------------------------------------------

OBJECTS = [
    [[0, 0, 0, 10, 10], [0, 20, 0, 30, 10]],
    [[0, 0, 0, 10, 10], [0, 0, 20, 10, 30]],
]
DETECTIONS = [
    [
        [0, 0.9, 0, 0, 10, 10],  # IoU 1 with the first object: right
        [0, 0.8, 0, 0, 10, 8],  # IoU .8 with the same: a duplicate
        [0, 0.5, 20, 0, 30, 9],  # IoU .9 with the second: right
    ],
    [
        [0, 0.7, 0, 0, 10, 6],  # IoU .6 with the first: right at .5, wrong at .75
        [0, 0.6, 50, 50, 60, 60],  # nothing there
        [0, 0.4, 0, 20, 5, 25],  # IoU .25 with the second: wrong
    ],
]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        # Precision envelope: 1 up to recall 1/4, 2/3 up to 1/2, 3/5 up to 3/4, then nothing.
        ("area", (1 + 2 / 3 + 3 / 5) / 4),
        ("11-point", (3 * 1 + 3 * 2 / 3 + 2 * 3 / 5) / 11),  # recalls 0 .1 .2, .3 .4 .5, .6 .7
        ("101-point", (26 * 1 + 25 * 2 / 3 + 25 * 3 / 5) / 101),
    ],
)
def test_six_detections_by_hand(mode, expected):
    result = evaluate_detections(DETECTIONS, OBJECTS, ["circle"], mode=mode)
    circle = result.classes["circle"]
    np.testing.assert_allclose(circle.precision, [1, 1 / 2, 2 / 3, 2 / 4, 3 / 5, 3 / 6])
    np.testing.assert_allclose(circle.recall, [1 / 4, 1 / 4, 2 / 4, 2 / 4, 3 / 4, 3 / 4])
    assert circle.average_precision == pytest.approx(expected, abs=1e-12)
    assert result.mean == circle.average_precision


def test_six_detections_at_a_higher_threshold_by_hand():
    # Right: .9 and .5 only, so precision 1 up to recall 1/4 and 2/5 up to 1/2.
    result = evaluate_detections(DETECTIONS, OBJECTS, ["circle"], iou_threshold=0.75)
    assert result.mean == pytest.approx((1 + 2 / 5) / 4)


def test_a_difficult_object_is_left_out_by_hand():
    # Without the third object there are 3; its detection (.7) leaves no point on the curve.
    difficult = [[False, False], [True, False]]
    result = evaluate_detections(DETECTIONS, OBJECTS, ["circle"], difficult)
    circle = result.classes["circle"]
    np.testing.assert_allclose(circle.precision, [1, 1 / 2, 1 / 3, 2 / 4, 2 / 5])
    np.testing.assert_allclose(circle.recall, [1 / 3, 1 / 3, 1 / 3, 2 / 3, 2 / 3])
    assert circle.num_objects == 3
    assert result.mean == pytest.approx((1 + 2 / 4) / 3)


# --- Oracles --------------------------------------------------------------------------------------


@st.composite
def rows_of_image(draw, max_rows):
    """Draw class ids (N,) and boxes (N, 4) of whole pixels: few classes, many overlaps."""
    corner, side = st.integers(0, 3), st.integers(3, 7)
    row = st.tuples(st.sampled_from([0, 0, 0, 1, 2]), corner, corner, side, side)
    rows = np.array(draw(st.lists(row, max_size=max_rows)), dtype=float).reshape(-1, 5)
    rows[:, 3:] += rows[:, 1:3]
    return rows[:, 0], rows[:, 1:]


@st.composite
def data_sets(draw, tied_scores=True):
    """Draw detections, ground truths and difficult flags of one to four images."""
    detections, ground_truths, difficult = [], [], []
    for _ in range(draw(st.integers(1, 4))):
        ids, boxes = draw(rows_of_image(max_rows=6))
        flags = st.lists(st.sampled_from([False, False, True]), min_size=6, max_size=6)
        ground_truths.append(np.column_stack([ids, boxes]))
        difficult.append(np.array(draw(flags))[: len(ids)])
        ids, boxes = draw(rows_of_image(max_rows=10))
        scores = draw(st.lists(st.integers(1, 5), min_size=10, max_size=10))
        detections.append(np.column_stack([ids, np.array(scores)[: len(ids)] / 5, boxes]))
    return detections if tied_scores else untie(detections), ground_truths, difficult


def untie(detections):
    """Return detections with scores all different, in the order of image and row where equal."""
    scores = np.concatenate([rows[:, 1] for rows in detections])
    ranks = np.empty(len(scores))
    ranks[np.argsort(-scores, kind="stable")] = np.arange(len(scores))
    parts = np.split(1 - ranks / 1000, np.cumsum([len(rows) for rows in detections])[:-1])
    return [
        np.column_stack([rows[:, 0], part, rows[:, 2:]]) for rows, part in zip(detections, parts)
    ]


def gluoncv_average_precisions(metric, detections, ground_truths, difficult):
    """Return GluonCV's average precision by class name and of the mean, NaN where absent."""
    for found, objects, hard in zip(untie(detections), ground_truths, difficult):
        found_px, objects_px = found[None, :, 2:].copy(), objects[None, :, 1:].copy()
        found_px[..., 2:] -= 1  # the metric adds the last pixel again
        objects_px[..., 2:] -= 1
        labels = objects[None, :, 0]
        metric.update(
            found_px, found[None, :, 0], found[None, :, 1], objects_px, labels, hard[None]
        )
    return dict(zip(*metric.get()))


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
@pytest.mark.parametrize(("mode", "metric"), [("11-point", VOC07MApMetric), ("area", VOCMApMetric)])
@given(data=data_sets(), iou_threshold=st.sampled_from([0.3, 0.5, 0.75]))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_equals_the_voc_metrics_of_gluoncv(mode, metric, data, iou_threshold):
    assume(any(len(rows) for rows in data[0] + data[1]))  # GluonCV cannot do without any row
    detections, ground_truths, difficult = data
    oracle = gluoncv_average_precisions(metric(iou_threshold, CLASS_NAMES), *data)
    result = evaluate_detections(
        detections, ground_truths, CLASS_NAMES, difficult, iou_threshold, mode
    )
    found = {**result.average_precisions, "mAP": result.mean}
    for name, expected in oracle.items():
        ours = np.nan if found[name] is None else found[name]
        np.testing.assert_allclose(ours, expected, atol=1e-6, rtol=0, err_msg=name)


def coco_data_set(rows_of_images, difficult=None):
    """Return a COCO index of annotations; detections where the rows have six columns."""
    annotations = []
    for image, rows in enumerate(rows_of_images):
        for index, row in enumerate(np.asarray(rows, dtype=float).tolist()):
            xmin, ymin, xmax, ymax = row[-4:]
            annotation = {"id": len(annotations) + 1, "image_id": image, "category_id": int(row[0])}
            annotation["bbox"] = [xmin, ymin, xmax - xmin, ymax - ymin]
            # COCOeval sets `ignore` anew from `iscrowd`; an area out of range has its effect alone.
            ignored = difficult is not None and difficult[image][index]
            annotation["area"] = 1e12 if ignored else (xmax - xmin) * (ymax - ymin)
            annotation["iscrowd"] = 0
            if len(row) == 6:
                annotation["score"] = row[1]
            annotations.append(annotation)
    coco = COCO()
    coco.dataset = {
        "images": [{"id": image} for image in range(len(rows_of_images))],
        "categories": [{"id": index, "name": name} for index, name in enumerate(CLASS_NAMES)],
        "annotations": annotations,
    }
    coco.createIndex()
    return coco


def coco_average_precisions(detections, ground_truths, difficult):
    """Return pycocotools' precisions (thresholds, classes), averaged over recalls, -1 if absent."""
    with contextlib.redirect_stdout(io.StringIO()):
        oracle = COCOeval(
            coco_data_set(ground_truths, difficult), coco_data_set(detections), "bbox"
        )
        oracle.evaluate()
        oracle.accumulate()
        oracle.summarize()
    # Axes: threshold, recall, class, area range (0: all), most detections (2: 100).
    return oracle.eval["precision"][:, :, :, 0, 2].mean(axis=1), oracle.stats


def assert_equals_pycocotools(detections, ground_truths, difficult):
    expected, stats = coco_average_precisions(detections, ground_truths, difficult)
    result = evaluate_coco(detections, ground_truths, CLASS_NAMES, difficult)
    ours = [result.ap, result.ap50, result.ap75]
    ours = [-1 if value is None else value for value in ours]
    np.testing.assert_allclose(ours, stats[:3], atol=1e-6, rtol=0)
    by_threshold = [
        [-1 if ap is None else ap for ap in row.average_precisions.values()]
        for row in result.results.values()
    ]
    np.testing.assert_allclose(by_threshold, expected, atol=1e-6, rtol=0)


@given(data=data_sets())
@settings(max_examples=120, deadline=None, derandomize=True)
def test_equals_pycocotools(data):
    assert_equals_pycocotools(*data)


@pytest.mark.parametrize("num_objects", [5, 10, 20])
def test_recalls_that_a_level_just_misses_are_those_of_the_oracles(num_objects):
    # As floating-point numbers, 3 of 5 is less than 6 steps of 0.1: where a recall meets a level,
    # rounding decides.
    corners = 10.0 * np.arange(num_objects)
    objects = np.column_stack([np.zeros(num_objects), *[corners] * 2, *[corners + 5] * 2])
    difficult = [np.zeros(num_objects, dtype=bool)]
    for num_found in range(1, num_objects + 1):
        detections = [np.insert(objects[:num_found], 1, 0.5, axis=1)]
        data = detections, [objects], difficult
        oracle = gluoncv_average_precisions(VOC07MApMetric(0.5, CLASS_NAMES), *data)
        result = evaluate_detections(*data[:2], CLASS_NAMES, mode="11-point")
        assert result.mean == pytest.approx(oracle["circle"], abs=1e-6)
        assert_equals_pycocotools(*data)


def test_equals_pycocotools_where_overlaps_are_equal():
    objects = np.array([[0, 0, 0, 8, 10], [0, 4, 0, 12, 10.0]])
    # The first overlaps both by 0.6, the second the last only: who comes first matters.
    detections = np.array([[0, 0.9, 2, 0, 10, 10], [0, 0.8, 5, 0, 13, 10]])
    assert_equals_pycocotools([detections], [objects], [np.zeros(2, dtype=bool)])
    assert evaluate_coco([detections], [objects], CLASS_NAMES).ap50 < 1


def test_equals_pycocotools_beyond_100_detections_of_an_image():
    random = np.random.default_rng(1)
    corners = random.integers(0, 40, (2, 120, 2))
    boxes = np.concatenate([corners, corners + random.integers(1, 20, (2, 120, 2))], axis=2)
    scores = random.integers(1, 50, (2, 120, 1)) / 50
    detections = np.concatenate([np.zeros((2, 120, 1)), scores, boxes], axis=2)
    # The objects are boxes of the highest and of the lowest scores, which fall to the limit.
    order = np.argsort(-scores[..., 0], kind="stable")
    objects = [
        np.column_stack([np.zeros(20), rows[np.r_[index[:10], index[-10:]]]])
        for rows, index in zip(boxes, order)
    ]
    assert_equals_pycocotools(detections, objects, np.zeros((2, 20), dtype=bool))
    assert evaluate_coco(detections, objects, ["circle"]).ap < 1
    unlimited = evaluate_detections(detections, objects, ["circle"])
    limited = evaluate_detections(detections, objects, ["circle"], mode="101-point")
    assert limited.classes["circle"].num_detections == 200
    assert unlimited.classes["circle"].num_detections == 240


# --- By the size of objects -----------------------------------------------------------------------

RANGES = {"all": (0, 1e5), "small": (0, 4.5), "medium": (4.5, 5.5), "large": (5.5, 1e5)}


def test_sizes_by_hand():
    # All objects are 10 by 10. Of the wrong detections, .8 (8.9 on a side) and .4 (5) are too small
    # to count; .6 (10) counts, and so does .7, which is small (7.7) but right.
    result = evaluate_by_size(DETECTIONS, OBJECTS, ["circle"], {"small": (0, 9), "large": (9, 99)})
    small, large = (result[name].classes["circle"] for name in ("small", "large"))
    assert (small.num_objects, small.average_precision) == (0, None)
    np.testing.assert_allclose(large.precision, [1, 1, 2 / 3, 3 / 4])
    np.testing.assert_allclose(large.recall, [1 / 4, 2 / 4, 2 / 4, 3 / 4])


def test_a_side_of_exactly_a_limit_belongs_to_both_ranges():
    objects = [[[0, 0, 0, 4, 9]]]  # a square as large has a side of 6
    result = evaluate_by_size([[]], objects, ["circle"], {"small": (0, 6), "large": (6, 9)})
    assert [row.classes["circle"].num_objects for row in result.values()] == [1, 1]


def test_size_ranges_are_those_of_pycocotools_on_images_of_256_pixels():
    areas = COCOeval(iouType="bbox").params
    limits = [tuple(np.square(np.array(sides) * 256)) for sides in SIZE_RANGES.values()]
    assert areas.areaRngLbl == ["all", *SIZE_RANGES]
    assert limits[0] == (0, areas.areaRng[1][1])
    assert limits[1] == tuple(areas.areaRng[2])
    assert limits[2] == (areas.areaRng[3][0], np.inf)


@given(data=data_sets())
@settings(max_examples=80, deadline=None, derandomize=True)
def test_sizes_equal_the_area_ranges_of_pycocotools(data):
    detections, ground_truths, _ = data
    with contextlib.redirect_stdout(io.StringIO()):
        oracle = COCOeval(coco_data_set(ground_truths), coco_data_set(detections), "bbox")
        oracle.params.areaRng = [[side**2 for side in sides] for sides in RANGES.values()]
        oracle.params.areaRngLbl = list(RANGES)
        oracle.evaluate()
        oracle.accumulate()
    expected = oracle.eval["precision"][0, :, :, :, 2].mean(axis=0)  # (class, range) at IoU 0.5
    result = evaluate_by_size(detections, ground_truths, CLASS_NAMES, RANGES)
    ours = [
        [-1 if ap is None else ap for ap in row.average_precisions.values()]
        for row in result.values()
    ]
    np.testing.assert_allclose(np.transpose(ours), expected, atol=1e-6, rtol=0)


# --- Properties -----------------------------------------------------------------------------------


def all_average_precisions(*data):
    """Return the average precision of every class, VOC modes and COCO."""
    detections, ground_truths, difficult = data
    scores = [
        evaluate_detections(detections, ground_truths, CLASS_NAMES, difficult, mode=mode)
        for mode in MODES
    ]
    coco = evaluate_coco(detections, ground_truths, CLASS_NAMES, difficult)
    return [result.average_precisions for result in [*scores, coco]]


@given(data=data_sets(tied_scores=False), random=st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_the_order_of_detections_and_images_does_not_matter(data, random):
    shuffled = [list(image) for image in zip(*data)]
    random.shuffle(shuffled)
    for image in shuffled:
        image[0] = image[0][random.sample(range(len(image[0])), len(image[0]))]
    assert all_average_precisions(*zip(*shuffled)) == all_average_precisions(*data)


@given(data=data_sets())
@settings(max_examples=25, deadline=None, derandomize=True)
def test_fractions_and_pixels_give_the_same(data):
    detections, ground_truths, difficult = data
    scale = np.array([1 / 64, 1 / 32] * 2)  # powers of two, exact in floating point
    detections = [np.column_stack([rows[:, :2], rows[:, 2:] * scale]) for rows in detections]
    ground_truths = [np.column_stack([rows[:, :1], rows[:, 1:] * scale]) for rows in ground_truths]
    assert all_average_precisions(detections, ground_truths, difficult) == all_average_precisions(
        *data
    )


@given(data=data_sets())
@settings(max_examples=25, deadline=None, derandomize=True)
def test_padding_rows_change_nothing(data):
    detections, ground_truths, difficult = data
    padded_detections = [np.vstack([rows, np.full((2, 6), -1)]) for rows in detections]
    padded_objects = [np.vstack([rows, np.full((2, 5), -1)]) for rows in ground_truths]
    padded_difficult = [np.append(flags, [False, False]) for flags in difficult]
    padded = all_average_precisions(padded_detections, padded_objects, padded_difficult)
    assert padded == all_average_precisions(*data)


@given(data=data_sets())
@settings(max_examples=25, deadline=None, derandomize=True)
def test_a_perfect_detector_scores_one(data):
    # Every object found once, and boxes that do not coincide: they tell which object is meant.
    _, ground_truths, _ = data
    ground_truths = [np.unique(rows, axis=0) for rows in ground_truths]
    detections = [np.insert(rows, 1, 0.9, axis=1) for rows in ground_truths]
    difficult = [np.zeros(len(rows), dtype=bool) for rows in ground_truths]
    for scores in all_average_precisions(detections, ground_truths, difficult):
        present = set(np.concatenate(ground_truths)[:, 0].astype(int))
        expected = [1.0 if index in present else None for index in range(3)]
        assert list(scores.values()) == pytest.approx(expected)


@pytest.mark.parametrize("mode", MODES)
def test_a_duplicate_detection_lowers_precision(mode):
    single = evaluate_detections(DETECTIONS, OBJECTS, ["circle"], mode=mode)
    doubled = [[*rows, [0, 0.65, *rows[0][2:]]] for rows in DETECTIONS]
    double = evaluate_detections(doubled, OBJECTS, ["circle"], mode=mode)
    assert double.classes["circle"].precision[-1] == pytest.approx(3 / 8)
    assert double.classes["circle"].recall[-1] == single.classes["circle"].recall[-1]
    assert double.mean < single.mean


# --- Empty inputs, absent classes, print ----------------------------------------------------------


def test_nothing_at_all_has_no_average_precision():
    for result in (evaluate_detections([[]], [[]], CLASS_NAMES), evaluate_coco([[]], [[]], ["a"])):
        assert set(result.average_precisions.values()) == {None}
    assert evaluate_detections([[]], [[]], CLASS_NAMES).mean is None
    coco = evaluate_coco([[]], [[]], CLASS_NAMES)
    assert (coco.ap, coco.ap50, coco.ap75) == (None, None, None)


def test_objects_without_detections_score_zero():
    for mode in MODES:
        assert evaluate_detections([[], []], OBJECTS, ["circle"], mode=mode).mean == 0


def test_a_class_without_objects_is_not_counted_in_the_mean():
    detections = [[*DETECTIONS[0], [1, 0.9, 0, 0, 5, 5]], DETECTIONS[1]]
    result = evaluate_detections(detections, OBJECTS, CLASS_NAMES)
    assert result.average_precisions["square"] is None  # detected, never there
    assert result.average_precisions["star"] is None
    assert result.mean == pytest.approx((1 + 2 / 3 + 3 / 5) / 4)
    coco = evaluate_coco(detections, OBJECTS, CLASS_NAMES)
    assert coco.average_precisions["square"] is None
    assert coco.ap == coco.average_precisions["circle"]


def test_a_class_of_difficult_objects_only_is_absent():
    difficult = [[True, True], [True, True]]
    assert evaluate_detections(DETECTIONS, OBJECTS, ["circle"], difficult).mean is None


def test_printed_results_name_mode_and_threshold():
    assert str(evaluate_detections(DETECTIONS, OBJECTS, ["circle", "star"])) == (
        "AP50 (VOC area)\n"
        "class   objects  detections     AP\n"
        "circle        4           6  0.567\n"
        "star          0           0    n/a\n"
        "mean                         0.567"
    )
    title = evaluate_detections(
        DETECTIONS, OBJECTS, ["circle"], iou_threshold=0.75, mode="11-point"
    ).title
    assert title == "AP75 (VOC07 11-point)"
    lines = str(evaluate_coco(DETECTIONS, OBJECTS, ["circle", "star"])).splitlines()
    assert lines[0] == "AP50:95 (COCO 101-point)"
    assert lines[1].split() == ["class", "objects", "detections", "AP", "AP50", "AP75"]
    # Recall 1/4 at precision 1 and 1/2 at 2/5: (26 + 25 * 2/5) / 101 at an IoU of 0.75.
    assert lines[2].split()[-2:] == ["0.571", "0.356"]
    assert lines[3].split() == ["star", "0", "0", "n/a", "n/a", "n/a"]


def test_ndarrays_are_accepted():
    detections = [mx.nd.array(rows) for rows in DETECTIONS]
    ground_truths = [mx.nd.array(rows) for rows in OBJECTS]
    result = evaluate_detections(detections, ground_truths, ["circle"])
    assert result.mean == pytest.approx((1 + 2 / 3 + 3 / 5) / 4)


# --- Bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("detections", "ground_truths", "message"),
    [
        ([[]], [[], []], r"entry for each image.*\(1, 2, 2\)"),
        ([], [], "at least one image"),
        ([[], [[0, 1, 2, 3, 4]]], [[], []], "detections of image 1: rows of 6 .* shape .1, 5."),
        ([[]], [[[0, 1, 2, 3, 4, 5]]], "ground_truths of image 0: rows of 5"),
        ([[[0, np.nan, 0, 0, 1, 1]]], [[]], "detections of image 0: not a number"),
        ([[]], [[[3, 0, 0, 1, 1]]], "ground_truths of image 0: class id 3, .* 3 classes"),
        ([[[0.5, 1, 0, 0, 1, 1]]], [[]], "class id 0.5"),
    ],
)
def test_bad_rows_are_named(detections, ground_truths, message):
    with pytest.raises(ValueError, match=message):
        evaluate_detections(detections, ground_truths, CLASS_NAMES)


def test_bad_options_are_named():
    with pytest.raises(ValueError, match="mode is 'voc'; choose one of 11-point, area, 101-point"):
        evaluate_detections(DETECTIONS, OBJECTS, ["circle"], mode="voc")
    with pytest.raises(ValueError, match="iou_threshold is 50"):
        evaluate_detections(DETECTIONS, OBJECTS, ["circle"], iou_threshold=50)
    with pytest.raises(ValueError, match="difficult of image 1: 1, not 2 flags"):
        evaluate_detections(DETECTIONS, OBJECTS, ["circle"], [[False, False], [True]])
