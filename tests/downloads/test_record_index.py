from single_shot.downloads.record_index import write_index
from utils.records import read_records, write_records

import mxnet as mx
import numpy as np
import pytest


@pytest.mark.parametrize("count", [0, 1, 7])
def test_the_index_is_the_one_that_was_written_with_the_records(tmp_path, count):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 8, 9, 3), dtype=np.uint8)
    label = np.array([[0, 0.1, 0.2, 0.5, 0.9]])
    write_records(tmp_path / "a", ((image, label) for image in images))
    written = (tmp_path / "a.idx").read_text()
    (tmp_path / "a.idx").unlink()
    assert write_index(tmp_path / "a.rec") == count
    assert (tmp_path / "a.idx").read_text() == written
    assert count == 0 or len(list(read_records(tmp_path / "a.rec", 1))) == count


def test_a_record_that_holds_the_mark_of_a_record_is_one(tmp_path):
    """Such a record is stored in several pieces, of which only the first is in the index."""
    mark = (0xCED7230A).to_bytes(4, "little")
    writer = mx.recordio.MXRecordIO(str(tmp_path / "a.rec"), "w")
    for payload in (b"abcd" + mark + b"efgh" + mark, b"ijkl"):
        writer.write(payload)
    writer.close()
    assert write_index(tmp_path / "a.rec") == 2
    reader = mx.recordio.MXIndexedRecordIO(str(tmp_path / "a.idx"), str(tmp_path / "a.rec"), "r")
    assert bytes(reader.read_idx(1)) == b"ijkl"
    assert bytes(reader.read_idx(0)) == b"abcd" + mark + b"efgh" + mark
    reader.close()
