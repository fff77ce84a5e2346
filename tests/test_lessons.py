"""The style of every lesson, measured, and lessons in step with the library and each other."""

import ast
import contextlib
import copy
import functools
import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import lesson_checks
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
LESSONS = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
GLOSSARY = NOTEBOOKS / "glossary.md"
SOLUTIONS = [NOTEBOOKS / "solutions" / path.name for path in LESSONS]
SYNC = ROOT / "tools" / "sync.py"

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(SYNC.parent)
    import sync


def read(path):
    return nbformat.read(path, as_version=4)


@functools.cache
def stored(path):
    """Return a notebook that no test changes."""
    return read(path)


def run_sync(*arguments):
    """Run tools/sync.py; return its exit status and what it says is wrong."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        status = sync.main([str(argument) for argument in arguments])
    return status, said.getvalue()


def test_the_lessons_are_numbered_from_00_on_and_side_rooms_follow_theirs():
    numbers = [path.name.partition("_")[0] for path in LESSONS]
    lessons = [number for number in numbers if number.isdigit()]
    assert lessons == [f"{number:02d}" for number in range(len(lessons))]
    assert all(n.isdigit() or n[:-1] == before[:2] for before, n in zip(numbers, numbers[1:]))


@pytest.mark.parametrize("check", lesson_checks.LESSON_CHECKS, ids=lambda check: check.__name__[6:])
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_style(path, check):
    assert check(stored(path)) == []


@pytest.mark.parametrize(
    "check", lesson_checks.SOLUTION_CHECKS, ids=lambda check: check.__name__[6:]
)
@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_style_of_solutions(path, check):
    assert check(stored(path)) == []


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_exercise_has_a_solution(path):
    def numbers(notebook, mark):
        marks = [lesson_checks.marks(cell).get(mark) for cell in notebook.cells]
        return [number for number in marks if number is not None]

    lesson, solutions = stored(path), stored(NOTEBOOKS / "solutions" / path.name)
    section = lesson_checks.markdown(lesson).split("\n## Exercises\n")[1]
    stated = [int(number) for number in re.findall(r"^(\d+)\. ", section, re.MULTILINE)]
    assert numbers(solutions, "exercise") == stated
    assert numbers(solutions, "check") == numbers(lesson, "check")


def test_lessons_are_in_step():
    child = subprocess.run([sys.executable, SYNC, "--check"], capture_output=True, check=False)
    assert (child.returncode, child.stderr) == (0, b"")


@pytest.mark.parametrize("path", LESSONS + SOLUTIONS, ids=lambda path: path.stem)
def test_links_lead_to_files(path):
    targets = re.findall(r"\]\(([^)#\s]+)\)", lesson_checks.markdown(stored(path)))
    assert "README.md" in {Path(target).name for target in targets}
    for target in targets:
        assert "://" in target or (path.parent / target).exists(), target


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_overview_has_the_lesson_and_its_minutes(path):
    overview = (NOTEBOOKS / "README.md").read_text()
    minutes = re.search(r"\*\*Time\.\*\* (\d+) minutes", stored(path).cells[0].source).group(1)
    assert re.search(rf"\]\({path.name}\).*\| {minutes} min", overview)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_overview_says_how_long_the_lesson_runs(path):
    overview = (NOTEBOOKS / "README.md").read_text()
    (stated,) = re.findall(rf"\]\({path.name}\).*\| ([^|]+) \|$", overview, re.MULTILINE)
    said = re.search(r"it runs in (.+?) on two CPU cores", stored(path).cells[0].source).group(1)
    assert seconds_of(said) == seconds_of(stated)


def seconds_of(text):
    """Return a time such as `20 s`, `1 min` or `half a minute` in seconds."""
    words = {"half a minute": 30, "a minute and a half": 90}
    if text in words:
        return words[text]
    number, unit = text.split()
    return int(number) * {"s": 1, "seconds": 1, "min": 60, "minute": 60, "minutes": 60}[unit]


def notes_for_teachers():
    """Return the notes on each lesson in the overview, by its number."""
    notes = (NOTEBOOKS / "README.md").read_text().split("\n### ")[1:]
    return {note.partition(" ")[0]: note for note in notes}


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_class_pauses_at_headings_of_the_lesson(path):
    note = notes_for_teachers()[path.name.partition("_")[0]]
    pauses = re.findall(r"^- \*(.+?)\.?\*", note, re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", lesson_checks.markdown(stored(path)), re.MULTILINE)
    assert set(pauses) <= set(headings)


def test_the_minutes_of_a_class_and_its_breaks_add_up():
    overview = (NOTEBOOKS / "README.md").read_text()
    (plan,) = re.findall(r"^\*\*Four and a half hours\.\*\*.*?(?=\n\n\*\*)", overview, re.M | re.S)
    minutes = sum(map(int, re.findall(r"^\| (\d+) \|", plan, re.MULTILINE)))
    assert "with two breaks of ten minutes" in plan and 255 <= minutes + 20 <= 270


def test_the_front_page_counts_the_side_rooms():
    rooms = [path for path in LESSONS if not path.name.partition("_")[0].isdigit()]
    assert len(rooms) == 10 and "Ten side rooms" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_solutions_have_the_title_of_their_lesson(path):
    title, solutions = (
        stored(each).cells[0].source.partition("\n")[0]
        for each in (path, NOTEBOOKS / "solutions" / path.name)
    )
    begin, end = re.fullmatch(r"# Solutions: (.+)", solutions).group(1), title.removeprefix("# ")
    assert end.startswith(begin) and end.removeprefix(begin)[:1] in ("", ":", ",")


# --- Each check can fail --------------------------------------------------------------------------


def code_cell(notebook, number=1, marked=False):
    """Return a code cell by number, of those that show the library's definitions if marked."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [cell for cell in cells if ("single_shot" in cell.metadata) == marked][number]


