"""What the parts of the command share: numbers within bounds, helps, and how they end."""

import argparse
import json
import os
import re

from single_shot.answer import Answer
from single_shot.arguments import number, program, seed, share
from single_shot.command import PARTS, carry_out, main, say
from single_shot.info import shown
from utils.files import InputError

import pytest

WITHOUT_DEFAULT = {"--classes", "--columns", "--from", "--images", "--sets"}
WITHOUT_DEFAULT |= {"--voc"}


@pytest.mark.parametrize(
    "convert, text, value",
    [
        (number(1), "1", 1),
        (number(0, kind=float), "0.5", 0.5),
        (share, "1", 1.0),
        (share, "0", 0.0),
        (seed, "2147483647", 2**31 - 1),
    ],
)
def test_numbers_within_bounds(convert, text, value):
    assert convert(text) == value


@pytest.mark.parametrize(
    "convert, text",
    [(number(1), "0"), (number(0, kind=float), "inf"), (share, "nan"), (seed, "-1")],
)
def test_numbers_out_of_bounds(convert, text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"{text} is no number from "):
        convert(text)


@pytest.mark.parametrize("name", PARTS)
def test_every_option_of_every_part_is_explained_with_its_default(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    options = re.findall(r"^  (--[a-z-]+)( [^ ]+( [^ ]+)*)?  +(\S.*)$", text, re.MULTILINE)
    assert "--json" in [option for option, *_ in options]
    for option, value, _, explanation in options:
        stated = re.search("default|instead of|folder to make", explanation)
        assert stated or not value or option in WITHOUT_DEFAULT, (option, explanation)
    assert f"    single-shot {name}" in text  # an example


@pytest.mark.parametrize("name", PARTS)
def test_options_are_not_shortened(name, capsys):
    with pytest.raises(SystemExit) as stop:
        main([name, "--js"])
    assert stop.value.code == 2 and "usage: " in capsys.readouterr().err


def test_the_command_as_a_whole_names_its_parts(capsys):
    assert main(["--help"]) == 0 and main(["-h"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name} " in shown for name in PARTS)
    assert main([]) == 2 and main(["trian"]) == 2
    assert "'trian' is no part of it" in capsys.readouterr().err
    assert main(["--version"]) == 0 and capsys.readouterr().out.startswith("single-shot 0")


class Part:
    """A part that does as it is told."""

    def __init__(self, does):
        self.does = does

    def run(self, options):
        return self.does()

    def after_stop(self, options):
        return "half is done"


@pytest.mark.parametrize(
    "error, status, said",
    [
        (InputError("a.txt: line 3: mend it"), 2, "a.txt: line 3: mend it\n"),
        (
            OSError(28, "No space left on device", "run/x"),
            2,
            "run/x: No space left on device; make",
        ),
        (InputError("a\x1b[2J.txt: no\nmend it"), 2, "a\\x1b[2J.txt: no\nmend it\n"),
        (OSError(28, "Full", "a/.x.12-34.tmp/train.rec"), 2, "a/x/train.rec: Full; make"),
        (OSError(28, "Full", "a/.x.json.12-34.tmp"), 2, "a/x.json: Full; make"),
        (OSError(28, "No space left", "\x9b2J"), 2, "\\x9b2J: No space left; make"),
        (KeyboardInterrupt(), 130, "\nstopped; half is done\n"),
    ],
)
def test_every_part_ends_in_one_way(error, status, said, capsys):
    def fail():
        raise error

    assert carry_out(Part(fail), argparse.Namespace(json=False)) == status
    captured = capsys.readouterr()
    assert captured.err.startswith(said) and not captured.out


def test_ctrl_c_while_a_part_is_imported_is_no_fault(monkeypatch, capsys):
    def stopped(name):
        raise KeyboardInterrupt

    monkeypatch.setattr("single_shot.command.import_module", stopped)
    assert main(["doctor"]) == 130
    assert capsys.readouterr().err == "\nstopped; nothing is begun\n"


def test_a_fault_of_the_program_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        carry_out(Part(lambda: 1 / 0), argparse.Namespace(json=False))


def test_a_program_gets_json_and_nothing_else(capsys):
    part = Part(lambda: Answer("for people", {"images": 3}, 1))
    assert carry_out(part, argparse.Namespace(json=True)) == 1
    assert json.loads(capsys.readouterr().out) == {"images": 3}
    assert carry_out(part, argparse.Namespace(json=False)) == 1
    assert capsys.readouterr().out == "for people\n"


def test_the_command_is_named_as_it_can_be_typed_again(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/single-shot", "train"])
    assert program() == "single-shot"
    monkeypatch.setattr("sys.argv", ["/somewhere/single_shot/__main__.py", "train"])
    assert program() == "python3 -m single_shot"


class Pipe:
    """A standard output that cannot be written to."""

    def __init__(self, error):
        self.error = error
        self.file = os.open(os.devnull, os.O_WRONLY)

    def fileno(self):
        return self.file

    def write(self, text):
        raise self.error

    def flush(self):
        pass


def test_a_reader_that_has_had_enough_is_no_fault(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout", Pipe(BrokenPipeError()))
    assert say(Answer("much", {}, 1), as_json=False) == 1
    monkeypatch.setattr("sys.stdout", Pipe(OSError(28, "No space left on device")))
    assert say(Answer("much", {}), as_json=True) == 2
    assert capsys.readouterr().err == "standard output: No space left on device\n"


def test_what_a_file_says_does_nothing_to_a_terminal():
    assert shown("x\x1b]0;title\x07") == r"x\x1b]0;title\x07" and shown(["a"]) == '["a"]'
