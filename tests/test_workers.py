"""Two workers, a server and a scheduler on this machine, and what each worker sees of the job."""

import os
import subprocess
import sys
from dataclasses import replace

from single_shot import workers
from single_shot.cluster.messages import free_port
from single_shot.resuming import save_run
from utils.data import ShuffledBatches, ssd_augment, training_loader
from utils.training import TrainingRun, Workers, handing_out_first

import numpy as np
import pytest
from mxnet import nd

from tests.test_devices import CONFIG, TWO, assert_equal_weights, new_run, weights
from tests.toy_data import rectangles

LOCAL = replace(CONFIG, image_sizes=(64,) * 3, batch_size=2)  # of each worker
WORKER = """
import os, sys
import mxnet as mx
from single_shot import workers
from tests import test_workers
from utils.training import Workers

rank, count = workers.rank_and_count()
store = mx.kv.create("dist_sync")
content = bytes(range(256)) * 4001 if rank == 1 else None
assert workers.spread(store, content) == bytes(range(256)) * 4001
test_workers.learn(Workers(rank, count, store), sys.argv[1])
"""


def learn(place, folder):
    """Train as one of the workers; write the weights and how far the run has come."""
    run = worker_run(place)
    run.fit()
    arrays = {f"{number:03}": array for number, array in enumerate(weights(run, TWO[0]))}
    np.savez(f"{folder}/{place.rank}.npz", **arrays, steps=run.num_steps_done)


def worker_run(place, config=LOCAL, seed=0):
    """Return the run of one of the Workers on five images, of which each batch takes four."""
    like = new_run(TWO[:1], config, seed)
    return TrainingRun(like.net, like.dataset, config, transform=like.transform, workers=place)


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """The folder with what two workers have written, each of which had half of every batch."""
    folder = tmp_path_factory.mktemp("job")
    port = free_port("127.0.0.1")
    shared = os.environ | {"DMLC_PS_ROOT_URI": "127.0.0.1", "DMLC_PS_ROOT_PORT": str(port)}
    shared |= {"DMLC_NUM_SERVER": "1", "DMLC_NUM_WORKER": "2", "DMLC_NODE_HOST": "127.0.0.1"}
    shared |= {"PYTHONPATH": ".", "OMP_NUM_THREADS": "1"}
    serve, train = [sys.executable, "-c", "import mxnet"], [sys.executable, "-c", WORKER, folder]
    kinds = [("scheduler", 0, serve), ("server", 0, serve), ("worker", 0, train)]
    kinds.append(("worker", 1, train))
    processes = []
    try:
        for role, number, command in kinds:
            environment = shared | {"DMLC_ROLE": role, "DMLC_WORKER_ID": str(number)}
            processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE))
        for process in processes[2:]:
            _, errors = process.communicate(timeout=300)
            assert process.returncode == 0, errors.decode()
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return folder


def test_two_workers_learn_what_one_process_learns_from_twice_the_batch(job):
    alone = new_run(TWO[:1], replace(LOCAL, batch_size=4))
    alone.fit()
    expected = weights(alone, TWO[0])
    found = [np.load(job / f"{rank}.npz") for rank in (0, 1)]
    for of_worker in found:
        assert of_worker["steps"] == alone.num_steps_done == 3
        arrays = [of_worker[f"{number:03}"] for number in range(len(expected))]
        assert_equal_weights(arrays, expected, atol=1e-4)
    before = new_run(TWO[:1])
    before.predict(next(before.batches())[0])
    moved = [abs(a - b).max() for a, b in zip(weights(before, TWO[0]), expected, strict=True)]
    assert max(moved) > 0.01


def test_weights_are_handed_out_before_gradients_travel(monkeypatch):
    done = []

    class Store:
        def broadcast(self, *arguments, **options):
            done.append((arguments, options))

    monkeypatch.setattr(nd, "waitall", lambda: done.append("all"))
    handing_out_first(Store()).broadcast(1, "weights", out="arrays")
    assert done == [((1, "weights"), {"out": "arrays"}), "all"]


@pytest.mark.parametrize("num_workers, batch_size", [(2, 4), (3, 7)])
def test_the_parts_of_the_workers_are_disjoint_and_complete(num_workers, batch_size):
    parts = []
    for rank in range(num_workers):
        np.random.seed(5)
        parts.append(list(ShuffledBatches(22, batch_size, rank, num_workers)))
    np.random.seed(5)
    whole = list(ShuffledBatches(22, batch_size))
    assert len(whole) == 22 // batch_size
    for batch, *of_workers in zip(whole, *parts, strict=True):
        sizes = [len(part) for part in of_workers]
        assert sum(sizes) == batch_size and max(sizes) - min(sizes) <= 1
        assert sorted(sum(of_workers, [])) == sorted(batch)


