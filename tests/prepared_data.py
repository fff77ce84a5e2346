"""A prepared data set for tests, as `single-shot prepare` makes it, drawn in milliseconds."""

import json

from single_shot.files import sha256
from utils.records import write_records

from tests.toy_data import rectangles


def prepare_rectangles(folder, num_train=12, num_val=6, size=64, first_seed=0):
    """Write a folder that `prepared_folder.open_prepared` opens, with one class; return the folder.

    first_seed: of the training images, the next is of the held-out ones.
    """
    folder.mkdir(parents=True)
    for seed, (split, count) in enumerate({"train": num_train, "val": num_val}.items(), first_seed):
        write_records(folder / split, rectangles(count, size, seed))
    files = sorted(path for path in folder.iterdir())
    manifest = {"class_names": ["rectangle"], "sha256": {path.name: sha256(path) for path in files}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
