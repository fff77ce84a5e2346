"""What a whole set tells of each file in it: where pixels begin, and which way is up."""

import io

from single_shot.labels.conventions import turned
from single_shot.labels.csv_labels import read_csv
from single_shot.labels.formats import read_source
from single_shot.labels.pictures import read_picture
from single_shot.labels.raw import Choices
from single_shot.labels.voc import read_folder

import numpy as np
import pytest
from label_files import FORMATS, SIZE_PX, fractions, jpeg, read, write_images, write_source
from PIL import Image


def write_voc(folder, boxes, size_px=SIZE_PX):
    """Write a VOC file with one box for each image."""
    width, height = size_px
    for number, box in enumerate(boxes):
        corners = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
        fields = "".join(f"<{name}>{value}</{name}>" for name, value in corners)
        (folder / f"{number}.xml").write_text(
            f"<annotation><size><width>{width}</width><height>{height}</height></size>"
            f"<object><name>cat</name><bndbox>{fields}</bndbox></object></annotation>"
        )
    return folder


@pytest.mark.parametrize(
    "boxes, choices, edges, said",
    [
        # From 1, as VOC says: corners lie inside.
        ([(1, 1, 9, 9), (11, 6, 40, 30)], Choices(), [(0, 0, 9, 9), (10, 5, 40, 30)], None),
        # A 0 tells that it is from 0; a box that reaches the width, that corners are edges.
        ([(0, 1, 9, 9), (10, 5, 40, 30)], Choices(), [(0, 1, 9, 9), (10, 5, 40, 30)], "its edges"),
        # The last pixel is the last corner: both ends lie inside.
        (
            [(0, 1, 39, 29), (10, 5, 39, 20)],
            Choices(),
            [(0, 1, 40, 30), (10, 5, 40, 21)],
            "end inside",
        ),
        ([(0, 1, 39, 9)], Choices(), [(0, 1, 39, 9)], "its edges"),  # one may be chance
        ([(1, 1, 9, 9)], Choices(origin=0), [(1, 1, 9, 9)], "from 0 .as --origin says"),
        ([(0.4, 1, 9, 9)], Choices(origin=1), [], "from 1 .as --origin says"),
    ],
)
def test_the_first_pixel_is_told_by_the_whole_set(tmp_path, boxes, choices, edges, said):
    folder = write_voc(write_images(tmp_path, len(boxes)), boxes)
    found = read_folder(folder, choices=choices)
    if edges:
        for item, expected in zip(found.items, edges, strict=True):
            np.testing.assert_allclose(item.labels, fractions([(0, *expected)]), atol=1e-6)
        assert not found.faults
    else:
        assert [finding.kind for finding in found.faults] == ["out of range"]
    text = " ".join(found.conventions)
    assert (said or "count from 1, and the box ends inside (--origin)").split(".")[0] in text


def test_fewer_zeros_than_ones_are_slips(tmp_path):
    folder = write_voc(write_images(tmp_path, 3), [(0, 2, 9, 9), (1, 1, 9, 9), (1, 3, 9, 9)])
    found = read_folder(folder)
    assert [finding.kind for finding in found.faults] == ["out of range"]
    assert found.conventions == ("pixels count from 1, and the box ends inside (--origin)",)


@pytest.mark.parametrize(
    "boxes, edges, said",
    [
        ([(1, 1, 40, 30), (1, 5, 40, 9)], [(0, 0, 40, 30), (0, 4, 40, 9)], "count from 1 (3 "),
        ([(0, 1, 40, 30), (1, 1, 40, 9)], None, "counted from 0"),  # a 0 is an edge
        ([(1, 1, 40, 30), (2, 5, 30, 9)], None, "counted from 0"),  # two may be chance
        ([(1, 1, 40, 30), (1, 5.5, 40, 9)], None, "counted from 0"),  # no pixel has half a number
    ],
)
def test_csv_that_counts_from_1_is_told_by_both_borders(tmp_path, boxes, edges, said):
    """A box over the whole image was once read a pixel short, without a word."""
    write_images(tmp_path, len(boxes))
    rows = [f"{number}.jpg,cat,{','.join(map(str, box))}\n" for number, box in enumerate(boxes)]
    (tmp_path / "a.csv").write_text("".join(["image,label,xmin,ymin,xmax,ymax\n", *rows]))
    (found,) = read_source(tmp_path, "csv")
    for item, box in zip(found.items, edges or boxes, strict=True):
        np.testing.assert_allclose(item.labels, fractions([(0, *box)]), atol=1e-6)
    assert said in found.conventions[0] and found.conventions[0].endswith("(--origin)")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_labels_turn_with_the_picture(tmp_path, orientation):
    """A bright box in the picture as stored is where the turned label says, as displayed."""
    image = np.zeros((30, 40, 3), dtype=np.uint8)
    image[6:12, 4:20] = 255
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(image).save(tmp_path / "a.png", exif=exif)
    displayed = read_picture(tmp_path / "a.png")
    height, width = displayed.shape[:2]
    rows, columns = np.nonzero(displayed[..., 0])
    expected = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    labels = turned(fractions([(0, 4, 6, 20, 12)]), orientation)
    np.testing.assert_allclose(labels[0, 1:] * [width, height, width, height], expected, atol=1e-4)


