"""Hosts on one machine: network namespaces with a link each to a switch, for root on Linux."""

import contextlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

SWITCH = "single-shot-switch"
# What mpirun calls in place of ssh: the options of ssh, the host, the words of a command.
AGENT = """#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift 2; done
host=$1; shift
exec ip netns exec "single-shot-${host##*.}" unshare --uts sh -c "hostname host-${host##*.}; $*"
"""


def ip(*words: str) -> None:
    """Run a command of iproute2."""
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def inside(number: int) -> list[str]:
    """Return the words before a command that is to run on a host."""
    namespace = f"single-shot-{number}"
    rename = f'hostname host-{number}; exec "$@"'
    return ["ip", "netns", "exec", namespace, "unshare", "--uts", "sh", "-c", rename, "sh"]


def address(number: int) -> str:
    """Return the address of a host."""
    return f"10.77.0.{number}"


@contextlib.contextmanager
def hosts(count: int) -> Iterator[list[str]]:
    """Have hosts with the numbers 1 to `count`; give their addresses."""
    numbers = range(1, count + 1)
    remove()  # what a killed process has left
    try:
        ip("netns", "add", SWITCH)
        ip("-n", SWITCH, "link", "add", "switch", "type", "bridge")
        ip("-n", SWITCH, "link", "set", "switch", "up")
        for number in numbers:
            host, port = f"single-shot-{number}", f"port{number}"
            ip("netns", "add", host)
            peer = ["peer", "name", "eth0", "netns", host]
            ip("-n", SWITCH, "link", "add", port, "type", "veth", *peer)
            ip("-n", SWITCH, "link", "set", port, "master", "switch", "up")
            ip("-n", host, "address", "add", f"{address(number)}/24", "dev", "eth0")
            ip("-n", host, "link", "set", "eth0", "up")
            ip("-n", host, "link", "set", "lo", "up")
        yield [address(number) for number in numbers]
    finally:
        remove()


def remove() -> None:
    """Remove all hosts, and the switch."""
    listed = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True)
    for name in re.findall(r"^single-shot-\w+", listed.stdout, re.MULTILINE):
        ip("netns", "del", name)


def slow_down(number: int, rate: str = "100mbit") -> None:
    """Have a link of a host carry no more than a rate in either direction."""
    shape = ["root", "tbf", "rate", rate, "burst", "64kb", "latency", "400ms"]
    for namespace, device in ((f"single-shot-{number}", "eth0"), (SWITCH, f"port{number}")):
        command = ["tc", "-n", namespace, "qdisc", "replace", "dev", device, *shape]
        subprocess.run(command, check=True, capture_output=True)


def unplug(number: int) -> None:
    """Cut the link of a host."""
    ip("-n", SWITCH, "link", "set", f"port{number}", "down")


def bytes_at(number: int) -> tuple[int, int]:
    """Return how many bytes a host has sent and received since it is there."""
    folder = "/sys/class/net/eth0/statistics"
    words = ["cat", f"{folder}/tx_bytes", f"{folder}/rx_bytes"]
    command = ["ip", "netns", "exec", f"single-shot-{number}", *words]
    sent, received = subprocess.run(command, check=True, capture_output=True).stdout.split()
    return int(sent), int(received)


def write_agent(path: Path) -> dict[str, str]:
    """Write the script that mpirun shall call in place of ssh; return the environment for that."""
    path.write_text(AGENT)
    path.chmod(0o755)
    return {"OMPI_MCA_plm_rsh_agent": str(path)}
