"""Recorded trainings: what each choice of the course's recipe is worth, from `data/ledger.csv`.

`benchmarks/ledger.py` makes them; a lesson that states what a choice is worth quotes them.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

LEDGER = Path(__file__).with_name("ledger.csv")
# Of their own: no choices of a recipe.
EXPERIMENTS = ("defect", "split", "transfer", "few pictures")


@dataclass(frozen=True)
class Recorded:
    """What one choice reached; values: a score of every recorded run, a tuple, by rising seed."""

    values: tuple

    @property
    def mean(self):
        """The mean over the runs."""
        return mean(self.values)

    def __str__(self):
        low, high = min(self.values), max(self.values)
        return f"{self.mean:.2f} ({low:.2f}–{high:.2f}, {len(self.values)} seeds, recorded)"


def read_ledger():
    """Return the rows of the ledger, dicts of texts."""
    with LEDGER.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _runs(score):
    """Return (set, choice, value) to what its runs reached, in the order of the file."""
    scores = {}
    for row in read_ledger():  # by rising seed within a choice
        name = row["set"], row["choice"], row["value"]
        scores.setdefault(name, []).append(float(row[score]))
    return {name: Recorded(tuple(values)) for name, values in scores.items()}


def recorded(preset, choice, value, score="ap50"):
    """Return what a choice reached on an embedded data set, with all else as in the base recipe.

    choice, value: such as "box weight", "4"; "recipe", "base" is the recipe itself; score: `ap`,
    `ap50` or `ap75` on the held-out split. Raises KeyError, which lists what there is.
    """
    runs, wanted = _runs(score), (preset, choice, value)
    if wanted not in runs:
        known = ", ".join(sorted(" / ".join(name) for name in runs))
        raise KeyError(f"the ledger has no {' / '.join(wanted)}; it has {known}")
    return runs[wanted]


def recorded_choices(preset, score="ap50", choice=None):
    """Return a dict of `Recorded`, the base recipe first, in the file's order.

    preset, score: as for `recorded`; choice: the one whose values are wanted, by their names; by
    default all of the recipe, by "choice: value". Those with fewer runs than the base are left out.
    """
    runs = {name[1:]: found for name, found in _runs(score).items() if name[0] == preset}
    base = runs.pop(("recipe", "base"))
    wanted = {
        value if choice else f"{name}: {value}": found
        for (name, value), found in runs.items()
        if (name == choice if choice else name not in EXPERIMENTS)
        and len(found.values) == len(base.values)
    }
    return {"the recipe itself": base} | wanted
