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
    for stray in strays(path):
        if stray.is_dir():
            shutil.rmtree(stray, ignore_errors=True)
        else:
            stray.unlink(missing_ok=True)
    return path.with_name(f".{path.name}.{process_id(os.getpid())}.tmp")


def strays(path: Path) -> list[Path]:
    """Return what ended processes left under hidden names beside a path."""
    found = []
    for stray in path.parent.glob(f".{glob.escape(path.name)}.*.*"):
        process, _, kind = stray.name[len(path.name) + 2 :].partition(".")
        number = process.partition("-")[0]
        ours = kind in ("tmp", "old") and number.isdigit()
        if ours and process_id(int(number)) != process:
            found.append(stray)
    return found


def process_id(number: int) -> str | None:
    """Return a process's number and the clock tick at which it began, None where none runs.

    Numbers alone come again: in a container, the first process always has the same.
    """
    try:
        status = Path(f"/proc/{number}/stat").read_text()
    except OSError:
        return None
    return f"{number}-{status.rpartition(')')[2].split()[19]}"  # the 22nd field, see proc(5)
