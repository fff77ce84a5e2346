"""Weights in a file of PyTorch's older form, read without PyTorch and without running code.

Such a file is a row of pickles, then the raw numbers of every storage. A pickle may call whatever
it names: here it may name four things, and a tensor must lie within its storage.
"""

import io
import math
import pickle
import struct
from collections import OrderedDict
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from utils.checkpoint import CheckpointError

import numpy as np

BEGINNING = [0x1950A86A20F9469CFC6C, 1001]  # two pickles: magic number and protocol
DTYPES: dict[str, np.dtype] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
# What unpickling and taking the numbers raise for a file that is not one.
WRONG_FILE = (
    *(pickle.UnpicklingError, EOFError, struct.error, UnicodeError, MemoryError, RecursionError),
    *(AttributeError, LookupError, OverflowError, TypeError, ValueError),
)


@dataclass(frozen=True)
class Tensor:
    """A view of a storage: where it begins, and shape and strides, all in numbers."""

    storage: str
    offset: int
    shape: tuple
    strides: tuple


def rebuild_tensor(storage: str, offset: int, shape: tuple, strides: tuple, *_: object) -> Tensor:
    """Stand for `torch._utils._rebuild_tensor_v2`."""
    return Tensor(storage, offset, tuple(shape), tuple(strides))


class ClosedUnpickler(pickle.Unpickler):
    """An unpickler that knows tensors by name and nothing else.

    storages: type and size of every storage that the pickle names, by its key.
    """

    KNOWN = {
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
        **{("torch", name): name for name in DTYPES},
    }

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.storages: dict[str, tuple[str, int]] = {}

    def find_class(self, module: str, name: str) -> object:
        """Return what stands for a name; raise UnpicklingError for all but four."""
        if (module, name) not in self.KNOWN:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no weights need")
        return self.KNOWN[module, name]

    def persistent_load(self, pid: tuple) -> str:
        """Note a storage and return its key."""
        kind, dtype, key, _, size, view = pid
        if kind != "storage" or dtype not in DTYPES or view is not None or size < 0:
            raise pickle.UnpicklingError(f"it has a storage {pid}, which is not known here")
        if self.storages.setdefault(key, (dtype, size)) != (dtype, size):
            raise pickle.UnpicklingError(f"storage {key} is described in two ways")
        return key


def read_torch_file(path: PathLike | str) -> dict[str, np.ndarray]:
    """Return the arrays of a file that PyTorch wrote until version 1.5, by name.

    Raises CheckpointError, which names the file, for anything but tensors by name.
    """
    try:
        return arrays_in(io.BytesIO(Path(path).read_bytes()))
    except (OSError, *WRONG_FILE) as error:
        raise CheckpointError(
            f"{path}: no weights as PyTorch wrote them until version 1.5: {error}"
        ) from error


def arrays_in(file: io.BytesIO) -> dict[str, np.ndarray]:
    """Return the arrays in the bytes of a file; see `read_torch_file`."""
    *beginning, system = [ClosedUnpickler(file).load() for _ in range(3)]
    if beginning != BEGINNING or not system["little_endian"]:
        raise ValueError("it begins in another way")
    unpickler = ClosedUnpickler(file)
    tensors = unpickler.load()
    keys = ClosedUnpickler(file).load()
    if sorted(keys) != sorted(unpickler.storages):
        raise ValueError("the storages are not those of its tensors")
    storages = {key: read_storage(file, key, *unpickler.storages[key]) for key in keys}
    if file.read(1):
        raise ValueError("there is more behind the last storage")
    return {name: array_of(name, tensor, storages) for name, tensor in tensors.items()}


def read_storage(file: io.BytesIO, key: str, dtype: str, size: int) -> np.ndarray:
    """Return the numbers of the next storage; its size is written before them once more."""
    (written,) = struct.unpack("<q", file.read(8))
    data = file.read(size * DTYPES[dtype].itemsize)
    if written != size or len(data) != size * DTYPES[dtype].itemsize:
        raise ValueError(f"storage {key} has not the {size} numbers that it should have")
    return np.frombuffer(data, DTYPES[dtype])


def array_of(name: str, tensor: Tensor, storages: dict[str, np.ndarray]) -> np.ndarray:
    """Return the numbers of a tensor, copied into the order of its shape."""
    storage, shape, strides = storages[tensor.storage], tensor.shape, tensor.strides
    last = tensor.offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    inside = last < len(storage) and math.prod(shape) <= len(storage)
    if not inside or min(tensor.offset, *shape, *strides, 1) < 0 or 0 in shape:
        raise ValueError(f"{name} reaches beyond its storage")
    in_bytes = [step * storage.itemsize for step in strides]
    view = np.lib.stride_tricks.as_strided(storage[tensor.offset :], shape, in_bytes)
    return view.copy()
