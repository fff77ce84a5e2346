"""Composition: boxes of the visible masks, occlusion, scale, photographs split by split."""

import dataclasses

from data import compositing
from data.compositing import PHOTOGRAPHS, Recipe, compose, load_photograph, mask_box

import numpy as np
import pytest

SINGLE = Recipe(("frill",), (0.0, 1.0), (128, 128))
MULTI = Recipe(("frill", "sprig", "zest"), (0.1, 0.2, 0.2, 0.2, 0.3), (96, 96))


def composed(recipe, count, split="train"):
    return [compose(recipe, split, np.random.default_rng([5, index])) for index in range(count)]


def test_mask_box_by_hand():
    mask = np.zeros((10, 20), bool)
    mask[3:5, 6:16] = True
    assert mask_box(mask) == (6 / 20, 3 / 10, 16 / 20, 5 / 10)
    assert mask_box(np.ones((4, 4), bool)) == (0, 0, 1, 1)


def test_the_same_random_stream_gives_the_same_image():
    for first, second in zip(composed(MULTI, 2), composed(MULTI, 2)):
        for one, other in zip(first, second):
            np.testing.assert_array_equal(one, other)


def test_boxes_are_those_of_the_visible_masks():
    for image, labels, masks in composed(MULTI, 30):
        assert image.shape == (96, 96, 3) and image.dtype == np.uint8
        assert labels.shape == (len(masks), 5) and labels.dtype == np.float32
        for label, mask in zip(labels, masks):
            np.testing.assert_array_equal(label[1:], np.float32(mask_box(mask)))
        assert (masks.sum(axis=0) <= 1).all(), "a pixel belongs to one object only"


@pytest.fixture
def black_background(monkeypatch):
    """Images in which only the mascots give light, without blur."""
    monkeypatch.setattr(
        compositing, "_background", lambda split, size, rng: np.zeros((*size[::-1], 3), np.float32)
    )
    monkeypatch.setattr(compositing, "BLUR_SIGMA", (0.0, 0.0))


def test_the_mask_is_where_the_mascot_is(black_background):
    for image, labels, masks in composed(SINGLE, 10):
        lit = image.max(axis=2) > 0
        assert (lit[masks[0]]).mean() > 0.99
        # Outside the mask only the soft edge gives light, one pixel wide.
        grown = masks[0].copy()
        for shift, axis in ((1, 0), (-1, 0), (1, 1), (-1, 1)):
            grown |= np.roll(grown, shift, axis)
        assert (lit & ~grown).sum() <= 0.01 * masks[0].sum()
        pixel = 1 / 128
        assert np.abs(np.array(mask_box(lit)) - labels[0, 1:]).max() <= 2 * pixel


def square(side, colour):
    """A sprite: an opaque square."""
    return np.float32(np.broadcast_to([*colour, 1], (side, side, 4)))


def test_a_later_object_covers_an_earlier_one_but_never_too_much():
    rng, image = np.random.default_rng(0), np.zeros((8, 8, 3), np.float32)
    image, weights, alphas = compositing._add_object(image, [], [], square(8, (1, 0, 0)), rng)
    image, weights, alphas = compositing._add_object(
        image, weights, alphas, square(4, (0, 1, 0)), rng
    )
    np.testing.assert_array_equal(weights[0], image[..., 0])
    np.testing.assert_array_equal(weights[1], image[..., 1])
    assert weights[0].sum() == 8 * 8 - 4 * 4 and weights[1].sum() == 4 * 4
    assert compositing._add_object(image, weights, alphas, square(8, (0, 0, 1)), rng) is None


def test_no_object_is_hidden_too_much(monkeypatch):
    """With a sprite that fills the image, nothing else can keep its share: it stays alone."""
    crowd = dataclasses.replace(MULTI, count_shares=(0, 0, 0, 0, 1.0))
    monkeypatch.setattr(compositing, "SIDE_RANGE", (0.98, 1.0))
    crowded = [len(labels) for _, labels, _ in composed(crowd, 6)]
    assert min(crowded) >= 1 and max(crowded) < 4
    monkeypatch.setattr(compositing, "SIDE_RANGE", (0.05, 0.12))
    assert [len(labels) for _, labels, _ in composed(crowd, 6)] == [4] * 6


