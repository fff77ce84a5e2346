"""Faults of jobs on this machine: 20 random moments to be killed, and hanging. `make cluster`."""

import json
import os
import random
import signal
import time

import pytest

from tests.cluster.jobs import assert_gone, job, title, wait_until

SERVERS, WORKERS, STEPS = 2, 3, 300
SIZE = 1 + SERVERS + WORKERS
COUNTS = ("--servers", str(SERVERS), "--workers", str(WORKERS))
NOTICED_WITHIN = 30  # seconds


def words(folder, steps=STEPS):
    return ["train", "--checkpoint", folder / "checkpoint", "--steps", str(steps)]


@pytest.fixture(scope="module")
def duration(tmp_path_factory):
    """How long a job takes that nothing befalls, in seconds."""
    started = time.monotonic()
    with job(*COUNTS, words=words(tmp_path_factory.mktemp("whole"))) as running:
        status, _, errors = running.wait(300)
        assert status == 0, errors
    return time.monotonic() - started


@pytest.mark.parametrize("number", range(20))
def test_killed_at_a_random_moment(tmp_path, duration, number):
    """Roles take turns; the moments, others at every run, are before the first step or after."""
    rank, delay = number % SIZE, random.SystemRandom().uniform(0, 2.5) * duration
    name = title(SERVERS, WORKERS, rank)
    with job(*COUNTS, words=words(tmp_path, steps=10**6)) as running:
        wait_until(lambda: rank in running.processes().values(), running)
        time.sleep(delay)
        os.kill(running.pid(rank), signal.SIGKILL)
        killed = time.monotonic()
        status, output, errors = running.wait(NOTICED_WITHIN)
        noticed = time.monotonic() - killed
        assert status == 1 and f"single-shot launch: {name}" in errors, errors
        assert "go on with the command:" in output
        assert_gone(running)
    path = tmp_path / "checkpoint"
    done = int(path.read_text()) if path.exists() else 0
    print(f"\n{name} killed after {delay:.1f} s and {done} steps: noticed within {noticed:.2f} s")
    with job(*COUNTS, "--json", words=words(tmp_path, done + 3)) as running:
        status, output, errors = running.wait(300)
        assert status == 0, errors
        assert json.loads(output)["first"] == done  # nothing is lost


@pytest.mark.parametrize("rank", range(SIZE))
def test_hanging(tmp_path, rank):
    name = title(SERVERS, WORKERS, rank)
    with job(*COUNTS, words=words(tmp_path, steps=10**6)) as running:
        wait_until((tmp_path / "checkpoint").exists, running)
        os.kill(running.pid(rank), signal.SIGSTOP)
        stopped = time.monotonic()
        status, _, errors = running.wait(60)
        noticed = time.monotonic() - stopped
        said = f"no word from {name} on " if rank else "the scheduler on 127.0.0.1 has been silent"
        assert status == 1 and said in errors, errors
        assert_gone(running)
    print(f"\n{name} stopped: noticed within {noticed:.1f} s")
