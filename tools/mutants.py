"""Seed one defect after the other and show that a test or a lesson catches it; `make mutants`.

    python tools/mutants.py [WORDS ...] [--list] [--jobs N]

The defects are those of tests/seeded_defects.py; WORDS picks those with these words in their name
or file. All happens in copies of the project in a temporary folder. First the unchanged copy has to
pass. Then each defect gets the tests that should catch it and, where they do not, the whole suite
and the lessons that use the module. A test that runs into its own time limit fails, so that a
defect that hangs it is caught; one that this program has to end is not.
Exit status 1 if a defect survives; the results go to build/mutants.json.
"""

import argparse
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
TIME_LIMIT = 1800  # seconds for one run of pytest; those of the tests and cells are shorter
NBVAL = ["--nbval", "--nbval-sanitize-with", "tests/nbval_sanitize.cfg"]
NBVAL += ["--nbval-kernel-name", "python3", "--nbval-cell-timeout", "300", "--timeout", "600"]
# A lesson shows the library's code, so that test_lessons tells any change of it; this would prove
# nothing. test_mutants finds that the text of the seeded defect is gone.
SUITE = ("tests", "--ignore=tests/test_lessons.py", "--ignore=tests/test_mutants.py")
NOT_COMPARED = {"08_training", "12_training_on_voc", "13_your_own_images"}  # they train for minutes
FAILURE = re.compile(r"^(FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


class ListError(ValueError):
    """A list of defects that does not fit the project; the message names the defect and the fix."""


@dataclass
class Result:
    """What became of a defect; caught_by is empty where it survived."""

    name: str
    file: str
    caught_by: str = ""
    seconds: float = 0.0
    remark: str = ""


def seeded(defect, root):
    """Return the text of the defect's file with the defect in it.

    Raises ListError where the old text does not occur exactly once.
    """
    path = Path(root) / defect.file
    if not path.is_file():
        raise ListError(f"{defect.name}: there is no {defect.file}; move or remove the defect")
    if path.suffix != ".ipynb":
        text = path.read_text()
        check_count(defect, text.count(defect.old))
        return text.replace(defect.old, defect.new)
    notebook = nbformat.read(path, as_version=4)
    check_count(defect, sum(cell.source.count(defect.old) for cell in notebook.cells))
    for cell in notebook.cells:
        cell.source = cell.source.replace(defect.old, defect.new)
    return nbformat.writes(notebook)


def check_count(defect, count):
    """Raise ListError unless the old text occurs once."""
    if count != 1:
        raise ListError(
            f"{defect.name}: {defect.old!r} occurs {count} times in {defect.file}, not once; bring "
            "the defect in line with the code as it is now"
        )


def later_rounds(defect, root):
    """Return the arguments of pytest to try, one after the other, on what the first tests miss."""
    path = Path(defect.file)
    if path.suffix == ".ipynb":
        return [("tests/test_lessons.py", "-k", path.stem), (defect.file,)]
    module = ".".join(path.with_suffix("").parts)
    lessons = [
        lesson
        for lesson in sorted((root / "notebooks").glob("[0-9]*.ipynb"))
        if module in lesson.read_text() and lesson.stem not in NOT_COMPARED
    ]
    return [SUITE, *[(str(lesson.relative_to(root)),) for lesson in lessons]]


class Copies:
    """Copies of the project, one for each job, and the runs of pytest in them."""

    def __init__(self, root, folder, count):
        self.root, self.processes, self.stopped = root, set(), False
        self.free = queue.SimpleQueue()
        for number in range(count):
            copy = Path(folder) / f"copy{number}"
            for name in listed_files(root):
                target = copy / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, target)
            self.link_data(copy)
            self.free.put(copy)

    def link_data(self, copy):
        """Have the copy read the built data sets; should it build them anew, then its own."""
        for folder in (self.root / "data").glob("*/manifest.json"):
            target = copy / "data" / folder.parent.name
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir(parents=True)
            for file in folder.parent.iterdir():
                (target / file.name).symlink_to(file.resolve())

    def pytest(self, copy, arguments, first_only=True):
        """Run pytest in a copy; return the ids of failed tests and `hung`, `error` or nothing."""
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--tb=no",
            "-rfE",
            "-p",
            "no:cacheprovider",
        ]
        command += ["-x"] * first_only + (NBVAL if arguments[0].endswith(".ipynb") else [])
        environment = os.environ | {
            "PYTHONPATH": str(copy),  # before the installed package, which is the working tree
            "PYTHONDONTWRITEBYTECODE": "1",  # a defect may keep size and second of the file
            "SINGLE_SHOT_PROFILE": "class",  # as the lessons are stored
            "JUPYTER_PREFER_ENV_PATH": "1",
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "400",
        }
        process = subprocess.Popen(
            [*command, *arguments],
            cwd=copy,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.processes.add(process)
        if self.stopped:
            end(process)
        try:
            output, _ = process.communicate(timeout=TIME_LIMIT)
        except subprocess.TimeoutExpired:
            end(process)
            process.communicate()
            return [], "hung"
        finally:
            self.processes.discard(process)
        failures = FAILURE.findall(output)
        failed = [test for _, test in failures]
        if process.returncode not in (0, 1, 2) or bool(process.returncode) != bool(failed):
            raise RuntimeError(
                f"pytest {' '.join(arguments)} ended with {process.returncode}:\n{output[-3000:]}"
            )
        return failed, "error" if any(kind == "ERROR" for kind, _ in failures) else ""

    def stop(self):
        """End every run of pytest with all that it has started, those to come at once."""
        self.stopped = True
        for process in list(self.processes):
            end(process)


def end(process):
    """Kill a process and its children."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def listed_files(root):
    """Return the names of all files of the project that exist, committed or new, not the ignored.

    Raises RuntimeError where git does not know the project.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    child = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if child.returncode:
        raise RuntimeError(f"the files to copy are those that git lists: {child.stderr.strip()}")
    return [name for name in child.stdout.split("\0") if (root / name).is_file()]


def try_unchanged(copies, arguments):
    """Run the tests in an unchanged copy; raise RuntimeError where one fails."""
    copy = copies.free.get()
    try:
        failed, remark = copies.pytest(copy, arguments)
    finally:
        copies.free.put(copy)
    if failed or remark:
        raise RuntimeError(
            f"without any defect, {' '.join(failed) or ' '.join(arguments)} fails"
            f"{remark and f' ({remark})'}; nothing can be shown before it passes"
        )


def try_defect(copies, defect):
    """Put the defect into a copy, run tests until one fails, take it out; return the Result."""
    started, copy = time.monotonic(), copies.free.get()
    result = Result(defect.name, defect.file)
    original = (copy / defect.file).read_bytes()
    wrong = seeded(defect, copy)
    try:
        for number, arguments in enumerate([defect.first_tests, *later_rounds(defect, copy)]):
            (copy / defect.file).write_text(wrong)
            failed, remark = copies.pytest(copy, arguments, first_only=number == 0)
            (copy / defect.file).write_bytes(original)
            # The first tests pass without the defect, unless what they need is gone by now.
            if failed and (number or remark == "error"):
                again, _ = copies.pytest(copy, [*dict.fromkeys(map(runnable, failed))], False)
                failed = [test for test in failed if test not in again]
            result.remark = f"{remark} in {arguments[0]}" if remark else result.remark
            if failed:
                result.caught_by = failed[0]
                break
    finally:
        (copy / defect.file).write_bytes(original)
        copies.link_data(copy)
        copies.free.put(copy)
    result.seconds = round(time.monotonic() - started, 1)
    return result


def runnable(test):
    """Return what to give pytest to run a test again: of a lesson, all cells."""
    return test.split("::")[0] if ".ipynb::" in test else test


class Progress:
    """Lines that say what became of each task, and how long the others will take."""

    def __init__(self, total):
        self.total, self.done, self.started = total, 0, time.monotonic()

    def line(self, text):
        self.done += 1
        left = (time.monotonic() - self.started) / self.done * (self.total - self.done)
        remaining = f", about {left / 60:.0f} min left" if left > 45 else ""
        print(f"[{self.done}/{self.total}] {text}{remaining}", flush=True)


def in_parallel(jobs, function, copies, tasks):
    """Yield each task with what function(copies, task) returns, as they finish.

    Where one raises, or this program is told to end, the others are stopped.
    """
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(function, copies, task): task for task in tasks}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            copies.stop()
            raise


