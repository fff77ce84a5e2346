"""What the two workers of `step` share; it needs neither MXNet nor PyTorch.

A worker reads requests from standard input, a line `job repetitions` each, and answers each with a
line of JSON: the seconds of every repetition and the value of the last one.
"""

import json
import resource
import sys
import time

import numpy as np

MATRIX_SIZE = 2048  # of the product that tells how fast the processor multiplies at best
LEARNING_RATE = 1e-3
ALPHA, GAMMA = 0.25, 2.0  # of the focal loss (Lin et al., Focal Loss, section 5.1)


def load_inputs(path):
    """Return the arrays that both frameworks start from: a batch, its targets, the weights."""
    arrays = np.load(path)
    weights = [arrays[name] for name in sorted(arrays.files) if name.startswith("weight")]
    batch = [arrays[name] for name in ("images", "cls_targets", "box_targets", "box_masks")]
    return batch, weights


def timed(job):
    """Return the seconds that a job took, and its value."""
    started = time.perf_counter()
    value = job()
    return time.perf_counter() - started, value


def serve(jobs):
    """Answer requests until there are no more.

    jobs: name to a function without arguments that returns a number once its work is done. Before
    the repetitions that count, one does not: another process has had the caches.
    """
    for line in sys.stdin:
        name, repetitions = line.split()
        first_value = jobs[name]()
        seconds, values = zip(*(timed(jobs[name]) for _ in range(int(repetitions))))
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        answer = {"seconds": seconds, "values": [first_value, *values], "peak_mib": peak_mib}
        print(json.dumps(answer), flush=True)
