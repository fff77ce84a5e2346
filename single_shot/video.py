"""Video files: read and write them frame by frame, draw detections on frames, make a clip.

A frame is (H, W, 3) uint8 RGB. Frames come from generators, so that a film of any length needs the
memory of one frame. Files are Motion JPEG in .avi, which OpenCV writes and reads without a codec
of the system.
"""

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from data.compositing import load_photograph
from data.mascots import MASCOTS, render
from utils.detection import DISPLAY_THRESHOLD
from utils.figures.colors import class_colors
from utils.figures.texts import drawable, font_file
from utils.files import InputError

import cv2
import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw, ImageFont
from scipy.spatial.transform import Rotation

CODEC = "MJPG"
TAG_FONT_PX = 12
LIGHT = np.array([0.4, 0.5, 0.77])  # from the upper right, in front of the scene


class VideoError(InputError):
    """A video that cannot be read or written; the message names the file and the fix."""


def read_frames(path: Path) -> Iterator[np.ndarray]:
    """Yield the frames of a video file, one after the other.

    path: any file that OpenCV can decode. Yields (H, W, 3) uint8 RGB arrays.
    Raises VideoError where the file is missing or OpenCV cannot decode it.
    """
    video = cv2.VideoCapture(str(path))
    try:
        if not video.isOpened():
            raise VideoError(f"{path}: no video that OpenCV can read; is the path right?")
        found, frame = video.read()
        while found:
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            found, frame = video.read()
    finally:
        video.release()


class FilmFacts(NamedTuple):
    """What the header of a video file says."""

    size_px: tuple  # width and height
    frames_per_second: float
    num_frames: int  # about; 0 where the file does not say


def film_facts(path: Path) -> FilmFacts:
    """Return the FilmFacts of a video file.

    Raises VideoError where OpenCV cannot decode it or it has no rate.
    """
    video = cv2.VideoCapture(str(path))
    try:
        if not video.isOpened():
            raise VideoError(f"{path}: no video that OpenCV can read; is the path right?")
        names = "FRAME_WIDTH", "FRAME_HEIGHT", "FRAME_COUNT", "FPS"
        width, height, count, rate = (video.get(getattr(cv2, f"CAP_PROP_{n}")) for n in names)
    finally:
        video.release()
    if not 0 < rate < 1000:
        raise VideoError(f"{path}: {rate:g} frames a second; save the film again")
    return FilmFacts((int(width), int(height)), rate, max(0, int(count)))


def write_frames(path: Path, frames: Iterable[np.ndarray], frames_per_second: float) -> int:
    """Write frames to a video file as they come; return how many there were.

    path: of an .avi file; frames: iterable of (H, W, 3) uint8 RGB arrays of one size.
    Raises VideoError where there is no frame, a frame has another size, or OpenCV cannot write;
    OSError where the disk has not taken them all.
    """
    video, size, count = cv2.VideoWriter(), None, 0
    try:
        for count, frame in enumerate(frames, start=1):
            size = size or frame.shape
            if frame.shape != size:  # OpenCV would drop it without a word
                raise VideoError(f"{path}: frame {count} is {frame.shape}, the first is {size}")
            if not video.isOpened():
                width_height = frame.shape[1::-1]
                codec = cv2.VideoWriter.fourcc(*CODEC)
                if not video.open(str(path), codec, frames_per_second, width_height):
                    raise VideoError(
                        f"{path}: cannot be written; name an .avi in a folder of yours"
                    )
            video.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    finally:
        video.release()
    if count == 0:
        raise VideoError(f"{path}: no frames to write")
    # OpenCV does not notice when the disk refuses bytes.
    if not (is_whole(path) and holds_frames(path, count)):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    return count


def is_whole(path: Path) -> bool:
    """Return whether an .avi file is as long as its parts, each behind a name and a size, say."""
    end, place = os.path.getsize(path), 0
    with open(path, "rb") as file:
        while place < end:
            file.seek(place + 4)
            place += 8 + int.from_bytes(file.read(4), "little")
    return place == end > 0


