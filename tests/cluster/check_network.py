"""Jobs on hosts of their own, which are network namespaces, started by mpirun. `make cluster`."""

import json
import os
import shutil
import signal
import time

import numpy as np
import pytest

from tests.cluster import network
from tests.cluster.jobs import ROOT, assert_gone, job, wait_until

TOOLS = ("ip", "tc", "mpirun", "unshare")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, TOOLS)),
    reason=f"hosts are made by root, with {', '.join(TOOLS)}",
)
STEPS = 20
SIZE = 1_000_000  # numbers, about as many as ToySSD has weights
NOTICED_WITHIN = 60  # seconds


@pytest.fixture
def hosts(tmp_path):
    """Three hosts; gives the options by which a job runs on them, and its environment."""
    with network.hosts(3) as names:
        (tmp_path / "hosts").write_text("".join(f"{name}\n" for name in names))
        variables = network.write_agent(tmp_path / "agent")
        yield {"before": network.inside(1), "variables": variables}


def run(hosts, tmp_path, *words, options=()):
    """Return the job on the hosts, see `jobs.job`."""
    words = ["train", "--checkpoint", tmp_path / "checkpoint", *words]
    return job("--hosts", tmp_path / "hosts", *options, words=words, **hosts)


def test_a_job_on_three_hosts(hosts, tmp_path):
    with run(hosts, tmp_path, options=["--json", "--workers", "4", "--servers", "2"]) as running:
        status, output, errors = running.wait(300)
        assert status == 0, errors
        assert json.loads(output)["first"] == 0
        assert_gone(running)


@pytest.mark.parametrize(
    "rank, name",
    [(0, "the scheduler"), (2, "server 1 on host-2"), (5, "worker 1 on host-2")],
)
@pytest.mark.parametrize("what", [signal.SIGKILL, signal.SIGSTOP])
def test_a_member_that_is_killed_or_hangs(hosts, tmp_path, rank, name, what):
    with run(hosts, tmp_path, "--steps", "1000000") as running:
        wait_until((tmp_path / "checkpoint").exists, running)
        os.kill(running.pid(rank), what)
        begun = time.monotonic()
        status, output, errors = running.wait(NOTICED_WITHIN)
        noticed = time.monotonic() - begun
        assert status == 1 and f"{name}" in errors and "go on with" in output, errors
        assert_gone(running)
    print(f"\n{name}, {what.name}: noticed within {noticed:.1f} s\n{errors}")


def test_a_launcher_that_is_killed(hosts, tmp_path):
    with run(hosts, tmp_path, "--steps", "1000000") as running:
        wait_until((tmp_path / "checkpoint").exists, running)
        running.launcher.kill()  # the process is that of the command: `inside` has replaced itself
        assert_gone(running, seconds=30)


def test_a_host_that_is_cut_off_while_it_trains(hosts, tmp_path):
    with run(hosts, tmp_path, "--steps", "1000000") as running:
        wait_until((tmp_path / "checkpoint").exists, running)
        network.unplug(3)
        begun = time.monotonic()
        status, _, errors = running.wait(NOTICED_WITHIN)
        assert status == 1 and "on host-3 for 30 s: it hangs, or its host" in errors, errors
        # There mpirun's daemon stays until the system gives up its connection.
        assert_gone(running, seconds=60, besides_mpirun=True)
    print(f"\ncut off: noticed within {time.monotonic() - begun:.1f} s\n{errors}")


def test_a_host_that_does_not_answer(hosts, tmp_path):
    network.unplug(3)
    with run(hosts, tmp_path, options=["--patience", "10"]) as running:
        status, _, errors = running.wait(NOTICED_WITHIN)
        assert status == 1 and "unable to reliably start" in errors, errors  # ssh names the host
        assert not (tmp_path / "checkpoint").exists()
        assert_gone(running, seconds=60)
    print(f"\n{errors}")


def test_a_host_with_other_code(hosts, tmp_path):
    changed = tmp_path / "boxes.py"
    changed.write_text((ROOT / "utils" / "boxes.py").read_text() + "# changed\n")
    agent = tmp_path / "agent"
    mount = (
        f'[ "$host" = 10.77.0.3 ] && set -- "mount --bind {changed} {ROOT}/utils/boxes.py;" "$@"'
    )
    agent.write_text(agent.read_text().replace("exec ip", f"{mount}\nexec ip"))
    with run(hosts, tmp_path) as running:
        status, _, errors = running.wait(NOTICED_WITHIN)
        assert status != 0 and "code differs: " in errors and "on host-3" in errors, errors
        assert not (tmp_path / "checkpoint").exists()
        assert_gone(running)


def steps(hosts, tmp_path, *words):
    """Return seconds of a step, and the bytes that host 3, a worker alone, sends and receives.

    There is a server on the first host, and a worker on each of the three.
    """
    results = []
    for count in (2, 2 + STEPS):  # the difference leaves out how a job begins and ends
        (tmp_path / "checkpoint").unlink(missing_ok=True)
        before = network.bytes_at(3)
        words_of_part = ["--size", str(SIZE), "--steps", str(count), *words]
        options = ["--servers", "1", "--json"]
        with run(hosts, tmp_path, *words_of_part, options=options) as running:
            status, output, errors = running.wait(400)
            assert status == 0, errors
        moved = np.subtract(network.bytes_at(3), before)
        results.append(np.array([json.loads(output)["seconds"], *moved]))
    return (results[1] - results[0]) / STEPS


@pytest.mark.parametrize("slow", [False, True], ids=["fast", "slow"])
def test_bytes_of_a_step_are_those_of_the_weights(hosts, tmp_path, slow):
    if slow:
        network.slow_down(3)
    whole, compressed = (steps(hosts, tmp_path, *words) for words in ([], ["--compress"]))
    for name, (seconds, sent, received) in (("whole", whole), ("two bits", compressed)):
        print(
            f"\n{name}: {seconds:.3f} s a step, MB: {sent / 1e6:.2f} sent, {received / 1e6:.2f} got"
        )
    weights = 4 * SIZE  # bytes; headers of TCP and IP, heartbeats and confirmations come on top
    for sent, share in ((whole[1], 1), (whole[2], 1), (compressed[1], 1 / 16), (compressed[2], 1)):
        assert share * weights < sent < share * weights * 1.25 + 50_000
