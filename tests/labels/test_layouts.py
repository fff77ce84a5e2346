"""Sets and roots are found in the layouts that tools export, and what is left over is said."""

import shutil
from argparse import ArgumentParser

from single_shot.labels.annotations import AnnotationError
from single_shot.labels.formats import guess_format, own_sets, read_source
from single_shot.labels.unused import unused_line
from single_shot.prepare import add_arguments
from single_shot.understanding import understand

import pytest
from label_files import jpeg, write_source

IMAGES = [[(0, 1, 2, 20, 30)], [(1, 5, 5, 9, 9)], [(0, 5, 5, 9, 9)]]


def numbers(parts):
    """Return the names of the images of each part."""
    return [[item.image.name for item in part.items] for part in parts]


def moved(tmp_path, places):
    """Return a folder with the images and texts of YOLO in other places, by their numbers."""
    made = write_source(tmp_path / "made", "yolo", IMAGES)
    new = tmp_path / "set"
    for number, place in enumerate(places):
        for kind, suffix in (("images", "jpg"), ("labels", "txt")):
            target = new / place.format(kind) / f"{number}.{suffix}"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(made / kind / f"{number}.{suffix}", target)
    shutil.copy(made / "classes.txt", new)
    return new


@pytest.mark.parametrize(
    "places, sets",
    [
        (["obj_train_data", "obj_train_data", "obj_valid_data"], ["train", "valid"]),
        (["obj_Train_data", "obj_Train_data", "obj_Validation_data"], ["Train", "Validation"]),
        (["train", "train", "valid"], ["train", "valid"]),
        (["Train/{}", "Train/{}", "Val/{}"], ["Train", "Val"]),
        (["{}/train", "{}/train", "{}/val"], ["train", "val"]),
    ],
)
@pytest.mark.parametrize("capitals", [False, True])
def test_the_sets_of_yolo_are_folders(tmp_path, places, sets, capitals):
    source = moved(tmp_path, places)
    for path in [*source.rglob("images"), *source.rglob("labels")] if capitals else ():
        path.rename(path.with_name(path.name.capitalize()))
    assert own_sets(source, "yolo") == (sets, [])
    parts = read_source(source, "yolo", sets=sets)
    assert numbers(parts) == [["0.jpg", "1.jpg"], ["2.jpg"]]
    assert not any(part.findings for part in parts)


def test_all_of_darknets_folders_are_read_together(tmp_path):
    source = moved(tmp_path, ["obj_a_data", "obj_a_data", "obj_b_data"])
    assert own_sets(source, "yolo") == ([], [])
    assert numbers(read_source(source, "yolo")) == [["0.jpg", "1.jpg", "2.jpg"]]


@pytest.mark.parametrize("darknet", ["train = data/learn.txt\nvalid = data/test.txt\n", None])
@pytest.mark.parametrize("above", [False, True])
def test_the_sets_of_yolo_are_lists(tmp_path, darknet, above):
    """They were once dropped without a word, so that what is held out trained."""
    source = moved(tmp_path, ["obj"] * 3)
    lists = ("learn", "test") if darknet else ("train", "test")
    for name, text in zip(lists, ("data/obj/0.jpg\ndata/obj/1.jpg\n", "data/obj/2.jpg\n")):
        (source / f"{name}.txt").write_text(text)
    if darknet:
        (source / "classes.txt").rename(source / "animals.txt")
        (source / "obj.data").write_text(f"classes = 3\nnames = data/animals.txt\n{darknet}")
    if above:
        shutil.move(source, tmp_path / "above" / "data")
        source = tmp_path / "above"
    expected = ["train", "valid"] if darknet else ["train", "test"]
    assert own_sets(source, "yolo") == (expected, [])
    parts = read_source(source, "yolo", sets=expected)
    assert numbers(parts) == [["0.jpg", "1.jpg"], ["2.jpg"]]
    assert not any(part.findings for part in parts) and parts[0].class_names[0] == "cat"


@pytest.mark.parametrize("entry", ["../valid/images", "valid/images"])
def test_a_held_out_set_without_images_is_left_out_and_said(tmp_path, entry):
    source = moved(tmp_path, ["train/{}"] * 3)
    (source / "data.yaml").write_text(f"names: [cat, dog]\ntrain: train/images\nval: {entry}\n")
    (source / "classes.txt").unlink()
    if "." not in entry:
        (source / entry).mkdir(parents=True)
    assert own_sets(source, "yolo") == ([], ["val (nothing is there)"])
    (source / "vaild").mkdir()
    (source / "vaild/9.jpg").write_bytes(jpeg(9))  # which the entry may mean
    found, _ = own_sets(source, "yolo")
    with pytest.raises(AnnotationError, match="val"):
        read_source(source, "yolo", sets=found)


