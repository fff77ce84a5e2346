"""Where a run stands, on disk, written between two steps: it goes on as if never stopped."""

import hashlib
import json
import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from os import PathLike
from pathlib import Path

from utils.checkpoint import CheckpointError, load_checkpoint, save_checkpoint, wrong_content
from utils.hooks import Hook
from utils.training import EpochSoFar, TrainingRun

import numpy as np
from mxnet import Context, gluon, nd

SAVE_SECONDS = 60  # the most that a killed run loses


class Autosave(Hook):
    """Has a run go on from its checkpoint, where there is one, and keeps that up to date.

    facts: what else must be the same when the run goes on, see `identity`.
    It is written after every epoch, and once in SAVE_SECONDS within a long one; a run that goes on
    ends with the same weights as one never stopped. Hooks that add to the history come before.
    """

    def __init__(self, path: PathLike | str, **facts: str) -> None:
        self.path, self.facts, self.written = path, facts, time.monotonic()

    def around(self, run: TrainingRun) -> AbstractContextManager:
        if Path(self.path).exists():
            resume_run(self.path, run, **self.facts)
        return nullcontext()

    def after_step(self, run: TrainingRun) -> None:
        if not run.num_pending and time.monotonic() - self.written >= SAVE_SECONDS:
            self.after_epoch(run)

    def after_epoch(self, run: TrainingRun) -> None:
        save_run(self.path, run, **self.facts)
        self.written = time.monotonic()


def fingerprint(dataset: gluon.data.Dataset) -> str:
    """Return a checksum of a data set: of its file where it has one.

    Else of its labels, and of the names and sizes of its image files where it has such.
    """
    if getattr(dataset, "sha256", None):
        return dataset.sha256
    digest = hashlib.sha256()
    for path in map(Path, getattr(dataset, "images", ())):
        digest.update(f"{path.name} {path.stat().st_size if path.exists() else None}\n".encode())
    for labels in dataset.labels:
        digest.update(np.asarray(labels, dtype=np.float32).tobytes() + b"end of image")
    return digest.hexdigest()


def identity(run: TrainingRun, **facts: str) -> dict:
    """Return what a checkpoint must share with a `training.TrainingRun`, as JSON gives it back.

    facts: what the run itself does not know, such as the fingerprint of the held-out pictures.
    The network is None unless it says what it is (`networks.build_network`), the start unless
    weights were taken over (`train`).
    """
    shared = {
        "class_names": run.dataset.class_names,
        "num_images": len(run.dataset),
        "data": fingerprint(run.dataset),
        "config": asdict(run.config),
        "num_workers": run.workers.count,
        "network": getattr(run.net, "description", None),
        "start": getattr(run.net, "begun_with", None),
        **facts,
    }
    return json.loads(json.dumps(shared))


def save_run(path: PathLike | str, run: TrainingRun, **facts: str) -> None:
    """Write a checkpoint from which `resume_run` goes on; no gradients may be pending.

    facts: see `identity`. Raises CheckpointError where it cannot be written.
    """
    # Batch normalisation writes its running statistics behind the engine's back: without waiting,
    # a checkpoint may hold them as they were a step ago.
    nd.waitall()
    metadata = identity(run, **facts) | {
        "image_size": run.config.image_sizes[-1],
        "history": run.history,
        "epoch_so_far": asdict(run.so_far),
    }
    save_checkpoint(path, run.net, metadata, optimizer_states(run.trainer))


