"""Label Studio's tasks: what several people, several images and nobody have said of them."""

import json

from single_shot.labels.label_studio import read_label_studio

import pytest
from label_files import SIZE_PX, write_images


def region(label="cat", x=10, **fields):
    value = {"x": x, "y": 10, "width": 40, "height": 40, "rectanglelabels": [label]}
    width, height = SIZE_PX
    return {"value": value, "original_width": width, "original_height": height, **fields}


def task(*results, number=0, **fields):
    """Return a task of an image, with an annotation of each list of results."""
    annotations = [{"result": result} for result in results]
    return {"data": {"image": f"{number}.jpg"}, "annotations": annotations, **fields}


def read(folder, *tasks, **options):
    write_images(folder, len(tasks))
    (folder / "a.json").write_text(json.dumps(tasks))
    return read_label_studio(folder / "a.json", **options)


def test_an_image_that_two_people_label_in_two_ways_is_left_out(tmp_path):
    """The first one's annotation once counted, so that the other's dog was background."""
    two = task([region()], [region(), region("dog", 50)])
    same = task([region(), region("dog", 50)], [region("dog", 50), region()], number=1)
    found = read(tmp_path, two, same)
    (fault,) = found.faults
    assert fault.kind == "duplicate image" and fault.number == 0
    assert "task 0: its 2 annotations have different objects; leave one" in str(fault)
    assert [(item.image.name, len(item.labels)) for item in found.items] == [("1.jpg", 2)]
    two["annotations"][1]["ground_truth"] = True
    found = read(tmp_path, two, same)
    assert not found.faults and [len(item.labels) for item in found.items] == [2, 2]


@pytest.mark.parametrize("names", [("image", "image2"), ("image2", "image")])
def test_regions_of_another_image_of_the_task_are_faults(tmp_path, names):
    """They were once taught as objects of the first image."""
    regions = [region(label, to_name=name) for label, name in zip(("cat", "dog"), names)]
    data = {"image": "0.jpg", "image2": "1.jpg"}
    found = read(tmp_path, task(regions, data=data), task([region(), region("dog", 50)], number=1))
    (fault,) = found.faults
    assert fault.number == names.index("image2") and "it is drawn on 'image2'" in str(fault)
    assert [len(item.labels) for item in found.items] == [1, 2]


def test_regions_say_which_image_of_the_task_is_theirs(tmp_path):
    data = {"image": "0.jpg", "image2": "1.jpg"}
    for name, image in (("image2", "1.jpg"), ("image", "0.jpg"), ("picture", "0.jpg")):
        content = task([region(to_name=name)], data=data)
        write_images(tmp_path, 2)
        found = read(tmp_path / name, content, images=tmp_path)
        assert not found.faults and [item.image.name for item in found.items] == [image]


def test_tasks_that_nobody_has_labelled_are_no_background(tmp_path):
    skipped = task([], number=1)
    skipped["annotations"][0]["was_cancelled"] = True
    predicted = task(number=2, predictions=[{"result": [region()]}])
    found = read(tmp_path, task([region()]), skipped, predicted, task([], number=3))
    assert [item.image.name for item in found.items] == ["0.jpg", "3.jpg"] and not found.faults
    said = " ".join(found.conventions)
    assert "2 tasks that nobody has annotated, or that were skipped, are left out" in said
    assert "predictions of 1 tasks are not read" in said


def test_uploads_may_lie_under_the_names_that_they_had_before(tmp_path):
    write_images(tmp_path / "images", 3)
    (tmp_path / "images" / "1.jpg").rename(tmp_path / "images" / "ab12cd34-1.jpg")
    tasks = [
        task([region()], data={"image": f"/data/upload/1/{sign}{number}.jpg"})
        for number, sign in enumerate(("99aabbcc-", "ab12cd34-", "holiday1-"))
    ]
    (tmp_path / "a.json").write_text(json.dumps(tasks))
    found = read_label_studio(tmp_path / "a.json")
    names = [item.image.name for item in found.items if item.image.is_file()]
    assert names == ["0.jpg", "ab12cd34-1.jpg"]
    assert any("1 images were found without the signs" in said for said in found.conventions)
