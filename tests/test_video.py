"""Video: what goes into a file comes out again, and what cannot be read or written is named."""

import errno
import os
import subprocess
import sys
from pathlib import Path

from single_shot.video import (
    VideoError,
    annotate_frame,
    holds_frames,
    mascot_clip,
    read_frames,
    write_frames,
)
from utils.figures.colors import class_colors

import numpy as np
import pytest
from matplotlib.colors import to_rgb


def flat(color, height=48, width=64):
    return np.full((height, width, 3), color, np.uint8)


def test_frames_come_back_in_order_and_in_rgb(tmp_path):
    colors = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    path = tmp_path / "clip.avi"
    assert write_frames(path, (flat(color) for color in colors), 12) == 3
    frames = list(read_frames(path))
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 3
    for frame, color in zip(frames, colors):
        np.testing.assert_allclose(frame.mean(axis=(0, 1)), color, atol=6)


def test_reading_takes_one_frame_at_a_time_and_closes_the_file(tmp_path, monkeypatch):
    path = tmp_path / "clip.avi"
    write_frames(path, [flat(40)] * 5, 12)
    calls = []

    class Video:
        def isOpened(self):
            return True

        def read(self):
            calls.append("read")
            return True, flat(0)

        def release(self):
            calls.append("release")

    monkeypatch.setattr("single_shot.video.cv2.VideoCapture", lambda path: Video())
    frames = read_frames(path)
    next(frames)
    assert calls == ["read"]
    frames.close()
    assert calls == ["read", "release"]


def test_reading_names_a_file_that_is_no_video(tmp_path):
    text = tmp_path / "notes.avi"
    text.write_text("not a film")
    for path in (text, tmp_path / "absent.avi"):
        with pytest.raises(VideoError, match=path.name):
            next(read_frames(path))


def test_writing_refuses_what_opencv_would_drop_without_a_word(tmp_path):
    path = tmp_path / "clip.avi"
    with pytest.raises(VideoError, match="no frames"):
        write_frames(path, [], 12)
    with pytest.raises(VideoError, match="frame 2"):
        write_frames(path, [flat(0), flat(0, width=32)], 12)
    with pytest.raises(VideoError, match="cannot be written"):
        write_frames(tmp_path / "absent" / "clip.avi", [flat(0)], 12)


@pytest.mark.parametrize("room", [200, 5000, 20_000, 60_000])
def test_a_full_disk_is_noticed_where_opencv_says_nothing(tmp_path, room):
    code = f"""
import resource
from single_shot.video import mascot_clip, write_frames
resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, resource.RLIM_INFINITY))
try:
    write_frames("clip.avi", mascot_clip(10), 12)
except OSError as error:
    print(error.errno, error.filename)
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    child = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert child.stdout == f"{errno.ENOSPC} clip.avi\n"


def test_frames_are_counted_where_the_header_does_not_say(tmp_path, monkeypatch):
    write_frames(tmp_path / "clip.avi", [flat(40)] * 5, 12)
    for count in (4, 5, 6):
        assert holds_frames(tmp_path / "clip.avi", count) == (count == 5)
    monkeypatch.setattr("single_shot.video.cv2.CAP_PROP_FRAME_COUNT", -1)  # is 0 then
    assert holds_frames(tmp_path / "clip.avi", 5) and not holds_frames(tmp_path / "clip.avi", 4)


def test_annotation_paints_a_copy_in_the_colour_of_the_class():
    frame = flat(240, 100, 100)
    rows = np.array([[1, 0.9, 20, 40, 60, 80], [0, 0.2, 70, 70, 90, 90], [-1, 0.9, 5, 70, 15, 90]])
    painted = annotate_frame(frame, rows, ["a", "b"])
    assert (frame == 240).all()
    expected = np.round(255 * np.array(to_rgb(class_colors([1])[0])))
    np.testing.assert_allclose(painted[60, 20], expected, atol=1)
    assert (painted[50:70, 30:50] == 240).all()  # the inside of the box stays as it is
    assert (painted[62:] == 240)[:, 66:].all()  # a score below the threshold
    assert (painted[65:, :17] == 240).all()  # a suppressed row


def test_annotation_of_nothing_changes_nothing():
    frame = flat(100)
    assert (annotate_frame(frame, np.zeros((0, 6)), []) == frame).all()


def test_tags_stay_inside_the_frame():
    painted = annotate_frame(flat(240, 100, 100), np.array([[0, 0.9, 5, 0, 60, 50]]), ["a"])
    assert (painted[:10, 6:20] != 240).any()


def test_clip_is_the_same_every_time_and_the_first_mascot_walks_to_the_right():
    clip, again = (list(mascot_clip(3, ["frill"])) for _ in range(2))
    assert len(clip) == 3 and all((a == b).all() for a, b in zip(clip, again))
    assert clip[0].shape == (192, 256, 3) and clip[0].dtype == np.uint8
    background = np.median(clip, axis=0)
    columns = [np.flatnonzero((abs(f - background) > 60).any(axis=(0, 2))) for f in clip]
    middles = [(changed.min() + changed.max()) / 2 for changed in columns]
    assert middles == sorted(middles) and middles[2] - middles[0] > 100
