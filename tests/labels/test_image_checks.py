"""The images behind annotations: whole, of the right size, there once, and none forgotten."""

from single_shot.labels.image_checks import (
    SeenPictures,
    check_images,
    images_without_annotation,
    leaks,
)

import cv2
import numpy as np
import pytest
from label_files import jpeg, read, write_source

IMAGES = [[(0, 1, 2, 20, 30)], [], [(1, 5, 5, 9, 9)]]


@pytest.fixture
def source(tmp_path):
    return write_source(tmp_path, "voc", IMAGES)


def kinds(annotations):
    return [finding.kind for finding in annotations.findings]


def test_good_images_pass(source):
    found = check_images(read("voc", source))
    assert len(found.items) == 3 and not found.findings and found.class_names == ("cat", "dog")


def test_bad_images_are_named_and_left_out(source):
    (source / "images/0.jpg").unlink()
    (source / "images/1.jpg").write_bytes(jpeg(1)[:-100])
    cv2.imwrite(str(source / "images/2.jpg"), np.zeros((40, 30, 3), np.uint8))
    found = check_images(read("voc", source))
    assert kinds(found) == ["image missing", "image unreadable", "size mismatch"]
    assert not found.items and all("images/" in str(finding) for finding in found.findings)
    assert "1.jpg: no whole image" in str(found.findings[1])


def test_an_image_whose_objects_are_all_bad_is_left_out(source):
    """Without them, it would teach that they are background; one that never had any stays."""
    text = (source / "Annotations/2.xml").read_text()
    (source / "Annotations/2.xml").write_text(text.replace("<xmin>6", "<xmin>10"))
    opened = read("voc", source)
    assert [len(item.labels) for item in opened.items] == [1, 0, 0]
    found = check_images(opened)
    assert kinds(found) == ["reversed", "no object left"] and len(found.faults) == 1
    assert [item.image.name for item in found.items] == ["0.jpg", "1.jpg"]


def test_a_picture_that_is_there_twice_is_a_note(source):
    (source / "images/2.jpg").write_bytes(jpeg(0))
    found = check_images(read("voc", source))
    assert kinds(found) == ["identical pictures"] and not found.faults and len(found.items) == 3
    assert "2.jpg: the same picture as" in str(found.findings[0])
    seen = SeenPictures()
    parts = [check_images(read("voc", source), seen) for _ in range(2)]
    assert kinds(parts[1]) == ["identical pictures"] * 3  # shared between the parts


def test_images_that_nobody_described_are_notes(source):
    (source / "images/new.png").write_bytes(b"")
    (source / "images/notes.txt").write_text("no image")
    (source / "Annotations/2.xml").unlink()
    notes = images_without_annotation([check_images(read("voc", source))])
    assert [note.image.name for note in notes] == ["2.jpg", "new.png"]
    assert not any(note.is_fault for note in notes)


def test_a_bad_image_is_not_called_forgotten(source):
    (source / "images/1.jpg").write_bytes(jpeg(1)[:-100])
    assert images_without_annotation([check_images(read("voc", source))]) == []


def test_a_held_out_image_of_a_trained_group_is_a_note(source):
    items = check_images(read("voc", source)).items
    notes = leaks(items[:2], items[2:], [7, 8, 8])
    assert [note.kind for note in notes] == ["leak"] and not notes[0].is_fault
    assert notes[0].image == items[2].image and str(items[1].image) in str(notes[0])
    assert leaks(items[:2], items[2:], [7, 8, 9]) == []


@pytest.mark.parametrize("shift, is_dark", [(4, False), (0, True)])
def test_a_picture_of_few_bits_is_told(source, shift, is_dark):
    """Cameras write 12 bits into 16; nothing is seen unless all 16 are used."""
    values = np.random.default_rng(0).integers(0, 4096, (30, 40)).astype(np.uint16)
    (source / "images/0.jpg").write_bytes(cv2.imencode(".png", values << shift)[1].tobytes())
    found = check_images(read("voc", source))
    assert kinds(found) == ["dark picture"] * is_dark and not found.faults and len(found.items) == 3
