"""The stratified split: every image once, every class in both parts, the same for one seed."""

from single_shot.labels.annotations import AnnotationError
from single_shot.labels.splits import stratified_split

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st


def labels_of(classes):
    return [np.array([[each, 0, 0, 1, 1] for each in image]).reshape(-1, 5) for image in classes]


@given(
    st.lists(st.lists(st.integers(0, 3), max_size=3), min_size=2, max_size=40),
    st.floats(0.05, 0.95),
    st.integers(0, 5),
)
def test_every_image_is_in_one_part_and_neither_is_empty(classes, share, seed):
    train, held_out = stratified_split(labels_of(classes), share, seed)
    assert sorted(train + held_out) == list(range(len(classes)))
    assert train and held_out and train == sorted(train) and held_out == sorted(held_out)
    assert stratified_split(labels_of(classes), share, seed) == [train, held_out]


@given(st.lists(st.integers(0, 4), min_size=10, max_size=60), st.integers(0, 9))
def test_each_class_has_its_share_where_an_image_has_one_class(classes, seed):
    _, held_out = stratified_split(labels_of([[each] for each in classes]), 0.2, seed)
    for each in set(classes):
        total, found = classes.count(each), sum(classes[index] == each for index in held_out)
        if total > 1:
            assert found == max(1, round(total * 0.2))


def test_a_rare_class_among_common_ones_is_in_both_parts():
    classes = [[0], [0, 1]] * 50 + [[0, 2], [2], []] + [[]]
    for seed in range(20):
        train, held_out = stratified_split(labels_of(classes), 0.1, seed)
        for part in (train, held_out):
            found = {each for index in part for each in classes[index]}
            assert found == {0, 1, 2} and any(not classes[index] for index in part)
        assert 8 <= len(held_out) <= 13


def test_another_seed_is_another_split():
    labels = labels_of([[0]] * 50)
    assert stratified_split(labels, 0.2, 0) != stratified_split(labels, 0.2, 1)


@pytest.mark.parametrize("count, share", [(1, 0.2), (0, 0.2), (5, 0), (5, 1), (5, float("nan"))])
def test_what_cannot_be_split_is_refused(count, share):
    with pytest.raises(AnnotationError, match="cannot be split"):
        stratified_split(labels_of([[0]] * count), share, 0)


@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 2)), min_size=2, max_size=40),
    st.floats(0.05, 0.95),
)
def test_a_group_is_never_divided(images, share):
    groups, classes = zip(*images)
    labels = labels_of([[each] for each in classes])
    if len(set(groups)) < 2:
        with pytest.raises(AnnotationError, match="in 1 groups of near copies"):
            stratified_split(labels, share, 0, groups)
        return
    train, held_out = stratified_split(labels, share, 0, groups)
    assert sorted(train + held_out) == list(range(len(images))) and train and held_out
    assert not {groups[index] for index in train} & {groups[index] for index in held_out}


def test_groups_of_several_sizes_come_near_to_the_share():
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(40), rng.integers(1, 12, 40))
    labels = labels_of([[index % 3] for index in range(len(groups))])
    for seed in range(10):
        train, held_out = stratified_split(labels, 0.2, seed, groups.tolist())
        assert 0.12 < len(held_out) / len(groups) < 0.3
        assert {index % 3 for index in held_out} == {0, 1, 2}
