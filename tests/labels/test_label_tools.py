"""What labelling tools write beside upright boxes: other shapes, other places, several people."""

import json
import math
import re
import shutil

from single_shot.labels import image_files
from single_shot.labels.annotations import AnnotationError
from single_shot.labels.coco_json import read_coco
from single_shot.labels.createml import read_createml
from single_shot.labels.cvat import read_cvat
from single_shot.labels.formats import guess_format, own_sets, read_source
from single_shot.labels.image_checks import check_images
from single_shot.labels.label_studio import read_label_studio
from single_shot.labels.labelme import read_labelme
from single_shot.labels.raw import Choices
from single_shot.labels.supervisely import read_supervisely
from single_shot.labels.via import read_via
from single_shot.labels.yolo import read_yolo

import numpy as np
import pytest
from label_files import SIZE_PX, texts_of, write_images

WIDTH, HEIGHT = SIZE_PX
TRIANGLE = [[4, 3], [20, 3], [12, 15]]
FLAT = [4, 3, 20, 3, 12, 15]
BOUNDS = (4, 3, 20, 15)
REPAIR = Choices(repair=True)


def write(path, content):
    """Write a text, or anything else as JSON; return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def labelme(shape):
    shapes = [{"label": "cat", **shape}]
    return {"shapes": shapes, "imagePath": "0.jpg", "imageWidth": WIDTH, "imageHeight": HEIGHT}


def via(shape):
    regions = [{"shape_attributes": shape, "region_attributes": {"type": "cat"}}]
    return {"x": {"filename": "0.jpg", "regions": regions}}


def cvat(shape):
    return (
        f'<annotations><image id="0" name="0.jpg" width="{WIDTH}" height="{HEIGHT}">{shape}'
        "</image></annotations>"
    )


def label_studio(value, **task):
    region = {"value": value, "original_width": WIDTH, "original_height": HEIGHT}
    annotations = [{"was_cancelled": True, "result": []}, {"result": [region]}]
    return [{"data": {"image": "/data/upload/3/0.jpg"}, "annotations": annotations, **task}]


def coco(**annotation):
    image = {"id": 1, "file_name": "0.jpg", "width": WIDTH, "height": HEIGHT}
    annotation = {"id": 9, "image_id": 1, "category_id": 1, **annotation}
    categories = [{"id": 1, "name": "cat"}]
    return {"images": [image], "annotations": [annotation], "categories": categories}


def supervisely(**figure):
    size = {"width": WIDTH, "height": HEIGHT}
    return {"size": size, "objects": [{"classTitle": "cat", **figure}]}


# 16 columns of 12 pixels in a mask of 40 x 30, from column 4 and row 3 on.
RUNS = [4 * HEIGHT + 3, *([12, HEIGHT - 12] * 15), 12, HEIGHT - 15 + 20 * HEIGHT]
PERCENT = [[100 * x / WIDTH, 100 * y / HEIGHT] for x, y in TRIANGLE]
SHAPES = {
    "labelme polygon": (read_labelme, "0.json", labelme({"points": TRIANGLE}), BOUNDS),
    "labelme circle": (
        read_labelme,
        "0.json",
        labelme({"shape_type": "circle", "points": [[12, 10], [15, 14]]}),
        (7, 5, 17, 15),
    ),
    "via polygon": (
        read_via,
        "a.json",
        via({"name": "polygon", "all_points_x": FLAT[::2], "all_points_y": FLAT[1::2]}),
        BOUNDS,
    ),
    "via circle": (
        read_via,
        "a.json",
        via({"name": "circle", "cx": 12, "cy": 10, "r": 5}),
        (7, 5, 17, 15),
    ),
    "via turned ellipse": (
        read_via,
        "a.json",
        via({"name": "ellipse", "cx": 12, "cy": 10, "rx": 5, "ry": 3, "theta": math.pi / 2}),
        (9, 5, 15, 15),
    ),
    "cvat polygon": (
        read_cvat,
        "a.xml",
        cvat('<polygon label="cat" points="4,3;20,3;12,15"/>'),
        BOUNDS,
    ),
    "cvat turned box": (
        read_cvat,
        "a.xml",
        cvat('<box label="cat" xtl="8" ytl="8" xbr="16" ybr="12" rotation="90"/>'),
        (10, 6, 14, 14),
    ),
    "cvat ellipse": (
        read_cvat,
        "a.xml",
        cvat('<ellipse label="cat" cx="12" cy="10" rx="5" ry="3"/>'),
        (7, 7, 17, 13),
    ),
    "cvat turned ellipse": (
        read_cvat,
        "a.xml",
        # Between the axes: half sides are the root of the mean of 7 and 1, squared.
        cvat('<ellipse label="cat" cx="12" cy="10" rx="7" ry="1" rotation="45"/>'),
        (7, 5, 17, 15),
    ),
    "cvat mask": (
        read_cvat,
        "a.xml",
        cvat('<mask label="cat" rle="3, 4" left="4" top="3" width="16" height="12"/>'),
        BOUNDS,
    ),
    "label studio polygon": (
        read_label_studio,
        "a.json",
        label_studio({"points": PERCENT, "polygonlabels": ["cat"]}),
        BOUNDS,
    ),
    "label studio turned box": (
        read_label_studio,
        "a.json",
        # 8 x 4 pixels, turned by 90 degrees about the corner (20, 3): 4 to its left, 8 below.
        label_studio(
            {"x": 50, "y": 10, "width": 20, "height": 100 * 4 / HEIGHT, "rotation": 90}
            | {"rectanglelabels": ["cat"]}
        ),
        (16, 3, 20, 11),
    ),
    "label studio ellipse": (
        read_label_studio,
        "a.json",
        label_studio({"x": 30, "y": 30, "radiusX": 20, "radiusY": 20} | {"ellipselabels": ["cat"]}),
        BOUNDS,
    ),
    "label studio turned ellipse": (
        read_label_studio,
        "a.json",
        label_studio(
            {"x": 50, "y": 50, "radiusX": 10, "radiusY": 20, "rotation": 90}
            | {"ellipselabels": ["cat"]}
        ),
        (14, 11, 26, 19),
    ),
    "coco polygon": (read_coco, "a.json", coco(segmentation=[FLAT]), BOUNDS),
    "coco mask": (
        read_coco,
        "a.json",
        coco(segmentation={"counts": RUNS, "size": [HEIGHT, WIDTH]}),
        BOUNDS,
    ),
    "coco turned box": (
        read_coco,
        "a.json",
        coco(bbox=[8, 8, 8, 4], attributes={"occluded": False, "rotation": 90.0}),
        (10, 6, 14, 14),
    ),
    "supervisely polygon": (
        read_supervisely,
        "ann/0.jpg.json",
        supervisely(geometryType="polygon", points={"exterior": TRIANGLE}),
        BOUNDS,
    ),
    "yolo polygon": (
        read_yolo,
        "0.txt",
        "0 " + " ".join(f"{x / WIDTH} {y / HEIGHT}" for x, y in TRIANGLE),
        BOUNDS,
    ),
    "yolo score": (read_yolo, "0.txt", "0 0.3 0.3 0.4 0.4 0.87", (4, 3, 20, 15)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_another_shape_is_a_fault_and_its_bounds_a_repair(tmp_path, name):
    reader, file, content, bounds_px = SHAPES[name]
    write_images(tmp_path / ("img" if reader is read_supervisely else "."), 1)
    source = write(tmp_path / file, content)
    if reader in (read_labelme, read_yolo, read_supervisely):
        source = tmp_path
    names = ["cat"]
    strict = reader(source, class_names=names)
    (fault,) = strict.faults
    assert "with --repair" in str(fault) and fault.box is not None and fault.image
    assert [len(item.labels) for item in strict.items] == [0]
    mended = reader(source, class_names=names, choices=REPAIR)
    assert not mended.faults and [each.kind for each in mended.findings] == ["repaired"]
    np.testing.assert_allclose(
        mended.items[0].labels[0, 1:] * np.tile(SIZE_PX, 2), bounds_px, atol=1e-4
    )


BAD_SHAPES = {
    "labelme line": (read_labelme, "0.json", labelme({"shape_type": "line", "points": TRIANGLE})),
    "labelme points": (read_labelme, "0.json", labelme({"points": [[1], [2]]})),
    "labelme circle": (read_labelme, "0.json", labelme({"shape_type": "circle", "points": [1]})),
    "via point": (read_via, "a.json", via({"name": "point", "cx": 3, "cy": 4})),
    "via polygon": (read_via, "a.json", via({"name": "polygon", "all_points_x": 3})),
    "cvat skeleton": (read_cvat, "a.xml", cvat('<skeleton label="cat"/>')),
    "cvat polygon": (read_cvat, "a.xml", cvat('<polygon label="cat" points="4;3"/>')),
    "label studio": (read_label_studio, "a.json", label_studio({"x": 3, "brushlabels": ["cat"]})),
    "label studio brush": (
        read_label_studio,
        "a.json",
        label_studio({"format": "rle", "rle": [1, 2], "brushlabels": ["cat"]}),
    ),
    "coco": (read_coco, "a.json", coco(segmentation={"counts": "abc", "size": [3, 4]})),
    "supervisely": (
        read_supervisely,
        "ann/0.jpg.json",
        supervisely(geometryType="bitmap", bitmap={"origin": [1, 2]}),
    ),
    "createml": (
        read_createml,
        "a.json",
        [{"image": "0.jpg", "annotations": [{"label": "cat", "coordinates": 3}]}],
    ),
}


@pytest.mark.parametrize("name", BAD_SHAPES)
def test_what_has_no_box_is_a_fault_of_its_image(tmp_path, name):
    reader, file, content = BAD_SHAPES[name]
    write_images(tmp_path / ("img" if reader is read_supervisely else "."), 1)
    source = write(tmp_path / file, content)
    if reader in (read_labelme, read_supervisely):
        source = tmp_path
    for choices in (Choices(), REPAIR):
        found = reader(source, class_names=["cat"], choices=choices)
        (fault,) = found.faults
        assert fault.kind == "bad row" and fault.image.name == "0.jpg" and str(source) in str(fault)


def test_labelme_names_images_in_another_folder(tmp_path):
    write_images(tmp_path / "images", 1)
    content = labelme({"points": TRIANGLE}) | {"imagePath": "..\\images\\0.jpg"}
    write(tmp_path / "labels" / "0.json", content)
    (tmp_path / "labels" / "settings.json").write_text('{"theme": "dark"}')  # of another program
    found = read_labelme(tmp_path / "labels", choices=REPAIR)
    assert found.items[0].image == tmp_path / "images" / "0.jpg" and not found.faults


def test_a_folder_of_labelme_is_searched_once_for_its_images(tmp_path, monkeypatch):
    """It was once for every file of it: 1200 files took eight times as long as 300."""
    listed = []

    def listing(folder):
        listed.append(folder)
        return image_files_listing(folder)

    image_files_listing = image_files.pictures_by_stem
    monkeypatch.setattr(image_files, "pictures_by_stem", listing)
    counts = []
    for count in (2, 8):
        write_images(tmp_path / "images", count)
        for number in range(count):
            content = labelme({"points": TRIANGLE}) | {"imagePath": f"{number}.jpg"}
            write(tmp_path / "annotations" / f"{number}.json", content)
        found = read_labelme(tmp_path / "annotations", choices=REPAIR)
        assert [item.image.parent.name for item in found.items] == ["images"] * count
        counts.append(len(listed))
        listed.clear()
    assert counts[0] == counts[1]


def test_files_of_labelme_in_one_folder_may_lead_to_several(tmp_path):
    for folder, image_path in ((".", "0.jpg"), ("more", "..\\more\\1.jpg")):
        write_images(tmp_path / folder, 2)
        (tmp_path / folder / f"{1 - int(image_path[-5])}.jpg").unlink()
        content = labelme({"points": TRIANGLE}) | {"imagePath": image_path}
        write(tmp_path / f"{image_path[-5]}.json", content)
    found = read_labelme(tmp_path, choices=REPAIR)
    assert not found.faults
    assert [item.image for item in found.items] == [tmp_path / "0.jpg", tmp_path / "more" / "1.jpg"]


def test_a_single_file_of_labelme_is_read(tmp_path):
    write_images(tmp_path, 2)
    path = write(tmp_path / "0.json", labelme({"points": TRIANGLE}))
    write(tmp_path / "1.json", labelme({"points": TRIANGLE}) | {"imagePath": "1.jpg"})
    name, _ = guess_format(path)
    (found,) = read_source(path, name, choices=REPAIR)
    assert [item.image for item in found.items] == [tmp_path / "0.jpg"] and not found.faults


def test_via_writes_csv_too(tmp_path):
    write_images(tmp_path, 2)
    head = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,"
    shape = '"{""name"":""rect"",""x"":4,""y"":3,""width"":16,""height"":12}"'
    row = f'0.jpg,1,"{{}}",1,0,{shape},"{{""class"":""cat""}}"'
    empty = '1.jpg,1,"{}",0,0,"{}","{}"'
    path = write(tmp_path / "a.csv", f"{head}region_attributes\n{row}\n{empty}\n")
    found = read_via(path)
    assert found.class_names == ("cat",) and [len(item.labels) for item in found.items] == [1, 0]
    np.testing.assert_allclose(found.items[0].labels[0, 1:] * np.tile(SIZE_PX, 2), BOUNDS)
    write(path, f"{head}region_attributes\n0.jpg,1,x,1,0,[,2\n")
    with pytest.raises(AnnotationError, match=r"a.csv, line 2: .*export the annotations"):
        read_via(path)


def test_a_region_of_via_needs_one_class(tmp_path):
    write_images(tmp_path, 1)
    content = via({"name": "rect", "x": 4, "y": 3, "width": 16, "height": 12})
    region = content["x"]["regions"][0]
    content["x"]["regions"] += [region | {"region_attributes": {"class": "dog"}}]
    for attributes, kinds in (
        ({"kind of": {"cat": True}}, []),
        ({"colour": "red", "Class": "cat"}, []),
        ({"colour": "red", "size": "big"}, ["unknown class"]),
        ({}, ["unknown class"]),
    ):
        region["region_attributes"] = attributes
        path = write(tmp_path / "a.json", content)
        found = read_via(path, class_names=["cat", "dog"])
        assert [finding.kind for finding in found.faults] == kinds


def test_in_a_file_of_via_without_attributes_all_is_of_the_only_class(tmp_path):
    """As in the balloons of Mask R-CNN's samples, of which every region once was a fault."""
    write_images(tmp_path, 1)
    content = via({"name": "rect", "x": 4, "y": 3, "width": 16, "height": 12})
    regions = content["x"]["regions"]
    regions[0]["region_attributes"] = {}
    path = write(tmp_path / "a.json", content)
    found = read_via(path, class_names=["balloon"])
    assert not found.findings and len(found.items[0].labels) == 1
    assert "1 regions have no attributes: all are balloon, the only class" in found.conventions
    assert [fault.kind for fault in read_via(path, class_names=["a", "b"]).faults] == [
        "unknown class"
    ]
    other = {"name": "rect", "x": 20, "y": 3, "width": 16, "height": 12}
    regions += via(other)["x"]["regions"]  # so that the first was forgotten
    (fault,) = read_via(write(path, content), class_names=["cat"]).faults
    assert fault.kind == "unknown class" and fault.number == 0


