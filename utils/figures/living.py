"""The controls of the figures that a reader moves, in a notebook as on the pages of the book.

`living.json` describes each figure once: its title, the section of the lesson that it belongs to,
its controls, and what it starts from. The scripts that draw it on a page are in
`tools/book/figures/`; a running lesson draws with the library that it teaches.
"""

import json
from pathlib import Path

import ipywidgets

DESCRIPTIONS = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))


def sliders(name: str) -> dict[str, ipywidgets.Widget]:
    """Return the controls of a figure by name, as widgets that stand where the figure starts.

    name: a figure of `living.json`. A control with options becomes a menu, a whole step a slider
    of whole numbers. Raises KeyError for a figure that is not there.
    """
    return {control["name"]: _widget(**control) for control in DESCRIPTIONS[name]["controls"]}


def _widget(name, label, value, **limits):
    if "options" in limits:
        return ipywidgets.Dropdown(value=value, description=label, **limits)
    whole = isinstance(limits["step"], int)
    slider = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
    return slider(value, description=label, **limits)
