"""Where the BCCD data set lies, whose labels are real; what needs it is skipped elsewhere."""

import os
from pathlib import Path

import pytest

BCCD = Path(os.environ.get("BCCD", Path(__file__).resolve().parents[2] / "shared" / "bccd"))
needs_bccd = pytest.mark.skipif(
    not (BCCD / "Annotations").is_dir(),
    reason=f"needs the BCCD data set in {BCCD}, or in the folder that the variable BCCD names",
)
