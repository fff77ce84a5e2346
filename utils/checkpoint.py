"""Checkpoints: one file with weights, class names, configuration and the optimiser's state.

The file is MXNet's own array format, which holds numbers and names only, so that loading one runs
no code; `Block.load_parameters(..., ignore_extra=True)` reads it too. What is not an array is JSON,
kept as bytes. `Trainer.save_states` would write a pickle and is not used.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mxnet import nd
from mxnet.base import MXNetError

FORMAT_VERSION = 1
METADATA = "metadata"
OPTIMIZER = "optimizer."  # before the names of its states; all other arrays are parameters


class CheckpointError(ValueError):
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

    def load_into(self, net, ctx=None):
        """Give a network of the same layers the parameters, on the device ctx."""
        net.load_parameters(str(self.path), ctx=ctx, ignore_extra=True)


def replace_atomically(path, write):
    """Have `write(temporary_path)` make a file, then give it its name; never half a file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        write(str(temporary))
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def parameters_of(net, folder):
    """Return the parameters of a network, named by their place in it."""
    path = Path(folder) / f"parameters.{os.getpid()}.tmp"
    try:
        net.save_parameters(str(path))
        return nd.load(str(path))
    finally:
        path.unlink(missing_ok=True)


def optimizer_states(trainer):
    """Return the state arrays of a gluon Trainer's optimiser on one device, by name.

    They are the two moments of Adam, `INDEX.0` and `INDEX.1`, or the momentum of SGD, `INDEX`, for
    every parameter. Step counts are left out: a new optimiser takes them as `begin_num_update`.
    """
    updater = trainer._updaters[0]  # MXNet offers no other way to them but a pickle
    states = {}
    for index, state in updater.states.items():
        if isinstance(state, tuple):
            states |= {f"{index}.{part}": array for part, array in enumerate(state)}
        elif state is not None:  # SGD without momentum has none
            states[str(index)] = state
    return states


def restore_optimizer_states(trainer, states, ctx):
    """Give a new Trainer's optimiser the states that `optimizer_states` returned."""
    updater = trainer._updaters[0]
    for name in sorted(states, key=lambda name: [int(number) for number in name.split(".")]):
        index, array = int(name.partition(".")[0]), states[name].as_in_context(ctx)
        is_part = "." in name
        updater.states[index] = (*updater.states.get(index, ()), array) if is_part else array
        updater.states_synced[index] = True


def save_checkpoint(path, net, metadata, optimizer_states=None):
    """Write a checkpoint.

    net: any gluon Block; metadata: a dict that JSON can express, with the key `class_names`;
    optimizer_states: name to NDArray, for resuming.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"format_version": FORMAT_VERSION, **metadata})
    arrays = {METADATA: nd.array(np.frombuffer(text.encode(), dtype=np.uint8), dtype=np.uint8)}
    arrays |= parameters_of(net, path.parent)
    arrays |= {OPTIMIZER + name: array for name, array in (optimizer_states or {}).items()}
    replace_atomically(path, lambda temporary: nd.save(temporary, arrays))


def load_checkpoint(path):
    """Return the Checkpoint in a file.

    Raises CheckpointError where the file is absent, damaged or of another version.
    """
    if not Path(path).is_file():
        raise CheckpointError(f"{path}: no such checkpoint; train one first")
    try:
        arrays = nd.load(str(path))
        metadata = json.loads(arrays.pop(METADATA).asnumpy().tobytes())
    except (MXNetError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: not a checkpoint, or damaged; train again or fetch the file anew"
        ) from error
    version = metadata.pop("format_version", None)
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: format_version is {version!r}, this code reads {FORMAT_VERSION}; train again"
        )
    states = {key: array for key, array in arrays.items() if key.startswith(OPTIMIZER)}
    return Checkpoint(
        path=Path(path),
        parameters={key: array for key, array in arrays.items() if key not in states},
        optimizer_states={key[len(OPTIMIZER) :]: array for key, array in states.items()},
        metadata=metadata,
    )
