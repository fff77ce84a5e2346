"""COCO's JSON: boxes as pycocotools reads them, and what is not right by name."""

import contextlib
import io
import json

from single_shot.labels.annotations import AnnotationError
from single_shot.labels.coco_json import read_coco
from single_shot.labels.image_checks import check_images
from single_shot.labels.raw import Choices

import numpy as np
import pytest
from label_files import NAMES, SIZE_PX, fractions, texts_of, write_source
from pycocotools.coco import COCO

IMAGES = [[(0, 1, 2, 20, 30), (2, 0, 0, 40, 30)], [], [(1, 5, 5, 9, 9)]]


@pytest.fixture
def content():
    return json.loads(texts_of("coco", IMAGES)["labels.json"])


def opened(folder, content, **options):
    path = write_source(folder, "coco", IMAGES)
    path.write_text(json.dumps(content))
    return read_coco(path, **options)


def test_boxes_are_those_of_pycocotools(tmp_path, content):
    content["annotations"][0]["bbox"] = [1.25, 2.5, 18.5, 27.25]
    found = opened(tmp_path, content)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(tmp_path / "labels.json")
    for image_id, item in zip((5, 6, 7), found.items, strict=True):
        assert item.image.name == coco.imgs[image_id]["file_name"] and item.size_px == SIZE_PX
        boxes_px = [each["bbox"] for each in coco.loadAnns(coco.getAnnIds(image_id))]
        corners = item.labels[:, 1:] * np.tile(SIZE_PX, 2)
        corners[:, 2:] -= corners[:, :2]
        np.testing.assert_allclose(corners, np.reshape(boxes_px, (-1, 4)), atol=1e-5)


def test_category_ids_need_not_be_contiguous(tmp_path, content):
    found = opened(tmp_path, content)
    assert found.class_names == NAMES and not found.findings
    assert found.items[0].labels[:, 0].tolist() == [0, 2]
    content["categories"].reverse()
    assert opened(tmp_path, content).class_names == NAMES
    turned = opened(tmp_path, content, class_names=NAMES[::-1])
    assert turned.items[0].labels[:, 0].tolist() == [2, 0]


def test_a_crowd_is_difficult(tmp_path, content):
    for crowd in (1, True, "1"):
        content["annotations"][1]["iscrowd"] = crowd
        assert opened(tmp_path, content).items[0].difficult.tolist() == [False, True]


def test_the_image_tells_its_size_where_the_file_does_not(tmp_path, content):
    for entry in content["images"]:
        del entry["width"], entry["height"]
    found = opened(tmp_path, content)
    np.testing.assert_allclose(found.items[0].labels, fractions(IMAGES[0]))


def change(place, **fields):
    """Return a function that changes fields of the entry at a place such as ("images", 0)."""
    return lambda content: content[place[0]][place[1]].update(fields)


FINDINGS = {
    "orphan": (
        change(("annotations", 0), image_id=99),
        "orphan annotation",
        "annotation 100: image",
    ),
    "no image id": (change(("annotations", 0), image_id=[5]), "orphan annotation", "is a list"),
    "three numbers": (change(("annotations", 0), bbox=[1, 2, 3]), "bad row", "bbox is a list"),
    "text": (
        change(("annotations", 0), bbox=[1, 2, "x", 3]),
        "not a finite number",
        "width is 'x'",
    ),
    "category": (change(("annotations", 0), category_id=7), "unknown class", "category 7"),
    "list": (change(("annotations", 0), category_id=[7]), "unknown class", "category a list"),
    "negative": (change(("annotations", 0), bbox=[9, 9, -1, 4]), "reversed", "annotation 100: "),
    "same id": (change(("images", 1), id=5), "duplicate image", "image 1 of the list: id is 5"),
    "odd id": (change(("images", 1), id={}), "bad row", "image 1 of the list: id is a dict, not"),
    "same file": (change(("images", 1), file_name="0.jpg"), "duplicate image", "0.jpg is in"),
    "no file name": (change(("images", 1), file_name=3), "unreadable annotation", "file_name is 3"),
    "no width": (change(("images", 1), width=0), "unreadable annotation", ": width is 0, not from"),
    "no height": (change(("images", 1), height=0), "unreadable annotation", ": height is 0, not"),
    "outside": (change(("images", 1), file_name="../x.jpg"), "unsafe path", "may lead elsewhere"),
}


@pytest.mark.parametrize("name", FINDINGS)
def test_what_is_not_right_is_named(tmp_path, content, name):
    spoil, kind, message = FINDINGS[name]
    spoil(content)
    (finding,) = opened(tmp_path, content).faults
    assert finding.kind == kind
    assert f"{tmp_path}/labels.json" in str(finding) and message in str(finding)


