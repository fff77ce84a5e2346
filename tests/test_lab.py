"""tools/lab in a small clone: a working copy, the options of JupyterLab, nothing that git sees."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYTHON = """#!/bin/sh
echo "$*"
env | grep -E "^(JUPYTER|IPYTHON|MPL)" || :
"""


@pytest.fixture
def clone(tmp_path):
    """A clone with two notebooks and a Python that tells how it is called."""
    clone = tmp_path / "clone"
    folders = "tools notebooks/solutions data single_shot utils benchmarks .venv/bin"
    for folder in folders.split():
        (clone / folder).mkdir(parents=True)
    shutil.copy(ROOT / "tools/lab", clone / "tools/lab")
    shutil.copy(ROOT / ".gitignore", clone / ".gitignore")
    for name in ("00_tour.ipynb", "README.md", "glossary.md", "solutions/00_tour.ipynb"):
        (clone / "notebooks" / name).write_text(f"as stored: {name}")
    (clone / "README.md").write_text("")
    (clone / ".venv/bin/python").write_text(PYTHON)
    (clone / ".venv/bin/python").chmod(0o755)
    return clone


def run(clone, *arguments, **variables):
    environment = {"PATH": os.environ["PATH"], "HOME": str(clone.parent), **variables}
    return subprocess.run(
        [clone / "tools/lab", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )


def test_a_working_copy_is_opened_on_the_tour(clone):
    options = run(clone, "--no-browser").stdout.splitlines()[0]
    root = "--allow-root " if os.getuid() == 0 else ""
    assert options == (
        "-m jupyter lab --notebook-dir=work "
        f"--LabApp.default_url=/lab/tree/notebooks/00_tour.ipynb {root}--no-browser"
    )
    copy = clone / "work/notebooks/00_tour.ipynb"
    assert copy.read_text() == "as stored: 00_tour.ipynb" and not copy.is_symlink()
    for name in ("README.md", "glossary.md", "solutions/00_tour.ipynb"):
        assert (clone / "work/notebooks" / name).exists()
    assert (clone / "work/data").is_dir() and (clone / "work/utils").is_dir()
    settings = json.loads((clone / ".venv/share/jupyter/lab/settings/overrides.json").read_text())
    assert settings["@jupyter-widgets/jupyterlab-manager:plugin"] == {"saveState": True}
    for command in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *command], cwd=clone, check=True)
    tracked = subprocess.run(["git", "ls-files"], cwd=clone, capture_output=True, text=True)
    assert "notebooks/00_tour.ipynb" in tracked.stdout and "work" not in tracked.stdout


def ask(port, path):
    """Return what a server of this machine answers to a request, once it answers at all."""
    for _ in range(100):
        time.sleep(0.2)
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", path, headers={"Authorization": "token secret"})
            return connection.getresponse()
        except ConnectionRefusedError:
            continue
    raise TimeoutError(f"nothing listens on port {port}")


def test_jupyterlab_opens_on_the_tour(clone):
    (clone / ".venv/bin/python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ("--no-browser", "--IdentityProvider.token=secret", f"--port={port}")
    environment = {"PATH": os.environ["PATH"], "HOME": str(clone.parent)}
    with subprocess.Popen([clone / "tools/lab", *options], env=environment) as server:
        try:
            assert ask(port, "/").headers["Location"].endswith("/lab/tree/notebooks/00_tour.ipynb?")
            assert ask(port, "/api/contents/notebooks/00_tour.ipynb?content=0").status == 200
        finally:
            server.kill()


def test_what_a_student_has_written_stays(clone):
    run(clone)
    copy = clone / "work/notebooks/00_tour.ipynb"
    copy.write_text("my answers")
    assert run(clone).stderr == "" and copy.read_text() == "my answers"
    os.utime(copy, (1, 1))  # as if the lesson had been changed since
    assert "work/notebooks/00_tour.ipynb is older than the lesson" in run(clone).stderr
    assert copy.read_text() == "my answers"


def test_a_home_that_cannot_be_written_is_replaced(clone):
    assert "JUPYTER_CONFIG_DIR" not in run(clone).stdout
    said = run(clone, HOME="/nowhere").stdout
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        assert f"{name}={clone}/work/.home/" in said
    assert (clone / "work/.home/ipython").is_dir()
