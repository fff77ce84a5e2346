"""Execute lessons and store them with their outputs, as they are committed.

    python tools/store.py [LESSON.ipynb ...]

All lessons and solutions by default, with the run profile of the environment. Progress bars,
warnings, widgets and traces of the machine are left out; a lesson that fails stays as it was.
"""

import argparse
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from utils.compat import core_count

from run_lessons import ROOT, longest_first, number_of, run_lesson
from sync import notebook_paths, save

TIME_LIMIT = 1800  # seconds for one lesson
WIDGET = "application/vnd.jupyter.widget-view+json"


def is_kept(output):
    """Tell whether an output belongs in the stored lesson."""
    return output.get("name") != "stderr" and WIDGET not in output.get("data", {})


def clean(notebook, lesson):
    """Remove from an executed notebook what only this run and this machine account for.

    lesson: its name, whose number starts the id of every cell.
    """
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{number_of(lesson)}-{number:02d}"
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if is_kept(output)]
    return notebook


def store(path):
    """Execute and store one lesson, and say so; return what went wrong, or ""."""
    started = time.monotonic()
    notebook, error = run_lesson(path.resolve(), TIME_LIMIT, lambda number, total: None)
    if not error:
        save(clean(notebook, path.name), path)
    print(f"{path.name}: {error or 'stored'}, {time.monotonic() - started:.0f} s", flush=True)
    return error


def main(arguments=None):
    """Execute and store lessons; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lessons", nargs="*", type=Path, metavar="LESSON.ipynb")
    options = parser.parse_args(arguments)
    paths = options.lessons or notebook_paths(ROOT / "notebooks")
    os.environ["OMP_NUM_THREADS"] = "1"  # kernels inherit it: two of one thread are faster
    with ThreadPoolExecutor(core_count()) as pool:
        return int(any([*pool.map(store, longest_first(paths))]))


if __name__ == "__main__":
    sys.exit(main())
