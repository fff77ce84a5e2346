"""Files: the error for one that cannot be used, and a way for one to appear when it is complete."""

import glob
import os
import shutil
from collections.abc import Callable
from os import PathLike
from pathlib import Path


class InputError(ValueError):
    """What a person gave cannot be used; the message names the file, the field and the fix.

    It is the one kind of error that is nobody's bug.
    """


def replace_atomically(path: PathLike | str, write: Callable[[str], object]) -> None:
    """Have `write(temporary_path)` make a file, then give it its name; never half a file.

    What a killed process left behind on its way to the same name is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(path)
    try:
        write(str(temporary))
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def temporary_path(path: Path) -> Path:
    """Return a hidden name beside a path for this process, and clear those of ended processes."""
    for stray in path.parent.glob(f".{glob.escape(path.name)}.*.*"):
        process, _, kind = stray.name[len(path.name) + 2 :].partition(".")
        if kind not in ("tmp", "old") or not process.isdigit() or is_running(int(process)):
            continue
        if stray.is_dir():
            shutil.rmtree(stray, ignore_errors=True)
        else:
            stray.unlink(missing_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def is_running(process: int) -> bool:
    """Return whether a process of this number runs on this machine."""
    try:
        os.kill(process, 0)  # sends nothing
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
