"""The command line that detects: what it writes, and what it says of files that it cannot read."""

import csv
import json

from utils import detect
from utils.make_data import DATA_ROOT
from utils.records import RecordError
from utils.video import mascot_clip, read_frames, write_frames

import cv2
import numpy as np
import pytest

MULTI = str(DATA_ROOT / "pretrained" / "toy_ssd_multi.params")


def run(source, out, *more):
    return detect.main([MULTI, str(source), "--out", str(out), *more])


def test_a_folder_gives_pictures_and_tables(tmp_path, capsys):
    assert run(DATA_ROOT / "samples", tmp_path / "out") == 0
    rows = json.loads((tmp_path / "out/detections.json").read_text())
    assert {row["class"] for row in rows} == {"frill", "sprig", "zest"}
    assert all(row["score"] >= 0.5 and row["frame"] is None for row in rows)
    assert all(0 <= row["xmin"] < row["xmax"] and row["ymax"] > 1 for row in rows)  # pixels
    with open(tmp_path / "out/detections.csv") as file:
        table = list(csv.DictReader(file))
    assert [row["class"] for row in table] == [row["class"] for row in rows]
    pictures = sorted(path.name for path in (tmp_path / "out").glob("*.png"))
    samples = sorted(path.name for path in (DATA_ROOT / "samples").glob("*.jpg"))
    assert pictures == [f"{name}.png" for name in samples]
    assert f"{len(rows)} detections in {len(samples)} files" in capsys.readouterr().out


def test_the_threshold_counts(tmp_path):
    source = DATA_ROOT / "samples" / "multi_four.jpg"
    run(source, tmp_path / "few", "--threshold", "0.8")
    run(source, tmp_path / "many", "--threshold", "0.05")
    few, many = (
        json.loads((tmp_path / name / "detections.json").read_text()) for name in ("few", "many")
    )
    assert len(few) < len(many) and min(row["score"] for row in few) >= 0.8


def test_a_film_becomes_a_film(tmp_path):
    write_frames(tmp_path / "clip.avi", mascot_clip(4), 12)
    assert run(tmp_path / "clip.avi", tmp_path / "out") == 0
    assert sum(1 for _ in read_frames(tmp_path / "out/clip.avi.avi")) == 4
    rows = json.loads((tmp_path / "out/detections.json").read_text())
    assert {row["frame"] for row in rows} == {0, 1, 2, 3}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "clip.avi.avi",
        "detections.csv",
        "detections.json",
    ]


def test_a_bad_file_is_named_and_the_others_are_done(tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "bad.png").write_bytes(b"no image")
    cv2.imwrite(str(folder / "good.png"), np.zeros((80, 60), dtype=np.uint8))
    assert run(folder, tmp_path / "out") == 1
    assert "bad.png: no whole image" in capsys.readouterr().err
    assert (tmp_path / "out/good.png.png").exists()


@pytest.mark.parametrize(
    "checkpoint, source, message",
    [("none.params", DATA_ROOT / "samples", "none.params"), (MULTI, ".", "holds no image")],
)
def test_what_cannot_run_is_said(tmp_path, monkeypatch, capsys, checkpoint, source, message):
    monkeypatch.chdir(tmp_path)
    assert detect.main([str(checkpoint), str(source)]) == 2
    assert message in capsys.readouterr().err


def test_an_absent_image_is_named(tmp_path):
    with pytest.raises(RecordError, match="none.jpg: no such file"):
        detect.read_picture(tmp_path / "none.jpg")
