"""The command line for VOC folders, from annotations to a stored detector, on a few images."""

import json

from utils import train_ssd300
from utils.detection import load_detector
from utils.records import RecordError

import pytest

from tests.labels.test_voc import an_object, write_folder

LABELS = an_object((5, 5, 20, 22)) + an_object((22, 8, 38, 28), "dog")
BAD = an_object((9, 2, 9, 8))
TINY = ["--width", "0.0625", "--epochs", "1", "--batch-size", "2"]


@pytest.fixture
def folder(tmp_path):
    """Four images for training, and the first of them held out."""
    folder = write_folder(tmp_path / "voc", LABELS, ids=("a", "b", "c", "d"))
    (folder / "ImageSets/Main/test.txt").write_text("a\n")
    return folder


def arguments(folder, *more):
    return ["--train", f"{folder}:train", "--out", str(folder / "out"), *TINY, *more]


@pytest.mark.parametrize("recipe", sorted(train_ssd300.RECIPES))
def test_from_a_folder_to_a_detector(folder, capsys, recipe):
    assert train_ssd300.main(arguments(folder, "--recipe", recipe)) == 0
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
    assert train_ssd300.main(arguments(folder)) == 2
    message = capsys.readouterr().err
    assert "c.xml, object 2: zero-area box" in message and "--drop-bad" in message
    assert train_ssd300.main(arguments(folder, "--drop-bad")) == 0
    assert "left out: " in capsys.readouterr().err


def test_a_folder_without_a_set_is_refused(folder, capsys):
    assert train_ssd300.main(["--train", str(folder)]) == 2
    assert "is not FOLDER:SET" in capsys.readouterr().err
    with pytest.raises(RecordError):
        train_ssd300.parts_of([":train"])


def test_the_paper_recipe_scales_its_rate_with_the_images_of_a_step():
    options = train_ssd300.parse_arguments(
        ["--recipe", "paper", "--batch-size", "8", "--accumulate", "2", "--epochs", "232"]
    )
    config = train_ssd300.make_config(options, train_ssd300.LAYOUTS["ssd300"])
    assert config.learning_rate == pytest.approx(5e-4)
    assert (config.optimizer, config.momentum, config.weight_decay) == ("sgd", 0.9, 5e-4)
    assert config.image_sizes == (300,) * 232 and config.bias_rate == 2
    assert [config.learning_rate_at(step, 120_000) for step in (79_999, 80_000, 100_000)] == (
        pytest.approx([5e-4, 5e-5, 5e-6])
    )
