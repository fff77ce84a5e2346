"""YOLO's folders: lines, names of classes, and files without a partner."""

import shutil

from single_shot.labels.annotations import AnnotationError
from single_shot.labels.yolo import names_of_sets, read_yolo
from single_shot.labels.yolo_sets import find_sets

import numpy as np
import pytest
from label_files import NAMES, fractions, jpeg, write_images, write_source

IMAGES = [[(0, 1, 2, 20, 30), (2, 0, 0, 40, 30)], [], [(1, 5, 5, 9, 9)]]


@pytest.fixture
def folder(tmp_path):
    return write_source(tmp_path / "set", "yolo", IMAGES)


def test_boxes_are_centre_and_size(folder):
    (folder / "labels/0.txt").write_text("1 0.375 0.5 0.25 0.5\n\n  2 0.5 0.5 1 1 \n")
    found = read_yolo(folder)
    np.testing.assert_allclose(found.items[0].labels, [[1, 0.25, 0.25, 0.5, 0.75], [2, 0, 0, 1, 1]])
    np.testing.assert_allclose(found.items[2].labels, fractions(IMAGES[2]), atol=1e-6)
    assert found.class_names == NAMES and not found.findings


@pytest.mark.parametrize(
    "text",
    [
        "names: [a, no, 'on']",
        "nc: 3\nnames:\n  0: a\n  1: no\n  2: on\n",
        "names:\n- a\n- no\n- on",
    ],
)
def test_names_come_from_a_data_yaml(folder, text):
    (folder / "classes.txt").unlink()
    (folder / "data.yaml").write_text(text)
    assert read_yolo(folder).class_names == ("a", "no", "on")


@pytest.mark.parametrize("nothing", ["", "null", "Null", "~"])
def test_an_entry_of_nothing_in_a_data_yaml_is_none(folder, nothing):
    (folder / "data.yaml").write_text(f"names: [cat, null, ~]\ntrain: images\nval: {nothing}\n")
    assert find_sets(folder) == ["train"]
    (folder / "classes.txt").unlink()
    assert read_yolo(folder).class_names == ("cat", "null", "~")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "names: 3",
            "names: {1: a}",
            "names: [[a]]",
            "- a",
            "names: [a",
            "{" * 5000,
            "- " * 5000,
            "a: *b",
        ),
        "a: &a [x]\nb: &b [*a, *a]\nnames: [*b]",
    ],
)
def test_a_bad_data_yaml_is_refused(folder, text):
    (folder / "classes.txt").unlink()
    (folder / "data.yaml").write_text(text)
    with pytest.raises(AnnotationError, match="data.yaml: .*--classes"):
        read_yolo(folder)


def test_a_data_yaml_that_would_take_minutes_is_not_parsed(folder):
    (folder / "classes.txt").unlink()
    (folder / "data.yaml").write_text("{" * 5000)
    with pytest.raises(AnnotationError, match="data.yaml: more than 100 brackets"):
        read_yolo(folder)


def test_a_tag_in_a_data_yaml_runs_nothing(folder):
    (folder / "classes.txt").unlink()
    (folder / "data.yaml").write_text("names: !!python/object/apply:os.system [touch ran, b, c]")
    assert read_yolo(folder).class_names == ("touch ran", "b", "c")


def test_without_names_it_asks_for_them(folder):
    (folder / "classes.txt").unlink()
    with pytest.raises(
        AnnotationError, match="no classes.txt, obj.names or data.yaml; name the classes"
    ):
        read_yolo(folder)
    assert read_yolo(folder, class_names=NAMES).class_names == NAMES


@pytest.mark.parametrize("layout", ["labels/train", "train/labels"])
def test_a_set_lies_in_either_order_of_folders(folder, layout, tmp_path):
    other = tmp_path / "other"
    for part in ("labels", "images"):
        shutil.copytree(folder / part, other / layout.replace("labels", part))
    shutil.copy(folder / "classes.txt", other)
    assert len(read_yolo(other, split="train").items) == 3
    with pytest.raises(
        AnnotationError,
        match="no images in images/test or test/images or test; the sets there are train",
    ):
        read_yolo(other, split="test")
    if layout == "labels/train":
        assert len(read_yolo(other).items) == 3


@pytest.mark.parametrize(
    "line, kind, message",
    [
        ("1 0.5 0.5 0.5", "bad row", "line 2: 4 fields; a box has five"),
        ("1 0.1 0.1 0.5 0.1 0.5 0.5", "polygon", "line 2: a polygon; with --repair, its bounds"),
        ("1 0.5 0.5 0.1 0.1 0.9", "score", "line 2: a score; with --repair, the sixth number"),
        ("1 0.1 0.1 0.5 0.1 0.5 0.5 0.1", "bad row", "line 2: 8 fields"),
        ("1 20 15 10 10", "outside image", "divided by the image's width and height"),
        ("1 0.5 0.5 0.5 0", "zero area", "line 2: zero-area box, height is 0"),
        ("1.5 0.5 0.5 0.5 0.5", "unknown class", "line 2: class is '1.5', not a whole number"),
        ("3 0.5 0.5 0.5 0.5", "unknown class", "line 2: class id is 3"),
        ("0 0.5 0.5 0.1 0.1", "duplicate object", "line 2: same class and box as line 1"),
    ],
)
def test_a_bad_line_is_named(folder, line, kind, message):
    (folder / "labels/0.txt").write_text(f"0 0.5 0.5 0.1 0.1\n{line}\n")
    (finding,) = read_yolo(folder).faults
    assert finding.kind == kind and message in str(finding)
    if kind != "outside image":  # which is said of the whole folder
        assert f"{folder}/labels/0.txt, {message}" in str(finding)


