"""What the benchmarks print and write: the machine, a table, a record."""

import json
import os
import platform
from pathlib import Path

from single_shot.files import write_whole
from utils.compat import core_count

import mxnet as mx


def processor():
    """Return the processor's name, or its kind where the system does not tell."""
    try:
        info = Path("/proc/cpuinfo").read_text()
        return next(
            line.split(":", 1)[1].strip()
            for line in info.splitlines()
            if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.machine()


def machine():
    """Return one line on what a benchmark runs on, with how busy it was before."""
    return (
        f"{processor()}, {core_count()} cores, Python {platform.python_version()}, "
        f"MXNet {mx.__version__}, load average {os.getloadavg()[0]:.2f} at the start"
    )


def table(header, rows):
    """Return a Markdown table of texts; the first column stands left, the others right."""
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [
        " | ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
        for row in (header, rule, *rows)
    ]
    return "\n".join(f"| {line} |" for line in lines)


def write_record(path, record):
    """Write a record as JSON, all of it or nothing."""
    text = json.dumps(record, indent=1) + "\n"
    write_whole(path, text)
