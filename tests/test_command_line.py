"""What the commands share: bounds on numbers, and helps that name the defaults."""

import argparse
import importlib
import re

from utils.command_line import number, seed, share

import pytest

WITHOUT_DEFAULT = {"--base-weights", "--classes", "--from", "--images", "--sets", "--train"}
COMMANDS = ("detect", "fetch", "make_data", "prepare", "train", "train_ssd300", "train_toy")


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


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_every_command_is_explained_with_its_default(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as stop:
        importlib.import_module(f"utils.{name}").main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    options = re.findall(r"^  (--[a-z-]+)( [^ ]+( [^ ]+)*)?  +(\S.*)$", text, re.MULTILINE)
    assert len(options) >= 2
    for option, value, _, explanation in options:
        stated = re.search("default|instead of|folder to make", explanation)
        assert stated or not value or option in WITHOUT_DEFAULT, (option, explanation)


@pytest.mark.parametrize("name", COMMANDS)
def test_options_are_not_shortened(name, capsys):
    with pytest.raises(SystemExit) as stop:
        importlib.import_module(f"utils.{name}").main(["--ou", "x"])
    assert stop.value.code == 2 and "usage: " in capsys.readouterr().err
