"""TFRecord files: what TensorFlow's object detection writes, its checksums, and what is spoiled."""

import re

from single_shot.labels.annotations import AnnotationError
from single_shot.labels.formats import own_sets, read_source
from single_shot.labels.pictures import FilePart, read_picture
from single_shot.labels.tfrecord import read_tfrecord
from single_shot.labels.tfrecord_file import crc32c

import numpy as np
import pytest
from label_files import NAMES, SIZE_PX, example, example_of, fractions, framed, jpeg, write_source

IMAGES = [[(0, 1, 2, 20, 30), (2, 0, 0, 40, 30)], [], [(1, 5, 5, 9, 9)]]
BOX = "image/object/bbox/"
TEXT, LABEL = "image/object/class/text", "image/object/class/label"
EDGES = {f"{BOX}xmin": [0.25], f"{BOX}ymin": [0.5], f"{BOX}xmax": [0.5], f"{BOX}ymax": [1.0]}


@pytest.fixture
def path(tmp_path):
    return write_source(tmp_path, "tfrecord", IMAGES)


def write(path, **features):
    """Write a record of an image with one box, with or without what features say of it."""
    features = {name.replace("__", "/"): values for name, values in features.items()}
    whole = {"image/encoded": [jpeg(0)], TEXT: [b"cat"]} | EDGES | features
    path.write_bytes(framed(example_of({k: v for k, v in whole.items() if v is not None})))
    return path


