"""Every reader reads what is right, and refuses what is not by a project error that names it.

As many examples a test as the profile of Hypothesis says: `make fuzz` takes more than `make test`.
"""

import io
import re
import shutil
from datetime import timedelta
from itertools import count
from pathlib import Path

from single_shot.labels.annotations import AnnotatedDataset
from single_shot.labels.image_checks import check_images
from single_shot.labels.pictures import displayed_size, read_picture
from single_shot.prepared_folder import PreparedError, read_manifest
from utils.records import RecordError, check_labels

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_files import (
    FORMATS,
    NAMES,
    SIZE_PX,
    SUFFIXES,
    example,
    fractions,
    framed,
    jpeg,
    read,
    source_of,
    texts_of,
    write_images,
    write_rec,
    write_tfrecord,
)
from PIL import Image

# Nothing may hang; the limit is far above what an example takes on a busy machine.
limited = settings(deadline=timedelta(seconds=10), max_examples=settings.default.max_examples // 4)
TOKENS = [
    *(
        b"nan",
        b"inf",
        b"-1",
        b"0",
        b"1e308",
        b"-1e400",
        b"9" * 5000,
        b"0x10",
        b"1_0",
        b"1.5",
        b"-0",
    ),
    *(b"../0.jpg", b"/etc/passwd", b"C:\\0.jpg", b"..\\0.jpg", b".", b"a" * 300, b".sub/link.jpg"),
    *(b"\0", b"\xff\xfe", b"\xfe\xff\xd8", b"\xef\xbb\xbf", "\u0663\u202e\u2028\x85".encode()),
    *(b"\n", b"\r", b"\t", b",", b'"', b"'", b"<", b"&", b"{", b"]", b": ", b"- ", b"\n\n0.jpg"),
    *(b"true", b"null", b"{}", b"[]", b"[1]", b'"x"', b'{"id": 1}', b"[" * 3000, b"<a>" * 3000),
    *(b"<!DOCTYPE a [<!ENTITY e 'x'>]>&e;", b"<?xml version='1.0' encoding='utf-7'?>", b"&#0;"),
    *(b"\n*a", b"&a [*a]", b"!!python/name:os.system", b"2\t5", b"2\t6", b"-1\t-1\t-1\t-1\t-1"),
]
RECORD_WRITERS = {"rec": write_rec, "tfrecord": write_tfrecord}
VALUE = re.compile(rb"[-\w./]+")


@st.composite
def objects(draw):
    """Draw up to four different objects in whole pixel edges of an image."""
    width, height = SIZE_PX
    corners = st.tuples(
        st.integers(0, len(NAMES) - 1),
        st.integers(0, width - 3),
        st.integers(0, height - 3),
        st.integers(2, width),
        st.integers(2, height),
    )
    found = draw(st.lists(corners, max_size=4, unique=True))
    return [row for row in found if row[3] - row[1] > 1 and row[4] - row[2] > 1]


images = st.lists(objects(), min_size=1, max_size=3)


@st.composite
def spoiled(draw, content):
    """Draw a content, bytes, that is spoiled in one to three places."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 40)))
        values = list(VALUE.finditer(content))
        kind = draw(
            st.sampled_from(("value", "value", "token", "cut", "drop", "repeat", "flip", "any"))
        )
        token = draw(st.sampled_from(TOKENS))
        if kind == "value" and values:
            start, end = draw(st.sampled_from(values)).span()
        if kind == "cut":
            content = content[:start]
        elif kind == "flip" and start < len(content):
            byte = content[start] ^ (1 << draw(st.integers(0, 7)))
            content = content[:start] + bytes([byte]) + content[start + 1 :]
        elif kind == "any":
            content = content[:start] + draw(st.binary(max_size=40)) + content[end:]
        else:
            middle = {"drop": b"", "repeat": content[start:end] * 2}.get(kind, token)
            content = content[:start] + middle + content[end:]
    return content


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A function that gives a new folder with the three images and a link out of it."""
    root = tmp_path_factory.mktemp("fuzz")
    write_images(root / "images", 3)
    (root / "outside.jpg").write_bytes(jpeg(0))
    (root / "images" / ".sub").mkdir()
    (root / "images" / ".sub" / "link.jpg").symlink_to(root / "outside.jpg")
    numbers = count()

    def make():
        if (last := root / f"{next(numbers) - 1}").exists():
            shutil.rmtree(last)
        folder = root / f"{int(last.name) + 1}"
        folder.mkdir()
        return folder

    make.images = root / "images"
    return make


def write_texts(folder, files):
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def recode(content, encoding, newline, is_xml):
    """Return UTF-8 bytes in another encoding and with other line ends."""
    text = content.decode()
    if is_xml:
        text = text.replace("encoding='utf-8'", f"encoding='{encoding[:6].rstrip('-')}'")
    return text.replace("\n", newline).encode(encoding)


@pytest.mark.parametrize("name", FORMATS)
@limited
@given(images=images, encoding=st.sampled_from(("utf-8", "utf-8-sig", "utf-16")), data=st.data())
def test_what_is_written_is_read(fresh, name, images, encoding, data):
    folder = fresh()
    if name in RECORD_WRITERS:
        RECORD_WRITERS[name](folder / f"labels.{name}", images)
    else:
        newline = data.draw(st.sampled_from(("\n", "\r\n")))
        files = texts_of(name, images)
        write_texts(
            folder, {p: recode(c, encoding, newline, name == "voc") for p, c in files.items()}
        )
    found = read(name, source_of(folder, name), images=fresh.images, class_names=NAMES)
    assert not found.faults
    items = sorted(found.items, key=lambda item: str(item.image))
    assert len(items) >= len(images)  # YOLO takes the rest of the images as well
    for item, expected in zip(items, images):
        np.testing.assert_allclose(item.labels, fractions(expected), atol=2e-6)


def check_outcome(open_it, folder):
    """Read a spoiled source: an error that names the folder, or labels without a fault."""
    try:
        found = open_it()
    except RecordError as error:
        assert str(folder) in str(error) and len(str(error)) < 20_000
        return
    for finding in found.findings:
        assert str(folder.parent) in finding.message and len(finding.message) < 5_000
    for item in found.items:
        check_labels(item.labels, len(found.class_names), "read")
        assert len(item.difficult) == len(item.labels)
        if isinstance(item.image, Path):  # never what a link out of the folder leads to
            assert item.image.resolve().is_relative_to((folder.parent / "images").resolve())
    checked = check_images(found)
    dataset = AnnotatedDataset(checked, drop_bad=True)
    for index in range(len(dataset)):
        assert dataset[index][0].ndim == 3
    if checked.faults:
        with pytest.raises(RecordError, match=re.escape(str(folder.parent))):
            AnnotatedDataset(checked)


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in RECORD_WRITERS])
@limited
@given(images=images, data=st.data())
def test_a_spoiled_file_is_read_or_refused(fresh, name, images, data):
    folder = fresh()
    files = texts_of(name, images)
    path = data.draw(st.sampled_from(sorted(files)))
    files[path] = data.draw(spoiled(files[path]))
    write_texts(folder, files)
    names = data.draw(st.sampled_from((NAMES, None)))
    check_outcome(
        lambda: read(name, source_of(folder, name), images=fresh.images, class_names=names),
        folder,
    )


