"""The command line that detects: what it writes, and what it says of files that it cannot read."""

import csv
import json
import os
import shutil
from pathlib import Path

from data import DATA_ROOT
from single_shot import detect
from single_shot.command import main
from single_shot.detect import is_cut_off
from single_shot.files import locked, sha256
from single_shot.labels.pictures import read_picture
from single_shot.video import FilmFacts, film_facts, mascot_clip, read_frames, write_frames

import cv2
import numpy as np
import pytest
from PIL import Image

MULTI = str(DATA_ROOT / "pretrained" / "toy_ssd_multi.params")


GOOD = DATA_ROOT / "samples" / "single_three.jpg"


def run(source, out, *more):
    return main(["detect", MULTI, str(source), "--out", str(out), *more])


def table_of(out):
    return json.loads((out / "detections.json").read_text())


def folder_with(tmp_path, **pictures):
    """Return a folder with a good picture before and behind others, (width, height) by name."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.jpg", "z.jpg"):
        shutil.copy(GOOD, folder / name)
    for name, size in pictures.items():
        Image.new("RGB", size, (200, 30, 30)).save(folder / f"{name}.png")
    return folder


def test_a_folder_gives_pictures_and_tables(tmp_path, capsys):
    assert run(DATA_ROOT / "samples", tmp_path / "out") == 0
    content = table_of(tmp_path / "out")
    rows = content["detections"]
    assert content["checkpoint_sha256"] == sha256(MULTI) and content["threshold"] == 0.5
    assert content["class_names"] == ["frill", "sprig", "zest"] and content["image_size"] == 128
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
    assert [file["file"] for file in content["files"]] == samples
    assert sum(file["found"] for file in content["files"]) == len(rows)
    assert 0 in [file["found"] for file in content["files"]]  # what shows nothing is there too


def test_the_threshold_counts(tmp_path):
    source = DATA_ROOT / "samples" / "multi_four.jpg"
    run(source, tmp_path / "few", "--threshold", "0.8")
    run(source, tmp_path / "many", "--threshold", "0.05")
    few, many = (table_of(tmp_path / name)["detections"] for name in ("few", "many"))
    assert len(few) < len(many) and min(row["score"] for row in few) >= 0.8


def test_a_film_becomes_a_film(tmp_path):
    write_frames(tmp_path / "clip.avi", mascot_clip(4), 12)
    assert run(tmp_path / "clip.avi", tmp_path / "out") == 0
    assert sum(1 for _ in read_frames(tmp_path / "out/clip.avi.avi")) == 4
    rows = table_of(tmp_path / "out")["detections"]
    assert {row["frame"] for row in rows} == {0, 1, 2, 3}
    assert sorted(path.name for path in (tmp_path / "out").glob("[!.]*")) == [
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
    assert main(["detect", str(checkpoint), str(source)]) == 2
    assert message in capsys.readouterr().err


def test_results_are_never_written_over_the_images(tmp_path, capsys):
    folder = folder_with(tmp_path)
    assert run(folder, folder) == 2
    assert "in: holds the images; choose another folder for the results (--out)" in (
        capsys.readouterr().err
    )
    assert sorted(path.name for path in folder.iterdir()) == ["a.jpg", "z.jpg"]
    assert run(folder, tmp_path) == 0  # above them: nothing of theirs is written over
    assert [file["file"] for file in table_of(tmp_path)["files"]] == ["a.jpg", "z.jpg"]


def test_an_option_without_use_is_refused(tmp_path, capsys):
    assert run(GOOD, tmp_path / "out", "--calibrate", "nowhere") == 2
    assert "--calibrate is for --engine mxnet-int8; leave it out" in capsys.readouterr().err


@pytest.mark.parametrize(
    "size", [(3000, 5), (1, 1), (2, 2), (1, 3000)], ids=["thin", "one", "two", "tall"]
)
def test_a_picture_of_any_size_costs_no_other_its_result(tmp_path, size):
    assert run(folder_with(tmp_path, b=size), tmp_path / "out", "--threshold", "0.01") == 0
    with Image.open(tmp_path / "out/b.png.png") as picture:
        shrink = min(1, 2000 / max(size))
        assert picture.size == tuple(max(1, round(side * shrink)) for side in size)
    files = table_of(tmp_path / "out")["files"]
    assert [file["file"] for file in files] == ["a.jpg", "b.png", "z.jpg"]
    assert files[0]["found"] == files[2]["found"] > 0 and files[1]["size_px"] == list(size)


def test_pictures_show_the_boxes_and_can_be_left_out(tmp_path):
    source = DATA_ROOT / "samples" / "multi_three.jpg"
    assert run(source, tmp_path / "out") == 0
    before = np.asarray(Image.open(source).convert("RGB")).astype(int)
    after = np.asarray(Image.open(tmp_path / "out/multi_three.jpg.png").convert("RGB")).astype(int)
    painted = (abs(after - before) > 0).any(axis=2)
    row = table_of(tmp_path / "out")["detections"][0]
    left, top, right, bottom = (round(row[name]) for name in ("xmin", "ymin", "xmax", "ymax"))
    assert painted[top : bottom + 1, left].all() and painted[bottom, left : right + 1].all()
    assert not painted[top + 5 : bottom - 5, left + 5 : right - 5].all()
    assert run(source, tmp_path / "tables", "--no-pictures") == 0
    assert sorted(path.name for path in (tmp_path / "tables").glob("[!.]*")) == [
        "detections.csv",
        "detections.json",
    ]


def test_a_picture_that_cannot_be_written_stops_the_run_in_words(tmp_path, monkeypatch, capsys):
    def no_room(path, image):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(detect, "write_image", no_room)
    assert run(folder_with(tmp_path), tmp_path / "out") == 2
    assert "No space left on device" in capsys.readouterr().err
    assert len(table_of(tmp_path / "out")["files"]) == 2  # the tables are kept


def test_an_absurd_size_costs_no_other_its_result(tmp_path, capsys):
    folder = folder_with(tmp_path)
    content = bytearray(GOOD.read_bytes())
    start = content.index(b"\xff\xc0") + 5  # height and width of a baseline JPEG
    content[start : start + 4] = (65500).to_bytes(2, "big") * 2
    (folder / "b.jpg").write_bytes(content)
    assert run(folder, tmp_path / "out") == 1
    files = table_of(tmp_path / "out")["files"]
    assert [("error" in file, file["file"]) for file in files] == [
        *((False, "a.jpg"), (True, "b.jpg"), (False, "z.jpg"))
    ]
    assert "b.jpg" in files[1]["error"] and files[1]["error"] in capsys.readouterr().err


def test_a_name_that_is_no_utf8_gets_into_both_tables(tmp_path):
    folder = folder_with(tmp_path)
    shutil.copy(GOOD, os.fsencode(folder) + b"/caf\xe9.jpg")
    assert run(folder, tmp_path / "out") == 0
    assert "caf\udce9.jpg" in [file["file"] for file in table_of(tmp_path / "out")["files"]]
    assert "caf\\udce9.jpg" in (tmp_path / "out/detections.csv").read_text()


def test_folders_within_folders_keep_their_names_apart(tmp_path):
    folder = folder_with(tmp_path)
    (folder / "more").mkdir()
    shutil.copy(GOOD, folder / "more" / "a.jpg")
    for _ in range(2):  # the second time results are in the way
        assert run(folder, folder / "out") == 0
    names = [file["file"] for file in table_of(folder / "out")["files"]]
    assert names == ["a.jpg", "more/a.jpg", "z.jpg"]
    assert (folder / "out/more/a.jpg.png").exists() and (folder / "out/a.jpg.png").exists()


@pytest.mark.parametrize("rate", [7.5, 60])
def test_a_film_keeps_its_rate(tmp_path, rate):
    write_frames(tmp_path / "clip.avi", mascot_clip(3), rate)
    assert run(tmp_path / "clip.avi", tmp_path / "out") == 0
    assert film_facts(tmp_path / "out/clip.avi.avi") == ((256, 192), rate, 3)


def test_a_film_that_is_cut_off_is_told_and_its_beginning_kept(tmp_path, capsys):
    write_frames(tmp_path / "clip.avi", mascot_clip(12), 12)
    content = (tmp_path / "clip.avi").read_bytes()
    (tmp_path / "clip.avi").write_bytes(content[: len(content) // 2])
    assert run(tmp_path / "clip.avi", tmp_path / "out") == 1
    message = capsys.readouterr().err
    assert "clip.avi: ends after" in message and "of 12 frames" in message
    kept = film_facts(tmp_path / "out/clip.avi.avi").num_frames
    assert 0 < kept < 12
    files = table_of(tmp_path / "out")["files"]
    assert files[0]["frames"] == kept and "ends after" in files[1]["error"]


def test_sound_that_outlasts_the_frames_is_no_cut():
    facts = FilmFacts((64, 48), 25.0, 57)  # 50 frames of 25 a second, and 0.3 s of sound more
    assert not is_cut_off(Path("a.mkv"), 50, facts) and is_cut_off(Path("a.mkv"), 20, facts)
    assert is_cut_off(Path("a.avi"), 56, facts) and not is_cut_off(Path("a.avi"), 57, facts)


def test_a_film_without_frames_is_named_as_its_user_names_it(tmp_path, capsys):
    video = cv2.VideoWriter(
        str(tmp_path / "empty.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48)
    )
    video.release()
    assert run(tmp_path / "empty.avi", tmp_path / "out") == 1
    message = capsys.readouterr().err
    assert "empty.avi: no" in message and ".part" not in message


def test_what_was_found_before_ctrl_c_is_kept(tmp_path, capsys, monkeypatch):
    def stopped_at_z(path):
        if path.name == "z.jpg":
            raise KeyboardInterrupt
        return read_picture(path)

    monkeypatch.setattr(detect, "read_picture", stopped_at_z)
    assert run(folder_with(tmp_path), tmp_path / "out") == 130
    assert [file["file"] for file in table_of(tmp_path / "out")["files"]] == ["a.jpg"]
    assert "stopped; what was found so far is in" in capsys.readouterr().err


def test_two_runs_into_one_folder_are_refused(tmp_path, capsys):
    with locked(tmp_path / "out" / detect.TABLES):
        assert run(GOOD, tmp_path / "out") == 2
    assert "another process is at work there" in capsys.readouterr().err
    assert not (tmp_path / "out/detections.json").exists()
    assert run(GOOD, tmp_path / "out") == 0


def test_a_film_for_which_there_is_no_room_is_named_as_its_user_finds_it(
    tmp_path, capsys, monkeypatch
):
    write_frames(tmp_path / "clip.avi", mascot_clip(2), 12)
    monkeypatch.setattr("single_shot.video.holds_frames", lambda path, count: False)
    assert run(tmp_path / "clip.avi", tmp_path / "out") == 2
    message = capsys.readouterr().err
    assert "out/clip.avi.avi: No space left on device; make room" in message
    assert not list((tmp_path / "out").glob("*.avi"))


def test_a_folder_that_cannot_be_written_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run(GOOD, tmp_path / "file") == 2
    assert f"{tmp_path}/file" in capsys.readouterr().err


@pytest.mark.parametrize("threshold", ["7", "-0.1", "nan", "inf", "half"])
def test_a_threshold_that_is_no_share_is_refused(tmp_path, capsys, threshold):
    with pytest.raises(SystemExit) as stop:
        run(GOOD, tmp_path / "out", f"--threshold={threshold}")
    assert stop.value.code == 2 and "--threshold" in capsys.readouterr().err


def test_hidden_files_are_neither_pictures_nor_films(tmp_path):
    folder = folder_with(tmp_path)
    for name in ("._a.jpg", "._film.mp4", ".thumbs/b.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"\0\5\x16\7")
    assert run(folder, tmp_path / "out", "--no-pictures") == 0
    assert [file["file"] for file in table_of(tmp_path / "out")["files"]] == ["a.jpg", "z.jpg"]
