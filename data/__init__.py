"""The embedded data sets, made on this machine where they are absent, and where all data are."""

import json

import utils  # noqa: F401  before OpenCV, which the Python of a plain shell lacks

# isort: split
from data.embedded import DATA_ROOT, background_of, ensure
from data.ledger import recorded, recorded_choices
from utils.data import open_records

__all__ = ["DATA_ROOT", "background_of", "open_preset", "recorded", "recorded_choices"]


def open_preset(preset, split):
    """Return a split, `train` or `val`, of an embedded data set, which is built where it is absent.

    preset: `single` or `multi`, see `data.embedded`.
    """
    folder = ensure(preset)
    manifest = json.loads((folder / "manifest.json").read_text())
    return open_records(folder / f"{split}.rec", manifest["class_names"])
