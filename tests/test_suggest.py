"""Labels that a detector suggests: in every format, for every picture that can be read."""

import json
import shutil

from data import DATA_ROOT
from single_shot.command import main
from single_shot.labels.formats import guess_format
from single_shot.labels.writers import WRITERS

import pytest

CHECKPOINT = DATA_ROOT / "pretrained" / "toy_ssd_multi.params"


@pytest.fixture
def photos(tmp_path):
    for name in ("multi_three.jpg", "multi_four.jpg", "single_none.jpg"):
        (tmp_path / "photos" / "day").mkdir(parents=True, exist_ok=True)
        shutil.copy(DATA_ROOT / "samples" / name, tmp_path / "photos" / "day" / name)
    return tmp_path / "photos"


@pytest.mark.parametrize("name", WRITERS)
def test_boxes_are_written_for_a_labelling_tool(photos, tmp_path, name, capsys):
    words = ["suggest", str(CHECKPOINT), str(photos), "--format", name]
    assert main([*words, "--out", str(tmp_path / "out"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["num_images"] == 3 and answer["num_boxes"] >= 6 and answer["format"] == name
    if name == "coco":
        images = json.loads((tmp_path / "out" / "labels.json").read_text())["images"]
        assert {each["file_name"] for each in images} == {
            f"day/{path.name}" for path in (photos / "day").iterdir()
        }
    if name != "label-studio":  # predictions are no annotations yet
        for file in (tmp_path / "out").iterdir():
            shutil.move(file, photos)
        assert guess_format(photos)[0] == name
        assert main(["prepare", str(photos), "--out", str(tmp_path / "prepared")]) == 0


def test_a_picture_that_cannot_be_read_is_told_and_the_rest_goes_on(photos, tmp_path, capsys):
    (photos / "broken.jpg").write_bytes(b"nothing")
    words = ["suggest", str(CHECKPOINT), str(photos), "--out", str(tmp_path / "out")]
    assert main(words) == 1
    captured = capsys.readouterr()
    assert "broken.jpg: no whole image" in captured.err and "in 3 images" in captured.out
    assert main(words) == 2  # the folder is there
    assert "exists; remove it" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["fotos", "clips"])
def test_where_no_image_is_nothing_is_made(tmp_path, name, capsys):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").touch()
    words = ["suggest", str(CHECKPOINT), str(tmp_path / name), "--out", str(tmp_path / "out")]
    assert main(words) == 2 and not (tmp_path / "out").exists()
    assert f"{name}: no image, and none below it (.jpg" in capsys.readouterr().err


def test_two_pictures_of_one_name_are_refused_before_any_is_looked_at(
    photos, tmp_path, capsys, monkeypatch
):
    shutil.copy(photos / "day" / "multi_four.jpg", photos / "day" / "multi_four.png")
    words = ["suggest", str(CHECKPOINT), str(photos), "--out", str(tmp_path / "out")]
    with monkeypatch.context() as patch:
        patch.setattr("single_shot.suggest.load_detector", None)
        assert main([*words, "--format", "yolo"]) == 2
    message = capsys.readouterr().err
    assert "day/multi_four.png" in message and "day/multi_four.jpg" in message
    assert not (tmp_path / "out").exists()
    assert main(words) == 0  # COCO has the whole names
