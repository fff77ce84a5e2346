"""Whether exported files find what their detectors find: all networks, many pictures, odd ones.

    python benchmarks/parity.py [--pictures 200] [CHECKPOINT ...]

Half of the pictures are from the held-out split of each embedded set; 50 more are of odd sizes, of
1 x 1 to 4000 x 20 pixels, grey, with a palette, with alpha, and turned by EXIF. The networks are
the two trained detectors, every CHECKPOINT, and with random weights SSDLite (on ImageNet's base),
SSD300 and SSD512 (narrow). Exit status 1 if a detection has no partner and no tie explains it.
"""

import argparse
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import utils  # noqa: F401  before MXNet
from data import DATA_ROOT, open_preset
from single_shot.export_checks import SCORE_TOLERANCE
from single_shot.labels.pictures import RecordedImage, read_picture
from single_shot.onnx_graph import build
from single_shot.onnx_runtime import OnnxDetector
from single_shot.weights import begin_with_imagenet
from utils import ssdlite
from utils.average_precision import pairwise_iou
from utils.comparison import pair_detections
from utils.context import seed_everything
from utils.detection import (
    DISPLAY_THRESHOLD,
    MAX_DETECTIONS,
    NMS_CANDIDATES,
    NMS_THRESHOLD,
    SCORE_THRESHOLD,
    Detector,
    detect,
    load_detector,
    pixel_scale,
    preprocess,
)
from utils.networks import build_network, describe_ssd, describe_ssdlite

import numpy as np
from mxnet import nd
from PIL import Image
from report import machine, table

PRESETS = ("multi", "single")
NAMES = tuple("abcdefg")  # of the classes of random detectors
# Width and height in pixels; the sides of the networks among them, and what is just beside them.
SIZES = (
    *((1, 1), (1, 2), (2, 1), (3, 3), (7, 5), (1, 4000), (4000, 1), (20, 4000), (4000, 20)),
    *((64, 64), (127, 129), (128, 128), (129, 127), (128, 300), (256, 256), (255, 257), (300, 300)),
    *((299, 301), (512, 512), (513, 511), (600, 600), (1024, 1024), (90, 300), (300, 90), (900, 7)),
    *((500, 375), (375, 500), (640, 480), (1000, 31), (2000, 1500)),
)
MODES = ("L", "P", "RGBA", "LA", "1", "I;16", "CMYK", "YCbCr")
ORIENTATIONS = range(2, 9)  # of EXIF; 1 is upright
CLOSE = 1e-4  # of a score and of an edge in fractions
SCORES = (DISPLAY_THRESHOLD, SCORE_THRESHOLD)  # random weights leave both the same
IOU_TIE = 1e-3  # an IoU so near to that of suppression is above it for one and below for the other


