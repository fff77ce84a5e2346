"""What the runs of `time_to_ap` came to: sums over their epochs, and the rows of the table.

A result is a dict: `arm`, `seed`, `ended` (why), `history` (a dict for each epoch with `seconds`,
`images_per_second`, `ap50`, `ap75`), `recipe`, `execution` and `image_sizes` as texts.
"""

import itertools
from statistics import mean

TARGET_AP50 = 0.95
HEADER = [
    "recipe",
    "execution",
    "image sizes",
    "epochs",
    "seconds in all",
    f"seconds to AP50 {TARGET_AP50}",
    "times ours",
    "best AP50",
    "AP75 then",
    "images/s",
]


def total_seconds(result):
    """Return how long a run has trained."""
    return sum(line["seconds"] for line in result["history"])


def seconds_to_target(result):
    """Return the training time up to the first epoch that reached the target; None without one."""
    times = itertools.accumulate(line["seconds"] for line in result["history"])
    reached = (time for time, line in zip(times, result["history"]) if line["ap50"] >= TARGET_AP50)
    return next(reached, None)


def mean_seconds(results):
    """Return the mean time to the target; None unless there are runs and all of them reached it."""
    times = [seconds_to_target(result) for result in results]
    return mean(times) if times and None not in times else None


def row(result, reference):
    """Return the texts of a run's row.

    reference: the time in seconds that others are divided by, or None.
    """
    history, spent, reached = result["history"], total_seconds(result), seconds_to_target(result)
    first = [f"{result['recipe']}, seed {result['seed']}", result["execution"]]
    first += [result["image_sizes"], f"{len(history)}, {result['ended']}"]
    if not history:
        return first + ["n/a"] * (len(HEADER) - len(first))
    time, sign = (reached, "") if reached is not None else (spent, "> ")
    best = max(history, key=lambda line: (line["ap50"], line["epoch"]))
    images = sum(line["seconds"] * line["images_per_second"] for line in history)
    return first + [
        f"{spent:.0f}",
        f"{sign}{time:.0f}",
        f"{sign}{time / reference:.1f}" if reference else "n/a",
        f"{best['ap50']:.3f}",
        f"{best['ap75']:.3f}",
        f"{images / spent:.1f}",
    ]
