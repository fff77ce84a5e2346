"""Numbers in files: read as they are meant, or refused with their text."""

from single_shot.labels.numbers_in_text import printable, shown, to_number, to_side, to_whole

import pytest


@pytest.mark.parametrize("value, number", [(3, 3), (" 2.5 ", 2.5), ("-1e2", -100), (0.0, 0)])
def test_numbers_and_their_texts_are_read(value, number):
    assert to_number(value) == number


@pytest.mark.parametrize(
    "value", ["", "one", "1_000", True, None, [1], {"a": 1}, "nan", float("inf"), "1e999", 10**400]
)
def test_anything_else_is_refused_and_shown(value):
    with pytest.raises(ValueError, match="not a number|not finite") as caught:
        to_number(value)
    assert len(str(caught.value)) < 120


def test_whole_numbers_and_sides():
    assert to_whole("7.0") == 7 and to_side("640") == 640
    for function, value in ((to_whole, 1.5), (to_whole, 1e300), (to_side, 0), (to_side, 100_001)):
        with pytest.raises(ValueError, match="not a whole number|not from 1 to 100000"):
            function(value)


def test_what_is_shown_stays_short():
    deep = []
    for _ in range(10_000):
        deep = [deep]
    assert shown(deep) == "a list" and shown("cat") == "'cat'" and shown(None) == "None"
    assert len(shown("a" * 1000)) <= 80 and shown(10**5000) == "a int"


def test_what_no_screen_shows_is_escaped():
    assert printable("a\nb\x1b[31m\u202e\udce9 $ 苹果") == r"a\nb\x1b[31m\u202e\udce9 $ 苹果"
