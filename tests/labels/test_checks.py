"""From raw objects to annotations: what is left out, and what is said of it."""

from pathlib import Path

from single_shot.labels.annotations import AnnotationError, Finding
from single_shot.labels.assembling import assemble
from single_shot.labels.checks import check_names
from single_shot.labels.csv_labels import FORM
from single_shot.labels.raw import RawImage, RawObject
from utils.records import check_labels

import numpy as np
import pytest
from label_files import NAMES, SIZE_PX, write_images


@pytest.fixture
def raw(tmp_path):
    write_images(tmp_path, 2)

    def make(objects, name="0.jpg", size_px=SIZE_PX):
        objects = [
            RawObject(label, values, number) for number, (label, *values) in enumerate(objects)
        ]
        return RawImage(name, tmp_path, tmp_path / "a.csv", objects, size_px, "a.csv")

    return make


def opened(*raw_images, class_names=NAMES):
    return assemble("a.csv", raw_images, FORM, class_names)


GOOD, OTHER = ("dog", 4, 3, 20, 15), ("cat", 0, 0, 40, 30)


def test_labels_are_fractions_and_pass_the_check_of_records(raw):
    item = opened(raw([GOOD, OTHER])).items[0]
    np.testing.assert_allclose(item.labels, [[1, 0.1, 0.1, 0.5, 0.5], [0, 0, 0, 1, 1]])
    np.testing.assert_array_equal(check_labels(item.labels, 3, "here"), item.labels)
    assert item.labels.dtype == np.float32 and item.difficult.tolist() == [False, False]


def test_a_class_may_be_a_name_or_an_id(raw):
    found = opened(raw([(2, *GOOD[1:]), ("dog", *OTHER[1:])]))
    assert found.items[0].labels[:, 0].tolist() == [2, 1]


@pytest.mark.parametrize("label", ["cow", 3, -1, 0.5, True, None])
def test_an_unknown_class_is_named(raw, label):
    found = opened(raw([GOOD, (label, *OTHER[1:])]))
    (finding,) = found.faults
    assert finding.kind == "unknown class" and finding.number == 1
    assert "cat, dog, rød panda" in str(finding)
    assert len(found.items[0].labels) == 1


def test_a_second_copy_of_an_object_is_named_and_left_out(raw):
    found = opened(raw([GOOD, OTHER, GOOD]))
    (finding,) = found.faults
    assert finding.kind == "duplicate object" and "object 2: same class and box as object 0" in str(
        finding
    )
    assert finding.box == pytest.approx((0.1, 0.1, 0.5, 0.5)) and len(found.items[0].labels) == 2
    assert not opened(raw([GOOD, ("cat", *GOOD[1:])])).faults  # another class is another object


@pytest.mark.parametrize("second", [[GOOD], [OTHER], []])
def test_an_image_that_is_there_twice_is_named(raw, second):
    """With other objects it is left out: each annotation would call the other's background."""
    found = opened(raw([GOOD]), raw(second, "./0.jpg"))
    assert [finding.kind for finding in found.faults] == ["duplicate image"]
    assert "0.jpg is in a.csv already" in str(found.faults[0])
    assert len(found.items) == (second != [OTHER])
    notes = [finding.kind for finding in found.findings if not finding.is_fault]
    assert notes == ["no object left"] * (second == [OTHER])


@pytest.mark.parametrize("name", ["../z.jpg", "/tmp/z.jpg", "C:/z.jpg", "..\\z.jpg", "", "0\0.jpg"])
def test_a_name_that_leads_elsewhere_is_refused(raw, name):
    found = opened(raw([GOOD], name))
    assert [finding.kind for finding in found.faults] == ["unsafe path"] and not found.items


def test_the_image_tells_its_size_where_the_file_does_not(raw, tmp_path):
    assert opened(raw([GOOD], size_px=None)).items[0].size_px == SIZE_PX
    found = opened(raw([GOOD], "z.jpg", None))
    assert found.faults[0].kind == "image missing" and "--images" in str(found.faults[0])
    (tmp_path / "1.jpg").write_bytes(b"\xff\xd8nothing")
    assert opened(raw([GOOD], "1.jpg", None)).faults[0].kind == "image unreadable"


def test_fractions_that_should_be_pixels_are_refused(raw):
    with pytest.raises(AnnotationError, match="a.csv: no box reaches beyond the first pixel"):
        opened(raw([("dog", 0.1, 0.1, 0.5, 1)]))


def test_rounded_edges_are_counted_in_a_note(raw):
    found = opened(raw([("dog", 0, 0, 40.05, 30), ("cat", 0, -0.01, 4, 3), GOOD]))
    (note,) = found.findings
    assert note.kind == "rounded edges" and "2 boxes" in str(note) and not found.faults


@pytest.mark.parametrize("names", [["cat", "cat"], ["cat", " "], [3]])
def test_class_names_are_distinct_texts(raw, names):
    with pytest.raises(AnnotationError, match="a.csv: class name .* name each class once"):
        opened(raw([GOOD]), class_names=names)


def test_class_names_are_found_in_alphabetical_order(raw):
    assert opened(raw([GOOD, OTHER]), class_names=None).class_names == ("cat", "dog")
    with pytest.raises(AnnotationError, match="a.csv: no annotation holds an object"):
        opened(raw([]), class_names=None)


def test_that_nothing_can_be_used_is_not_taken_for_a_set_without_objects(raw):
    faults = [Finding("bad row", f"line {number} is bad", Path("a.csv")) for number in range(5)]
    note = Finding("repaired", "line 9 is mended", Path("a.csv"))
    message = (
        "a.csv: no annotation can be used; mend them\n  line 0 is bad\n  line 1 is bad\n"
        "  line 2 is bad\n  and 2 more$"
    )
    with pytest.raises(AnnotationError, match=message):
        check_names(Path("a.csv"), [], [note, *faults])


def test_that_no_image_is_there_is_said_once(raw):
    images = [raw([GOOD], f"{name}.jpg") for name in "xyz"]
    with pytest.raises(
        AnnotationError, match="a.csv: none of its 3 images is in .*such as 'x.jpg'"
    ):
        opened(*images)
    assert len(opened(*images, raw([GOOD])).items) == 4  # each is told when it is read