@pytest.mark.parametrize("name", ["voc", "labelme"])
def test_an_empty_folder_of_a_set_is_left_out_and_said(tmp_path, name):
    write_source(tmp_path / "set/train", name, IMAGES)
    (tmp_path / "set/valid").mkdir()
    assert own_sets(tmp_path / "set", name) == ([], ["valid (nothing is there)"])


@pytest.mark.parametrize("pattern", ["{}/*.jpg", "/home/ann/set/{}/[0-9].jp*", "{}*"])
def test_an_entry_of_a_yaml_file_may_be_a_pattern(tmp_path, pattern):
    source = moved(tmp_path, ["{}/a", "{}/a", "{}/b"])
    entries = [pattern.format(f"images/{place}") for place in "ab"]
    (source / "Data.YAML").write_text('train: "{}"\nval: "{}"\n'.format(*entries))
    parts = read_source(source, "yolo", sets=["train", "val"])
    assert numbers(parts) == [["0.jpg", "1.jpg"], ["2.jpg"]]


@pytest.mark.parametrize("pattern", ["../*/*.jpg", "../valid*/images", "images/*.png", "**a/*.jpg"])
def test_a_pattern_that_leads_to_nothing_inside_is_named(tmp_path, pattern):
    source = moved(tmp_path, ["{}"] * 3)
    (source / "data.yaml").write_text(f'train: "{pattern}"\nval: images\n')
    with pytest.raises(AnnotationError, match="data.yaml: .* is not in .*; mend the path"):
        read_source(source, "yolo", sets=["train", "val"])


@pytest.fixture
def voc(tmp_path):
    """A folder of Pascal VOC with two lists of ids."""
    source = write_source(tmp_path / "made", "voc", IMAGES)
    (source / "images").rename(source / "JPEGImages")
    (source / "ImageSets/Main").mkdir(parents=True)
    for name, text in (("Train", "0\n1\n"), ("Validation", "2\n")):
        (source / f"ImageSets/Main/{name}.txt").write_text(text)
    return source


SETS = ["Train", "Validation"]


@pytest.mark.parametrize("place", ["set", "set/VOCdevkit/VOC2007"])
def test_lists_of_voc_may_have_capitals_and_lie_deeper(tmp_path, voc, place):
    shutil.copytree(voc, tmp_path / place)
    assert guess_format(tmp_path / "set")[0] == "voc"
    assert own_sets(tmp_path / "set", "voc") == (SETS, [])
    parts = read_source(tmp_path / "set", "voc", sets=SETS)
    assert numbers(parts) == [["0.jpg", "1.jpg"], ["2.jpg"]]


def test_several_years_of_voc_are_read_together(tmp_path, voc):
    for year in ("VOC2007", "VOC2012"):
        shutil.copytree(voc, tmp_path / "set" / year)
    (tmp_path / "set/VOC2012/ImageSets/Main/Validation.txt").unlink()
    assert own_sets(tmp_path / "set", "voc") == (SETS, [])
    parts = read_source(tmp_path / "set", "voc", sets=SETS)
    assert numbers(parts) == [["0.jpg", "1.jpg"] * 2, ["2.jpg"]]


def test_lists_of_ids_beside_the_folders_of_voc_are_its_sets(tmp_path, voc):
    shutil.rmtree(voc / "ImageSets")
    (voc / "JPEGImages").rename(voc / "images")
    (voc / "train.txt").write_text("0\nimages/1.jpg\n")
    (voc / "val.txt").write_text("2\n7\n")
    assert own_sets(voc, "voc") == (["train", "val"], [])
    train, val = read_source(voc, "voc", sets=["train", "val"])
    assert numbers([train, val]) == [["0.jpg", "1.jpg"], ["2.jpg"]] and not train.findings
    assert ["no annotation of 7" in str(finding) for finding in val.faults] == [True]
    assert val.class_names == ("cat", "dog")


def test_pictures_that_nothing_mentions_are_said(tmp_path):
    source = write_source(tmp_path, "yolo", IMAGES)
    (part,) = read_source(source, "yolo")
    for place in ("raw", ".trash", "more", "SegmentationClass", "test"):
        (source / place).mkdir()
        (source / place / "0.jpg").write_bytes(jpeg(0 if place == "raw" else 7))
    line = "not used: {} pictures that no labels read here name, such as more/0.jpg"
    assert unused_line(source, [part], [], []) == [line.format(2)]
    assert unused_line(source, [part], [], ["test/_annotations.coco.json"]) == [line.format(1)]
    parser = ArgumentParser()
    add_arguments(parser)
    assert line.format(2) in understand(parser.parse_args([str(source), "--out", "new"])).lines
    shutil.rmtree(source / "more")
    assert unused_line(source, [part], part.findings, ["test"]) == []
