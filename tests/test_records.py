"""Records: what MXNet and GluonCV read, and every kind of bad record by its name."""

import os
import struct

from utils.records import (
    RecordError,
    check_labels,
    encode_jpeg,
    pack_sample,
    read_payloads,
    read_records,
    unpack_rows,
    unpack_sample,
    write_records,
)

import gluoncv
import mxnet as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

GOOD = [1, 0.1, 0.2, 0.5, 0.6]
NAN, INF = float("nan"), float("inf")


def smooth_image(height=40, width=60, seed=0):
    """An image that JPEG keeps nearly unchanged."""
    rows, columns = np.mgrid[:height, :width]
    red, green, blue = rows * 3 + seed, columns * 2, 255 - columns * 3
    return np.stack([red, green, blue], axis=2).clip(0, 255).astype(np.uint8)


def payload_with(label, jpeg=None):
    """A record with any label vector or number, as another tool might write it."""
    label = np.array(label, np.float32) if np.ndim(label) else label
    header = mx.recordio.IRHeader(0, label, 7, 0)
    return mx.recordio.pack(header, encode_jpeg(smooth_image()) if jpeg is None else jpeg)


def error_of(payload, num_classes=2):
    with pytest.raises(RecordError) as raised:
        unpack_sample(payload, "bad.rec", 7, num_classes)
    assert isinstance(raised.value, ValueError)
    message = str(raised.value)
    assert "bad.rec record 7" in message
    return message


@pytest.fixture
def record_file(tmp_path):
    """Four records of 0, 1, 2 and 0 objects; their labels."""
    labels = [np.zeros((0, 5)), [GOOD], [GOOD, [0, 0, 0, 1, 1]], []]
    samples = [(smooth_image(seed=20 * index), rows) for index, rows in enumerate(labels)]
    assert write_records(tmp_path / "some", samples) == 4
    return tmp_path / "some.rec", samples


def coordinates():
    return st.lists(st.integers(0, 1000), min_size=2, max_size=2, unique=True).map(sorted)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 8), coordinates(), coordinates()), max_size=6))
def test_round_trip(objects):
    rows = [(k, x[0] / 1000, y[0] / 1000, x[1] / 1000, y[1] / 1000) for k, x, y in objects]
    labels = np.array(rows, np.float32).reshape(-1, 5)
    image, read = unpack_sample(pack_sample(smooth_image(), labels, 3), "good.rec", 3, 9)
    np.testing.assert_array_equal(read, labels)
    assert read.dtype == np.float32 and image.dtype == np.uint8
    assert np.abs(image.astype(int) - smooth_image()).mean() < 2


def test_files_round_trip(record_file):
    path, samples = record_file
    read = list(read_records(path, num_classes=2))
    assert [key for key, _, _ in read] == [0, 1, 2, 3]
    for (_, image, labels), (expected_image, expected_labels) in zip(read, samples):
        assert np.abs(image.astype(int) - expected_image).mean() < 2
        np.testing.assert_array_equal(labels, np.float32(expected_labels).reshape(-1, 5))


def test_an_image_without_objects_carries_one_row_of_minus_one():
    header, _ = mx.recordio.unpack(pack_sample(smooth_image(), [], 5))
    np.testing.assert_array_equal(header.label, [2, 5, -1, -1, -1, -1, -1])
    assert header.id == 5


def test_mxnets_iterators_and_gluoncv_read_the_same_boxes(tmp_path):
    labels = [[GOOD], [GOOD, [0, 0, 0, 1, 1]]]
    samples = [(smooth_image(), rows) for rows in labels]
    write_records(tmp_path / "some", samples)
    rec, idx = str(tmp_path / "some.rec"), str(tmp_path / "some.idx")
    expected = np.float32([[GOOD, [-1] * 5], labels[1]])

    python_iterator = mx.image.ImageDetIter(
        batch_size=2, data_shape=(3, 40, 60), path_imgrec=rec, path_imgidx=idx, shuffle=False
    )
    np.testing.assert_array_equal(python_iterator.next().label[0].asnumpy(), expected)

    native_iterator = mx.io.ImageDetRecordIter(
        path_imgrec=rec, path_imgidx=idx, batch_size=2, data_shape=(3, 40, 60), shuffle=False
    )
    raw = native_iterator.next().label[0].asnumpy()
    np.testing.assert_array_equal(raw[:, 4:6], [[2, 5]] * 2)
    np.testing.assert_array_equal(raw[:, 6:16].reshape(2, 2, 5), expected)

    for (_, label), rows in zip(gluoncv.data.RecordFileDetection(rec), labels):
        rows = np.float32(rows)
        np.testing.assert_array_equal(label[:, 4], rows[:, 0])
        np.testing.assert_allclose(label[:, :4], rows[:, 1:] * (60, 40, 60, 40), rtol=1e-6)


