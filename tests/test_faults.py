"""What befalls a training on a real machine: it is killed, the disk is full or not writable.

Whatever happens, a file under its final name is whole, and the same command goes on to the same
detector.
"""

import contextlib
import os
import random
import resource
import signal
import subprocess
import sys
import time

from single_shot import resuming, train
from single_shot.command import main
from utils import checkpoint, files, training
from utils.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from utils.networks import TOY_SSD, build_network

import numpy as np
import pytest
from mxnet import gluon

from tests.prepared_data import prepare_rectangles
from tests.toy_data import rectangles

NOBODY = 65534
METADATA = {"class_names": ["rectangle"]}
# A checkpoint after every step, so that there is much to interrupt. The second argument says when
# the process kills itself: in the middle of that many writes, counted from 1; 0 for never.
TRAIN = """
import os, signal, sys
from single_shot import resuming
from utils import files
from single_shot import train
from single_shot.command import main

resuming.SAVE_SECONDS = 0
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
fsync, written = os.fsync, []

def kill_in_write(file):
    written.append(1)
    if len(written) == int(sys.argv[1]):
        os.truncate(f"/proc/self/fd/{file}", os.fstat(file).st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(file)

files.os.fsync = kill_in_write
print("ready", flush=True)
sys.exit(main(sys.argv[2:]))
"""


def arguments(folder, out):
    quick = ["--epochs", "4", "--batch-size", "4", "--image-size", "64"]
    return ["train", str(folder), "--out", str(out), *quick]


def start(folder, out, kill_in_write=0):
    """Return the process of a short training."""
    command = [sys.executable, "-c", TRAIN, str(kill_in_write), *arguments(folder, out)]
    environment = os.environ | {"PYTHONPATH": "."}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment, **pipes)


def wait_for(condition, process, seconds=120):
    """Wait until a condition holds; fail where the process ends before."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None and time.monotonic() < end, process.returncode
        time.sleep(0.005)


def finish(folder, out):
    """Train to the end, or go on, in this process; return the parameters of the detector."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "write_report", lambda *parts: ("", {}))  # which test_train looks at
        assert main(arguments(folder, out)) == 0
    assert [path.name for path in out.glob("detector.*")] == ["detector.params"]
    return trained(out)


