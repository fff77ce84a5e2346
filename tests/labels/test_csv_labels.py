"""CSV in two layouts: the banana set's rows, and one image a row."""

from single_shot.labels.annotations import AnnotationError
from single_shot.labels.csv_labels import read_csv
from single_shot.labels.formats import guess_format, own_sets, read_source
from single_shot.labels.image_checks import check_images
from single_shot.labels.raw import Choices

import numpy as np
import pytest
from label_files import NAMES, fractions, write_images

AS_FOUND_WITH_CLASS_FIRST = Choices(columns=("image", "class", "xmin", "ymin", "xmax", "ymax"))
HEADER = "img_name,label,xmin,ymin,xmax,ymax\n"


@pytest.fixture
def opened(tmp_path):
    write_images(tmp_path / "images", 2)

    def read(text, **options):
        (tmp_path / "label.csv").write_text(text)
        return read_csv(tmp_path / "label.csv", **options)

    return read


def test_rows_of_an_image_are_gathered(opened):
    found = opened(f"{HEADER}0.jpg,cat,0,0,40,30\n1.jpg,dog,4,3,8,9\n\n0.jpg,dog,1,2,3,4\n")
    assert found.class_names == ("cat", "dog") and not found.findings
    np.testing.assert_allclose(
        found.items[0].labels, fractions([(0, 0, 0, 40, 30), (1, 1, 2, 3, 4)])
    )
    assert [item.image.name for item in found.items] == ["0.jpg", "1.jpg"]


def test_columns_are_found_by_name(opened):
    found = opened("xmax,filename,width,ymax,ymin,class,xmin\n40,0.jpg,40,30,0,cat,10\n")
    np.testing.assert_allclose(found.items[0].labels, [[0, 0.25, 0, 1, 1]])


def test_an_image_without_objects_has_empty_fields(opened):
    found = opened(f"{HEADER}0.jpg,,,,,\n1.jpg,cat,4,3,8,9\n")
    assert [len(item.labels) for item in found.items] == [0, 1] and not found.findings


def test_classes_that_are_numbers_count_in_the_names_that_are_given(opened):
    text = f"{HEADER}0.jpg,10,0,0,40,30\n1.jpg,2,4,3,8,9\n"
    assert opened(text).class_names == ("2", "10")
    assert opened(text).items[0].labels[0, 0] == 1
    names = [f"class {number}" for number in range(11)]
    assert opened(text, class_names=names).items[0].labels[0, 0] == 10
    (finding,) = opened(text, class_names=NAMES).faults
    assert finding.kind == "unknown class" and "line 2: class id is 10" in str(finding)


def test_one_image_a_row_with_groups_of_five(opened):
    found = opened("0.jpg,0,0,40,30,cat,1,2,3,4,dog\n1.jpg\n")
    np.testing.assert_allclose(
        found.items[0].labels, fractions([(0, 0, 0, 40, 30), (1, 1, 2, 3, 4)])
    )
    assert len(found.items[1].labels) == 0


def test_one_object_a_row_without_a_header(opened):
    """keras-retinanet's: every row after the first of an image was once left out."""
    found = opened("0.jpg,0,0,40,30,cat\n1.jpg,5,5,5,9,dog\n0.jpg,1,2,3,4,dog\n")
    np.testing.assert_allclose(
        found.items[0].labels, fractions([(0, 0, 0, 40, 30), (1, 1, 2, 3, 4)])
    )
    assert [finding.kind for finding in found.faults] == ["zero area"]
    assert "label.csv, line 2: zero-area" in str(found.faults[0])
    found = opened("0.jpg,,,,,\n1.jpg,5,5,8,9,dog\n")
    assert [len(item.labels) for item in found.items] == [0, 1] and not found.findings


def test_keras_yolo3_separates_boxes_by_blanks(opened):
    found = opened("0.jpg 0,0,40,30,0 1,2,3,4,1\n1.jpg 4,3,8,9,1\n", class_names=("cat", "dog"))
    np.testing.assert_allclose(
        found.items[0].labels, fractions([(0, 0, 0, 40, 30), (1, 1, 2, 3, 4)])
    )