def test_wider_headers_and_rows_of_other_tools_are_legal():
    label = [4, 6, 640, 480, *GOOD, 1, 0, 0, 0, 1, 1, 0]
    _, labels = unpack_sample(payload_with(label), "other.rec", 7, 2)
    np.testing.assert_array_equal(labels, np.float32([GOOD, [0, 0, 0, 1, 1]]))


def test_difficult_is_a_sixth_column_and_a_jpeg_stays_as_it_is(tmp_path):
    jpeg = encode_jpeg(smooth_image())
    samples = [(jpeg, [[*GOOD, 1], [0, 0, 0, 1, 1, 0]]), (jpeg, np.zeros((0, 6)))]
    write_records(tmp_path / "some", samples)
    payloads = dict(read_payloads(tmp_path / "some.rec"))
    rows, found = unpack_rows(payloads[0], "some.rec record 0")
    assert bytes(found) == jpeg
    np.testing.assert_array_equal(rows, np.float32(samples[0][1]))
    rows, _ = unpack_rows(payloads[1], "some.rec record 1")
    np.testing.assert_array_equal(rows, [[-1] * 6])
    for (_, _, labels), (_, expected) in zip(read_records(tmp_path / "some.rec", 2), samples):
        np.testing.assert_array_equal(labels, np.float32(expected).reshape(-1, 6)[:, :5])
    label = gluoncv.data.RecordFileDetection(str(tmp_path / "some.rec"))[0][1]
    np.testing.assert_array_equal(label[:, 5], [1, 0])


@pytest.mark.parametrize(
    "row, words",
    [
        ([1, 64, 0.2, 128, 0.6], ["xmin is 64", "divide", "width"]),
        ([1, 0.1, 0.2, 0.5, 96.5], ["ymax is 96.5", "divide", "height"]),
        ([1, -0.1, 0.2, 0.5, 0.6], ["xmin is -0.1", "clip"]),
        ([1, 0.5, 0.2, 0.1, 0.6], ["reversed box", "xmin 0.5", "xmax 0.1"]),
        ([1, 0.1, 0.6, 0.5, 0.2], ["reversed box", "ymin 0.6", "ymax 0.2"]),
        ([1, 0.1, 0.2, 0.1, 0.6], ["zero-area box", "xmin 0.1"]),
        ([1, 0.1, 0.2, 0.5, 0.2], ["zero-area box", "ymin 0.2"]),
        ([2, 0.1, 0.2, 0.5, 0.6], ["class_id is 2", "from 0 to 1"]),
        ([-1, 0.1, 0.2, 0.5, 0.6], ["class_id is -1"]),
        ([0.5, 0.1, 0.2, 0.5, 0.6], ["class_id is 0.5", "whole number"]),
        ([NAN, 0.1, 0.2, 0.5, 0.6], ["class_id is nan"]),
        ([1, 0.1, NAN, 0.5, 0.6], ["ymin is nan"]),
        ([1, 0.1, 0.2, INF, 0.6], ["xmax is inf"]),
        ([1, 0.1, 0.2, 0.5, -INF], ["ymax is -inf"]),
    ],
)
def test_a_bad_row_is_named(row, words):
    message = error_of(payload_with([2, 5, *GOOD, *row]))
    for word in ["object 1", *words]:
        assert word in message
    with pytest.raises(RecordError, match="here, object 1"):
        check_labels([GOOD, row], 2, "here")


@pytest.mark.parametrize(
    "label, words",
    [
        (3.0, "label header is [3]"),  # a class id, as for image classification
        ([1, 5, *GOOD], "label header is [1, 5]"),
        ([2, 4, 0.1, 0.2, 0.5, 0.6], "label header is [2, 4]"),
        ([2.5, 5, *GOOD], "label header is [2.5, 5]"),
        ([NAN, 5, *GOOD], "label header is [nan, 5]"),
        ([INF, 5, *GOOD], "label header is [inf, 5]"),
        (GOOD, "label header is [1, 0.1]"),
        ([2, 5, *GOOD, 1, 0.1], "label length 9"),
        ([8, 5, *GOOD], "label length 7"),
    ],
)
def test_a_bad_label_vector_is_named(label, words):
    assert words in error_of(payload_with(label))


