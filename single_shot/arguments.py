"""What the commands have in common: numbers within bounds, and a help that names the defaults."""

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path


def program() -> str:
    """Return how the command is called here: outside .venv, its name alone is not found."""
    name = "single-shot"
    return name if Path(sys.argv[0]).name == name else "python3 -m single_shot"


class _Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Names the default of every option that has one."""

    def _get_help_string(self, action):
        if action.default in (None, False, argparse.SUPPRESS) or action.default == []:
            return action.help
        return super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """A parser of arguments whose help names defaults; options cannot be shortened."""

    def __init__(self, **options) -> None:
        super().__init__(formatter_class=_Formatter, allow_abbrev=False, **options)


def number(least: float, most: float = math.inf, kind: type = int) -> Callable[[str], float]:
    """Return a converter of command line texts that refuses numbers out of bounds, and no number.

    least, most: both are allowed, but infinity is not; kind: int or float.
    """

    def convert(text):
        value = kind(text)
        if not (least <= value <= most and math.isfinite(value)):
            bounds = f"from {least:g} on" if most == math.inf else f"from {least:g} to {most:g}"
            raise argparse.ArgumentTypeError(f"{text} is no number {bounds}")
        return value

    convert.__name__ = "whole number" if kind is int else "number"  # in argparse's own message
    return convert


seed = number(0, 2**31 - 1)
share = number(0, 1, float)
