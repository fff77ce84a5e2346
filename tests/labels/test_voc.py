"""VOC folders: what is read is what was written, and what is bad is named."""

from data import open_preset
from single_shot.labels.raw import Choices
from single_shot.labels.voc import (
    VocDataset,
    find_classes,
    read_annotation,
    read_folder,
    read_sets,
)
from single_shot.labels.voc_lists import VocError, read_ids
from single_shot.labels.voc_writer import SETS, annotation_xml, export
from utils.records import encode_jpeg

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bccd import BCCD, needs_bccd

NAMES = ("cat", "dog")


def write_folder(folder, objects, size_px=(40, 30), ids=("a",)):
    """Write a VOC folder of grey images; objects: XML text of the objects of each."""
    for part in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / part).mkdir(parents=True)
    width, height = size_px
    image = np.full((height, width, 3), 128, dtype=np.uint8)
    for image_id in ids:
        (folder / f"JPEGImages/{image_id}.jpg").write_bytes(encode_jpeg(image))
        (folder / f"Annotations/{image_id}.xml").write_text(
            f"<annotation><size><width>{width}</width><height>{height}</height></size>"
            f"{objects}</annotation>"
        )
    (folder / "ImageSets/Main/train.txt").write_text("\n".join(ids) + "\n")
    return folder


def an_object(corners, name="cat", extra=""):
    fields = "".join(
        f"<{key}>{value}</{key}>"
        for key, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    )
    return f"<object><name>{name}</name>{extra}<bndbox>{fields}</bndbox></object>"


def open_folder(folder, **options):
    return VocDataset([(folder, "train")], NAMES, **options)


def test_corners_count_pixels_from_1(tmp_path):
    objects = an_object((1, 1, 40, 30)) + an_object((11, 4, 20, 15), "dog")
    image, labels = open_folder(write_folder(tmp_path / "voc", objects))[0]
    assert image.shape == (30, 40, 3)
    np.testing.assert_allclose(labels, [[0, 0, 0, 1, 1], [1, 0.25, 0.1, 0.5, 0.5]])


def test_an_image_without_objects_is_legal(tmp_path):
    dataset = open_folder(write_folder(tmp_path / "voc", ""))
    assert dataset[0][1].shape == (0, 5) and dataset.max_objects == 1


def test_difficult_objects_are_kept_and_marked(tmp_path):
    objects = an_object((1, 1, 5, 5)) + an_object((1, 1, 9, 9), extra="<difficult>1</difficult>")
    dataset = open_folder(write_folder(tmp_path / "voc", objects))
    assert dataset.difficult[0].tolist() == [False, True] and len(dataset[0][1]) == 2


def test_sets_are_joined(tmp_path):
    first = write_folder(tmp_path / "2007", an_object((1, 1, 5, 5)), ids=("a", "b"))
    second = write_folder(tmp_path / "2012", "", ids=("c",))
    dataset = VocDataset([(first, "train"), (second, "train")], NAMES)
    assert [path.stem for path in dataset.images] == ["a", "b", "c"]
    assert [len(labels) for labels in dataset.labels] == [1, 1, 0]


BAD_OBJECTS = {
    "zero-area": (an_object((9, 2, 9, 2)), "zero-area box, xmin 9 is not below xmax 9"),
    "reversed": (an_object((9, 8, 12, 3)), "reversed box, ymin 8 is not below ymax 3"),
    "counted from 0": (an_object((0, 1, 5, 5)), "xmin 0 to xmax 5 leaves the image, 1 to 40"),
    "too wide": (an_object((1, 1, 41, 5)), "xmin 1 to xmax 41 leaves the image"),
    "not a number": (an_object(("one", 1, 4, 5)), "bndbox/xmin is 'one'"),
    "nan": (an_object(("nan", 1, 4, 5)), "bndbox/xmin is 'nan'"),
    "no corner": ("<object><name>cat</name></object>", "bndbox/xmin is None"),
    "unknown class": (an_object((1, 1, 4, 5), "cow"), "name is 'cow'; the classes are cat, dog"),
}


