"""What is written for labelling tools, the readers read as the same boxes."""

import json
from xml.etree import ElementTree

from single_shot.labels.formats import guess_format, read_source
from single_shot.labels.writers import WRITERS, Boxes
from utils.files import InputError

import numpy as np
import pytest
from label_files import NAMES, SIZE_PX, fractions, write_images

IMAGES = [[(0, 1, 2, 20, 30), (2, 0, 0, 40, 30)], [], [(1, 5, 5, 9, 9)]]


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_written_is_read(tmp_path, name):
    write_images(tmp_path / "images", 3)
    boxes = [
        Boxes(f"{k}.jpg", SIZE_PX, fractions(objects), np.full(len(objects), 0.5))
        for k, objects in enumerate(IMAGES)
    ]
    WRITERS[name](tmp_path, boxes, NAMES)
    if name == "label-studio":  # what the tool exports once a person has accepted it
        path = tmp_path / "tasks.json"
        tasks = json.loads(path.read_text())
        for task in tasks:
            (prediction,) = task.pop("predictions")
            task["annotations"] = [{"result": prediction["result"]}]
        path.write_text(json.dumps(tasks))
    assert guess_format(tmp_path)[0] == name
    (found,) = read_source(tmp_path, name, class_names=NAMES)
    assert not found.findings and [item.image.name for item in found.items] == [
        "0.jpg",
        "1.jpg",
        "2.jpg",
    ]
    for item, objects in zip(found.items, IMAGES, strict=True):
        np.testing.assert_allclose(item.labels, fractions(objects), atol=1e-5)


def test_a_line_break_in_the_name_of_a_class_moves_no_other_class(tmp_path):
    write_images(tmp_path / "images", 1)
    labels = fractions([(2, 1, 2, 20, 30)])
    names = ("a\nb", "c\u2028d", "e")
    WRITERS["yolo"](tmp_path, [Boxes("0.jpg", SIZE_PX, labels, np.ones(1))], names)
    (found,) = read_source(tmp_path, "yolo")
    assert found.class_names == ("a b", "c d", "e") and not found.faults
    assert found.items[0].labels[0, 0] == 2


@pytest.mark.parametrize("name", WRITERS)
def test_names_that_no_screen_shows_are_written(tmp_path, name):
    image_name = "a\x1b[31m\udcff.jpg"  # a byte that is no UTF-8, as Python reads a folder
    boxes = [Boxes(image_name, SIZE_PX, fractions(IMAGES[0]), np.ones(2))]
    WRITERS[name](tmp_path, boxes, ("\x1b[2J", "c\x00", "\N{FAMILY}\u200d"))
    if name == "voc":
        (path,) = tmp_path.rglob("*.xml")
        tree = ElementTree.parse(path)
        assert tree.findtext("filename") == r"a\x1b[31m\udcff.jpg"
        names = [node.text for node in tree.iter("name")]
        assert names == [r"\x1b[2J", "\N{FAMILY}\u200d"]
    if name == "label-studio":
        (task,) = json.loads((tmp_path / "tasks.json").read_text())
        assert task["data"]["image"] == "/data/local-files/?d=a%1B%5B31m%FF.jpg"


def test_coco_and_label_studio_keep_the_scores(tmp_path):
    boxes = [Boxes("a b.jpg", SIZE_PX, fractions(IMAGES[0]), np.array([0.75, 0.25]))]
    for name in ("coco", "label-studio"):
        WRITERS[name](tmp_path, boxes, NAMES)
    content = json.loads((tmp_path / "labels.json").read_text())
    assert [each["score"] for each in content["annotations"]] == [0.75, 0.25]
    (task,) = json.loads((tmp_path / "tasks.json").read_text())
    assert task["data"]["image"] == "/data/local-files/?d=a%20b.jpg"
    assert task["predictions"][0]["score"] == 0.5
    assert [each["score"] for each in task["predictions"][0]["result"]] == [0.75, 0.25]


@pytest.mark.parametrize("name", WRITERS)
def test_two_images_never_share_one_file_of_labels(tmp_path, name):
    names = ["day/a.jpg", "day/a.png", "a.jpg"]
    boxes = [Boxes(each, SIZE_PX, fractions(IMAGES[0]), np.ones(2)) for each in names]
    folder = tmp_path / "out"
    if name in ("coco", "label-studio"):  # one file, which has the whole names
        WRITERS[name](folder, boxes, NAMES)
        content = json.loads(next(folder.iterdir()).read_text())
        assert len(content["images"] if name == "coco" else content) == 3
        return
    with pytest.raises(InputError, match=r"day/a.png: .* day/a.jpg .*--format coco"):
        WRITERS[name](folder, boxes, NAMES)
    assert not folder.exists()
    WRITERS[name](folder, boxes[1:], NAMES)
    assert len([*folder.rglob("a.*")]) == 2
