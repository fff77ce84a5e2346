"""Bring the lessons in step with the library and with each other; `make sync` calls it.

    python tools/sync.py [--check] [--notebooks FOLDER]

These parts of a notebook are written here and nowhere else, the rest stays as it is:
- A code cell with the metadata `{"single_shot": {"source": ["boxes.box_iou"]}}` holds these
  definitions of `utils`, docstrings cut to their first line.
- Between LINKS_BEGIN and LINKS_END stand the links to the lesson before and the one after.
- In `solutions/`, a cell with `{"single_shot": {"exercise": 2}}` holds the text of the lesson's
  exercise 2, and one with `{"single_shot": {"check": 2}}` the lesson's cell of the same metadata.
Exit status 1 with --check if a notebook is out of step; nothing is changed then.
"""

import argparse
import ast
import copy
import functools
import os
import re
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
LINE_LENGTH = 100  # as in pyproject.toml
PACKAGES = ("data", "single_shot")  # besides utils
LINKS_BEGIN, LINKS_END = "<!-- links: `make sync` writes them -->", "<!-- end of links -->"


class SyncError(ValueError):
    """A cell that cannot be brought in step; the message names lesson, cell and fix."""


def lesson_paths(folder):
    """Return the paths of the lessons in reading order."""
    return sorted(folder.glob("[0-9]*.ipynb"))


def notebook_paths(folder):
    """Return the paths of the lessons, then those of their solutions, in reading order."""
    return lesson_paths(folder) + lesson_paths(folder / "solutions")


def sources_of(cell):
    """Return the names of the definitions that a cell shows, such as `boxes.box_iou`."""
    return cell.metadata.get("single_shot", {}).get("source", [])


def definition(name):
    """Return the code of a definition of ours, types left out, docstrings cut to their first line.

    name: module and name at its top level, such as `boxes.box_iou` or `single_shot.video.CODEC`;
    the module is one of `utils` where no package is named;
    comments right above an assignment are part of it. Raises SyncError where there is none such.
    """
    module, _, wanted = name.rpartition(".")
    path = path_of(module)
    if not path.is_file():
        raise SyncError(
            f"{name}: there is no {path.relative_to(ROOT)}; name it `module.definition`"
        )
    lines, statements = read_module(path)
    for node in statements:
        if wanted in names_bound(node):
            return "\n".join(_as_shown(lines, node))
    raise SyncError(f"{name}: {path.relative_to(ROOT)} defines no {wanted!r} at its top level")


@functools.cache
def read_module(path):
    """Return the lines and the top-level statements of a module."""
    text = path.read_text()
    return text.splitlines(), ast.parse(text).body


def path_of(module):
    """Return the path of a module that a lesson shows code of."""
    package = "" if module.partition(".")[0] in PACKAGES else "utils"
    return ROOT / package / f"{module.replace('.', '/')}.py"


def names_bound(node):
    """Return the names that a statement defines or assigns."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _as_shown(lines, node):
    """Return the lines of a top-level statement as a lesson shows them; see `definition`."""
    lines, end = list(lines), node.end_lineno
    decorators = getattr(node, "decorator_list", [])
    begin = min([node.lineno, *(decorator.lineno for decorator in decorators)]) - 1
    while lines[begin - 1].startswith("#"):
        begin -= 1
    definitions = (ast.FunctionDef, ast.ClassDef)
    owners = [child for child in ast.walk(node) if isinstance(child, definitions)]
    for owner in sorted(owners, key=lambda owner: -owner.lineno):  # the later lines first
        if ast.get_docstring(owner) and owner.body[0].end_lineno > owner.body[0].lineno:
            first, last = owner.body[0].lineno - 1, owner.body[0].end_lineno
            lines[first:last] = [lines[first].rstrip() + '"""']
            end -= last - first - 1
        if isinstance(owner, ast.FunctionDef):
            first, last = owner.lineno - 1, _end_of_signature(lines, owner)
            signature = _signature(owner)
            lines[first:last] = signature
            end -= last - first - len(signature)
    return lines[begin:end]


def _end_of_signature(lines, function):
    """Return the number of the line with the colon before a function's body."""
    return next(n for n in range(function.body[0].lineno - 1, 0, -1) if lines[n - 1].endswith(":"))


def _signature(function):
    """Return the lines of a function's signature without types, in ruff's style."""
    arguments = copy.deepcopy(function.args)
    for each in ast.walk(arguments):
        if isinstance(each, ast.arg):
            each.annotation = None
    indent, text = " " * function.col_offset, ast.unparse(arguments).replace("'", '"')
    lines = [f"{indent}def {function.name}({text}):"]
    if len(lines[0]) > LINE_LENGTH:
        lines = [f"{indent}def {function.name}(", f"{indent}    {text}", f"{indent}):"]
    return lines


