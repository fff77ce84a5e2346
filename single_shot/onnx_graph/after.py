"""The last part of the graph: from the network's predictions to objects."""

from utils.boxes import VARIANCES
from utils.detection import MAX_DETECTIONS, NMS_CANDIDATES

import numpy as np
import onnx
from onnx import helper, numpy_helper, parser

DECODE = """
<ir_version: 8, opset_import: ["" : 13]>
after (float[1, A, C1] cls_preds, float[1, A4] box_preds, float[4] size_px)
  => (float[D, 4] boxes, float[D] scores, int64[D] class_ids)
<int64[1] second = {{1}}, int64[1] last_axis = {{2}}, int64[1] behind = {{{behind}}},
 int64[3] four_each = {{1, -1, 4}}, int64[2] halves_of_four = {{2, 2}}, float nothing = {{0.0}},
 float everything = {{1.0}}, int64 most_of_class = {{{most}}}, int64[1] most = {{{most}}},
 int64[1] class_place = {{1}}, int64[1] box_place = {{2}}, int64[1] front = {{0}},
 int64[1] candidates = {{{candidates}}}, int64 num_classes = {{{num_classes}}},
 float[2] off_and_on = {{0.0, 1.0}}>
{{
  probabilities = Softmax <axis: int = -1> (cls_preds)
  objects = Slice (probabilities, second, behind, last_axis)
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
{choose}
  chosen = NonMaxSuppression (few_boxes, few_scores, most_of_class, nms_threshold, score_threshold)
  chosen_scores = GatherND (few_scores, chosen)
  how_many = Shape (chosen_scores)
  kept_number = Min (how_many, most)
  scores, order = TopK (chosen_scores, kept_number)
  kept = Gather (chosen, order)
  kept_classes = Gather <axis: int = 1> (kept, class_place)
  class_ids = Squeeze (kept_classes, second)
  kept_places = Gather <axis: int = 1> (kept, box_place)
  places = Squeeze (kept_places, second)
  flat_boxes = Squeeze (few_boxes, front)
  fractions = Gather (flat_boxes, places)
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
  flat_places = Squeeze (top_places, front)
  few_boxes = Gather <axis: int = 1> (all_boxes, flat_places)
  few_ids = Gather <axis: int = 1> (best_ids, flat_places)
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


def after_graph(
    anchors: np.ndarray,
    num_classes: int,
    per_class: bool,
    score_threshold: float,
    nms_threshold: float,
) -> onnx.ModelProto:
    """Return the graph from predictions to `boxes` in pixels, `scores` and `class_ids`.

    anchors: (A, 4) corner form, in fractions; per_class: see `detection.Detector`. Both thresholds
    become inputs of shape (1,) with these defaults.
    """
    text = DECODE.format(
        choose=EVERY_CLASS if per_class else BEST_CLASS,
        num_classes=num_classes,
        behind=num_classes + 1,
        most=MAX_DETECTIONS,
        candidates=min(NMS_CANDIDATES, len(anchors)),
    )
    model = parser.parse_model(text)
    low, high = anchors[:, :2], anchors[:, 2:]
    constants = {
        "anchor_centers": (low + high)[np.newaxis] / 2,
        "anchor_sides": (high - low)[np.newaxis],
        "anchor_reach": (high - low)[np.newaxis] / 2,
        "variances": np.array(VARIANCES).reshape(1, 1, 4),
    }
    thresholds = {"score_threshold": [score_threshold], "nms_threshold": [nms_threshold]}
    for name, values in (constants | thresholds).items():
        array = numpy_helper.from_array(np.array(values, dtype=np.float32), name)
        model.graph.initializer.append(array)
    for name in thresholds:  # an input with an initializer may be left out
        value = helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1])
        model.graph.input.append(value)
    return model
