import os
import signal
import subprocess
import sys
from dataclasses import replace

from single_shot.resuming import Autosave
from utils import training
from utils.checkpoint import CheckpointError, load_checkpoint
from utils.context import seed_everything
from utils.data import resize
from utils.hooks import GuardFinite, Hook
from utils.ssd import toy_ssd
from utils.training import one_cycle

import numpy as np
import pytest
from mxnet import nd

from tests.toy_data import rectangles, values_of

CONFIG = training.TrainingConfig(image_sizes=(64, 64, 64), batch_size=4)
RUN_TO_THE_END = """
import os, signal, sys
from tests.toy_data import rectangles
from tests.test_training import CONFIG, start
from single_shot import resuming
from utils import training

checkpoint, kill_at = sys.argv[1], int(sys.argv[2])
resuming.SAVE_SECONDS = float(sys.argv[3])
step = training.TrainingRun.step

def counted(run, *batch):
    counted.steps += 1
    if counted.steps == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(run, *batch)

counted.steps = 0
training.TrainingRun.step = counted
training.train(start(), rectangles(10), CONFIG, hooks=[resuming.Autosave(checkpoint)])
"""


def start(seed=0):
    seed_everything(seed)
    return toy_ssd(num_classes=1)


def run_in_process(checkpoint, kill_at, save_seconds=60):
    arguments = [str(checkpoint), str(kill_at), str(save_seconds)]
    command = [sys.executable, "-c", RUN_TO_THE_END, *arguments]
    return subprocess.run(command, env=os.environ | {"PYTHONPATH": "."}, capture_output=True)


def test_the_configuration_chooses_the_schedule():
    cycle, drops = training.TrainingConfig(), training.TrainingConfig(drops=(0.5,), warmup=0)
    assert cycle.learning_rate_at(99, 100) == one_cycle(99, 100, 4e-3, 0.3)
    assert drops.learning_rate_at(99, 100) == pytest.approx(4e-4)


def test_no_epoch_of_a_seed_repeats_one_of_another_seed():
    """`seed + epoch` had epoch 2 of seed 0 shuffle as epoch 1 of seed 1."""
    orders = set()
    for seed in range(3):
        run = training.TrainingRun(start(), rectangles(16), replace(CONFIG, seed=seed))
        drawn = []
        run.step = lambda images, *others, drawn=drawn: drawn.append(images.asnumpy()) or {}
        for _ in range(3):
            run.run_epoch()
            orders.add(np.concatenate(drawn).tobytes())
            drawn.clear()
    assert len(orders) == 9


def test_history_has_a_line_for_each_epoch():
    history = training.train(start(), rectangles(10), CONFIG, evaluate=lambda: {"ap50": 0.5})
    assert [line["epoch"] for line in history] == [1, 2, 3]
    for line in history:
        assert line["ap50"] == 0.5 and line["image_size"] == 64
        assert line["images_per_second"] == pytest.approx(8 / line["seconds"])
        assert np.isfinite([line["cls_loss"], line["box_loss"], line["box_mae"]]).all()
        assert 0 <= line["class_accuracy"] <= 1


def test_scores_come_every_few_epochs_and_at_the_end():
    config, scores = replace(CONFIG, image_sizes=(64,) * 5), iter((0.2, 0.4, 0.5))
    options = {"evaluate": lambda: {"ap50": next(scores)}, "evaluate_every": 2}
    history = training.train(start(), rectangles(4), config, **options)
    assert [line.get("ap50") for line in history] == [None, 0.2, None, 0.4, 0.5]


def test_a_data_set_smaller_than_a_batch_trains():
    history = training.train(start(), rectangles(2), replace(CONFIG, batch_size=32))
    assert len(history) == 3 and history[-1]["cls_loss"] > 0


def test_gradients_are_clipped():
    run = training.TrainingRun(start(), rectangles(4), replace(CONFIG, clip_norm=1e-3))
    images, labels = next(iter(training.training_loader(run.dataset, 4, 64)))
    run.step(images, labels, learning_rate=0.0)
    gradients = [p.grad() for p in run.net.collect_params().values() if p.grad_req != "null"]
    norm = float(sum((gradient**2).sum() for gradient in gradients).sqrt().asscalar())
    assert norm == pytest.approx(1e-3, rel=1e-3)


def test_box_weight_scales_the_box_gradient():
    norms = []
    for weight in (1.0, 3.0):
        config = replace(CONFIG, box_weight=weight, clip_norm=1e9)
        run = training.TrainingRun(start(), rectangles(4), config)
        seed_everything()
        images, labels = next(iter(training.training_loader(run.dataset, 4, 64)))
        run.step(images, labels, learning_rate=0.0)
        norms.append(run.net.box_predictors[0].weight.grad().norm().asscalar())
    assert norms[1] == pytest.approx(3 * norms[0], rel=1e-4)