@pytest.mark.parametrize("as_other", [float, str])
def test_an_id_that_is_no_whole_number_is_told_once(tmp_path, content, as_other):
    """Of the image, and not of its two annotations again, which a repair brings back."""
    content["images"][0]["id"] = as_other(5)
    (fault,) = opened(tmp_path, content).faults
    assert "image 0 of the list: id is" in str(fault)
    found = opened(tmp_path, content, choices=Choices(repair=True))
    assert not found.faults and len(found.items[0].labels) == 2


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", "no JSON that can be read"),
        ("[" * 100_000, "no JSON that can be read"),
        ("[]", "images is no list of objects"),
        ('{"images": [], "annotations": [3]}', "annotations is no list of objects"),
        ('{"images": [], "annotations": []}', "categories is no list of objects"),
        (
            '{"images": [], "annotations": [], "categories": [{"id": 1}]}',
            "category 1: name is None",
        ),
        ('{"images": [], "annotations": [], "categories": []}', "name the classes"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, content, message):
    path = tmp_path / "labels.json"
    path.write_text(content)
    with pytest.raises(AnnotationError, match=f"{path}.*{message}"):
        read_coco(path)


def test_a_path_of_another_machine_is_found_by_its_last_parts(tmp_path, content):
    for entry in content["images"]:
        entry["file_name"] = f"data/train/{entry['file_name']}"
    for images in (None, tmp_path / "images"):
        found = opened(tmp_path, content, images=images)
        assert [len(item.labels) for item in found.items] == [2, 0, 1] and not found.findings
        assert any("3 names lead to other folders" in said for said in found.conventions)


@pytest.mark.parametrize("image_id", ["5", 5.0])
def test_an_image_that_is_named_by_a_text_is_no_background(tmp_path, content, image_id):
    """Its annotations were of no image, so that it taught that its objects are background."""
    for annotation in content["annotations"][:2]:
        annotation["image_id"] = image_id
    found = check_images(opened(tmp_path, content))
    assert [fault.kind for fault in found.faults] == ["orphan annotation"] * 2
    assert [item.image.name for item in found.items] == ["1.jpg", "2.jpg"]
    found = opened(tmp_path, content, choices=Choices(repair=True))
    assert not found.faults and len(found.items[0].labels) == 2


def test_images_that_an_annotation_of_no_image_may_be_about_are_left_out(tmp_path, content):
    for annotation in content["annotations"][:2]:
        annotation["image_id"] = 77
    found = opened(tmp_path, content)
    assert [item.image.name for item in found.items] == ["2.jpg"]
    assert [finding.kind for finding in found.findings][-1] == "no object left"
    assert "2 images without annotations are left out" in str(found.findings[-1])


def test_two_images_of_one_id_are_both_left_out(tmp_path, content):
    """The first once kept the objects of the second."""
    content["images"][1]["id"] = 5
    found = opened(tmp_path, content)
    assert [item.image.name for item in found.items] == ["2.jpg"] and len(found.faults) == 1
    content["images"][1] = content["images"][0]  # the same entry twice
    found = opened(tmp_path, content)
    assert [item.image.name for item in found.items] == ["0.jpg", "2.jpg"]


def test_objects_of_two_categories_of_one_id_are_faults(tmp_path, content):
    """They were once all of the first."""
    content["categories"].append(content["categories"][0] | {"name": "cow"})
    found = opened(tmp_path, content)
    assert found.class_names == NAMES[1:]
    assert [fault.kind for fault in found.faults] == ["bad row", "unknown class"]
    content["categories"] = [{"id": 10, "name": name} for name in ("cat", "cow")]
    for annotation in content["annotations"]:
        annotation["category_id"] = 10
    with pytest.raises(AnnotationError, match="id is 10, there twice; give each category its own"):
        opened(tmp_path, content)


def test_a_mask_of_another_size_than_its_image_has_no_bounds(tmp_path, content):
    annotation = content["annotations"][0] | {"bbox": None}
    content["annotations"][0] = annotation
    for size, faults in (([SIZE_PX[1], SIZE_PX[0]], []), ([SIZE_PX[0], SIZE_PX[1]], ["bad row"])):
        annotation["segmentation"] = {"counts": [0, SIZE_PX[0] * SIZE_PX[1]], "size": size}
        found = opened(tmp_path, content, choices=Choices(repair=True))
        assert [fault.kind for fault in found.faults] == faults