def test_a_project_of_via_3_is_refused_by_name(tmp_path):
    content = {"project": {}, "config": {}, "file": {}, "metadata": {}, "view": {}}
    with pytest.raises(AnnotationError, match="a.json: a project of VIA 3, which is not read"):
        read_via(write(tmp_path / "a.json", content))


def test_labelme_leads_to_images_in_folders_of_the_source(tmp_path):
    for number, name in enumerate(("train", "val")):
        images = write_images(tmp_path / "images" / name, 2)
        (images / f"{1 - number}.jpg").unlink()
        content = labelme({"points": TRIANGLE})
        content["imagePath"] = f"..\\..\\images\\{name}\\{number}.jpg"
        write(tmp_path / "annotations" / name / f"{number}.json", content)
    found = read_labelme(tmp_path, choices=REPAIR)
    assert not found.faults
    assert [item.image for item in found.items] == [
        tmp_path / "images" / "train" / "0.jpg",
        tmp_path / "images" / "val" / "1.jpg",
    ]
    content["imagePath"] = "../../../outside/0.jpg"
    write(tmp_path / "annotations" / "train" / "0.json", content)
    write_images(tmp_path.parent / "outside", 1)
    found = read_labelme(tmp_path, choices=REPAIR)
    assert [item.image.name for item in found.items] == ["1.jpg"] and len(found.faults) == 1


