"""Execute the lessons top to bottom and write pages for reading; `make run` calls it.

    python tools/run_lessons.py [--lessons NUMBER ...] [--notebooks FOLDER] [--output FOLDER]
                                [--time-limit SECONDS]

As many lessons at a time as there are cores, each with a kernel of its own. The notebooks stay as
they are: executed copies, pages and an index.html go to the output folder, and what kernels print
past their notebooks to NAME.log there. Exit status 1 if a lesson fails.
"""

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from single_shot.arguments import Parser, number
from single_shot.files import write_whole
from utils.compat import core_count
from utils.context import run_profile

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from pages import title_of, with_pages, write_index, write_pages

ROOT = Path(__file__).resolve().parents[1]
TIME_LIMIT = 900  # seconds for one lesson
TRAINING = ("12_", "08_", "13_")  # the lessons that train, the longest first


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
    """A line of text for each lesson that ends: how long it took, how long the rest will take.

    On a terminal another line, the last one, tells what runs just now.
    """

    def __init__(self, lessons, expected, num_workers=1, stream=sys.stdout):
        self.lessons, self.expected, self.num_workers = lessons, expected, num_workers
        self.stream, self.live = stream, stream.isatty()
        self.results, self.running, self.started = [], {}, time.monotonic()
        self.lock = threading.Lock()

    def cell(self, lesson, number, total):
        """Show that a cell of a lesson begins."""
        with self.lock:
            self.running[lesson] = f"{lesson} {number}/{total}"
            if self.live:
                text = f"\r\x1b[K{', '.join(self.running.values())}; {self.remaining()}"
                print(text, end=" ", file=self.stream, flush=True)

    def end(self, result):
        """Show how a lesson ended."""
        with self.lock:
            self.running.pop(result.lesson, None)
            self.results.append(result)
            start = "\r\x1b[K" if self.live else ""
            number = f"[{len(self.results)}/{len(self.lessons)}]"
            elapsed = clock(time.monotonic() - self.started)
            text = f"{number} {result.lesson}  {result.verdict}  {result.seconds:.0f} s, "
            print(
                f"{start}{text}elapsed {elapsed}, {self.remaining()}", file=self.stream, flush=True
            )
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
        spent = (time.monotonic() - self.started) * self.num_workers - sum(done.values())
        rest = sum(self.expected.get(lesson, mean) for lesson in left) - spent
        return f"remaining about {clock(max(0, rest) / self.num_workers)}"


def number_of(lesson):
    """Return the number at the head of a lesson's name, such as `08b`."""
    return lesson.partition("_")[0]


def with_numbers(paths, numbers):
    """Return the notebooks of the lessons with these numbers, all if there are none.

    numbers: such as "05", which is not "05b". Raises SystemExit where one is no lesson's.
    """
    known = {number_of(path.name) for path in paths}
    if unknown := sorted(set(numbers) - known):
        raise SystemExit(f"no lesson {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return [path for path in paths if number_of(path.name) in (numbers or known)]


def longest_first(paths, expected=()):
    """Return notebooks in the order in which several workers are done with them soonest.

    expected: seconds by name, of an earlier run; without it, those that train come first.
    """
    guess = {name: 1 for path in paths if path.name.startswith(TRAINING) for name in [path.stem]}
    seconds = dict(expected) or guess
    return sorted(paths, key=lambda path: (-seconds.get(path.stem, 0), path))


def clock(seconds):
    """Write seconds as minutes:seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def run_lesson(path, time_limit, on_cell, log=subprocess.DEVNULL):
    """Execute one notebook.

    Args:
        path: the notebook, which is not changed.
        time_limit: seconds for the whole lesson.
        on_cell: called with (number, total) of every code cell before it runs.
        log: file for what the kernel prints past its notebook, such as messages of C++.
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
        coalesce_streams=True,  # else chance decides how printed lines are stored
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_execute=cell_begins,
    )
    try:
        client.execute(stdout=log, stderr=log)
    except CellExecutionError as error:
        return notebook, f"code cell {current}: {error.ename}: {error.evalue}"
    except CellTimeoutError:
        return notebook, f"code cell {current}: the time limit of {time_limit:g} s was reached"
    except RuntimeError as error:  # the kernel died, or did not start
        return notebook, f"code cell {current}: {error}"
    return notebook, ""


