"""The last part of the graph: from the network's predictions of N pictures to objects.

`raw_graph` stops where every anchor has a box and probabilities, before any threshold.
"""

from utils.boxes import VARIANCES
from utils.detection import MAX_DETECTIONS, NMS_CANDIDATES

import numpy as np
import onnx
from onnx import compose, helper, numpy_helper, parser

DECODE = """
<ir_version: 8, opset_import: ["" : 13]>
decode (float[N, A, C1] cls_preds, float[N, A4] box_preds)
  => (float[N, A, C] objects, float[N, A, 4] corners)
<int64[1] begin = {{1}}, int64[1] last_axis = {{2}}, int64[1] behind = {{{behind}}},
 int64[3] four_each = {{0, -1, 4}}, int64[2] halves_of_four = {{2, 2}}>
{{
  with_background = Softmax <axis: int = -1> (cls_preds)
  objects = Slice (with_background, begin, behind, last_axis)
  offsets = Reshape (box_preds, four_each)
  scaled = Mul (offsets, variances)
  shifts, growths = Split <axis: int = 2> (scaled, halves_of_four)
  moved = Mul (shifts, anchor_sides)
  centers = Add (moved, anchor_centers)
  grown = Exp (growths)
  reach = Mul (grown, anchor_reach)
  low = Sub (centers, reach)
  high = Add (centers, reach)
  corners = Concat <axis: int = 2> (low, high)
}}
"""
RAW = """
<ir_version: 8, opset_import: ["" : 13]>
raw (float[N, A, C] objects, float[N, A, 4] corners, float[4] size_px)
  => (float[N, A, 4] boxes, float[N, A, C] probabilities)
{
  boxes = Mul (corners, size_px)
  probabilities = Identity (objects)
}
"""
# What is left of a picture is sorted in a row of its own, where -1 stands for what is suppressed.
SUPPRESS = """
<ir_version: 8, opset_import: ["" : 13]>
suppress (float[N, A, C] objects, float[N, A, 4] corners, float[4] size_px)
  => (float[D, 4] boxes, float[D] scores, int64[D] class_ids, int64[D] batch_indices)
<int64 first = {{0}}, int64[1] second = {{1}}, int64[1] third = {{2}}, float nothing = {{0.0}},
 float everything = {{1.0}}, int64[2] row_each = {{0, -1}}, float[2] off_and_on = {{0.0, 1.0}},
 int64 most_of_class = {{{most_of_class}}}, int64[1] most = {{{most}}},
 int64[1] candidates = {{{candidates}}}, int64 num_classes = {{{num_classes}}},
 int64 num_boxes = {{{num_boxes}}}>
{{
{choose}
  chosen = NonMaxSuppression (few_boxes, few_scores, most_of_class, nms_threshold, score_threshold)
  chosen_scores = GatherND (few_scores, chosen)
  all_places = Shape (few_scores)
  none = ConstantOfShape <value: tensor = float[1] {{-1.0}}> (all_places)
  left = ScatterND (none, chosen, chosen_scores)
  left_rows = Reshape (left, row_each)
  sorted, order = TopK <axis: int = 1> (left_rows, most)
  is_found = GreaterOrEqual (sorted, nothing)
  found_columns = NonZero (is_found)
  found = Transpose (found_columns)
  scores = GatherND (sorted, found)
  places = GatherND (order, found)
  class_ids = Div (places, num_boxes)
  box_places = Mod (places, num_boxes)
  batch_indices = Gather (found_columns, first)
  batch_column = Unsqueeze (batch_indices, second)
  box_column = Unsqueeze (box_places, second)
  found_boxes = Concat <axis: int = 1> (batch_column, box_column)
  fractions = GatherND (few_boxes, found_boxes)
  clipped = Clip (fractions, nothing, everything)
  boxes = Mul (clipped, size_px)
}}
"""
# As `detection.multibox_detection` does: an anchor stands for its most probable class alone.
BEST_CLASS = """
  all_boxes = Clip (corners, nothing, everything)
  best = ReduceMax <axes: ints = [2], keepdims: int = 0> (objects)
  best_ids = ArgMax <axis: int = 2, keepdims: int = 0> (objects)
  top, top_places = TopK <axis: int = 1> (best, candidates)
  top_column = Unsqueeze (top_places, third)
  few_boxes = GatherND <batch_dims: int = 1> (all_boxes, top_column)
  few_ids = GatherElements <axis: int = 1> (best_ids, top_places)
  is_class = OneHot <axis: int = 1> (few_ids, num_classes, off_and_on)
  top_row = Unsqueeze (top, second)
  few_scores = Mul (is_class, top_row)
"""
# As `detection.per_class_detection` does: every class has its own candidates, and boxes suppress
# each other before they are clipped.
EVERY_CLASS = """
  few_boxes = Identity (corners)
  by_class = Transpose <perm: ints = [0, 2, 1]> (objects)
  top, top_places = TopK <axis: int = 2> (by_class, candidates)
  least = ReduceMin <axes: ints = [2], keepdims: int = 1> (top)
  is_candidate = GreaterOrEqual (by_class, least)
  few_scores = Where (is_candidate, by_class, nothing)
"""
LINKS = [("objects", "objects"), ("corners", "corners")]


