"""Build the embedded data sets: `python -m data [single|multi|samples|all]`.

Nothing is fetched. Each image has its own random stream, so a build gives the same bytes for any
number of workers.
"""

import functools
import json
import os
import signal
import sys
import threading
import time
from argparse import Namespace
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from multiprocessing import get_context, parent_process
from pathlib import Path
from types import ModuleType

from data import compositing, mascots
from single_shot.answer import Answer
from single_shot.arguments import Parser, number
from single_shot.command import carry_out
from single_shot.files import appearing_folder, locked, sha256
from utils import compat
from utils.hooks import progress
from utils.records import encode_jpeg, write_records

import cv2
import numpy as np

DATA_ROOT = Path(__file__).resolve().parents[1] / "data"
DATA_SEED = 2024  # apart from context.SEED: training with another seed keeps its data
SPLITS = ("train", "val", "samples")  # the position is part of each image's seed
SOURCES = (mascots, compositing)  # a change in these changes the pictures
PACKAGES = ("numpy", "scipy", "pillow", "scikit-image", "scikit-learn")
_program_lock = threading.Lock()


@dataclass(frozen=True)
class Preset:
    """A data set: what its images hold, its part of the seed, how many images in each split."""

    recipe: compositing.Recipe
    seed_id: int
    num_train: int = 1000
    num_val: int = 200

    @property
    def num_images(self):
        """Images in each split, as a dict."""
        return {"train": self.num_train, "val": self.num_val}


PRESETS = {
    "single": Preset(compositing.Recipe(("frill",), (0.0, 1.0)), seed_id=0),
    "multi": Preset(
        compositing.Recipe(("frill", "sprig", "zest"), (0.1, 0.3, 0.3, 0.2, 0.1)), seed_id=1
    ),
}

# File name: preset, number of objects, (width, height), index, which is part of the seed.
SAMPLES = {
    "single_one.jpg": ("single", 1, (480, 320), 12),
    "single_portrait.jpg": ("single", 1, (320, 400), 302),
    "single_three.jpg": ("single", 3, (512, 384), 105),
    "single_none.jpg": ("single", 0, (400, 300), 218),
    "multi_three.jpg": ("multi", 3, (480, 360), 408),
    "multi_four.jpg": ("multi", 4, (512, 384), 501),
}


def make_sample(recipe, seed_id, split, index):
    """Make image and labels number `index` of a split: the same wherever and whenever called.

    Returns (image, labels): (H, W, 3) uint8 RGB; (n, 5) float32 rows in fractions.
    """
    photographs = "train" if split == "train" else "val"
    rng = sample_rng(seed_id, split, index)
    image, labels, _ = compositing.compose(recipe, photographs, rng)
    return image, labels


def sample_rng(seed_id, split, index):
    """Return the generator of all chance in one sample."""
    seed = np.random.SeedSequence([DATA_SEED, seed_id, SPLITS.index(split), index])
    return np.random.default_rng(seed)


def background_of(preset, split, index):
    """Return the name of the photograph behind a sample of an embedded data set, such as `rocket`.

    It is the first that chance decides about a sample (`compositing.compose`).
    """
    photographs = compositing.PHOTOGRAPHS[split]
    rng = sample_rng(PRESETS[preset].seed_id, split, index)
    return Path(photographs[rng.integers(len(photographs))][1]).stem


def make_split(preset, split, pool):
    """Iterate over (image, labels) of a split, in order, made by the pool's processes."""
    count = preset.num_images[split]
    make = functools.partial(make_sample, preset.recipe, preset.seed_id, split)
    samples = pool.map(make, range(count), chunksize=10)
    title = f"{'/'.join(preset.recipe.class_names)} {split}"
    return progress(samples, desc=title, total=count, unit="image", mininterval=0.5)


def _start_worker():
    """Set up a process of the pool: one thread, and an end with the parent, not with Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent():
    parent_process().join()
    os._exit(1)


def settings(preset):
    """What a preset's bytes depend on, package versions apart, as JSON gives it back."""
    sources = {Path(module.__file__).name: sha256(module.__file__) for module in SOURCES}
    return json.loads(json.dumps({"seed": DATA_SEED, **asdict(preset), "sources": sources}))


def problem(preset, folder):
    """Why the data in a folder are not those of the preset as it is now; None if they are."""
    file = folder / "manifest.json"
    if not file.is_file():
        return "not built yet"
    try:
        manifest = json.loads(file.read_text())
        outdated, sums = manifest["settings"] != settings(preset), dict(manifest["sha256"])
    except (ValueError, KeyError, TypeError):
        return "manifest.json cannot be read"
    if outdated:
        return "settings or sources have changed"
    for name, expected in sums.items():
        if not (folder / name).is_file():
            return f"{name} is missing"
        if sha256(folder / name) != expected:
            return f"{name} has changed"
    return None


