"""Faults of jobs on this machine: killed at random moments, and hanging. `make cluster`.

20 kills are of the stand-in, which counts what is lost to the step; one is of a real training.
"""

import json
import os
import random
import signal
import time

from single_shot.train import RUNNING
from utils.checkpoint import load_checkpoint

import pytest

from tests.cluster.jobs import assert_gone, job, title, wait_until
from tests.prepared_data import prepare_rectangles

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


def test_a_real_training_goes_on_after_a_worker_was_killed(tmp_path):
    """Its epochs are those of one never stopped: what was saved comes back, the rest is learnt."""
    folder, out = prepare_rectangles(tmp_path / "prepared", num_train=20), tmp_path / "run"
    words = ["train", folder, "--out", out, "--image-size", "64", "--batch-size", "4"]
    words += ["--epochs", "60"]
    with job("--workers", "2", words=words, module="single_shot") as running:
        wait_until((out / RUNNING).exists, running)
        time.sleep(random.SystemRandom().uniform(0, 3))
        os.kill(running.pid(3), signal.SIGKILL)
        status, output, errors = running.wait(NOTICED_WITHIN)
        assert status == 1 and "single-shot launch: worker 1 on " in errors, errors
        assert "go on with the command:" in output and not (out / "card.json").exists()
        assert_gone(running)
    saved = load_checkpoint(out / RUNNING).metadata["history"]
    print(f"\nworker 1 of a training killed after {len(saved)} epochs")
    assert 0 < len(saved) < 60
    with job("--workers", "2", words=words, module="single_shot") as running:
        status, _, errors = running.wait(300)
        assert status == 0, errors
    history = json.loads((out / "history.json").read_text())
    assert [line["epoch"] for line in history] == list(range(1, 61))
    assert history[: len(saved)] == saved and not (out / RUNNING).exists()
    assert history[-1]["cls_loss"] < history[0]["cls_loss"] / 2


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