def held_out(number: int) -> Iterator[np.ndarray]:
    """Yield so many held-out pictures, half of each embedded set."""
    for preset in PRESETS:
        dataset = open_preset(preset, "val")
        for index in range(number // len(PRESETS)):
            yield dataset[index][0]


def as_file(image: Image.Image, kind: str, **options) -> np.ndarray:
    """Return a picture as it is read from a file of a format of Pillow."""
    content = io.BytesIO()
    image.save(content, kind, **options)
    return read_picture(RecordedImage("picture", content.getvalue()))


def odd_pictures() -> Iterator[np.ndarray]:
    """Yield 50 pictures of odd sizes and modes, as (H, W, 3) uint8, made of two samples."""
    paths = [DATA_ROOT / "samples" / f"multi_{name}.jpg" for name in ("four", "three")]
    samples = [Image.fromarray(read_picture(path)) for path in paths]
    for number, size in enumerate(SIZES):
        yield as_file(samples[number % 2].resize(size), "PNG")
    for number, mode in enumerate(MODES):
        picture = samples[number % 2].resize((333, 222))
        grey = mode == "I;16"
        changed = picture.convert("L").convert("I").point(lambda v: v * 257) if grey else picture
        yield as_file(changed.convert(mode), "TIFF" if mode in ("CMYK", "YCbCr") else "PNG")
    for orientation in ORIENTATIONS:
        exif = Image.Exif()
        exif[274] = orientation
        yield as_file(samples[orientation % 2].resize((400, 300)), "JPEG", exif=exif, quality=95)
    for mode in ("L", "P", "RGBA", "1", "LA"):  # thin and without colours
        yield as_file(samples[0].resize((3000, 9)).convert(mode), "PNG")


def random_detector(description: dict, size: int) -> Detector:
    """Return a detector with random weights, on ImageNet's base where it has one."""
    seed_everything()
    net = build_network(description, len(NAMES))
    if description["name"] == "ssdlite":
        begin_with_imagenet(net)
    return Detector(net, NAMES, size, per_class=True)


def detectors(checkpoints: list[Path]) -> Iterator[tuple[str, Detector]]:
    """Yield a name and a detector, not compiled, of every network."""
    for path in checkpoints:
        detector = load_detector(path, compiled=False)
        yield f"{detector.net.description['name']}, {path.stem}", detector
    lite = describe_ssdlite(ssdlite.SIZES, ssdlite.RATIOS)
    yield "SSDLite, random", random_detector(lite, 128)
    yield "SSD300 / 8, random", random_detector(describe_ssd("ssd300", 1 / 8, True), 300)
    yield "SSD512 / 16, random", random_detector(describe_ssd("ssd512", 1 / 16, True), 512)


def lowest_candidates(image: np.ndarray, detector: Detector) -> np.ndarray:
    """Return for each class the least score among the NMS_CANDIDATES that are suppressed."""
    _, cls_preds, _ = detector.net(preprocess(image, detector.image_size))
    scores = nd.softmax(cls_preds[0], axis=-1)[:, 1:].asnumpy()
    if not detector.per_class:  # the candidates of all classes are one list
        scores = np.repeat(scores.max(axis=1, keepdims=True), scores.shape[1], axis=1)
    rank = max(0, len(scores) - NMS_CANDIDATES)
    return np.sort(scores, axis=0)[rank]


def tied(alone: list[np.ndarray], lists: list[np.ndarray], cuts: np.ndarray) -> list[np.ndarray]:
    """Return for the rows without a partner of each of two lists whether a tie explains them.

    alone, lists: rows of both, without a partner and all; cuts: by class, the scores at which a
    list ends. A tie is a score at a cut, a box of the other list that suppresses at an equal score
    or at an IoU on the threshold; and what hangs on such a row, being suppressed by it alone.
    """
    explained = [
        abs(rows[:, 1] - cuts[rows[:, 0].astype(int)]) <= SCORE_TOLERANCE for rows in alone
    ]
    changed = True
    while changed:
        before = sum(int(each.sum()) for each in explained)
        for mine, theirs in ((0, 1), (1, 0)):
            rows, others, all_others = alone[mine], alone[theirs], lists[theirs]
            same = rows[:, None, 0] == all_others[:, 0]
            on_edge = abs(pairwise_iou(rows[:, 2:], all_others[:, 2:]) - NMS_THRESHOLD) <= IOU_TIE
            explained[mine] |= (same & on_edge).any(axis=1)
            rivals = rows[:, None, 0] == others[:, 0]
            rivals &= pairwise_iou(rows[:, 2:], others[:, 2:]) >= NMS_THRESHOLD - IOU_TIE
            equal = abs(rows[:, None, 1] - others[:, 1]) <= SCORE_TOLERANCE
            explained[mine] |= (rivals & (equal | explained[theirs])).any(axis=1)
        changed = sum(int(each.sum()) for each in explained) > before
    return explained


class Account:
    """What comparisons have come to: pictures, detections of the detector, and rows of either list.

    close: rows that agree to 1e-4 in the score; near: to SCORE_TOLERANCE; ties: without a partner,
    which a tie explains; odd: which nothing explains.
    """

    def __init__(self) -> None:
        self.pictures = self.detections = self.close = self.near = self.ties = self.odd = 0

    def compare(
        self, image: np.ndarray, detector: Detector, twin: OnnxDetector, least: float
    ) -> None:
        """Add a picture, compared from a score on."""
        scale = pixel_scale(image)
        finds = (twin.find(image, least), detect(image, detector, least))
        lists = alone = [found / scale for found in finds]
        ends = [rows[-1, 1] for rows in lists if len(rows) == MAX_DETECTIONS]
        self.pictures, self.detections = self.pictures + 1, self.detections + len(lists[1])
        for kind, tolerance in (("close", CLOSE), ("near", SCORE_TOLERANCE)):
            partners = pair_detections(*alone, atol=tolerance)
            have = np.flatnonzero(partners >= 0)
            setattr(self, kind, getattr(self, kind) + len(have))
            alone = [
                np.delete(rows, which, axis=0)
                for rows, which in zip(alone, (have, partners[have]), strict=True)
            ]
        if sum(map(len, alone)):
            cuts = np.maximum(lowest_candidates(image, detector), max([least, *ends]))
            explained = np.concatenate(tied(alone, lists, cuts))
            self.ties += int(explained.sum())
            self.odd += int((~explained).sum())

    def row(self, name: str, which: str, least: float) -> list[str]:
        """Return the line of a table."""
        numbers = self.pictures, self.detections, self.close, self.near, self.ties, self.odd
        return [name, f"{which}, from {least:g}", *map(str, numbers)]


def main(arguments=None) -> int:
    """Compare, print a table; return 1 if something differs that no tie explains."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", type=Path, nargs="*", metavar="CHECKPOINT")
    parser.add_argument("--pictures", type=int, default=200, help="held-out ones (default: 200)")
    options = parser.parse_args(arguments)
    print(machine(), end="\n\n", flush=True)
    trained = sorted((DATA_ROOT / "pretrained").glob("*.params"))
    sets = {"held out": [*held_out(options.pictures)], "odd": [*odd_pictures()]}
    lines, odd = [], 0
    for name, detector in detectors([*trained, *options.checkpoints]):
        twin = OnnxDetector(build(detector, 0.5, 0.45).SerializeToString(), name)
        for which, images in sets.items():
            for least in SCORES if ", random" not in name else SCORES[1:]:
                account = Account()
                for image in images:
                    account.compare(image, detector, twin, least)
                lines.append(account.row(name, which, least))
                odd += account.odd
                print(*lines[-1], sep=" | ", file=sys.stderr, flush=True)
    header = ["network", "pictures, scores", "pictures", "detections"]
    header += ["to 1e-4", "to 1e-3", "ties", "odd"]
    print(table(header, lines))
    return int(odd > 0)


if __name__ == "__main__":
    sys.exit(main())
