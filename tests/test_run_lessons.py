"""tools/run_lessons.py, on small notebooks written for the purpose."""

import importlib.util
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "tools" / "run_lessons.py"


@pytest.fixture(scope="module")
def run_lessons():
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("run_lessons", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_lesson(folder, name, *cells):
    """Write a notebook with a heading and the given code cells; return its path."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_markdown_cell(f"# Lesson & {name}")]
    notebook.cells += [nbformat.v4.new_code_cell(cell) for cell in cells]
    path = folder / f"{name}.ipynb"
    nbformat.write(notebook, path)
    return path


def test_one_failing_lesson_is_named_and_the_others_still_run(tmp_path):
    notebooks, output = tmp_path / "notebooks", tmp_path / "build"
    notebooks.mkdir()
    write_lesson(notebooks, "00_good", "import os", "print(os.getcwd())")
    write_lesson(notebooks, "01_bad", "1 + 1", "", "raise ValueError('no anchors')", "3")
    write_lesson(notebooks, "02_dead", "import os", "os._exit(1)")
    (notebooks / "03_torn.ipynb").write_text('{"cells": [')
    write_lesson(notebooks, "04_last", "2 + 2")
    write_lesson(notebooks, "appendix", "raise SystemError('not a lesson')")
    before = {path: path.read_bytes() for path in notebooks.iterdir()}

    started = time.monotonic()
    command = [sys.executable, SCRIPT, "--notebooks", notebooks, "--output", output]
    environment = os.environ | {"SINGLE_SHOT_PROFILE": "smoke", "PYTHONPATH": str(ROOT)}
    child = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    assert child.returncode == 1, child.stderr
    assert time.monotonic() - started < 120  # the dead kernel is noticed
    lines = child.stdout.splitlines()
    assert lines[0] == "run 5 lessons with profile smoke"
    assert lines[1].startswith("[1/5] 00_good  passed") and "remaining about" in lines[1]
    assert "  01_bad: code cell 2: ValueError: no anchors" in lines
    assert "  02_dead: code cell 2: Kernel died" in lines
    assert "03_torn.ipynb is not a notebook" in child.stdout
    assert [line.split()[-1] for line in lines[-7:-2]] == [
        *("passed", "failed", "failed", "failed", "passed")
    ]
    assert {path: path.read_bytes() for path in notebooks.iterdir()} == before

    executed = nbformat.read(output / "00_good.ipynb", as_version=4)
    assert executed.cells[2].outputs[0].text.strip() == str(notebooks)
    assert "ValueError" in (output / "01_bad.html").read_text()
    index = (output / "index.html").read_text()
    assert '<a href="00_good.html">Lesson &amp; 00_good</a>' in index
    assert "code cell 2: ValueError: no anchors" in index


def test_a_lesson_over_its_time_limit_is_stopped(run_lessons, tmp_path):
    path = write_lesson(tmp_path, "00_slow", "import time; time.sleep(600)", "1")
    started, cells = time.monotonic(), []
    _, error = run_lessons.run_lesson(path, 5, lambda *cell: cells.append(cell))
    assert error == "code cell 1: the time limit of 5 s was reached"
    assert cells == [(1, 2)]
    assert time.monotonic() - started < 60


def test_no_lessons_is_an_error(run_lessons, tmp_path, capsys):
    arguments = ["--notebooks", str(tmp_path), "--output", str(tmp_path / "build")]
    assert run_lessons.main(arguments) == 1
    assert f"no lessons: {tmp_path}" in capsys.readouterr().out


def test_remaining_time_comes_from_the_earlier_run_or_the_mean(run_lessons, tmp_path):
    results = [run_lessons.Result("a", "A", 10.0), run_lessons.Result("b", "B", 30.0, "broken")]
    run_lessons.write_index(results, "class", tmp_path)
    assert run_lessons.earlier_times(tmp_path, "class") == {"a": 10.0, "b": 30.0}
    assert run_lessons.earlier_times(tmp_path, "smoke") == {}
    assert json.loads((tmp_path / "results.json").read_text())["lessons"][1]["error"] == "broken"

    progress = run_lessons.Progress(["a", "b", "c"], {"a": 10.5, "b": 30.0}, io.StringIO())
    assert progress.remaining() == "remaining about 1:00"  # 10.5 + 30 + their mean
    unknown = run_lessons.Progress(["a", "b"], {}, io.StringIO())
    assert unknown.remaining() == "remaining unknown"
    unknown.results.append(run_lessons.Result("a", "A", 50.0))
    unknown.started -= 49.5
    assert unknown.remaining() == "remaining about 0:50"


def test_terminal_shows_every_cell(run_lessons):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    progress = run_lessons.Progress(["00_tour"], {}, terminal)
    progress.begin("00_tour")
    progress.cell(3, 12)
    assert "[1/1] 00_tour  cell 3 of 12" in terminal.getvalue().splitlines()[-1]


def test_pages_hold_the_alt_text_of_pictures(run_lessons, tmp_path):
    picture = {"output_type": "display_data", "data": {"image/png": "aGVsbG8="}}
    picture["metadata"] = {"image/png": {"alt": 'two "boxes" & an arrow'}}
    path = write_lesson(tmp_path, "00_drawn", "draw()")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].outputs = [nbformat.from_dict(picture)]
    run_lessons.write_pages(notebook, path, tmp_path)
    page = (tmp_path / "00_drawn.html").read_text()
    assert """alt='two "boxes" &amp; an arrow'""" in page
    assert "No description has been provided" not in page
