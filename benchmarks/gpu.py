"""What training and detection cost on the GPUs of this machine, for each recipe.

    python benchmarks/gpu.py [--recipes toy ssd300] [--batch-size 32] [--steps 20] [--json FILE]

Images a second: of training steps on one to all GPUs, each with as many images; of the network
alone, in inference mode, on the first; of the loader, on the processor, that feeds them. Memory is
what the fullest GPU has in use after training, of all processes. Each row is a process of its own,
since MXNet reads once whether cuDNN searches for the fastest convolutions. Without a GPU the CPU
stands in, to try the script: such figures say nothing about a GPU.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import utils  # noqa: F401  before MXNet
from single_shot.devices import contexts_of, name_of
from single_shot.fit import describe_network
from single_shot.recipes import RECIPES, Recipe
from utils.data import DetectionDataset, normalize, training_loader
from utils.networks import build_network
from utils.training import TrainingRun

import mxnet as mx
import numpy as np
from report import machine, table, write_record

USUAL = ("toy", "ssdlite", "ssd300", "paper")
WARM_UP = 3  # steps that do not count: compiling, cuDNN's search
AUTOTUNE = "MXNET_CUDNN_AUTOTUNE_DEFAULT"
HEADER = ["recipe", "devices", "search", "training, images/s", "network alone", "feeding", "GB"]


def random_objects(count: int, size: int) -> DetectionDataset:
    """Return images of noise with five objects each, which cost what other images do."""
    random = np.random.default_rng(0)
    samples = []
    for _ in range(count):
        corners = np.sort(random.uniform(0, 1, (5, 2, 2)), axis=1).reshape(5, 4)
        labels = np.column_stack([random.integers(0, 20, 5), corners]).astype(np.float32)
        samples.append((random.integers(0, 256, (size, size, 3), dtype=np.uint8), labels))
    return DetectionDataset(samples, [f"class {number}" for number in range(20)])


def per_second(work: Callable, images: int, steps: int) -> float:
    """Return images a second of some work on so many; the first calls do not count."""
    for _ in range(WARM_UP):
        work()
    mx.nd.waitall()
    started = time.perf_counter()
    for _ in range(steps):
        work()
    mx.nd.waitall()
    return steps * images / (time.perf_counter() - started)


def memory_used(contexts: list[mx.Context]) -> float | None:
    """Return the bytes in use on the fullest GPU, of all processes; None on the CPU."""
    if contexts[0].device_type != "gpu":
        return None
    both = [mx.context.gpu_memory_info(ctx.device_id) for ctx in contexts]
    return max(total - free for free, total in both)


def measure(recipe: Recipe, contexts: list[mx.Context], batch_size: int, steps: int) -> dict:
    """Return the speeds of a recipe on devices; batch_size: of each device."""
    batch_size *= len(contexts)
    dataset = random_objects(batch_size, recipe.image_size)
    network = describe_network(recipe, dataset.labels)
    net = build_network(network, len(dataset.class_names), contexts)
    parts = {"cls_loss": recipe.cls_loss(), "transform": recipe.augment}
    config = replace(recipe.config, image_sizes=(recipe.image_size,), batch_size=batch_size)
    run = TrainingRun(net, dataset, config, **parts)
    loader = training_loader(dataset, batch_size, recipe.image_size, recipe.augment)
    images, labels = next(iter(loader))
    labels = labels.as_in_context(contexts[0])
    on_first = normalize(images[: batch_size // len(contexts)].as_in_context(contexts[0]))
    training = per_second(lambda: run.step(images, labels, 1e-5), batch_size, steps)
    memory = memory_used(contexts)
    network_alone = per_second(lambda: net(on_first), len(on_first), steps)
    feeding = per_second(lambda: next(iter(loader)), batch_size, max(1, steps // 5))
    return {"training": training, "network": network_alone, "feeding": feeding, "memory": memory}


def row_of(name: str, devices: str, search: bool, options: argparse.Namespace) -> dict:
    """Return what another process measures for one recipe, on devices such as `gpu:0,gpu:1`."""
    words = ["--one", name, devices, "--batch-size", str(options.batch_size)]
    words += ["--steps", str(options.steps)]
    done = subprocess.run(
        [sys.executable, __file__, *words],
        env=os.environ | {AUTOTUNE: str(int(search))},
        capture_output=True,
        text=True,
    )
    row = {"recipe": name, "devices": devices, "search": search}
    if done.returncode:
        return row | {"error": (done.stderr.strip().splitlines() or ["killed"])[-1]}
    return row | json.loads(done.stdout.splitlines()[-1])


def texts_of(row: dict) -> list[str]:
    """Return a row of the table."""
    begin = [row["recipe"], row["devices"], "on" if row["search"] else "off"]
    if "error" in row:
        return [*begin, row["error"][:40], "", "", ""]
    speeds = [f"{row[name]:.0f}" for name in ("training", "network", "feeding")]
    return [*begin, *speeds, "" if row["memory"] is None else f"{row['memory'] / 1e9:.1f}"]


def main(arguments=None):
    """Measure, print the table, write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--recipes", nargs="+", choices=RECIPES, default=USUAL)
    add("--batch-size", type=int, default=32, help="images of each device (default: 32)")
    add("--steps", type=int, default=20, help="that count, for each figure (default: 20)")
    add("--json", metavar="FILE", help="write the record there too")
    add("--one", nargs=2, help=argparse.SUPPRESS)  # what `row_of` asks of another process
    options = parser.parse_args(arguments)
    if options.one:
        recipe, contexts = RECIPES[options.one[0]], contexts_of(options.one[1])
        print(json.dumps(measure(recipe, contexts, options.batch_size, options.steps)))
        return
    names = [name_of(ctx) for ctx in contexts_of(None)]
    on_gpu = names[0].startswith("gpu")
    record = {"machine": machine(), "cards": cards() if on_gpu else [], "rows": []}
    print(record["machine"], *record["cards"], sep="\n", end="\n\n")
    if not on_gpu:
        print("no GPU: the CPU stands in, and nothing here says how fast a GPU is\n")
    for name in options.recipes:
        for count in range(1, len(names) + 1):
            for search in (True, False) if on_gpu else (False,):
                row = row_of(name, ",".join(names[:count]), search, options)
                record["rows"].append(row)
    print(table(HEADER, list(map(texts_of, record["rows"]))))
    if options.json:
        write_record(options.json, record)


def cards() -> list[str]:
    """Return name, memory and driver of each GPU, as nvidia-smi tells them."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    return subprocess.run(query, capture_output=True, text=True).stdout.splitlines()


if __name__ == "__main__":
    main()
