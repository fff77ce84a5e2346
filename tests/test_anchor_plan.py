from single_shot import anchor_plan
from utils.networks import build_network
from utils.records import RecordError
from utils.ssd import RATIOS, SIZES

import numpy as np
import pytest
from mxnet import nd


def objects(side, count=40, ratio=1.0):
    """Return labels of one image with objects of a size and ratio, all over the image."""
    random = np.random.default_rng(0)
    width, height = side * ratio**0.5, side / ratio**0.5
    sides = random.uniform(0.9, 1.1, (count, 1)) * (width, height)
    corners = random.uniform(0, 1, (count, 2)) * (1 - sides)
    return np.concatenate(
        [np.zeros((count, 1)), corners, corners + sides], axis=1, dtype=np.float32
    )


@pytest.mark.parametrize(
    "network, image_size",
    [
        *(("toy_ssd", size) for size in (64, 100, 128, 300)),
        *(("ssdlite", size) for size in (64, 256, 320)),
    ],
)
def test_the_maps_are_those_of_the_network(network, image_size):
    boxes, maps = np.array([[0.1, 0.1, 0.3, 0.3]]), anchor_plan.MAPS[network]
    net = build_network(maps.describe(maps.sizes, maps.ratios), num_classes=1)
    num_anchors = net(nd.zeros((1, 3, image_size, image_size)))[0].shape[1]
    assert num_anchors == 4 * sum(side**2 for side in maps.sides(image_size))
    plan = anchor_plan.measure_plan(boxes, image_size, network, maps.sizes, maps.ratios)
    assert plan.fit > 0.45


def test_sizes_go_to_the_coarsest_map_that_is_fine_enough():
    sides = [16, 8, 4, 2, 1]  # three strides are 0.1875, 0.375, 0.75 ...
    placed = anchor_plan.place_sizes([0.05, 0.1875, 0.3, 0.375, 0.7], sides, SIZES)
    assert placed[:2] == ((0.05, 0.1875, 0.3), (0.375, 0.7))
    # The others keep what they had beyond 0.7; 0.54 and 0.619 are all that the third has.
    assert placed[2:] == (SIZES[2], SIZES[3], SIZES[4])
    assert anchor_plan.place_sizes([0.75], sides, SIZES)[2] == (0.75,)
    assert anchor_plan.place_sizes([0.05], sides, SIZES)[0] == (0.05,)


def test_small_objects_get_anchors_of_their_own():
    usual, plan = anchor_plan.plan_anchors([objects(0.08), objects(0.1, ratio=2.0)], 256)
    assert (usual.sizes, usual.ratios) == (SIZES, RATIOS) and usual.covered < 0.2
    assert plan.covered > 0.95 and plan.fit > usual.fit + 0.3
    assert plan.sizes[0][0] == pytest.approx(0.08, abs=0.02)
    net = build_network(plan.description, num_classes=1)
    anchors = net(nd.zeros((1, 3, 256, 256)))[0]
    boxes = np.concatenate([objects(0.08), objects(0.1, ratio=2.0)])[:, 1:]
    best = anchor_plan.coverage(nd.array(boxes), anchors).asnumpy()
    assert (best > 0.5).mean() == pytest.approx(plan.covered)


def test_the_usual_anchors_stay_where_they_cover_better(monkeypatch):
    monkeypatch.setattr(anchor_plan, "place_sizes", lambda *_: ((0.9,),) * 5)
    usual, plan = anchor_plan.plan_anchors([objects(0.25)], 128)
    assert plan == usual


def test_few_objects_and_many_are_enough():
    one = np.array([[0, 0.1, 0.1, 0.2, 0.3]], dtype=np.float32)
    assert anchor_plan.plan_anchors([one, one[:0]], 128)[1].covered == 1
    many = [objects(0.1, 3000)]
    assert anchor_plan.plan_anchors(many, 64)[1].fit > 0.3


def test_without_objects_there_is_no_plan():
    with pytest.raises(RecordError, match="no image holds an object"):
        anchor_plan.plan_anchors([np.zeros((0, 5), dtype=np.float32)], 128)


def test_a_label_of_almost_no_size_counts_as_one_of_the_least():
    tiny = np.array([[0, 0.5, 0.5, 0.5002, 0.5002], [0, 0.1, 0.1, 0.3, 0.4]], dtype=np.float32)
    for labels in ([tiny], [tiny[:1]]):
        _, plan = anchor_plan.plan_anchors(labels, 128)
        assert min(min(sizes) for sizes in plan.sizes) >= anchor_plan.LEAST_SIZE


@pytest.mark.parametrize("ratios", [(1 / 400,), (400,), (1 / 400, 1, 400)])
def test_thin_objects_get_anchors_of_a_ratio_that_can_be_drawn(ratios):
    """Poles, cracks and wires: their own ratio would be rounded to zero."""
    labels = [objects(0.04, 20, ratio) for ratio in ratios]
    _, plan = anchor_plan.plan_anchors(labels, 128)
    least, greatest = anchor_plan.RATIO_BOUNDS
    assert all(least <= ratio <= greatest for ratio in plan.ratios) and 0 < plan.fit < 1


def test_a_map_without_sizes_keeps_those_larger_than_any_object():
    placed = anchor_plan.place_sizes([0.05, 0.45], [16, 8, 4, 2, 1], SIZES)
    assert placed[0] == (0.05,) and placed[1] == (0.45,)
    assert placed[2] == SIZES[2] and all(size > 0.45 for size in placed[2])
    # Of its two, 0.54 and 0.619, only the second is larger than both of these.
    assert anchor_plan.place_sizes([0.05, 0.56], [16, 8, 4, 2, 1], SIZES)[2] == SIZES[2][1:]


def test_many_objects_are_thinned_from_the_first_to_the_last():
    """What is measured must not be the beginning of the data set alone."""
    small, large = objects(0.05, 2000), objects(0.5, 2000)
    _, plan = anchor_plan.plan_anchors([small, large], 256)
    sizes = [size for of_map in plan.sizes for size in of_map]
    assert min(sizes) < 0.07 and max(sizes) > 0.4 and plan.covered > 0.7
