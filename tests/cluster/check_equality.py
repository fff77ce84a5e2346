"""Four workers and two servers learn what one process learns from four times the batch."""

from dataclasses import replace

import numpy as np

from tests.cluster.jobs import job
from tests.test_devices import TWO, assert_equal_weights, new_run, weights
from tests.test_workers import LOCAL


def test_four_workers_learn_what_one_process_does(tmp_path):
    words = ["train", "--learn", tmp_path]
    with job("--workers", "4", "--servers", "2", words=words) as running:
        status, _, errors = running.wait(300)
        assert status == 0, errors
    alone = new_run(TWO[:1], replace(LOCAL, batch_size=4))
    alone.fit()
    expected = weights(alone, TWO[0])
    for number in range(4):
        found = np.load(tmp_path / f"{number}.npz")
        arrays = [found[f"{index:03}"] for index in range(len(expected))]
        assert_equal_weights(arrays, expected, atol=1e-4)
        largest = max(abs(a - b).max() for a, b in zip(arrays, expected, strict=True))
        print(f"\nworker {number}: weights differ by at most {largest:.1e}")