def test_files_without_a_partner_are_named(folder):
    (folder / "images/0.jpg").unlink()
    (folder / "labels/1.txt").unlink()
    found = read_yolo(folder)
    assert [finding.kind for finding in found.faults] == ["orphan annotation"]
    (note,) = [finding for finding in found.findings if not finding.is_fault]
    assert note.kind == "image without annotation" and "1.jpg" in str(note)
    assert "left out, since 0.txt has no image" in str(note)
    assert [(item.image.name, len(item.labels)) for item in found.items] == [("2.jpg", 1)]


def test_missing_folders_are_named(folder):
    shutil.rmtree(folder / "images")
    with pytest.raises(AnnotationError, match="no images with text files"):
        read_yolo(folder)
    with pytest.raises(AnnotationError, match="no such folder, or no image in it .--images."):
        read_yolo(folder, folder / "images")


@pytest.fixture
def apart(tmp_path):
    """Two pictures of one name in folders of their own, which those of their texts are called."""
    for number, place in enumerate(("c1", "c2")):
        for kind, suffix in (("pics", "jpg"), ("labels", "txt")):
            (tmp_path / "set" / kind / place).mkdir(parents=True)
            (tmp_path / "set" / kind / place / f"a.{suffix}").write_bytes(jpeg(number))
        (tmp_path / f"set/labels/{place}/a.txt").write_text(f"{number} 0.5 0.5 0.5 0.5\n")
    return tmp_path / "set"


@pytest.mark.parametrize("split, classes", [(None, [0, 1]), ("c2", [1])])
def test_texts_lie_in_folders_as_their_images_do(apart, split, classes):
    """They were once looked for in one folder, so that all images were background."""
    found = read_yolo(apart, apart / "pics", NAMES, split)
    assert [item.labels[:, 0].tolist() for item in found.items] == [[each] for each in classes]
    assert not found.findings


@pytest.mark.parametrize("layout", ["labels/c1", "c1/labels", "c1"])
def test_a_set_has_the_images_whose_texts_are_its_own(apart, layout):
    """Where all images are in one folder, those of the other set were once background."""
    texts = apart / "new" / layout
    texts.mkdir(parents=True)
    (texts / "0.txt").write_text("1 0.5 0.5 0.5 0.5\n")
    found = read_yolo(apart / "new", write_images(apart / "all", 2), NAMES, "c1")
    assert [item.image.name for item in found.items] == ["0.jpg"] and not found.findings