def test_every_object_keeps_the_share_that_is_promised(monkeypatch):
    kept = []
    judge = compositing._keeps_all_visible

    def record(weights, alphas):
        verdict = judge(weights, alphas)
        shares = [(w >= 0.5).sum() / (a >= 0.5).sum() for w, a in zip(weights, alphas)]
        assert verdict == all(share >= compositing.VISIBLE_SHARE for share in shares)
        kept.append(verdict)
        return verdict

    monkeypatch.setattr(compositing, "_keeps_all_visible", record)
    composed(MULTI, 40)
    assert True in kept and False in kept


def test_scale_of_the_longer_side():
    sides = [(labels[0, 3:] - labels[0, 1:3]).max() for _, labels, _ in composed(SINGLE, 60)]
    assert min(sides) >= compositing.SIDE_RANGE[0] - 2 / 128
    assert max(sides) <= compositing.SIDE_RANGE[1] + 2 / 128
    assert np.ptp(sides) > 0.4


def test_counts_and_classes_of_multi():
    labels = [labels for _, labels, _ in composed(MULTI, 60)]
    assert {len(rows) for rows in labels} == {0, 1, 2, 3, 4}
    assert {int(row[0]) for rows in labels for row in rows} == {0, 1, 2}


def test_any_image_size():
    image, labels, _ = compose(
        dataclasses.replace(SINGLE, size_px=(150, 90)), "val", np.random.default_rng(0)
    )
    assert image.shape == (90, 150, 3) and len(labels) == 1


def test_splits_share_no_photograph(monkeypatch):
    assert not set(PHOTOGRAPHS["train"]) & set(PHOTOGRAPHS["val"])
    used = set()
    monkeypatch.setattr(
        compositing, "load_photograph", lambda *path: used.add(path) or load_photograph(*path)
    )
    for split in PHOTOGRAPHS:
        used.clear()
        composed(MULTI, 60, split)
        assert used == set(PHOTOGRAPHS[split])


def test_photographs_are_real_pictures():
    for path in PHOTOGRAPHS["train"] + PHOTOGRAPHS["val"]:
        photograph = load_photograph(*path)
        assert photograph.dtype == np.uint8 and photograph.shape[2] == 3
        assert min(photograph.shape[:2]) >= 300 and photograph.std() > 15


@pytest.mark.parametrize(
    "package, path", [("no_such_package", "photo.png"), ("skimage", "data/no_such_photo.png")]
)
def test_a_missing_photograph_is_named(package, path):
    with pytest.raises(FileNotFoundError, match=r"no_such.*make setup"):
        load_photograph(package, path)


def test_a_soft_edge_lets_its_share_of_the_background_through():
    sprite = np.float32(np.broadcast_to([0.5, 0, 0, 0.5], (8, 8, 4)))  # red, half there
    image = np.ones((8, 8, 3), np.float32)
    image, _, _ = compositing._add_object(image, [], [], sprite, np.random.default_rng(0))
    np.testing.assert_allclose(image, np.broadcast_to([1, 0.5, 0.5], (8, 8, 3)))


def test_a_mask_is_what_half_of_the_light_comes_from_after_the_blur(black_background, monkeypatch):
    sprite = np.zeros((20, 30, 4), np.float32)
    sprite[4:16, 4:16] = sprite[9, 16:26] = 1  # white: a square with a whisker, too thin to stay
    monkeypatch.setattr(compositing, "_sprite", lambda *arguments: sprite)
    monkeypatch.setattr(compositing, "BLUR_SIGMA", (0.9, 0.9))
    image, _, masks = compose(SINGLE, "train", np.random.default_rng(0))
    np.testing.assert_array_equal(masks[0], image[..., 0] >= 128)
    assert masks[0].sum() < 12 * 12 + 5
