"""Record what the trainings of lessons and tests reach elsewhere: on other processors and seeds.

    python tools/spread.py [FILE ...] [--runs 20] [--jobs 2]

Runs each of FILES (those in tests/spreads.json by default) again and again, with other seeds,
instructions and numbers of threads, and writes both sides of every comparison that it asserts to
tests/spreads.json. Nothing stops at an assertion that does not hold. `tests/test_spreads.py` then
asks of every bound that a sound build misses it less than once in a thousand runs.
"""

import argparse
import ast
import hashlib
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path

from single_shot.files import write_whole

import nbformat
import numpy as np
from scipy import stats

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "tests" / "spreads.json"
BUILD = ROOT / "build" / "spreads"
RATE = 1e-3  # of sound runs that may miss a bound
CONFIDENCE = 0.9  # that the rate is no higher, as far as so few runs can tell
OPERATORS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
# Without SSE41, with which a training takes ten times as long.
INSTRUCTIONS = ("AVX2", "AVX512_CORE")


class Recorder(ast.NodeTransformer):
    """Turns every assertion into a statement that records what it compares and never fails."""

    def visit_Assert(self, node):
        return ast.copy_location(ast.Expr(InAssert().visit(node.test)), node)


class InAssert(ast.NodeTransformer):
    """Turns `a < b < c` into `compare("a < b < c", ["<", "<"], [a, b, c])`, outermost last."""

    def visit_Compare(self, node):
        if not all(type(operator) in OPERATORS for operator in node.ops):
            return self.generic_visit(node)
        text = ast.Constant(ast.unparse(node))
        signs = ast.List([ast.Constant(OPERATORS[type(each)]) for each in node.ops], ast.Load())
        values = ast.List([self.visit(each) for each in (node.left, *node.comparators)], ast.Load())
        call = ast.Call(ast.Name("compare_", ast.Load()), [text, signs, values], [])
        return ast.copy_location(call, node)


def transformed(value, both_shares):
    """Return a value on a scale on which its spread is about the same everywhere.

    Shares, from 0 to 1, by the arcsine of their root; other positive numbers by their logarithm.
    """
    return np.arcsin(np.sqrt(value)) if both_shares else np.log(np.maximum(value, 1e-12))


def margins(sign, left, right):
    """Return by how much comparisons hold, negative where they do not.

    sign: "<", "<=", ">" or ">="; left, right: the values of each run.
    """
    left, right = np.atleast_1d(left), np.atleast_1d(right)
    both = np.concatenate([left, right])
    if (both >= 0).all():
        shares = (both <= 1).all()
        left, right = transformed(left, shares), transformed(right, shares)
    return right - left if sign.startswith("<") else left - right


@cache
def tolerance_factor(count):
    """Return how many standard deviations a bound must be away from the mean of so many values.

    One-sided, for normally distributed values (NIST/SEMATECH e-Handbook of Statistical Methods,
    section 7.2.6.3).
    """
    shift = stats.norm.ppf(1 - RATE) * np.sqrt(count)
    return stats.nct.ppf(CONFIDENCE, count - 1, shift) / np.sqrt(count)


def is_sound(values):
    """Return whether margins are so far above 0 that less than RATE of all runs fall below it."""
    spread = tolerance_factor(len(values)) * np.std(values, ddof=1)
    return bool(np.min(values) > 0 and np.mean(values) >= spread)