def replace_in_markdown(notebook, old, new):
    """Replace a text that some markdown cell must have."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "markdown" and old in cell.source]
    cells[0].source = cells[0].source.replace(old, new)


def picture_output(notebook):
    """Return the first output that is a picture."""
    outputs = [output for _, output in lesson_checks.outputs(notebook)]
    return next(output for output in outputs if "image/png" in output.get("data", {}))


def add_stream(notebook, name, text):
    code_cell(notebook).outputs.append(nbformat.v4.new_output("stream", name=name, text=text))


def add_display(notebook, **data):
    code_cell(notebook).outputs.append(nbformat.v4.new_output("display_data", data=data))


def show_profile(notebook, text):
    """Store another output of the first code cell."""
    _, cell = lesson_checks.code_cells(notebook)[0]
    cell.outputs[0]["data"]["text/plain"] = text


def marked_cell(notebook, mark):
    """Return the first cell with a mark in its metadata."""
    return next(cell for cell in notebook.cells if mark in lesson_checks.marks(cell))


def set_output(notebook, text):
    """Store another output of the first check."""
    output = nbformat.v4.new_output("stream", name="stdout", text=text)
    marked_cell(notebook, "check").outputs = [output]


def lengthen(notebook, lines, cells):
    for number in range(1, cells + 1):  # after the imports
        code_cell(notebook, number).source += "\nlen('')" * lines


def remove_pictures(notebook):
    for cell in notebook.cells[:20]:
        if cell.cell_type == "code":
            cell.outputs = []


def remove_asserts(notebook):
    for _, cell in lesson_checks.code_cells(notebook):
        cell.source = cell.source.replace("assert", "check")


SPOILERS = {
    "prose missing": ("prose", lambda n: n.cells.pop(2)),
    "prose too long": ("prose", lambda n: [c.update(source=c.source * 3) for c in n.cells[2:]]),
    "a very long cell": ("code_length", lambda n: lengthen(n, 31, 1)),
    "many long cells": ("code_length", lambda n: lengthen(n, 12, 9)),
    "too much to read": ("length", lambda n: [c.update(source=c.source * 2) for c in n.cells]),
    "too few minutes": ("minutes", lambda n: replace_in_markdown(n, "25 minutes", "10 minutes")),
    "never executed": ("execution", lambda n: code_cell(n).update(execution_count=None)),
    "out of order": ("execution", lambda n: code_cell(n).update(execution_count=99)),
    "empty cell": ("execution", lambda n: code_cell(n).update(source=" ")),
    "warning": ("outputs", lambda n: add_stream(n, "stderr", "careful")),
    "error": ("outputs", lambda n: code_cell(n).outputs.append(nbformat.v4.new_output("error"))),
    "widget": (
        "outputs",
        lambda n: add_display(n, **{"application/vnd.jupyter.widget-view+json": {}}),
    ),
    "bare figure": ("outputs", lambda n: add_display(n, **{"text/plain": "<Figure size 6x4>"})),
    "silent picture": ("alt_text", lambda n: picture_output(n).metadata.clear()),
    "silent link": (
        "alt_text",
        lambda n: replace_in_markdown(n, "\n## Summary", "![](a.png)\n## Summary"),
    ),
    "late picture": ("early_picture", remove_pictures),
    "no minutes": ("opening", lambda n: replace_in_markdown(n, "minutes to read", "pages")),
    "no heading": ("opening", lambda n: n.cells.pop(0)),
    "no seed": ("set_up", lambda n: n.cells[1].update(source="import math")),
    "late import": ("set_up", lambda n: code_cell(n, 2).update(source="import math")),
    "another profile": ("profile", lambda n: show_profile(n, "RunProfile(name='smoke')")),
    "compared by profile": ("profile", lambda n: code_cell(n, 0).metadata.update(tags=[])),
    "no summary": ("sections", lambda n: replace_in_markdown(n, "## Summary", "## End")),
    "many exercises": ("sections", lambda n: replace_in_markdown(n, "\n2. ", "\n2. A\n2. B\n2. ")),
    "wrong number": (
        "numbers",
        lambda n: replace_in_markdown(n, "## Remarks", "7731 anchors\n\n## Remarks"),
    ),
    "no asserts": ("asserts", remove_asserts),
    "no checks": ("exercises", lambda n: [c.metadata.clear() for c in n.cells]),
    "empty check": ("exercises", lambda n: marked_cell(n, "check").update(source="pass")),
    "solved stub": ("exercises", lambda n: marked_cell(n, "stub").update(source="answer = 42")),
    "stored as solved": ("exercises", lambda n: set_output(n, "Exercise 1: solved.\n")),
    "machine path": ("machine", lambda n: add_stream(n, "stdout", "in /home/me/course")),
    "other kernel": ("machine", lambda n: n.metadata.kernelspec.update(name="python2")),
    "widget state": ("machine", lambda n: n.metadata.update(widgets={})),
    "unknown tag": ("machine", lambda n: code_cell(n).metadata.update(tags=["skip"])),
    "huge": ("size", lambda n: add_stream(n, "stdout", "x" * lesson_checks.MAX_BYTES)),
    "unmarked copy": ("definitions", lambda n: code_cell(n, 0, True).metadata.clear()),
    "other code": (
        "definitions",
        lambda n: code_cell(n, 0, True).update(
            source=code_cell(n, 0, True).source.replace("return ", "return 0 * ")
        ),
    ),
}


@pytest.mark.parametrize("name", SPOILERS)
def test_a_spoiled_lesson_does_not_pass(name):
    check, spoil = SPOILERS[name]
    notebook = read(NOTEBOOKS / "09_inference.ipynb")
    assert getattr(lesson_checks, f"check_{check}")(notebook) == []
    spoiled = copy.deepcopy(notebook)
    spoil(spoiled)
    assert getattr(lesson_checks, f"check_{check}")(spoiled) != []


SOLUTION_SPOILERS = {
    "exercise left out": lambda n: n.cells.remove(marked_cell(n, "exercise")),
    "no answer": lambda n: n.cells.insert(2, marked_cell(n, "exercise")),
    "check fails": lambda n: set_output(n, "Exercise 1: open."),
}


@pytest.mark.parametrize("name", SOLUTION_SPOILERS)
def test_spoiled_solutions_do_not_pass(name):
    notebook = read(NOTEBOOKS / "solutions" / "09_inference.ipynb")
    assert lesson_checks.check_solutions(notebook) == []
    SOLUTION_SPOILERS[name](notebook)
    assert lesson_checks.check_solutions(notebook) != []


def test_every_check_is_spoiled_once():
    spoiled = {f"check_{check}" for check, _ in SPOILERS.values()} | {"check_solutions"}
    checks = {*lesson_checks.LESSON_CHECKS, *lesson_checks.SOLUTION_CHECKS}
    assert spoiled == {check.__name__ for check in checks}


# --- tools/sync.py --------------------------------------------------------------------------------


IN_STEP = ("08_training", "09_inference", "10_evaluation")


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course of three lessons, with links between them."""
    folder = tmp_path_factory.mktemp("course")
    (folder / "solutions").mkdir()
    for name in IN_STEP:
        for path in (f"{name}.ipynb", f"solutions/{name}.ipynb"):
            notebook = read(NOTEBOOKS / path)
            for _, cell in lesson_checks.code_cells(notebook):
                cell.outputs = []  # pictures, which sync only carries along
            nbformat.write(notebook, folder / path)
    assert run_sync("--notebooks", folder) == (0, "")
    return folder


