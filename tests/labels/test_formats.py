"""The format is guessed where it is plain, and asked for where it is not."""

from single_shot.labels.annotations import AnnotationError
from single_shot.labels.formats import FORMATS, guess_format, read_source

import pytest
from label_files import write_source

IMAGES = [[(0, 1, 2, 20, 30)], [(1, 5, 5, 9, 9)]]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_guessed_from_folder_and_file(tmp_path, name):
    source = write_source(tmp_path / "set", name, IMAGES)
    (tmp_path / "set" / "manifest.json").write_text("{}")  # of a data set, and no labels
    assert guess_format(tmp_path / "set")[0] == name
    assert guess_format(source)[0] == name
    (part,) = read_source(tmp_path / "set", name)
    assert len(part.items) == 2 and not part.findings


def test_what_is_not_plain_is_asked_for(tmp_path):
    write_source(tmp_path, "csv", IMAGES)
    write_source(tmp_path, "yolo", IMAGES)
    with pytest.raises(
        AnnotationError, match=r"more than one fits: csv \(\*.csv\), yolo \(labels\)"
    ):
        guess_format(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        AnnotationError, match="no format's files are there; choose with --format voc"
    ):
        guess_format(tmp_path / "empty")
    with pytest.raises(AnnotationError, match="no such file or folder"):
        guess_format(tmp_path / "absent")


def test_sets_are_files_in_the_source(tmp_path):
    for name in ("bananas_train", "bananas_val"):
        write_source(tmp_path / name, "csv", IMAGES)
    assert guess_format(tmp_path)[0] == "csv"
    sets = ["bananas_train/labels.csv", "bananas_val/labels.csv"]
    train, val = read_source(tmp_path, "csv", sets=sets)
    assert train.class_names == val.class_names == ("cat", "dog")
    assert val.items[0].image.parent == tmp_path / "bananas_val" / "images"
    with pytest.raises(AnnotationError, match="2 files of format csv .bananas_train/labels.csv"):
        read_source(tmp_path, "csv")


def test_classes_are_those_of_the_first_set(tmp_path):
    source = write_source(tmp_path, "voc", IMAGES)
    (source / "images").rename(source / "JPEGImages")
    (source / "ImageSets/Main").mkdir(parents=True)
    (source / "ImageSets/Main/train.txt").write_text("0\n")
    (source / "ImageSets/Main/val.txt").write_text("1\n")
    train, val = read_source(source, "voc", sets=["train", "val"])
    assert train.class_names == val.class_names == ("cat",)
    assert [finding.kind for finding in val.faults] == ["unknown class"]
    train, val = read_source(source, "voc", class_names=["dog", "cat"], sets=["train", "val"])
    assert train.items[0].labels[0, 0] == 1 and val.items[0].labels[0, 0] == 0
