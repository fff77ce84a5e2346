"""Seconds of training until a detector finds what it never saw, by our recipe and two others.

Every run has a process of its own. Held-out images are scored after every epoch, at the image size
that the run ends with, and the clock stands still meanwhile. See benchmarks/README.md.
"""

import argparse
import itertools
import math
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from data import open_preset
from utils.compat import core_count
from utils.context import best_context, seed_everything
from utils.data import DetectionDataset
from utils.detection import Detector, evaluate_detector
from utils.hooks import GuardFinite
from utils.ssd import toy_ssd
from utils.training import TrainingConfig, TrainingRun

from recipes import D2L, IMAGE_SIZE, STRAIGHT_DOPE, AnyRange, RecipeRun
from report import machine, table, write_record
from results import HEADER, TARGET_AP50, mean_seconds, row, total_seconds

BUDGET_FACTOR = 10  # of our own time, for each run of another recipe
OURS = "ours"


@dataclass(frozen=True)
class Arm:
    """One way to train: whose recipe (None for ours), with whose execution, on which images."""

    recipe: object = None
    as_published: bool = False
    our_image_sizes: bool = False

    @property
    def num_threads(self):
        """All cores, or what MXNet takes by itself: half of the processors that it sees."""
        processors = len(os.sched_getaffinity(0))
        return max(1, processors // 2) if self.as_published else core_count()

    def image_sizes(self):
        """Return the image sizes of its epochs in pixels; other recipes go round and round."""
        ours = self.recipe is None or self.our_image_sizes
        return TrainingConfig().image_sizes if ours else (IMAGE_SIZE,)

    def start(self, dataset, seed):
        """Return the run, not yet begun, and the detector that it trains."""
        seed_everything(seed)
        sizes = self.image_sizes()
        if self.recipe is None:
            net = toy_ssd(len(dataset.class_names), best_context())
            run = TrainingRun(net, dataset, replace(TrainingConfig(), seed=seed))
        else:
            run = RecipeRun(self.recipe, dataset, self.as_published, itertools.cycle(sizes))
            net = AnyRange(run.net, self.recipe.mean)
        return run, Detector(net, dataset.class_names, sizes[-1])

    def describe(self):
        """Return recipe, execution and image sizes as texts for the table."""
        execution = "as published" if self.as_published else "ours"
        return {
            "recipe": self.recipe.name if self.recipe else OURS,
            "execution": f"{execution}, threads: {self.num_threads}",
            "image_sizes": "-".join(map(str, sorted(set(self.image_sizes())))),
        }


ARMS = {
    OURS: Arm(),
    "d2l": Arm(D2L),
    "straight-dope": Arm(STRAIGHT_DOPE),
    "d2l-small": Arm(D2L, our_image_sizes=True),
    "straight-dope-small": Arm(STRAIGHT_DOPE, our_image_sizes=True),
    "d2l-published": Arm(D2L, as_published=True),
    "straight-dope-published": Arm(STRAIGHT_DOPE, as_published=True),
}


def data_set(split, num_images):
    """Return a split of `single`, or its first images."""
    dataset = open_preset("single", split)
    return DetectionDataset(list(dataset)[:num_images], dataset.class_names)


def measure(name, seed, budget, epochs, num_images):
    """Train one arm; return what came of it, see `results`.

    Ours runs to its end; the others until the target, `budget` seconds or `epochs` are reached.
    """
    dataset, held_out = data_set("train", num_images), data_set("val", num_images)
    run, detector = ARMS[name].start(dataset, seed)
    if name == OURS:
        budget, epochs = math.inf, len(ARMS[name].image_sizes())
    result = {"arm": name, "seed": seed, **ARMS[name].describe(), "history": run.history}
    while len(run.history) < epochs:
        try:
            line = run.run_epoch(GuardFinite())
        except FloatingPointError as error:
            print(f"{name}: {error}", flush=True)
            return result | {"ended": "diverged"}
        scores = evaluate_detector(detector, held_out)
        line |= {"ap50": scores.ap50, "ap75": scores.ap75}
        print_progress(result)
        if name != OURS and scores.ap50 >= TARGET_AP50:
            return result | {"ended": "reached"}
        if total_seconds(result) >= budget:
            return result | {"ended": "gave up"}
    return result | {"ended": "complete"}


def print_progress(result):
    """Tell where a run is."""
    line = result["history"][-1]
    print(
        f"{result['arm']}, seed {result['seed']}: epoch {line['epoch']}, {line['image_size']} px, "
        f"{total_seconds(result):.0f} s, {line['images_per_second']:.1f} images/s, "
        f"AP50 {line['ap50']:.3f}, AP75 {line['ap75']:.3f}",
        flush=True,
    )


def in_own_process(num_threads, function, *arguments):
    """Return what a function returns in a new process whose MXNet has that many threads."""
    before = os.environ["OMP_NUM_THREADS"]
    os.environ["OMP_NUM_THREADS"] = str(num_threads)
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return pool.submit(function, *arguments).result()
    finally:
        os.environ["OMP_NUM_THREADS"] = before


def run_all(options):
    """Run every arm that was asked for; return the results, which are also written as they come."""
    results, ours, budget = [], [], options.budget_seconds
    for name in options.arms:
        if name != OURS and budget is None:
            times = [total_seconds(result) for result in ours]
            budget = BUDGET_FACTOR * (mean_seconds(ours) or max(times))
        for seed in options.seeds if name == OURS else options.seeds[:1]:
            arguments = name, seed, budget, options.epochs, options.images
            results.append(in_own_process(ARMS[name].num_threads, measure, *arguments))
            ours = [result for result in results if result["arm"] == OURS]
            if options.json:
                record = {"machine": options.machine, "budget": budget, "results": results}
                write_record(options.json, record)
    return results


def parse_arguments(arguments=None):
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--arms", nargs="+", choices=ARMS, default=list(ARMS), help="which, in this order")
    add("--seeds", nargs="+", type=int, default=[0, 1, 2], help="all for ours, else the first")
    add("--budget-seconds", type=float, help=f"for each other run; default: ours x {BUDGET_FACTOR}")
    add("--epochs", type=int, default=1000, help="at most, for each other run")
    add("--images", type=int, help="only the first images of each split, for a try")
    add("--json", type=Path, help="file for the whole record")
    options = parser.parse_args(arguments)
    if options.budget_seconds is None and options.arms[0] != OURS:
        parser.error(f"give --budget-seconds, or start with `--arms {OURS}`: it derives from ours")
    return options


def main(arguments=None):
    """Run, then print the table."""
    options = parse_arguments(arguments)
    options.machine = machine()
    print(options.machine, flush=True)
    results = run_all(options)
    reference = mean_seconds([result for result in results if result["arm"] == OURS])
    print(table(HEADER, [row(result, reference) for result in results]))


if __name__ == "__main__":
    main()
