"""The `.idx` of a record file that comes without one, as Pikachu's `val.rec` does."""

import ctypes
from pathlib import Path

from single_shot.files import write_whole

import mxnet as mx
from mxnet.base import _LIB, check_call


def write_index(rec_path: Path) -> int:
    """Write the `.idx` beside a record file: lines of key and position, keys 0, 1, 2 ...

    Returns the number of records. It is what MXNet's tools/rec2idx.py writes; the package does not
    bring that program.
    """
    rec_path = Path(rec_path)
    reader, position, lines = mx.recordio.MXRecordIO(str(rec_path), "r"), ctypes.c_size_t(0), []
    try:
        while reader.read() is not None:
            lines.append(f"{len(lines)}\t{position.value}\n")
            check_call(_LIB.MXRecordIOReaderTell(reader.handle, ctypes.byref(position)))
    finally:
        reader.close()
    text = "".join(lines)
    write_whole(rec_path.with_suffix(".idx"), text)
    return len(lines)
