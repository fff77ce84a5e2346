"""Which pictures belong together: by name, by looks, by what a person says."""

import itertools

from data.embedded import PRESETS, make_sample
from single_shot.labels.annotations import AnnotationError
from single_shot.labels.groups import (
    LOOK_BITS,
    MOST_IN_BAND,
    NEAR_BITS,
    group_images,
    look_of,
    near_pairs,
)
from utils.records import decode_jpeg, encode_jpeg

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

UNLIKE = np.random.default_rng(0).integers(0, 256, (6, LOOK_BITS // 8)).astype(np.uint8)

PAIRS = [[0, 1], [2, 3]]


def sets_of(numbers):
    """Return the positions of each group."""
    pairs = sorted(zip(numbers, itertools.count()))
    return [[at for _, at in group] for _, group in itertools.groupby(pairs, lambda p: p[0])]


@pytest.mark.parametrize(
    "names, groups",
    [
        (["a.jpg", "b.jpg", "a.png"], [[0], [1], [2]]),
        (
            [f"photo_1_jpg.rf.{'0' * 32}.jpg", f"photo_1_jpg.rf.{'f' * 32}.jpg", "photo_1.jpg"],
            [[0, 1], [2]],
        ),
        (["x/clip_frame_001.jpg", "y/clip_frame_002.jpg", "other frame 1.jpg"], [[0, 1], [2]]),
        ([f"{clip}_mp4-004{k}_jpg.rf.{k:032x}.jpg" for clip in "ab" for k in (1, 2)], PAIRS),
        ([f"clip{k // 2}_frame_{k}_jpg.rf.{k:032x}.jpg" for k in range(4)], PAIRS),
        (["set/clip1_frame_1.jpg", f"other/clip1_frame_2_png.rf.{'a' * 32}.png"], [[0, 1]]),
        (["vid1_000.jpg", "vid1_001.jpg", "vid2_000.jpg", "vid2_001.jpg"], PAIRS),
        (["a/frame_000.jpg", "a/frame_001.jpg", "b/frame_000.jpg", "b/frame_001.jpg"], PAIRS),
        (["a_jpg.rf.AbC123xyzAbC123xyz12.jpg", "a_jpg.rf.ZbC123xyzAbC123xyz12.jpg"], [[0, 1]]),
        (["IMG_0001.jpg", "IMG_0002.jpg"], [[0], [1]]),  # a camera's numbers are no clip
        (["0001.jpg", "0002.jpg", "photo_000.jpg", "photo_001.jpg"], [[0], [1], [2], [3]]),
        (["clip_0001.jpg", "clip_0002.jpg", "video1.jpg", "video2.jpg"], [[0], [1], [2], [3]]),
    ],
)
def test_names_tell_copies_and_frames(names, groups):
    assert sets_of(group_images(names, UNLIKE[: len(names)])) == groups


def test_a_person_says_it_better():
    names = ["set/day1/a.jpg", "set/day1/b.jpg", "set/day2/a.jpg", "set/more/c.jpg"]
    same = [UNLIKE[0]] * 4
    assert sets_of(group_images(names, same, r"day\d")) == [[0, 1], [2], [3]]
    assert sets_of(group_images(names, same, r"/(\w)\.jpg")) == [[0, 2], [1], [3]]
    assert sets_of(group_images(names, same, "none")) == [[0], [1], [2], [3]]
    with pytest.raises(AnnotationError, match=r"--group-by '\(': no regular expression"):
        group_images(names, same, "(")


def test_near_copies_look_alike_and_photographs_do_not():
    photographs = [data.astronaut(), data.coffee(), data.rocket(), data.chelsea()]
    images = []
    for image in photographs:
        brighter = (image * 0.7 + 60).astype(np.uint8)
        smaller = image[::2, ::2]
        images += [image, brighter, smaller, decode_jpeg(encode_jpeg(image), "a picture")]
    groups = group_images([f"{k}.jpg" for k in range(16)], [*map(look_of, images)])
    assert sets_of(groups) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15]]


def test_objects_before_one_photograph_are_different_pictures():
    recipe = PRESETS["multi"].recipe
    samples = [make_sample(recipe, 13, "train", index) for index in range(60)]
    crowded = [image for image, labels in samples if len(labels) > 1]
    groups = group_images([f"{k}.jpg" for k in range(len(crowded))], [*map(look_of, crowded)])
    assert len(set(groups)) > 0.9 * len(crowded)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40))
def test_near_pairs_are_those_of_every_comparison(seed, count):
    rng = np.random.default_rng(seed)
    bits = np.repeat(rng.integers(0, 2, (1 + count // 4, LOOK_BITS)), 4, axis=0)[:count]
    flips = rng.random((len(bits), 1)) * 2 * NEAR_BITS / LOOK_BITS
    bits ^= rng.random(bits.shape) < flips
    expected = [
        (a, b)
        for a, b in itertools.combinations(range(len(bits)), 2)
        if (bits[a] != bits[b]).sum() <= NEAR_BITS
    ]
    assert near_pairs(np.packbits(bits, axis=1)) == expected


def test_a_film_at_rest_is_one_group_and_takes_no_long():
    looks = [UNLIKE[0]] * (10 * MOST_IN_BAND)
    assert len(set(group_images([f"{k}.jpg" for k in range(len(looks))], looks))) == 1
