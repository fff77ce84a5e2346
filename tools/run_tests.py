"""Run the unit tests, then every lesson against its stored outputs; `make test`, `make anywhere`.

    python tools/run_tests.py [--lessons NUMBER ...] [--condition NAME | --anywhere]

A condition makes this machine compute as another one would: with other instructions, another
number of threads, other random numbers, on another device. `--anywhere` goes through all that this
processor can imitate and ends with a table. Logs and results go to build/tests/.
Exit status 1 if anything fails.
"""

import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

from single_shot.arguments import Parser
from utils.compat import core_count

from run_lessons import longest_first, with_numbers

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "tests"
NBVAL = ["--nbval-sanitize-with", "tests/nbval_sanitize.cfg", "--nbval-kernel-name", "python3"]
NBVAL += ["--nbval-cell-timeout", "1800", "--timeout", "2400"]
START_UP = """import sys
sys.path.insert(0, {tests!r})
from stand_in_device import take_over
take_over()
"""


@dataclass(frozen=True)
class Condition:
    """What makes this machine compute as another one would.

    environment: variables to set; needs: the processor's flag without which it makes no sense;
    same_outputs: whether the lessons' stored outputs still hold, or only their assertions;
    start_up: Python that every kernel runs before a lesson.
    """

    environment: dict = field(default_factory=dict)
    needs: str = ""
    same_outputs: bool = True
    start_up: str = ""


# Where all is slow, by instructions or by more threads than cores: no training of minutes.
SMOKE = {"SINGLE_SHOT_PROFILE": "smoke"}
CONDITIONS = {
    "native": Condition(),  # with one thread, since `run_pytest` gives every worker one
    "sse41": Condition({"DNNL_MAX_CPU_ISA": "SSE41"} | SMOKE),
    "avx2": Condition({"DNNL_MAX_CPU_ISA": "AVX2"}, "avx2"),
    "avx512": Condition({"DNNL_MAX_CPU_ISA": "AVX512_CORE"}, "avx512f"),
    "threads-2": Condition({"OMP_NUM_THREADS": "2"} | SMOKE),
    "threads-4": Condition({"OMP_NUM_THREADS": "4"} | SMOKE),
    "haswell": Condition({"OPENBLAS_CORETYPE": "Haswell"}, "avx2"),
    "skylakex": Condition({"OPENBLAS_CORETYPE": "SkylakeX"}, "avx512f"),
    "seed-1": Condition({"SINGLE_SHOT_SEED": "1"}, same_outputs=False),
    "seed-2": Condition({"SINGLE_SHOT_SEED": "2"}, same_outputs=False),
    "seed-3": Condition({"SINGLE_SHOT_SEED": "3"}, same_outputs=False),
    "device": Condition(same_outputs=False, start_up=START_UP.format(tests=str(ROOT / "tests"))),
}


@dataclass
class Outcome:
    """How the unit tests or the lessons ended under a condition."""

    passed: int
    failures: list
    seconds: float

    def __str__(self):
        return f"{self.passed} passed, {len(self.failures)} failed, {self.seconds:.0f} s"


def possible_conditions():
    """Return the names of the conditions that this processor can imitate."""
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    flags = flags.group(1).split() if flags else []
    return [name for name, each in CONDITIONS.items() if not each.needs or each.needs in flags]


def condition_in_turn():
    """Return the condition whose turn it is: another one after every commit."""
    command = ["git", "rev-list", "--count", "HEAD"]
    count = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    names = possible_conditions()
    return names[int(count or 0) % len(names)]


def lesson_paths(numbers=()):
    """Return the notebooks of the lessons with these numbers and of their solutions, else all.

    Raises SystemExit where a number is no lesson's.
    """
    paths = with_numbers(sorted(ROOT.glob("notebooks/**/[0-9]*.ipynb")), numbers)
    return longest_first(paths)  # so that no worker is left alone with one at the end


def run_pytest(name, workers, arguments, environment, log=None):
    """Run pytest with workers of one thread each; return the Outcome.

    name: of the file of results; log: a file for the output, which else goes to the terminal.
    """
    results, started = BUILD / f"{name}.xml", time.monotonic()
    results.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-n", str(workers), "--no-loadscope-reorder"]
    command += [f"--junitxml={results}", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    run = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False
    )
    seconds = time.monotonic() - started
    if not results.exists():
        return Outcome(0, [f"pytest ended with status {run.returncode} and no results"], seconds)
    cases = list(ElementTree.parse(results).iter("testcase"))
    failed = [case for case in cases if {"failure", "error"} & {part.tag for part in case}]
    skipped = sum(case.find("skipped") is not None for case in cases)
    names = [f"{case.get('classname')}::{case.get('name')}" for case in failed]
    if run.returncode and not names:
        names = [f"pytest ended with status {run.returncode}"]  # such as 5, where it found no test
    return Outcome(len(cases) - len(failed) - skipped, names, seconds)


def run_condition(name, lessons, quiet=False):
    """Run what is asked for under a condition; return the Outcomes by `tests` and `lessons`.

    lessons: numbers; if there are any, the unit tests are left out.
    """
    condition, outcomes = CONDITIONS[name], {}
    environment = dict(condition.environment)
    if condition.start_up:
        start_up = BUILD / name / "profile_default" / "startup" / "00_stand_in.py"
        start_up.parent.mkdir(parents=True, exist_ok=True)
        start_up.write_text(condition.start_up)
        environment["IPYTHONDIR"] = str(BUILD / name)
    compare = ["--nbval" if condition.same_outputs else "--nbval-lax", "--dist", "loadfile", *NBVAL]
    cores = min(4, core_count())
    # Tests wait for the processes that they start: one worker more than cores fills the gaps.
    parts = {} if lessons else {"tests": (cores + 1, ["tests"])}
    parts["lessons"] = cores, [*compare, *map(str, lesson_paths(lessons))]
    for part, work in parts.items():
        if not quiet:
            outcomes[part] = run_pytest(f"{name}-{part}", *work, environment)
            continue
        with open(BUILD / f"{name}-{part}.log", "w") as log:
            outcomes[part] = run_pytest(f"{name}-{part}", *work, environment, log)
        print(f"{name:<10} {part:<8} {outcomes[part]}", flush=True)
        print("".join(f"    {failure}\n" for failure in outcomes[part].failures), end="")
    return outcomes


def main(arguments=None):
    """Run the tests; return the exit status."""
    parser = Parser(prog="tools/run_tests.py", description=__doc__)
    parser.add_argument("--lessons", nargs="+", default=[], metavar="NUMBER", help="these alone")
    which = parser.add_mutually_exclusive_group()
    conditions = [*CONDITIONS, "turn"]
    help_text = "as another machine computes; turn: one of them, another after every commit"
    which.add_argument("--condition", choices=conditions, default="native", help=help_text)
    which.add_argument("--anywhere", action="store_true", help="every condition")
    options = parser.parse_args(arguments)
    BUILD.mkdir(parents=True, exist_ok=True)
    if options.anywhere:
        names = possible_conditions()
        outcomes = [run_condition(name, options.lessons, quiet=True) for name in names]
    else:
        name = options.condition if options.condition != "turn" else condition_in_turn()
        print(f"condition: {name} {CONDITIONS[name].environment or ''}", flush=True)
        outcomes = [run_condition(name, options.lessons)]
    return int(any(part.failures for parts in outcomes for part in parts.values()))


if __name__ == "__main__":
    sys.exit(main())
