"""Files as PyTorch wrote them until 1.5: strides, and what a hostile one may try."""

import io
import pickle
import struct
from collections import OrderedDict

from single_shot.weights.torch_file import BEGINNING, read_torch_file
from utils.checkpoint import CheckpointError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}


class Global:
    """A name in a pickle, of whatever module."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Storage:
    """Numbers that a pickle refers to."""

    def __init__(self, key, size, dtype="FloatStorage", view=None):
        self.pid = ("storage", Global("torch", dtype), key, "cpu", size, view)


class Call:
    """A call in a pickle."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments


class Pickler(pickle._Pickler):
    """A pickler of names, calls and storages that need not exist here."""

    def persistent_id(self, obj):
        return obj.pid if isinstance(obj, Storage) else None

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Global):
            self.write(b"c" + f"{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, Call):
            self.save(obj.function)
            self.save(obj.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(obj, save_persistent_id)


def pickled(*objects):
    file = io.BytesIO()
    for each in objects:
        Pickler(file, protocol=2).dump(each)
    return file.getvalue()


def tensor(storage, shape, strides, offset=0):
    rebuild = Global("torch._utils", "_rebuild_tensor_v2")
    return Call(rebuild, storage, offset, shape, strides, False, OrderedDict())


NUMBERS = np.arange(6, dtype="<f4")


def file_bytes(tensors, keys=("7",), storages=(NUMBERS,), beginning=BEGINNING, rest=b""):
    raw = [struct.pack("<q", len(storage)) + storage.tobytes() for storage in storages]
    return pickled(*beginning, SYSTEM, tensors, list(keys)) + b"".join(raw) + rest


def read(tmp_path, content):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    return read_torch_file(path)


def one(**options):
    """Return the bytes of a file with a single tensor `w` of six numbers."""
    options = {"shape": (2, 3), "strides": (3, 1), "offset": 0, "size": 6} | options
    storage = Storage(
        "7", options["size"], options.get("dtype", "FloatStorage"), options.get("view")
    )
    return file_bytes(
        {"w": tensor(storage, options["shape"], options["strides"], options["offset"])}
    )


def test_numbers_come_in_the_order_of_the_shape(tmp_path):
    assert read(tmp_path, one())["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
    transposed = read(tmp_path, one(strides=(1, 2)))["w"]  # as convolutions from TensorFlow are
    assert transposed.tolist() == [[0, 2, 4], [1, 3, 5]] and transposed.flags.c_contiguous
    assert read(tmp_path, one(shape=(2,), strides=(2,), offset=3))["w"].tolist() == [3, 5]
    assert read(tmp_path, one(shape=(), strides=(), offset=2))["w"] == 2


def test_two_tensors_may_share_a_storage(tmp_path):
    storage = Storage("7", 6)
    tensors = {"a": tensor(storage, (6,), (1,)), "b": tensor(storage, (3,), (2,))}
    found = read(tmp_path, file_bytes(OrderedDict(tensors)))
    assert found["a"].tolist() == NUMBERS.tolist() and found["b"].tolist() == [0, 2, 4]


EVIL = Call(Global("os", "system"), "true")
HOSTILE = {
    "a call": (file_bytes({"w": EVIL}), "it names os.system"),
    "a call before": (pickled(EVIL) + one(), "it names os.system"),
    "a call among the keys": (
        file_bytes({"w": tensor(Storage("7", 6), (6,), (1,))}, keys=(EVIL,)),
        "it names os.system",
    ),
    "a name of builtins": (
        file_bytes({"w": Call(Global("builtins", "eval"), "1")}),
        "builtins.eval",
    ),
    "another class of torch": (file_bytes({"w": Global("torch.nn", "Linear")}), "torch.nn.Linear"),
    "another storage": (one(dtype="HalfStorage"), "torch.HalfStorage"),
    "a view": (one(view=("8", 0, 3)), "not known here"),
    "beyond the storage": (one(offset=1), "w reaches beyond its storage"),
    "before the storage": (one(offset=-1), "w reaches beyond its storage"),
    "backwards": (one(strides=(3, -1), offset=5), "w reaches beyond its storage"),
    "as large as memory": (one(shape=(10**9, 10**3), strides=(0, 0)), "w reaches beyond"),
    "fewer strides": (one(strides=(1,)), "no weights as PyTorch"),
    "another size": (one(size=5), "storage 7 has not the 5 numbers"),
    "an endless size": (one(size=2**60), "no weights as PyTorch"),
    "cut short": (one()[:-1], "storage 7 has not the 6 numbers"),
    "more behind": (one() + b"!", "more behind the last storage"),
    "other keys": (file_bytes({"w": tensor(Storage("7", 6), (6,), (1,))}, keys=("8",)), "storages"),
    "no tensor": (file_bytes({"w": 1}, keys=(), storages=()), "no weights as PyTorch"),
    "another beginning": (file_bytes({}, (), (), beginning=[1, 2]), "begins in another way"),
    "a zip, as PyTorch writes now": (b"PK\x03\x04" + bytes(60), "no weights as PyTorch"),
    "nothing": (b"", "no weights as PyTorch"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_anything_else_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr("os.system", lambda command: pytest.fail("code was run"))
    content, message = HOSTILE[name]
    with pytest.raises(CheckpointError, match=f"weights.pth: .*{message}"):
        read(tmp_path, content)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="absent.pth: .*No such file"):
        read_torch_file(tmp_path / "absent.pth")


@given(st.data())
def test_a_spoiled_file_gives_arrays_or_an_error_in_words(tmp_path_factory, data):
    content = bytearray(one(strides=(1, 2)))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] = data.draw(st.integers(0, 255))
    try:
        arrays = read(tmp_path_factory.mktemp("spoiled"), bytes(content))
    except CheckpointError as error:
        assert "weights.pth" in str(error)
    else:
        assert all(isinstance(array, np.ndarray) for array in arrays.values())
