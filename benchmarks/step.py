"""Time of a training step and of a forward pass of ToySSD, beside PyTorch.

Every variant has a process of its own, with as many threads as there are cores; they take turns,
so that a slow moment of the machine meets all of them. See benchmarks/README.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from statistics import median

from utils.compat import core_count
from utils.context import seed_everything
from utils.ssd import ToySSD
from utils.targets import multibox_target

import numpy as np
from mxnet import init, nd
from mxnet.gluon import nn
from report import machine, table, write_record
from step_server import MATRIX_SIZE

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / "build"
OURS = "MXNet, this project"
TORCH_VARIANTS = {
    "PyTorch eager": "eager",
    "PyTorch channels_last": "channels_last",
    "PyTorch compile + channels_last": "compiled",
}
NOT_INSTALLED = """PyTorch is not installed, so only this project is measured. `make bench` puts it
into build/torch: it needs an environment of its own, as GluonCV does not import beside it."""


class Worker:
    """A process that times one variant."""

    def __init__(self, python, script, *arguments):
        environment = os.environ | {
            "OMP_NUM_THREADS": str(core_count()),
            "TORCHINDUCTOR_CACHE_DIR": str(BUILD / "torchinductor"),
        }
        command = [python, HERE / script, *arguments]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env=environment
        )

    def ask(self, job, repetitions):
        """Return a job's seconds and values, and the peak memory of the process so far.

        Raises RuntimeError where the process has ended.
        """
        with suppress(BrokenPipeError):  # then there is no answer either
            self.process.stdin.write(f"{job} {repetitions}\n")
            self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.process.args} ended with status {self.process.wait()}")
        return json.loads(answer)

    def close(self):
        """Let the process end."""
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()


def write_inputs(path, batch_size, image_size):
    """Write a batch, its targets and the first weights, the same for every variant."""
    seed_everything()
    net = ToySSD(num_classes=1)
    net.initialize(init.Xavier())
    images = nd.random.normal(shape=(batch_size, 3, image_size, image_size))
    anchors, _, _ = net(images)
    top_left = nd.random.uniform(0, 0.5, shape=(batch_size, 1, 2))
    bottom_right = top_left + nd.random.uniform(0.2, 0.5, shape=(batch_size, 1, 2))
    labels = nd.concat(nd.zeros((batch_size, 1, 1)), top_left, bottom_right, dim=2)
    box_targets, box_masks, cls_targets = multibox_target(anchors, labels)
    arrays = {
        "images": images,
        "cls_targets": cls_targets,
        "box_targets": box_targets,
        "box_masks": box_masks,
    }
    for index, parameter in enumerate(net.collect_params().values()):
        arrays[f"weight{index:03}"] = parameter.data()
    np.savez(path, **{name: array.asnumpy() for name, array in arrays.items()})


def forward_flops(image_size):
    """Return the floating-point operations of the convolutions for one image."""
    flops = []

    def count(layer, inputs, output):
        flops.append(2 * layer.weight.data().size * output.shape[2] * output.shape[3])

    net = ToySSD(num_classes=1)
    net.initialize()
    net.apply(
        lambda block: block.register_forward_hook(count) if isinstance(block, nn.Conv2D) else None
    )
    net(nd.zeros((1, 3, image_size, image_size)))
    return sum(flops)


def check_losses(first_answers):
    """Raise RuntimeError unless all variants find the same loss before the first update."""
    losses = {name: answer["values"][0] for name, answer in first_answers.items()}
    if not np.allclose(list(losses.values()), losses[OURS], rtol=1e-3):
        raise RuntimeError(f"the variants do not compute the same thing; first losses: {losses}")


def measure(workers, options):
    """Return, by variant, the seconds of each job and the peak memory in MiB.

    workers: by variant; they take turns, `options.rounds` times.
    """
    repetitions = {"train": options.steps, "forward": 2 * options.steps, "matmul": 3}
    measured = {name: {job: [] for job in repetitions} for name in workers}
    for turn in range(options.rounds):
        answers = {job: {} for job in repetitions}
        for name, worker in workers.items():
            for job, number in repetitions.items():
                answers[job][name] = worker.ask(job, number)
                measured[name][job] += answers[job][name]["seconds"]
            measured[name]["peak_mib"] = answers["matmul"][name]["peak_mib"]
            speed = options.batch_size / median(answers["train"][name]["seconds"])
            print(f"round {turn + 1}: {name}, {speed:.1f} images/s in training", flush=True)
        if turn == 0:
            check_losses(answers["train"])
    return measured


def row(name, measured, options, flops, peak_flops):
    """Return the texts of a variant's row.

    measured: of all variants; flops: of a forward pass of one image; peak_flops: a second.
    """
    texts = [name]
    for job, passes in (("train", 3), ("forward", 1)):  # backwards costs about two forward passes
        seconds, ours = (median(measured[who][job]) for who in (name, OURS))
        share = passes * flops * options.batch_size / seconds / peak_flops
        texts += [f"{options.batch_size / seconds:.1f}", f"{seconds / ours:.2f}", f"{share:.0%}"]
    return [*texts, f"{measured[name]['peak_mib']:.0f}"]


def print_report(measured, options):
    """Print the table, and how we compare with the best of the others."""
    best_matmul = min(min(times["matmul"]) for times in measured.values())
    peak_flops = 2 * MATRIX_SIZE**3 / best_matmul
    flops = forward_flops(options.image_size)
    header = ["variant", "training, images/s", "time / ours", "of peak"]
    header += ["forward, images/s", "time / ours", "of peak", "peak memory, MiB"]
    print(table(header, [row(name, measured, options, flops, peak_flops) for name in measured]))
    print(
        f"Peak: {peak_flops / 1e9:.0f} GFLOP/s, the product of two matrices of {MATRIX_SIZE} x "
        f"{MATRIX_SIZE}. One image: {flops / 1e9:.2f} GFLOP forward, 3 times that in training."
    )
    for job in ("train", "forward") if len(measured) > 1 else ():
        best = min(median(measured[name][job]) for name in measured if name != OURS)
        print(f"Best of PyTorch / ours, {job}: {best / median(measured[OURS][job]):.2f}")


def parse_arguments(arguments=None):
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--torch-python", type=Path, default=BUILD / "torch/bin/python", metavar="PYTHON")
    add("--batch-size", type=int, default=32)
    add("--image-size", type=int, default=256)
    add("--rounds", type=int, default=5, help="turns of every variant")
    add("--steps", type=int, default=3, help="training steps a turn; twice as many forward passes")
    add("--json", type=Path, help="file for the whole record")
    return parser.parse_args(arguments)


def start_workers(inputs, torch_python):
    """Return the workers by variant; without PyTorch ours only, with a word on how to install."""
    workers = {OURS: Worker(sys.executable, "step_mxnet.py", inputs)}
    if not torch_python.exists():
        print(NOT_INSTALLED, flush=True)
        return workers
    for name, variant in TORCH_VARIANTS.items():
        workers[name] = Worker(torch_python, "step_torch.py", inputs, variant)
    return workers


def main(arguments=None):
    """Measure, then print the table."""
    options, at_start = parse_arguments(arguments), machine()
    print(at_start, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "inputs.npz"
        write_inputs(inputs, options.batch_size, options.image_size)
        workers = start_workers(inputs, options.torch_python)
        try:
            measured = measure(workers, options)
        finally:
            for worker in workers.values():
                worker.close()
    print_report(measured, options)
    if options.json:
        write_record(options.json, {"machine": at_start, "measured": measured})


if __name__ == "__main__":
    main()
