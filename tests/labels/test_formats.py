"""The format is guessed where it is plain, and asked for where it is not."""

from single_shot.labels.annotations import AnnotationError
from single_shot.labels.formats import FORMATS, guess_format, own_sets, read_source
from single_shot.labels.image_checks import check_images, images_without_annotation
from single_shot.labels.raw import Choices

import pytest
from label_files import read, write_source

IMAGES = [[(0, 1, 2, 20, 30)], [(1, 5, 5, 9, 9)]]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_guessed_from_folder_and_file(tmp_path, name):
    source = write_source(tmp_path / "set", name, IMAGES)
    (tmp_path / "set" / "manifest.json").write_text("{}")  # of a data set, and no labels
    assert guess_format(tmp_path / "set")[0] == name
    if source.is_file():
        assert guess_format(source)[0] == name
    (part,) = read_source(tmp_path / "set", name)
    assert len(part.items) == 2 and not part.findings


def test_what_is_not_plain_is_asked_for(tmp_path):
    write_source(tmp_path, "csv", IMAGES)
    write_source(tmp_path, "yolo", IMAGES)
    with pytest.raises(
        AnnotationError, match=r"more than one fits: csv \(labels.csv\), yolo \(labels/0.txt\)"
    ):
        guess_format(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        AnnotationError, match="no format's files are there; choose with --format voc"
    ):
        guess_format(tmp_path / "empty")
    with pytest.raises(AnnotationError, match="no such file or folder"):
        guess_format(tmp_path / "absent")


def test_sets_are_files_in_the_source(tmp_path):
    for name in ("bananas_train", "bananas_val"):
        write_source(tmp_path / name, "csv", IMAGES)
    assert guess_format(tmp_path)[0] == "csv"
    sets = ["bananas_train/labels.csv", "bananas_val/labels.csv"]
    train, val = read_source(tmp_path, "csv", sets=sets)
    assert train.class_names == val.class_names == ("cat", "dog")
    assert val.items[0].image.parent == tmp_path / "bananas_val" / "images"
    with pytest.raises(AnnotationError, match="2 files of format csv .bananas_train/labels.csv"):
        read_source(tmp_path, "csv")


def test_classes_are_those_of_the_first_set(tmp_path):
    source = write_source(tmp_path, "voc", IMAGES)
    (source / "images").rename(source / "JPEGImages")
    (source / "ImageSets/Main").mkdir(parents=True)
    (source / "ImageSets/Main/train.txt").write_text("0\n")
    (source / "ImageSets/Main/val.txt").write_text("1\n")
    train, val = read_source(source, "voc", sets=["train", "val"])
    assert train.class_names == val.class_names == ("cat",)
    assert [finding.kind for finding in val.faults] == ["unknown class"]
    train, val = read_source(source, "voc", class_names=["dog", "cat"], sets=["train", "val"])
    assert train.items[0].labels[0, 0] == 1 and val.items[0].labels[0, 0] == 0


