"""Lists for im2rec and record files: as MXNet packs and reads them."""

import json

from single_shot.labels.annotations import AnnotationError
from single_shot.labels.im2rec import read_lst, read_rec
from single_shot.labels.pictures import FilePart, read_picture
from utils.records import RecordError, pack_sample, write_records

import mxnet as mx
import numpy as np
import pytest
from label_files import NAMES, fractions, jpeg, write_images, write_source

IMAGES = [[(0, 1, 2, 20, 30), (2, 0, 0, 40, 30)], [], [(1, 5, 5, 9, 9)]]


def test_a_list_is_what_mxnets_iterator_reads(tmp_path):
    """The iterator refuses images without objects, so it is shown the others only."""
    path = write_source(tmp_path, "lst", IMAGES)
    found = read_lst(path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + lines[2])
    iterator = mx.image.ImageDetIter(
        batch_size=1,
        data_shape=(3, 30, 40),
        path_imglist=str(path),
        path_root=str(tmp_path / "images"),
        imglist=None,
    )
    labels = iterator.next().label[0].asnumpy()[0]
    np.testing.assert_allclose(found.items[0].labels, labels[labels[:, 0] >= 0], atol=1e-6)
    labels = iterator.next().label[0].asnumpy()[0]
    np.testing.assert_allclose(found.items[2].labels, labels[labels[:, 0] >= 0], atol=1e-6)
    assert len(found.items[1].labels) == 0 and found.class_names == NAMES


def test_a_sixth_column_says_difficult(tmp_path):
    write_images(tmp_path, 1)
    rows = "0\t0\t0\t0.5\t0.5\t1\t1\t0\t0\t1\t1\t0"
    (tmp_path / "a.lst").write_text(f"0\t4\t6\t40\t30\t{rows}\t0.jpg\n")
    found = read_lst(tmp_path / "a.lst", class_names=NAMES)
    assert found.items[0].difficult.tolist() == [True, False]


@pytest.mark.parametrize(
    "line, kind, message",
    [
        ("0 2 5 0 0 0 1 1 0.jpg", "bad row", "line 1: not index, label and path"),
        ("0\t2\tx\t0.jpg", "bad row", "line 1: a label is 'x', not a number"),
        ("0\t3\t0.jpg", "bad row", "line 1: label header is [3]"),
        ("0\t2\t5\t0\t0\t0\t1\t0.jpg", "bad row", "line 1: label length 6"),
        ("0\t2\t5\t0\t10\t10\t20\t20\t0.jpg", "outside image", "line 1, object 0: xmin 10"),
        ("0\t2\t5\t0.5\t0\t0\t1\t1\t0.jpg", "unknown class", "line 1, object 0: class id is 0.5"),
        ("0\t2\t5\t0\t0\t0\t1\t1\t/z.jpg", "unsafe path", "line 1: file name '/z.jpg'"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, kind, message):
    write_images(tmp_path, 1)
    (tmp_path / "a.lst").write_text(line)
    (finding,) = read_lst(tmp_path / "a.lst", class_names=NAMES).faults
    assert finding.kind == kind and f"{tmp_path}/a.lst, {message}" in str(finding)


def test_records_keep_their_jpegs(tmp_path):
    found = read_rec(write_source(tmp_path, "rec", IMAGES))
    for number, (item, objects) in enumerate(zip(found.items, IMAGES, strict=True)):
        np.testing.assert_array_equal(item.labels, fractions(objects))
        assert item.image.read_bytes() == jpeg(number)
        assert isinstance(item.image.content, FilePart)  # not in memory
        assert read_picture(item.image).shape == (30, 40, 3)


def test_a_record_in_pieces_is_read_whole(tmp_path):
    """MXNet cuts a payload where it holds the sign that begins a record, on four bytes."""
    content = jpeg(0) + bytes(-len(jpeg(0)) % 4) + (0xCED7230A).to_bytes(4, "little") * 3
    write_records(tmp_path / "a", [(content, fractions([(0, 0, 0, 9, 9)]))])
    (item,) = read_rec(tmp_path / "a.rec", class_names=NAMES).items
    assert item.image.read_bytes() == content


def test_a_bad_record_is_named_and_the_others_are_read(tmp_path):
    path = tmp_path / "a.rec"
    payloads = [
        pack_sample(jpeg(0), [[0, 0.1, 0.1, 0.5, 0.5], [1, 0.5, 0.1, 0.5, 0.2]], 0),
        pack_sample(jpeg(1), [[0, 0, 0, 1, 1]], 1)[:30],
        pack_sample(jpeg(2)[:40], [[0, 0, 0, 1, 1]], 2),
    ]
    writer = mx.recordio.MXIndexedRecordIO(str(tmp_path / "a.idx"), str(path), "w")
    for key, payload in enumerate(payloads):
        writer.write_idx(key, payload)
    writer.close()
    found = read_rec(path, class_names=NAMES)
    kinds = {finding.kind: str(finding) for finding in found.faults}
    assert kinds.keys() == {"zero area", "bad row", "image unreadable"}
    assert "a.rec record 0, object 1: zero-area" in kinds["zero area"]
    assert "a.rec record 1: truncated label" in kinds["bad row"]
    assert "a.rec record 2" in kinds["image unreadable"] and len(found.items) == 1


def test_names_come_from_beside_the_file(tmp_path):
    path = tmp_path / "a.rec"
    write_records(tmp_path / "a", [(jpeg(0), fractions([(1, 0, 0, 9, 9)]))])
    with pytest.raises(AnnotationError, match=r"a.rec: .*no names .ids: 1.; name the classes"):
        read_rec(path)
    (tmp_path / "manifest.json").write_text(json.dumps({"class_names": ["x", "y"]}))
    assert read_rec(path).class_names == ("x", "y")
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(AnnotationError, match="manifest.json: holds no class_names"):
        read_rec(path)


def test_a_record_that_reaches_beyond_its_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    """MXNet would allocate 512 MiB first."""
    monkeypatch.setattr(mx.recordio.MXIndexedRecordIO, "read_idx", lambda *_: pytest.fail("read"))
    path = write_source(tmp_path, "rec", IMAGES)
    content = bytearray(path.read_bytes())
    content[4:8] = (2**29 - 1).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(RecordError, match="labels.rec record 0: truncated record file"):
        read_rec(path)


@pytest.mark.parametrize("label", ["2\t1e30", "1e30\t5", "2\t1e300\t", "2\t4294967301"])
def test_a_header_of_huge_numbers_is_named(tmp_path, label):
    (tmp_path / "a.lst").write_text(f"0\t{label}\ta.jpg\n")
    (tmp_path / "classes.txt").write_text("cat\n")
    findings = read_lst(tmp_path / "a.lst").findings
    assert any("a.lst, line 1" in str(finding) for finding in findings)