def test_labels_of_another_shape_are_refused():
    for labels in ([0.1, 0.2, 0.5, 0.6], np.zeros((2, 4)), np.zeros((1, 1, 5))):
        with pytest.raises(RecordError, match="here: labels have shape"):
            check_labels(labels, 1, "here")
    assert check_labels(np.zeros((0, 5)), 1, "here").shape == (0, 5)
    assert check_labels([GOOD, [-1] * 5], 2, "here").shape == (1, 5)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_jpeg_cut_anywhere_is_an_error(data):
    jpeg = encode_jpeg(smooth_image())
    kept = data.draw(st.integers(0, len(jpeg) - 1))
    words = "truncated JPEG" if kept >= 2 else "no JPEG image"
    assert words in error_of(payload_with([2, 5, *GOOD], jpeg[:kept]))


def test_a_jpeg_that_cannot_be_decoded_is_an_error():
    jpeg = b"\xff\xd8" + bytes(200) + b"\xff\xd9"
    assert "cannot be decoded" in error_of(payload_with([2, 5, *GOOD], jpeg))
    assert "no JPEG" in error_of(payload_with([2, 5, *GOOD], b"GIF89a" + bytes(100)))


@pytest.mark.parametrize("kept", [0, 10, 23, 30, 50])
def test_a_cut_label_is_an_error(kept):
    assert "truncated label" in error_of(pack_sample(smooth_image(), [GOOD], 7)[:kept])


@pytest.mark.parametrize("cut", [1, 5, 100, 1500])
def test_a_truncated_record_file_is_an_error(record_file, cut):
    path, _ = record_file
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(RecordError, match=r"some.rec record [0-3]: truncated record file"):
        list(read_records(path, 2))


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "holds no records"),
        ("x\ty\n", "not lines"),
        ("0\n", "not lines"),
        ("0\t7\n", "record 0"),
        ("0\t99999999\n", "record 0"),
    ],
)
def test_a_bad_index_is_an_error(record_file, text, words):
    path, _ = record_file
    path.with_suffix(".idx").write_text(text)
    with pytest.raises(RecordError, match=words):
        list(read_records(path, 2))


@pytest.mark.parametrize("suffix", [".rec", ".idx"])
def test_a_missing_file_is_named(record_file, suffix):
    path, _ = record_file
    path.with_suffix(suffix).unlink()
    with pytest.raises(RecordError, match=f"some{suffix}: no such file"):
        list(read_records(path, 2))


def test_a_bad_record_in_a_file_is_named_by_its_key(record_file):
    path, samples = record_file
    bad = np.float32([[1, 30, 20, 90, 80]])
    write_records(path.with_suffix(""), [*samples, (smooth_image(), bad)])
    with pytest.raises(RecordError, match=r"some.rec record 4, object 0: xmin is 30"):
        list(read_records(path, 2))


def test_nothing_is_unpickled_or_clamped():
    """A box on the border stays legal, one float above it does not."""
    check_labels([[0, 0, 0, 1, 1]], 1, "here")
    above = np.nextafter(np.float32(1), np.float32(2))
    with pytest.raises(RecordError, match="xmax is 1"):
        check_labels([[0, 0, 0, above, 1]], 1, "here")


def test_a_failed_write_leaves_the_old_files_alone(record_file):
    path, samples = record_file
    before = {file: file.read_bytes() for file in path.parent.iterdir()}

    def failing():
        yield samples[0]
        raise RuntimeError("the disk of the camera is empty")

    with pytest.raises(RuntimeError, match="camera"):
        write_records(path.with_suffix(""), failing())
    assert {file: file.read_bytes() for file in path.parent.iterdir()} == before


def test_a_random_payload_is_an_error_or_a_sample():
    rng = np.random.default_rng(0)
    good = pack_sample(smooth_image(), [GOOD], 7)
    for _ in range(200):
        payload = bytearray(good)
        payload[rng.integers(24 + 7 * 4)] = rng.integers(256)
        try:
            image, labels = unpack_sample(bytes(payload), "bad.rec", 7, 2)
        except RecordError as error:
            assert "bad.rec record 7" in str(error)
        else:
            assert image.shape[2] == 3
            assert (labels[:, 1:3] < labels[:, 3:]).all() and labels[:, 1:].max() <= 1


def test_the_header_is_the_one_of_im2rec():
    """Flag (number of floats), a float, two 64-bit ids, then the label vector."""
    payload = pack_sample(smooth_image(), [GOOD], 9)
    assert struct.unpack("<IfQQ", payload[:24]) == (7, 0.0, 9, 0)
    np.testing.assert_array_equal(
        np.frombuffer(payload[24:52], np.float32), np.float32([2, 5, *GOOD])
    )


def test_the_index_appears_last(tmp_path, monkeypatch):
    """Whoever finds an index finds the records that it points into."""
    appeared, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda *path: appeared.append(path[1]) or replace(*path))
    write_records(tmp_path / "some", [(smooth_image(), [GOOD])])
    assert appeared == [tmp_path / "some.rec", tmp_path / "some.idx"]