@contextmanager
def _program_set_aside():
    """Keep the processes that are started meanwhile from running the program that runs this one.

    A spawned process imports the module `__main__` again. Where that is a script that builds at its
    top level, the process would want to build too, and wait for ever for the one that waits for it.
    """
    with _program_lock:
        program = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = program


def build(preset, folder, workers=None):
    """Write the records of a preset, its contact sheet and, last, its manifest into a folder."""
    started = time.perf_counter()
    with (
        _program_set_aside(),
        ProcessPoolExecutor(
            workers or compat.core_count(),
            mp_context=get_context("spawn"),
            initializer=_start_worker,
        ) as pool,
    ):
        for split in preset.num_images:
            write_records(folder / split, make_split(preset, split, pool))
    class_names = preset.recipe.class_names
    from single_shot.figure_files import write_contact_sheet  # workers start without it

    write_contact_sheet(folder / "contact_sheet.png", folder / "train.rec", class_names)
    files = sorted(path for path in folder.iterdir() if path.suffix in (".rec", ".idx"))
    manifest = {
        "class_names": class_names,
        "num_images": preset.num_images,
        "settings": settings(preset),
        "sha256": {path.name: sha256(path) for path in files},
        "versions": {"opencv": cv2.__version__, **{name: version(name) for name in PACKAGES}},
        "build_seconds": round(time.perf_counter() - started, 1),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


def build_samples(folder):
    """Write the sample images and samples.json, their true boxes, into a folder."""
    truth = {}
    for name, (preset_name, num_objects, size_px, index) in SAMPLES.items():
        preset = PRESETS[preset_name]
        shares = tuple(float(count == num_objects) for count in range(num_objects + 1))
        recipe = replace(preset.recipe, count_shares=shares, size_px=size_px)
        image, labels = make_sample(recipe, preset.seed_id, "samples", index)
        (folder / name).write_bytes(encode_jpeg(image))
        truth[name] = {
            "preset": preset_name,
            "class_names": recipe.class_names,
            "labels": [[round(float(value), 6) for value in row] for row in labels],
        }
    (folder / "samples.json").write_text(json.dumps(truth, indent=1) + "\n")


def _tell_to_wait(folder):
    print(f"Another process is building {folder}; waiting for it", file=sys.stderr)


def ensure(preset, root=None, force=False, workers=None):
    """Build a preset if it is absent, spoiled or outdated; return its folder, a Path.

    preset: "single" or "multi". root: folder to put it in, by default data/ of the project.
    force: build it in any case. workers: number of processes, by default one per core.
    The folder holds train.rec, val.rec, their .idx, manifest.json and contact_sheet.png. It appears
    when complete: a killed build changes nothing, and a second process waits for the first.
    Raises ValueError for an unknown preset.
    """
    if preset not in PRESETS:
        raise ValueError(f"preset is {preset!r}: choose one of {', '.join(PRESETS)}")
    folder = Path(root or DATA_ROOT) / preset
    if not force and problem(PRESETS[preset], folder) is None:
        return folder
    with locked(folder, lambda: _tell_to_wait(folder)):
        reason = "forced" if force else problem(PRESETS[preset], folder)
        if reason:
            print(f"Building the data set {preset} in {folder} ({reason})", file=sys.stderr)
            with appearing_folder(folder) as building:
                build(PRESETS[preset], building, workers)
    return folder


def main(arguments=None):
    """Build what the command line names; return the exit status, see `command.main`."""
    parser = Parser(prog="python -m data", description=__doc__)
    add = parser.add_argument
    add("what", nargs="?", default="all", choices=[*PRESETS, "samples", "all"], help="to build")
    add("--out", type=Path, default=DATA_ROOT, metavar="DIR", help="folder to build in")
    add("--force", action="store_true", help="build also what is up to date")
    add("--workers", type=number(1), metavar="N", help="processes; default: one per core")
    return carry_out(sys.modules[__name__], parser.parse_args(arguments, Namespace(json=False)))


def run(options):
    """Build what the options name; return the Answer: where it is, how long its build took."""
    if options.what == "samples":
        with locked(options.out / "samples"), appearing_folder(options.out / "samples") as folder:
            build_samples(folder)
        return Answer(f"{options.out / 'samples'}: {len(SAMPLES)} images", {})
    lines = []
    for name in PRESETS if options.what == "all" else [options.what]:
        folder = ensure(name, options.out, options.force, options.workers)
        manifest = json.loads((folder / "manifest.json").read_text())
        train, val = manifest["num_images"].values()
        seconds = manifest["build_seconds"]
        lines.append(f"{folder}: {train} + {val} images, built in {seconds} s")
    return Answer("\n".join(lines), {})


def after_stop(options):
    """Return what Ctrl-C left."""
    return f"what is complete is in {options.out}"