@pytest.fixture
def on_its_side(tmp_path):
    """A folder with an image that EXIF turns: 40 x 30 pixels as stored, 30 x 40 as displayed."""
    exif = Image.Exif()
    exif[274] = 6
    Image.open(io.BytesIO(jpeg(0))).save(tmp_path / "0.jpg", exif=exif)
    return tmp_path


@pytest.mark.parametrize("size_px, way", [((40, 30), "stored"), ((30, 40), "displayed")])
def test_the_stated_size_tells_how_boxes_were_drawn(on_its_side, size_px, way):
    found = read_folder(write_voc(on_its_side, [(1, 1, 10, 20)], size_px))
    assert found.items[0].size_px == (30, 40) and not found.faults
    stored = np.array([[0, 1 - 20 / 30, 0, 1, 10 / 40]])
    displayed = np.array([[0, 0, 0, 10 / 30, 20 / 40]])
    expected = stored if way == "stored" else displayed
    np.testing.assert_allclose(found.items[0].labels, expected, atol=1e-6)
    assert any(f"1 as {way}" in said for said in found.conventions)


@pytest.mark.parametrize(
    "box, choices, way",
    [
        ((1, 1, 38, 9), Choices(), "1 as stored"),  # 38 pixels do not fit into 30
        ((1, 1, 9, 38), Choices(), "1 as displayed"),
        ((1, 1, 9, 9), Choices(), "1 taken as displayed, since nothing tells (--exif)"),
        ((1, 1, 9, 9), Choices(exif="stored"), "1 as stored (--exif)"),
    ],
)
def test_without_a_size_the_boxes_tell_it_by_fitting_one_way(on_its_side, box, choices, way):
    (on_its_side / "a.csv").write_text(
        "image,label,xmin,ymin,xmax,ymax\n0.jpg,cat,{},{},{},{}\n".format(*box)
    )
    found = read_csv(on_its_side / "a.csv", choices=choices)
    assert not found.faults and any(way in said for said in found.conventions)


def test_images_without_objects_are_counted_and_can_be_left_out(tmp_path):
    write_images(tmp_path, 2)
    (tmp_path / "a.csv").write_text(
        "image,label,xmin,ymin,xmax,ymax\n0.jpg,cat,1,1,9,9\n1.jpg,,,,,\n"
    )
    found = read_csv(tmp_path / "a.csv")
    assert len(found.items) == 2
    assert "1 images without objects: taken as background (--without-objects)" in found.conventions
    found = read_csv(tmp_path / "a.csv", choices=Choices(without_objects="leave-out"))
    assert len(found.items) == 1
    assert "1 images without objects: left out (--without-objects)" in found.conventions


@pytest.mark.parametrize("name", [name for name in FORMATS if "rec" not in name])
def test_boxes_drawn_before_the_picture_was_turned_are_told_in_every_format(tmp_path, name):
    objects = [(0, 1, 2, 38, 20)]  # 38 pixels do not fit into the width as displayed
    source = write_source(tmp_path, name, [objects] * 2)
    exif = Image.Exif()
    exif[274] = 6
    for path in tmp_path.rglob("*.jpg"):
        Image.open(io.BytesIO(jpeg(int(path.stem)))).save(path, exif=exif)
    found = read(name, source)
    assert not found.faults and [item.size_px for item in found.items] == [(30, 40)] * 2
    if name in ("yolo", "lst"):  # fractions alone cannot tell
        expected, said = fractions(objects), "2 taken as displayed, since nothing tells (--exif)"
    else:
        expected, said = turned(fractions(objects), 6), "2 as stored"
    for item in found.items:
        np.testing.assert_allclose(item.labels, expected, atol=1e-5)
    assert any(said in text for text in found.conventions)
    mended = read(name, source, choices=Choices(exif="stored"))
    np.testing.assert_allclose(mended.items[0].labels, turned(fractions(objects), 6), atol=1e-5)


