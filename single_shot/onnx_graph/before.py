"""The first part of the graph: from the bytes of images to what the network wants.

The resizing is OpenCV's `INTER_AREA`, as in training: pixels are averaged by area where both sides
shrink. Where one grows, two neighbours are weighed along each side, in whole numbers as OpenCV has
them for bytes (its `HResizeLinear` and `VResizeLinear`). Fewer than one pixel in a hundred differs,
by one level, where a half is rounded otherwise.
"""

from utils.data import MEAN, STD

import numpy as np
import onnx
from onnx import numpy_helper, parser

FLOAT, DOUBLE, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.INT64

# The weights, (size, L), with which the pixels of a side of length L enter those of the result.
AREA = """
  {s}_here = Range (zero, {s}, unit)
  {s}_behind = Add ({s}_here, unit)
  {s}_to = Add ({s}_from, {s}_scale)
  {s}_last = Min ({s}_behind, {s}_to)
  {s}_first = Max ({s}_here, {s}_from)
  {s}_difference = Sub ({s}_last, {s}_first)
  {s}_shared = Relu ({s}_difference)
  {s}_area = Div ({s}_shared, {s}_scale)
"""
# Which two pixels, (size, 1), and how many 2048ths of each. Where a pixel begins just where another
# does, the last bit decides which: as in OpenCV, `scale` is 1 / `inverse`, and shares are float32.
NEIGHBOURS = """
  {s}_base = Floor ({s}_from)
  {s}_above = Add ({s}_base, unit)
  {s}_step = Add (number, unit)
  {s}_back = Mul ({s}_above, {s}_inverse)
  {s}_exact = Sub ({s}_step, {s}_back)
  {s}_raw = Cast <to: int = {FLOAT}> ({s}_exact)
  {s}_whole = Floor ({s}_raw)
  {s}_rest = Sub ({s}_raw, {s}_whole)
  {s}_positive = Greater ({s}_raw, no_share)
  {s}_share = Where ({s}_positive, {s}_rest, no_share)
  {s}_edge = Sub ({s}, unit)
  {s}_one = Min ({s}_base, {s}_edge)
  {s}_other = Min ({s}_above, {s}_edge)
  {s}_remainder = Sub (full_share, {s}_share)
  {s}_one_fine = Mul ({s}_remainder, steps)
  {s}_one_round = Round ({s}_one_fine)
  {s}_one_weight = Cast <to: int = {DOUBLE}> ({s}_one_round)
  {s}_other_fine = Mul ({s}_share, steps)
  {s}_other_round = Round ({s}_other_fine)
  {s}_other_weight = Cast <to: int = {DOUBLE}> ({s}_other_round)
"""
GRAPH = """
<ir_version: 8, opset_import: ["" : 13]>
before (uint8[N, H, W, 3] image) => (float[N, 3, {size}, {size}] data, float[4] size_px)
<double zero = {{0.0}}, double unit = {{1.0}}, double two = {{2.0}}, double side = {{{size}.0}},
 float no_share = {{0.0}}, float full_share = {{1.0}}, float steps = {{2048.0}},
 int64 place_h = {{1}}, int64 place_w = {{2}}, int64[1] head = {{0}}, int64[1] tail = {{1}}>
{{
  shape = Shape (image)
  h_whole_number = Gather (shape, place_h)
  w_whole_number = Gather (shape, place_w)
  h = Cast <to: int = {DOUBLE}> (h_whole_number)
  w = Cast <to: int = {DOUBLE}> (w_whole_number)
  h_inverse = Div (side, h)
  w_inverse = Div (side, w)
  h_scale = Div (unit, h_inverse)
  w_scale = Div (unit, w_inverse)
  numbers = Range (zero, side, unit)
  number = Unsqueeze (numbers, tail)
  h_from = Mul (number, h_scale)
  w_from = Mul (number, w_scale)
  values = Cast <to: int = {FLOAT}> (image)
  planes = Transpose <perm: ints = [0, 3, 1, 2]> (values)
  h_shrinks = GreaterOrEqual (h, side)
  w_shrinks = GreaterOrEqual (w, side)
  shrinks = And (h_shrinks, w_shrinks)
  pixels = If (shrinks) <
    then_branch: graph = by_area () => (float[N, 3, {size}, {size}] averaged) {{
      {h_area}{w_area}
      half = Constant <value: tensor = float {{0.5}}> ()
      h_shares = Cast <to: int = {FLOAT}> (h_area)
      w_shares = Cast <to: int = {FLOAT}> (w_area)
      w_turned = Transpose <perm: ints = [1, 0]> (w_shares)
      rows = MatMul (planes, w_turned)
      exact = MatMul (h_shares, rows)
      raised = Add (exact, half)
      half_up = Floor (raised)
      half_even = Round (exact)
      h_is_two = Equal (h_scale, two)
      w_is_two = Equal (w_scale, two)
      is_two = And (h_is_two, w_is_two)
      averaged = Where (is_two, half_up, half_even)
    }},
    else_branch: graph = by_neighbours () => (float[N, 3, {size}, {size}] weighed) {{
      sixteen = Constant <value: tensor = float {{16.0}}> ()
      four = Constant <value: tensor = double {{4.0}}> ()
      bits = Constant <value: tensor = double {{65536.0}}> ()
      {h_neighbours}{w_neighbours}
      columns = Range (zero, w, unit)
      is_one = Equal (columns, w_one)
      is_other = Equal (columns, w_other)
      w_ones = Where (is_one, w_one_weight, zero)
      w_others = Where (is_other, w_other_weight, zero)
      w_weights = Add (w_ones, w_others)
      w_floats = Cast <to: int = {FLOAT}> (w_weights)
      w_turned = Transpose <perm: ints = [1, 0]> (w_floats)
      wide = MatMul (planes, w_turned)
      wide_sixteenth = Div (wide, sixteen)
      wide_whole = Floor (wide_sixteenth)
      h_one_flat = Squeeze (h_one, tail)
      h_other_flat = Squeeze (h_other, tail)
      h_one_row = Cast <to: int = {INT64}> (h_one_flat)
      h_other_row = Cast <to: int = {INT64}> (h_other_flat)
      one = Gather <axis: int = 2> (wide_whole, h_one_row)
      other = Gather <axis: int = 2> (wide_whole, h_other_row)
      one_exact = Cast <to: int = {DOUBLE}> (one)
      other_exact = Cast <to: int = {DOUBLE}> (other)
      one_product = Mul (one_exact, h_one_weight)
      other_product = Mul (other_exact, h_other_weight)
      one_shifted = Div (one_product, bits)
      other_shifted = Div (other_product, bits)
      one_floor = Floor (one_shifted)
      other_floor = Floor (other_shifted)
      sum = Add (one_floor, other_floor)
      sum_raised = Add (sum, two)
      sum_quarter = Div (sum_raised, four)
      sum_whole = Floor (sum_quarter)
      weighed = Cast <to: int = {FLOAT}> (sum_whole)
    }}
  >
  from_mean = Sub (pixels, mean)
  data = Div (from_mean, std)
  w_float = Cast <to: int = {FLOAT}> (w)
  h_float = Cast <to: int = {FLOAT}> (h)
  width = Unsqueeze (w_float, head)
  height = Unsqueeze (h_float, head)
  size_px = Concat <axis: int = 0> (width, height, width, height)
}}
"""


def before_graph(size: int) -> onnx.ModelProto:
    """Return the graph from `image` (N, H, W, 3) uint8 to `data` (N, 3, size, size) float32.

    Its other output, `size_px`, is (width, height, width, height) of the images.
    """
    types = {"FLOAT": FLOAT, "DOUBLE": DOUBLE, "INT64": INT64}
    parts = {f"{side}_area": AREA.format(s=side) for side in "hw"}
    parts |= {f"{side}_neighbours": NEIGHBOURS.format(s=side, **types) for side in "hw"}
    model = parser.parse_model(GRAPH.format(size=size, **parts, **types))
    for name, values in (("mean", MEAN), ("std", STD)):
        array = np.array(values, dtype=np.float32).reshape(1, 3, 1, 1)
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    return model
