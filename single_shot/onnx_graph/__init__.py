"""A detector as one ONNX graph: from the bytes of an image of any size to objects in its pixels.

`build` joins three graphs: `before` resizes as OpenCV does and normalises, the network is what
MXNet exports, and `after` decodes and suppresses.
"""

import json
from collections.abc import Iterable

from single_shot.onnx_graph.after import after_graph, raw_graph
from single_shot.onnx_graph.before import before_graph
from single_shot.onnx_graph.network import network_graph
from single_shot.onnx_graph.quantised import quantised
from utils.detection import Detector, preprocess

import numpy as np
import onnx
from onnx import compose, helper

# What a file of ours says of itself; the version changes with what its inputs and outputs mean.
FORMAT = "single-shot 1"
OUTPUTS = ("boxes", "scores", "class_ids")
BATCH_OUTPUTS = (*OUTPUTS, "batch_indices")
RAW_FORMAT = "single-shot raw 1"
RAW_OUTPUTS = ("boxes", "probabilities")
RAW_MEANING = {
    "boxes": "of every anchor: xmin, ymin, xmax, ymax in pixels of the picture, not clipped to it",
    "probabilities": "softmax over background and classes; a column for each of class_names, none "
    "for the background, which is what they lack to 1",
}


def build(
    detector: Detector,
    score_threshold: float,
    nms_threshold: float,
    origin: dict | None = None,
    calibration: Iterable[np.ndarray] = (),
    batch: bool = False,
) -> onnx.ModelProto:
    """Return a detector as a graph that needs nothing else.

    detector: not compiled for inference; origin: more metadata, such as the checkpoint's hash;
    calibration: images (H, W, 3) uint8, some dozens; with any, convolutions are in eight bits;
    batch: for N images of one size at once, not for one.

    Input `image`: (1 or N, H, W, 3) uint8 RGB, any height and width. Inputs that may be left out,
    each of shape (1,): `score_threshold`, `nms_threshold`; by default as given here.
    Outputs, best score first: `boxes` (D, 4) float32 `(xmin, ymin, xmax, ymax)` in pixels of the
    image, `scores` (D,) float32, `class_ids` (D,) int64; with batch, image after image, and
    `batch_indices` (D,) int64, the image of each row. Metadata: see `metadata_of`.
    """
    network, anchors = network_graph(detector.net, detector.image_size)
    inputs = [preprocess(image, detector.image_size).asnumpy() for image in calibration]
    if inputs:
        network = quantised(network, inputs)
    after = after_graph(
        anchors, len(detector.class_names), detector.per_class, score_threshold, nms_threshold
    )
    model = joined(detector.image_size, network, after)
    if not batch:  # three outputs, as programs that see one image at a time unpack them
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
        del model.graph.output[len(OUTPUTS) :]
    facts = metadata_of(detector, score_threshold, nms_threshold) | (origin or {})
    return told(model, facts | {"bits": 8 if inputs else 32})


def build_raw(detector: Detector, origin: dict | None = None) -> onnx.ModelProto:
    """Return a detector as a graph that ends before any threshold and suppression.

    detector, origin: as for `build`. Input `image`: (N, H, W, 3) uint8 RGB.
    Outputs, for every anchor: `boxes` (N, A, 4) float32 and `probabilities` (N, A, C) float32, as
    `RAW_MEANING` says.
    """
    network, anchors = network_graph(detector.net, detector.image_size)
    after = raw_graph(anchors, len(detector.class_names))
    facts = {"format": RAW_FORMAT} | described(detector) | RAW_MEANING | (origin or {})
    return told(joined(detector.image_size, network, after), facts)


def joined(size: int, network: onnx.ModelProto, after: onnx.ModelProto) -> onnx.ModelProto:
    """Return the three parts as one graph, with the resizing to a size before them."""
    model = compose.merge_models(before_graph(size), network, [("data", "data")])
    links = [("cls_preds", "cls_preds"), ("box_preds", "box_preds"), ("size_px", "size_px")]
    return compose.merge_models(model, after, links)


def told(model: onnx.ModelProto, facts: dict) -> onnx.ModelProto:
    """Return a graph that has been checked and says facts of itself, as JSON can express them."""
    model.producer_name = "single-shot"
    helper.set_model_props(model, {key: json.dumps(value) for key, value in facts.items()})
    onnx.checker.check_model(model, full_check=True)
    return model


def described(detector: Detector) -> dict:
    """Return what every file says of its detector."""
    return {
        "class_names": list(detector.class_names),
        "image_size": detector.image_size,
        "per_class": detector.per_class,
    }


def metadata_of(detector: Detector, score_threshold: float, nms_threshold: float) -> dict:
    """Return what a file of objects says of itself, values as JSON can express them."""
    thresholds = {"score_threshold": score_threshold, "nms_threshold": nms_threshold}
    return {"format": FORMAT} | described(detector) | thresholds
