"""Jobs of several processes: who is where, and what befalls them; longer ones: `make cluster`."""

import contextlib
import json
import os
import re
import signal
import socket
from argparse import ArgumentParser

from single_shot import launch
from single_shot.cluster.hosts import Host, is_this_machine, placed, read_hosts
from single_shot.cluster.job import Job, facts_here, job_here
from single_shot.command import main
from single_shot.prepared_folder import open_prepared
from single_shot.training_report import REPORT
from utils.detection import detect_dataset, load_detector
from utils.files import InputError

import pytest

from tests.cluster.jobs import assert_gone, job, wait_until
from tests.prepared_data import prepare_rectangles

WAIT = """
import os, pathlib, time
pathlib.Path(__file__).with_name(f"{os.getpid()}.waits").touch()
time.sleep(3600)
"""
VARIABLES = Job("10.0.0.1", 9091, num_servers=2, num_workers=3, name="a").environment()


def test_every_rank_has_a_role():
    titles = [Job("a", 1, num_servers=2, num_workers=3).title(rank) for rank in range(6)]
    assert titles == ["the scheduler", "server 0", "server 1", "worker 0", "worker 1", "worker 2"]


@pytest.mark.parametrize("name", ["OMPI_COMM_WORLD_RANK", "SLURM_PROCID", "JOB_COMPLETION_INDEX"])
def test_the_job_and_the_rank_are_found_in_the_environment(name):
    found, rank = job_here(VARIABLES | {name: "5"})
    assert (found, rank) == (Job("10.0.0.1", 9091, 2, 3, "a"), 5)
    assert job_here(VARIABLES | {name: "5", "SINGLE_SHOT_RANK": "1"})[1] == 1


@pytest.mark.parametrize(
    "variables, message",
    [
        ({}, "no rank"),
        ({"SLURM_PROCID": "6"}, "rank 6 of 2 servers and 3 workers: start .* 6 in all"),
        ({"SLURM_PROCID": "x"}, "SLURM_PROCID is 'x'"),
        ({"SLURM_PROCID": "0", "DMLC_NUM_SERVER": "two"}, "DMLC_NUM_SERVER is 'two'"),
        ({"SLURM_PROCID": "0", "DMLC_PS_ROOT_URI": ""}, "DMLC_PS_ROOT_URI: set it"),
        ({"SLURM_PROCID": "0", "DMLC_NUM_WORKER": "0"}, "0 workers"),
        ({"DMLC_PS_ROOT_PORT": "65536"}, "DMLC_PS_ROOT_PORT is '65536': .* from 1 to 65535"),
    ],
)
def test_an_environment_without_a_job_is_explained(variables, message):
    with pytest.raises(InputError, match=message):
        job_here(VARIABLES | variables)


@pytest.mark.parametrize(
    "name, option, least",
    [("DMLC_PS_ROOT_PORT", "--port", 1), ("SINGLE_SHOT_PATIENCE", "--patience", 5)],
)
def test_a_variable_begins_where_its_option_does(name, option, least):
    parser, variables = ArgumentParser(), VARIABLES | {"SLURM_PROCID": "0"}
    launch.add_arguments(parser)
    parser.parse_args([option, str(least), "train"])
    job_here(variables | {name: str(least)})
    with pytest.raises(SystemExit):
        parser.parse_args([option, str(least - 1), "train"])
    with pytest.raises(InputError, match=f"{name} is '{least - 1}': .* whole number from {least} "):
        job_here(variables | {name: str(least - 1)})


def test_facts_change_with_the_code(tmp_path, monkeypatch):
    (tmp_path / "utils").mkdir()
    (tmp_path / "utils" / "a.py").write_text("a = 1")
    monkeypatch.setattr("single_shot.cluster.job.ROOT", tmp_path)
    before = facts_here()
    assert before == facts_here() and before["MXNet"] == "1.9.1"
    (tmp_path / "utils" / "a.py").write_text("a = 2")
    assert facts_here()["code"] != before["code"]


