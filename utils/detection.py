"""From the network's predictions to objects: decoding, non-maximum suppression, `detect`.

`decode_detections` does it from scratch; `multibox_detection` has MXNet's operator do it.
Detections of one image are rows `[class_id, score, xmin, ymin, xmax, ymax]`, best score first.
"""

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike

from utils.boxes import VARIANCES, box_iou, clip_boxes, decode_offsets
from utils.checkpoint import load_checkpoint, wrong_content
from utils.data import evaluation_loader, normalize, resize
from utils.metrics import CocoResult, evaluate_coco
from utils.networks import build_network, decodes_per_class, described
from utils.ssd import compile_for_inference

import mxnet as mx
import numpy as np
from mxnet import gluon, nd

# The evaluation protocol of Liu et al., SSD, section 3.7 and their released code: scores from 0.01,
# the best 400 of them suppressed within their class at an IoU of 0.45, and 200 an image kept.
SCORE_THRESHOLD = 0.01
NMS_CANDIDATES = 400
NMS_THRESHOLD = 0.45
MAX_DETECTIONS = 200
EVALUATION_BATCH = 8  # images at a time; what decoding them takes of memory grows with it
MAX_IMAGE_SIZE = 4096  # side in pixels; a checkpoint that says more is broken
# A detection is shown to a person from this score on.
DISPLAY_THRESHOLD = 0.5


@dataclass(frozen=True)
class Detector:
    """A network with what one must know to use it.

    net: a gluon Block such as `ssd.ToySSD`; class_names: by class id; image_size: the side in
    pixels of the images that it was trained on. per_class: an anchor may stand for several classes
    (`per_class_detection`), as in the SSD paper.
    """

    net: gluon.Block
    class_names: tuple
    image_size: int
    per_class: bool = False

    @property
    def ctx(self) -> mx.Context:
        """The device that holds the weights."""
        return next(iter(self.net.collect_params().values())).list_ctx()[0]

    @property
    def decode(self) -> Callable:
        """The function that makes detections of what the network predicts."""
        return per_class_detection if self.per_class else multibox_detection


def load_detector(
    path: PathLike | str, ctx: mx.Context | None = None, compiled: bool = True
) -> Detector:
    """Return the Detector in a checkpoint.

    compiled: for detection, so that it passes no gradients back and cannot be exported.
    Raises checkpoint.CheckpointError, which names the file and the fix.
    """
    checkpoint = load_checkpoint(path)
    class_names = tuple(checkpoint.metadata["class_names"])
    description = described(checkpoint)
    with wrong_content(path):
        net = build_network(description, len(class_names), ctx)
        checkpoint.load_into(net, ctx)
        image_size = checkpoint.metadata["image_size"]
        if type(image_size) is not int or not 0 < image_size <= MAX_IMAGE_SIZE:
            raise ValueError(f"image_size is {image_size!r}")
        if compiled:
            compile_for_inference(net, image_size)
    return Detector(net, class_names, image_size, per_class=decodes_per_class(description))


def preprocess(image: np.ndarray, size: int, ctx: mx.Context | None = None) -> nd.NDArray:
    """Return one image as a batch for the network.

    image: (H, W, 3) uint8 RGB of any size. Returns (1, 3, size, size) float32 on ctx.
    """
    resized, _ = resize(image, None, size)
    return normalize(nd.array(resized[np.newaxis], ctx=ctx, dtype=np.uint8))


def non_maximum_suppression(boxes: nd.NDArray, nms_threshold: float = NMS_THRESHOLD) -> list[int]:
    """Return which boxes stay when each suppresses the worse ones that overlap it.

    boxes: (D, 4) corner form, best score first.
    Returns the row numbers that stay, a list in rising order. A box goes when its IoU with a
    better one that stays is nms_threshold or more.
    """
    overlaps = (box_iou(boxes, boxes) >= nms_threshold).asnumpy().astype(bool)
    suppressed = np.zeros(len(boxes), dtype=bool)
    keep = []
    for row in range(len(boxes)):
        if not suppressed[row]:
            keep.append(row)
            suppressed |= overlaps[row]
    return keep


def anchor_rows(anchors: nd.NDArray, cls_preds: nd.NDArray, box_preds: nd.NDArray) -> np.ndarray:
    """Return what every anchor of one image says, before anything is left out or suppressed.

    Every anchor stands for its most probable class, background apart.
    anchors: (A, 4) corner form; cls_preds: (A, C + 1) logits; box_preds: (4 * A,) offsets.
    Returns rows (A, 6), a NumPy array, clipped to the image.
    """
    probabilities = nd.softmax(cls_preds, axis=-1)[:, 1:]  # (A, C): background is column 0
    boxes = clip_boxes(decode_offsets(box_preds.reshape((-1, 4)), anchors, VARIANCES))
    best = nd.stack(probabilities.argmax(axis=1), probabilities.max(axis=1), axis=1)  # (A, 2)
    return nd.concat(best, boxes, dim=1).asnumpy()