@pytest.mark.parametrize(
    "header, row",
    [
        ("image,x1,y1,x2,y2,class", "0.jpg,10,0,40,30,cat"),
        ("filename;class;xmin;ymin;xmax;ymax", "0.jpg;cat;10,0;0;40;30"),
        ("image_id\tlabel\txmin\tymin\txmax\tymax", "0\tcat\t10\t0\t40\t30"),
        ("image_path,label,x,y,width,height", "C:\\set\\0.jpg,cat,10,0,30,30"),
        ("image_id,width,height,bbox,label", '0,40,30,"[10.0, 0, 30, 30]",cat'),
        ("ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf", "0,cat,0.25,1.0,0,1,1"),
        ("filepath,x_min,y_min,x_max,y_max,category_name", "0.jpg,10,0,40,30,cat"),
        ("image,bbox_xmin,bbox_ymin,bbox_xmax,bbox_ymax,label", "0.jpg,10,0,40,30,cat"),
        ("file-name,class,x_center,y_center,width,height", "0.jpg,cat,25,15,30,30"),
        ("frame,xmin,xmax,ymin,ymax,class_id,class_name", "0.jpg,10,40,0,30,7,cat"),
        (
            "label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height",
            "cat,10,0,30,30,0.jpg,40,30",
        ),
    ],
)
def test_headers_that_people_have_are_read(opened, header, row):
    found = opened(f"{header}\n{row}\n")
    assert not found.findings and found.class_names == ("cat",)
    np.testing.assert_allclose(found.items[0].labels, [[0, 0.25, 0, 1, 1]])
    assert found.items[0].difficult.tolist() == ["IsGroupOf" in header]


def test_without_a_class_there_must_be_one_name(opened):
    text = 'image_id,bbox\n0,"[10, 0, 30, 30]"\n'
    with pytest.raises(AnnotationError, match="no column names the class"):
        opened(text)
    assert opened(text, class_names=["wheat"]).items[0].labels[0, 0] == 0


def test_classes_that_a_table_wrote_with_a_point_are_whole(opened):
    text = f"{HEADER}0.jpg,0.0,0,0,40,30\n1.jpg,1.0,4,3,8,9\n"
    assert opened(text).class_names == ("0", "1")
    assert opened(text, class_names=("cat", "dog")).items[1].labels[0, 0] == 1


def test_classes_that_count_from_1_are_said(opened):
    text = f"{HEADER}0.jpg,1,0,0,40,30\n1.jpg,2,4,3,8,9\n"
    found = opened(text, class_names=("cat", "dog"))
    assert [item.labels[0, 0] for item in found.items] == [0, 1]
    assert "class ids run from 1 to 2: the first class is 1" in found.conventions


def test_a_number_that_is_no_class_is_not_counted_in_classes_that_are_numbers(opened):
    """The held-out set's class 0 was once the first of those that train, which begin with 1."""
    text = f"{HEADER}0.jpg,0,0,0,40,30\n1.jpg,2,4,3,8,9\n"
    found = opened(text, class_names=("1", "2"))
    assert [finding.kind for finding in found.faults] == ["unknown class"]
    assert found.items[1].labels[0, 0] == 1


def test_rows_that_can_be_read_in_two_ways_are_asked_for(opened):
    text = "0.jpg,0,9,20,30,28\n1.jpg,1,2,9,8,12\n"
    with pytest.raises(AnnotationError, match="class first or last; say which .--columns image"):
        opened(text)
    first = AS_FOUND_WITH_CLASS_FIRST
    found = opened(text, choices=first)
    assert found.class_names == ("0", "1")
    np.testing.assert_allclose(found.items[0].labels, fractions([(0, 9, 20, 30, 28)]))


def test_fractions_are_told_by_the_whole_file(opened):
    found = opened(f"{HEADER}0.jpg,cat,0.25,0,1,1\n1.jpg,cat,0,0,0.5,1\n")
    np.testing.assert_allclose(found.items[1].labels, [[0, 0, 0, 0.5, 1]])
    assert any("boxes are fractions" in said for said in found.conventions)


@pytest.mark.parametrize(
    "row, kind, message",
    [
        ("0.jpg,cat,1,2,3", "bad row", "line 3: 5 cells, fewer than the header"),
        ("0.jpg,cat,1,2,,4", "not a finite number", "line 3: xmax is '', not a number"),
        ("0.jpg,,1,2,3,4", "unknown class", "line 3: it has no class"),
        ("0.jpg,cat,1,2,41,4", "out of range", "line 3: xmin 1 to xmax 41 leaves the image"),
        ("z.jpg,cat,1,2,4,4", "image missing", "no image"),
        ("../z.jpg,cat,1,2,4,4", "unsafe path", "may lead elsewhere"),
    ],
)
def test_a_bad_row_is_named_by_its_line(opened, tmp_path, row, kind, message):
    (finding,) = opened(f"{HEADER}1.jpg,cat,4,3,8,9\n{row}\n").faults
    assert finding.kind == kind and message in str(finding)
    assert f"{tmp_path}/label.csv" in str(finding)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "holds no row"),
        ("img_name,label,xmin\n0.jpg,0,1\n", "neither a header with img_name"),
        ("0.jpg,1,2,3,4\n", "neither a header with img_name"),
        (f'{HEADER}"0.jpg,cat,1,2,3,4\n', "line 2: no CSV"),
        (f"{HEADER}0.jpg,cat,0,0,1,1\n", "look like fractions"),
    ],
)
def test_a_file_of_another_kind_is_refused(opened, text, message):
    with pytest.raises(AnnotationError, match=f"label.csv.*{message}"):
        opened(text)