def test_two_pictures_of_one_name_are_told_by_via(tmp_path):
    """Their regions were once joined in one image. VIA tells them by the size of the file."""
    write_images(tmp_path, 2)
    shape, other = ({"name": "rect", "x": x, "y": 3, "width": 16, "height": 12} for x in (4, 20))
    (entry,), (second,) = via(shape).values(), via(other).values()
    (third,) = via(shape).values()
    content = {"0.jpg111": entry, "0.jpg222": second, "1.jpg333": third | {"filename": "1.jpg"}}
    rows = ["filename,file_size,region_shape_attributes,region_attributes"]
    for name, size, drawn in (
        *(("0.jpg", 111, shape), ("0.jpg", 222, other)),
        *(("1.jpg", 333, shape), ("1.jpg", 333, other)),
    ):
        cells = (json.dumps(each).replace('"', '""') for each in (drawn, {"type": "cat"}))
        rows.append(f"{name},{size}," + ",".join(f'"{cell}"' for cell in cells))
    sources = {
        write(tmp_path / "a.json", content): 1,
        write(tmp_path / "a.csv", "\n".join(rows)): 2,
    }
    for path, num_objects in sources.items():
        found = read_via(path)
        (fault,) = found.faults
        assert fault.kind == "duplicate image"
        assert "'0.jpg222': 0.jpg is in" in str(fault) and "'0.jpg111' already" in str(fault)
        assert [(item.image.name, len(item.labels)) for item in found.items] == [
            ("1.jpg", num_objects)
        ]