def decode_detections(
    anchors: nd.NDArray,
    cls_preds: nd.NDArray,
    box_preds: nd.NDArray,
    score_threshold: float = SCORE_THRESHOLD,
    nms_threshold: float = NMS_THRESHOLD,
) -> np.ndarray:
    """Return the objects that the network sees in one image, computed from scratch.

    Boxes of one class suppress each other.
    anchors, cls_preds, box_preds: as for `anchor_rows`.
    Returns detections (D, 6), clipped to the image. Same as `nd.contrib.MultiBoxDetection`.
    """
    rows = anchor_rows(anchors, cls_preds, box_preds)
    rows = rows[rows[:, 1] >= score_threshold]
    # Stable, unlike MXNet's argsort: of equal scores (1.0 is common) the first anchor comes first.
    rows = rows[np.argsort(-rows[:, 1], kind="stable")][:NMS_CANDIDATES]
    keep = []
    for class_id in np.unique(rows[:, 0]):
        members = np.flatnonzero(rows[:, 0] == class_id)
        boxes = nd.array(rows[members, 2:], ctx=anchors.context)
        keep.extend(members[non_maximum_suppression(boxes, nms_threshold)])
    return rows[sorted(keep)][:MAX_DETECTIONS]


def multibox_detection(
    anchors: nd.NDArray,
    cls_preds: nd.NDArray,
    box_preds: nd.NDArray,
    score_threshold: float = SCORE_THRESHOLD,
    nms_threshold: float = NMS_THRESHOLD,
    variances: tuple = VARIANCES,
) -> list[np.ndarray]:
    """Return the objects that the network sees in a batch of images, by MXNet's operator.

    anchors: (1, A, 4) corner form; cls_preds: (N, A, C + 1) logits; box_preds: (N, 4 * A).
    Returns a list of N detections (D, 6) NumPy arrays, clipped to the image.
    """
    probabilities = nd.softmax(cls_preds, axis=-1).transpose((0, 2, 1))  # (N, C + 1, A)
    rows = nd.contrib.MultiBoxDetection(
        probabilities,
        box_preds,
        anchors,
        threshold=score_threshold,
        nms_threshold=nms_threshold,
        nms_topk=NMS_CANDIDATES,
        variances=variances,
    )
    # Suppressed rows keep their score and box; only their class id becomes -1.
    return [image[image[:, 0] >= 0][:MAX_DETECTIONS] for image in rows.asnumpy()]


def per_class_detection(
    anchors: nd.NDArray,
    cls_preds: nd.NDArray,
    box_preds: nd.NDArray,
    score_threshold: float = SCORE_THRESHOLD,
    nms_threshold: float = NMS_THRESHOLD,
) -> list[np.ndarray]:
    """Return the objects in a batch of images where one anchor may stand for several classes.

    Every class has its own candidates (Liu et al., SSD, section 2.2), the best NMS_CANDIDATES of
    its boxes. GluonCV takes the best of all classes together; of these, the same survive.
    `multibox_detection` lets each anchor stand for its most probable class alone.
    Takes and returns the same as `multibox_detection`.
    """
    class_ids = np.arange(cls_preds.shape[2] - 1, dtype=np.float32)
    detections = []
    for logits, offsets in zip(cls_preds, box_preds):  # one by one, or memory grows with the batch
        boxes = decode_offsets(offsets.reshape((-1, 4)), anchors[0])
        probabilities = nd.softmax(logits, axis=-1)[:, 1:].T  # (C, A)
        boxes = boxes.expand_dims(0).tile((len(class_ids), 1, 1))
        kept = nd.contrib.box_nms(
            nd.concat(probabilities.expand_dims(-1), boxes, dim=-1),  # (C, A, 5)
            overlap_thresh=nms_threshold,
            valid_thresh=score_threshold,
            topk=NMS_CANDIDATES,
            coord_start=1,
            score_index=0,
        ).asnumpy()
        names = np.broadcast_to(class_ids[:, np.newaxis, np.newaxis], (*kept.shape[:2], 1))
        rows = np.concatenate([names, kept], axis=-1)
        rows = rows[rows[:, :, 1] >= 0]  # box_nms turns suppressed rows into -1
        rows = rows[np.argsort(-rows[:, 1], kind="stable")][:MAX_DETECTIONS]
        rows[:, 2:] = rows[:, 2:].clip(0, 1)
        detections.append(rows)
    return detections


def detect(
    image: np.ndarray, detector: Detector, score_threshold: float = DISPLAY_THRESHOLD
) -> np.ndarray:
    """Return the objects in one image.

    image: (H, W, 3) uint8 RGB of any size; detector: a Detector.
    Returns detections (D, 6), rows `[class_id, score, xmin, ymin, xmax, ymax]` with the boxes in
    pixels of the image, best score first.
    """
    x = preprocess(image, detector.image_size, detector.ctx)
    rows = detector.decode(*detector.net(x), score_threshold)[0]
    return rows * pixel_scale(image)


def pixel_scale(image: np.ndarray) -> np.ndarray:
    """Return the factors (6,) that bring rows of detections to pixels of an image (H, W, 3)."""
    height, width = image.shape[:2]
    return np.array((1, 1, width, height, width, height), dtype=np.float32)


def detect_dataset(
    detector: Detector, dataset: gluon.data.Dataset, batch_size: int = EVALUATION_BATCH
) -> list[np.ndarray]:
    """Return the detections of every sample of a data set.

    Returns a list of arrays (D, 6), boxes in fractions of the image.
    """
    detections = []
    for images, _ in evaluation_loader(dataset, batch_size, detector.image_size):
        predictions = detector.net(normalize(images.as_in_context(detector.ctx)))
        detections.extend(detector.decode(*predictions))
    return detections


def evaluate_detector(detector: Detector, dataset: gluon.data.Dataset) -> CocoResult:
    """Return COCO's average precision of a detector on a data set (`metrics.evaluate_coco`).

    dataset: with labels, difficult and class_names; difficult objects neither count nor hurt.
    """
    data = dataset.labels, dataset.class_names, dataset.difficult
    return evaluate_coco(detect_dataset(detector, dataset), *data)