@pytest.mark.parametrize(
    "header, row",
    [
        ("filename,width,height,class,xmin,ymin,xmax,ymax", "0.jpg,{},cat,10,0,39,30"),
        ("image_id,width,height,bbox,label", '0,{},"[10.0, 0, 29, 30]",cat'),
    ],
)
def test_a_size_that_is_not_the_image_s_is_told(opened, header, row):
    """Pictures that were shrunk after they were labelled: boxes may still lie within them."""
    for size in ("40,30", "0,0", ","):
        assert not check_images(opened(f"{header}\n{row.format(size)}\n")).findings
    (fault,) = check_images(opened(f"{header}\n{row.format('80,60')}\n")).faults
    assert fault.kind == "size mismatch" and "its annotation says 80 x 60" in str(fault)
    found = check_images(opened(f"{header}\n{row.format('29,30')}\n"))
    assert bool(found.faults) == ("bbox" in header)  # else they are the sizes of boxes


def test_rows_that_state_several_sizes_of_an_image_are_faults(opened):
    """The last row once counted, so that the others were as good as it."""
    header = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
    good, other = "0.jpg,40,30,cat,10,0,39,30\n", "0.jpg,640,480,cat,4,3,8,9\n"
    last = "0.jpg,40,30,dog,1,2,3,4\n"
    found = check_images(opened(header + good + other + last))
    (fault,) = found.faults
    assert fault.kind == "bad row"
    assert "line 3: size is 640 x 480, but 40 x 30 in a row before" in str(fault)
    np.testing.assert_allclose(
        found.items[0].labels, fractions([(0, 10, 0, 39, 30), (1, 1, 2, 3, 4)])
    )
    kinds = [fault.kind for fault in check_images(opened(header + other + good + last)).faults]
    assert sorted(kinds) == ["bad row", "bad row", "size mismatch"]
    without = "0.jpg,80,60,,,,,\n1.jpg,40,30,cat,4,3,8,9\n"
    (fault,) = check_images(opened(header + good + without)).faults
    assert fault.kind == "bad row" and "line 3: size is 80 x 60" in str(fault)


def test_a_header_in_the_midst_of_joined_files_is_no_row(opened):
    found = opened(f"{HEADER}0.jpg,cat,0,0,40,30\n{HEADER}1.jpg,dog,4,3,8,9\n")
    assert found.class_names == ("cat", "dog") and len(found.items) == 2 and not found.findings


def test_makesense_s_rows_without_a_header(opened):
    found = opened("cat,10,0,30,30,0.jpg,40,30\ndog,4,3,4,6,1.jpg,80,60\n")
    np.testing.assert_allclose(found.items[0].labels, [[0, 0.25, 0, 1, 1]])
    (fault,) = check_images(found).faults
    assert fault.kind == "size mismatch"


def test_a_box_without_a_class_needs_one_name(opened):
    text = "image,xmin,ymin,xmax,ymax\n0.jpg,10,0,40,30\n"
    with pytest.raises(AnnotationError, match="no column names the class.*--classes"):
        opened(text)
    assert opened(text, class_names=["wheat"]).items[0].labels[0, 0] == 0


def read_folder(folder, sets=()):
    name, _ = guess_format(folder)
    assert name == "csv"
    return read_source(folder, name, sets=sets or own_sets(folder, name)[0])


@pytest.mark.parametrize("name", ["classes.csv", "_classes.csv"])
@pytest.mark.parametrize(
    "text, label",
    [("dog,0\ncat,1\n", "cat"), ("class,id\ndog,1\ncat,2\n", "cat"), ("0,dog\n1,cat\n", "1")],
)
def test_a_list_of_classes_beside_the_file_names_them_in_its_order(tmp_path, name, text, label):
    """keras-retinanet's and Roboflow's folders were once refused for their second file."""
    write_images(tmp_path, 1)
    (tmp_path / "annotations.csv").write_text(f"0.jpg,4,3,8,9,{label}\n0.jpg,1,1,8,9,{label}\n")
    (tmp_path / name).write_text(text)
    (found,) = read_folder(tmp_path)
    assert found.class_names == ("dog", "cat") and not found.findings
    assert found.items[0].labels[:, 0].tolist() == [1, 1]
    assert f"{tmp_path / name}: names the classes" in found.conventions