@pytest.fixture
def lessons(course, tmp_path):
    """A copy of the course to spoil."""
    return Path(shutil.copytree(course, tmp_path / "lessons"))


def check_fails_then_sync_restores(course, lessons, message):
    """See --check name what is out of step and leave it so, and sync mend it."""

    def contents(folder):
        return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.ipynb")}

    before = contents(lessons)
    status, said = run_sync("--check", "--notebooks", lessons)
    assert status == 1 and message in said
    assert contents(lessons) == before
    assert run_sync("--notebooks", lessons) == (0, "")
    assert contents(lessons) == contents(course)


def test_sync_restores_a_definition(course, lessons):
    path = lessons / "09_inference.ipynb"
    notebook = read(path)
    cell = code_cell(notebook, 0, True)
    cell.source = cell.source.replace("return", "return None or")
    nbformat.write(notebook, path)
    number = notebook.cells.index(cell) + 1
    check_fails_then_sync_restores(
        course, lessons, f"09_inference.ipynb: out of step in cell {number};"
    )


def test_sync_restores_links(course, lessons):
    path = lessons / "09_inference.ipynb"
    notebook = read(path)
    notebook.cells[-1].source = notebook.cells[-1].source.replace("Next", "Then")
    nbformat.write(notebook, path)
    check_fails_then_sync_restores(course, lessons, "09_inference.ipynb: out of step in cell")


