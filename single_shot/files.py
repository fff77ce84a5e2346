"""Files and folders that appear when they are complete, locks on them, and checksums."""

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from utils.files import InputError, replace_atomically, strays, temporary_path


class Locked(InputError):
    """Another process holds the lock; the message says of what."""


def final_name(path: Path | str) -> str:
    """Return a path, perhaps below a temporary one, as it is called once it is complete."""
    return re.sub(r"\.([^/]+)\.\d+-\d+\.tmp(?=/|$)", r"\1", str(path))


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal text."""
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def tree_sha256(folder: Path) -> str:
    """Return the SHA-256 of all files below a folder, as hexadecimal text.

    It is the sum of what `sha256sum` prints for their relative paths, in the order of the paths.
    """
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    files = [path for path in paths if (folder / path).is_file()]
    lines = [f"{sha256(folder / path)}  {path}\n" for path in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a text or bytes as a file, all of it or nothing."""
    content = content.encode() if isinstance(content, str) else content
    replace_atomically(path, lambda temporary: Path(temporary).write_bytes(content))


@contextmanager
def appearing_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder to fill, which becomes `path` once the block is through.

    A folder that is there before is kept until then, and is there again if the block fails.
    What a killed process left behind on its way to the same name is removed, but for the older
    folder where that is the only one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for stray in strays(path):
        if stray.suffix == ".old" and not path.exists():
            os.replace(stray, path)
    temporary = temporary_path(path)
    old = temporary.with_suffix(".old")
    try:
        temporary.mkdir()
        yield temporary
        if path.exists():
            os.replace(path, old)
        os.replace(temporary, path)
    finally:
        if old.exists() and not path.exists():
            os.replace(old, path)
        for folder in (temporary, old):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def locked(folder: Path, waiting: Callable[[], object] | None = None) -> Iterator[None]:
    """Keep other processes from what they lock by the same folder, which need not exist.

    A process that ends, however, lets go by itself.

    waiting: called before this process waits for another one; without it, Locked is raised.
    """
    folder = Path(os.path.abspath(folder))  # "." has no name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f".{folder.name}.lock"), "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is None:
                raise Locked(
                    f"{folder}: another process is at work there; wait for it, or choose another"
                ) from None
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