@pytest.mark.parametrize("name", ["yolo", "csv"])
def test_sets_decide_together_where_class_ids_begin(tmp_path, name):
    """The held-out set alone, which lacks the last class, was once read from 0."""
    ids = {"train": [(1, 2, 3), (3, 1)], "val": [(1, 2), (2, 1)]}
    sets = ["train", "val"] if name == "yolo" else ["train/a.csv", "val/a.csv"]
    for place, of_images in ids.items():
        write_images(tmp_path / place / "images", 2)
        (tmp_path / place / "labels").mkdir()
        rows = ["image,label,xmin,ymin,xmax,ymax"]
        for number, found in enumerate(of_images):
            lines = [f"{each} 0.5 0.5 0.{k} 0.5" for k, each in enumerate(found, start=1)]
            (tmp_path / place / "labels" / f"{number}.txt").write_text("\n".join(lines))
            rows += [f"{number}.jpg,{each},{k},1,20,20" for k, each in enumerate(found)]
        (tmp_path / place / "a.csv").write_text("\n".join(rows))
    names = ["cat", "dog", "bird"]
    parts = read_source(tmp_path, name, class_names=names, sets=sets)
    for part, of_images in zip(parts, ids.values(), strict=True):
        for item, found in zip(part.items, of_images, strict=True):
            assert item.labels[:, 0].tolist() == [each - 1 for each in found]
        assert part.conventions[-1] == "class ids run from 1 to 3: the first class is 1"


def test_sets_decide_together_where_pixels_begin(tmp_path):
    sets = {"train": [(0, 0, 20, 20), (0, 2, 40, 30)], "val": [(10, 15, 20, 30)]}
    for place, boxes in sets.items():
        write_voc(write_images(tmp_path / place, len(boxes)), boxes)
    train, val = read_source(tmp_path, "voc", sets=[*sets])
    np.testing.assert_allclose(val.items[0].labels, [[0, 0.25, 0.5, 0.5, 1]])
    assert train.conventions == val.conventions and "from 0" in val.conventions[0]


def test_sets_decide_together_which_way_is_up(tmp_path):
    """A small box of the held-out set fits both ways; one that trains fits as stored alone."""
    exif = Image.Exif()
    exif[274] = 6
    for place, box in (("train", "1,1,38,9"), ("val", "1,1,9,9")):
        (tmp_path / place).mkdir()
        Image.open(io.BytesIO(jpeg(0))).save(tmp_path / place / "0.jpg", exif=exif)
        text = f"image,label,xmin,ymin,xmax,ymax\n0.jpg,cat,{box}\n"
        (tmp_path / place / "a.csv").write_text(text)
    train, val = read_source(tmp_path, "csv", sets=["train/a.csv", "val/a.csv"])
    expected = turned(fractions([(0, 1, 1, 9, 9)]), 6)
    np.testing.assert_allclose(val.items[0].labels, expected, atol=1e-6)
    assert train.conventions == val.conventions
    assert any("1 as stored, 1 taken as stored" in said for said in val.conventions)


def test_sets_whose_boxes_have_other_forms_decide_apart(tmp_path):
    """Pixels have an origin, which --origin moves; fractions have none."""
    write_images(tmp_path, 2)
    header = "image,label,xmin,ymin,xmax,ymax\n"
    (tmp_path / "train.csv").write_text(f"{header}0.jpg,cat,1,1,20,30\n")
    (tmp_path / "val.csv").write_text(f"{header}1.jpg,cat,0,0,0.5,1\n")
    sets = ["train.csv", "val.csv"]
    train, val = read_source(tmp_path, "csv", sets=sets, choices=Choices(origin=1))
    for part in (train, val):
        np.testing.assert_allclose(part.items[0].labels, [[0, 0, 0, 0.5, 1]])


def test_images_without_objects_are_counted_in_all_sets(tmp_path):
    for place, count in (("train", 3), ("val", 2)):
        write_source(tmp_path / place, "coco", [[(0, 1, 2, 20, 30)], *[[]] * count])
    sets = ["train/labels.json", "val/labels.json"]
    for part in read_source(tmp_path, "coco", sets=sets):
        assert part.conventions == (
            "5 images without objects: taken as background (--without-objects)",
        )
