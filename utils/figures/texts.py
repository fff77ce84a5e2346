"""Texts of any language and with any sign in figures: drawn by a font that has them, or escaped."""

from functools import cache

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text

# Fonts for what Matplotlib's own has not, of Linux, macOS and Windows; those count that are there.
FALLBACKS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Zen Hei"),
    *("WenQuanYi Micro Hei", "PingFang SC", "Hiragino Sans", "Microsoft YaHei", "SimHei"),
    *("Malgun Gothic", "Arial Unicode MS", "Noto Sans Devanagari", "Noto Sans Thai", "Symbola"),
)


@cache
def font_families() -> tuple[str, ...]:
    """Return Matplotlib's own font and those of FALLBACKS that this machine has."""
    known = set(font_manager.get_font_names())
    return "DejaVu Sans", *(name for name in FALLBACKS if name in known)


@cache
def has_sign(family: str, sign: str) -> bool:
    """Return whether a font has a character."""
    font = font_manager.get_font(font_manager.findfont(family))
    return bool(font.get_char_index(ord(sign)))


def drawable(text: str) -> str:
    """Return a text in which what no font has is escaped, such as `\\u82f9`."""
    return "".join(
        sign
        if sign == "\n" or any(has_sign(family, sign) for family in font_families())
        else sign.encode("unicode_escape").decode()
        for sign in text
    )


def font_file(text: str) -> str:
    """Return the path of the first font that has all characters of a text, or Matplotlib's own."""
    families = font_families()
    fits = (name for name in families if all(has_sign(name, sign) for sign in text))
    return font_manager.findfont(next(fits, families[0]))


def make_plain(figure: Figure) -> None:
    """Have all texts of a figure drawn sign by sign: a dollar opens no formula.

    Only the powers of ten that Matplotlib writes on axes are formulas.
    """
    axes = [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]
    formulas = {axis.get_offset_text() for axis in axes}
    formulas |= {t for a in axes if a.get_scale() == "log" for t in a.get_ticklabels(which="both")}
    for text in figure.findobj(Text):
        if text not in formulas:
            text.set_parse_math(False)
            text.set_fontfamily(font_families())
            text.set_text(drawable(text.get_text()))
