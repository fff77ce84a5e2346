"""Text of bounded size in known encodings, and names that stay in their folder."""

from single_shot.labels.annotations import AnnotationError
from single_shot.labels.safe_files import find_inside, parse_xml, read_bytes, read_text

import pytest


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_text_is_the_same_in_all_encodings_and_line_ends(tmp_path, encoding, newline):
    (tmp_path / "a.txt").write_bytes(f"rød{newline}ål".encode(encoding))
    assert read_text(tmp_path / "a.txt", 100) == "rød\nål"


@pytest.mark.parametrize(
    "content, words",
    [(b"r\xf8d", "not text in utf-8 .byte 1"), (b"\xff\xfea", "utf-16"), (b"a\0b", "zero bytes")],
)
def test_what_is_no_text_is_refused(tmp_path, content, words):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(AnnotationError, match=f"a.txt: .*{words}.*save it as UTF-8"):
        read_text(tmp_path / "a.txt", 100)


def test_an_absurdly_large_file_is_not_read(tmp_path):
    with open(tmp_path / "a.txt", "wb") as file:
        file.truncate(2**42)
    with pytest.raises(
        AnnotationError, match=r"a.txt: 4,398,046,511,104 bytes, more than the 100 "
    ):
        read_bytes(tmp_path / "a.txt", 100)
    for path in (tmp_path / "b.txt", tmp_path):
        with pytest.raises(AnnotationError, match="no such file"):
            read_bytes(path, 100)


def test_names_in_the_folder_are_found(tmp_path):
    for name in ("a.jpg", "sub/a.jpg", "./a.jpg", "..a.jpg", "rød.jpg"):
        assert find_inside(tmp_path, name, "here") == tmp_path / name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        ".",
        "../a.jpg",
        "sub/../a.jpg",
        "sub/../../a.jpg",
        "/a.jpg",
        "C:a.jpg",
        "..\\a.jpg",
        "a\0",
        "a" * 300,
    ],
)
def test_names_that_lead_elsewhere_are_refused(tmp_path, name):
    with pytest.raises(AnnotationError, match="^here: .*write it relative to the image folder"):
        find_inside(tmp_path, name, "here")


def test_links_within_the_folder_are_legal_and_others_not(tmp_path):
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "secret.jpg").write_bytes(b"")
    (folder / "a.jpg").write_bytes(b"")
    (folder / "in.jpg").symlink_to(folder / "a.jpg")
    (folder / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "up").symlink_to(tmp_path)
    assert find_inside(folder, "in.jpg", "here").is_file()
    for name in ("out.jpg", "up/secret.jpg", "up"):
        with pytest.raises(AnnotationError, match="leads out of .*, not through a link"):
            find_inside(folder, name, "here")


@pytest.mark.parametrize("encoding", ["gb2312", "shift_jis", "windows-1251", "utf-8", "utf-16"])
def test_xml_is_read_in_the_encoding_that_it_declares(tmp_path, encoding):
    name = {"gb2312": "苹果", "shift_jis": "りんご"}.get(encoding, "яблоко")
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n<a><name>{name}</name></a>'
    (tmp_path / "a.xml").write_bytes(text.encode(encoding))
    assert parse_xml(tmp_path / "a.xml", 1000).findtext("name") == name


@pytest.mark.parametrize("encoding", ["utf-7", "rot13", "zip", "idna", "no-such"])
def test_an_encoding_that_is_none_is_refused(tmp_path, encoding):
    (tmp_path / "a.xml").write_text(f'<?xml version="1.0" encoding="{encoding}"?><a>\u00e9</a>')
    with pytest.raises(AnnotationError, match="a.xml: not safe, well-formed XML"):
        parse_xml(tmp_path / "a.xml", 1000)
