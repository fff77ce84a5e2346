"""A process's line to the watch of its job: heartbeats both ways, and the end when another dies."""

import os
import select
import socket
import threading
import time

from single_shot.cluster.job import WORKER, Job, facts_here
from single_shot.cluster.messages import BEAT, START, receive, send, tell
from utils.files import InputError

current: "Line | None" = None  # that of this process; None outside a job


class Line(threading.Thread):
    """The connection of one process to the watch; `connect` makes the one of this process.

    It ends the process when the watch says so, is gone, or is silent for the job's patience.
    """

    def __init__(self, job: Job, rank: int) -> None:
        super().__init__(name="line", daemon=True)
        self.job, self.rank, self.parent = job, rank, os.getppid()
        self.may_go, self.port, self.ended = threading.Event(), 0, False
        self.socket = self.reach()
        self.socket.settimeout(BEAT)
        self.say(job=job.name, rank=rank, host=socket.gethostname())

    def reach(self) -> socket.socket:
        """Return a connection to the watch, which may have yet to start.

        Raises InputError where it is not reached in time.
        """
        address, end = (self.job.root, self.job.port), time.monotonic() + START * self.job.patience
        while True:
            try:
                return socket.create_connection(address, timeout=self.job.patience)
            except OSError as error:
                if time.monotonic() > end:
                    raise InputError(
                        f"{self.job.title(self.rank)} on {socket.gethostname()} cannot reach the "
                        f"scheduler at {self.job.root}, port {self.job.port}: {error}; check the "
                        "address, the network and the firewall"
                    ) from error
            time.sleep(0.5)

    def say(self, **message) -> None:
        """Send a message to the watch."""
        send(self.socket, message)

    def run(self) -> None:
        """Listen and send heartbeats for as long as the process lives."""
        unread, heard = b"", time.monotonic()
        while True:
            if select.select([self.socket], [], [], BEAT)[0]:
                try:
                    messages, unread = receive(self.socket, unread)
                except ValueError:
                    return self.lost(f"is another program, at port {self.job.port}")
                if messages is None:
                    return self.lost("has died")
                heard = time.monotonic()
                for message in messages:
                    self.take(message)
            elif time.monotonic() - heard > self.job.patience:
                self.lost(f"has been silent for {self.job.patience} s")
            if os.getppid() != self.parent:  # the launcher is gone
                os._exit(1)
            self.say()

    def take(self, message: dict) -> None:
        """Do what a message of the watch says."""
        if "go" in message:
            self.port = message["go"]
            self.may_go.set()
        elif "refused" in message:
            tell(message["refused"])
            os._exit(2)
        elif "stop" in message and not self.ended:
            os._exit(1)

    def lost(self, what: str) -> None:
        """End the process; without a watch, worker 0 is the one to say why."""
        if self.ended:
            return
        if self.job.role(self.rank) == (WORKER, 0):
            tell(f"the scheduler on {self.job.root} {what}")
        os._exit(1)


def connect(job: Job, rank: int) -> Line:
    """Return the line of this process to its job; see `Line.reach` for the InputError."""
    global current
    current = Line(job, rank)
    current.start()
    return current


def agree(**facts: str | int | float) -> None:
    """Wait until all processes are there and have the same versions, code and facts.

    Where they differ, the watch says so and the process ends here. Afterwards ps-lite's variables
    name the ports and addresses that it shall take. Without a job, nothing happens.
    """
    if current is None:
        return
    current.say(facts=facts_here() | facts)
    current.may_go.wait()
    os.environ["DMLC_PS_ROOT_URI"] = current.socket.getpeername()[0]
    os.environ["DMLC_PS_ROOT_PORT"] = str(current.port)
    # The address from which this host reaches the scheduler: of several, ps-lite takes any.
    os.environ["DMLC_NODE_HOST"] = current.socket.getsockname()[0]


def joined() -> None:
    """Say that ps-lite has taken this process in; without a job, nothing happens."""
    if current is not None:
        current.say(joined=True)


def ended(status: int) -> None:
    """Say that this process ends now, and how; without a job, nothing happens."""
    if current is not None:
        current.ended = True
        current.say(ended=status)
