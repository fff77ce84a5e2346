"""Jobs of the stand-in for tests: started, looked at, killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from single_shot.cluster.job import RANKS, Job

ROOT = Path(__file__).resolve().parents[2]
MARK = "SINGLE_SHOT_TEST"  # in the environment of all processes of a job: a text of its own
MODULE = "tests.cluster.stand_in"


@dataclass
class Running:
    """A job that has been started: the launcher's process, and the mark of all of its processes."""

    launcher: subprocess.Popen
    mark: str

    def processes(self) -> dict[int, int]:
        """Return the ranks of the members that there are just now, by their process id."""
        return {pid: rank for pid, rank in marked(self.mark).items() if rank is not None}

    def pid(self, rank: int) -> int:
        """Return the process id of the member of a rank."""
        return next(pid for pid, each in self.processes().items() if each == rank)

    def wait(self, seconds: float = 120) -> tuple[int, str, str]:
        """Return exit status, output and errors of the launcher once it has ended."""
        output, errors = self.launcher.communicate(timeout=seconds)
        return self.launcher.returncode, output, errors


def marked(mark: str) -> dict[int, int | None]:
    """Return the processes with a mark: process id -> rank, None for a launcher."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            entries = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
            variables = dict(entry.partition("=")[::2] for entry in entries)
            if variables.get(MARK) == mark and state != "Z":
                ranks = [variables[name] for name in RANKS if name in variables]
                found[int(folder.name)] = int(ranks[0]) if ranks else None
    return found


@contextlib.contextmanager
def job(
    *options: str | Path,
    words: list | tuple,
    before: list[str] | tuple = (),
    variables: dict[str, str] | None = None,
    module: str = MODULE,
) -> Iterator[Running]:
    """Have a job run; whatever is left of it afterwards is killed.

    options: of `launch`; words: of what each worker does; before: words before the command.
    """
    mark = uuid.uuid4().hex
    command = [*before, sys.executable, "-m", module, "launch", *options, "--", *words]
    environment = os.environ | {MARK: mark, "OMP_NUM_THREADS": "1"} | (variables or {})
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    launcher = subprocess.Popen(list(map(str, command)), env=environment, cwd=ROOT, **pipes)
    try:
        yield Running(launcher, mark)
    finally:
        for pid in marked(mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        launcher.communicate()


def wait_until(condition: Callable[[], object], running: Running, seconds: float = 120) -> None:
    """Wait until a condition holds; fail where the job ends before."""
    end = time.monotonic() + seconds
    while not condition():
        over = running.launcher.poll() is not None or time.monotonic() > end
        assert not over, running.launcher.communicate()
        time.sleep(0.02)


def assert_gone(running: Running, seconds: float = 10, besides_mpirun: bool = False) -> None:
    """Fail where a process of a job that has ended is still there.

    besides_mpirun: its own processes may be.
    """
    end = time.monotonic() + seconds
    while left := running.processes() if besides_mpirun else marked(running.mark):
        assert time.monotonic() < end, left
        time.sleep(0.1)


def title(num_servers: int, num_workers: int, rank: int) -> str:
    """Return what messages call a member."""
    return Job("", 0, num_servers, num_workers).title(rank)
