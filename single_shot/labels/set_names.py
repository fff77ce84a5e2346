"""What the sets of an export are called."""

import re
from collections.abc import Iterable

TRAINING_SETS = ("train", "training", "trainval")
HELD_OUT_SETS = ("val", "valid", "validation", "dev", "test", "testing")
SET_NAMES = TRAINING_SETS + HELD_OUT_SETS


def set_of(file: str) -> str | None:
    """Return the name of the set that the path of a file tells, such as `train`, or None."""
    words = re.findall(r"[a-z]+", file.lower())
    return next((word for word in words if word in SET_NAMES), None)


def is_divided(names: Iterable[str]) -> bool:
    """Return whether names of sets are those of a training set and of one that is held out."""
    lower = {name.lower() for name in names}
    return not lower.isdisjoint(TRAINING_SETS) and not lower.isdisjoint(HELD_OUT_SETS)
