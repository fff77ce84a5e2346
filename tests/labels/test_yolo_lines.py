"""What the longer lines of YOLO's files stand for, by all lines of a set together."""

from single_shot.labels.raw import Choices
from single_shot.labels.yolo import read_yolo
from single_shot.labels.yolo_lines import form_of, read_lines

import numpy as np
import pytest
from label_files import SIZE_PX, write_images

POSE = "0 0.5 0.5 0.4 0.6 0.4 0.4 2 0 0 0 0.6 0.7 1"
POSE_OF_PAIRS = "0 0.5 0.5 0.4 0.6 0.4 0.4 0.55 0.45 0.6 0.7"
TURNED = "0 0.5 0.2 0.8 0.5 0.5 0.8 0.2 0.5"
TRIANGLE = "0 0.1 0.1 0.5 0.1 0.5 0.5"
CLOSED = "0 0.5 0.5 0.6 0.5 0.6 0.6 0.5 0.6 0.5 0.5"
BOX = "0 0.5 0.5 0.6 0.6"


def read(folder, texts, repair=False, kpt_shape=None):
    """Return what is read of one file a text, as kinds of faults, boxes in pixels and sentences."""
    write_images(folder, len(texts))
    for number, text in enumerate(texts):
        (folder / f"{number}.txt").write_text(text)
    names = "names: [cat]\n" + (f"kpt_shape: {kpt_shape}\n" if kpt_shape else "")
    (folder / "data.yaml").write_text(names)
    found = read_yolo(folder, choices=Choices(repair=repair))
    boxes = np.concatenate([item.labels[:, 1:] * np.tile(SIZE_PX, 2) for item in found.items])
    return [str(fault) for fault in found.faults], boxes.round(3).tolist(), found.conventions


@pytest.mark.parametrize(
    "texts, kind",
    [
        ([TURNED, TURNED.replace("0.2", "0.3")], "turned box"),
        ([f"{TURNED}\n{BOX}"], "turned box"),
        ([TURNED, TRIANGLE], "polygon"),
        ([TRIANGLE, CLOSED], "polygon"),
        ([CLOSED], "polygon"),
    ],
)
def test_corners_are_named_and_their_bounds_are_a_repair(tmp_path, texts, kind):
    faults, _, said = read(tmp_path, texts)
    lines = [line for text in texts for line in text.split("\n") if line != BOX]
    assert len(faults) == len(lines) and said == ()
    for fault in faults:
        assert f"a {kind}; with --repair, its bounds are taken" in fault and "kpt" not in fault
    faults, boxes, _ = read(tmp_path, texts, repair=True)
    corners = np.array(lines[0].split()[1:], dtype=float).reshape(-1, 2) * SIZE_PX
    assert not faults and boxes[0] == pytest.approx([*corners.min(0), *corners.max(0)], abs=1e-3)


def test_keypoints_with_visibility_are_told_from_polygons(tmp_path):
    faults, boxes, said = read(tmp_path, [POSE, POSE.replace("0.6 0.7 1", "0.6 0.7 2")])
    assert not faults and boxes == [[12, 6, 28, 24]] * 2
    assert said == ("lines are boxes with 3 keypoints, which are not read",)
    faults, _, said = read(tmp_path, [POSE, POSE.replace("0.6 0.7 1", "0.6 0.7 0.9")])
    assert len(faults) == 2 and said == ()


def test_keypoints_without_visibility_are_asked_for(tmp_path):
    (fault,), _, _ = read(tmp_path, [POSE_OF_PAIRS])
    assert "a polygon; with --repair" in fault and "write kpt_shape into data.yaml" in fault
    faults, boxes, said = read(tmp_path, [POSE_OF_PAIRS], kpt_shape=[3, 2])
    assert not faults and boxes == [[12, 6, 28, 24]] and len(said) == 1
    # A box that would leave the image, beside one that would not: these are polygons.
    (fault, _), _, _ = read(tmp_path, [POSE_OF_PAIRS, POSE_OF_PAIRS.replace("0 0.5", "0 0.9")])
    assert "kpt_shape" not in fault


@pytest.mark.parametrize("angle", ["-0.3", "1.57", "45"])
def test_an_angle_is_no_score(tmp_path, angle):
    texts = [f"{BOX} 0.7", f"{BOX} {angle}"]
    faults, _, _ = read(tmp_path, texts, repair=True)
    assert len(faults) == 2 and "0.7'; export its four corners" in faults[0]
    faults, boxes, _ = read(tmp_path, texts[:1] * 2, repair=True)
    assert not faults and len(boxes) == 2


def test_an_unreadable_file_leaves_its_picture_out(tmp_path):
    write_images(tmp_path, 2)
    (tmp_path / "0.txt").write_bytes(b"\xff\xff")
    (tmp_path / "1.txt").write_text(BOX)
    found = read_yolo(tmp_path, class_names=["cat"])
    assert [item.image.name for item in found.items] == ["1.jpg"]
    assert [fault.kind for fault in found.faults] == ["unreadable annotation"]


def test_lines_keep_their_numbers(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(f"\n{BOX}\n  \n{TURNED}\n")
    lines = read_lines(path)
    assert [number for number, _ in lines] == [2, 4]
    assert form_of(lines, False).doubt[0] == "turned box"