def run(defects, root, jobs):
    """Try defects; return their Results in the order of the list."""
    results = {}
    with tempfile.TemporaryDirectory(prefix="single-shot-mutants-") as folder:
        copies = Copies(root, folder, jobs)
        try:
            tests = [*dict.fromkeys(defect.first_tests for defect in defects)]
            print(f"{len(tests)} sets of tests without any defect", flush=True)
            progress = Progress(len(tests))
            for arguments, _ in in_parallel(jobs, try_unchanged, copies, tests):
                progress.line(f"passes: {' '.join(arguments)}")
            print(f"{len(defects)} defects", flush=True)
            progress = Progress(len(defects))
            for defect, result in in_parallel(jobs, try_defect, copies, defects):
                verdict = f"caught by {result.caught_by}" if result.caught_by else "SURVIVED"
                remark = f" ({result.remark})" if result.remark else ""
                progress.line(f"{defect.name}: {verdict}{remark}, {result.seconds:.0f} s")
                results[defect] = result
        finally:
            copies.stop()
    return [results[defect] for defect in defects]


def chosen(defects, words):
    """Return the defects with any of the words in name or file, all without words.

    Raises ListError for words that no defect has.
    """
    for word in words:
        if not any(word in f"{defect.name} {defect.file}" for defect in defects):
            raise ListError(f"no defect has {word!r} in its name or file; --list shows them")
    return [d for d in defects if not words or any(w in f"{d.name} {d.file}" for w in words)]


