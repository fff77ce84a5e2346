"""What an evaluation finds, and how it prints.

A class that the ground truth lacks has no average precision: it is None, printed as n/a, and left
out of the mean. Every result prints with the mode and the IoU threshold that define it.
"""

from dataclasses import dataclass

from utils.average_precision import MODES

import numpy as np


@dataclass(frozen=True)
class ClassResult:
    """One class at one IoU threshold: precision (P,), recall (P,) and the number they come to."""

    num_objects: int  # without the difficult ones
    num_detections: int
    precision: np.ndarray
    recall: np.ndarray
    average_precision: float | None


@dataclass(frozen=True)
class EvaluationResult:
    """Average precision at one IoU threshold; `classes` is a dict of ClassResult by name."""

    classes: dict
    mode: str
    iou_threshold: float

    @property
    def title(self) -> str:
        """What the score is called, such as `AP50 (VOC area)`."""
        return f"AP{100 * self.iou_threshold:.3g} ({MODES[self.mode]})"

    @property
    def average_precisions(self) -> dict[str, float | None]:
        """The average precision of every class by name, None for an absent class."""
        return {name: result.average_precision for name, result in self.classes.items()}

    @property
    def mean(self) -> float | None:
        """The mean over the classes that the ground truth has; None where it has none."""
        return _mean(self.average_precisions.values())

    def __str__(self):
        return _table(self.title, self.classes, {"AP": (self.average_precisions, self.mean)})


@dataclass(frozen=True)
class CocoResult:
    """COCO's average precision; `results` is a dict of EvaluationResult by threshold, .5 to .95."""

    results: dict
    title = f"AP50:95 ({MODES['101-point']})"

    @property
    def average_precisions(self) -> dict[str, float | None]:
        """The mean over thresholds for every class by name, None for an absent class."""
        rows = [result.average_precisions for result in self.results.values()]
        return {name: _mean(row[name] for row in rows) for name in rows[0]}

    @property
    def ap(self) -> float | None:
        """The mean over thresholds and classes; None where the ground truth has no object."""
        return _mean(self.average_precisions.values())

    @property
    def ap50(self) -> float | None:
        """The mean over classes at an IoU of 0.5."""
        return self.results[0.5].mean

    @property
    def ap75(self) -> float | None:
        """The mean over classes at an IoU of 0.75."""
        return self.results[0.75].mean

    def __str__(self):
        columns = {"AP": (self.average_precisions, self.ap)}
        for header, threshold in (("AP50", 0.5), ("AP75", 0.75)):
            result = self.results[threshold]
            columns[header] = (result.average_precisions, result.mean)
        return _table(self.title, self.results[0.5].classes, columns)


def _mean(values):
    present = [value for value in values if value is not None]
    return float(np.mean(present)) if present else None


def _table(title, classes, columns):
    """Return a text table of a row for each class and one of means; columns: (by name, mean)."""
    rows = [["class", "objects", "detections", *columns]]
    for name, result in classes.items():
        scores = [_score(by_name[name]) for by_name, _ in columns.values()]
        rows.append([name, str(result.num_objects), str(result.num_detections), *scores])
    rows.append(["mean", "", "", *(_score(mean) for _, mean in columns.values())])
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]
    return "\n".join([title, *lines])


def _score(value):
    return "n/a" if value is None else f"{value:.3f}"
