"""What every lesson begins with: device, seed, run profile, and the checks of its exercises."""

import contextlib
import os
import random
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import mxnet as mx
import numpy as np

T = TypeVar("T")
SEED_VARIABLE = "SINGLE_SHOT_SEED"
PROFILE_VARIABLE = "SINGLE_SHOT_PROFILE"
PROFILE_NAMES = ("smoke", "class", "full")


def chosen_seed() -> int:
    """Return the seed that the environment variable SINGLE_SHOT_SEED names, 42 where it does not.

    Raises:
        ValueError: the variable is set to anything but an integer from 0 to 2**31 - 1.
    """
    text = os.environ.get(SEED_VARIABLE, "42")
    if text.isdecimal() and int(text) < 2**31:
        return int(text)
    raise ValueError(
        f"environment variable {SEED_VARIABLE} is {text!r}: "
        "set it to an integer from 0 to 2**31 - 1"
    )


SEED = chosen_seed()


@dataclass(frozen=True)
class RunProfile:
    """How long a lesson may take: `smoke` (seconds), `class` (minutes) or `full`."""

    name: str

    def pick(self, *, smoke: T, class_: T, full: T) -> T:
        """Return the value of the three that belongs to this profile."""
        return dict(zip(PROFILE_NAMES, (smoke, class_, full), strict=True))[self.name]


def run_profile() -> RunProfile:
    """Return the RunProfile that the environment variable SINGLE_SHOT_PROFILE names.

    Raises:
        ValueError: the variable is set to anything but smoke, class (the default) or full.
    """
    name = os.environ.get(PROFILE_VARIABLE, "class")
    if name not in PROFILE_NAMES:
        raise ValueError(
            f"environment variable {PROFILE_VARIABLE} is {name!r}: "
            f"set it to {', '.join(PROFILE_NAMES[:-1])} or {PROFILE_NAMES[-1]}"
        )
    return RunProfile(name)


def best_context() -> mx.Context:
    """Return gpu(0) if MXNet can compute on it, else cpu(), with a warning if a GPU lies idle."""
    if mx.context.num_gpus() == 0:
        return mx.cpu()
    if reason := why_not(mx.gpu(0)):
        warnings.warn(
            f"a GPU is present but MXNet cannot use it ({reason}): the CPU is used; "
            "`python3 -m single_shot doctor` explains",
            stacklevel=2,
        )
        return mx.cpu()
    return mx.gpu(0)


def why_not(ctx: mx.Context) -> str:
    """Return why MXNet cannot compute on a device, nothing where it can."""
    try:
        # Only a computation shows whether MXNet carries machine code for this GPU.
        (mx.nd.ones((1,), ctx=ctx) + 1).asnumpy()
    except mx.MXNetError as error:
        return str(error).strip().splitlines()[-1]
    return ""


def seed_everything(seed: int = SEED) -> None:
    """Seed the random generators of Python, NumPy and MXNet.

    Args:
        seed: integer from 0 to 2**32 - 1.
    """
    random.seed(seed)
    np.random.seed(seed)
    mx.random.seed(seed)


@contextlib.contextmanager
def self_check(number: int) -> Iterator[None]:
    """Run the checks of an exercise in a `with` block and print what they find.

    number: of the exercise in its lesson. A stub (`NotImplementedError`) leaves it open, a failed
    assertion is named; any other error is the solution's own and is raised.
    """
    try:
        yield
    except NotImplementedError:
        print(f"Exercise {number}: open. Replace the line that raises NotImplementedError.")
    except AssertionError as error:
        frames = traceback.extract_tb(error.__traceback__)
        print(f"Exercise {number}: not yet. This check fails: {frames[1].line}")
    else:
        print(f"Exercise {number}: solved.")