def sources(path):
    """Return the code of a notebook's cells, or of a Python file as one."""
    if path.suffix != ".ipynb":
        return [path.read_text()]
    cells = nbformat.read(path, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


def comparisons(path):
    """Return the texts of all comparisons of size that a file asserts."""
    found = []
    for source in sources(path):
        for statement in ast.walk(ast.parse(source)):
            if isinstance(statement, ast.Assert):
                nodes = (n for n in ast.walk(statement.test) if isinstance(n, ast.Compare))
                found += [ast.unparse(n) for n in nodes if all(type(o) in OPERATORS for o in n.ops)]
    return found


def run_file(path):
    """Run a file to its end; return {comparison: [[sign, left, right], ...]} of this run.

    Of a test file, every test without arguments is called.
    """
    recorded = defaultdict(list)

    def compare_(text, signs, values):
        holds = True
        for place, (sign, left, right) in enumerate(zip(signs, values, values[1:])):
            result = {
                "<": left < right,
                "<=": left <= right,
                ">": left > right,
                ">=": left >= right,
            }
            holds = result[sign] if holds is True else holds & result[sign]
            if all(isinstance(side, (int, float, np.number)) for side in (left, right)):
                recorded[f"{text} [{place}]"].append([sign, float(left), float(right)])
        return holds

    namespace = {"__name__": path.stem, "compare_": compare_}
    for source in sources(path):
        tree = ast.fix_missing_locations(Recorder().visit(ast.parse(source)))
        exec(compile(tree, str(path), "exec"), namespace)
    for name, test in [*namespace.items()]:
        if path.suffix == ".py" and name.startswith("test_") and not test.__code__.co_argcount:
            test()
    return recorded


def run_elsewhere(path, seed):
    """Run a file in a process of its own, as run number `seed` says; return what it recorded."""
    threads = str(1 + seed // 2 % 2)
    environment = os.environ | {
        "SINGLE_SHOT_SEED": str(seed),
        "SINGLE_SHOT_PROFILE": "class",
        "DNNL_MAX_CPU_ISA": INSTRUCTIONS[seed % len(INSTRUCTIONS)],
        "OMP_NUM_THREADS": threads,
        "MPLBACKEND": "agg",
    }
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    result = BUILD / f"{path.stem}-{digest}-{seed}.json"
    if not result.exists():  # else from a record that was stopped
        command = [sys.executable, __file__, str(path), "--worker", str(result)]
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        run = subprocess.run(command, cwd=path.parent, env=environment, **pipes, check=False)
        if run.returncode:
            raise RuntimeError(f"{path}, run {seed}: {run.stderr.decode()[-2000:]}")
        print(f"{path.name}: run {seed} is done", file=sys.stderr, flush=True)
    return json.loads(result.read_text())


def summary(runs):
    """Return {comparison: [sign, left values, right values]} of those that differ between runs.

    Where a run makes a comparison several times, the one with the least margin counts.
    """
    spreads = {}
    for key in runs[0]:
        closest = [min(run[key], key=lambda each: margins(*each)) for run in runs if run.get(key)]
        signs, left, right = zip(*closest)
        if len(set(left)) > 1 or len(set(right)) > 1:
            rounded = [[float(f"{value:.4g}") for value in side] for side in (left, right)]
            spreads[key] = [signs[0], *rounded]
    return spreads


def read_record():
    """Return {file: {"facts": [...], "spreads": {...}}}, see `record`."""
    return json.loads(RECORD.read_text()) if RECORD.exists() else {}


def record(path, num_runs, jobs):
    """Run a file so many times; return its entry of the record.

    facts: the comparisons that were the same in every run; spreads: see `summary`.
    """
    with ThreadPoolExecutor(jobs) as pool:
        runs = [*pool.map(partial(run_elsewhere, path), range(num_runs))]
    spreads = summary(runs)
    return {"facts": sorted(set(runs[0]) - set(spreads)), "spreads": spreads}


def table(spreads):
    """Return a line for each comparison: whether its bound is sound, and what was reached."""
    lines = []
    for key, (sign, left, right) in spreads.items():
        verdict = "sound" if is_sound(margins(sign, left, right)) else "TOO TIGHT"
        reached = " ".join(f"{value:.4g}" for value in np.percentile(left, (0, 50, 100)))
        lines.append(f"  {verdict:9}  {reached} {sign} {np.median(right):.4g}  {key}")
    return "\n".join(lines)


def main(arguments=None):
    """Record the spreads; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--runs", type=int, default=20, help="default: 20")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time (default: 2)")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker:
        text = json.dumps(run_file(options.files[0].resolve()))
        write_whole(options.worker, text)
        return 0
    for path in options.files or [ROOT / name for name in read_record()]:
        started, name = time.monotonic(), str(path.resolve().relative_to(ROOT))
        entry = record(path.resolve(), options.runs, options.jobs)
        known = read_record() | {name: entry}  # others may have written meanwhile
        print(f"{name}: {options.runs} runs in {time.monotonic() - started:.0f} s")
        print(table(entry["spreads"]), flush=True)
        text = json.dumps(known, indent=1) + "\n"
        write_whole(RECORD, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
