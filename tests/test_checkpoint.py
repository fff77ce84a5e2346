from utils import checkpoint, ssd

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon, nd

METADATA = {"class_names": ["frill"], "image_size": 64}


@pytest.fixture
def net():
    net = ssd.toy_ssd(num_classes=1)
    net(nd.zeros((1, 3, 64, 64)))
    return net


def trained_once(net):
    trainer = gluon.Trainer(net.collect_params(), "adam", kvstore=None)
    with mx.autograd.record():
        _, cls_preds, box_preds = net(nd.random.normal(shape=(1, 3, 64, 64)))
        loss = cls_preds.sum() + box_preds.square().sum()
    loss.backward()
    trainer.step(1)
    return trainer


def test_round_trip(net, tmp_path):
    checkpoint.save_checkpoint(tmp_path / "a.params", net, METADATA)
    loaded = checkpoint.load_checkpoint(tmp_path / "a.params")
    assert loaded.metadata == METADATA
    assert loaded.optimizer_states == {}
    other = ssd.toy_ssd(num_classes=1)
    loaded.load_into(other)
    x = nd.random.normal(shape=(1, 3, 64, 64))
    for ours, theirs in zip(net(x), other(x)):
        np.testing.assert_array_equal(ours.asnumpy(), theirs.asnumpy())


def test_optimizer_states_round_trip(net, tmp_path):
    states = checkpoint.optimizer_states(trained_once(net))
    trained = [p for p in net.collect_params().values() if p.grad_req != "null"]
    assert len(states) == 2 * len(trained)  # two moments each
    checkpoint.save_checkpoint(tmp_path / "a.params", net, METADATA, states)
    loaded = checkpoint.load_checkpoint(tmp_path / "a.params")
    trainer = gluon.Trainer(net.collect_params(), "adam", kvstore=None)
    checkpoint.restore_optimizer_states(trainer, loaded.optimizer_states, mx.cpu())
    restored = checkpoint.optimizer_states(trainer)
    assert restored.keys() == states.keys()
    for name, array in states.items():
        np.testing.assert_array_equal(restored[name].asnumpy(), array.asnumpy())


def test_saving_leaves_one_file(net, tmp_path):
    checkpoint.save_checkpoint(tmp_path / "new" / "a.params", net, METADATA)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.params"]


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(temporary):
        with open(temporary, "w") as file:
            file.write("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        checkpoint.replace_atomically(path, fail)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_absent_file_is_named(tmp_path):
    with pytest.raises(checkpoint.CheckpointError, match=r"a\.params: no such checkpoint"):
        checkpoint.load_checkpoint(tmp_path / "a.params")


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.999])
def test_truncated_file_is_named(net, tmp_path, share):
    path = tmp_path / "a.params"
    checkpoint.save_checkpoint(path, net, METADATA)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(checkpoint.CheckpointError, match=r"a\.params: .*damaged"):
        checkpoint.load_checkpoint(path)


def test_other_files_are_refused(net, tmp_path):
    path = tmp_path / "weights.params"
    net.save_parameters(str(path))  # arrays, but no metadata
    with pytest.raises(checkpoint.CheckpointError, match="not a checkpoint"):
        checkpoint.load_checkpoint(path)
    path.write_text("hello")
    with pytest.raises(checkpoint.CheckpointError, match="not a checkpoint"):
        checkpoint.load_checkpoint(path)
    nd.save(str(path), [nd.ones(3)])  # a list, not named arrays
    with pytest.raises(checkpoint.CheckpointError, match="not a checkpoint"):
        checkpoint.load_checkpoint(path)


def test_other_version_is_refused(net, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT_VERSION", 99)
    checkpoint.save_checkpoint(tmp_path / "a.params", net, METADATA)
    monkeypatch.undo()
    with pytest.raises(checkpoint.CheckpointError, match="format_version is 99"):
        checkpoint.load_checkpoint(tmp_path / "a.params")


def test_a_file_without_a_version_is_refused(tmp_path):
    text = b'{"class_names": []}'
    metadata = nd.array(np.frombuffer(text, dtype=np.uint8), dtype=np.uint8)
    nd.save(str(tmp_path / "a.params"), {checkpoint.METADATA: metadata})
    with pytest.raises(checkpoint.CheckpointError, match="format_version is None"):
        checkpoint.load_checkpoint(tmp_path / "a.params")