def weights_after(config, num_batches, learning_rate=1e-2):
    """Return the weights before and after steps on one and the same batch."""
    run = training.TrainingRun(start(), rectangles(4), config)
    seed_everything()
    images, labels = next(iter(training.training_loader(run.dataset, 4, 64)))
    run.net(training.normalize(images))
    parameters = {n.partition("_")[2]: p for n, p in run.net.collect_params(".*conv").items()}
    assert len(parameters) == 44  # weight and bias of 12 convolutions and 10 predictors
    before = {name: values_of(p) for name, p in parameters.items()}
    for _ in range(num_batches):
        run.step(images, labels, learning_rate)
    return before, {name: values_of(p) for name, p in parameters.items()}


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_gathered_batches_count_as_one(optimizer):
    config = replace(CONFIG, optimizer=optimizer)
    _, expected = weights_after(config, 1)
    before, halfway = weights_after(replace(config, accumulate=3), 2)
    _, found = weights_after(replace(config, accumulate=3), 3)
    for name, array in expected.items():
        np.testing.assert_array_equal(halfway[name], before[name])
        np.testing.assert_allclose(found[name], array, atol=1e-5)


def test_biases_learn_at_their_own_rate():
    changes = []
    for bias_rate in (1.0, 2.0):
        config = replace(CONFIG, optimizer="sgd", bias_rate=bias_rate)
        before, after = weights_after(config, 1)
        changes.append({name: after[name] - before[name] for name in before})
    for name, change in changes[0].items():
        factor = 2 if name.endswith("bias") else 1
        np.testing.assert_allclose(changes[1][name], factor * change, rtol=1e-3, atol=1e-6)


def test_a_trainer_that_is_made_anew_has_the_same_rates():
    config = replace(CONFIG, bias_rate=2.0, base_rate=0.5)
    run = training.TrainingRun(start(), rectangles(4), config)
    rates = {name: p.lr_mult for name, p in run.net.collect_params().items()}
    assert set(rates.values()) == {0.5, 1.0, 2.0}
    run.make_trainer(updates_done=3)
    assert {name: p.lr_mult for name, p in run.net.collect_params().items()} == rates


def test_weight_decay_spares_biases():
    _, expected = weights_after(CONFIG, 1)
    _, found = weights_after(replace(CONFIG, weight_decay=0.1), 1)
    for name, array in expected.items():
        assert np.array_equal(found[name], array) == name.endswith("bias"), name


def test_a_stopped_run_with_gathered_batches_ends_as_if_it_were_not(tmp_path):
    config = replace(CONFIG, optimizer="sgd", accumulate=2, drops=(0.5,), batch_size=3)

    def stop_after_the_second_epoch():
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return {}

    whole, calls = start(), []
    training.train(whole, rectangles(9), config)
    with pytest.raises(KeyboardInterrupt):
        options = {"evaluate": stop_after_the_second_epoch, "hooks": [Autosave(tmp_path / "run")]}
        training.train(start(), rectangles(9), config, **options)
    resumed = start(seed=1)
    history = training.train(resumed, rectangles(9), config, hooks=[Autosave(tmp_path / "run")])
    assert len(history) == 3
    pairs = zip(whole.collect_params().values(), resumed.collect_params().values(), strict=True)
    for one, other in pairs:
        np.testing.assert_array_equal(one.data().asnumpy(), other.data().asnumpy())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_that_is_no_number_stops_the_run(value):
    run = training.TrainingRun(start(), rectangles(4), CONFIG)
    run.cls_loss = lambda cls_preds, _: cls_preds.sum(axis=(1, 2)) * value
    with pytest.raises(FloatingPointError, match="epoch 1: .*learning_rate"):
        run.run_epoch(GuardFinite())


def test_progress_shows_speed_and_remaining_time(capsys):
    training.train(start(), rectangles(8), CONFIG)
    shown = capsys.readouterr().err
    assert "left" in shown and "images/s" in shown and "class loss" in shown


def test_a_hook_sees_every_step_and_every_epoch_and_may_add_to_the_history():
    seen = []

    class Watch(Hook):
        def after_step(self, run):
            seen.append((len(run.history), run.so_far.batches, sorted(run.values)))

        def after_epoch(self, run):
            run.history[-1]["fullest"] = run.dataset.max_objects

    history = training.train(start(), rectangles(10), CONFIG, hooks=[Watch()])
    names = ["box_loss", "box_mae", "class_accuracy", "cls_loss"]
    assert seen == [(epoch, batch, names) for epoch in range(3) for batch in (1, 2)]
    assert [line["fullest"] for line in history] == [rectangles(10).max_objects] * 3