def test_hosts_are_read_as_open_mpi_does(tmp_path):
    path = tmp_path / "hosts"
    path.write_text(
        "# two\n\nfirst slots=2  # big\n10.0.0.2\n  third.local slots = 3 max_slots=4\n"
    )
    assert read_hosts(path) == [Host("first", 2), Host("10.0.0.2", 1), Host("third.local", 3)]


@pytest.mark.parametrize(
    "text, message",
    [
        ("# none\n", "names no host"),
        ("a\nb slots=0\n", "line 2: 'b slots=0' is not NAME"),
        ("a, b\n", "line 1: 'a, b' is not NAME"),
        ("a\na\n", "line 2: a is named twice"),
    ],
)
def test_wrong_hosts_are_explained(tmp_path, text, message):
    path = tmp_path / "hosts"
    path.write_text(text)
    with pytest.raises(InputError, match=f"hosts: {message}"):
        read_hosts(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_hosts(tmp_path / "none")


def test_servers_are_spread_and_workers_fill_the_slots():
    hosts = [Host("a", 2), Host("b", 1)]
    job = Job("a", 1, num_servers=2, num_workers=4)
    single, workers = [("a", 1, 3), ("a", 1, 3), ("b", 1, 1)], [("a", 3, 3), ("b", 1, 1)]
    assert placed(job, hosts) == single + workers
    words = launch.mpirun_processes(job, hosts, ["train", "x"])
    counts = [int(words[at + 1]) for at, word in enumerate(words) if word == "-np"]
    assert sum(counts) == job.size and words.count(":") == len(counts) - 1
    assert words[words.index("--host") + 1] == "a:1" and words[-2:] == ["train", "x"]


def test_only_addresses_of_this_machine_are_its_own():
    assert is_this_machine("localhost") and is_this_machine("127.0.0.1")
    assert not is_this_machine("192.0.2.1")  # of documentation


@pytest.mark.parametrize(
    "words, message",
    [
        (["--", "detect", "a"], "-- detect: only train"),
        (["--hosts", "HOSTS", "--", "train", "single"], "mpirun is not here: install Open MPI"),
    ],
)
def test_what_cannot_be_launched_is_explained(tmp_path, monkeypatch, capsys, words, message):
    (tmp_path / "hosts").write_text("192.0.2.1\n")
    monkeypatch.setattr(launch.shutil, "which", lambda name: None)
    words = [str(tmp_path / "hosts") if word == "HOSTS" else word for word in words]
    assert main(["launch", *words]) == 2
    assert message in capsys.readouterr().err


def stand_in(tmp_path, *words):
    return ["train", "--checkpoint", tmp_path / "checkpoint", *words]


def test_a_job_adds_up_and_goes_on_after_a_worker_was_killed(tmp_path):
    checkpoint, words = tmp_path / "checkpoint", stand_in(tmp_path, "--steps", "100000")
    with job(words=words) as running:
        wait_until(checkpoint.exists, running)
        os.kill(running.pid(3), signal.SIGKILL)
        assert_failed(running, "worker 1 on .* has died")
    done = int(checkpoint.read_text())
    with job("--json", words=stand_in(tmp_path, "--steps", str(done + 5))) as running:
        status, output, errors = running.wait()
        assert status == 0 and not errors, errors
        answer = json.loads(output)
        assert (answer["first"], answer["threads"]) == (done, 1)
        assert_gone(running)


def test_two_workers_train_a_detector_that_worker_0_leaves(tmp_path):
    """The training itself, of which all others here are stand-ins."""
    folder, out = prepare_rectangles(tmp_path / "prepared", num_train=20), tmp_path / "run"
    words = ["train", folder, "--out", out, "--recipe", "lesson", "--epochs", "1"]
    words += ["--batch-size", "4"]
    with job("--workers", "2", words=words, module="single_shot") as running:
        status, output, errors = running.wait(300)
        assert status == 0, errors
        assert_gone(running)
    assert errors.count("2 workers, 4 images each: batches of 8; ") == 1
    assert output.count("AP50 (VOC area)") == 1 and f"detect {out / 'detector.params'}" in output
    assert {path.name for path in out.iterdir()} == {"detector.params", *REPORT}
    card, history = (json.loads((out / name).read_text()) for name in ("card.json", "history.json"))
    assert (card["workers"], card["epochs"], card["learning_rate"]) == (2, 1, 2e-3)
    num_images = [line["seconds"] * line["images_per_second"] for line in history]
    assert num_images == pytest.approx([16])  # two batches of both; alone, it would take all 20
    detector = load_detector(out / "detector.params")
    assert (detector.class_names, detector.image_size) == (("rectangle",), 128)
    assert len(detect_dataset(detector, open_prepared(folder, "val"))) == 6


def assert_failed(running, message):
    """Fail unless a job ends soon with this message, and nothing is left of it.

    The launcher adds a line about a process that a signal has ended.
    """
    status, output, errors = running.wait(seconds=60)
    killed = r"(single-shot launch: .*: Killed\n)?"
    assert re.fullmatch(f"{killed}single-shot launch: {message}\n{killed}", errors), errors
    assert status == 1 and "go on with the command:" in output
    assert_gone(running)


@contextlib.contextmanager
def waiting_job(folder, *options):
    """Have a job of a scheduler, a server and two workers whose MXNet does nothing but wait.

    Each of them leaves a file in the folder.
    """
    folder.mkdir(exist_ok=True)
    (folder / "mxnet.py").write_text(WAIT)
    with job(*options, words=stand_in(folder), variables={"PYTHONPATH": str(folder)}) as running:
        wait_until(lambda: len(list(folder.glob("*.waits"))) == 4, running)
        yield running


@pytest.mark.parametrize("rank, name", [(0, "the scheduler"), (1, "server 0"), (2, "worker 0")])
def test_a_member_that_is_killed_is_named(tmp_path, rank, name):
    with waiting_job(tmp_path) as running:
        os.kill(running.pid(rank), signal.SIGKILL)
        assert_failed(running, f"{name} on .* has died")


def test_members_that_hang_or_do_not_meet_are_named(tmp_path):
    """Side by side, since each takes its time."""
    patience = ("--patience", "5")
    with (
        waiting_job(tmp_path / "hangs", *patience) as hanging,
        waiting_job(tmp_path / "waits", *patience) as unmet,
    ):
        os.kill(hanging.pid(3), signal.SIGSTOP)
        assert_failed(hanging, "no word from worker 1 on .* for 5 s: it hangs, .*")
        assert_failed(unmet, "worker [01] on .* has not reached the other processes .*")


def test_a_launcher_that_is_killed_takes_all_with_it(tmp_path):
    with waiting_job(tmp_path) as running:
        os.kill(running.pid(1), signal.SIGSTOP)  # it cannot see to that itself
        running.launcher.kill()
        assert_gone(running)


def test_ctrl_c_ends_a_job(tmp_path):
    with waiting_job(tmp_path) as running:
        running.launcher.send_signal(signal.SIGINT)
        status, _, errors = running.wait()
        assert status == 130 and "go on with the command:" in errors
        assert_gone(running)


def test_what_differs_is_told_before_training_begins(tmp_path):
    with job(words=stand_in(tmp_path, "--data", "same", "other")) as running:
        status, _, errors = running.wait()
        assert status == 2 and "data differs: other at worker 1 on " in errors
        assert "copy the same data set to every host" in errors
        assert not (tmp_path / "checkpoint").exists()


def test_a_port_that_is_taken_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with job("--port", str(port), words=stand_in(tmp_path)) as running:
            status, _, errors = running.wait()
            assert status == 2 and f"port {port} of {socket.gethostname()}" in errors
            assert "choose another with --port" in errors
            assert_gone(running)


def test_a_stranger_at_the_port_does_no_harm(tmp_path):
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    with waiting_job(tmp_path, "--port", str(port)) as running:
        assert knock(port) and knock(port)
        os.kill(running.pid(1), signal.SIGKILL)
        assert_failed(running, "server 0 on .* has died")


def knock(port):
    """Say something that no member would say; return whether the other end has hung up."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as stranger:
        stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            return stranger.recv(1) == b""
        return True