def write_results(results, profile, output):
    """Write index.html and, for the next run's estimate and other programs, results.json."""
    results = sorted(results, key=lambda result: result.lesson)
    write_index(results, profile, output)
    summary = {"profile": profile, "lessons": [asdict(result) for result in results]}
    write_whole(output / "results.json", json.dumps(summary, indent=1) + "\n")


def earlier_results(output, profile):
    """Return the Results that are written, if they are of runs with this profile, else none."""
    path = output / "results.json"
    summary = json.loads(path.read_text()) if path.exists() else {"profile": None}
    return [Result(**each) for each in summary["lessons"]] if summary["profile"] == profile else []


def table(results):
    """Return the closing table of lesson, time and result."""
    width = max(len(result.lesson) for result in results)
    lines = [f"{'Lesson':<{width}}     Time  Result"]
    for result in results:
        lines.append(f"{result.lesson:<{width}}  {result.seconds:5.0f} s  {result.verdict}")
    return "\n".join(lines)


def run_all(paths, names, profile, options):
    """Run lessons, the longest first, several at a time; write their pages; return the Results.

    names: of all lessons. Those that are not run now keep their pages, and their results if these
    are of the same profile.
    """
    earlier = {each.lesson: each for each in earlier_results(options.output, profile)}
    expected = {name: each.seconds for name, each in earlier.items()}
    names = with_pages(names, options.output, paths)
    earlier = {name: earlier[name] for name in names if name in earlier}
    num_workers = min(core_count(), len(paths))
    if num_workers > 1:
        os.environ["OMP_NUM_THREADS"] = "1"  # kernels inherit it
    progress = Progress([path.stem for path in paths], expected, num_workers)

    def run(path):
        started = time.monotonic()
        with open(options.output / f"{path.stem}.log", "wb") as log:
            on_cell = partial(progress.cell, path.stem)
            notebook, error = run_lesson(path, options.time_limit, on_cell, log)
        write_pages(notebook, path, options.output, names)
        seconds = time.monotonic() - started
        progress.end(Result(path.stem, title_of(notebook, path.stem), seconds, error))

    with ThreadPoolExecutor(num_workers) as pool:
        for _ in pool.map(run, longest_first(paths, expected)):
            known = earlier | {result.lesson: result for result in progress.results}
            write_results(known.values(), profile, options.output)
    return sorted(progress.results, key=lambda result: result.lesson)


def main(arguments=None):
    """Run every lesson; return the exit status."""
    parser = Parser(prog="tools/run_lessons.py", description=__doc__)
    add = parser.add_argument
    add("--lessons", nargs="+", default=[], metavar="NUMBER", help="these alone")
    add("--notebooks", type=Path, default=ROOT / "notebooks", metavar="FOLDER", help="read from")
    add("--output", type=Path, default=ROOT / "build/lessons", metavar="FOLDER", help="written to")
    limit = {"type": number(1, kind=float), "default": TIME_LIMIT, "help": "for one lesson"}
    add("--time-limit", metavar="SECONDS", **limit)
    options = parser.parse_args(arguments)

    profile = run_profile().name
    paths = sorted(options.notebooks.glob("[0-9]*.ipynb"))
    names = [path.stem for path in paths]
    if not paths:
        print(f"no lessons: {options.notebooks} holds no notebook whose name begins with a digit")
        return 1
    paths = with_numbers(paths, options.lessons)
    options.output.mkdir(parents=True, exist_ok=True)
    print(f"run {len(paths)} lessons with profile {profile}", flush=True)
    results = run_all(paths, names, profile, options)
    print(f"\n{table(results)}\n\npages: {options.output / 'index.html'}")
    return int(any(result.error for result in results))


if __name__ == "__main__":
    sys.exit(main())