@pytest.mark.parametrize("mark", ["exercise", "check"])
def test_sync_restores_what_solutions_take_from_their_lesson(course, lessons, mark):
    path = lessons / "solutions" / "09_inference.ipynb"
    notebook = read(path)
    cell = marked_cell(notebook, mark)
    cell.source += "\nmore"
    nbformat.write(notebook, path)
    number = notebook.cells.index(cell) + 1
    check_fails_then_sync_restores(
        course, lessons, f"09_inference.ipynb: out of step in cell {number};"
    )


@pytest.mark.parametrize("mark", ["exercise", "check"])
def test_sync_names_an_exercise_that_is_not_there(lessons, mark):
    path = lessons / "solutions" / "09_inference.ipynb"
    notebook = read(path)
    marked_cell(notebook, mark).metadata.single_shot[mark] = 99
    nbformat.write(notebook, path)
    status, said = run_sync("--notebooks", lessons)
    assert status == 1 and "99" in said


@pytest.mark.parametrize("source", ["boxes.box_iuo", "boxen.box_iou", "box_iou"])
def test_sync_names_a_definition_that_is_not_there(lessons, source):
    path = lessons / "09_inference.ipynb"
    notebook = read(path)
    code_cell(notebook, 0, True).metadata.single_shot.source = [source]
    nbformat.write(notebook, path)
    status, said = run_sync("--notebooks", lessons)
    assert status == 1
    assert f"09_inference.ipynb, cell 4: {source}: " in said


