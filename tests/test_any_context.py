"""Nothing assumes the CPU: all runs on a device that is not the default one, and stays there.

The stand-in device and its guard are those of `stand_in_device`, which the lessons run on as well
(`tools/run_tests.py`).
"""

from single_shot.resuming import Autosave, resume_run
from utils.anchors import coverage, multibox_prior
from utils.boxes import decode_offsets, encode_offsets
from utils.comparison import assert_same_detections
from utils.data import DetectionDataset, normalize
from utils.detection import Detector, decode_detections, detect, multibox_detection, preprocess
from utils.losses import FocalLoss, MinedCrossEntropyLoss, SmoothL1Loss
from utils.ssd import toy_ssd
from utils.targets import assign_targets, multibox_target
from utils.training import TrainingConfig, TrainingRun, train

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, nd
from mxnet._ctypes import ndarray as calls
from stand_in_device import DEVICE, one_device

SIZE = 64


@pytest.fixture(autouse=True)
def one_device_an_operator(monkeypatch):
    """Refuse every operator and compiled graph that is given arrays of several devices."""
    monkeypatch.setattr(calls, "c_handle_array", one_device(calls.c_handle_array))


@pytest.fixture
def net():
    return toy_ssd(2, ctx=DEVICE)


@pytest.fixture
def images():
    pixels = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3))
    return nd.array(pixels, ctx=DEVICE, dtype=np.uint8)


@pytest.fixture
def labels():
    rows = [[[0, 0.1, 0.1, 0.5, 0.6], [1, 0.4, 0.5, 0.9, 0.9]], [[-1] * 5] * 2]
    return nd.array(rows, ctx=DEVICE)


def assert_on_device(*arrays):
    for array in arrays:
        assert array.context == DEVICE
        assert np.isfinite(array.asnumpy()).all()


def test_the_guard_refuses_arrays_of_two_devices():
    assert mx.current_context() != DEVICE
    here, there = nd.ones((2,)), nd.ones((2,), ctx=DEVICE)
    for mix in (lambda: here + there, lambda: nd.concat(here, there, dim=0)):
        with pytest.raises(AssertionError, match="cpu.0.*cpu.1"):
            mix()
    assert (here.as_in_context(DEVICE) + there).context == DEVICE


def test_the_guard_sees_compiled_graphs(net):
    with pytest.raises(AssertionError, match="cpu.0.*cpu.1"):
        net(nd.zeros((1, 3, SIZE, SIZE)))
        net(nd.zeros((1, 3, SIZE, SIZE)))  # the first call compiles


def test_anchors_and_offsets():
    anchors = multibox_prior(2, 3, (0.4, 0.5), (1, 2), ctx=DEVICE)
    boxes = nd.array([[0.1, 0.2, 0.4, 0.5]] * anchors.shape[1], ctx=DEVICE)
    offsets = encode_offsets(boxes, anchors[0])
    assert_on_device(anchors, offsets, decode_offsets(offsets, anchors[0]))
    assert_on_device(coverage(boxes, anchors))


@pytest.mark.parametrize("assign", [assign_targets, multibox_target])
def test_targets(assign, labels):
    anchors = multibox_prior(4, 4, (0.4, 0.5), (1, 2), ctx=DEVICE)
    assert_on_device(*assign(anchors, labels))


@pytest.mark.parametrize("hybridize", [True, False])
@pytest.mark.parametrize("cls_loss", [FocalLoss, MinedCrossEntropyLoss])
def test_forward_and_backward(net, images, labels, cls_loss, hybridize):
    net.hybridize(hybridize)
    cls_loss, box_loss = cls_loss(), SmoothL1Loss()
    cls_loss.hybridize(hybridize)
    box_loss.hybridize(hybridize)
    with autograd.record():
        anchors, cls_preds, box_preds = net(normalize(images))
        box_targets, box_masks, cls_targets = multibox_target(anchors, labels)
        class_part = cls_loss(cls_preds, cls_targets)
        box_part = box_loss(box_preds, box_targets, box_masks)
    autograd.backward([class_part, box_part])
    assert_on_device(anchors, cls_preds, box_preds, class_part, box_part)
    parameters = net.collect_params().values()
    assert_on_device(*[p.grad() for p in parameters if p.grad_req != "null"])


def test_detection(net, images):
    anchors, cls_preds, box_preds = net(normalize(images))
    rows = multibox_detection(anchors, cls_preds, box_preds, score_threshold=0)
    assert len(rows) == 2 and len(rows[0]) > 0
    alone = decode_detections(anchors[0], cls_preds[0], box_preds[0], score_threshold=0)
    assert_same_detections(alone, rows[0], atol=1e-5)


def test_detect(net):
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    assert_on_device(preprocess(image, SIZE, DEVICE))
    detector = Detector(net, ("circle", "square"), SIZE)
    assert detector.ctx == DEVICE
    assert detect(image, detector, score_threshold=0).shape[1] == 6


@pytest.fixture
def dataset():
    random = np.random.default_rng(0)
    objects = np.array([[0, 0.2, 0.2, 0.7, 0.7]], dtype=np.float32)
    samples = [(random.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8), objects)] * 4
    return DetectionDataset(samples, ("circle", "square"))


def test_training_step(net, images, labels, dataset):
    run = TrainingRun(net, dataset, TrainingConfig(image_sizes=(SIZE,), batch_size=2))
    assert run.contexts == [DEVICE]
    values = run.step(images, labels, learning_rate=1e-3)
    assert np.isfinite(list(values.values())).all()
    assert_on_device(*[p.data() for p in net.collect_params().values()])
    moments = [state for states in run.trainer._updaters[0].states.values() for state in states]
    assert moments
    assert_on_device(*moments)


def test_training_from_data_set_to_checkpoint_and_resumption(net, dataset, tmp_path):
    path = tmp_path / "net.params"
    config = TrainingConfig(image_sizes=(SIZE, SIZE), batch_size=2)
    train(net, dataset, config, hooks=[Autosave(path)])
    resumed = toy_ssd(2, ctx=DEVICE)
    resumed(nd.zeros((1, 3, SIZE, SIZE), ctx=DEVICE))
    run = TrainingRun(resumed, dataset, config)
    resume_run(path, run)
    for one, other in zip(resumed.collect_params().values(), net.collect_params().values()):
        assert_on_device(one.data())
        np.testing.assert_array_equal(one.data().asnumpy(), other.data().asnumpy())
    states = [state for states in run.trainer._updaters[0].states.values() for state in states]
    assert states
    assert_on_device(*states)