LAYOUTS = {
    "roboflow coco": (
        "coco",
        {"train/_annotations.coco.json": 2, "valid/_annotations.coco.json": 1}
        | {"test/_annotations.coco.json": 1},
        ["train/_annotations.coco.json", "valid/_annotations.coco.json"],
    ),
    "coco": (
        "coco",
        {"annotations/instances_train2017.json": 2, "annotations/instances_val2017.json": 1},
        ["annotations/instances_train2017.json", "annotations/instances_val2017.json"],
    ),
    "detr": (
        "coco",
        {"annotations/custom_train.json": 2, "annotations/custom_val.json": 1},
        ["annotations/custom_train.json", "annotations/custom_val.json"],
    ),
    "csv": ("csv", {"train_labels.csv": 2, "test_labels.csv": 1}, None),
    "voc folders": ("voc", {"train": 2, "valid": 1}, ["train", "valid"]),
    "yolo outside": ("yolo", {"train": 2, "valid": 1, "test": 1}, ["train", "valid"]),
    "supervisely": ("supervisely", {"train": 2, "val": 1}, ["train", "val"]),
    "labelme": ("labelme", {"train": 2, "val": 1}, ["train", "val"]),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_sets_of_an_export_are_its_own(tmp_path, layout):
    name, sets, expected = LAYOUTS[layout]
    for number, (place, count) in enumerate(sets.items()):
        images = IMAGES[:count] if number == 0 else IMAGES[:1] * count
        folder = tmp_path / f"made{number}"
        source = write_source(folder, name, images)
        target = tmp_path / "set" / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_file():
            source.rename(target)
            (folder / "images").rename(target.parent / f"images{target.stem}")
        else:
            folder.rename(target)
        if target.suffix == ".json":  # COCO's and Roboflow's images have a folder for each set
            moved = target.parent / f"images{target.stem}"
            word = target.stem.rpartition("_")[2]
            moved.rename(target.parent / "images" if "coco" in word else tmp_path / "set" / word)
    if layout == "csv":
        for number, place in enumerate(sets):
            (tmp_path / "set" / f"images{place[:-4]}").rename(tmp_path / "set" / f"im{number}")
        (tmp_path / "set" / "im0").rename(tmp_path / "set" / "images")
    if name == "yolo":
        (tmp_path / "set" / "train" / "classes.txt").rename(tmp_path / "set" / "classes.txt")
    assert guess_format(tmp_path / "set")[0] == name
    found, unused = own_sets(tmp_path / "set", name)
    assert found == (expected or [*sets]) and len(unused) == len(sets) - 2
    train, val = read_source(tmp_path / "set", name, sets=found)
    assert [len(train.items), len(val.items)] == [2, 1]
    assert not train.faults and not val.faults


@pytest.mark.parametrize("pictures", ["images/{}", "{}", "JPEGImages", "Annotations/{}"])
def test_the_sets_of_voc_may_be_folders_of_its_annotations(tmp_path, pictures):
    """They were once read as one set, so that what is held out trained."""
    for number, place in enumerate(("train", "val")):
        source = write_source(tmp_path / "made", "voc", IMAGES)
        for kind, target in (("Annotations", "Annotations/{}"), ("images", pictures)):
            (path,) = (source / kind).glob(f"{number}.*")
            folder = tmp_path / "set" / target.format(place)
            folder.mkdir(parents=True, exist_ok=True)
            path.rename(folder / path.name)
    found, unused = own_sets(tmp_path / "set", "voc")
    assert (found, unused) == (["train", "val"], [])
    for images in (None, tmp_path / "set" / pictures.partition("{")[0]):
        parts = read_source(tmp_path / "set", "voc", images, ("cat", "dog"), found)
        for number, part in enumerate(parts):
            assert [item.image.stem for item in part.items] == [str(number)] and not part.findings
            assert part.items[0].labels[:, 0] == number
    sets = [str(write_source(tmp_path / place, "voc", IMAGES)) for place in ("a", "b")]
    parts = read_source(tmp_path / "set", "voc", sets=sets)  # of elsewhere
    assert [len(part.items) for part in parts] == [2, 2]


def test_a_source_without_sets_has_none(tmp_path):
    for name in FORMATS:
        write_source(tmp_path / name, name, IMAGES)
        assert own_sets(tmp_path / name, name) == ([], [])


@pytest.mark.parametrize(
    "text, sets",
    [
        ("train: ../train/images\nval: ../valid/images\n", ["train", "val"]),
        ("path: /home/ann/set\ntrain: train/images\nval: valid/images\n", ["train", "val"]),
        ("train: [train/images]\nval: valid\\images\ntest: valid/images\n", ["train", "val"]),
        ("train: train.txt\nval: valid/images/0.jpg\n", ["train", "val"]),
        ("train: C:\\set\\train\\images\nval: D:/set/valid/images\n", ["train", "val"]),
    ],
)
def test_a_yaml_file_names_the_sets(tmp_path, text, sets):
    for place in ("train", "valid"):
        write_source(tmp_path / place, "yolo", IMAGES)
        (tmp_path / place / "classes.txt").unlink()
    (tmp_path / "train.txt").write_text("./train/images/0.jpg\n/x/set/train/images/1.jpg\n")
    (tmp_path / "data.yaml").write_text(f"names: [cat, dog]\n{text}")
    for source in (tmp_path, tmp_path / "data.yaml"):
        assert guess_format(source)[0] == "yolo"
        found, unused = own_sets(source, "yolo")
        assert found == sets and unused == (["test"] if "test" in text else [])
        train, val = read_source(source, "yolo", sets=found)
        assert len(train.items) == 2 and len(val.items) == (1 if "0.jpg" in text else 2)
        assert not train.faults
        assert {item.image.parts[-3] for item in val.items} == {"valid"}


@pytest.mark.parametrize("entry", ["../../elsewhere/pictures", "absent", "{a: b}"])
def test_a_set_that_is_not_there_is_named(tmp_path, entry):
    source = write_source(tmp_path / "set", "yolo", IMAGES)
    (source / "data.yaml").write_text(f"names: [cat, dog]\ntrain: {entry}\nval: images\n")
    with pytest.raises(AnnotationError, match="data.yaml: "):
        read_source(source, "yolo", sets=["train", "val"])


def test_labels_lie_beside_the_images_or_as_darknet_has_them(tmp_path):
    for layout in ("beside", "obj_train_data"):
        source = write_source(tmp_path / layout, "yolo", IMAGES)
        place = source if layout == "beside" else source / "obj_train_data"
        place.mkdir(exist_ok=True)
        for folder in ("images", "labels"):
            for path in (source / folder).iterdir():
                path.rename(place / path.name)
            (source / folder).rmdir()
        if layout != "beside":
            (source / "classes.txt").rename(source / "obj.names")
            (source / "train.txt").write_text("data/obj_train_data/0.jpg\n")
        (source / "notes.json").write_text('{"categories": [], "info": {}}')  # Label Studio's
        assert guess_format(source)[0] == "yolo"
        (part,) = read_source(source, "yolo")
        assert [len(item.labels) for item in part.items] == [1, 1] and not part.findings


def test_a_yaml_file_of_another_program_tells_nothing(tmp_path):
    source = write_source(tmp_path / "set", "coco", IMAGES).parent
    (source / "docker.yaml").write_text("services:\n  names: 3\n")
    assert guess_format(source)[0] == "coco"
    source = write_source(tmp_path / "other", "yolo", IMAGES)
    (source / "classes.txt").unlink()
    (source / "docker.yaml").write_text("services: 3\n")
    (source / "animals.yml").write_text("names: [cat, dog]\n")
    assert read_source(source, "yolo")[0].class_names == ("cat", "dog")


def test_a_folder_of_too_many_files_is_refused(tmp_path, monkeypatch):
    """What came behind the first 200,000 files was once not seen."""
    write_source(tmp_path, "coco", IMAGES)
    monkeypatch.setattr("single_shot.labels.formats.FILES_LISTED", len(IMAGES))
    with pytest.raises(AnnotationError, match="more than . files; name a folder of fewer"):
        guess_format(tmp_path)


def test_an_origin_that_does_not_matter_is_said(tmp_path):
    source = write_source(tmp_path, "coco", IMAGES)
    (part,) = read_source(source, "coco", choices=Choices(origin=1))
    assert "--origin: boxes here have edges, so it is not used" in part.conventions


@pytest.mark.parametrize("name", FORMATS)
def test_hidden_files_beside_those_that_count_change_nothing(tmp_path, name):
    """As macOS leaves them in archives: `._a.jpg` beside every `a.jpg`."""
    source = write_source(tmp_path, name, IMAGES)
    for path in [path for path in tmp_path.rglob("*") if path.is_file()]:
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    assert guess_format(tmp_path)[0] == name
    found = check_images(read(name, source))
    assert len(found.items) == 2 and not found.findings
    assert images_without_annotation([found]) == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["coco", "createml", "label-studio", "via", "csv"])
def test_a_mark_of_the_byte_order_hides_no_format(tmp_path, name, encoding):
    source = write_source(tmp_path, name, IMAGES)
    source.write_text(source.read_text(encoding="utf-8"), encoding=encoding)
    assert guess_format(tmp_path)[0] == name
