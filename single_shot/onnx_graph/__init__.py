"""A detector as one ONNX graph: from the bytes of an image of any size to objects in its pixels.

`build` joins three graphs: `before` resizes as OpenCV does and normalises, the network is what
MXNet exports, and `after` decodes and suppresses.
"""

import json
from collections.abc import Iterable

from single_shot.onnx_graph.after import after_graph
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


def build(
    detector: Detector,
    score_threshold: float,
    nms_threshold: float,
    origin: dict | None = None,
    calibration: Iterable[np.ndarray] = (),
) -> onnx.ModelProto:
    """Return a detector as a graph that needs nothing else.

    detector: not compiled for inference; origin: more metadata, such as the checkpoint's hash;
    calibration: images (H, W, 3) uint8, some dozens; with any, convolutions are in eight bits.

    Input `image`: (1, H, W, 3) uint8 RGB, any height and width. Inputs that may be left out, each
    of shape (1,): `score_threshold`, `nms_threshold`; by default as given here.
    Outputs, best score first: `boxes` (D, 4) float32 `(xmin, ymin, xmax, ymax)` in pixels of the
    image, `scores` (D,) float32, `class_ids` (D,) int64. Metadata: see `metadata_of`.
    """
    before = before_graph(detector.image_size)
    network, anchors = network_graph(detector.net, detector.image_size)
    inputs = [preprocess(image, detector.image_size).asnumpy() for image in calibration]
    if inputs:
        network = quantised(network, inputs)
    after = after_graph(
        anchors, len(detector.class_names), detector.per_class, score_threshold, nms_threshold
    )
    model = compose.merge_models(before, network, [("data", "data")])
    links = [("cls_preds", "cls_preds"), ("box_preds", "box_preds"), ("size_px", "size_px")]
    model = compose.merge_models(model, after, links)
    model.producer_name = "single-shot"
    facts = metadata_of(detector, score_threshold, nms_threshold) | (origin or {})
    facts["bits"] = 8 if inputs else 32
    helper.set_model_props(model, {key: json.dumps(value) for key, value in facts.items()})
    onnx.checker.check_model(model, full_check=True)
    return model


def metadata_of(detector: Detector, score_threshold: float, nms_threshold: float) -> dict:
    """Return what the file says of itself, values as JSON can express them."""
    return {
        "format": FORMAT,
        "class_names": list(detector.class_names),
        "image_size": detector.image_size,
        "per_class": detector.per_class,
        "score_threshold": score_threshold,
        "nms_threshold": nms_threshold,
    }
