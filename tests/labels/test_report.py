"""The report: every finding in it, the worst drawn, even where a box cannot be."""

import json
from pathlib import Path

from single_shot.labels.annotations import Finding
from single_shot.labels.report import (
    GROUND,
    PICTURES,
    REPORT_FILES,
    draw_findings,
    summary,
    write_report,
)

import pytest
from label_files import write_images
from matplotlib.patches import Rectangle

from tests.figure_texts import unreadable


@pytest.fixture
def findings(tmp_path):
    images = write_images(tmp_path / "images", 3)
    file = Path("a.csv")
    return [
        Finding("rounded edges", "a.csv: 2 boxes", file),
        Finding("zero area", "line 1: zero-area", file, 1, images / "0.jpg", (0.5, 0.2, 0.5, 0.8)),
        Finding(
            "out of range", "line 2: leaves", file, 2, images / "1.jpg", (-9.0, 0.2, 40.0, 0.8)
        ),
        Finding("reversed", "line 3: reversed", file, 3, images / "1.jpg", (0.9, 0.8, 0.1, 0.2)),
        Finding(
            "zero area", "line 4: infinite", file, 4, images / "1.jpg", (0, 0, float("inf"), 1)
        ),
        Finding("image missing", "no image z.jpg", file, None, images / "z.jpg", (0, 0, 1, 1)),
    ]


def test_all_findings_are_in_the_files(tmp_path, findings):
    write_report(tmp_path, findings)
    assert all((tmp_path / name).stat().st_size for name in REPORT_FILES)
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["counts"]["zero area"] == 2 and len(content["findings"]) == 6
    assert content["findings"][1] == {
        "kind": "zero area",
        "fault": True,
        "file": "a.csv",
        "object": 1,
        "image": str(findings[1].image),
        "box": [0.5, 0.2, 0.5, 0.8],
        "message": "line 1: zero-area",
    }
    assert content["findings"][4]["box"] is None
    text = (tmp_path / "report.txt").read_text()
    assert all(str(finding) in text for finding in findings)


def test_the_images_with_most_faults_are_drawn_first(findings):
    figure = draw_findings(findings)
    assert [ax.get_title() for ax in figure.axes] == ["1.jpg", "0.jpg"]
    tags = [[text.get_text() for text in ax.texts] for ax in figure.axes]
    assert tags == [["2: out of range", "3: reversed"], ["1: zero area"]]
    frames = [p for p in figure.axes[0].patches if isinstance(p, Rectangle)]
    assert [frame.get_bbox().bounds for frame in frames] == [
        pytest.approx((0, 192, 600, 216)),  # of 600 pixels, of which the image has the middle 480
        pytest.approx((108, 192, 384, 216)),
    ]


def test_a_box_beyond_its_image_is_seen(tmp_path):
    images = write_images(tmp_path, 5)
    boxes = [(0.1, 0.2, 0.5, 0.6)] * 4 + [(1.03, 0.3, 1.1, 0.5)]
    found = [
        Finding("outside image", "", Path("a"), k, images / f"{k}.jpg", box)
        for k, box in enumerate(boxes)
    ]
    figure = draw_findings(found, inches=2)
    assert unreadable(figure) == [] and tuple(figure.get_size_inches())[0] == 6
    (frame,) = (p for p in figure.axes[4].patches if isinstance(p, Rectangle))
    assert frame.get_bbox().x0 > 60 + 480 and frame.get_bbox().x1 < 600
    ground = figure.axes[4].images[0].get_array()
    assert (ground[:, 545:] == GROUND).all() and (ground[300, 70:530] != GROUND).any()


def test_nothing_to_draw_is_no_picture(tmp_path, findings):
    assert draw_findings(findings[:1] + findings[4:]) is None
    write_report(tmp_path, findings[:1])
    assert not (tmp_path / "findings.png").exists()


def test_a_few_pictures_stand_for_many(tmp_path):
    images = write_images(tmp_path, PICTURES + 3)
    found = [
        Finding("zero area", "", Path("a"), k, images / f"{k}.jpg", (0, 0, 0, 1))
        for k in range(PICTURES + 3)
    ]
    assert len(draw_findings(found).axes) == PICTURES


def test_the_summary_counts_and_puts_faults_first(findings):
    lines = summary(findings, 3).splitlines()
    assert lines[0] == "     2  zero area"
    assert lines[-4:] == ["line 1: zero-area", "line 2: leaves", "line 3: reversed", "and 3 more"]
    assert summary(findings).splitlines()[-1] == "note: a.csv: 2 boxes"
    assert summary([]) == "Nothing to mend."
