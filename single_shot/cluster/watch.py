"""The watch of a job, a thread beside the scheduler: is everybody there, alike, alive?

ps-lite itself waits for ever when a process dies. The watch says which one, tells the others to
stop, and ends the scheduler, at which the launcher ends whatever is left.
"""

import contextlib
import math
import os
import selectors
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NoReturn

from single_shot.cluster.job import WORKER, Job
from single_shot.cluster.messages import BEAT, LOOPBACK, START, free_port, receive, send, tell
from utils.files import InputError

CURES = {
    "code": "install the same version of the project on every host",
    "data": "copy the same data set to every host",
    "settings": "give every process the same options, and the same files to begin with",
}
SAME_VERSIONS = "install the same versions on every host (make setup)"
STRANGER = -1


@dataclass
class Member:
    """A process as the watch knows it, which is a stranger until it has said its rank."""

    connection: socket.socket
    heard: float
    rank: int = STRANGER
    host: str = ""
    unread: bytes = b""
    facts: dict = field(default_factory=dict)
    joined: bool = False
    ended: bool = False

    def say(self, message: dict) -> None:
        """Send a message; that the other end is gone shows when the watch next listens to it."""
        send(self.connection, message)


class Watch(threading.Thread):
    """Listens at the port of a job until all members have ended, or one of them has failed."""

    def __init__(self, job: Job) -> None:
        super().__init__(name="watch")
        self.job, self.members = job, list[Member]()
        self.started = time.monotonic()
        self.gone = self.told_to_end = math.inf  # when the watch has said "go", and got SIGTERM
        self.selector = selectors.DefaultSelector()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            # A job of one machine listens to no other.
            self.listener.bind((LOOPBACK if job.root == LOOPBACK else "", job.port))
        except OSError as error:
            raise InputError(
                f"port {job.port} of {socket.gethostname()}, for the watch: {error.strerror}; "
                "choose another with --port, or none to have a free one chosen"
            ) from error
        self.listener.listen(job.size)
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)
        # The main thread waits in MXNet's own code, where Python handles no signal.
        signals, self.wakeup = socket.socketpair()
        self.wakeup.setblocking(False)
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.set_wakeup_fd(self.wakeup.fileno())
        self.selector.register(signals, selectors.EVENT_READ, partial(self.be_told_to_end, signals))

    def run(self) -> None:
        """Listen, send heartbeats, and look at the time, until all is over."""
        beat = 0.0
        while not self.over():
            for key, _ in self.selector.select(BEAT / 4):
                key.data()
            now = time.monotonic()
            self.check_time(now)
            if now - beat > BEAT:
                beat = now
                for member in self.members:
                    member.say({})

    def over(self) -> bool:
        """Return whether all members have ended well."""
        return sum(member.ended for member in self.members) == self.job.size

    def accept(self) -> None:
        """Take a connection of somebody who has yet to say who it is."""
        connection, _ = self.listener.accept()
        connection.settimeout(BEAT)
        member = Member(connection, time.monotonic())
        self.members.append(member)
        self.selector.register(connection, selectors.EVENT_READ, partial(self.listen, member))

    def be_told_to_end(self, signals: socket.socket) -> None:
        """Note SIGTERM; a launcher sends it because another process has died, which comes first."""
        if signal.SIGTERM in signals.recv(64):
            self.told_to_end = time.monotonic()

    def listen(self, member: Member) -> None:
        """Take in what a member says; the job fails if it is gone before it has ended."""
        try:
            messages, member.unread = receive(member.connection, member.unread)
            for message in messages or ():
                self.take(member, message)
        except (ValueError, KeyError, TypeError):  # a stranger: somebody scans the ports
            messages = None
        member.heard = time.monotonic()
        if messages is None:
            self.selector.unregister(member.connection)
            member.connection.close()
            if member.rank == STRANGER:
                self.members.remove(member)
            elif not member.ended and self.told_to_end == math.inf:  # else all are told
                self.fail(f"{self.naming(member)} has died")

    def take(self, member: Member, message: dict) -> None:
        """Note what one message says."""
        if "rank" in message:
            taken = [other.rank for other in self.members]
            if message["job"] != self.job.name or message["rank"] in taken:
                member.say({"refused": f"port {self.job.port} of {self.job.root} is another job's"})
            else:
                member.rank, member.host = message["rank"], message["host"]
        elif member.rank == STRANGER:
            raise ValueError("no member of the job")
        elif "facts" in message:
            member.facts = message["facts"]
            self.compare()
        elif "joined" in message:
            member.joined = True
        elif "ended" in message:
            member.ended = True
            if message["ended"]:
                status = message["ended"]
                self.fail(f"{self.naming(member)} has ended with exit status {status}", status)

    def compare(self) -> None:
        """Let the job begin once everybody has told its facts, and they are the same."""
        told = sorted(self.known(lambda member: member.facts), key=lambda member: member.rank)
        if len(told) < self.job.size:
            return
        first: dict[str, Member] = {}
        for member in told:
            for fact, value in member.facts.items():
                other = first.setdefault(fact, member)
                if value != other.facts[fact]:
                    self.fail(
                        f"{fact} differs: {str(value)[:12]} at {self.naming(member)}, "
                        f"{str(other.facts[fact])[:12]} at {self.naming(other)}; "
                        f"{CURES.get(fact, SAME_VERSIONS)}",
                        2,
                    )
        local = [member.connection.getpeername()[0].startswith("127.") for member in told]
        if any(local) and not all(local):
            self.fail(
                f"{self.job.root} is {self.naming(told[0])} itself, for that host alone; give "
                "the address by which other hosts reach it",
                2,
            )
        self.gone, port = time.monotonic(), free_port()
        for member in told:
            member.say({"go": port})

    def check_time(self, now: float) -> None:
        """Fail for who has not come, not joined or been silent for too long."""
        patience = self.job.patience
        start = START * patience
        for member in self.known(lambda member: not member.ended):
            if now - member.heard > patience:
                self.fail(
                    f"no word from {self.naming(member)} for {patience} s: it hangs, or its host "
                    "or the network does"
                )
            late = now - self.gone > start and not member.joined
            if late and self.job.role(member.rank)[0] == WORKER:
                self.fail(
                    f"{self.naming(member)} has not reached the other processes within "
                    f"{start} s: let the hosts reach each other at all ports"
                )
        if now - self.told_to_end > BEAT / 4:
            self.fail("told to end (SIGTERM)")
        if now - self.started > start and len(self.known()) < self.job.size:
            here = {member.rank for member in self.known()}
            absent = [self.job.title(rank) for rank in range(self.job.size) if rank not in here]
            self.fail(
                f"no word from {', '.join(absent)} within {start} s: start all "
                f"processes, and let their hosts reach port {self.job.port} of {self.job.root}",
                2,
            )

    def known(self, condition: Callable = lambda member: True) -> list[Member]:
        """Return the members that have said who they are and meet a condition."""
        return [member for member in self.members if member.rank != STRANGER and condition(member)]

    def naming(self, member: Member) -> str:
        """Return what messages call a member."""
        return f"{self.job.title(member.rank)} on {member.host}"

    def fail(self, why: str, status: int = 1) -> NoReturn:
        """Say why the job ends, have all members end, and end this process."""
        tell(why)
        others = self.known(lambda member: member.rank != 0)
        for member in others:
            member.say({"stop": why})
        end = time.monotonic() + BEAT
        for member in others:  # who is cut off in the middle may not read to the end
            with contextlib.suppress(OSError):
                while member.connection.recv(1 << 16) and time.monotonic() < end:
                    pass
        os._exit(status)
