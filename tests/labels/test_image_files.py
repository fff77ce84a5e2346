"""Which file a name in an annotation means, and which none."""

import unicodedata

from single_shot.labels.annotations import AnnotationError
from single_shot.labels.box_forms import BadObject
from single_shot.labels.image_files import ImageFinder, image_root

import pytest


@pytest.fixture
def folder(tmp_path):
    for name in ("a.JPG", "sub/b.png", "both.jpg", "both.png", "é.jpg", "._a.jpg", "c.d.jpg"):
        path = tmp_path / "images" / unicodedata.normalize("NFD", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path / "images"


@pytest.mark.parametrize(
    "name, found",
    [
        *[("a.JPG", "a.JPG"), ("a.jpg", "a.JPG"), ("a", "a.JPG"), ("./a.jpg", "a.JPG")],
        *[("sub\\b.png", "sub/b.png"), ("sub/b", "sub/b.png"), ("c.d", "c.d.jpg")],
        *[("both.png", "both.png"), (unicodedata.normalize("NFC", "é.jpg"), "é.jpg")],
        *[("/home/ann/set/images/sub/b.png", "sub/b.png"), ("C:\\set\\a.JPG", "a.JPG")],
        *[("../images/both.jpg", "both.jpg"), ("..\\x\\sub\\b.png", "sub/b.png")],
        *[("data/train/a.JPG", "a.JPG"), ("set\\sub\\b.png", "sub/b.png"), ("sub/a.JPG", "a.JPG")],
    ],
)
def test_the_file_that_is_meant_is_found(folder, name, found):
    path = ImageFinder().find(folder, name, "here")
    assert path == folder / unicodedata.normalize("NFD", found)


def test_names_that_lead_elsewhere_are_counted(folder):
    finder = ImageFinder()
    for name in ("a.jpg", "/elsewhere/both.jpg", "../both.jpg", "sub/b.png", "train/both.jpg"):
        finder.find(folder, name, "here")
    assert finder.led_elsewhere == 3
    assert finder.find(folder, "train/both.JPG", "here") == folder / "both.jpg"
    assert finder.led_elsewhere == 4


def test_what_is_not_there_stays_the_named_file(folder):
    assert ImageFinder().find(folder, "z.jpg", "here") == folder / "z.jpg"
    assert ImageFinder().find(folder, "b.png", "here") == folder / "b.png"  # it is in sub
    assert ImageFinder().find(folder, "x/z.jpg", "here") == folder / "x/z.jpg"


def test_of_several_files_none_is_taken(folder):
    with pytest.raises(BadObject, match="here: both may be any of both.jpg, both.png"):
        ImageFinder().find(folder, "both", "here")


@pytest.mark.parametrize("name", ["../z.jpg", "/etc/passwd", "C:\\z.jpg", "sub/../../z.jpg"])
def test_no_name_leads_out(folder, name):
    (folder.parent / "z.jpg").write_bytes(b"")
    with pytest.raises(AnnotationError, match="may lead elsewhere"):
        ImageFinder().find(folder, name, "here")


def test_a_link_does_not_lead_out_either(folder):
    (folder.parent / "secret.jpg").write_bytes(b"")
    (folder / "link.jpg").symlink_to(folder.parent / "secret.jpg")
    with pytest.raises(AnnotationError, match="leads out of"):
        ImageFinder().find(folder, "/x/link.jpg", "here")


@pytest.mark.parametrize(
    "place",
    [
        *("set", "set/images", "images", "train2017", "images/train2017", ".", "set/data"),
        *("data", "JPEGImages", "img"),
    ],
)
@pytest.mark.parametrize("file", ["instances_train2017.json", "custom_train.json"])
def test_the_image_folder_is_found_beside_the_file(tmp_path, place, file):
    path = tmp_path / "set" / file
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    (tmp_path / "val2017").mkdir()
    (tmp_path / "val2017" / "a.jpg").write_bytes(b"")
    (tmp_path / place / "b.jpg").write_bytes(b"")
    names = iter(["a.jpg", "b"] if place == "." else ["b"])  # the first may be absent
    assert image_root(path, None, names) == tmp_path / place
    assert image_root(path, tmp_path / "given", ["a.jpg"]) == tmp_path / "given"


def test_a_folder_that_has_the_names_as_they_are_comes_first(tmp_path):
    """Another one may have other images whose last parts are the same."""
    for place in (".", "images/train"):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "a.jpg").write_bytes(b"")
    assert image_root(tmp_path / "a.json", None, ["train/a.jpg"]) == tmp_path / "images"
    assert image_root(tmp_path / "a.json", None, ["/x/a.jpg"]) == tmp_path
