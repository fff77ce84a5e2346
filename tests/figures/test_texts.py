"""Names of any language and with any sign are drawn or escaped, and never end a program."""

import warnings

from single_shot.video import annotate_frame
from utils.figures import drawing, texts

import numpy as np
import pytest
from matplotlib.figure import Figure

NAMES = [
    *("$1_$2", "bill $5$", r"\frac{", "a_b^c", 'say "hi"', "it's", "two\nlines", "tab\there"),
    *("苹果", "яблоко", "تفاحة", "सेब", "🍎", "\ud800", "a" * 80),
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_is_drawn_without_a_warning(name):
    image = np.full((40, 60, 3), 90, dtype=np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax = drawing.show_labels(image, [[0, 0.1, 0.1, 0.6, 0.6]], [name], title=name[:30])
        assert drawing.to_png(ax.figure).startswith(b"\x89PNG")
        frame = annotate_frame(image, np.array([[0, 0.9, 5, 5, 40, 30]]), [name])
    assert frame.shape == image.shape and (frame != image).any()


def test_what_no_font_has_is_escaped(monkeypatch):
    monkeypatch.setattr(texts, "font_families", lambda: ("DejaVu Sans",))
    assert texts.drawable("apple яблоко\n$") == "apple яблоко\n$"
    assert texts.drawable("苹果 🍎") == r"\u82f9\u679c \U0001f34e"


def test_powers_of_ten_on_an_axis_stay_formulas():
    ax = Figure().subplots()
    ax.plot([1, 1000], [1, 1000])
    ax.set(xscale="log", title="$5 and $6")
    drawing.to_png(ax.figure)
    assert ax.title.get_parse_math() is False
    ticks = [label for label in ax.get_xticklabels() if "mathdefault" in label.get_text()]
    assert ticks and all(label.get_parse_math() for label in ticks)


def test_a_font_that_has_all_signs_is_taken_for_films():
    assert texts.font_file("apple").endswith("DejaVuSans.ttf")
    assert texts.font_file("\ue000").endswith("DejaVuSans.ttf")  # of no language: none has it