def test_each_worker_changes_its_images_in_its_own_way():
    drawn = []
    for rank in (0, 1):
        np.random.seed(5)
        drawn.append(next(iter(training_loader(rectangles(4), 4, 64, ssd_augment, rank, 2)))[1])
        drawn.append(np.random.random())
    assert drawn[1] != drawn[3] and len(drawn[0]) == len(drawn[2]) == 2


class Wire:
    """A key-value store of two workers who take their turns: worker 1 hears what 0 has said."""

    def __init__(self):
        self.said, self.listens = [], False

    def broadcast(self, key, value, out, priority=0):
        raise NotImplementedError("these workers begin alike")

    def init(self, key, array):
        """Do nothing: there is no server."""

    def pushpull(self, key, array):
        if self.listens:
            array += self.said.pop(0)
        else:
            self.said.append(array.copy())


def test_all_workers_go_on_from_the_file_of_worker_0(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "PIECE", 1000)
    wire = Wire()
    first, second = Workers(0, 2, wire), Workers(1, 2, wire)
    stopped = worker_run(first, seed=1)
    stopped.net(nd.zeros((1, 3, 64, 64)))
    stopped.history = [{"epoch": 1}]
    for index, parameter in enumerate(stopped.trainer._params):  # as an epoch leaves them
        state = stopped.trainer._optimizer.create_state(index, nd.zeros(parameter.shape))
        stopped.trainer._updaters[0].states[index] = state
    save_run(tmp_path / "0.running", stopped)
    resumed = []
    for place in (first, second):
        run, wire.listens = worker_run(place), place.rank == 1
        save = workers.WorkersAutosave(tmp_path / f"{place.rank}.running", place)
        with save.around(run):
            resumed.append(run)
        save.after_epoch(run)
    assert not wire.said and not (tmp_path / "1.running").exists()
    for run in resumed:
        assert_equal_weights(weights(run, TWO[0]), weights(stopped, TWO[0]))
        assert run.history == stopped.history


def test_workers_begin_anew_where_worker_0_has_no_file(tmp_path):
    wire = Wire()
    for rank in (0, 1):
        place, wire.listens = Workers(rank, 2, wire), rank == 1
        with workers.WorkersAutosave(tmp_path / "none", place).around(worker_run(place)):
            pass
    assert not wire.said


def test_losses_weigh_by_the_positives_of_each_worker():
    wire = Wire()
    wire.said, wire.listens = [nd.array([3.0]), nd.array([0.0]), nd.array([4.0])], True
    place = Workers(1, 2, wire)
    assert [place.share(nd.array([n])).asscalar() for n in (1, 0, 0)] == [0.25, 1, 0.25]
    assert Workers(1, 4, wire, threshold=0.1).share(nd.array([7.0])).asscalar() == 0.25
    assert Workers().share(nd.array([7.0])) is None


def test_a_process_without_a_job_is_alone(monkeypatch):
    monkeypatch.delenv("DMLC_ROLE", raising=False)
    assert workers.rank_and_count() == (0, 1) and workers.join(None, data="a") == Workers()
    variables = {"DMLC_ROLE": "worker", "DMLC_WORKER_ID": "2", "DMLC_NUM_WORKER": "3"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert workers.rank_and_count() == (2, 3)


def test_a_worker_of_a_job_meets_the_others(monkeypatch):
    """MXNet refuses to push and pull compressed gradients at once."""

    class Store(Wire):
        def push(self, key, value, priority):
            calls.append(("push", key, value, priority))

        def pull(self, key, out, priority):
            calls.append(("pull", key, out, priority))

    calls = []
    variables = {"DMLC_ROLE": "worker", "DMLC_WORKER_ID": "1", "DMLC_NUM_WORKER": "2"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(workers.line, "agree", lambda **facts: calls.append(facts))
    monkeypatch.setattr(workers.line, "joined", lambda: calls.append("joined"))
    monkeypatch.setattr(workers.kvstore, "create", lambda kind: calls.append(kind) or Store())
    place = workers.join(0.1, data="a")
    assert (place.rank, place.count, place.threshold) == (1, 2, 0.1)
    place.kvstore.pushpull(3, ["gradient"], priority=-3)
    assert calls[:3] == [{"data": "a"}, "dist_sync", "joined"]
    assert calls[3:] == [("push", 3, ["gradient"], -3), ("pull", 3, ["gradient"], -3)]
