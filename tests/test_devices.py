"""Training on several devices: two CPU contexts stand in for two GPUs."""

from dataclasses import replace

from single_shot import devices
from single_shot.resuming import optimizer_states, resume_run, save_run
from utils.context import seed_everything
from utils.data import resize
from utils.files import InputError
from utils.ssd import toy_ssd
from utils.training import TrainingConfig, TrainingRun

import mxnet as mx
import numpy as np
import pytest
from mxnet import nd
from mxnet.gluon import nn

from tests.toy_data import rectangles

TWO = [mx.cpu(0), mx.cpu(1)]
# Plain gradient descent: Adam makes a large step of the smallest difference.
CONFIG = TrainingConfig(image_sizes=(64,) * 10, batch_size=5, learning_rate=0.02, optimizer="sgd")


def frozen(block):
    """Have batch normalisation use its running statistics, which do not depend on the batch."""
    if isinstance(block, nn.BatchNorm):
        block._kwargs["use_global_stats"] = True


def new_run(contexts, config=CONFIG, seed=0, num_images=5):
    seed_everything(seed)
    net = toy_ssd(1, contexts)
    net.apply(frozen)
    return TrainingRun(net, rectangles(num_images), config, transform=resize)


def weights(run, ctx):
    return [parameter.data(ctx).asnumpy() for parameter in run.net.collect_params().values()]


def assert_equal_weights(ours, theirs, atol=0.0):
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=atol)


@pytest.fixture(scope="module")
def trained_by_two():
    """A run of ten steps on two devices, of which one gets three images and the other two."""
    run = new_run(TWO)
    run.fit()
    return run


def test_two_devices_learn_what_one_learns(trained_by_two):
    alone = new_run(TWO[:1])
    before = new_run(TWO[:1])
    before.net(nd.zeros((1, 3, 64, 64)))
    alone.fit()
    first, second = (weights(trained_by_two, ctx) for ctx in TWO)
    assert_equal_weights(first, second)
    assert_equal_weights(first, weights(alone, TWO[0]), atol=1e-5)
    moved = [abs(a - b).max() for a, b in zip(first, weights(before, TWO[0]), strict=True)]
    assert max(moved) > 0.01
    for line, other in zip(trained_by_two.history, alone.history, strict=True):
        for name in ("cls_loss", "box_loss", "class_accuracy", "box_mae"):
            assert line[name] == pytest.approx(other[name], rel=1e-3, abs=5e-3)


def test_gathered_batches_on_two_devices_count_as_one_on_one():
    config = replace(CONFIG, image_sizes=(64,), batch_size=2, accumulate=3)
    runs = [new_run(contexts, config, num_images=6) for contexts in (TWO, TWO[:1])]
    for run in runs:
        run.fit()
    assert_equal_weights(weights(runs[0], TWO[1]), weights(runs[1], TWO[0]), atol=1e-5)


def test_each_device_normalises_its_own_part_of_the_batch():
    """So that statistics and outputs are not those of one device, which the guide says."""
    seed_everything(0)
    run = TrainingRun(toy_ssd(1, TWO), rectangles(4), CONFIG, transform=resize)
    run.step(*next(run.batches()), learning_rate=0.01)
    nd.waitall()  # reading running statistics does not wait for the backward pass, which sets them
    name = next(name for name in run.net.collect_params() if name.endswith("running_mean"))
    means = [run.net.collect_params()[name].data(ctx).asnumpy() for ctx in TWO]
    assert abs(means[0] - means[1]).max() > 1e-4


def test_a_run_on_two_devices_goes_on(tmp_path, trained_by_two):
    config = replace(CONFIG, momentum=0.9)
    stopped, resumed = new_run(TWO, config), new_run(TWO, config, seed=1)
    for _ in range(4):
        stopped.run_epoch()
    save_run(tmp_path / "run", stopped)
    resume_run(tmp_path / "run", resumed)
    resumed.fit()
    for ctx in TWO:
        assert_equal_weights(weights(resumed, ctx), weights(trained_by_two, ctx))
    states = [optimizer_states(run.trainer) for run in (resumed, trained_by_two)]
    assert states[0].keys() == states[1].keys() and states[0]
    for name, array in states[0].items():
        np.testing.assert_array_equal(array.asnumpy(), states[1][name].asnumpy())


def test_a_batch_smaller_than_the_devices_is_refused():
    with pytest.raises(InputError, match="1 images a batch cannot be split over 2 devices: raise"):
        new_run(TWO, replace(CONFIG, batch_size=1))


def test_devices_are_told_by_their_names(monkeypatch):
    assert devices.contexts_of("cpu:1, cpu:0") == [mx.cpu(1), mx.cpu(0)]
    monkeypatch.setattr(devices, "best_context", lambda: mx.cpu(3))
    assert devices.contexts_of(None) == [mx.cpu(3)]


def test_all_gpus_that_work_are_taken(monkeypatch):
    monkeypatch.setattr(devices, "best_context", mx.gpu)
    monkeypatch.setattr(mx.context, "num_gpus", lambda: 3)
    monkeypatch.setattr(devices, "why_not", lambda ctx: "broken" if ctx == mx.gpu(1) else "")
    assert devices.contexts_of(None) == [mx.gpu(0), mx.gpu(2)]
    assert devices.contexts_of("gpu:2") == [mx.gpu(2)]
    with pytest.raises(InputError, match="gpu:1 cannot compute: broken"):
        devices.contexts_of("gpu:0,gpu:1")


@pytest.mark.parametrize(
    "text, message",
    [
        ("tpu:0", "'tpu:0' is no device; write them as gpu:0,gpu:1"),
        ("", "'' is no device"),
        ("gpu", "'gpu' is no device"),
        ("cpu:0,cpu:0", "named twice"),
        ("cpu:0,gpu:0", "cannot share a batch; name one kind"),
        ("gpu:2", "gpu:2: not there; this machine has gpu:0 to gpu:1"),
        ("cpu:99", "not there; this machine has cpu:0 to cpu:15"),
    ],
)
def test_devices_that_cannot_be_used_are_refused(monkeypatch, text, message):
    monkeypatch.setattr(mx.context, "num_gpus", lambda: 2)
    with pytest.raises(InputError, match=message):
        devices.contexts_of(text)


def test_a_gpu_where_there_is_none_is_refused(monkeypatch):
    monkeypatch.setattr(mx.context, "num_gpus", lambda: 0)
    with pytest.raises(InputError, match="gpu:0: not there; this machine has no gpu that MXNet"):
        devices.contexts_of("gpu:0")
