"""The laboratory of broken runs: each defect is in one part and raises nothing."""

from dataclasses import replace

from data import open_preset
from utils.boxes import VARIANCES
from utils.broken_runs import DEFECTS, Parts, blind_parts, detect_with_parts, run_with_parts
from utils.comparison import assert_same_detections, pair_detections
from utils.context import seed_everything
from utils.data import DetectionDataset, augment
from utils.detection import Detector, detect_dataset
from utils.ssd import toy_ssd
from utils.training import TrainingConfig

import numpy as np
import pytest
from mxnet import autograd, nd

CONFIG = TrainingConfig(image_sizes=(64,), batch_size=4)


@pytest.fixture(scope="module")
def samples():
    """Eight pictures, some of them without an object."""
    dataset = open_preset("multi", "train")
    empty = [sample for sample in dataset if not len(sample[1])][:2]
    crowded = [sample for sample in dataset if len(sample[1]) >= 3][:6]
    return DetectionDataset(crowded + empty, dataset.class_names)


@pytest.fixture(scope="module")
def net(samples):
    """A network that says much, since its scores are spread."""
    seed_everything()
    net = toy_ssd(len(samples.class_names))
    for predictor in net.class_predictors:
        predictor.bias.data()[:] = 0
    return net


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_replaces_one_part(name):
    sound, broken = vars(Parts()), vars(DEFECTS[name])
    assert sum(sound[field] != broken[field] for field in sound) == 1


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_raises_nothing(name, samples):
    seed_everything()
    parts = DEFECTS[name]
    run = run_with_parts(parts, toy_ssd(len(samples.class_names)), samples, CONFIG)
    assert np.isfinite(run.fit()[0]["cls_loss"])
    assert len(detect_with_parts(parts, run.net, samples, 64)) == len(samples)


def test_a_run_has_its_parts(samples):
    sound = run_with_parts(Parts(), toy_ssd(3), samples, CONFIG)
    assert sound.config == CONFIG and sound.dataset is samples
    seed_everything()
    image, labels = sound.transform(*samples[0], size=64)
    seed_everything()
    for ours, theirs in zip((image, labels), augment(*samples[0], size=64), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    fast = run_with_parts(DEFECTS["learning rate times 100"], toy_ssd(3), samples, CONFIG)
    assert fast.config == replace(CONFIG, learning_rate=100 * CONFIG.learning_rate)


def test_what_is_read_is_wrong_as_the_name_says(samples):
    (image, labels), empty = samples[0], samples[7]
    assert len(empty[1]) == 0
    _, rows = DEFECTS["class ids from 1"].read(image, labels)
    np.testing.assert_array_equal(rows - labels, np.tile([1, 0, 0, 0, 0], (len(labels), 1)))
    _, rows = DEFECTS["boxes in pixels"].read(image, labels)
    np.testing.assert_allclose(rows[:, 1:], labels[:, 1:] * 256)
    _, rows = DEFECTS["padding in the middle"].read(image, labels)
    np.testing.assert_array_equal(np.delete(rows, 1, axis=0), np.delete(labels, 1, axis=0))
    assert (rows[1] == -1).all() and (labels >= 0).all()
    assert DEFECTS["padding in the middle"].read(*empty)[1].shape == (0, 5)


def test_images_are_mirrored_without_their_boxes(samples):
    image, labels = samples[0]
    seed_everything()
    drawn = [DEFECTS["boxes not mirrored"].transform(image, labels, 64) for _ in range(20)]
    assert all((rows == labels).all() for _, rows in drawn)
    assert len({picture.tobytes() for picture, _ in drawn}) == 2


def test_without_its_mask_the_box_loss_hears_the_background():
    preds, targets, masks = (
        nd.array([row]) for row in ([1, 0, 0, 0, 2, 0, 0, 0], [0] * 8, [1] * 4 + [0] * 4)
    )
    sound, broken = (
        parts.box_loss()(preds, targets, masks).asscalar()
        for parts in (Parts(), DEFECTS["box loss without mask"])
    )
    assert (sound, broken) == (0.5, 0.5 + 1.5)


def differ(found, expected):
    """Return whether two lists of detections differ by more than rounding and ties."""
    return len(found) != len(expected) or -1 in pair_detections(found, expected)


def test_sound_detection_is_that_of_the_library(net, samples):
    ours = detect_with_parts(Parts(), net, samples, 64)
    theirs = detect_dataset(Detector(net, samples.class_names, 64), samples)
    for one, other in zip(ours, theirs, strict=True):
        assert_same_detections(one, other, atol=1e-5)
    moved = detect_with_parts(DEFECTS["decoding without variances"], net, samples, 64)
    assert any(map(differ, ours, moved))
    assert Parts().variances == VARIANCES


def test_with_batch_norm_in_training_the_company_counts(net, samples):
    alone = DetectionDataset(samples[:1], samples.class_names)

    def differs(parts):
        one, first = (detect_with_parts(parts, net, each, 64)[0] for each in (alone, samples))
        return differ(one, first)

    assert not differs(Parts())
    assert differs(Parts(mode=autograd.train_mode))


def test_three_blind_runs_differ():
    hidden = [blind_parts(number) for number in (1, 2, 3)]
    assert all(parts in DEFECTS.values() for parts in hidden)
    assert len(set(hidden)) == 3
