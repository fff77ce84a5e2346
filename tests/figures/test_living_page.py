"""The figures that a reader moves, in a browser: by keyboard, mouse and finger, in both themes."""

import json

from utils.boxes import box_iou, center_to_corner
from utils.figures import living

import pytest
from browser import needs_browser, seen_by
from living_scripts import NAMES, SCRIPTS, said
from mxnet import nd

PAGE = """<!DOCTYPE html><html lang="en" data-theme="light"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Living figures</title>
<link rel="stylesheet" href="{folder}/figures.css">
<style>html[data-theme="dark"] body {{ background: #14181e; color: #ced6dd }}</style></head>
<body><main><h1>Living figures</h1>{places}</main>{scripts}</body></html>"""
PLACE = (
    '<div class="living-figure" data-figure="{name}">'
    '<script type="application/json">{description}</script></div>'
)
# Ways of a hand, in the 340 units of a drawing, and what the controls must have afterwards.
DRAGS = {
    "iou": ([170, 170], [202, 186], {"x": 0.6, "y": 0.55, "width": 0.5, "height": 0.5}),
    "anchors": ([100, 100], [94, 94], {"cell": 0}),
    "matching": ([135, 112], [170, 170], {"x": 0.5, "y": 0.5}),
    "losses": ([117, 100], [60, 100], {"p": 0.24, "error": 0.5}),
    "precision_recall": ([50, 322], [300, 322], {"score": 0.12}),
}


def write_page(folder):
    """Write a page with all figures, as the book has them; return its address."""
    places = "".join(
        PLACE.format(name=name, description=json.dumps(each))
        for name, each in living.DESCRIPTIONS.items()
    )
    scripts = "".join(
        f'<script defer src="{SCRIPTS.as_uri()}/{name}.js"></script>' for name in ("common", *NAMES)
    )
    page = folder / "index.html"
    page.write_text(PAGE.format(folder=SCRIPTS.as_uri(), places=places, scripts=scripts))
    return page.as_uri()


def read(values):
    """Return the values of controls from their texts."""
    return {key: text if key == "mode" else float(text) for key, text in values.items()}


def check_keyboard(stops):
    """Check that Tab reaches every control, that it shows, and that keys move what is said."""
    ids = [
        f"living-{name}-{control['name']}"
        for name, each in living.DESCRIPTIONS.items()
        for control in each["controls"]
    ]
    assert [stop["id"] for stop in stops] == ids
    for name in NAMES:
        of_figure = [stop for stop in stops if stop["figure"] == name]
        values = [read(stop["values"]) for stop in of_figure]
        assert [stop["says"] for stop in of_figure] == said(name, values)
        assert len({of_figure[0]["before"], *(stop["says"] for stop in of_figure)}) > 2
    for stop in stops:
        assert stop["outlined"] and stop["label"] and stop["values"] != {}
        key = stop["id"].rpartition("-")[2]
        assert stop["values"][key] != stop["value"]


def check_iou(stops):
    """Check the number that is said against the library's."""
    fixed = nd.array([living.DESCRIPTIONS["iou"]["data"]["fixed"]])
    for stop in stops:
        moved = center_to_corner(nd.array([[*read(stop["values"]).values()]]))
        iou = box_iou(fixed, moved).asscalar()
        assert abs(float(stop["says"].split()[1].rstrip(":")) - iou) < 6e-4


@needs_browser
def test_figures_work_by_keyboard_mouse_and_finger(tmp_path):
    drags = [{"figure": name, "from": each[0], "to": each[1]} for name, each in DRAGS.items()]
    job = {"url": write_page(tmp_path), "drags": drags}
    job["keys"] = ["ArrowRight"] * 5
    seen = seen_by("drive_figures.cjs", job, tmp_path)
    assert seen["troubles"] == []
    check_keyboard(seen["keyboard"])
    check_iou([stop for stop in seen["keyboard"] if stop["figure"] == "iou"])
    assert len(seen["drags"]) == 2 * len(DRAGS)
    for drag in seen["drags"]:
        moved = {key: float(drag["values"][key]) for key in DRAGS[drag["figure"]][2]}
        assert moved == pytest.approx(DRAGS[drag["figure"]][2], abs=0.02), drag
        assert drag["still"] and drag["says"] == said(drag["figure"], [read(drag["values"])])[0]
    for look in seen["looks"]:
        assert look["violations"] == [], look
        assert look["passes"] > 20 and look["wide"] <= look["width"]