def check_list(defects, root):
    """Raise a ListError that names every defect that does not fit the project."""
    problems = []
    for defect in defects:
        try:
            seeded(defect, root)
        except ListError as error:
            problems.append(str(error))
    if problems:
        raise ListError("\n".join(problems))


def seeded_defects(root):
    """Return the list in tests/seeded_defects.py."""
    sys.path.insert(0, str(root))
    from tests.seeded_defects import DEFECTS

    return DEFECTS


def main(arguments=None, defects=None, root=ROOT):
    """Try the defects that the command line names; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="words in the name or file of defects")
    parser.add_argument("--list", action="store_true", help="list the defects and run nothing")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at the same time")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # clears up on its way out
    started = time.monotonic()
    try:
        defects = chosen(seeded_defects(root) if defects is None else defects, options.words)
        check_list(defects, root)
    except ListError as error:
        print(error, file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(f"{defect.file}: {defect.name}" for defect in defects))
        return 0
    try:
        results = run(defects, root, options.jobs)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 2
    caught, seconds = sum(bool(r.caught_by) for r in results), time.monotonic() - started
    summary = {"defects": len(results), "caught": caught, "seconds": round(seconds)}
    (root / "build").mkdir(exist_ok=True)
    report = json.dumps(summary | {"results": [asdict(r) for r in results]}, indent=1) + "\n"
    (root / "build" / "mutants.json").write_text(report)
    print(f"{caught} of {len(results)} defects caught, {seconds / 60:.0f} min")
    for result in results:
        if not result.caught_by:
            print(f"SURVIVED: {result.name} ({result.file}) {result.remark}")
    return 0 if caught == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
