"""Speed of ToySSD alone and beside busy processes, by how long OpenMP's threads wait spinning.

Every measurement has a process of its own, since libgomp reads its settings when it is loaded.
See benchmarks/README.md.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import replace

import utils  # noqa: F401  before MXNet

import numpy as np
from mxnet import nd
from report import machine, table, write_record

SPINS = {  # turns of the loop in which a thread of libgomp waits before it sleeps
    "libgomp's 300000": {"GOMP_SPINCOUNT": "300000"},
    "10000": {"GOMP_SPINCOUNT": "10000"},
    "1000": {"GOMP_SPINCOUNT": "1000"},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
}
SIZE = 128  # side of the images in pixels
JOBS = {"detect one": 1, "detect 32": 32, "train 16": 16}  # name: images at a time
BUSY = "while True: pass"


def images_per_second(job, num_images, seconds):
    """Return the median speed of a job that is repeated for so many seconds, after two of it."""
    job()
    job()
    speeds, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        job()
        speeds.append(num_images / (time.perf_counter() - started))
    return float(np.median(speeds))


def measure(seconds):
    """Return the images a second of every job, in this process."""
    from utils.context import seed_everything
    from utils.data import DetectionDataset
    from utils.ssd import compile_for_inference, toy_ssd
    from utils.training import TrainingConfig, TrainingRun

    seed_everything()
    detector, net = toy_ssd(1), toy_ssd(1)
    compile_for_inference(detector, SIZE)
    sample = np.zeros((SIZE, SIZE, 3), np.uint8), np.array([[0, 0.2, 0.2, 0.6, 0.7]], np.float32)
    dataset = DetectionDataset([sample] * JOBS["train 16"], ("frill",))
    config = replace(TrainingConfig(), image_sizes=(SIZE,), batch_size=JOBS["train 16"])
    run = TrainingRun(net, dataset, config)
    images = nd.array(np.stack([image for image, _ in dataset]), dtype="uint8")
    labels = nd.array(np.stack([rows for _, rows in dataset]))

    def detection(num_images):
        x = nd.random.normal(shape=(num_images, 3, SIZE, SIZE))
        return lambda: detector(x)[2].wait_to_read()

    jobs = {name: detection(number) for name, number in JOBS.items() if name.startswith("detect")}
    jobs["train 16"] = lambda: run.step(images, labels, 1e-3)
    return {name: images_per_second(jobs[name], JOBS[name], seconds) for name in JOBS}


@contextlib.contextmanager
def busy_processes(count):
    """Keep so many processors busy meanwhile."""
    processes = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def ask(spin, num_threads, seconds):
    """Return what `measure` finds in a process with these settings."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    environment |= SPINS[spin] | {"OMP_NUM_THREADS": str(num_threads)}
    command = [sys.executable, __file__, "--worker", "--seconds", str(seconds)]
    return json.loads(subprocess.check_output(command, env=environment))


def main(arguments=None):
    """Measure all combinations in turns, then print the table of medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 2], help="other processes")
    parser.add_argument("--spins", nargs="+", default=list(SPINS), choices=SPINS, metavar="SPIN")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each job of a measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="file for the whole record")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker:
        print(json.dumps(measure(options.seconds)))
        return
    at_start = machine()
    print(at_start, flush=True)
    cases = [(t, b, spin) for t in options.threads for b in options.busy for spin in options.spins]
    measured = {case: {name: [] for name in JOBS} for case in cases}
    for number in range(options.rounds):
        for threads, busy, spin in cases:
            with busy_processes(busy):
                speeds = ask(spin, threads, options.seconds)
            for name, speed in speeds.items():
                measured[threads, busy, spin][name].append(speed)
        print(f"round {number + 1} of {options.rounds} is done", flush=True)
    header = ["turns of waiting", "threads", "busy processes", *(f"{n}, images/s" for n in JOBS)]
    rows = [
        [spin, str(threads), str(busy), *(f"{np.median(speeds[n]):.0f}" for n in JOBS)]
        for (threads, busy, spin), speeds in measured.items()
    ]
    print(table(header, rows))
    if options.json:
        record = [dict(zip(("threads", "busy", "spin"), c)) | s for c, s in measured.items()]
        write_record(options.json, {"machine": at_start, "measured": record})


if __name__ == "__main__":
    main()