def test_what_a_step_returns_besides_is_averaged_and_kept(monkeypatch):
    step, values = training.TrainingRun.step, iter(range(6))
    with_more = lambda run, *batch: step(run, *batch) | {"norm": next(values)}  # noqa: E731
    monkeypatch.setattr(training.TrainingRun, "step", with_more)
    history = training.train(start(), rectangles(10), CONFIG)
    assert [line["norm"] for line in history] == [0.5, 2.5, 4.5]


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """The checkpoint of a run that nobody stopped."""
    path = tmp_path_factory.mktemp("whole") / "run"
    whole = run_in_process(path, kill_at=0)
    assert whole.returncode == 0, whole.stderr.decode()
    return path


# In the third epoch of two steps, and in the second one after a checkpoint in its middle.
@pytest.mark.parametrize("kill_at, save_seconds, stands_at", [(5, 60, (2, 0)), (4, 0, (1, 1))])
def test_a_killed_run_resumes_to_the_same_weights(
    tmp_path, whole_run, kill_at, save_seconds, stands_at
):
    killed = run_in_process(tmp_path / "run", kill_at, save_seconds)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    metadata = load_checkpoint(tmp_path / "run").metadata
    assert (len(metadata["history"]), metadata["epoch_so_far"]["batches"]) == stands_at
    resumed = run_in_process(tmp_path / "run", kill_at=0)
    assert resumed.returncode == 0, resumed.stderr.decode()
    ours, theirs = load_checkpoint(tmp_path / "run"), load_checkpoint(whole_run)
    for part in ("parameters", "optimizer_states"):
        mine, other = getattr(ours, part), getattr(theirs, part)
        assert mine.keys() == other.keys()
        for name, array in mine.items():
            np.testing.assert_array_equal(array.asnumpy(), other[name].asnumpy(), err_msg=name)
    losses = [[line["cls_loss"] for line in each.metadata["history"]] for each in (ours, theirs)]
    assert losses[0] == losses[1]


def test_resuming_with_other_settings_is_refused(tmp_path):
    training.train(start(), rectangles(4), CONFIG, hooks=[Autosave(tmp_path / "run")])
    with pytest.raises(CheckpointError, match="run: config batch_size is 4, but this run has 2"):
        other = replace(CONFIG, batch_size=2)
        training.train(start(), rectangles(4), other, hooks=[Autosave(tmp_path / "run")])


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    history = training.train(start(), rectangles(4), CONFIG, hooks=[Autosave(tmp_path / "run")])
    net = start(seed=1)
    assert training.train(net, rectangles(4), CONFIG, hooks=[Autosave(tmp_path / "run")]) == history
    expected = load_checkpoint(tmp_path / "run").parameters
    images = nd.zeros((1, 3, 64, 64))
    net(images)
    name = "class_predictors.0.bias"
    np.testing.assert_array_equal(values_of(net.class_predictors[0].bias), expected[name].asnumpy())


def test_epochs_average_their_batches_go_on_in_the_schedule_and_shuffle_anew(monkeypatch):
    rates, orders, losses = [], [], iter(range(1, 7))

    def step(run, images, labels, learning_rate):
        rates.append(learning_rate)
        orders.append(labels.asnumpy().tolist())
        loss = next(losses)
        return {"cls_loss": loss, "box_loss": 2 * loss}

    monkeypatch.setattr(training.TrainingRun, "step", step)
    history = training.train(start(), rectangles(10), CONFIG, transform=resize)
    assert [line["cls_loss"] for line in history] == [1.5, 3.5, 5.5]
    assert [line["box_loss"] for line in history] == [3, 7, 11]
    assert rates == [CONFIG.learning_rate_at(step, 6) for step in range(6)]
    epochs = [orders[0:2], orders[2:4], orders[4:6]]
    assert epochs[0] != epochs[1] != epochs[2]


def test_the_learning_rate_of_a_step_is_the_one_it_is_given():
    run = training.TrainingRun(start(), rectangles(4), CONFIG)
    images, labels = next(iter(training.training_loader(run.dataset, 4, 64)))
    run.net(training.normalize(images))  # so that the weights have their shapes
    weights = [values_of(run.net.class_predictors[0].weight)]
    for learning_rate in (0.0, 0.01):
        run.step(images, labels, learning_rate)
        weights.append(values_of(run.net.class_predictors[0].weight))
    np.testing.assert_array_equal(weights[1], weights[0])
    # Where there is any gradient, the first steps of Adam are as long as the learning rate.
    assert np.abs(weights[2] - weights[1]).max() == pytest.approx(0.01, rel=0.5)


def test_a_box_loss_that_is_no_number_stops_the_run():
    run = training.TrainingRun(start(), rectangles(4), CONFIG)
    run.box_loss = lambda box_preds, *_: box_preds.sum(axis=1) * np.nan
    with pytest.raises(FloatingPointError, match="epoch 1: .*the box loss nan"):
        run.run_epoch(GuardFinite())


def test_gathered_gradients_start_again_after_every_step():
    config = replace(CONFIG, optimizer="sgd")
    _, expected = weights_after(config, 2)
    _, found = weights_after(replace(config, accumulate=3), 6)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-5, err_msg=name)