def test_a_shape_of_cvat_without_a_class_is_a_fault(tmp_path):
    """It was once left out without a word, and its image taught that it is background."""
    write_images(tmp_path, 1)
    box = '<box {}xtl="4" ytl="3" xbr="20" ybr="15"/>'
    for label in ('label="" ', 'label=" " ', ""):
        path = write(tmp_path / "a.xml", cvat(box.format(label) + '<tag label="sunny"/>'))
        (fault,) = read_cvat(path, class_names=["cat"]).faults
        assert fault.kind == "unknown class" and "shape 0: it has no class" in str(fault)


@pytest.mark.parametrize("folders", [("images/Train", "images/Val"), ("images", "images")])
def test_images_of_a_cvat_project_lie_in_folders_of_its_subsets(tmp_path, folders):
    """Or all in one folder, where somebody has put them."""
    images = write_images(tmp_path / "from", 3)
    nodes = []
    for number, (subset, folder) in enumerate(
        zip(("Train", "Train", "Val"), (*folders[:1], *folders))
    ):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        shutil.move(images / f"{number}.jpg", tmp_path / folder)
        nodes.append(f'<image name="{number}.jpg" subset="{subset}" width="40" height="30"/>')
    path = write(tmp_path / "a.xml", f"<annotations>{''.join(nodes)}</annotations>")
    found = read_cvat(path, class_names=["cat"])
    assert not found.findings
    assert [item.image.is_file() for item in found.items] == [True] * 3


