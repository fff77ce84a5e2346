"""For tests: the scripts of the living figures, called without a browser."""

import json
import shutil
import subprocess
from pathlib import Path

from utils.figures import living

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "tools" / "book" / "figures"
NAMES = tuple(living.DESCRIPTIONS)

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")


def called(calls):
    """Return what functions of the scripts return; calls: pairs of name and arguments."""
    command = ["node", ROOT / "tests" / "living_figures.cjs", SCRIPTS]
    asked = json.dumps([[name, *arguments] for name, arguments in calls])
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def said(name, cases):
    """Return the sentence of a figure for each dict of the values of its controls."""
    data = living.DESCRIPTIONS[name]["data"]
    numbers = called([(f"{name}.numbers", (case, data)) for case in cases])
    return called([(f"{name}.say", pair) for pair in zip(numbers, cases)])
