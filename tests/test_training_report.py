import json

from single_shot import training_report
from utils.detection import DISPLAY_THRESHOLD
from utils.figures.colors import OBJECT_COLOR, POSITIVE_COLOR, PREDICTION_COLOR

import numpy as np
import pytest
from matplotlib.colors import to_hex

from tests.figure_texts import unreadable
from tests.toy_data import rectangles

FAR = [0.9, 0.9, 1.0, 1.0]


class Data:
    """Three held-out images with an object each; that of the last is difficult."""

    def __init__(self):
        samples = rectangles(3)
        self.class_names = ("rectangle",)
        self.pictures = [image for image, _ in samples]
        self.labels = [labels for _, labels in samples]
        self.difficult = [np.array([False]), np.array([False]), np.array([True])]

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        return self.pictures[index], self.labels[index]


@pytest.fixture
def data():
    return Data()


@pytest.fixture
def detections(data):
    """The first image: right, a false alarm, a duplicate; the second: nothing; the third: found."""
    boxes = [labels[0, 1:] for labels in data.labels]
    first = [[0, 0.9, *boxes[0]], [0, 0.8, *FAR], [0, 0.7, *boxes[0]], [0, 0.3, *FAR]]
    return [np.array(first), np.zeros((0, 6)), np.array([[0, 0.9, *boxes[2]]])]


def test_difficult_objects_neither_count_nor_hurt(data, detections):
    results = training_report.evaluate(detections, data)
    counts = [result.classes["rectangle"].num_objects for result in list(results.values())[:2]]
    assert counts == [2, 2]
    scores = training_report.scores_of(results)
    # One of two objects is found by the best detection: half of the area, 6 of 11 posts, 51 of 101.
    assert scores["voc_area_map"] == 0.5 and scores["voc07_map"] == pytest.approx(6 / 11)
    assert scores["ap50"] == scores["ap50_by_class"]["rectangle"] == pytest.approx(51 / 101)


def test_what_found_a_difficult_object_is_left_out(data, detections):
    found, objects = training_report.leave_out_difficult(
        detections[2], data.labels[2], np.array([True])
    )
    assert len(found) == 0 and len(objects) == 0
    found, objects = training_report.leave_out_difficult(
        detections[0], data.labels[0], np.array([False])
    )
    assert len(found) == 4 and len(objects) == 1


def edge_colors(ax):
    return [to_hex(patch.get_edgecolor()).upper() for patch in ax.patches]


def test_the_worst_images_come_first_with_their_errors(data, detections):
    figure = training_report.draw_worst(detections, data, count=2)
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["image 0: 2 errors", "image 1: 1 errors"]
    assert edge_colors(figure.axes[0]) == [POSITIVE_COLOR] + [PREDICTION_COLOR] * 2
    assert edge_colors(figure.axes[1]) == [OBJECT_COLOR]
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["background: rectangle 0.80", "duplicate 0.70"]
    assert detections[0][3, 1] < DISPLAY_THRESHOLD


def test_titles_of_small_panels_can_be_read(data, detections):
    data.images = ["set/photo_100.jpg", "set/photo_104.jpg", "set/photo_108.jpg"]
    figure = training_report.draw_worst(detections, data, count=2, inches=3)
    assert unreadable(figure) == [] and tuple(figure.get_size_inches())[0] == 6
    figure.set_size_inches(3, 2)
    assert len(unreadable(figure)) == 3


def test_a_report_is_whole(tmp_path, data, detections):
    line = {"epoch": 1, "seconds": 2.0, "images_per_second": 6.0, "cls_loss": 1.0, "box_loss": 1.0}
    text, card = training_report.write_report(tmp_path, detections, data, [line], {"seed": 7})
    assert "VOC07 11-point" in text and "VOC area" in text and "AP50:95" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(training_report.REPORT)
    assert json.loads((tmp_path / "card.json").read_text()) == card
    assert (card["seed"], card["train_seconds"], card["voc_area_map"]) == (7, 2.0, 0.5)
    assert json.loads((tmp_path / "history.json").read_text()) == [line]
    for picture in tmp_path.glob("*.png"):
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_data_set_without_objects_has_no_score(tmp_path, data):
    data.labels, data.difficult = [np.zeros((0, 5))] * 3, [np.zeros(0, dtype=bool)] * 3
    results = training_report.evaluate([np.zeros((0, 6))] * 3, data)
    assert training_report.scores_of(results)["ap50"] is None
    assert len(training_report.draw_worst([np.zeros((0, 6))] * 3, data).axes) == 3


def test_the_worst_images_are_called_by_their_files(data, detections):
    data.images = ["set/a.jpg", "set/b.jpg", f"set/{'c' * 40}.jpg"]
    figure = training_report.draw_worst(detections, data, count=3)
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["a.jpg: 2 errors", "b.jpg: 1 errors", f"{'c' * 26}.jpg: 0 errors"]
