"""Whether an exported file gives what the detector gives that it came from."""

from collections.abc import Iterable

from single_shot.onnx_graph import RAW_OUTPUTS
from single_shot.onnx_runtime import OnnxDetector
from utils.boxes import decode_offsets
from utils.comparison import assert_same_detections, pair_detections
from utils.data import resize
from utils.detection import (
    DISPLAY_THRESHOLD,
    MAX_DETECTIONS,
    SCORE_THRESHOLD,
    Detector,
    detect,
    pixel_scale,
    preprocess,
)
from utils.files import InputError
from utils.hooks import progress

import numpy as np
import onnxruntime
from mxnet import nd

SCORE_TOLERANCE = 1e-3
BOX_TOLERANCE_PX = 0.5  # in the size that the network sees
BOX_TOLERANCE = 1e-4  # of a coordinate far outside, where a float32 has no half pixels
# At some sizes a pixel here and there differs from OpenCV's by one level of 255.
RESIZED = 10  # times the tolerance for a raw file
MOST_ODD = 0.1  # of the detections in eight bits that may have no partner
SCORE_SLACK = 0.2  # between partners in eight bits and in 32
# So what is shown of one may be below the threshold of a person in the other, and is compared.
LEAST_ALIKE = DISPLAY_THRESHOLD - SCORE_SLACK


REPORT = "please report this with the image"
# Then cells see the same, and which of the equal scores are among the 400 that are suppressed is
# left to the order in which a program sorts them.
ONE_COLOUR = (
    "an image of one colour, in which many anchors score alike and no order is right; leave it out "
    "of --compare-on"
)


class NotTheSame(InputError):
    """The file does not find what the detector finds; the message names the image."""


def check_the_same(exported: OnnxDetector, detector: Detector, images: dict) -> int:
    """Compare an exported detector with the one that it came from; return how many rows.

    images: by name, (H, W, 3) uint8. In the size that the network sees, at the threshold of
    evaluation, since small scores tell most; in their own size, what a person is shown: the two
    resize alike but for a level of 255 here and there, which may turn the order of small scores.
    Raises NotTheSame, which names the image.
    """
    count = 0
    for name, image in progress(images.items(), desc="compare", unit="image"):
        square, _ = resize(image, None, detector.image_size)
        for picture, threshold in ((square, SCORE_THRESHOLD), (image, DISPLAY_THRESHOLD)):
            batch = batch_for(exported, picture)
            for each, theirs in zip(batch, exported.find_batch(batch, threshold)):
                ours = detect(each, detector, threshold)
                scale = pixel_scale(each)
                hint = ONE_COLOUR if np.ptp(each, axis=(0, 1)).max() == 0 else REPORT
                assert_same_objects(f"{name}: {hint}", theirs / scale, ours / scale, threshold)
                count += len(ours)
    return count


def and_mirrored(picture: np.ndarray) -> np.ndarray:
    """Return a batch of a picture and its mirror image, (2, H, W, 3)."""
    return np.stack([picture, picture[:, ::-1]])


def batch_for(exported: OnnxDetector, picture: np.ndarray) -> np.ndarray:
    """Return a picture as the batch to compare on: with its mirror image where two are taken."""
    return and_mirrored(picture) if exported.takes_batches else picture[np.newaxis]


def assert_same_objects(name: str, theirs: np.ndarray, ours: np.ndarray, threshold: float) -> None:
    """Raise NotTheSame unless detections in fractions are the same.

    name: the image and what to do, for the message.
    """
    cut = ours[-1, 1] if len(ours) == MAX_DETECTIONS else threshold
    try:
        assert_same_detections(theirs, ours, SCORE_TOLERANCE, cut_score=cut)
    except AssertionError as error:
        raise NotTheSame(
            f"{name}; the file would not find what the detector finds; nothing is written. "
            f"{str(error).splitlines()[:2][-1]}"
        ) from None


def check_much_alike(exported: OnnxDetector, detector: Detector, images: dict) -> int:
    """Compare a detector in eight bits with the one that it came from; return how many rows.

    images: by name, (H, W, 3) uint8. Raises NotTheSame.
    """

    def pairs():
        for image in progress(images.values(), desc="compare", unit="image"):
            batch = batch_for(exported, image)
            for each, theirs in zip(batch, exported.find_batch(batch, LEAST_ALIKE)):
                yield theirs, detect(each, detector, LEAST_ALIKE)

    return assert_much_alike(
        pairs(),
        "nothing is written. Give --int8 a set that looks like what the detector will see, or "
        "leave it out",
    )