def test_a_definition_is_shown_without_types_and_with_the_first_line_of_docstrings():
    definition = sync.definition
    source = definition("losses.FocalLoss")
    original = lesson_checks.library_definitions()["losses"]["FocalLoss"]
    shown = ast.parse(source).body[0]
    assert ast.get_docstring(shown) == ast.get_docstring(original).splitlines()[0]
    assert lesson_checks.as_shown(shown) == lesson_checks.as_shown(original)
    assert "# 1 - p, exact near p = 1" in source
    assert definition("targets.MATCH_THRESHOLD").startswith("# An anchor learns an object")
    long = definition("detection.decode_detections").splitlines()
    assert long[0] == "def decode_detections(" and long[2] == "):" and ": nd" not in long[1]
    assert definition("boxes.box_iou").startswith("def box_iou(boxes_a, boxes_b):\n")


def test_the_glossary_names_the_lesson_that_explains_a_word():
    rows = re.findall(
        r"^\| ([^|]+) \|.*\[\d\d[a-z]?\]\((.+)\) \|$", GLOSSARY.read_text(), re.MULTILINE
    )
    assert len(rows) > 30 and sorted(rows, key=lambda row: row[0].lower()) == rows
    for words, lesson in rows:
        text = "".join(cell.source for cell in stored(NOTEBOOKS / lesson).cells).lower()
        named = [word.strip().lower() for word in re.split(r"[(,)]", words) if word.strip()]
        assert any(word.removeprefix("of ") in text for word in named), words


# Formulas that the field writes: how many each lesson displays at least.
EQUATIONS = {"01": 1, "02": 1, "05": 1, "06": 3, "06b": 2, "09": 1, "10": 1, "11": 1}


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_formulas_are_displayed(path):
    text = "\n".join(cell.source for cell in stored(path).cells if cell.cell_type == "markdown")
    displayed = re.findall(r"^\$\$.+\$\$$", text, re.MULTILINE)
    assert len(displayed) >= EQUATIONS.get(path.name.partition("_")[0], 0)
    assert text.count("$$") == 2 * len(displayed)


# --- Lessons 00 to 06: they ask before they answer, and open with few names -----------------------

FOUNDATIONS = [path for path in LESSONS if path.name < "07"]
MOST_NAMES = 24  # bound by the imports of a first cell, whatever they are


def unasked(notebook):
    """Return the sections that run code and ask no question before the last cell that does."""
    sections, heading = {}, ""
    for cell in notebook.cells[2:]:
        if cell.cell_type == "code":
            sections.setdefault(heading, []).append(None)
            continue
        for part in re.split(r"^(?=## )", cell.source, flags=re.MULTILINE):
            if part.startswith("## "):
                heading = part.partition("\n")[0][3:]
            sections.setdefault(heading, []).append(
                part.partition("\n")[2] if part[:3] == "## " else part
            )
    asked = {
        name: any("?" in text for text in parts[: len(parts) - parts[::-1].index(None)] if text)
        for name, parts in sections.items()
        if name not in lesson_checks.SECTIONS and None in parts
    }
    return [name for name, question in asked.items() if name and not question]


@pytest.mark.parametrize("path", FOUNDATIONS, ids=lambda path: path.stem)
def test_every_section_asks_before_its_last_answer(path):
    assert unasked(stored(path)) == []


def imported_names(notebook):
    """Return what the imports of the first code cell bind, each with the module it is from."""
    (_, first), *_ = lesson_checks.code_cells(notebook)
    return {
        alias.asname or alias.name: getattr(node, "module", alias.name)
        for node in ast.walk(ast.parse(first.source))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }


@pytest.mark.parametrize("path", FOUNDATIONS, ids=lambda path: path.stem)
def test_first_cells_import_few_names_and_one_module_that_draws(path):
    names = imported_names(stored(path))
    assert len(names) <= MOST_NAMES
    assert names["figures"] == "utils"
    drawing = {n for n, m in names.items() if m.startswith(("matplotlib", "utils.figures"))}
    assert drawing <= {"sliders"}  # the controls of a figure that the reader moves


def test_a_section_without_a_question_and_an_import_of_matplotlib_are_found():
    notebook = copy.deepcopy(stored(NOTEBOOKS / "02b_anchor_sizes.ipynb"))
    replace_in_markdown(notebook, "How fine must a map be, so that it is still covered?", "")
    assert unasked(notebook) == ["How fine a map must be"]
    notebook.cells[1].source += "\nfrom matplotlib.figure import Figure"
    assert imported_names(notebook)["Figure"] == "matplotlib.figure"
