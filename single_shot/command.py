"""The command `single-shot`: its parts, and the one way in which all of them end.

A part is a module with `add_arguments(parser)`, `run(options)`, which returns an Answer, and
`after_stop(options)`, which says what Ctrl-C left. It is imported when it is asked for, so that
the doctor runs where nothing else can.
"""

import json
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from types import ModuleType

from single_shot.answer import Answer
from single_shot.arguments import Parser
from single_shot.files import final_name
from single_shot.labels.numbers_in_text import printable
from utils.files import InputError

PARTS = {
    "prepare": "make checked records of labelled pictures",
    "train": "train a detector, score it on held-out pictures, report",
    "launch": "train with several machines, or several processes",
    "evaluate": "score a detector on labelled pictures",
    "detect": "find objects in pictures and films",
    "suggest": "label pictures with a detector, for a person to mend",
    "export": "write a detector as one ONNX file that needs nothing else",
    "audit": "rank labels by how likely they are wrong",
    "info": "say what a detector or a prepared folder is",
    "fetch": "fetch Pascal VOC, BCCD and the data sets of older tutorials",
    "doctor": "say what this machine offers and what to mend",
}
DONE, FAILED, UNUSABLE, STOPPED = 0, 1, 2, 130  # exit statuses


def overview() -> str:
    """Return the help of the command as a whole."""
    lines = [f"  {name:<9} {summary}" for name, summary in PARTS.items()]
    usage = (
        "usage: single-shot PART ...\n\nFrom labelled pictures to a detector that finds objects:"
    )
    return "\n".join([usage, "", *lines, "", "`single-shot PART --help` explains each."])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a part of the command; return the exit status."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] in (["-h"], ["--help"]):
        print(overview())
        return DONE
    if words[:1] == ["--version"]:
        print(f"single-shot {version('single-shot')}")
        return DONE
    if not words or words[0] not in PARTS:
        print(overview(), file=sys.stderr)
        print(f"\nsingle-shot: {words[0]!r} is no part of it" if words else "", file=sys.stderr)
        return UNUSABLE
    try:
        part, options = parse(words)
    except KeyboardInterrupt:  # while MXNet is imported
        print("\nstopped; nothing is begun", file=sys.stderr)
        return STOPPED
    return carry_out(part, options)


def parse(words: list[str]) -> tuple[ModuleType, Namespace]:
    """Return the part that words name, a module, and its options.

    Raises SystemExit, as argparse does, for options that the part does not have.
    """
    part = import_module(f"single_shot.{words[0]}")
    parser = Parser(prog=f"single-shot {words[0]}", description=part.__doc__)
    part.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="answer as JSON, for programs")
    options = parser.parse_args(words[1:])
    options.words = words
    return part, options


def carry_out(part: ModuleType, options: Namespace) -> int:
    """Run a part and print its answer; return the exit status, see `main`."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:  # or a temporary folder stays
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        answer = part.run(options)
    except KeyboardInterrupt:
        print(f"\nstopped; {part.after_stop(options)}", file=sys.stderr)
        return STOPPED
    except InputError as error:
        complain(str(error))
        return UNUSABLE
    except OSError as error:
        place = final_name(error.filename or getattr(options, "out", ""))
        complain(
            f"{place}: {error.strerror}; make room or choose a folder that is yours to write in"
        )
        return UNUSABLE
    return say(answer, options.json)


def say(answer: Answer, as_json: bool) -> int:
    """Print an answer; return the exit status."""
    try:
        print(json.dumps(answer.content, indent=1) if as_json else answer.text, flush=True)
    except BrokenPipeError:  # who reads has had enough, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at the end
    except OSError as error:
        complain(f"standard output: {error.strerror}")
        return UNUSABLE
    return answer.status


def complain(message: str) -> None:
    """Print a message to standard error; what a name in it would do to a terminal is escaped."""
    print(*map(printable, message.split("\n")), sep="\n", file=sys.stderr)
