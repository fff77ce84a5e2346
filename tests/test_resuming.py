"""A run that was stopped between any two steps ends as if it had not been."""

from dataclasses import replace

from single_shot import resuming
from utils import training
from utils.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from utils.context import seed_everything
from utils.data import ssd_augment
from utils.hooks import Hook
from utils.networks import TOY_SSD, build_network, describe_toy_ssd
from utils.ssd import SIZES, toy_ssd

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon, nd

from tests.toy_data import rectangles

CONFIG = training.TrainingConfig(image_sizes=(64, 64), batch_size=3)


class Stopped(Exception):
    """Ends a run where a test wants it to."""


def new_run(seed=0, config=CONFIG, description=TOY_SSD):
    seed_everything(seed)
    net = build_network(description, num_classes=1)
    return training.TrainingRun(net, rectangles(12), config, transform=ssd_augment)


class WithoutSpeed(Hook):
    """Takes out of the history what depends on when a run stopped."""

    def after_epoch(self, run):
        del run.history[-1]["seconds"], run.history[-1]["images_per_second"]


def arrays_of(run):
    weights = [p.data() for p in run.net.collect_params().values()]
    return [
        array.asnumpy() for array in (*weights, *resuming.optimizer_states(run.trainer).values())
    ]


@pytest.mark.parametrize("accumulate, optimizer", [(1, "adam"), (3, "sgd")])
@pytest.mark.parametrize("stop_after", [1, 4, 6])  # of four batches an epoch
def test_a_run_goes_on_from_within_an_epoch(
    tmp_path, monkeypatch, accumulate, optimizer, stop_after
):
    config = replace(CONFIG, accumulate=accumulate, optimizer=optimizer)
    whole, stopped, resumed = new_run(0, config), new_run(0, config), new_run(1, config)
    whole.fit(WithoutSpeed())
    monkeypatch.setattr(resuming, "SAVE_SECONDS", 0)
    saved = []

    def save(path, run):
        save_run(path, run)
        saved.append(run.num_steps_done)
        if saved[-1] >= stop_after:
            raise Stopped

    save_run = resuming.save_run
    monkeypatch.setattr(resuming, "save_run", save)
    with pytest.raises(Stopped):
        stopped.fit(WithoutSpeed(), resuming.Autosave(tmp_path / "run"))
    # With gathered batches there is no saving while gradients wait for the next step; an epoch's
    # end is saved once more.
    expected = [1, 2, 3, 4, 4, 5, 6] if accumulate == 1 else [3, 4, 7]
    assert saved == expected[: len(saved)]
    resuming.resume_run(tmp_path / "run", resumed)
    resumed.fit(WithoutSpeed())
    assert resumed.history == whole.history
    for ours, theirs in zip(arrays_of(resumed), arrays_of(whole), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "other, message",
    [
        (
            {"config": replace(CONFIG, batch_size=2)},
            "run: config batch_size is 3, but .* has 2; go",
        ),
        (
            {"config": replace(CONFIG, image_sizes=(64,) * 9)},
            "is 2 times 64, but .* has 9 times 64",
        ),
        (
            {"description": describe_toy_ssd(SIZES[:4], (1, 2))},
            r"network sizes is None, but .* has \[\[0.2,",
        ),
    ],
)
def test_another_run_is_refused(tmp_path, other, message):
    run = new_run()
    run.net(nd.zeros((1, 3, 64, 64)))
    resuming.save_run(tmp_path / "run", run)
    with pytest.raises(CheckpointError, match=message):
        resuming.resume_run(tmp_path / "run", new_run(**other))


def test_another_start_is_refused(tmp_path):
    run, other = new_run(), new_run()
    run.net(nd.zeros((1, 3, 64, 64)))
    run.net.begun_with = "imagenet"
    resuming.save_run(tmp_path / "run", run)
    with pytest.raises(CheckpointError, match="start is imagenet, but this run has None"):
        resuming.resume_run(tmp_path / "run", other)


def test_other_pictures_with_the_same_labels_are_other_data(tmp_path):
    dataset = rectangles(2)
    dataset.images = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    for path in dataset.images:
        path.write_bytes(b"12")
    before = resuming.fingerprint(dataset)
    assert before == resuming.fingerprint(dataset) != resuming.fingerprint(rectangles(2))
    dataset.images[1].write_bytes(b"123")
    assert before != resuming.fingerprint(dataset)


def test_other_data_are_refused(tmp_path):
    run, other = new_run(), new_run()
    run.net(nd.zeros((1, 3, 64, 64)))
    resuming.save_run(tmp_path / "run", run)
    other.dataset = rectangles(11)
    with pytest.raises(CheckpointError, match="run: num_images is 12, but this run has 11"):
        resuming.resume_run(tmp_path / "run", other)


