"""A stand-in for `single_shot.train`, whose workers add up numbers with all the others.

`python -m tests.cluster.stand_in launch ... -- train ...` launches it; with the variables of a job
set, `python -m tests.cluster.stand_in train ...` is one of its processes.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from single_shot import command, launch
from single_shot.answer import Answer
from single_shot.cluster import __main__ as member
from single_shot.cluster import line
from single_shot.files import write_whole

import numpy as np

if TYPE_CHECKING:
    import mxnet as mx

NAME = "tests.cluster.stand_in"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options: what is added up, how often, and what each worker says of its data."""
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--size", type=int, default=1000)
    parser.add_argument("--compress", action="store_true")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--learn", type=Path, help="a folder for what workers learn, instead")
    parser.add_argument("--data", nargs="+", default=["same"])


def run(options: Namespace) -> Answer:
    """Add up numbers, and check the sums; go on from the steps that worker 0 has in its file."""
    number, num_workers = int(os.environ["DMLC_WORKER_ID"]), int(os.environ["DMLC_NUM_WORKER"])
    line.agree(data=options.data[number % len(options.data)])

    import mxnet as mx  # not before: in another role it serves, and never returns

    store = mx.kv.create("dist_sync")
    if options.compress:
        store.set_gradient_compression({"type": "2bit", "threshold": 0.5})
    if options.learn:
        line.joined()
        return learn(options.learn, number, num_workers, store)
    total, begun = mx.nd.zeros(options.size), mx.nd.zeros(1)
    store.init([0, 1], [total, begun])
    line.joined()
    done = int(options.checkpoint.read_text()) if options.checkpoint.exists() else 0
    store.push(1, mx.nd.array([0 if number else done]))
    store.pull(1, out=begun)
    started = time.monotonic()
    for step in range(int(begun.asscalar()), options.steps):
        store.push(0, mx.nd.full(total.shape, step + number))
        store.pull(0, out=total)
        total.wait_to_read()
        expected = num_workers * step + num_workers * (num_workers - 1) / 2
        assert options.compress or (total == expected).asnumpy().all(), (step, total[0].asscalar())
        if number == 0:
            write_whole(options.checkpoint, str(step + 1))
    seconds = time.monotonic() - started
    return Answer(
        f"from {begun.asscalar():g} to {options.steps} in {seconds:.2f} s",
        {
            "first": int(begun.asscalar()),
            "seconds": seconds,
            "threads": int(os.environ["OMP_NUM_THREADS"]),
        },
    )


def learn(folder: Path, number: int, num_workers: int, store: mx.kv.KVStore) -> Answer:
    """Train three steps with one image in each worker; write the weights."""
    from utils.training import Workers

    from tests.test_devices import TWO, weights
    from tests.test_workers import LOCAL, worker_run

    run = worker_run(Workers(number, num_workers, store), replace(LOCAL, batch_size=1))
    run.fit()
    arrays = {f"{index:03}": array for index, array in enumerate(weights(run, TWO[0]))}
    np.savez(folder / f"{number}.npz", **arrays)
    return Answer("", {"steps": run.num_steps_done})


def after_stop(options: Namespace) -> str:
    """Return what Ctrl-C left."""
    return "as it was"


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore it
    sys.modules["single_shot.train"] = sys.modules["__main__"]
    launch.MEMBER = ("-m", NAME)
    begin = command.main if sys.argv[1] == "launch" else member.main
    sys.exit(begin(sys.argv[1:]))