@pytest.mark.parametrize(
    "content, checksum",
    [(bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (b"123456789", 0xE3069283)],
)
def test_checksums_are_those_of_the_standard(content, checksum):
    """RFC 3720, appendix B.4, and the check value of the catalogue of CRC algorithms."""
    assert crc32c(content) == checksum


@pytest.mark.parametrize("size", [4, 1023, 1024, 1025, 3000])
def test_records_of_all_sizes_have_the_checksum_that_is_written_bit_by_bit(tmp_path, size):
    content = np.random.default_rng(size).bytes(size)
    (tmp_path / "a.tfrecord").write_bytes(framed(content))
    with pytest.raises(AnnotationError, match=r"no tf.train.Example|no image/encoded"):
        read_tfrecord(tmp_path / "a.tfrecord")
    (tmp_path / "a.tfrecord").write_bytes(framed(content)[:-1] + b"\0")
    with pytest.raises(AnnotationError, match="spoiled, by its checksum"):
        read_tfrecord(tmp_path / "a.tfrecord")


def test_images_stay_in_their_file_until_they_are_asked_for(path):
    found = read_tfrecord(path)
    assert found.class_names == NAMES and not found.findings
    for number, item in enumerate(found.items):
        assert item.image.read_bytes() == jpeg(number) and item.size_px == SIZE_PX
        assert str(item.image) == f"{path} record {number}/{number}.jpg"
        np.testing.assert_allclose(item.labels, fractions(IMAGES[number]), atol=1e-6)
        assert read_picture(item.image).shape == (*SIZE_PX[::-1], 3)
        assert isinstance(item.image.content, FilePart)


def test_ids_are_named_by_the_label_map(path):
    write(path, **{TEXT: None, LABEL: [3]})
    assert read_tfrecord(path).items[0].labels[0, 0] == 2
    path.with_name("label_map.pbtxt").write_text("item { id: 3, name: 'x', display_name: 'y' }")
    found = read_tfrecord(path)
    assert found.class_names == ("x",) and len(found.items[0].labels) == 1
    path.with_name("label_map.pbtxt").unlink()
    with pytest.raises(AnnotationError, match=r"class ids and no names \(ids: 3\)"):
        read_tfrecord(path)
    for first in (1, 0):
        found = read_tfrecord(write(path, **{TEXT: None, LABEL: [first]}), class_names=NAMES)
        assert found.items[0].labels[0, 0] == 0 and f"count from {first}" in found.conventions[0]
    path.with_name("label_map.pbtxt").write_text("item {")
    with pytest.raises(AnnotationError, match="label_map.pbtxt: no label map .*--classes"):
        read_tfrecord(path)


def test_sets_decide_together_whether_ids_count_from_0(tmp_path):
    write(tmp_path / "train.tfrecord", **{TEXT: None, LABEL: [0]})
    write(tmp_path / "val.tfrecord", **{TEXT: None, LABEL: [1]})
    sets = ["train.tfrecord", "val.tfrecord"]
    train, val = read_source(tmp_path, "tfrecord", class_names=NAMES, sets=sets)
    assert train.items[0].labels[0, 0] == 0 and val.items[0].labels[0, 0] == 1
    assert train.conventions == val.conventions and "count from 0" in val.conventions[0]


def test_without_a_label_map_the_texts_are_the_classes(tmp_path):
    found = read_tfrecord(write(tmp_path / "a.record", image__object__is_crowd=[1]))
    assert found.class_names == ("cat",) and found.items[0].difficult.tolist() == [True]
    np.testing.assert_allclose(found.items[0].labels, [[0, 0.25, 0.5, 0.5, 1]])


def write_tfds(path, sequence="objects", label="label", **features):
    """Write IMAGES as TensorFlow Datasets do; features: other fields of the first record."""
    records = []
    for number, objects in enumerate(IMAGES):
        rows = fractions(objects)
        record = {"image": [jpeg(number)], "image/filename": [f"{number}.jpg".encode()]}
        record[f"{sequence}/bbox"] = rows[:, [2, 1, 4, 3]].ravel().tolist()
        record[f"{sequence}/{label}"] = rows[:, 0].astype(int).tolist()
        records.append(record | ({} if number else features))
    path.write_bytes(b"".join(framed(example_of(record)) for record in records))
    names = "".join(f"{name}\n" for name in NAMES)
    path.with_name(f"{sequence}-{label}.labels.txt").write_text(names, encoding="utf-8")
    return path


@pytest.mark.parametrize("sequence, label", [("objects", "label"), ("bobjects", "type")])
def test_fields_of_tensorflow_datasets_are_read(tmp_path, sequence, label):
    path = tmp_path / "set-train.tfrecord-00000-of-00001"
    aside = {f"{sequence}/is_crowd": [0, 1], f"{sequence}/is_difficult": [0, 0]}
    (tmp_path / f"{sequence}-pose.labels.txt").write_text("left\n")
    found = read_tfrecord(write_tfds(path, sequence, label, **aside))
    assert found.class_names == NAMES and not found.findings
    for number, item in enumerate(found.items):
        np.testing.assert_allclose(item.labels, fractions(IMAGES[number]), atol=1e-6)
        assert item.image.read_bytes() == jpeg(number)
    assert found.items[0].difficult.tolist() == [False, True]
    path.with_name(f"{sequence}-{label}.labels.txt").unlink()
    with pytest.raises(AnnotationError, match=r"class ids and no names \(ids: 0, 1, 2\)"):
        read_tfrecord(path)


def test_an_empty_line_among_the_names_of_tensorflow_datasets_shifts_no_class(tmp_path):
    path = write_tfds(tmp_path / "set-train.tfrecord")
    (tmp_path / "objects-label.labels.txt").write_text("cat\n\ndog\nbird\n")
    with pytest.raises(AnnotationError, match="labels.txt, line 2: empty"):
        read_tfrecord(path)


def test_what_tensorflow_datasets_write_otherwise_is_refused(tmp_path):
    path = write_tfds(tmp_path / "a.tfrecord", **{"objects/bbox": [0.1, 0.2, 0.3]})
    (fault,) = read_tfrecord(path).faults
    assert "record 0: 1 xmin, 1 ymin, 0 xmax, 1 ymax, 2 class" in str(fault)
    (fault,) = read_tfrecord(write_tfds(path, **{"faces/bbox": [0.1, 0.2, 0.3, 0.4]})).faults
    assert "no image/encoded (fields: 'faces/bbox', 'image', " in str(fault)


def test_parts_are_one_set(tmp_path):
    records = [framed(example(number, objects)) for number, objects in enumerate(IMAGES)]
    for number, record in enumerate(records):
        (tmp_path / f"train.record-{number:05}-of-00003").write_bytes(record)
    (tmp_path / "val.record-00000-of-00001").write_bytes(records[0])
    sets, _ = own_sets(tmp_path, "tfrecord")
    parts = read_source(tmp_path, "tfrecord", sets=sets)
    assert [len(part.items) for part in parts] == [3, 1]
    (tmp_path / "train.record-00001-of-00003").unlink()
    with pytest.raises(AnnotationError, match="train.record-00001-of-00003: no such file, but"):
        read_source(tmp_path, "tfrecord", sets=sets)


def test_one_spoiled_record_leaves_the_others(path):
    content = bytearray(path.read_bytes())
    content[len(framed(example(0, IMAGES[0]))) + 200] ^= 1
    path.write_bytes(content)
    found = read_tfrecord(path)
    (fault,) = found.faults
    assert f"{path} record 1: spoiled, by its checksum" in str(fault) and len(found.items) == 2


def test_a_file_that_is_cut_off_compressed_or_empty_is_refused(path):
    content = path.read_bytes()
    refusals = {
        content[:-5]: "record 2: the file ends within it",
        content + b"12": "record 3: the file ends within it",
        b"\x1f\x8b\x08" + content: r"record 0: no TFRecord, or spoiled.*gunzip",
        b"": "holds no records",
        framed(b"abc") * 2: "record 0: 3 bytes, not from 4 to",
    }
    for spoiled, message in refusals.items():
        path.write_bytes(spoiled)
        with pytest.raises(AnnotationError, match=message):
            read_tfrecord(path)


@pytest.mark.parametrize(
    "features, message",
    [
        ({"image__encoded": None}, r"no image/encoded \(fields: 'image/object/bbox/xmax', "),
        ({f"{BOX}xmin": [0.1, 0.2]}, "2 xmin, 1 ymin, 1 xmax, 1 ymax, 1 class; write a value an"),
        ({TEXT: None}, "1 xmin, 1 ymin, 1 xmax, 1 ymax, 0 class"),
        ({"image__width": [0], "image__height": [30]}, "image/width or image/height is 0, not"),
        ({f"{BOX}xmax": [20.0]}, "leaves the image, 0 to 1; divide pixel coordinates"),
        ({f"{BOX}xmax": [float("nan")]}, "xmax is nan, not finite"),
        ({TEXT: [b"dog"]}, "name is 'dog'; the classes are cat"),
    ],
)
def test_what_is_not_right_is_named(tmp_path, features, message):
    path = write(tmp_path / "a.tfrecord", **features)
    (fault,) = read_tfrecord(path, class_names=["cat"]).faults
    assert str(fault).startswith(f"{path} record 0") and re.search(message, str(fault))