@limited
@given(images=images, data=st.data())
def test_a_spoiled_record_file_is_read_or_refused(fresh, images, data):
    folder = fresh()
    path = write_rec(folder / "labels.rec", images)
    (folder / "classes.txt").write_text("\n".join(NAMES), encoding="utf-8")
    path = data.draw(st.sampled_from((path, path.with_suffix(".idx"), folder / "classes.txt")))
    path.write_bytes(data.draw(spoiled(path.read_bytes())))
    check_outcome(lambda: read("rec", folder / "labels.rec"), folder)


@pytest.mark.parametrize("inside", [False, True])
@limited
@given(images=images, data=st.data())
def test_a_spoiled_tfrecord_is_read_or_refused(fresh, inside, images, data):
    """inside: an Example is spoiled, and its checksum fits."""
    folder = fresh()
    path = write_tfrecord(folder / "labels.tfrecord", images)
    if inside:
        path.write_bytes(framed(data.draw(spoiled(example(0, images[0])))))
    else:
        path = data.draw(st.sampled_from((path, folder / "label_map.pbtxt")))
        path.write_bytes(data.draw(spoiled(path.read_bytes())))
    names = data.draw(st.sampled_from((NAMES, None)))
    check_outcome(lambda: read("tfrecord", folder / "labels.tfrecord", class_names=names), folder)


@pytest.mark.parametrize("name", FORMATS)
@limited
@given(content=st.binary(max_size=400))
def test_binary_junk_is_refused(fresh, name, content):
    folder = fresh()
    paths = {"voc": "0.xml", "yolo": "labels/0.txt", "labelme": "0.json"}
    paths["supervisely"] = "ann/0.jpg.json"
    write_texts(folder, {paths.get(name) or f"labels.{SUFFIXES[name]}": content})
    (folder / "classes.txt").write_text("cat\n")
    check_outcome(lambda: read(name, source_of(folder, name), images=fresh.images), folder)


@pytest.mark.parametrize("file_format", ("JPEG", "PNG", "BMP", "TIFF", "WEBP"))
@limited
@given(data=st.data())
def test_a_spoiled_image_is_read_or_refused(fresh, file_format, data):
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[274] = 6
    Image.open(io.BytesIO(jpeg(1))).save(buffer, file_format, exif=exif)
    path = fresh() / "image"
    path.write_bytes(data.draw(spoiled(buffer.getvalue())))
    results = []
    for function in (displayed_size, read_picture):
        try:
            results.append(function(path))
        except RecordError as error:
            assert str(path) in str(error)
    if len(results) == 2:  # the size that labels are checked against is that of the picture
        assert results[1].shape == (*results[0][::-1], 3) and results[1].dtype == np.uint8


@limited
@given(data=st.data())
def test_a_spoiled_manifest_is_read_or_refused(fresh, data):
    folder = fresh()
    content = b'{"class_names": ["cat", "dog"], "sha256": {"train.rec": "0", "train.idx": "1"}}'
    (folder / "manifest.json").write_bytes(data.draw(spoiled(content)))
    try:
        manifest = read_manifest(folder)
    except PreparedError as error:
        assert str(folder) in str(error)
    else:
        assert all(isinstance(name, str) for name in manifest["class_names"])
