"""For tests: pages in a browser, used by programs for Node.js that say what they saw."""

import importlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(ROOT / "tools")
    web = importlib.import_module("web")
MODULES = web.NPM / "node_modules"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def why_no_browser():
    """Return why no page can be used here, or ""."""
    if CHROMIUM is None or shutil.which("node") is None:
        return "Chromium or Node.js is not installed"
    lock = "package-lock.json"
    current = (web.NPM / lock).is_file() and (
        (web.NPM / lock).read_bytes() == (web.PAGE / lock).read_bytes()
    )
    return "" if current and MODULES.is_dir() else "`make web` has not installed its packages"


needs_browser = pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser())


def seen_by(program, job, folder):
    """Return what a program beside this file saw; job: what it is to do; folder: to write it to."""
    (folder / "job.json").write_text(json.dumps({"chromium": CHROMIUM} | job))
    command = ["node", ROOT / "tests" / program, MODULES, folder / "job.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
