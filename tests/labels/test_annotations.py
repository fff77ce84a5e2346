"""The data set of annotated images: strict, lazy, and honest about what it leaves out."""

from dataclasses import replace
from pathlib import Path

from single_shot.labels.annotations import (
    FINDINGS_SHOWN,
    AnnotatedDataset,
    Annotation,
    AnnotationError,
    Annotations,
    Finding,
    refusal,
)

import numpy as np
import pytest
from label_files import SIZE_PX, fractions, write_images

FAULT = Finding("zero area", "a.csv, line 3: zero-area box", Path("a.csv"), 3)
NOTE = Finding("rounded edges", "a.csv: 2 boxes end beyond", Path("a.csv"))


@pytest.fixture
def found(tmp_path):
    write_images(tmp_path, 2)
    objects = [(0, 0, 0, 4, 3)], []
    items = [
        Annotation(
            Path("a.csv"),
            SIZE_PX,
            fractions(rows),
            np.zeros(len(rows), bool),
            tmp_path / f"{k}.jpg",
        )
        for k, rows in enumerate(objects)
    ]
    return Annotations(("cat",), items, [NOTE])


def test_samples_are_images_and_labels(found):
    dataset = AnnotatedDataset(found)
    assert len(dataset) == 2 and dataset.class_names == ("cat",) and dataset.max_objects == 1
    shapes = [(image.shape, labels.shape) for image, labels in dataset]
    assert shapes == [((30, 40, 3), (1, 5)), ((30, 40, 3), (0, 5))]
    assert [rows.tolist() for rows in dataset.difficult] == [[False], []]
    assert [path.name for path in dataset.images] == ["0.jpg", "1.jpg"]
    assert dataset.findings == [NOTE] and dataset.faults == []


def test_faults_stop_it_unless_they_are_left_out(found):
    found.findings.append(FAULT)
    with pytest.raises(AnnotationError, match="1 bad objects or files.*--drop-bad") as caught:
        AnnotatedDataset(found)
    assert "line 3: zero-area box" in str(caught.value) and "rounded" not in str(caught.value)
    dataset = AnnotatedDataset(found, drop_bad=True)
    assert dataset.faults == [FAULT] and dataset.findings == [NOTE, FAULT]


def test_a_refusal_shows_the_first_faults_and_counts_the_rest():
    faults = [replace(FAULT, message=f"fault {number}") for number in range(FINDINGS_SHOWN + 5)]
    lines = refusal(faults).splitlines()
    assert lines[0].startswith("25 bad") and len(lines) == FINDINGS_SHOWN + 2
    assert lines[-2].strip() == "fault 19" and lines[-1].strip() == "and 5 more"


def test_a_bad_image_is_named_when_it_is_read(found, tmp_path):
    dataset = AnnotatedDataset(found)
    dataset.annotations[0] = replace(dataset.annotations[0], size_px=(30, 40))
    with pytest.raises(AnnotationError, match="40 x 30 pixels, but its annotation says 30 x 40"):
        dataset[0]
    (tmp_path / "1.jpg").unlink()
    with pytest.raises(AnnotationError, match="1.jpg: no such file, but a.csv describes it"):
        dataset[1]
    with pytest.raises(IndexError):
        dataset[2]


def test_no_image_at_all_is_an_empty_data_set():
    dataset = AnnotatedDataset(Annotations(("cat",), [], []))
    assert len(dataset) == 0 and dataset.max_objects == 1