@functools.cache
def read_lesson(path):
    """Return a lesson to look things up in; what sync writes elsewhere in it does not matter."""
    return nbformat.read(path, as_version=4)


def title_of(path):
    """Return the first heading of a lesson."""
    first = read_lesson(path).cells[0].source
    return re.search(r"^# +(.+)$", first, re.MULTILINE).group(1).strip()


def links(path):
    """Return the line of links that the lesson or the solutions at a path should have."""
    if path.parent.name == "solutions":
        return f"[The lesson](../{path.name}) · [All lessons](../README.md)"
    paths = lesson_paths(path.parent)
    number = paths.index(path)
    parts = []
    for word, neighbour in (("Previous", number - 1), ("Next", number + 1)):
        if 0 <= neighbour < len(paths):
            parts.append(f"{word}: [{title_of(paths[neighbour])}]({paths[neighbour].name})")
    if (path.parent / "solutions" / path.name).exists():
        parts.append(f"[Solutions](solutions/{path.name})")
    return " · ".join([*parts, "[All lessons](README.md)"])


def exercise(lesson, number):
    """Return the text of a lesson's exercise, as a heading and a quotation.

    Raises SyncError where the lesson has no such exercise.
    """
    cells = [cell.source for cell in lesson.cells if cell.cell_type == "markdown"]
    section = "\n\n".join(cells).partition("\n## Exercises\n")[2].partition(LINKS_BEGIN)[0]
    # Before each number at the start of a line, that number; after it, the text.
    parts = re.split(r"^(\d+)\. ", section, flags=re.MULTILINE)[1:]
    exercises = {int(head): text.strip() for head, text in zip(parts[::2], parts[1::2])}
    if number not in exercises:
        raise SyncError(f"the lesson has the exercises {[*exercises]}, not {number}")
    lines = [f"> {line.strip()}".rstrip() for line in exercises[number].splitlines()]
    return "\n".join([f"## Exercise {number}", "", *lines])


def check_cell(lesson, number):
    """Return the code of the cell that checks a lesson's exercise.

    Raises SyncError where the lesson has no such cell.
    """
    for cell in lesson.cells:
        if cell.metadata.get("single_shot", {}).get("check") == number:
            return cell.source
    raise SyncError(f"the lesson has no cell with the metadata check: {number}")


def written_source(cell, lesson):
    """Return what a cell should hold, as far as its metadata say so.

    lesson: the notebook whose exercises are solved, or None for a lesson.
    """
    marks = cell.metadata.get("single_shot", {})
    if "source" in marks:
        return "\n\n\n".join(definition(name) for name in sources_of(cell))
    if lesson and "exercise" in marks:
        return exercise(lesson, marks["exercise"])
    if lesson and "check" in marks:
        return check_cell(lesson, marks["check"])
    return cell.source


def synced(path):
    """Return a notebook as it should be, and the numbers of the cells that differ.

    Raises SyncError for a definition that `utils` lacks, an exercise that the lesson lacks, and
    for a notebook without link markers.
    """
    notebook, lesson = nbformat.read(path, as_version=4), None
    if path.parent.name == "solutions":
        lesson = read_lesson(path.parents[1] / path.name)
    changed = []
    for number, cell in enumerate(notebook.cells, start=1):
        try:
            code = written_source(cell, lesson)
        except SyncError as error:
            raise SyncError(f"{path.name}, cell {number}: {error}") from None
        if LINKS_BEGIN in cell.source:
            head, _, rest = cell.source.partition(LINKS_BEGIN)
            tail = rest.partition(LINKS_END)[2]
            code = f"{head}{LINKS_BEGIN}\n{links(path)}\n{LINKS_END}{tail}"
        if code != cell.source:
            changed.append(number)
            cell.source = code
    if not any(LINKS_BEGIN in cell.source for cell in notebook.cells):
        raise SyncError(f"{path.name}: the last cell needs {LINKS_BEGIN} and {LINKS_END}")
    return notebook, changed


def save(notebook, path):
    """Write a notebook in one step, so that nobody finds half of it."""
    temporary = path.with_name(path.name + ".part")
    nbformat.write(notebook, temporary)
    os.replace(temporary, path)


def main(arguments=None):
    """Sync or check every notebook; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if need be")
    parser.add_argument("--notebooks", type=Path, default=ROOT / "notebooks", metavar="FOLDER")
    options = parser.parse_args(arguments)
    status = 0
    for path in notebook_paths(options.notebooks):
        try:
            notebook, changed = synced(path)
        except SyncError as error:
            print(error, file=sys.stderr)
            status = 1
            continue
        cells = ", ".join(map(str, changed))
        if changed and options.check:
            print(f"{path.name}: out of step in cell {cells}; run `make sync`", file=sys.stderr)
            status = 1
        elif changed:
            save(notebook, path)
            print(f"{path.name}: wrote cell {cells}")
    return status


if __name__ == "__main__":
    sys.exit(main())
