"""The ladder: what tells a broken pipeline from a slow one, each rung in seconds.

A detector that cannot learn one image by heart has a bug; one that can, but not a batch, a
harder-to-find bug; one that learns both and still finds nothing on new images needs more time.
"""

from dataclasses import replace

from data import open_preset
from utils.average_precision import pairwise_iou
from utils.context import seed_everything
from utils.data import DetectionDataset, augment, resize
from utils.detection import Detector, detect, evaluate_detector
from utils.ssd import toy_ssd
from utils.training import TrainingConfig, train


def learn(dataset, image_sizes, transform=augment, **settings):
    """Return the detector that training makes, and the history."""
    seed_everything()
    net = toy_ssd(len(dataset.class_names))
    config = replace(TrainingConfig(image_sizes=image_sizes), **settings)
    history = train(net, dataset, config, transform=transform)
    return Detector(net, dataset.class_names, image_sizes[-1]), history


def repeat(count, times):
    """Return the first `count` samples, `times` over, so that an epoch has many steps."""
    samples = open_preset("single", "train")
    return DetectionDataset([samples[i] for i in range(count)] * times, samples.class_names)


def test_one_image_is_learnt_by_heart():
    detector, _ = learn(repeat(1, 60), (64,), resize, batch_size=1)
    image, labels = repeat(1, 1)[0]
    height, width = image.shape[:2]
    found = detect(image, detector, score_threshold=0)[:1, 2:] / (width, height, width, height)
    assert pairwise_iou(found, labels[:, 1:])[0, 0] > 0.75


def test_one_batch_is_learnt_by_heart():
    detector, _ = learn(repeat(8, 60), (64,) * 2, resize, batch_size=8)
    assert evaluate_detector(detector, repeat(8, 1)).ap50 > 0.8


def test_a_short_run_finds_new_objects():
    detector, history = learn(open_preset("single", "train"), (64,) * 3)
    assert history[-1]["cls_loss"] < history[0]["cls_loss"]
    assert evaluate_detector(detector, open_preset("single", "val")).ap50 > 0.5
