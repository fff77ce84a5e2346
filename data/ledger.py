"""Recorded trainings: what each choice of the course's recipe is worth, from `data/ledger.csv`.

`benchmarks/ledger.py` makes them; a lesson that states what a choice is worth quotes them.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

LEDGER = Path(__file__).with_name("ledger.csv")


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


def recorded(preset, choice, value, score="ap50"):
    """Return what a choice reached on an embedded data set, with all else as in the base recipe.

    choice, value: such as "box weight", "4"; "recipe", "base" is the recipe itself; score: `ap`,
    `ap50` or `ap75` on the held-out split. Raises KeyError, which lists what there is.
    """
    wanted, by_name = f"{preset} / {choice} / {value}", {}
    for row in read_ledger():
        by_name.setdefault(f"{row['set']} / {row['choice']} / {row['value']}", []).append(row)
    if wanted not in by_name:
        raise KeyError(f"the ledger has no {wanted}; it has {', '.join(sorted(by_name))}")
    found = by_name[wanted]
    found.sort(key=lambda row: int(row["seed"]))
    return Recorded(tuple(float(row[score]) for row in found))


def recorded_choices(preset, score="ap50"):
    """Return a dict of `Recorded` by "choice: value", the base recipe first, in the file's order.

    preset, score: as for `recorded`. Choices with fewer runs than the base recipe are left out.
    """
    names = dict.fromkeys((row["choice"], row["value"]) for row in read_ledger())
    base = recorded(preset, "recipe", "base", score)
    found = {"the recipe itself": base}
    for choice, value in names:
        runs = recorded(preset, choice, value, score)
        if choice != "recipe" and len(runs.values) == len(base.values):
            found[f"{choice}: {value}"] = runs
    return found
