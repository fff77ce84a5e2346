"""Execute the lessons top to bottom and write pages for reading; `make run` calls it.

    python tools/run_lessons.py [--notebooks FOLDER] [--output FOLDER] [--time-limit SECONDS]

Each lesson gets a kernel of its own. The notebooks stay as they are: executed copies, pages and an
index.html go to the output folder. Exit status 1 if a lesson fails.
"""

import argparse
import html
import json
import os
import re
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from utils.context import run_profile

import nbformat
from jinja2 import DictLoader
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbconvert import HTMLExporter

ROOT = Path(__file__).resolve().parents[1]
TIME_LIMIT = 900  # seconds for one lesson
PAGE = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>Single Shot: lessons</title>
<style>body {{ font: 16px sans-serif; margin: 2em auto; max-width: 50em }}
td, th {{ padding: .3em 1em .3em 0; text-align: left; vertical-align: top }}</style>
<h1>Single Shot</h1><p>Run with profile <b>{profile}</b>.</p>
<table><tr><th>Lesson</th><th>Time</th><th>Result</th></tr>
{rows}
</table></html>
"""
# nbconvert's default template drops the alt text that `plotting.show` stores with a picture.
LESSON_TEMPLATE = """{%- extends 'lab/index.html.j2' -%}
{%- block data_png scoped -%}
{%- set alt = output | get_metadata('alt', 'image/png') -%}
{%- set image = '<img alt="' ~ (alt | escape_html) ~ '" ' if alt else '<img ' -%}
{{ super() | replace('<img ', image, 1) }}
{%- endblock data_png -%}
"""


@dataclass
class Result:
    """How one lesson ended; `error` is empty if all its cells ran."""

    lesson: str
    title: str
    seconds: float
    error: str = ""

    @property
    def verdict(self):
        return "failed" if self.error else "passed"


class Progress:
    """One line of text for each lesson: where it is, how long it took, how long the rest takes."""

    def __init__(self, lessons, expected, stream=sys.stdout):
        self.lessons, self.expected, self.stream = lessons, expected, stream
        self.live = stream.isatty()  # rewrite the line after every cell
        self.results, self.started = [], time.monotonic()

    def begin(self, lesson):
        number = len(self.results) + 1
        self.head = f"[{number}/{len(self.lessons)}] {lesson}"
        print(self.head, end=" ", file=self.stream, flush=True)

    def cell(self, number, total):
        if self.live:
            text = f"\r\x1b[K{self.head}  cell {number} of {total}, {self.remaining()}"
            print(text, end=" ", file=self.stream, flush=True)

    def end(self, result):
        self.results.append(result)
        start = f"\r\x1b[K{self.head} " if self.live else ""
        elapsed = clock(time.monotonic() - self.started)
        text = f" {result.verdict}  {result.seconds:.0f} s, elapsed {elapsed}, {self.remaining()}"
        print(start + text, file=self.stream, flush=True)
        if result.error:
            print(f"  {result.lesson}: {result.error}", file=self.stream, flush=True)

    def remaining(self):
        """Estimate from each lesson's time in an earlier run, or else the mean so far."""
        done = {result.lesson: result.seconds for result in self.results}
        known = [*(done or self.expected).values()]
        left = [lesson for lesson in self.lessons if lesson not in done]
        if left and not known:
            return "remaining unknown"
        mean = sum(known) / len(known)
        spent = time.monotonic() - self.started - sum(done.values())
        rest = sum(self.expected.get(lesson, mean) for lesson in left) - spent
        return f"remaining about {clock(max(0, rest))}"


