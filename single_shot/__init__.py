"""The product that is built from what the lessons teach: from labelled images to detections."""

import sys
from pathlib import Path

_project = Path(__file__).resolve().parents[1]
if (_project / "pyproject.toml").is_file():  # or another package called utils may come first
    sys.path.insert(0, str(_project))

import utils  # noqa: E402, F401  before MXNet