@pytest.fixture(scope="module")
def halfway(tmp_path_factory):
    """The checkpoint of a run in its second epoch, as loaded, and its path."""
    run, path = new_run(), tmp_path_factory.mktemp("halfway") / "run"
    run.run_epoch()
    images, labels = next(run.batches())
    run.so_far = run.so_far.add(run.step(images, labels, 1e-3), 1.0)
    resuming.save_run(path, run)
    return run, load_checkpoint(path), path


ONE_EPOCH = {"epoch": 1, "seconds": 1.0}
SO_FAR = {"batches": 1, "seconds": 1.0, "totals": {"cls_loss": 1.0}}


@pytest.mark.parametrize(
    "spoiled",
    [
        *({"history": value} for value in ({}, "x", None, 1, [1], ["x"], [{}], [ONE_EPOCH] * 2)),
        {"history": [{"epoch": number} for number in (1, 2, 3)]},  # of two epochs
        *({"epoch_so_far": SO_FAR | {"batches": value}} for value in (-5, 99, "x", True, 1.5)),
        *({"epoch_so_far": SO_FAR | {"totals": value}} for value in ("x", [], {"cls_loss": "x"})),
        *({"epoch_so_far": value} for value in (None, {}, [], SO_FAR | {"seconds": "x"})),
    ],
)
def test_spoiled_progress_under_a_new_seal_is_refused_in_words(halfway, tmp_path, spoiled):
    run, whole, _ = halfway
    save_checkpoint(tmp_path / "run", run.net, whole.metadata | spoiled, whole.optimizer_states)
    with pytest.raises(CheckpointError, match="run: whole, but not as this code writes it"):
        resuming.resume_run(tmp_path / "run", new_run())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda states: states.popitem(),
        lambda states: states.clear(),
        lambda states: states.update({"0.0": nd.zeros((2, 3))}),
        lambda states: states.update({"0.2": states["0.0"]}),
        lambda states: states.update({"999.0": states["0.0"]}),
        lambda states: states.update({"x": states.pop("0.0")}),
    ],
)
def test_spoiled_states_under_a_new_seal_are_refused_in_words(halfway, tmp_path, spoil):
    run, whole, _ = halfway
    states = dict(whole.optimizer_states)
    spoil(states)
    save_checkpoint(tmp_path / "run", run.net, whole.metadata, states)
    with pytest.raises(CheckpointError, match="as this code writes it .*optimizer state"):
        resuming.resume_run(tmp_path / "run", new_run())


def test_what_is_spoiled_in_these_tests_was_sound(halfway):
    resumed = new_run()
    resuming.resume_run(halfway[2], resumed)
    assert resumed.num_steps_done == 5


def test_autosave_waits_between_two_files(tmp_path, monkeypatch):
    run = new_run()
    run.net(nd.zeros((1, 3, 64, 64)))
    now, written = [0.0], []
    monkeypatch.setattr(resuming.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(resuming, "save_run", lambda path, run: written.append(now[0]))
    save = resuming.Autosave(tmp_path / "run")
    for now[0] in (0, 59, 60, 61, 119, 121, 122):
        save.after_step(run)
    assert written == [60, 121]
    save.after_epoch(run)
    assert written == [60, 121, 122]
    run.num_pending, now[0] = 1, 200  # gradients wait for the next step
    save.after_step(run)
    assert written == [60, 121, 122]


def test_an_epoch_adds_up_its_batches():
    so_far = training.EpochSoFar().add({"cls_loss": 1, "box_loss": 2}, 5.0)
    so_far = so_far.add({"cls_loss": 3, "box_loss": 2}, 8.0)
    assert (so_far.batches, so_far.seconds) == (2, 8.0)
    assert so_far.means() == {"cls_loss": 2, "box_loss": 2}


def trained_once(net):
    trainer = gluon.Trainer(net.collect_params(), "adam", kvstore=None)
    with mx.autograd.record():
        _, cls_preds, box_preds = net(nd.random.normal(shape=(1, 3, 64, 64)))
        loss = cls_preds.sum() + box_preds.square().sum()
    loss.backward()
    trainer.step(1)
    return trainer


def test_optimizer_states_round_trip(tmp_path):
    net = toy_ssd(num_classes=1)
    net(nd.zeros((1, 3, 64, 64)))
    states = resuming.optimizer_states(trained_once(net))
    trained = [p for p in net.collect_params().values() if p.grad_req != "null"]
    assert len(states) == 2 * len(trained)  # two moments each
    save_checkpoint(tmp_path / "a.params", net, {"class_names": ["frill"]}, states)
    loaded = load_checkpoint(tmp_path / "a.params")
    trainer = gluon.Trainer(net.collect_params(), "adam", kvstore=None)
    resuming.restore_optimizer_states(trainer, loaded.optimizer_states, [mx.cpu()])
    restored = resuming.optimizer_states(trainer)
    assert restored.keys() == states.keys()
    for name, array in states.items():
        np.testing.assert_array_equal(restored[name].asnumpy(), array.asnumpy())