def clock(seconds):
    """Write seconds as minutes:seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def run_lesson(path, time_limit, on_cell):
    """Execute one notebook.

    Args:
        path: the notebook, which is not changed.
        time_limit: seconds for the whole lesson.
        on_cell: called with (number, total) of every code cell before it runs.
    Returns:
        The executed notebook, and what went wrong with the number of the cell, or "".
    """
    try:
        notebook = nbformat.read(path, as_version=4)
    except nbformat.reader.NotJSONError as error:
        return nbformat.v4.new_notebook(), f"{path} is not a notebook: {error}"
    total = sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in notebook.cells)
    current = 0

    def cell_begins(cell, cell_index):
        nonlocal current
        current += 1
        on_cell(current, total)

    deadline = time.monotonic() + time_limit
    client = NotebookClient(
        notebook,
        timeout_func=lambda cell: max(0.1, deadline - time.monotonic()),
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],
        shutdown_kernel="immediate",
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_execute=cell_begins,
    )
    try:
        client.execute()
    except CellExecutionError as error:
        return notebook, f"code cell {current}: {error.ename}: {error.evalue}"
    except CellTimeoutError:
        return notebook, f"code cell {current}: the time limit of {time_limit:g} s was reached"
    except RuntimeError as error:  # the kernel died, or did not start
        return notebook, f"code cell {current}: {error}"
    return notebook, ""


def title_of(notebook, default):
    """Return the first heading of a notebook."""
    texts = (cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    heading = re.search(r"^# +(.+)$", "\n".join(texts), re.MULTILINE)
    return heading.group(1).strip() if heading else default


def write(path, text):
    """Write a file in one step, so that nobody finds half of it."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def write_pages(notebook, path, output):
    """Write an executed notebook and its web page, pictures with their alt text inside."""
    write(output / path.name, nbformat.writes(notebook))
    exporter = HTMLExporter(
        embed_images=True,
        extra_loaders=[DictLoader({"lesson.html.j2": LESSON_TEMPLATE})],
        template_file="lesson.html.j2",
    )
    resources = {"metadata": {"path": str(path.parent), "name": path.stem}}
    write(output / f"{path.stem}.html", exporter.from_notebook_node(notebook, resources)[0])


def write_index(results, profile, output):
    """Write index.html and, for the next run's estimate and other programs, results.json."""
    row = '<tr><td><a href="{0}.html">{1}</a></td><td>{2:.0f} s</td><td>{3}</td></tr>'
    rows = []
    for result in results:
        verdict = html.escape(f"{result.verdict} {result.error}")
        cells = (result.lesson, html.escape(result.title), result.seconds, verdict)
        rows.append(row.format(*cells))
    write(output / "index.html", PAGE.format(profile=profile, rows="\n".join(rows)))
    summary = {"profile": profile, "lessons": [asdict(result) for result in results]}
    write(output / "results.json", json.dumps(summary, indent=1) + "\n")


def earlier_times(output, profile):
    """Return {lesson: seconds} of the last run with this profile, {} without one."""
    path = output / "results.json"
    summary = json.loads(path.read_text()) if path.exists() else {"profile": None}
    if summary["profile"] != profile:
        return {}
    return {lesson["lesson"]: lesson["seconds"] for lesson in summary["lessons"]}


def table(results):
    """Return the closing table of lesson, time and result."""
    width = max(len(result.lesson) for result in results)
    lines = [f"{'Lesson':<{width}}     Time  Result"]
    for result in results:
        lines.append(f"{result.lesson:<{width}}  {result.seconds:5.0f} s  {result.verdict}")
    return "\n".join(lines)


def main(arguments=None):
    """Run every lesson; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notebooks", type=Path, default=ROOT / "notebooks", metavar="FOLDER")
    parser.add_argument("--output", type=Path, default=ROOT / "build/lessons", metavar="FOLDER")
    parser.add_argument("--time-limit", type=float, default=TIME_LIMIT, metavar="SECONDS")
    options = parser.parse_args(arguments)

    profile = run_profile().name
    paths = sorted(options.notebooks.glob("[0-9]*.ipynb"))
    if not paths:
        print(f"no lessons: {options.notebooks} holds no notebook whose name begins with a digit")
        return 1
    options.output.mkdir(parents=True, exist_ok=True)
    print(f"run {len(paths)} lessons with profile {profile}", flush=True)
    expected = earlier_times(options.output, profile)
    progress = Progress([path.stem for path in paths], expected)
    for path in paths:
        progress.begin(path.stem)
        started = time.monotonic()
        notebook, error = run_lesson(path, options.time_limit, progress.cell)
        seconds = time.monotonic() - started
        write_pages(notebook, path, options.output)
        progress.end(Result(path.stem, title_of(notebook, path.stem), seconds, error))
        write_index(progress.results, profile, options.output)
    print(f"\n{table(progress.results)}\n\npages: {options.output / 'index.html'}")
    return int(any(result.error for result in progress.results))


if __name__ == "__main__":
    sys.exit(main())
