"""The machines of a job: the file that names them, their addresses, and who runs where."""

import re
import socket
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

from single_shot.cluster.job import Job
from utils.files import InputError

LINE = re.compile(
    r"(?P<name>[\w.-]+)(\s+slots\s*=\s*(?P<slots>[1-9]\d*))?(\s+max_slots\s*=\s*\d+)?"
)


class Host(NamedTuple):
    """name: or address; slots: the number of workers that it is meant for."""

    name: str
    slots: int


def read_hosts(path: Path) -> list[Host]:
    """Return the hosts of a file as Open MPI reads it: `NAME slots=N` on a line, # for comments.

    Raises InputError for a file that cannot be read or names none, and for any other line.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a text file") from error
    hosts = []
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        match = LINE.fullmatch(text)
        if text and not match:
            raise InputError(f"{path}: line {number}: {text!r} is not NAME or NAME slots=N")
        if match and match["name"] in [host.name for host in hosts]:
            raise InputError(f"{path}: line {number}: {match['name']} is named twice; raise slots=")
        if match:
            hosts.append(Host(match["name"], int(match["slots"] or 1)))
    if not hosts:
        raise InputError(f"{path}: names no host; write one on each line")
    return hosts


def address_of(name: str) -> str:
    """Return the IPv4 address of a host, which is all that ps-lite knows.

    Raises InputError where there is none.
    """
    try:
        return socket.gethostbyname(name)
    except OSError as error:
        raise InputError(f"host {name}: {error.strerror}; give its IPv4 address") from error


def is_this_machine(name: str) -> bool:
    """Return whether a host is this one: only here a socket can have its address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address_of(name), 0))
        except OSError:
            return False
    return True


def address_for(hosts: list[Host]) -> str:
    """Return the address by which the others of several hosts reach the first."""
    if not is_this_machine(hosts[0].name):
        return address_of(hosts[0].name)
    other = next(host for host in hosts if not is_this_machine(host.name))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address_of(other.name), 9))  # sends nothing, but chooses the way
        except OSError as error:
            raise InputError(
                f"host {other.name}: {error.strerror}; look after the network, or its address"
            ) from error
        return probe.getsockname()[0]


def placed(job: Job, hosts: list[Host]) -> list[tuple[str, int, int]]:
    """Return who runs where, in the order of ranks: host, number of processes, workers of the host.

    The scheduler is on the first host, a server on each in turn; workers fill the slots, and start
    again where there are more of them.
    """
    slots = [host.name for host in hosts for _ in range(host.slots)]
    workers = sorted(islice(cycle(slots), job.num_workers), key=[h.name for h in hosts].index)
    servers = islice(cycle(host.name for host in hosts), job.num_servers)
    single = [hosts[0].name, *servers]
    counts = {name: workers.count(name) for name in workers}
    return [(name, 1, max(1, counts.get(name, 0))) for name in single] + [
        (name, count, count) for name, count in counts.items()
    ]
