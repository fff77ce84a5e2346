"""Locks between processes on one machine; a process that ends, however, lets go by itself."""

import fcntl
from contextlib import contextmanager


class Locked(RuntimeError):
    """Another process holds the lock; the message says of what."""


@contextmanager
def locked(folder, waiting=None):
    """Keep other processes from what they lock by the same folder, which need not exist.

    waiting: called before this process waits for another one; without it, Locked is raised.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f".{folder.name}.lock"), "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is None:
                raise Locked(f"{folder}: another process is at work there") from None
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