@pytest.mark.parametrize("names", [("c1/a.jpg", "c2/a.jpg"), ("a.jpg", "a.png")])
def test_a_text_of_two_images_is_a_fault_that_names_both(apart, names):
    shutil.rmtree(apart / "pics")
    shutil.rmtree(apart / "labels")
    for name in (*names, "b.jpg"):
        (apart / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (apart / "images" / name).write_bytes(jpeg(len(name)))
    (apart / "labels").mkdir()
    for name in "ab":
        (apart / "labels" / f"{name}.txt").write_text("1 0.5 0.5 0.5 0.5\n")
    both = [apart / "images" / name for name in names]
    found = read_yolo(apart, apart / "images", NAMES)
    assert [finding.kind for finding in found.findings] == ["ambiguous image"] * 2
    assert [finding.image for finding in found.findings] == both
    assert all(str(path) in str(finding) for finding in found.findings for path in both)
    assert [item.image.name for item in found.items] == ["b.jpg"]


def test_images_of_which_none_has_a_text_are_not_background(apart):
    (apart / "labels/c1/a.txt").rename(apart / "labels/c1/b.txt")
    with pytest.raises(AnnotationError, match="no image in it has a text file in .*labels/c1"):
        read_yolo(apart, apart / "pics", NAMES, "c1")


def test_keypoints_behind_a_box_are_left_alone(folder):
    """Without the YAML file's word for it, they would be taken for the corners of a polygon."""
    (folder / "labels/0.txt").write_text("1 0.375 0.5 0.25 0.5 0.3 0.4 2 0.4 0.6 1\n")
    assert [finding.kind for finding in read_yolo(folder).faults] == ["polygon"]
    (folder / "data.yaml").write_text("kpt_shape: [2, 3]\n")
    found = read_yolo(folder)
    np.testing.assert_allclose(found.items[0].labels, [[1, 0.25, 0.25, 0.5, 0.75]])
    assert not found.findings


@pytest.mark.parametrize("place", ["labels", "images", "elsewhere"])
def test_endings_of_text_files_may_be_in_capitals(folder, place):
    """Their pictures were once background, with a note."""
    lines = {path.stem: path.read_text() for path in (folder / "labels").iterdir()}
    shutil.rmtree(folder / "labels")
    (folder / place).mkdir(exist_ok=True)
    for name, text in lines.items():
        (folder / place / f"{name}.TXT").write_text(text)
    images = {"elsewhere": folder / "images"}.get(place)
    found = read_yolo(folder / place if images else folder, images, ["a", "b", "c"])
    assert not found.findings and [len(item.labels) for item in found.items] == [2, 0, 1]
    (folder / "images/0.jpg").unlink()
    found = read_yolo(folder / place if images else folder, images, ["a", "b", "c"])
    assert [finding.kind for finding in found.faults] == ["orphan annotation"]


def test_a_text_file_that_cannot_be_opened_leaves_its_picture_out(folder):
    """Links into a store that was not fetched lead nowhere."""
    (folder / "labels/0.txt").unlink()
    (folder / "labels/0.txt").symlink_to("../store/0.txt")
    (folder / "labels/1.txt").unlink()
    (folder / "labels/1.txt").mkdir()
    found = read_yolo(folder)
    assert [finding.kind for finding in found.findings] == ["unreadable annotation"] * 2
    assert [item.image.name for item in found.items] == ["2.jpg"]


@pytest.mark.parametrize("names", ["{}.jpg.txt", "IMG_{}.txt"])
def test_a_text_that_is_spelt_otherwise_is_that_of_the_image(folder, names):
    """It was once an orphan, and its image was background."""
    for number in range(2):
        text = names.format(number)
        (folder / f"labels/{number}.txt").rename(folder / "labels" / text)
        if text.startswith("IMG"):
            (folder / f"images/{number}.jpg").rename(folder / f"images/img_{number}.JPG")
    found = read_yolo(folder)
    assert sorted(len(item.labels) for item in found.items) == [0, 1, 2] and not found.findings
    assert "2 text files are spelt otherwise than their images" in found.conventions[0]


def test_a_text_that_may_be_meant_in_two_ways_leaves_the_image_out(folder):
    (folder / "labels/0.txt").rename(folder / "labels/A.txt")
    (folder / "images/0.jpg").rename(folder / "images/a.jpg")
    shutil.copy(folder / "labels/A.txt", folder / "labels/a.jpg.txt")
    found = read_yolo(folder)
    assert [item.image.name for item in found.items] == ["1.jpg", "2.jpg"]
    assert [finding.path.name for finding in found.faults] == ["A.txt", "a.jpg.txt"]


def test_a_text_of_an_image_in_capitals_stays_with_the_image_of_its_name(folder):
    (folder / "images/A.jpg").write_bytes(jpeg(8))
    for suffix, place in (("jpg", "images"), ("txt", "labels")):
        (folder / f"{place}/0.{suffix}").rename(folder / f"{place}/a.{suffix}")
    found = read_yolo(folder)
    labels = {item.image.name: len(item.labels) for item in found.items}
    assert labels == {"A.jpg": 0, "a.jpg": 2, "1.jpg": 0, "2.jpg": 1} and not found.faults


def test_a_text_to_be_read_by_people_is_no_orphan(folder):
    for name in ("README.txt", "val.txt"):
        (folder / "labels" / name).write_text("3 pictures\n")
    assert not read_yolo(folder).findings


@pytest.mark.parametrize("places", [("train", "valid"), ("", "train")])
def test_names_that_contradict_each_other_are_refused(folder, places):
    """LabelImg writes classes.txt for each folder; those of the second were once swapped."""
    texts = dict(zip(places, ("cat\ndog\nfox\n", "dog\ncat\nfox\n")))
    new = folder.parent / "new"
    for place in ("train", "valid"):
        shutil.copytree(folder, new / place)
        (new / place / "classes.txt").unlink()
    for place, text in texts.items():
        (new / place / "classes.txt").write_text(text)
    with pytest.raises(AnnotationError, match=r"classes.txt names .* .*classes.txt .*--classes"):
        names_of_sets(new, None, ["train", "valid"])
    (new / places[1] / "classes.txt").write_text("cat\ndog\n")  # LabelImg's grow as it is used
    assert names_of_sets(new, None, ["train", "valid"]) == ["cat", "dog", "fox"]


def test_names_of_a_yaml_file_count_beside_those_of_a_list(folder):
    (folder / "data.yaml").write_text("names: [dog, cat, fox]\n")
    with pytest.raises(AnnotationError, match="data.yaml names the classes 'dog, cat, fox'"):
        read_yolo(folder)
    assert read_yolo(folder, class_names=NAMES).class_names == NAMES


def test_an_empty_line_among_the_names_is_told(folder):
    (folder / "classes.txt").write_text("a\n\nb\nc\n\n")
    with pytest.raises(AnnotationError, match="classes.txt, line 2: empty"):
        read_yolo(folder)