@pytest.mark.parametrize("as_file", [True, False])
def test_the_subsets_of_a_cvat_project_become_sets(tmp_path, as_file):
    write_images(tmp_path, 4)
    image = '<image name="{}.jpg" subset="{}" width="40" height="30">{}</image>'
    box = '<box label="cat" xtl="4" ytl="3" xbr="20" ybr="15"/>'
    subsets = ["Train", "Train", "Validation", "Test"]
    nodes = [image.format(number, subset, box) for number, subset in enumerate(subsets)]
    path = write(tmp_path / "annotations.xml", f"<annotations>{''.join(nodes)}</annotations>")
    source = path if as_file else tmp_path
    sets, unused = own_sets(source, "cvat")
    assert (sets, unused) == (["Train", "Validation"], ["Test"])
    parts = read_source(source, "cvat", sets=sets)
    names = [[item.image.name for item in part.items] for part in parts]
    assert names == [["0.jpg", "1.jpg"], ["2.jpg"]] and not any(part.faults for part in parts)
    nodes[0] = nodes[0].replace(' subset="Train"', "")  # then a set of it would lose an image
    write(path, f"<annotations>{''.join(nodes)}</annotations>")
    assert own_sets(source, "cvat") == ([], [])


def test_cvat_of_a_film_is_refused_with_the_way_out(tmp_path):
    path = write(tmp_path / "a.xml", '<annotations><track id="0" label="cat"/></annotations>')
    with pytest.raises(AnnotationError, match="a.xml: annotates a film .*`CVAT for images`"):
        read_cvat(path)


