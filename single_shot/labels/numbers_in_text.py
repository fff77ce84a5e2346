"""Numbers and other values out of files that anyone may have written."""

import math
from typing import Any

MAX_SIDE_PX = 100_000
NOT_STATED = (None, 0, "", "0")  # as the width or height of an image


def shown(value: object) -> str:
    """Return a value as it is shown in a message: its repr, cut where it is long."""
    text = repr(value[:80]) if isinstance(value, str) else repr(value) if _is_plain(value) else ""
    text = text or f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."


def class_name(value: object) -> str | None:
    """Return the name of a class in JSON without blanks around it, None where it is no name."""
    whole = _is_int(value) and not isinstance(value, bool)
    return value.strip() if isinstance(value, str) else str(value) if whole else None


def printable(text: str) -> str:
    """Return a text on one line, with what no screen shows escaped, such as `\\n` and `\\x1b`."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )


def _is_plain(value):
    """Whether a value has a short repr; a nested list may have one of any length and depth."""
    return value is None or isinstance(value, (bool, float)) or _is_int(value)


def _is_int(value):
    return isinstance(value, int) and abs(value) < 10**30


def to_number(value: Any) -> float:
    """Return a number or its text as a finite float; raise ValueError that says what it is.

    Python also takes `1_000` and `True` for numbers; no annotation format means them so.
    """
    plain = isinstance(value, (int, float, str)) and not isinstance(value, bool)
    try:
        if not plain or (isinstance(value, str) and "_" in value):
            raise ValueError
        number = float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"{shown(value)}, not a number") from None
    if not math.isfinite(number):
        raise ValueError(f"{shown(value)}, not finite")
    return number


def to_whole(value: object) -> int:
    """Return a whole number or its text as an int; raise ValueError that says what it is."""
    number = to_number(value)
    if number != int(number) or abs(number) > 2**53:
        raise ValueError(f"{shown(value)}, not a whole number")
    return int(number)


def to_side(value: object) -> int:
    """Return the width or height of an image in pixels; raise ValueError that says what it is."""
    side = to_whole(value)
    if not 1 <= side <= MAX_SIDE_PX:
        raise ValueError(f"{shown(value)}, not from 1 to {MAX_SIDE_PX}")
    return side


def to_size(width: object, height: object, repair: bool = False) -> tuple[int, int] | None:
    """Return the width and height of an image in pixels; raise ValueError that says which is wrong.

    repair: None where both are absent or 0, so that those of the image are taken.
    """
    is_stated = width not in NOT_STATED or height not in NOT_STATED
    if repair and not is_stated:
        return None
    sides = []
    for name, side in (("width", width), ("height", height)):
        try:
            sides.append(to_side(side))
        except ValueError as error:
            hint = "" if is_stated else ", or have --repair take them from the image"
            raise ValueError(f"{name} is {error}; give the image's pixels{hint}") from None
    return sides[0], sides[1]
