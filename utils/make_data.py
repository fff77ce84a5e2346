"""Build the embedded data sets: `python -m utils.make_data [single|multi|samples|all]`.

Nothing is fetched. Each image has its own random stream, so a build gives the same bytes for any
number of workers.
"""

import argparse
import fcntl
import functools
import hashlib
import json
import os
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from utils import compositing, mascots
from utils.compositing import Recipe, compose

DATA_ROOT = Path(__file__).resolve().parents[1] / "data"
DATA_SEED = 2024
SPLITS = ("train", "val", "samples")  # the position is part of each image's seed
PACKAGES = ("numpy", "scipy", "scikit-image", "scikit-learn", "mxnet")


@dataclass(frozen=True)
class Preset:
    """A data set: what its images hold, how many in each split, and its part of the seed."""

    recipe: Recipe
    seed_id: int
    num_train: int = 1000
    num_val: int = 200


PRESETS = {
    "single": Preset(Recipe(("frill",), (0.0, 1.0)), seed_id=0),
    "multi": Preset(Recipe(("frill", "sprig", "zest"), (0.1, 0.3, 0.3, 0.2, 0.1)), seed_id=1),
}


def make_sample(recipe, seed_id, split, index):
    """Image and labels number `index` of a split; the same wherever and whenever it is called."""
    sequence = np.random.SeedSequence([DATA_SEED, seed_id, SPLITS.index(split), index])
    backgrounds = "train" if split == "train" else "val"
    return compose(recipe, backgrounds, np.random.default_rng(sequence))[:2]


def _one_thread():
    cv2.setNumThreads(1)  # the processes share the cores already


def make_split(preset, split, workers=None):
    """Yield (image, labels) of a split in order, made by `workers` processes (default: all cores)."""
    count = {"train": preset.num_train, "val": preset.num_val}[split]
    make = functools.partial(make_sample, preset.recipe, preset.seed_id, split)
    with ProcessPoolExecutor(
        workers or os.cpu_count(), mp_context=get_context("spawn"), initializer=_one_thread
    ) as pool:
        yield from tqdm(pool.map(make, range(count), chunksize=10), split, count, unit="image")


def sha256(path):
    """SHA-256 of a file, as hexadecimal text."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def settings(name):
    """All that the bytes of a preset depend on: its numbers, the seed, the sources that draw it."""
    return {
        "preset": name,
        "seed": DATA_SEED,
        **json.loads(json.dumps(asdict(PRESETS[name]))),
        "sources": {Path(m.__file__).name: sha256(m.__file__) for m in (mascots, compositing)},
    }


def _installed(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _build(name, folder, workers):
    """Write the records, the contact sheet and, last, the manifest of a preset into a folder."""
    from utils.records import read_records, write_records  # workers need no MXNet

    preset = PRESETS[name]
    started = time.perf_counter()
    for split in ("train", "val"):
        write_records(folder / split, make_split(preset, split, workers))
    records = read_records(folder / "train.rec", len(preset.recipe.class_names))
    samples = [(image, labels) for (_, image, labels), _ in zip(records, range(24))]
    save_contact_sheet(folder / "contact_sheet.png", samples, preset.recipe.class_names)
    manifest = {
        "settings": settings(name),
        "class_names": preset.recipe.class_names,
        "num_images": {"train": preset.num_train, "val": preset.num_val},
        "sha256": {
            path.name: sha256(path)
            for path in sorted(folder.glob("*.*"))
            if path.suffix in (".rec", ".idx")
        },
        "versions": {**{p: _installed(p) for p in PACKAGES}, "opencv": cv2.__version__},
        "build_seconds": round(time.perf_counter() - started, 1),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


def save_contact_sheet(path, samples, class_names, columns=6):
    """Save a PNG of samples (image, labels) with their boxes."""
    colours = ((255, 255, 255), (255, 225, 0), (0, 255, 255))
    tiles = []
    for image, labels in samples:
        height, width = image.shape[:2]
        tile = image.copy()
        for class_id, *box in labels:
            left, top, right, bottom = (int(round(v)) for v in box * np.array([width, height] * 2))
            colour = colours[int(class_id)]
            cv2.rectangle(tile, (left, top), (right - 1, bottom - 1), colour, 1)
            cv2.putText(tile, class_names[int(class_id)], (left, max(top - 3, 10)), 0, 0.4, colour)
        tiles.append(tile)
    rows = [np.hstack(tiles[first : first + columns]) for first in range(0, len(tiles), columns)]
    cv2.imwrite(str(path), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


def problem(name, folder):
    """Why the data set in a folder is not the preset as it is now; None if it is."""
    file = folder / "manifest.json"
    if not file.is_file():
        return "it is not there yet"
    try:
        manifest = json.loads(file.read_text())
        sums = manifest["sha256"]
        if manifest["settings"] != settings(name):
            return "its settings have changed"
    except (ValueError, KeyError, TypeError):
        return "its manifest cannot be read"
    for file_name, expected in sums.items():
        if not (folder / file_name).is_file():
            return f"{file_name} is missing"
        if sha256(folder / file_name) != expected:
            return f"{file_name} has changed"
    return None


@contextmanager
def _locked(path):
    """Hold a lock file; a killed process lets go of it by itself."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def ensure(preset, root=None, force=False, workers=None):
    """Build a preset where it is absent, changed or outdated; return its folder (a Path).

    preset: "single" or "multi". root: where to put it, by default data/ of the project.
    force: build it in any case. workers: processes, by default one per core.
    The folder holds train and val .rec and .idx, manifest.json and contact_sheet.png. It appears
    when complete: a killed build leaves the old state, and a second process waits for the first.
    Raises ValueError for an unknown preset.
    """
    if preset not in PRESETS:
        raise ValueError(f"preset is {preset!r}; it must be one of {', '.join(PRESETS)}")
    root = Path(root or DATA_ROOT)
    folder = root / preset
    with _locked(root / f".{preset}.lock"):
        reason = "it is asked for" if force else problem(preset, folder)
        if reason is None:
            return folder
        print(f"Building data set {preset} in {folder}: {reason}.", flush=True)
        started = time.perf_counter()
        building, old = root / f".{preset}.building", root / f".{preset}.old"
        for path in (building, old):
            shutil.rmtree(path, ignore_errors=True)
        building.mkdir()
        _build(preset, building, workers)
        if folder.exists():
            os.replace(folder, old)
        os.replace(building, folder)
        shutil.rmtree(old, ignore_errors=True)
        print(f"Built {preset} in {time.perf_counter() - started:.1f} s.", flush=True)
    return folder


def main(arguments=None):
    """Command line: build presets and say how long each took."""
    parser = argparse.ArgumentParser(prog="python -m utils.make_data", description=__doc__)
    parser.add_argument("what", nargs="?", default="all", choices=[*PRESETS, "all"])
    parser.add_argument("--out", type=Path, default=DATA_ROOT, metavar="DIR")
    parser.add_argument("--force", action="store_true", help="build also what is up to date")
    parser.add_argument("--workers", type=int, help="processes (default: one per core)")
    options = parser.parse_args(arguments)
    for name in PRESETS if options.what == "all" else [options.what]:
        folder = ensure(name, options.out, options.force, options.workers)
        manifest = json.loads((folder / "manifest.json").read_text())
        print(f"{folder}: {manifest['num_images']}, built in {manifest['build_seconds']} s")


if __name__ == "__main__":
    main()
