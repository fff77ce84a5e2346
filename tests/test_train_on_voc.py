"""The command line for VOC folders, from annotations to a stored detector, on a few images."""

import json

from single_shot.command import main
from single_shot.sources import open_voc, parts_of
from utils.detection import load_detector
from utils.files import InputError

import pytest

from tests.labels.test_voc import an_object, write_folder

LABELS = an_object((5, 5, 20, 22)) + an_object((22, 8, 38, 28), "dog")
BAD = an_object((9, 2, 9, 2))
TINY = ["--width", "0.0625", "--epochs", "1", "--batch-size", "2"]


@pytest.fixture
def folder(tmp_path):
    """Four images for training, and the first of them held out."""
    folder = write_folder(tmp_path / "voc", LABELS, ids=("a", "b", "c", "d"))
    (folder / "ImageSets/Main/test.txt").write_text("a\n")
    return folder


def arguments(folder, *more):
    return ["train", "--voc", f"{folder}:train", "--out", str(folder / "out"), *TINY, *more]


@pytest.mark.parametrize("recipe", ["ssd300", "paper"])
def test_from_a_folder_to_a_detector(folder, capsys, recipe):
    assert main(arguments(folder, "--recipe", recipe)) == 0
    card = json.loads((folder / "out/card.json").read_text())
    assert card["class_names"] == ["cat", "dog"] and 0 <= card["voc_area_map"] <= 1
    detector = load_detector(folder / "out/detector.params")
    assert detector.per_class and detector.image_size == 300
    assert (folder / "out/precision_recall.png").read_bytes().startswith(b"\x89PNG")
    assert not (folder / "out/detector.running").exists()
    shown = capsys.readouterr().out
    assert "VOC07 11-point" in shown and "VOC area" in shown and "AP50:95" in shown


def test_bad_objects_stop_it_and_are_left_out_on_request(folder, capsys):
    bad = folder / "Annotations/c.xml"
    bad.write_text(bad.read_text().replace("</annotation>", BAD + "</annotation>"))
    assert main(arguments(folder, "--recipe", "ssd300")) == 2
    message = capsys.readouterr().err
    assert "c.xml, object 2: zero-area box" in message and "--drop-bad" in message
    assert main(arguments(folder, "--recipe", "ssd300", "--drop-bad")) == 0
    assert "left out: " in capsys.readouterr().err


def test_an_image_whose_objects_are_all_bad_is_no_background(folder, capsys):
    """Neither for a training nor for an evaluation, as `prepare` has it."""
    bad = folder / "Annotations/c.xml"
    bad.write_text(bad.read_text().replace(LABELS, BAD))
    for class_names in (None, ["cat", "dog"]):  # of an annotation, of a detector
        dataset = open_voc([f"{folder}:train"], class_names, drop_bad=True)
        assert [len(labels) for labels in dataset.labels] == [2, 2, 2]
        assert [path.stem for path in dataset.images] == ["a", "b", "d"]
        said = capsys.readouterr().err
        assert said.count("left out: ") == 2 and "c.jpg: all its objects are bad" in said


def test_an_annotation_that_cannot_be_read_is_left_out_on_request(folder, capsys):
    (folder / "Annotations/c.xml").write_text("<annotation><object>")
    with pytest.raises(InputError, match=r"c\.xml"):
        open_voc([f"{folder}:train"])
    dataset = open_voc([f"{folder}:train"], drop_bad=True)
    assert len(dataset) == 3 and dataset.class_names == ("cat", "dog")
    assert capsys.readouterr().err.startswith("left out: ")


def test_a_folder_without_a_set_is_refused(folder, capsys):
    assert main(["train", "--voc", str(folder)]) == 2
    assert "is not FOLDER:SET" in capsys.readouterr().err
    with pytest.raises(InputError):
        parts_of([":train"])