@pytest.mark.parametrize("name", BAD_OBJECTS)
def test_a_bad_object_is_named_and_left_out_only_on_request(tmp_path, name):
    bad, message = BAD_OBJECTS[name]
    folder = write_folder(tmp_path / "voc", an_object((1, 1, 4, 5)) + bad)
    with pytest.raises(VocError, match="1 bad objects") as caught:
        open_folder(folder)
    assert "a.xml, object 1: " in str(caught.value) and message in str(caught.value)
    dataset = open_folder(folder, drop_bad=True)
    assert len(dataset[0][1]) == 1 and message in str(dataset.faults[0])


BAD_FILES = {
    "cut off": ("Annotations/a.xml", "<annotation><size>", "not safe, well-formed XML"),
    "no size": ("Annotations/a.xml", "<annotation/>", "size: width is ''"),
    "entity": (
        "Annotations/a.xml",
        '<!DOCTYPE x [<!ENTITY e "1">]><annotation><size>&e;</size></annotation>',
        "not safe, well-formed XML",
    ),
    "outside": ("ImageSets/Main/train.txt", "../../secret", "not a plain name"),
    "empty set": ("ImageSets/Main/train.txt", " \n", "holds no image id"),
    "no annotation": ("ImageSets/Main/train.txt", "z", "z.xml: no such file"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_named(tmp_path, name):
    path, text, message = BAD_FILES[name]
    folder = write_folder(tmp_path / "voc", "")
    (folder / path).write_text(text)
    with pytest.raises(VocError, match=message):
        open_folder(folder)


def test_a_set_that_is_not_there_is_named_with_those_that_are(tmp_path):
    folder = write_folder(tmp_path / "voc", "")
    with pytest.raises(VocError, match="test.txt: no such file; the sets there are train"):
        VocDataset([(folder, "test")], NAMES)


def test_an_image_of_another_size_or_absent_is_named(tmp_path):
    folder = write_folder(tmp_path / "voc", "")
    dataset = open_folder(folder)
    image = np.zeros((30, 20, 3), dtype=np.uint8)
    (folder / "JPEGImages/a.jpg").write_bytes(encode_jpeg(image))
    with pytest.raises(VocError, match="20 x 30 pixels, but its annotation says 40 x 30"):
        dataset[0]
    (folder / "JPEGImages/a.jpg").unlink()
    with pytest.raises(VocError, match="a.jpg: no such file"):
        dataset[0]


@given(
    st.lists(
        st.tuples(*[st.integers(0, 1), *[st.integers(0, 29)] * 2, *[st.integers(1, 20)] * 2]),
        max_size=4,
        unique=True,
    )
)
def test_what_is_written_is_read(tmp_path_factory, rows):
    labels = [
        [class_id, x / 50, y / 50, (x + width + 1) / 50, (y + height + 1) / 50]
        for class_id, x, y, width, height in rows
        if x + width < 50 and y + height < 50
    ]
    path = tmp_path_factory.mktemp("voc") / "a.xml"
    annotation_xml("a", np.zeros((50, 50, 3)), labels, NAMES).write(path)
    annotation, faults = read_annotation(path, NAMES)
    assert faults == []
    np.testing.assert_allclose(annotation.labels, np.reshape(labels, (-1, 5)), atol=1e-6)


def test_export_holds_the_embedded_data_set(tmp_path):
    folder = export("multi", tmp_path / "voc_multi")
    expected = open_preset("multi", "val")
    dataset = VocDataset([(folder, SETS["val"])], expected.class_names)
    assert len(dataset) == 200
    assert len(VocDataset([(folder, SETS["train"])], expected.class_names)) == 1000
    for index in range(0, 200, 20):
        for found, known in zip(dataset[index], expected[index], strict=True):
            np.testing.assert_allclose(found, known, atol=1e-6)
    with pytest.raises(FileExistsError, match="remove it"):
        export("multi", folder)


# A slip of the hand, as BCCD has two: a click that became a box of one point.
CLICKED = {
    "first": (an_object((12, 7, 30, 21)), an_object((25, 16, 25, 16))),
    "second": (an_object((9, 28, 9, 28), "dog"), an_object((2, 3, 17, 19), "dog")),
    "sound": (an_object((5, 5, 15, 15)),),
}


def test_a_click_that_became_a_box_is_named_and_may_be_dropped(tmp_path):
    parts = []
    for name, objects in CLICKED.items():
        folder = write_folder(tmp_path / name, "".join(objects), ids=(name,))
        parts.append((folder, "train"))
    with pytest.raises(VocError, match="2 bad objects") as caught:
        VocDataset(parts, NAMES)
    for place in ("first.xml, object 1: zero-area box", "second.xml, object 0: zero-area box"):
        assert place in str(caught.value)
    assert "sound.xml" not in str(caught.value)
    dataset = VocDataset(parts, NAMES, drop_bad=True)
    assert [rows[:, 0].tolist() for rows in dataset.labels] == [[0], [1], [0]]


@needs_bccd
def test_bccd_has_two_bad_boxes():
    parts, names = [(BCCD, "trainval"), (BCCD, "test")], ("RBC", "WBC", "Platelets")
    with pytest.raises(VocError, match="2 bad objects") as caught:
        VocDataset(parts, names)
    assert "BloodImage_00338.xml" in str(caught.value)
    assert "BloodImage_00343.xml" in str(caught.value)
    dataset = VocDataset(parts, names, drop_bad=True)
    assert len(dataset) == 364 and sum(map(len, dataset.labels)) == 4888 - 2


@pytest.mark.parametrize("suffix", [".JPG", ".Jpeg", ".PNG"])
def test_the_suffix_of_a_picture_may_be_in_upper_case(tmp_path, suffix):
    folder = write_folder(tmp_path, an_object((1, 1, 10, 10)), ids=("a", "b"))
    for path in (folder / "JPEGImages").iterdir():
        path.rename(path.with_suffix(suffix))
    assert open_folder(folder)[1][0].shape == (30, 40, 3)
    annotations = read_folder(folder)
    assert annotations.findings == [] and annotations.items[0].image.name == f"a{suffix}"


def test_a_broken_annotation_may_be_dropped_before_the_classes_are_known(tmp_path):
    folder = write_folder(tmp_path, an_object((1, 1, 10, 10), "dog"), ids=("a", "b"))
    (folder / "Annotations/a.xml").write_text("<annotation>")
    parts = [(folder, "train")]
    with pytest.raises(VocError, match="a.xml: not safe, well-formed XML"):
        find_classes(parts)
    assert find_classes(parts, drop_bad=True) == ["dog"]
    dataset = VocDataset(parts, ["dog"], drop_bad=True)
    assert len(dataset) == 1 and len(dataset.faults) == 1


@pytest.mark.parametrize("size", ["<size><width>0</width><height>0</height></size>", ""])
def test_a_size_that_is_not_stated_is_repaired_from_the_image(tmp_path, size):
    folder = write_folder(tmp_path / "voc", an_object((11, 4, 20, 15)), ids=("a", "b"))
    path = folder / "Annotations/a.xml"
    text = path.read_text()
    path.write_text(text[: text.index("<size>")] + size + text[text.index("</size>") + 7 :])
    found = read_folder(folder)
    assert [finding.kind for finding in found.faults] == ["unreadable annotation"]
    assert "have --repair take them from the image" in str(found.faults[0])
    found = read_folder(folder, choices=Choices(repair=True))
    assert [finding.kind for finding in found.findings] == ["repaired"] and not found.faults
    np.testing.assert_allclose(
        [item.labels[0] for item in found.items], [[0, 0.25, 0.1, 0.5, 0.5]] * 2
    )


def test_the_image_of_the_own_name_comes_before_the_one_that_is_stated(tmp_path):
    folder = write_folder(tmp_path / "voc", an_object((1, 1, 5, 5)), ids=("a",))
    path, picture = folder / "Annotations/a.xml", folder / "JPEGImages/a.jpg"

    def state(name):
        path.write_text(
            path.read_text().replace("<annotation>", f"<annotation><filename>{name}</filename>", 1)
        )

    original = path.read_text()
    for stated, files, found in (
        ("old.jpg", ["a.jpg"], "a.jpg"),  # files were renamed, and the text stayed behind
        ("old.jpg", ["old.jpg"], "old.jpg"),
        ("C:\\set\\old.jpg", ["old.jpg"], "old.jpg"),
        ("a.png", ["a.jpg", "a.png"], "a.png"),
        ("old.jpg", ["a.jpg", "a.png"], None),
    ):
        content = picture.read_bytes()
        for file in files:
            (folder / "JPEGImages" / file).write_bytes(content)
        if "a.jpg" not in files:
            picture.unlink()
        path.write_text(original)
        state(stated)
        annotations = read_folder(folder, class_names=["cat"])
        assert [item.image.name for item in annotations.items] == ([found] if found else [])
        if not found:
            assert "a.jpg and a.png are there" in str(annotations.faults[0])
        for file in (folder / "JPEGImages").iterdir():
            file.unlink()
        picture.write_bytes(content)


def test_a_hidden_file_among_the_annotations_hides_no_images(tmp_path):
    """Such as macOS' `.DS_Store`: the images are still looked for beside the folder."""
    folder = write_folder(tmp_path, an_object((1, 1, 10, 10)))
    (folder / "Annotations/.DS_Store").write_bytes(b"\0\0\0\1Bud1")
    items = read_folder(folder / "Annotations").items
    assert items and {item.image.parent for item in items} == {folder / "JPEGImages"}


def test_a_turned_box_of_cvat_is_a_fault_and_its_bounds_a_repair(tmp_path):
    """It was once read as it had been before its turn."""
    value = "<attributes><attribute><name>rotation</name><value>{}</value></attribute></attributes>"
    for degrees, corners in (("90.0", (11, 7, 14, 14)), ("0.0", (9, 9, 16, 12)), ("left", None)):
        objects = an_object((9, 9, 16, 12), extra=value.format(degrees))
        folder = write_folder(tmp_path / degrees, objects)
        found = read_folder(folder)
        assert [fault.kind for fault in found.faults] == ["turned box"] * (degrees == "90.0")
        found = read_folder(folder, choices=Choices(repair=True))
        xmin, ymin, xmax, ymax = corners or (9, 9, 16, 12)
        edges = np.array([xmin - 1, ymin - 1, xmax, ymax]) / [40, 30, 40, 30]
        np.testing.assert_allclose(found.items[0].labels[0, 1:], edges, atol=1e-6)


def list_ids(tmp_path, text, ids):
    """Return the ids that are read from a list, beside annotations of ids."""
    for image_id in ids:
        path = tmp_path / f"Annotations/{image_id}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    path = tmp_path / "ImageSets/Main/train.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return read_ids(tmp_path, "train")


@pytest.mark.parametrize(
    "line, ids, found",
    [
        ("a  1", ["a"], "a"),
        ("a -1", [], "a"),
        ("a_100 1 1 12", ["a_100"], "a_100"),  # Oxford's pets
        ("my pic 0", ["my pic 0", "my"], "my pic 0"),
        ("my pic 0", ["my pic"], "my pic"),
        ('"my pic 0"', ["my pic 0", "my pic"], "my pic 0"),  # CVAT's
        ('"my pic" 1', ["my pic"], "my pic"),
        ("sub/a", ["sub/a"], "sub/a"),
        ("my pic", [], "my pic"),
    ],
)
def test_ids_may_have_blanks_folders_and_columns_behind_them(tmp_path, line, ids, found):
    assert list_ids(tmp_path, f"{line}\n", ids) == [found]


def test_an_id_that_may_be_two_is_refused(tmp_path):
    with pytest.raises(VocError, match="'my pic 0' or 'my pic'; put the id in quotation marks"):
        list_ids(tmp_path, "my pic 0", ["my pic 0", "my pic"])
    for line in ("../a", "/a", "sub/../a", "sub\\a", ".hidden", "a//b", '"../my pic"'):
        with pytest.raises(VocError, match="is not a plain name"):
            list_ids(tmp_path, line, [])


def test_images_lie_in_folders_as_their_ids_do(tmp_path):
    folder = write_folder(tmp_path, an_object((1, 1, 10, 10)), ids=("a",))
    for kind in ("JPEGImages", "Annotations"):
        (file,) = (folder / kind).iterdir()
        (folder / kind / "sub").mkdir()
        file.rename(folder / kind / "sub" / file.name)
    (folder / "ImageSets/Main/train.txt").write_text("sub/a")
    found = read_sets([(folder, "train")])
    assert not found.findings and found.items[0].image == folder / "JPEGImages/sub/a.jpg"
