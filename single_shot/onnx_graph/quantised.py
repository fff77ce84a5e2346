"""The network in eight bits: a quarter of the bytes, and faster where there is VNNI.

Weights get a scale for each output channel, activations one for each map, from what calibration
images make of them.
"""

import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

# The rest, decoding and suppression among it, keeps its 32 bits. A Clip, which bounds some maps of
# SSDLite at 6, goes into the scale of what it bounds; left out, most steps would be spent on what
# it cuts off.
IN_EIGHT_BITS = ["Conv", "MaxPool", "Relu", "Clip"]


class _Inputs(CalibrationDataReader):
    """Hands out inputs of the network one by one."""

    def __init__(self, inputs: Iterable[np.ndarray]) -> None:
        self.inputs: Iterator[np.ndarray] = iter(inputs)

    def get_next(self) -> dict | None:
        """Return the next input by its name, or None."""
        data = next(self.inputs, None)
        return None if data is None else {"data": data}


def quantised(network: onnx.ModelProto, inputs: Iterable[np.ndarray]) -> onnx.ModelProto:
    """Return a network whose convolutions compute in eight bits.

    network: from `network.network_graph`; inputs: (1, 3, size, size) float32 each, normalised, of
    images like those that the detector will see.
    """
    with tempfile.TemporaryDirectory() as folder:
        merged, small = Path(folder) / "merged.onnx", Path(folder) / "small.onnx"
        options = onnxruntime.SessionOptions()  # batch normalisation goes into the convolutions
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(merged)
        onnxruntime.InferenceSession(
            network.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        logging.getLogger().addFilter(_says_something)
        try:
            quantize_static(
                str(merged),
                str(small),
                _Inputs(inputs),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                reduce_range=True,  # or processors without VNNI saturate: seven bits of weights
                calibrate_method=CalibrationMethod.MinMax,
                op_types_to_quantize=IN_EIGHT_BITS,
            )
        finally:
            logging.getLogger().removeFilter(_says_something)
        return onnx.load(small)


def _says_something(record: logging.LogRecord) -> bool:
    """Leave out the advice to run a preparation that has been run."""
    return "pre-processing before quantization" not in record.getMessage()
