import hashlib
import json

from data import DATA_ROOT
from utils import checkpoint, networks, ssd
from utils.detection import load_detector

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mxnet import gluon, nd

METADATA = {"class_names": ["frill"], "image_size": 64}


@pytest.fixture
def net():
    net = ssd.toy_ssd(num_classes=1)
    net(nd.zeros((1, 3, 64, 64)))
    return net


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


def test_saving_leaves_one_file(net, tmp_path):
    checkpoint.save_checkpoint(tmp_path / "new" / "a.params", net, METADATA)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.params"]


def test_absent_file_is_named(tmp_path):
    with pytest.raises(checkpoint.CheckpointError, match=r"a\.params: no such checkpoint"):
        checkpoint.load_checkpoint(tmp_path / "a.params")


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    """The path of a small checkpoint and its bytes."""
    path = tmp_path_factory.mktemp("sealed") / "a.params"
    net = gluon.nn.Dense(2, in_units=3)
    net.initialize()
    checkpoint.save_checkpoint(path, net, METADATA, {"0": nd.ones(4)})
    return path, path.read_bytes()


@given(share=st.floats(0, 1, exclude_max=True))
def test_truncated_file_is_named(sealed, share):
    path, content = sealed
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(checkpoint.CheckpointError, match=r"a\.params: .*(truncated|damaged)"):
        checkpoint.load_checkpoint(path)


@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_noticed(sealed, position, bit):
    path, content = sealed
    spoilt = bytearray(content)
    spoilt[int(len(content) * position)] ^= 1 << bit
    path.write_bytes(spoilt)
    with pytest.raises(checkpoint.CheckpointError, match=r"a\.params: .*(damaged|checksum)"):
        checkpoint.load_checkpoint(path)


def test_bytes_behind_the_end_are_noticed(sealed):
    path, content = sealed
    path.write_bytes(content + b"0")
    with pytest.raises(checkpoint.CheckpointError, match="damaged"):
        checkpoint.load_checkpoint(path)


def test_mxnet_reads_the_file_too(net, tmp_path):
    checkpoint.save_checkpoint(tmp_path / "a.params", net, METADATA, {"0": nd.ones(4)})
    other = ssd.toy_ssd(num_classes=1)
    other.load_parameters(str(tmp_path / "a.params"), ignore_extra=True)
    x = nd.random.normal(shape=(1, 3, 64, 64))
    np.testing.assert_array_equal(net(x)[1].asnumpy(), other(x)[1].asnumpy())


def test_another_network_is_refused_in_words(net, tmp_path):
    path = tmp_path / "a.params"
    checkpoint.save_checkpoint(path, net, METADATA)
    loaded = checkpoint.load_checkpoint(path)
    with pytest.raises(checkpoint.CheckpointError, match=r"1 classes \(frill\).* has 2; build"):
        loaded.load_into(ssd.toy_ssd(num_classes=2))
    fewer = ssd.toy_ssd(num_classes=1, sizes=ssd.SIZES[:4])
    with pytest.raises(checkpoint.CheckpointError, match="another network: .* parameters are only"):
        loaded.load_into(fewer)
    wider = ssd.toy_ssd(num_classes=1, sizes=((0.1, 0.2, 0.3), *ssd.SIZES[1:]))
    wanted = r"class_predictors\.0.* is .*, the network wants .*; build"
    with pytest.raises(checkpoint.CheckpointError, match=wanted):
        loaded.load_into(wider)


def test_what_was_checked_is_what_is_loaded(net, tmp_path):
    path = tmp_path / "a.params"
    checkpoint.save_checkpoint(path, net, METADATA)
    loaded = checkpoint.load_checkpoint(path)
    path.write_bytes(b"something else by now")
    other = ssd.toy_ssd(num_classes=1)
    loaded.load_into(other)
    bias = other.class_predictors[0].bias.data()
    np.testing.assert_array_equal(bias.asnumpy(), net.class_predictors[0].bias.data().asnumpy())


def test_a_folder_that_cannot_be_made_is_named(net, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(checkpoint.CheckpointError, match=r"a\.params: cannot be written \(.*\)"):
        checkpoint.save_checkpoint(tmp_path / "file" / "a.params", net, METADATA)


def test_other_files_are_refused(net, tmp_path):
    path = tmp_path / "weights.params"
    net.save_parameters(str(path))  # arrays, but no metadata and no checksum: as version 1 had none
    with pytest.raises(checkpoint.CheckpointError, match="not a checkpoint .* of an older version"):
        checkpoint.load_checkpoint(path)
    path.write_text("hello")
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
    checkpoint.write_sealed(str(tmp_path / "a.params"), {checkpoint.METADATA: metadata})
    with pytest.raises(checkpoint.CheckpointError, match="format_version is None"):
        checkpoint.load_checkpoint(tmp_path / "a.params")


STRANGE = (None, True, -1, 0, 1.5, 10**30, "x", [], {}, [[]], ["a", 1], {"name": "x"})


def spoiled_metadata(metadata):
    """Yield metadata without one of their values, or with another in its place."""
    yield from STRANGE
    for key in metadata:
        yield {k: v for k, v in metadata.items() if k != key}
        yield from (metadata | {key: value} for value in STRANGE)
    network = metadata["network"]
    for key in network:
        yield from (metadata | {"network": network | {key: value}} for value in STRANGE)


def test_spoiled_metadata_under_a_new_seal_are_refused_in_words(net, tmp_path):
    path = tmp_path / "a.params"
    network = networks.describe_toy_ssd(ssd.SIZES, ssd.RATIOS)
    metadata = {"format_version": checkpoint.FORMAT_VERSION, "class_names": ["frill"]}
    metadata |= {"image_size": 64, "network": network}
    arrays = {
        name: parameter.data() for name, parameter in net._collect_params_with_prefix().items()
    }
    refused = 0
    for spoiled in spoiled_metadata(metadata):
        text = np.frombuffer(json.dumps(spoiled).encode(), dtype=np.uint8)
        checkpoint.write_sealed(
            str(path), arrays | {checkpoint.METADATA: nd.array(text, dtype="uint8")}
        )
        try:
            load_detector(path)
        except checkpoint.CheckpointError as error:
            refused += str(error).startswith(str(path))
    assert refused > 60


def test_spoiled_bytes_under_a_new_seal_are_read_or_refused(tmp_path):
    path, net = tmp_path / "a.params", gluon.nn.Dense(2, in_units=3)
    net.initialize()
    checkpoint.save_checkpoint(path, net, METADATA, {"0": nd.ones(4)})
    content = path.read_bytes().rpartition(checkpoint.SEAL)[0]
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        spoiled = bytearray(content)
        for place in random.integers(len(spoiled), size=random.integers(1, 5)):
            spoiled[place] = random.integers(256)
        seal = checkpoint.SEAL + hashlib.sha256(spoiled).digest()
        path.write_bytes(bytes(spoiled) + seal)
        try:
            checkpoint.load_checkpoint(path)
        except checkpoint.CheckpointError as error:
            refused += str(error).startswith(str(path))
    assert refused > 100


@pytest.mark.parametrize("name", ["single", "multi"])
def test_the_detectors_that_come_with_the_course_are_whole(name):
    loaded = checkpoint.load_checkpoint(DATA_ROOT / "pretrained" / f"toy_ssd_{name}.params")
    loaded.load_into(ssd.toy_ssd(len(loaded.metadata["class_names"])))
