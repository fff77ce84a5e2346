"""The list of seeded defects fits the code, and tools/mutants.py tells caught from survived."""

import ast
import difflib
import importlib.util
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import nbformat
import psutil
import pytest

from tests.seeded_defects import DEFECTS, Defect

ROOT = Path(__file__).resolve().parents[1]
MODULES = "boxes anchors ssd targets losses data records detection metrics average_precision"
MODULES += " training checkpoint context figures/colors figures/drawing ssd300"
MODULES = [f"utils/{name}" for name in MODULES.split()]
MODULES += [f"data/{name}" for name in ("embedded", "compositing", "mascots")]
PRODUCT = "prepare train resuming labels/box_forms labels/checks labels/coco_objects"
PRODUCT += " labels/pictures labels/splits"
PRODUCT += " downloads/https downloads/transfer downloads/install downloads/archives"
MODULES += [f"single_shot/{name}" for name in PRODUCT.split()]


@pytest.fixture(scope="module")
def mutants():
    """The tool as a module."""
    spec = importlib.util.spec_from_file_location("mutants_tool", ROOT / "tools" / "mutants.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- The list -------------------------------------------------------------------------------------


def texts_of(path, text):
    """Return the texts that the one file or the cells of a notebook hold, and which are Python."""
    if path.suffix != ".ipynb":
        return [(text, True)]
    cells = nbformat.reads(text, as_version=4).cells
    return [(cell.source, cell.cell_type == "code") for cell in cells]


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_defect_fits_its_file_and_changes_one_line(mutants, defect):
    path = ROOT / defect.file
    before = texts_of(path, path.read_text())
    after = texts_of(path, mutants.seeded(defect, ROOT))
    (changed,) = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    (old, is_python), (new, _) = changed
    lines = [line[0] for line in difflib.ndiff(old.splitlines(), new.splitlines())]
    assert lines.count("-") <= 1 and lines.count("+") <= 1
    if is_python:
        ast.parse(new)


def test_the_list_is_long_and_covers_every_part():
    names = [defect.name for defect in DEFECTS]
    assert len(set(names)) == len(names) >= 30
    assert {f"{module}.py" for module in MODULES} <= {d.file for d in DEFECTS}
    assert sum(defect.file.startswith("notebooks/") for defect in DEFECTS) >= 8


def test_the_tests_to_try_first_exist():
    for defect in DEFECTS:
        assert (ROOT / defect.first_tests[0].split("::")[0]).is_file(), defect.name


# --- The tool, on a project of two functions and a lesson -----------------------------------------

SOURCE = """def largest(values):
    return max(values)


def smallest(values):
    return min(values)
"""
TESTS = """from utils.extremes import largest


def test_largest():
    assert largest([1, 3, 2]) == 3
"""
WRONG = Defect("the least is the largest", "utils/extremes.py", "max(values)", "min(values)")
MISSED = Defect("nobody tests this", "utils/extremes.py", "return min(values)", "return 0")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project that git knows, with a test for one of its two functions."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # starts in a fraction of the time
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p pytest_timeout")
    root = tmp_path / "project"
    for name, text in {
        "utils/extremes.py": SOURCE,
        "tests/test_extremes.py": TESTS,
        "tests/nbval_sanitize.cfg": "",
        "pytest.ini": "[pytest]\npythonpath = .\ntimeout = 60\n",
        ".gitignore": "build/\n__pycache__/\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    subprocess.run(["git", "init", "--quiet", root], check=True)
    return root


@pytest.fixture
def copies(mutants, project, tmp_path):
    """Make the copy for one job, once the project has all its files."""
    return lambda: mutants.Copies(project, tmp_path / "copies", 1)


def contents(root):
    files = [path for path in root.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {path: path.read_bytes() for path in files if "build" not in path.parts}


def test_caught_and_survived_are_told_apart(mutants, project, capsys):
    before = contents(project)
    assert mutants.main(["--jobs", "1"], [WRONG, MISSED], project) == 1
    output = capsys.readouterr().out
    assert "the least is the largest: caught by tests/test_extremes.py::test_largest, " in output
    assert "nobody tests this: SURVIVED" in output
    assert "1 of 2 defects caught" in output
    assert contents(project) == before
    report = json.loads((project / "build" / "mutants.json").read_text())
    assert (report["defects"], report["caught"]) == (2, 1)
    assert [bool(result["caught_by"]) for result in report["results"]] == [True, False]


def test_the_whole_suite_is_asked_where_the_first_tests_pass(mutants, project, copies):
    (project / "tests" / "test_sum.py").write_text("def test_sum():\n    assert 1 + 1 == 2\n")
    # This one fails with and without the defect, and so shows nothing.
    (project / "tests" / "test_broken.py").write_text("def test_broken():\n    assert False\n")
    result = mutants.try_defect(copies(), replace(WRONG, tests=("tests/test_sum.py",)))
    assert result.caught_by == "tests/test_extremes.py::test_largest"
    assert mutants.try_defect(copies(), MISSED).caught_by == ""


def test_an_error_shows_a_defect_only_if_it_goes_with_it(mutants, copies, monkeypatch):
    defect = Defect("renamed", WRONG.file, "def largest", "def greatest")  # tests cannot import it
    assert mutants.try_defect(copies(), defect).caught_by == "tests/test_extremes.py"
    broken = ["tests/test_extremes.py"], "error"  # with and without the defect
    monkeypatch.setattr(mutants.Copies, "pytest", lambda *arguments, **options: broken)
    assert mutants.try_defect(copies(), defect).caught_by == ""


def test_a_lesson_is_compared_with_its_stored_outputs(mutants, project, copies, monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p pytest_timeout -p nbval.plugin")
    cells = [nbformat.v4.new_code_cell(code, execution_count=1) for code in ("a = 3", "a")]
    cells[1].outputs = [
        nbformat.v4.new_output("execute_result", {"text/plain": "3"}, execution_count=1)
    ]
    (project / "notebooks").mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=cells), project / "notebooks" / "00_a.ipynb")
    defect = Defect("four in place of three", "notebooks/00_a.ipynb", "a = 3", "a = 4")
    assert mutants.try_defect(copies(), defect).caught_by == "notebooks/00_a.ipynb::Cell 1"


def test_the_lessons_that_use_a_module_come_last(mutants, project):
    (project / "notebooks").mkdir()
    for name in ("00_a", "01_b", "08_training"):
        imported = "other" if name == "01_b" else "extremes"
        text = f'"from utils.{imported} import largest"'
        (project / "notebooks" / f"{name}.ipynb").write_text(text)
    rounds = mutants.later_rounds(MISSED, project)
    assert rounds == [mutants.SUITE, ("notebooks/00_a.ipynb",)]  # 08 takes too long


def test_tests_that_fail_without_a_defect_stop_all(mutants, project, capsys):
    (project / "tests" / "test_extremes.py").write_text("def test_largest():\n    assert False\n")
    assert mutants.main(["--jobs", "1"], [WRONG], project) == 2
    message = capsys.readouterr().err
    assert "without any defect, tests/test_extremes.py::test_largest fails" in message


HANGS = Defect("hangs", WRONG.file, "max(values)", "__import__('time').sleep(99)")


def test_a_hanging_test_that_ends_itself_has_caught_the_defect(mutants, project, copies):
    (project / "pytest.ini").write_text("[pytest]\npythonpath = .\ntimeout = 0.5\n")
    result = mutants.try_defect(copies(), HANGS)
    assert result.caught_by == "tests/test_extremes.py::test_largest"


def test_a_hanging_test_that_has_to_be_ended_has_not(mutants, project, copies, monkeypatch):
    monkeypatch.setattr(mutants, "TIME_LIMIT", 3)
    monkeypatch.setattr(mutants, "later_rounds", lambda defect, root: [])
    result = mutants.try_defect(copies(), HANGS)
    assert (result.caught_by, result.remark) == ("", "hung in tests/test_extremes.py")


@pytest.mark.parametrize(
    "old, words",
    [
        ("sum(values)", "occurs 0 times"),
        ("values", "occurs 4 times"),
        (None, "there is no gone.py"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(mutants, project, capsys, old, words):
    defect = Defect("moved", WRONG.file if old else "gone.py", old or "", "")
    assert mutants.main([], [WRONG, defect, replace(defect, name="again")], project) == 2
    captured = capsys.readouterr()
    assert [line.split(": ")[0] for line in captured.err.splitlines()] == ["moved", "again"]
    assert words in captured.err
    assert captured.out == ""


def test_words_choose_defects(mutants, project, capsys):
    assert mutants.main(["--list"], [WRONG, MISSED], project) == 0
    lines = ["utils/extremes.py: the least is the largest", "utils/extremes.py: nobody tests this"]
    assert capsys.readouterr().out.splitlines() == lines
    assert mutants.main(["--list", "least is"], [WRONG, MISSED], project) == 0
    assert capsys.readouterr().out.splitlines() == lines[:1]
    assert mutants.main(["boxen"], [WRONG, MISSED], project) == 2
    assert "no defect has 'boxen'" in capsys.readouterr().err


STOPPED = """
import sys
sys.path[:0] = [{tools!r}, {root!r}]
import mutants
from tests.test_mutants import HANGS
from pathlib import Path

sys.exit(mutants.main(["--jobs", "1"], [HANGS], Path({project!r})))
"""


def test_a_stopped_run_leaves_nothing_behind(project, tmp_path, monkeypatch):
    before = contents(project)
    code = STOPPED.format(tools=str(ROOT / "tools"), root=str(ROOT), project=str(project))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    process = psutil.Popen([sys.executable, "-u", "-c", code], stdout=subprocess.PIPE)
    for line in (b"1 sets", b"[1/1] passes", b"1 defects"):
        assert process.stdout.readline().startswith(line)
    while not process.children(recursive=True):
        time.sleep(0.05)
    children = process.children(recursive=True)
    process.terminate()
    process.wait(timeout=30)
    assert psutil.wait_procs(children, timeout=20)[1] == []
    assert list(tmp_path.glob("single-shot-mutants-*")) == []
    assert contents(project) == before
