"""One of several processes, on one machine or many, that train a detector together.

`single-shot launch` starts them, and the environment says which of them this one is. Worker 0 alone
scores, saves and reports.
"""

import functools
import os
import sys
import tempfile
from contextlib import AbstractContextManager, nullcontext
from os import PathLike
from pathlib import Path

from single_shot.cluster import line
from single_shot.resuming import Autosave, resume_run
from utils.training import TrainingRun, Workers

import numpy as np
from mxnet import kvstore, nd

MESSAGE = 10**6 + 1  # key of what worker 0 tells the others, beside `training.POSITIVES`
PIECE = 2**18  # numbers of two bytes that travel at a time
LENGTH = 8  # bytes before a message that say how long it is


def in_job() -> bool:
    """Return whether this process is a worker among the processes of a job."""
    return os.environ.get("DMLC_ROLE") == "worker"


def rank_and_count() -> tuple[int, int]:
    """Return the number of this worker, from 0 on, and how many there are: 0 of 1 without a job."""
    if not in_job():
        return 0, 1
    return int(os.environ["DMLC_WORKER_ID"]), int(os.environ["DMLC_NUM_WORKER"])


def tell(text: str) -> None:
    """Print what a user should know, once and not in every worker."""
    if rank_and_count()[0] == 0:
        print(text, file=sys.stderr)


def join(threshold: float | None, **facts: str) -> Workers:
    """Meet the other workers; return who trains together, which without a job is this process.

    threshold: see `training.Workers`; facts: what must be the same in all, or the job ends here.
    """
    rank, count = rank_and_count()
    if not in_job():
        return Workers()
    line.agree(**facts)
    store = kvstore.create("dist_sync")
    line.joined()
    if threshold:
        store.pushpull = functools.partial(push_and_pull, store)
    return Workers(rank, count, store, threshold)


def push_and_pull(
    store: kvstore.KVStore, key: int, value: list[nd.NDArray], priority: int = 0
) -> None:
    """Do what `pushpull` does, which MXNet refuses for compressed gradients, in two steps."""
    store.push(key, value, priority)
    store.pull(key, value, priority)


def spread(store: kvstore.KVStore, content: bytes | None) -> bytes:
    """Return, in all workers, the content that one of them gives; the others give None.

    It travels through the key-value store, which adds up numbers: the others add zeros. Two bytes
    make a number, since a float32 holds any such number exactly.
    """
    store.init(MESSAGE, nd.zeros(PIECE))
    message = b"" if content is None else len(content).to_bytes(LENGTH, "little") + content
    received = bytearray()
    while len(received) < LENGTH + int.from_bytes(received[:LENGTH], "little"):
        piece = message[len(received) : len(received) + 2 * PIECE].ljust(2 * PIECE, b"\0")
        numbers = nd.array(np.frombuffer(piece, dtype="<u2"), dtype="float32")
        store.pushpull(MESSAGE, numbers)
        received += numbers.asnumpy().astype("<u2").tobytes()
    return bytes(received[LENGTH:][: int.from_bytes(received[:LENGTH], "little")])


class WorkersAutosave(Autosave):
    """An Autosave whose file only worker 0 has; the others go on from what it sends them."""

    def __init__(self, path: PathLike | str, workers: Workers, **facts: str) -> None:
        super().__init__(path, **facts)
        self.workers = workers

    def around(self, run: TrainingRun) -> AbstractContextManager:
        if self.workers.count > 1:
            content = spread(self.workers.kvstore, self.content())
            if self.workers.rank and content:
                with tempfile.NamedTemporaryFile() as copy:
                    copy.write(content)
                    copy.flush()
                    resume_run(copy.name, run)
        return super().around(run) if self.workers.rank == 0 else nullcontext()

    def content(self) -> bytes | None:
        """Return the bytes of the file, none where it is not there yet; None but in worker 0."""
        if self.workers.rank:
            return None
        return Path(self.path).read_bytes() if Path(self.path).exists() else b""

    def after_epoch(self, run: TrainingRun) -> None:
        if self.workers.rank == 0:
            super().after_epoch(run)
