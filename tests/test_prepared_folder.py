"""Prepared folders: opened as they were written, refused when they are not what they say."""

import json

from data import DATA_ROOT, open_preset
from single_shot.files import sha256
from single_shot.prepared_folder import PreparedError, open_prepared, read_manifest
from utils.records import RecordError, decode_jpeg, write_records

import numpy as np
import pytest

from tests.labels.label_files import jpeg

LABELS = [[[1, 0, 0, 0.5, 0.5, 1], [0, 0, 0, 1, 1, 0]], np.zeros((0, 6))]


@pytest.fixture
def folder(tmp_path):
    for split in ("train", "val"):
        write_records(tmp_path / split, [(jpeg(k), rows) for k, rows in enumerate(LABELS)])
    sums = {path.name: sha256(path) for path in tmp_path.iterdir()}
    manifest = {"class_names": ["cat", "dog"], "sha256": sums}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def test_samples_are_those_that_were_written(folder):
    dataset = open_prepared(folder, "train")
    assert dataset.class_names == ("cat", "dog") and len(dataset) == 2 and dataset.max_objects == 2
    np.testing.assert_array_equal(dataset[0][0], decode_jpeg(jpeg(0), "0"))
    np.testing.assert_array_equal(dataset[0][1], np.float32(LABELS[0])[:, :5])
    assert [rows.tolist() for rows in dataset.difficult] == [[True, False], []]
    assert dataset.labels[1].shape == (0, 5) and len(list(dataset)) == 2


def test_the_embedded_data_set_is_a_prepared_one():
    open_preset("multi", "val")  # builds it where it is absent
    dataset = open_prepared(DATA_ROOT / "multi", "val")
    assert len(dataset) == 200 and not any(rows.any() for rows in dataset.difficult)
    for (image, labels), (known, rows) in zip(list(dataset)[:5], open_preset("multi", "val")):
        np.testing.assert_array_equal(image, known)
        np.testing.assert_array_equal(labels, rows)


def test_files_that_have_changed_are_refused(folder):
    content = (folder / "val.rec").read_bytes()
    (folder / "val.rec").write_bytes(content[:-1] + b"x")
    with pytest.raises(PreparedError, match="val.rec: absent, or not the file that manifest.json"):
        open_prepared(folder, "val")
    (folder / "train.idx").unlink()
    with pytest.raises(PreparedError, match="train.idx: absent"):
        open_prepared(folder, "train")
    with pytest.raises(PreparedError, match="no split 'test'; choose one of train, val"):
        open_prepared(folder, "test")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"class_names": [], "sha256": {}}', '{"class_names": "ab", "sha256": {}}'],
)
def test_a_folder_of_another_kind_is_refused(folder, text):
    (folder / "manifest.json").write_text(text)
    with pytest.raises(PreparedError, match="manifest.json: .*single-shot prepare"):
        read_manifest(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(PreparedError, match="cannot be read .No such file"):
        read_manifest(folder)


def test_labels_are_checked(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"class_names": ["cat"]}))
    with pytest.raises(RecordError, match="train.rec record 0, object 0: class_id is 1"):
        open_prepared(folder, "train")