def test_label_studio_names_images_in_four_ways(tmp_path):
    write_images(tmp_path, 1)
    value = {"x": 10, "y": 10, "width": 40, "height": 40, "rectanglelabels": ["cat"]}
    for task in (
        {"file_upload": "0.jpg"},
        {"data": {"image": "/data/local-files/?d=photos%2F0.jpg"}},
        {"data": {"photo": "https://example.com/bucket/0.jpg?signature=x"}},
    ):
        found = read_label_studio(write(tmp_path / "a.json", label_studio(value, **task)))
        assert found.items[0].image.name == "0.jpg" and len(found.items[0].labels) == 1
    smaller = {"image": "/data/upload/1/0.jpg", "id": 3, "label": [value]}  # JSON-MIN
    found = read_label_studio(write(tmp_path / "a.json", [smaller]))
    np.testing.assert_allclose(found.items[0].labels, [[0, 0.1, 0.1, 0.5, 0.5]])


def test_label_studio_keeps_the_folders_of_images(tmp_path):
    """Two images of one name were once one, and an image in folders was not there."""
    for camera in ("cam1", "cam2"):
        write_images(tmp_path / "photos" / camera, 1)
    value = {"x": 10, "y": 10, "width": 40, "height": 40, "rectanglelabels": ["cat"]}
    for address in (
        "/data/local-files/?d=srv/photos/{}/0.jpg",
        "/data/local-files/?d=photos%5C{}%5C0.jpg",
        "s3://bucket/photos/{}/0.jpg",
        "/home/ann/photos/{}/0.jpg",
        "photos/{}/0.jpg",
    ):
        images = [{"image": address.format(camera)} for camera in ("cam1", "cam2")]
        content = [task for image in images for task in label_studio(value, data=image)]
        found = read_label_studio(write(tmp_path / "a.json", content))
        assert not found.faults, address
        assert [item.image.parent.name for item in found.items] == ["cam1", "cam2"]
        flat = write_images(tmp_path / "flat", 1)
        found = read_label_studio(write(tmp_path / "a.json", content[:1]), images=flat)
        assert not found.faults and found.items[0].image == flat / "0.jpg"
    path = write(tmp_path / "a.json", content)
    faults = check_images(read_label_studio(path, images=tmp_path / "elsewhere")).faults
    assert [fault.kind for fault in faults] == ["image missing"] * 2


def test_what_is_no_address_is_the_name_of_a_file_for_label_studio(tmp_path):
    """`img#1.jpg` was once read as `img`, which meant `img.jpg`, and `//[2021]` was no fault."""
    folder = write_images(tmp_path / "[2021] photos", 2)
    (folder / "0.jpg").rename(folder / "img.jpg")
    (folder / "1.jpg").rename(folder / "img#1.jpg")
    value = {"x": 10, "y": 10, "width": 40, "height": 40, "rectanglelabels": ["cat"]}
    for name, image in (
        ("img#1.jpg", "img#1.jpg"),
        ("img.jpg", "img.jpg"),
        ("//[2021] photos/img.jpg", "img.jpg"),
    ):
        path = write(tmp_path / "a.json", label_studio(value, data={"image": name}))
        found = read_label_studio(path, images=folder)
        assert not found.faults and found.items[0].image == folder / image
    for address, message in (
        ("http://[2021 photos/a.jpg", "task 1: its image is 'http://.2021 photos/a.jpg' .Invalid"),
        ("data:image/png;base64,iVBORw0KGgo/9j/", "task 1: names no image"),
    ):
        tasks = [{"image": "img.jpg"}, {"image": address}]
        content = [task for data in tasks for task in label_studio(value, data=data)]
        (fault,) = read_label_studio(write(path, content), images=folder).faults
        assert fault.kind == "unreadable annotation" and re.search(message, str(fault))


def test_roots_of_categories_are_left_out_and_said(tmp_path):
    content = json.loads(texts_of("coco", [[(0, 1, 2, 20, 30), (1, 5, 5, 9, 9)]])["labels.json"])
    write_images(tmp_path, 1)
    used, unused = content["categories"][:2], content["categories"][2:]
    for root in (
        {"id": 0, "name": "cat"},  # the name of one that is used
        {"id": 0, "name": "animals"},  # the parent of one
    ):
        used[0]["supercategory"] = "animals"
        content["categories"] = [root, *used]
        found = read_coco(write(tmp_path / "a.json", content))
        assert found.class_names == ("cat", "dog") and len(found.items[0].labels) == 2
        assert [finding.kind for finding in found.findings] == ["root category"]
        assert not found.faults
    for each, annotation in zip(used, content["annotations"]):
        each["id"] = annotation["category_id"] = 1 if each is used[0] else 2
    # A class without objects that has the first id is a root where none is below anything.
    for top, names in (("", ("cat", "dog")), ("none", ("bird", "cat", "dog"))):
        for each in used:
            each["supercategory"] = top
        content["categories"] = [{"id": 0, "name": "bird", "supercategory": top}, *used]
        found = read_coco(write(tmp_path / "a.json", content))
        assert found.class_names == names and len(found.findings) == (not top)
    used[0]["supercategory"] = used[1]["supercategory"] = "pets"
    found = read_coco(write(tmp_path / "a.json", content))  # Roboflow's, above all others
    assert found.class_names == ("cat", "dog")
    content["categories"] = used + unused  # a class that this part of a set lacks stays
    assert len(read_coco(write(tmp_path / "a.json", content)).class_names) == 3


