"""The figures that a reader moves: what they compute is what the library computes."""

import re

from utils import anchors, average_precision, boxes, detection, losses, targets
from utils.figures import colors, living

import numpy as np
import pytest
from living_scripts import NAMES, SCRIPTS, called, needs_node, said
from mxnet import autograd, nd

CASES = 200


def exact(values):
    """Return an NDArray of the precision in which the scripts compute."""
    return nd.array(values, dtype="float64")


def random_boxes(random, count):
    """Return (count, 4) boxes, of which some are reversed and so have no area."""
    middles, sides = random.uniform(0, 1, (count, 2)), random.uniform(-0.05, 0.6, (count, 2))
    return np.concatenate([middles - sides / 2, middles + sides / 2], axis=1)


@pytest.fixture
def random():
    return np.random.RandomState(17)


@needs_node
def test_overlaps_are_those_of_the_library(random):
    first, second = random_boxes(random, CASES), random_boxes(random, CASES)
    calls = [("boxes.iou", pair) for pair in zip(first.tolist(), second.tolist())]
    expected = boxes.box_iou(exact(first), exact(second)).asnumpy().diagonal()
    np.testing.assert_allclose(called(calls), expected, rtol=0, atol=1e-6)
    assert 0.05 < (expected > 0).mean() < 0.95


@needs_node
def test_two_boxes_have_the_areas_of_the_library(random):
    centers = random.uniform(0.1, 0.9, (CASES, 4))
    data, names = living.DESCRIPTIONS["iou"]["data"], ("x", "y", "width", "height")
    found = called([("iou.numbers", (dict(zip(names, each)), data)) for each in centers.tolist()])
    fixed, moving = exact([data["fixed"]]), boxes.center_to_corner(exact(centers))
    iou = boxes.box_iou(moving, fixed)[:, 0].asnumpy()
    total = (boxes.box_area(moving) + boxes.box_area(fixed)).asnumpy()
    for name, expected in {
        "iou": iou,
        "intersection": total * iou / (1 + iou),
        "union": total / (1 + iou),
    }.items():
        np.testing.assert_allclose([each[name] for each in found], expected, rtol=0, atol=1e-6)


@needs_node
def test_anchors_are_those_of_the_library(random):
    cases = [
        (rows, columns, random.uniform(0.05, 1.2, n).tolist(), random.uniform(0.2, 5, m).tolist())
        for rows, columns, n, m in random.randint(1, 5, (CASES, 4)).tolist()
    ]
    for case, found in zip(cases, called([("anchorBoxes.ofMap", case) for case in cases])):
        expected = anchors.multibox_prior(*case)[0].asnumpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@needs_node
def test_the_cell_of_a_scale_has_the_anchors_of_the_library(random):
    data, limits = living.DESCRIPTIONS["anchors"]["data"], ((0.05, 0.05, 1), (1.2, 1.2, 5))
    cases = [
        {"scale": scale, "cell": cell, "size": size, "larger": larger, "ratio": ratio}
        for scale, cell in zip(
            random.randint(0, 5, 50).tolist(), random.randint(0, 1024, 50).tolist()
        )
        for size, larger, ratio in [random.uniform(*limits).tolist()]
    ]
    for case, found in zip(cases, called([("anchors.numbers", (case, data)) for case in cases])):
        side = data["sides"][case["scale"]]
        ratios = 1, case["ratio"], 1 / case["ratio"]
        expected = anchors.multibox_prior(side, side, (case["size"], case["larger"]), ratios)[0]
        cell = expected.asnumpy().reshape(side * side, -1, 4)[min(case["cell"], side * side - 1)]
        np.testing.assert_allclose(found["ofCell"], cell, rtol=0, atol=1e-6)
        assert found["count"] == len(expected)
        assert found["outside"] == ((cell < 0) | (cell > 1)).any(axis=1).sum()


@needs_node
def test_matches_are_those_of_the_library(random):
    cases = []
    for _ in range(CASES):
        tiles = random_boxes(random, random.randint(1, 30))
        objects = random_boxes(random, random.randint(1, 6))
        cases.append((tiles, objects, random.uniform(0.05, 0.95)))
    overlaps = [boxes.box_iou(nd.array(tiles), nd.array(objects)) for tiles, objects, _ in cases]
    tables = [iou.asnumpy().tolist() for iou in overlaps]
    forced = called([("matching.forced", [table]) for table in tables])
    matches = called([("matching.match", (table, case[2])) for table, case in zip(tables, cases)])
    for (tiles, objects, threshold), iou, first, all_of in zip(cases, overlaps, forced, matches):
        assert first == targets.bipartite_match(iou).asnumpy().tolist()
        expected = targets.match_anchors(nd.array(tiles), nd.array(objects), threshold)
        assert all_of == expected.asnumpy().tolist()
    assert any(first != all_of for first, all_of in zip(forced, matches))


def of_focal(lead, gamma, alpha):
    """Return the library's focal loss of one object, and its gradient by the object's logit."""
    logits = exact([[[0, lead]]])
    logits.attach_grad()
    with autograd.record():
        loss = losses.FocalLoss(alpha, gamma)(logits, exact([[1]]))
    loss.backward()
    return loss.asscalar(), logits.grad[0, 0, 1].asscalar()


def of_smooth_l1(error, sigma):
    """Return the library's smooth L1 of one offset of an anchor, and its gradient."""
    offsets = exact([[error, 0, 0, 0]])
    offsets.attach_grad()
    with autograd.record():
        zeros, masks = nd.zeros_like(offsets), nd.ones_like(offsets)
        loss = losses.SmoothL1Loss(sigma)(offsets, zeros, masks)
    loss.backward()
    return loss.asscalar(), offsets.grad[0, 0].asscalar()