def with_constants(model: onnx.ModelProto, constants: dict) -> onnx.ModelProto:
    """Return a graph that knows constants, by name, as float32."""
    for name, values in constants.items():
        array = numpy_helper.from_array(np.array(values, dtype=np.float32), name)
        model.graph.initializer.append(array)
    return model


def decode_graph(anchors: np.ndarray, num_classes: int) -> onnx.ModelProto:
    """Return the graph from predictions to `objects` (N, A, C) and `corners` (N, A, 4).

    anchors: (A, 4) corner form, in fractions. `objects` are probabilities without the background;
    `corners` are boxes in fractions, not clipped.
    """
    low, high = anchors[:, :2], anchors[:, 2:]
    constants = {
        "anchor_centers": (low + high)[np.newaxis] / 2,
        "anchor_sides": (high - low)[np.newaxis],
        "anchor_reach": (high - low)[np.newaxis] / 2,
        "variances": np.array(VARIANCES).reshape(1, 1, 4),
    }
    model = parser.parse_model(DECODE.format(behind=num_classes + 1))
    return with_constants(model, constants)


def raw_graph(anchors: np.ndarray, num_classes: int) -> onnx.ModelProto:
    """Return the graph from predictions to `boxes` in pixels and `probabilities` of every anchor.

    Takes the same as `decode_graph`.
    """
    decode = decode_graph(anchors, num_classes)
    return compose.merge_models(decode, parser.parse_model(RAW), LINKS)


def after_graph(
    anchors: np.ndarray,
    num_classes: int,
    per_class: bool,
    score_threshold: float,
    nms_threshold: float,
) -> onnx.ModelProto:
    """Return the graph from predictions to the outputs that `onnx_graph.build` describes.

    anchors: (A, 4) corner form, in fractions; per_class: see `detection.Detector`. Both thresholds
    become inputs of shape (1,) with these defaults.
    """
    candidates = min(NMS_CANDIDATES, len(anchors))
    num_boxes = len(anchors) if per_class else candidates
    text = SUPPRESS.format(
        choose=EVERY_CLASS if per_class else BEST_CLASS,
        num_classes=num_classes,
        num_boxes=num_boxes,
        most_of_class=MAX_DETECTIONS,
        most=min(MAX_DETECTIONS, num_classes * num_boxes),
        candidates=candidates,
    )
    thresholds = {"score_threshold": [score_threshold], "nms_threshold": [nms_threshold]}
    suppress = with_constants(parser.parse_model(text), thresholds)
    for name in thresholds:  # an input with an initializer may be left out
        value = helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1])
        suppress.graph.input.append(value)
    return compose.merge_models(decode_graph(anchors, num_classes), suppress, LINKS)