def test_ids_that_are_no_whole_numbers_are_repaired_and_said(tmp_path):
    write_images(tmp_path, 1)
    for make in (float, str):
        content = coco(bbox=[4, 3, 16, 12])
        content["images"][0]["id"] = make(1)
        content["annotations"][0]["category_id"] = make(1)
        path = write(tmp_path / "a.json", content)
        assert "have --repair do so" in str(read_coco(path).faults[0])
        found = read_coco(path, choices=REPAIR)
        assert not found.faults and len(found.items[0].labels) == 1
        assert [str(each).split(": ")[1] for each in found.findings] == [
            "1 ids in images are made whole numbers",
            "1 ids in annotations are made whole numbers",
        ]


@pytest.mark.parametrize(
    "reader, file, content",
    [
        (read_createml, "a.json", {"image": 3}),
        (read_createml, "a.json", [{"image": "0.jpg"}]),
        (read_label_studio, "a.json", [{"data": {}}]),
        (read_label_studio, "a.json", [{"data": {"image": "0.jpg"}, "annotations": 3}]),
        (read_via, "a.json", [3]),
        (read_via, "a.json", {"x": {"filename": 3}}),
        (read_cvat, "a.xml", "<annotations/>"),
        (read_cvat, "a.xml", '<annotations><image name="0.jpg"/></annotations>'),
        (read_labelme, "0.json", {"shapes": 3}),
        (read_labelme, "0.json", {"shapes": [], "imagePath": ""}),
        (read_labelme, "0.json", "{"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, reader, file, content):
    path = write(tmp_path / file, content)
    with pytest.raises(AnnotationError, match=str(path)):
        reader(tmp_path if reader is read_labelme else path)


@pytest.mark.parametrize("name", [None, "", " ", ["cat"], {}, True])
def test_what_is_no_name_becomes_no_class(tmp_path, name):
    """A class `None` was once trained, without objects or with those that nobody had named."""
    write_images(tmp_path, 1)
    good = {"label": "cat", "points": [[1, 1], [9, 9]], "shape_type": "rectangle"}
    box = {"x": 9, "y": 9, "width": 8, "height": 8}
    read_from = {
        read_labelme: labelme(good) | {"shapes": [good, good | {"label": name}]},
        read_createml: [
            {
                "image": "0.jpg",
                "annotations": [
                    {"label": "cat", "coordinates": box},
                    {"label": name, "coordinates": box},
                ],
            }
        ],
        read_label_studio: label_studio(box | {"rectanglelabels": ["cat"]}),
    }
    annotation = read_from[read_label_studio][0]["annotations"][1]
    annotation["result"] += [{"value": box | {"rectanglelabels": [name]}}]
    for reader, content in read_from.items():
        path = write(tmp_path / reader.__name__ / "0.json", content)
        found = reader(path.parent if reader is read_labelme else path, images=tmp_path)
        assert found.class_names == ("cat",), reader
        assert [fault.kind for fault in found.faults] == ["unknown class"]
        assert "it has no class; give it one of cat" in str(found.faults[0])


def test_blanks_around_a_name_make_no_other_class(tmp_path):
    write_images(tmp_path, 1)
    shapes = [
        {"label": label, "points": [[1, 1], [9, edge]], "shape_type": "rectangle"}
        for label, edge in (("cat", 8), (" cat", 9), ("cat\n", 10), (3, 11))
    ]
    write(tmp_path / "0.json", labelme({}) | {"shapes": shapes})
    found = read_labelme(tmp_path)
    assert found.class_names == ("3", "cat") and len(found.items[0].labels) == 4


def test_what_is_said_of_a_whole_image_is_no_object(tmp_path):
    write_images(tmp_path, 1)
    box = '<box label="cat" xtl="4" ytl="3" xbr="20" ybr="15"/>'
    path = write(tmp_path / "a.xml", cvat(f'{box}<tag label="sunny"/>'))
    found = read_cvat(path)
    assert found.class_names == ("cat",) and not found.findings
    region = {"x": 10, "y": 10, "width": 40, "height": 40}
    content = label_studio(region | {"rectanglelabels": ["cat"]})
    results = content[0]["annotations"][1]["result"]
    results[0]["id"] = "r1"
    results += [
        {"type": "choices", "value": {"choices": ["good"]}},
        {"type": "relation", "from_id": "r1"},
        {"type": "textarea", "id": "r1", "value": region | {"text": ["a cat"]}},
    ]
    path = write(tmp_path / "b.json", content)
    found = read_label_studio(path)
    assert found.class_names == ("cat",) and not found.findings and len(found.items[0].labels) == 1
    results += [{"type": "rectangle", "id": "r2", "value": region}]
    results[0]["value"]["rectanglelabels"] += ["dog"]
    faults = read_label_studio(write(path, content), class_names=["cat"]).faults
    assert [fault.kind for fault in faults] == ["several classes", "unknown class"]


def test_a_size_that_is_not_stated_is_repaired_from_the_image(tmp_path):
    """As VOC's is: in COCO, CVAT and Supervisely it once was a fault whatever was asked for."""
    write_images(tmp_path, 1)
    box = '<box label="cat" xtl="4" ytl="3" xbr="20" ybr="15"/>'
    points = {"exterior": [[4, 3], [20, 15]], "interior": []}
    figure = {"classTitle": "cat", "geometryType": "rectangle", "points": points}
    of_coco = coco(bbox=[4, 3, 16, 12])
    of_coco["images"][0] |= {"width": 0, "height": None}
    sources = {
        read_coco: write(tmp_path / "a.json", of_coco),
        read_cvat: write(tmp_path / "a.xml", cvat(box).replace(f'width="{WIDTH}"', 'width="0"')),
        read_supervisely: write(
            tmp_path / "ann/0.jpg.json",
            {"size": {"width": 0, "height": 0}, "objects": [figure]},
        ),
    }
    path = sources[read_cvat]
    path.write_text(path.read_text().replace(f' height="{HEIGHT}"', ""))
    for reader, source in sources.items():
        source = tmp_path if reader is read_supervisely else source
        found = reader(source, images=tmp_path, class_names=["cat"])
        (fault,) = found.faults
        assert "or have --repair take them from the image" in str(fault), reader
        found = reader(source, images=tmp_path, choices=REPAIR)
        (note,) = found.findings
        assert note.kind == "repaired" and "'0.jpg': no size; that of the image" in str(note)
        np.testing.assert_allclose(found.items[0].labels, [[0, 0.1, 0.1, 0.5, 0.5]])


def test_one_bad_entry_leaves_the_others(tmp_path):
    write_images(tmp_path, 1)
    good = label_studio({"x": 9, "y": 9, "width": 8, "height": 8, "rectanglelabels": ["cat"]})
    entry = {"image": "0.jpg", "annotations": []}
    sources = {
        read_label_studio: write(tmp_path / "a.json", [{"data": {}}, *good]),
        read_createml: write(tmp_path / "b.json", [{"image": "1.jpg"}, entry]),
        read_cvat: write(
            tmp_path / "c.xml", cvat("").replace("<image", '<image name="1.jpg" width="x"/><image')
        ),
    }
    for reader, source in sources.items():
        found = reader(source, class_names=["cat"])
        assert [fault.kind for fault in found.faults] == ["unreadable annotation"], reader
        assert [item.image.name for item in found.items] == ["0.jpg"]


def test_names_of_images_are_shown_short_and_escaped(tmp_path):
    name = "9" * 5000 + "\n\x1b[31m"
    contents = {
        read_cvat: cvat("").replace("0.jpg", name.replace("\x1b", "")),
        read_via: {"x": {"filename": name, "regions": []}},
    }
    for reader, content in contents.items():
        found = reader(write(tmp_path / "a.json", content), class_names=["cat"])
        (fault,) = found.faults
        assert fault.kind == "unsafe path" and len(fault.message) < 500, reader
        assert fault.message.isprintable()