def difference(field: str, found: object, wanted: object) -> str:
    """Return in words how a field of a checkpoint differs from that of a run."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        key = next(key for key in wanted | found if found.get(key) != wanted.get(key))
        field, found, wanted = f"{field} {key}", found.get(key), wanted.get(key)
    return f"{field} is {shown(found)}, but this run has {shown(wanted)}"


def shown(value: object) -> object:
    """Return a value as a message shows it: of a long list of one number, how often it is there."""
    if isinstance(value, list) and len(value) > 1 and len(set(map(str, value))) == 1:
        return f"{len(value)} times {value[0]}"
    return value


def resume_run(path: PathLike | str, run: TrainingRun, **facts: str) -> None:
    """Bring a new run to where a checkpoint was written.

    facts: see `identity`.
    Raises CheckpointError where its classes, data, configuration or network are not the run's, and
    where no run is ever where it says.
    """
    checkpoint = load_checkpoint(path)
    for name, wanted in identity(run, **facts).items():
        found = checkpoint.metadata.get(name)
        if found != wanted:
            raise CheckpointError(
                f"{path}: {difference(name, found, wanted)}; go on with the same, or remove the "
                "file (--restart) to train from scratch"
            )

    def num_updates(batches):
        return math.ceil(batches / run.config.accumulate)

    with wrong_content(path):
        history, so_far = checkpoint.metadata["history"], checkpoint.metadata["epoch_so_far"]
        check_progress(history, so_far, len(run.config.image_sizes), run.steps_per_epoch)
        checkpoint.load_into(run.net, run.contexts)
        run.history = history
        run.so_far = EpochSoFar(so_far["batches"], so_far["seconds"], dict(so_far["totals"]))
        updates_done = len(run.history) * num_updates(run.steps_per_epoch)
        updates_done += num_updates(run.so_far.batches)
        run.trainer = run.make_trainer(updates_done)
        check_states(run.trainer, checkpoint.optimizer_states, updates_done)
        restore_optimizer_states(run.trainer, checkpoint.optimizer_states, run.contexts)


def check_progress(history: object, so_far: dict, num_epochs: int, steps_per_epoch: int) -> None:
    """Raise ValueError or TypeError unless a run can be there: history and epoch so far, as read.

    A run is saved after the last step of an epoch too, before the epoch is counted.
    """
    if not (isinstance(history, list) and all(isinstance(line, dict) for line in history)):
        raise TypeError("history is no list of epochs")
    numbers = [line.get("epoch") for line in history]
    if numbers != list(range(1, len(numbers) + 1)) or len(numbers) > num_epochs:
        raise ValueError(f"history has the epochs {numbers}, of {num_epochs}")
    batches, seconds, totals = so_far["batches"], so_far["seconds"], so_far["totals"]
    if type(batches) is not int or not 0 <= batches <= steps_per_epoch:
        raise ValueError(f"batches is {batches!r}, of {steps_per_epoch}")
    if not (isinstance(totals, dict) and all(map(is_number, [seconds, *totals.values()]))):
        raise TypeError("seconds and totals are no numbers")


def is_number(value: object) -> bool:
    """Return whether a value from JSON is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_states(trainer: gluon.Trainer, states: dict[str, nd.NDArray], updates_done: int) -> None:
    """Raise ValueError unless states are those of a Trainer's optimiser after as many updates."""
    wanted = {}
    for index, parameter in enumerate(trainer._params if updates_done else ()):
        if parameter.grad_req != "null":
            state = named_states({index: trainer._optimizer.create_state(index, nd.zeros(1))})
            wanted |= dict.fromkeys(state, parameter.shape)
    for name in sorted(wanted.keys() | states.keys()):
        found = states[name].shape if name in states else None
        if found != wanted.get(name):
            raise ValueError(f"optimizer state {name} is {found}, not {wanted.get(name)}")


def optimizer_states(trainer: gluon.Trainer) -> dict[str, nd.NDArray]:
    """Return the state arrays of a gluon Trainer's optimiser on its first device, by name.

    All devices take the same steps, so that theirs are equal.

    They are the two moments of Adam, `INDEX.0` and `INDEX.1`, or the momentum of SGD, `INDEX`, for
    every parameter. Step counts are left out: a new optimiser takes them as `begin_num_update`.
    """
    return named_states(trainer._updaters[0].states)  # there is no other way but a pickle


def named_states(states: dict) -> dict[str, nd.NDArray]:
    """Return an updater's states by index, each an array or several, by the names of all."""
    named = {}
    for index, state in states.items():
        if isinstance(state, tuple):
            named |= {f"{index}.{part}": array for part, array in enumerate(state)}
        elif state is not None:  # SGD without momentum has none
            named[str(index)] = state
    return named


def restore_optimizer_states(
    trainer: gluon.Trainer, states: dict[str, nd.NDArray], contexts: Sequence[Context]
) -> None:
    """Give a new Trainer's optimiser the states that `optimizer_states` returned, on all devices.

    contexts: the devices, in the Trainer's order.
    """
    names = sorted(states, key=lambda name: [int(number) for number in name.split(".")])
    for updater, ctx in zip(trainer._updaters, contexts, strict=True):
        for name in names:
            index, array = int(name.partition(".")[0]), states[name].copyto(ctx)
            is_part = "." in name
            updater.states[index] = (*updater.states.get(index, ()), array) if is_part else array
            updater.states_synced[index] = True