@pytest.mark.parametrize(
    "text, why",
    [("dog,0\n", "lacks classes"), ("a\nb\n", "no list"), ("cat,0\ndog,5\n", "no list")],
)
def test_a_list_that_does_not_fit_is_said(tmp_path, text, why):
    write_images(tmp_path, 1)
    (tmp_path / "annotations.csv").write_text("0.jpg,4,3,8,9,cat\n")
    (tmp_path / "classes.csv").write_text(text)
    (found,) = read_folder(tmp_path)
    assert found.class_names == ("cat",)
    assert any("classes.csv" in said and why in said for said in found.conventions)


@pytest.mark.parametrize("place", ["class-descriptions-boxable.csv", "../metadata/classes.csv"])
def test_open_images_codes_get_their_names(tmp_path, place):
    """The classes were once called /m/01yrx."""
    header = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsGroupOf\n"
    for part, code in (("train", "/m/01yrx"), ("validation", "/m/01yrx")):
        folder = write_images(tmp_path / part / "data", 1).parent / "labels"
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(exist_ok=True)
        (folder / "detections.csv").write_text(f"{header}0,xclick,{code},1,0.25,1,0,1,0\n")
        (folder / place).write_text("/m/0bt9lr,Dog\n/m/01yrx,Cat\n")
        (folder / "image_ids.csv").write_text("ImageID,Subset\n0,train\n")
    train, val = read_folder(tmp_path)
    assert train.class_names == val.class_names == ("Cat",)
    assert not train.findings and len(val.items[0].labels) == 1


def test_a_form_to_fill_in_beside_the_files_is_none_of_them(tmp_path):
    """Kaggle's sample_submission.csv."""
    write_images(tmp_path, 2)
    for number, part in enumerate(("train", "test")):
        (tmp_path / f"{part}.csv").write_text(f"{HEADER}{number}.jpg,cat,4,3,8,9\n")
    (tmp_path / "sample_submission.csv").write_text("image_id,PredictionString\n5,\n")
    assert guess_format(tmp_path) == ("csv", "test.csv")
    train, val = read_folder(tmp_path)
    assert [part.items[0].image.name for part in (train, val)] == ["0.jpg", "1.jpg"]


SPLIT_HEADER = "img_name,label,xmin,ymin,xmax,ymax,split\n"


def write_split(folder, values):
    write_images(folder, len(values))
    rows = [f"{k}.jpg,{NAMES[k % 2]},1,1,9,9,{value}\n" for k, value in enumerate(values)]
    (folder / "a.csv").write_text("".join([SPLIT_HEADER, *rows]))


def test_a_column_of_sets_divides_the_images(tmp_path):
    """The split of the export was once dropped without a word."""
    write_split(tmp_path, ["train", "VAL", "train", "unassigned"])
    assert own_sets(tmp_path, "csv") == (["train", "VAL"], ["unassigned"])
    assert own_sets(tmp_path / "a.csv", "csv")[0] == ["train", "VAL"]
    train, val = read_folder(tmp_path)
    assert [item.image.name for item in train.items] == ["0.jpg", "2.jpg"]
    assert [item.image.name for item in val.items] == ["1.jpg"]
    assert val.class_names == (NAMES[0], NAMES[1]) and not val.findings


def test_a_column_of_sets_that_is_not_used_is_said(tmp_path):
    write_split(tmp_path, ["train", "", "a"])
    assert own_sets(tmp_path, "csv") == ([], [])
    (found,) = read_folder(tmp_path)
    assert len(found.items) == 3
    assert any("column of sets ('', a, train) is not used" in said for said in found.conventions)
    train, held_out = read_folder(tmp_path, ["train", "a"])
    assert len(train.items) == len(held_out.items) == 1
    with pytest.raises(AnnotationError, match="no image is in the set z"):
        read_folder(tmp_path, ["train", "z"])
    (tmp_path / "a.csv").write_text(f"{HEADER}0.jpg,cat,4,3,8,9\n")
    with pytest.raises(AnnotationError, match="no column such as split that names the set train"):
        read_folder(tmp_path, ["train", "z"])


def test_an_image_in_two_sets_is_a_fault(tmp_path):
    write_split(tmp_path, ["train", "val"])
    with (tmp_path / "a.csv").open("a") as file:
        file.write("0.jpg,cat,2,2,9,9,val\n")
    train, _ = read_folder(tmp_path)
    (fault,) = train.faults
    assert "line 4: set is val, but train in a row before" in str(fault)