def trained(out):
    """Return the parameters of the detector that a run has left."""
    parameters = load_checkpoint(out / "detector.params").parameters
    return {name: array.asnumpy() for name, array in parameters.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return prepare_rectangles(tmp_path_factory.mktemp("data") / "rectangles", 16, 4)


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    """The parameters after a run that nothing befell."""
    return finish(folder, tmp_path_factory.mktemp("whole") / "run")


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_a_run_killed_in_the_middle_of_a_write_goes_on(folder, whole, tmp_path):
    process = start(folder, tmp_path, kill_in_write=6)
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors.decode()
    assert len(list(tmp_path.glob("*.tmp"))) == 1
    # 5 files were whole: one after each of the four steps of the first epoch, and one at its end.
    metadata = load_checkpoint(tmp_path / "detector.running").metadata
    assert len(metadata["history"]) == 1 and metadata["epoch_so_far"]["batches"] == 0
    assert_same(finish(folder, tmp_path), whole)
    assert [path.name for path in tmp_path.iterdir()] == ["detector.params"]


def seconds_of_a_run(folder, out):
    """Return how long a training takes from its first line to its end."""
    process = start(folder, out)
    process.stdout.readline()
    started = time.monotonic()
    process.communicate(timeout=120)
    assert process.returncode == 0
    return time.monotonic() - started


@pytest.mark.timeout(900)
def test_a_run_killed_at_any_moment_goes_on(folder, whole, tmp_path, request):
    """One moment in `make test`, 20 in `make fuzz`, others at every run."""
    fuzz = request.config.getoption("--hypothesis-profile") == "fuzz"
    pick = random.SystemRandom() if fuzz else random
    seconds, killed = seconds_of_a_run(folder, tmp_path / "whole"), 0
    assert_same(trained(tmp_path / "whole"), whole)
    for number in range(20 if fuzz else 1):
        out, delay = tmp_path / str(number), pick.uniform(0, seconds)
        process = start(folder, out)
        process.stdout.readline()
        time.sleep(delay)
        process.kill()
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        for path in [*out.glob("detector.params"), *out.glob("detector.running")]:
            load_checkpoint(path)  # whole, or this raises
        ended = (out / "card.json").exists() and not (out / "detector.running").exists()
        assert_same(trained(out) if ended else finish(folder, out), whole)
    assert not fuzz or killed >= 15  # the machine may have been quicker than at first


def test_ctrl_c_ends_a_run_that_goes_on(folder, whole, tmp_path):
    process = start(folder, tmp_path)
    wait_for((tmp_path / "detector.running").exists, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130 and b"go on with the command" in errors
    assert [path.name for path in tmp_path.iterdir()] == ["detector.running"]
    assert_same(finish(folder, tmp_path), whole)
    assert [path.name for path in tmp_path.iterdir()] == ["detector.params"]


@contextlib.contextmanager
def largest_file(num_bytes):
    """Have the system refuse to make a file larger than this, as a full disk would."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, limits[1]))  # Python ignores the signal
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextlib.contextmanager
def as_nobody():
    """Be somebody whom a folder's mode keeps out, even where root runs the tests."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def old(tmp_path):
    """The path of a checkpoint that is there already, and its bytes."""
    net = gluon.nn.Dense(40, in_units=50)
    net.initialize()
    path = tmp_path / "a.params"
    save_checkpoint(path, net, METADATA)
    return net, path, path.read_bytes()


# Nothing, the buffer of MXNet's writer, half of it, all but the last name, all but the checksum.
@pytest.mark.parametrize("room", [0, 4096, 0.5, -70, -20, -1])
def test_a_full_disk_leaves_the_old_checkpoint(old, room):
    net, path, content = old
    limit = room if room >= 1 else len(content) + room if room < 0 else int(room * len(content))
    with largest_file(limit), pytest.raises(CheckpointError, match=r"a\.params: cannot be written"):
        save_checkpoint(path, net, METADATA)
    assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == ["a.params"]
    with largest_file(len(content)):
        save_checkpoint(path, net, METADATA)


def test_bytes_that_the_disk_refused_silently_are_missed(old, monkeypatch):
    net, path, content = old
    save = checkpoint.nd.save

    def lose_the_end(file, arrays):
        save(file, arrays)
        os.truncate(file, os.path.getsize(file) - 1)

    monkeypatch.setattr(checkpoint.nd, "save", lose_the_end)
    with pytest.raises(CheckpointError, match=r"a\.params: cannot be written"):
        save_checkpoint(path, net, METADATA)
    assert path.read_bytes() == content


def test_a_run_goes_on_once_the_disk_has_room_again(tmp_path):
    config = training.TrainingConfig(image_sizes=(64,), batch_size=4)
    net = build_network(TOY_SSD, num_classes=1)
    with largest_file(2**20), pytest.raises(CheckpointError, match="is the disk full"):
        training.train(net, rectangles(4), config, hooks=[resuming.Autosave(tmp_path / "run")])
    assert list(tmp_path.iterdir()) == []
    history = training.train(
        net, rectangles(4), config, hooks=[resuming.Autosave(tmp_path / "run")]
    )
    assert len(history) == 1


def test_a_folder_of_somebody_else_is_named(old):
    net, path, content = old
    path.parent.chmod(0o555)
    try:
        with as_nobody(), pytest.raises(CheckpointError, match=r"cannot be written \(Permission"):
            save_checkpoint(path, net, METADATA)
    finally:
        path.parent.chmod(0o755)
    assert path.read_bytes() == content


def test_ctrl_c_during_a_write_leaves_the_old_checkpoint(old, monkeypatch):
    net, path, content = old

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(path, net, METADATA | {"image_size": 1})
    assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == ["a.params"]


def test_pending_gradients_are_never_saved(tmp_path, monkeypatch):
    config = training.TrainingConfig(image_sizes=(64,), batch_size=2, accumulate=2)
    run = training.TrainingRun(build_network(TOY_SSD, num_classes=1), rectangles(6), config)
    pending = []
    monkeypatch.setattr(resuming, "SAVE_SECONDS", 0)
    save_run = resuming.save_run

    def save(path, run):
        pending.append(run.num_pending)
        save_run(path, run)

    monkeypatch.setattr(resuming, "save_run", save)
    run.fit(resuming.Autosave(tmp_path / "run"))
    assert pending == [0, 0]  # of three batches after the second, and at the end
    assert load_checkpoint(tmp_path / "run").optimizer_states
