"""One process of a job: `python -m single_shot.cluster train ...`, with the job's variables set.

README.md beside this file says who starts it, and which variables those are.
"""

import importlib
import os
import socket
import sys
import traceback

from single_shot import command
from single_shot.cluster import line
from single_shot.cluster.job import SCHEDULER, WORKER, job_here
from single_shot.cluster.watch import Watch
from utils.files import InputError


class Prefixed:
    """A text stream that begins every line with who writes it."""

    def __init__(self, stream, prefix: str) -> None:
        self.stream, self.prefix, self.unended = stream, prefix, ""

    def write(self, text: str) -> int:
        """Write the lines that are complete now."""
        *lines, self.unended = (self.unended + text).split("\n")
        self.stream.write("".join(f"{self.prefix}: {line}\n" for line in lines))
        return len(text)

    def flush(self) -> None:
        """Have what is written appear."""
        self.stream.flush()


def main(words: list[str]) -> int:
    """Be the process of a job that the environment variables name; return its exit status."""
    try:
        job, rank = job_here()
        role, number = job.role(rank)
        if role == SCHEDULER:
            Watch(job).start()
        line.connect(job, rank)
    except InputError as error:
        print(f"single-shot launch: {error}", file=sys.stderr)
        return command.UNUSABLE
    os.environ |= {"DMLC_ROLE": role, "DMLC_WORKER_ID": str(number)}
    if (role, number) != (WORKER, 0):
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  until the process ends
        sys.stderr = Prefixed(sys.stderr, f"{job.title(rank)} on {socket.gethostname()}")
    status = work(role, words)
    line.ended(status)
    return status


def work(role: str, words: list[str]) -> int:
    """Do the work of a role until it is done; return the exit status.

    An error ends the process at once: what ps-lite does when it is taken down waits for others.
    """
    try:
        if role == WORKER:
            return command.main(words)
        line.agree()
        importlib.import_module("mxnet")  # which serves until the workers are done, and exits
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        line.ended(command.FAILED)
        if role != SCHEDULER:  # whose watch has yet to tell the others
            os._exit(command.FAILED)
    return command.FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