@needs_node
@pytest.mark.parametrize(
    ("name", "least", "most", "of_library"),
    [
        ("focal", (-8, 0, 0.05), (8, 5, 0.95), of_focal),
        ("smoothL1", (-2, 0.5), (2, 4), of_smooth_l1),
    ],
)
def test_losses_and_gradients_are_those_of_the_library(random, name, least, most, of_library):
    cases = random.uniform(least, most, (CASES, len(least))).tolist()
    found = called([(f"losses.{name}", case) for case in cases])
    expected = [of_library(*case) for case in cases]
    pairs = [(each["loss"], each["gradient"]) for each in found]
    np.testing.assert_allclose(pairs, expected, rtol=0, atol=1e-6)


@needs_node
def test_suppression_is_that_of_the_library(random):
    cases = [
        (random_boxes(random, random.randint(1, 14)), random.uniform(0.05, 0.95))
        for _ in range(CASES)
    ]
    calls = [("nms.steps", (rows.tolist(), threshold)) for rows, threshold in cases]
    for (rows, threshold), steps in zip(cases, called(calls)):
        kept = [step["row"] for step in steps]
        assert kept == detection.non_maximum_suppression(exact(rows), threshold)
        overlaps = boxes.box_iou(exact(rows), exact(rows)).asnumpy()
        removed = [(step["row"], *each.values()) for step in steps for each in step["removed"]]
        assert sorted([*kept, *(row for _, row, _ in removed)]) == [*range(len(rows))]
        for by, row, iou in removed:
            assert abs(iou - overlaps[by, row]) < 1e-6 and iou >= threshold


@needs_node
def test_curves_and_average_precision_are_those_of_the_library(random):
    tables, thresholds = [], random.uniform(0.05, 0.95, CASES).tolist()
    for _ in range(CASES):
        found, objects = random_boxes(random, 20), random_boxes(random, random.randint(1, 11))
        found[: len(objects)] = objects + random.normal(0, 0.03, objects.shape)
        tables.append(average_precision.pairwise_iou(random.permutation(found), objects))
    matches = called(
        [("precision_recall.match", (table.tolist(), t)) for table, t in zip(tables, thresholds)]
    )
    curves, sums = [], []
    for table, threshold, match in zip(tables, thresholds, matches):
        easy = np.zeros(table.shape[1], dtype=bool)
        outcomes = average_precision.match_voc(table, easy, threshold)
        assert match == outcomes.astype(bool).tolist()
        scores = np.linspace(1, 0, len(table))
        curves.append(average_precision.precision_recall(scores, outcomes, len(easy)))
        sums.append(
            [average_precision.average_precision(*curves[-1], m) for m in average_precision.MODES]
        )
    asked = [("precision_recall.curve", (m, t.shape[1])) for m, t in zip(matches, tables)]
    np.testing.assert_allclose([[*each.values()] for each in called(asked)], curves, atol=1e-6)
    asked = [
        ("precision_recall.average", (precision.tolist(), recall.tolist(), mode))
        for precision, recall in curves
        for mode in average_precision.MODES
    ]
    np.testing.assert_allclose(np.reshape(called(asked), (CASES, -1)), sums, atol=1e-6)
    assert 0.1 < np.mean(sums) < 0.9


@needs_node
@pytest.mark.parametrize("name", NAMES)
def test_every_control_changes_what_is_said(name):
    description = living.DESCRIPTIONS[name]
    start = {control["name"]: control["value"] for control in description["controls"]}
    if name == "precision_recall":
        start["score"] = 0.3
    moved = [
        (control["name"], {**start, control["name"]: end})
        for control in description["controls"]
        for end in control.get("options") or [control["min"], control["max"]]
    ]
    before, *after = said(name, [start, *(case for _, case in moved)])
    assert {key for (key, _), text in zip(moved, after) if text != before} == {*start}


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_has_the_controls_of_the_page(name):
    controls = {each["name"]: each for each in living.DESCRIPTIONS[name]["controls"]}
    widgets = living.sliders(name)
    assert list(widgets) == list(controls)
    for key, widget in widgets.items():
        control = controls[key]
        assert (widget.value, widget.description) == (control["value"], control["label"])
        if "options" in control:
            assert list(widget.options) == control["options"]
        else:
            limits = widget.min, widget.max, widget.step
            assert limits == (control["min"], control["max"], control["step"])


def test_colours_limits_and_starts_are_those_of_the_library():
    style = (SCRIPTS / "figures.css").read_text()
    for name in ("object", "prediction", "positive", "anchor"):
        assert f"--{name}: {getattr(colors, f'{name.upper()}_COLOR')};" in style
    script = (SCRIPTS / "matching.js").read_text()
    (limit,) = re.findall(r"FORCED_MATCH_THRESHOLD: (\S+),", script)
    assert float(limit) == targets.FORCED_MATCH_THRESHOLD
    starts = {name: living.sliders(name) for name in NAMES}
    assert {*starts["precision_recall"]["mode"].options} == {*average_precision.MODES}
    assert starts["matching"]["threshold"].value == targets.MATCH_THRESHOLD
    assert starts["nms"]["nms"].value == detection.NMS_THRESHOLD
    focal, smooth = losses.FocalLoss(), losses.SmoothL1Loss()
    values = [starts["losses"][name].value for name in ("alpha", "gamma", "sigma")]
    assert values == [focal.alpha, focal.gamma, smooth.sigma]
