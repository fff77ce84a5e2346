"""What the processes of a job and its watch say to each other: lines of JSON.

A process says to the watch:

- {"job", "rank", "host"}: who it is, to which the answer may be {"refused"};
- {"facts"}: what must be equal on all hosts; once all have said it, the answer is {"go"};
- {"joined"}: ps-lite has taken a worker in;
- {"ended"}: its exit status.

The watch says {"stop"} to have it end. {} is a heartbeat, in both directions.
"""

import contextlib
import json
import socket
import sys

LOOPBACK = "127.0.0.1"  # this machine, which no other reaches
BEAT = 2.0  # seconds between two heartbeats
START = 4  # times a job's patience: for its processes to be there, and then to meet


def tell(text: str) -> None:
    """Show a person why the job ends, unless the launcher that would show it is gone."""
    with contextlib.suppress(OSError):
        print(f"single-shot launch: {text}", file=sys.__stderr__, flush=True)


def send(connection: socket.socket, message: dict) -> None:
    """Send a message as a line of JSON, unless the other end is gone."""
    with contextlib.suppress(OSError):  # who listens to it is told, and knows what that means
        connection.sendall(json.dumps(message).encode() + b"\n")


def receive(connection: socket.socket, unread: bytes) -> tuple[list[dict] | None, bytes]:
    """Return the messages that have come, None when the other end is gone, and what is unread.

    Raises ValueError where they are not this protocol's.
    """
    try:
        content = connection.recv(1 << 16)
    except OSError:
        content = b""
    if not content:
        return None, unread
    *lines, unread = (unread + content).split(b"\n")
    messages = [json.loads(line) for line in lines]
    if len(unread) > 1 << 16 or not all(isinstance(message, dict) for message in messages):
        raise ValueError("no member of a job")
    return messages, unread


def free_port(address: str = "") -> int:
    """Return a TCP port that nobody uses at this address of the machine just now."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]