def holds_frames(path: Path, count: int) -> bool:
    """Return whether a video file holds as many frames; they are counted if the header differs."""
    video = cv2.VideoCapture(str(path))
    try:
        if video.get(cv2.CAP_PROP_FRAME_COUNT) == count:
            return True
        return sum(1 for _ in iter(video.grab, False)) == count
    finally:
        video.release()


@lru_cache(maxsize=32)  # each keeps a file open
def loaded_font(path: str, size_px: int) -> ImageFont.FreeTypeFont:
    """Return a font; reading its file takes longer than painting a picture's tags."""
    return ImageFont.truetype(path, size_px)


def annotate_frame(
    frame: np.ndarray,
    detections_px: np.ndarray,
    class_names: Sequence[str],
    threshold: float = DISPLAY_THRESHOLD,
) -> np.ndarray:
    """Return a copy of a frame with boxes, class names and scores painted into its pixels.

    frame: (H, W, 3) uint8 RGB; detections_px: (D, 6) rows `[class_id, score, xmin, ymin, xmax,
    ymax]` in pixels; those below the threshold are left out. A box has the colour of its class;
    lines and letters grow with the frame.
    """
    canvas = Image.fromarray(frame)
    draw = ImageDraw.Draw(canvas)
    font_px = max(TAG_FONT_PX, min(frame.shape[:2]) // 30)
    line_px = max(2, min(frame.shape[:2]) // 200)
    for class_id, score, *box_px in reversed(detections_px):  # the best last, on top
        if class_id < 0 or score < threshold:
            continue
        left, top, right, bottom = np.round(box_px).astype(int).tolist()
        red, green, blue = (round(255 * part) for part in to_rgb(class_colors([int(class_id)])[0]))
        text = drawable(f"{class_names[int(class_id)]} {score:.2f}").replace("\n", "\\n")
        font = loaded_font(font_file(text), font_px)
        width = round(draw.textlength(text, font))
        # The tag stays inside the frame.
        base, start = max(top, font_px + 4), max(0, min(left, frame.shape[1] - width - 5))
        color = red, green, blue
        draw.rectangle((left, top, max(left, right), max(top, bottom)), None, color, line_px)
        draw.rectangle((start, base - font_px - 4, start + width + 4, base), color)
        draw.text((start + 2, base - 2), text, (255,) * 3, font, anchor="lb")
    return np.asarray(canvas).copy()


def mascot_clip(
    num_frames: int,
    class_names: Sequence[str] = ("frill", "zest"),
    size_px: tuple[int, int] = (256, 192),
) -> Iterator[np.ndarray]:
    """Yield the frames of a clip in which mascots cross a held-out photograph, turning as they go.

    class_names: the mascots, the first from the left, the next from the right and so on, each at
    a height of its own. size_px: width and height. No chance is involved.
    """
    width, height = size_px
    photograph = load_photograph("skimage", "data/rocket.jpg")
    background = cv2.resize(photograph, size_px, interpolation=cv2.INTER_AREA) / np.float32(255)
    for time in np.linspace(0, 1, num_frames):
        frame = background.copy()
        for lane, name in enumerate(class_names):
            turn = Rotation.from_euler("xy", (10, 60 * time - 30), degrees=True).as_matrix()
            sprite = render(MASCOTS[name], turn, LIGHT / np.linalg.norm(LIGHT), 0.42 * height)
            along = time if lane % 2 == 0 else 1 - time
            left = round(along * (width - sprite.shape[1]))
            top = round((lane + 0.5) / len(class_names) * (height - sprite.shape[0]))
            place = np.s_[top : top + sprite.shape[0], left : left + sprite.shape[1]]
            frame[place] = frame[place] * (1 - sprite[..., 3:]) + sprite[..., :3]
        yield np.round(255 * frame.clip(0, 1)).astype(np.uint8)