def assert_much_alike(pairs: Iterable[tuple[np.ndarray, np.ndarray]], advice: str) -> int:
    """Compare what is found in eight bits and in 32; return how many rows there are in 32.

    pairs: both for each image from LEAST_ALIKE on, rows (D, 6) in pixels. At the threshold of
    evaluation scores would differ in rank; what a person is shown of either must be in the other,
    but for `MOST_ODD`. Raises NotTheSame, which ends with the advice.
    """
    count = odd = 0
    for theirs, ours in pairs:
        partners = pair_detections(theirs, ours, atol=SCORE_SLACK, min_iou=0.75)
        have = np.flatnonzero(partners >= 0)
        alone = np.delete(theirs, have, axis=0), np.delete(ours, partners[have], axis=0)
        count += int((ours[:, 1] >= DISPLAY_THRESHOLD).sum())
        odd += sum(int((rows[:, 1] >= DISPLAY_THRESHOLD).sum()) for rows in alone)
    if odd > max(2, MOST_ODD * 2 * count):
        raise NotTheSame(f"in eight bits {odd} of {2 * count} detections have no partner; {advice}")
    return count


def raw_predictions(image: np.ndarray, detector: Detector) -> tuple[np.ndarray, np.ndarray]:
    """Return what a raw file has to give for an image, computed by MXNet.

    image: (H, W, 3) uint8. Returns boxes (A, 4) in pixels of it, and probabilities (A, C).
    """
    x = preprocess(image, detector.image_size, detector.ctx)
    anchors, cls_preds, box_preds = detector.net(x)
    boxes = decode_offsets(box_preds.reshape((-1, 4)), anchors[0]).asnumpy()
    height, width = image.shape[:2]
    probabilities = nd.softmax(cls_preds[0], axis=-1)[:, 1:]
    size_px = np.array([width, height, width, height], dtype=np.float32)
    return boxes * size_px, probabilities.asnumpy()


def check_raw(session: onnxruntime.InferenceSession, detector: Detector, images: dict) -> int:
    """Compare a raw file with the detector that it came from; return how many boxes.

    images: by name, (H, W, 3) uint8. In the size that the network sees, every anchor must have the
    same box and probabilities; in their own size, those that would be shown, within `RESIZED`
    times as much. Raises NotTheSame, which names the image.
    """
    count = 0
    for name, image in progress(images.items(), desc="compare", unit="image"):
        square, _ = resize(image, None, detector.image_size)
        for picture, least, slack in ((square, 0, 1), (image, DISPLAY_THRESHOLD, RESIZED)):
            batch = and_mirrored(picture)
            for each, *theirs in zip(batch, *session.run(list(RAW_OUTPUTS), {"image": batch})):
                ours = raw_predictions(each, detector)
                compared = ours[1].max(axis=1) >= least
                scale = detector.image_size / np.tile(each.shape[1::-1], 2)
                assert_same_predictions(
                    name,
                    (theirs[0][compared] * scale, theirs[1][compared]),
                    (ours[0][compared] * scale, ours[1][compared]),
                    slack,
                )
                count += int(compared.sum())
    return count


def assert_same_predictions(name: str, theirs: tuple, ours: tuple, slack: float) -> None:
    """Raise NotTheSame, which names the image, unless boxes and probabilities are the same.

    theirs, ours: boxes (A, 4) in pixels of what the network sees, and probabilities (A, C);
    slack: times the tolerance.
    """
    same_box = np.isclose(theirs[0], ours[0], BOX_TOLERANCE, slack * BOX_TOLERANCE_PX)
    same_score = np.isclose(theirs[1], ours[1], 0, slack * SCORE_TOLERANCE)
    odd = np.flatnonzero(~(same_box.all(axis=1) & same_score.all(axis=1)))
    if len(odd):
        row = [np.round(part[odd[0]], 4).tolist() for part in (*theirs, *ours)]
        raise NotTheSame(
            f"{name}: the file would not give what the detector predicts, in {len(odd)} of "
            f"{len(ours[0])} boxes; nothing is written. Please report this with the image. "
            f"Box and probabilities {row[0]} {row[1]}, the detector's {row[2]} {row[3]}"
        )
