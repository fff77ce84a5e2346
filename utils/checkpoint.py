"""Checkpoints: one file with weights, class names, configuration and the optimiser's state.

The file is MXNet's own array format, which holds numbers and names only, so that loading one runs
no code; `Block.load_parameters(..., ignore_extra=True)` reads it too. What is not an array is JSON,
kept as bytes. `Trainer.save_states` would write a pickle and is not used. Behind the arrays, where
MXNet does not look, stands the SHA-256 of all bytes before it: it is compared before anything is
read from them.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from utils.files import InputError, replace_atomically

import numpy as np
from mxnet import Context, cpu, nd
from mxnet.base import MXNetError
from mxnet.gluon import Block

FORMAT_VERSION = 2
SEAL = b"single-shot checkpoint, sha256 "  # before the checksum
COUNT, LEAST_BYTES = slice(16, 24), 16  # of arrays, in MXNet's format; bytes of each, at least
METADATA = "metadata"
OPTIMIZER = "optimizer."  # before the names of its states; all other arrays are parameters


# What MXNet, JSON and building a network raise for values that are not what they should be.
WRONG_CONTENT: tuple[type[Exception], ...] = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError),
    *(MXNetError, RecursionError, TypeError, ValueError),
)


class CheckpointError(InputError):
    """A checkpoint that cannot be used; the message names the file and the fix."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds.

    parameters, optimizer_states: name to NDArray; metadata: what JSON can express, `class_names`
    among it.
    """

    path: Path
    parameters: dict
    optimizer_states: dict
    metadata: dict

    def load_into(self, net: Block, ctx: Context | list[Context] | None = None) -> None:
        """Give a network of the same layers the parameters, on the device ctx, or on several.

        Raises CheckpointError where the network has other classes or layers.
        """
        expected = net._collect_params_with_prefix()  # Gluon's public way reads the file again
        self.check_fits(net, {name: parameter.shape for name, parameter in expected.items()})
        for name, parameter in expected.items():
            parameter._load_init(self.parameters[name], ctx)

    def check_fits(self, net: Block, shapes: dict[str, tuple]) -> None:
        """Raise CheckpointError, which says what differs, where a network is not the file's.

        shapes: of the network's parameters by name; None or 0 where they are not known yet.
        """
        names = self.metadata["class_names"]
        num_classes = getattr(net, "num_classes", len(names))
        if num_classes != len(names):
            raise CheckpointError(
                f"{self.path}: knows {len(names)} classes ({', '.join(names)}), the network has "
                f"{num_classes}; build the network for {len(names)}, or choose another file"
            )
        fix = "; build the network that the file describes (networks.build_network)"
        differing = sorted(shapes.keys() ^ self.parameters.keys())
        if differing:
            owner = "network" if differing[0] in shapes else "file"
            raise CheckpointError(
                f"{self.path}: of another network: {len(differing)} parameters are only in one of "
                f"the two, such as {differing[0]} in the {owner}{fix}"
            )
        for name, shape in shapes.items():
            found = self.parameters[name].shape
            if shape and not is_shape(found, shape):
                raise CheckpointError(
                    f"{self.path}: of another network: {name} is {found}, the network wants "
                    f"{shape}{fix}"
                )


def is_shape(found: tuple, wanted: tuple) -> bool:
    """Return whether a shape is the wanted one, in which 0 stands for any number."""
    sides = zip(found, wanted)
    return len(found) == len(wanted) and all(b in (a, 0) for a, b in sides)


def parameters_of(net: Block) -> dict[str, nd.NDArray]:
    """Return the parameters of a network in main memory, named by their place in it."""
    named = net._collect_params_with_prefix()  # Gluon's public way to these names is a file
    return {
        name: parameter.data(parameter.list_ctx()[0]).copyto(cpu())
        for name, parameter in named.items()
    }


def save_checkpoint(
    path: PathLike | str,
    net: Block,
    metadata: dict,
    optimizer_states: dict[str, nd.NDArray] | None = None,
) -> None:
    """Write a checkpoint.

    net: any gluon Block; metadata: a dict that JSON can express, with the key `class_names`;
    optimizer_states: name to NDArray, for resuming.
    Raises CheckpointError where it cannot be written; a file of that name is then as it was.
    """
    text = json.dumps({"format_version": FORMAT_VERSION, **metadata})
    arrays = {METADATA: nd.array(np.frombuffer(text.encode(), dtype=np.uint8), dtype=np.uint8)}
    arrays |= parameters_of(net)
    arrays |= {OPTIMIZER + name: array for name, array in (optimizer_states or {}).items()}
    try:
        replace_atomically(path, lambda temporary: write_sealed(temporary, arrays))
    except (OSError, MXNetError) as error:
        reason = getattr(error, "strerror", None) or str(error).strip().splitlines()[-1]
        raise CheckpointError(
            f"{path}: cannot be written ({reason}); is the disk full, or the folder not yours to "
            "write in? Make room or choose another folder. What was there before is unharmed"
        ) from error


def write_sealed(path: str, arrays: dict[str, nd.NDArray]) -> None:
    """Write arrays by name and, behind them, their checksum.

    Raises MXNetError or OSError where the disk takes less than everything.
    """
    nd.save(path, arrays)
    content = Path(path).read_bytes()
    nd.load_frombuffer(content)  # `nd.save` does not notice when the disk refuses the last bytes
    with open(path, "ab") as file:
        file.write(SEAL + hashlib.sha256(content).digest())


def load_checkpoint(path: PathLike | str) -> Checkpoint:
    """Return the Checkpoint in a file.

    Raises CheckpointError where the file is absent, damaged or of another version.
    """
    metadata, arrays = read_sealed(Path(path))
    with wrong_content(path):
        version, names = metadata.pop("format_version", None), metadata.get("class_names")
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: format_version is {version!r}, this code reads {FORMAT_VERSION}; train again"
        )
    if not is_names(names):
        raise CheckpointError(f"{path}: class_names is {names!r}, not a list of names; train again")
    states = {key: array for key, array in arrays.items() if key.startswith(OPTIMIZER)}
    return Checkpoint(
        path=Path(path),
        parameters={key: array for key, array in arrays.items() if key not in states},
        optimizer_states={key[len(OPTIMIZER) :]: array for key, array in states.items()},
        metadata=metadata,
    )


def is_names(value: object) -> bool:
    """Return whether a value is a list of one or more names."""
    return isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value)


@contextmanager
def wrong_content(path: PathLike | str) -> Iterator[None]:
    """Raise CheckpointError where what a file holds turns out to be no checkpoint's.

    The checksum is no signature: whoever spoils a file can write a new one behind it.
    """
    try:
        yield
    except CheckpointError:
        raise
    except WRONG_CONTENT as error:
        reason = " ".join(str(error).split())[-200:]
        raise CheckpointError(
            f"{path}: whole, but not as this code writes it ({type(error).__name__}: {reason}); "
            "train again"
        ) from error


def read_sealed(path: Path) -> tuple[dict, dict[str, nd.NDArray]]:
    """Return the metadata of a file that `write_sealed` wrote, and its other arrays by name.

    Raises CheckpointError where the bytes are not those that were written.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; train one first")
    content, seal, checksum = path.read_bytes().rpartition(SEAL)
    if not seal:
        raise CheckpointError(
            f"{path}: not a checkpoint of format_version {FORMAT_VERSION}: it ends without a "
            "checksum, so it is truncated, of an older version or another kind of file; fetch it "
            "anew or train again"
        )
    if hashlib.sha256(content).digest() != checksum:
        raise CheckpointError(
            f"{path}: damaged: its bytes are not those that were written; fetch the file anew or "
            "train again"
        )
    with wrong_content(path):
        count = int.from_bytes(content[COUNT], "little")
        if count * LEAST_BYTES > len(content):  # MXNet would go on for hours
            raise ValueError(f"{count} arrays in {len(content)} bytes")
        arrays = nd.load_frombuffer(content)
        return json.loads(arrays.pop(METADATA).asnumpy().tobytes()), arrays
