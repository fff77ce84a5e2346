"""tools/run_lessons.py, on small notebooks written for the purpose."""

import importlib
import io
import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "tools" / "run_lessons.py"


@pytest.fixture(scope="module")
def run_lessons():
    """The script as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPT.parent)
        return importlib.import_module("run_lessons")


@pytest.fixture(scope="module")
def pages(run_lessons):
    """The module that writes pages."""
    return sys.modules["pages"]


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
    write_lesson(
        notebooks,
        "00_good",
        "import os",
        "os.write(1, b'past the notebook\\n')",
        "print(os.getcwd())",
    )
    write_lesson(notebooks, "01_bad", "1 + 1", "", "raise ValueError('no anchors')", "3")
    write_lesson(notebooks, "02_dead", "import os", "os._exit(1)")
    (notebooks / "03_torn.ipynb").write_text('{"cells": [')
    write_lesson(notebooks, "04_last", "2 + 2")
    write_lesson(notebooks, "appendix", "raise SystemError('not a lesson')")
    before = {path: path.read_bytes() for path in notebooks.iterdir()}

    command = [sys.executable, SCRIPT, "--notebooks", notebooks, "--output", output]
    environment = os.environ | {"SINGLE_SHOT_PROFILE": "smoke", "PYTHONPATH": str(ROOT)}
    child = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    assert child.returncode == 1, child.stderr
    lines = child.stdout.splitlines()
    assert lines[0] == "run 5 lessons with profile smoke"
    assert any("00_good  passed" in line and "remaining about" in line for line in lines)
    assert (output / "00_good.log").read_text() == "past the notebook\n"
    assert "  01_bad: code cell 2: ValueError: no anchors" in lines
    assert "  02_dead: code cell 2: Kernel died" in lines
    assert "03_torn.ipynb is not a notebook" in child.stdout
    assert [line.split()[-1] for line in lines[-7:-2]] == [
        *("passed", "failed", "failed", "failed", "passed")
    ]
    assert {path: path.read_bytes() for path in notebooks.iterdir()} == before

    executed = nbformat.read(output / "00_good.ipynb", as_version=4)
    assert executed.cells[3].outputs[0].text.strip() == str(notebooks)
    assert "ValueError" in (output / "01_bad.html").read_text()
    index = (output / "index.html").read_text()
    assert '<a href="00_good.html">Lesson &amp; 00_good</a>' in index
    assert "code cell 2: ValueError: no anchors" in index


def test_a_lesson_over_its_time_limit_is_stopped(run_lessons, tmp_path):
    path = write_lesson(tmp_path, "00_slow", "import time; time.sleep(600)", "1")
    cells = []
    _, error = run_lessons.run_lesson(path, 5, lambda *cell: cells.append(cell))
    assert error == "code cell 1: the time limit of 5 s was reached"
    assert cells == [(1, 2)]


def test_no_lessons_is_an_error(run_lessons, tmp_path, capsys):
    arguments = ["--notebooks", str(tmp_path), "--output", str(tmp_path / "build")]
    assert run_lessons.main(arguments) == 1
    assert f"no lessons: {tmp_path}" in capsys.readouterr().out


def test_lessons_by_number(run_lessons, tmp_path, monkeypatch):
    for name in ("05_targets", "05b_target_traps", "12_training_on_voc"):
        write_lesson(tmp_path, name)
    ran = []

    def run_all(paths, *_):
        ran.extend(path.stem for path in paths)
        return [run_lessons.Result(path.stem, path.stem, 1.0) for path in paths]

    monkeypatch.setattr(run_lessons, "run_all", run_all)
    folders = ["--notebooks", str(tmp_path), "--output", str(tmp_path / "build")]
    assert run_lessons.main([*folders, "--lessons", "12", "05"]) == 0
    assert ran == ["05_targets", "12_training_on_voc"]
    with pytest.raises(SystemExit, match="no lesson 0, 99; there are 05, 05b, 12"):
        run_lessons.main([*folders, "--lessons", "05", "0", "99"])


@pytest.fixture
def run_numbers(run_lessons, tmp_path, monkeypatch):
    """A function that runs lessons by number, without a kernel; returns {lesson: seconds}."""
    for name in ("01_boxes", "02_anchors", "03_predictors"):
        write_lesson(tmp_path, name)
    monkeypatch.setenv("SINGLE_SHOT_PROFILE", "class")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # else it stays changed
    read = partial(nbformat.read, as_version=4)
    monkeypatch.setattr(run_lessons, "run_lesson", lambda path, *_: (read(path), ""))
    folders = ["--notebooks", str(tmp_path), "--output", str(tmp_path / "build")]

    def run(*numbers):
        assert run_lessons.main([*folders, *(["--lessons", *numbers] if numbers else [])]) == 0
        summary = json.loads((tmp_path / "build/results.json").read_text())
        return {each["lesson"]: each["seconds"] for each in summary["lessons"]}

    return run


def test_one_lesson_leaves_the_others_in_the_index(run_numbers, tmp_path):
    first = run_numbers()
    assert [*first] == ["01_boxes", "02_anchors", "03_predictors"]
    second = run_numbers("02")
    assert {**second, "02_anchors": 0} == {**first, "02_anchors": 0}
    assert second["02_anchors"] != first["02_anchors"]
    index = (tmp_path / "build/index.html").read_text()
    assert all(f'href="{name}.html"' in index for name in first)
    (tmp_path / "03_predictors.ipynb").unlink()  # no lesson of the course any more
    assert [*run_numbers("02")] == ["01_boxes", "02_anchors"]


def test_pages_link_to_pages_that_exist(run_numbers, tmp_path):
    page = tmp_path / "build/02_anchors.html"
    assert [*run_numbers("02")] == ["02_anchors"]
    assert 'rel="' not in page.read_text()
    run_numbers("03")
    run_numbers("02")
    assert re.findall(r'href="(\w+).html" rel="(\w+)"', page.read_text()) == 2 * [
        ("03_predictors", "next")
    ]


def test_a_time_limit_is_a_number_of_seconds(run_lessons, tmp_path, capsys):
    for text in ("-5", "0", "nan", "inf", "soon"):
        with pytest.raises(SystemExit):
            run_lessons.main(["--notebooks", str(tmp_path), f"--time-limit={text}"])
        assert "--time-limit" in capsys.readouterr().err


def test_remaining_time_comes_from_the_earlier_run_or_the_mean(run_lessons, tmp_path):
    results = [run_lessons.Result("a", "A", 10.0), run_lessons.Result("b", "B", 30.0, "broken")]
    run_lessons.write_results(results, "class", tmp_path)
    assert run_lessons.earlier_results(tmp_path, "class") == results
    assert run_lessons.earlier_results(tmp_path, "smoke") == []
    assert json.loads((tmp_path / "results.json").read_text())["lessons"][1]["error"] == "broken"

    progress = run_lessons.Progress(["a", "b", "c"], {"a": 10.5, "b": 30.0}, 1, io.StringIO())
    assert progress.remaining() == "remaining about 1:00"  # 10.5 + 30 + their mean
    two = run_lessons.Progress(["a", "b", "c"], {"a": 10.5, "b": 30.0}, 2, io.StringIO())
    assert two.remaining() == "remaining about 0:30"
    unknown = run_lessons.Progress(["a", "b"], {}, 1, io.StringIO())
    assert unknown.remaining() == "remaining unknown"
    unknown.results.append(run_lessons.Result("a", "A", 50.0))
    unknown.started -= 49.5
    assert unknown.remaining() == "remaining about 0:50"


def test_terminal_shows_every_cell(run_lessons):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    progress = run_lessons.Progress(["00_tour", "01_boxes"], {}, 2, terminal)
    progress.cell("00_tour", 3, 12)
    progress.cell("01_boxes", 1, 5)
    assert "00_tour 3/12, 01_boxes 1/5; " in terminal.getvalue().splitlines()[-1]


def test_the_longest_lessons_come_first(run_lessons):
    paths = [Path(f"{name}.ipynb") for name in ("00_tour", "08_training", "09_inference")]
    names = [path.stem for path in run_lessons.longest_first(paths)]
    assert names == ["08_training", "00_tour", "09_inference"]
    known = run_lessons.longest_first(paths, {"00_tour": 3, "09_inference": 5})
    assert [path.stem for path in known] == ["09_inference", "00_tour", "08_training"]


def test_pages_hold_the_alt_text_of_pictures(pages, tmp_path):
    picture = {"output_type": "display_data", "data": {"image/png": "aGVsbG8="}}
    picture["metadata"] = {"image/png": {"alt": 'two "boxes" & an arrow'}}
    path = write_lesson(tmp_path, "00_drawn", "draw()")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].outputs = [nbformat.from_dict(picture)]
    pages.write_pages(notebook, path, tmp_path)
    page = (tmp_path / "00_drawn.html").read_text()
    assert """alt='two "boxes" &amp; an arrow'""" in page
    assert "No description has been provided" not in page


def test_pages_draw_formulas_without_scripts(pages, tmp_path):
    path = write_lesson(tmp_path, "00_formula", "1")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = "# Title\n\nSo $x_1$ is, `$HOME`:\n\n$$\\frac{a_b}{c_d}$$\n\nthus."
    pages.write_pages(notebook, path, tmp_path)
    page = (tmp_path / "00_formula.html").read_text()
    assert page.count("<math ") == 2 and 'display="block"' in page
    assert "<mfrac><mrow><msub><mi>a</mi><mi>b</mi></msub></mrow>" in page
    assert "<code>$HOME</code>" in page and "$$" not in page and "<em>" not in page


LINK = re.compile(r'(?:href|src)="([^"]*)"')


def test_every_link_of_every_page_leads_somewhere_here(pages, run_lessons, tmp_path, monkeypatch):
    def read_prose(path, as_version):
        notebook = nbformat.reads(path.read_text(), as_version)
        notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
        return notebook

    monkeypatch.setattr(pages.nbformat, "read", read_prose)
    lessons = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
    names = [path.stem for path in lessons]
    for path in lessons:
        pages.write_pages(nbformat.read(path, as_version=4), path, tmp_path, names)
    results = [run_lessons.Result(name, name.title(), 1.0) for name in names]
    run_lessons.write_results(results, "class", tmp_path)
    written = sorted(tmp_path.rglob("*.html"))
    assert len(written) == 2 * len(names) + 1
    for page in written:
        text = page.read_text()
        for target in LINK.findall(text):
            if not target.startswith(("#", "data:")):
                assert (page.parent / target.partition("#")[0]).exists(), (page.name, target)
                assert not target.endswith(".ipynb")
        assert not re.search(r"<script|<link|@import|url\(['\"]?http", text)
        assert 'name="viewport"' in text and "body { max-width: 52rem;" in text
        assert page.name == "index.html" or ".jp-RenderedHTMLCommon { max-width: 75ch }" in text
    for place, name in enumerate(names):
        text = (tmp_path / f"{name}.html").read_text()
        assert text.count('href="index.html"') >= 2
        neighbours = {"prev": names[place - 1 : place], "next": names[place + 1 : place + 2]}
        for rel, neighbour in neighbours.items():
            assert re.findall(rf'href="(\w+).html" rel="{rel}"', text) == 2 * neighbour


def luminance(color):
    """Return the relative luminance of a colour such as #0b57a4 (WCAG 2.2)."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
def test_the_colours_of_pages_can_be_read(pages, dark):
    style = pages.STYLE + pages.LESSON_STYLE
    dark_part = style[style.index("@media (prefers") : style.index("</style>")]
    part, background = (dark_part, "#16181c") if dark else (style.replace(dark_part, ""), "#f5f5f5")
    colors = re.findall(r"[^-]color: (#[0-9a-f]{6})", part)
    assert len(colors) >= 3
    for color in colors:
        light, low = sorted((luminance(color), luminance(background)), reverse=True)
        assert (light + 0.05) / (low + 0.05) >= 4.5, color
