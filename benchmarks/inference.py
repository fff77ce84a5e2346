"""How many images a second a detector sees: MXNet, ONNX Runtime and OpenVINO, in 32 and 8 bits.

    python benchmarks/inference.py [--seconds 8] [--json FILE]

From the bytes of an image of 256 x 256 pixels to objects, one image at a time, by the two trained
detectors; and the network alone, at two sizes of images and of batches. All take turns in one
process with a thread for every core, and the median counts. Average precision on the held-out split
stands beside. OpenVINO is measured where it is installed (package `openvino`).
"""

import argparse
import time
from collections.abc import Callable
from importlib.util import find_spec

import utils  # noqa: F401  before MXNet
from data import DATA_ROOT, open_preset
from single_shot.mxnet_int8 import in_eight_bits
from single_shot.onnx_graph import build
from single_shot.onnx_graph.network import network_graph
from single_shot.onnx_graph.quantised import quantised
from single_shot.onnx_runtime import OnnxDetector
from single_shot.sources import calibration_images
from utils.compat import core_count
from utils.detection import SCORE_THRESHOLD, Detector, detect, load_detector, preprocess
from utils.metrics import evaluate_coco
from utils.ssd import compile_for_inference, toy_ssd

import numpy as np
import onnx
import onnxruntime
from mxnet import nd
from report import machine, table, write_record

PRESETS = ("multi", "single")
SHAPES = [(1, 128), (32, 128), (1, 256), (32, 256)]  # batch, side in pixels
# Calls in a row; before them some that do not count, until the threads of the engine before, which
# wait by spinning, have fallen asleep.
TURN, WARM_UP = 8, 4


def in_turns(calls: dict[str, Callable], seconds: float) -> dict[str, float]:
    """Return the median seconds of each call; they take turns of some calls for so long."""
    times, end = {name: [] for name in calls}, time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, call in calls.items():
            for number in range(WARM_UP + TURN):
                started = time.perf_counter()
                call()
                if number >= WARM_UP:
                    times[name].append(time.perf_counter() - started)
    return {name: float(np.median(each)) for name, each in times.items()}


def whole_way(preset: str, seconds: float) -> list[dict]:
    """Return size, speed and score of a data set's detector, from bytes to objects, by engine."""
    checkpoint = DATA_ROOT / "pretrained" / f"toy_ssd_{preset}.params"
    plain, held_out = load_detector(checkpoint, compiled=False), open_preset(preset, "val")
    calibration = calibration_images(preset, plain.class_names)
    eight = build(plain, 0.5, 0.45, calibration=calibration).SerializeToString()
    files = {
        "ONNX Runtime": build(plain, 0.5, 0.45).SerializeToString(),
        "ONNX Runtime, 8 bits": eight,
    }
    by_mxnet = {"MXNet": load_detector(checkpoint)}
    by_mxnet["MXNet, 8 bits"] = in_eight_bits(plain, calibration)
    finders = {
        name: lambda image, least, detector=detector: detect(image, detector, least)
        for name, detector in by_mxnet.items()
    }
    finders |= {name: OnnxDetector(content, name).find for name, content in files.items()}
    image = held_out[0][0]
    medians = in_turns(
        {name: lambda find=find: find(image, 0.5) for name, find in finders.items()}, seconds
    )
    rows = []
    for name, find in finders.items():
        found = [find(picture, SCORE_THRESHOLD) for picture, _ in held_out]
        fractions = [rows_px / [1, 1, 256, 256, 256, 256] for rows_px in found]
        score = evaluate_coco(fractions, held_out.labels, held_out.class_names)
        size = len(files[name]) if name in files else checkpoint.stat().st_size
        speed = 1 / medians[name]
        row = {"engine": name, "bytes": size, "images_per_second": speed}
        rows.append(row | {"ap": score.ap, "ap50": score.ap50})
    return rows


def session_of(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """Return a session that runs a graph with a thread for every core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = core_count(), 3
    providers = ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=providers)


def network_alone(batch: int, side: int, seconds: float) -> dict[str, float]:
    """Return the images a second that the network takes, by engine."""
    net = toy_ssd(3)
    images = np.random.default_rng(0).normal(size=(batch, 3, side, side)).astype(np.float32)
    graph, _ = network_graph(net, side)
    calibration = [preprocess(open_preset("multi", "val")[i][0], side).asnumpy() for i in range(16)]
    graphs = {"ONNX Runtime": graph, "ONNX Runtime, 8 bits": quantised(graph, calibration)}
    pictures = [np.zeros((side, side, 3), dtype=np.uint8)]
    twin = in_eight_bits(Detector(net, ("a", "b", "c"), side), pictures)
    compile_for_inference(net, side)
    x = nd.array(images)

    def by_mxnet(net):
        for output in net(x)[1:]:
            output.wait_to_read()

    calls = {"MXNet": lambda: by_mxnet(net), "MXNet, 8 bits": lambda: by_mxnet(twin.net)}
    for name, each in graphs.items():
        session = session_of(each)
        calls[name] = lambda session=session: session.run(None, {"data": images})
    if find_spec("openvino"):
        calls |= openvino_calls(graphs, images)
    return {name: batch / median for name, median in in_turns(calls, seconds).items()}


def openvino_calls(graphs: dict[str, onnx.ModelProto], images: np.ndarray) -> dict[str, Callable]:
    """Return calls of OpenVINO on the same graphs, in 32 and 8 bits."""
    import openvino

    core, calls = openvino.Core(), {}
    settings = {"INFERENCE_NUM_THREADS": core_count(), "PERFORMANCE_HINT": "LATENCY"}
    settings["INFERENCE_PRECISION_HINT"] = "f32"  # or it would take bfloat16 where there is some
    for name, graph in graphs.items():
        model = core.read_model(graph.SerializeToString())
        model.reshape({"data": list(images.shape)})
        compiled = core.compile_model(model, "CPU", settings)
        calls[name.replace("ONNX Runtime", "OpenVINO")] = lambda c=compiled: c(images)
    return calls


def table_of(preset: str, rows: list[dict]) -> str:
    """Return what `whole_way` measured as a table."""
    header = [f"{preset}: from bytes to objects, one at a time", "MB", "images/s", "AP", "AP50"]
    lines = [
        [
            row["engine"],
            f"{row['bytes'] / 1e6:.1f}",
            f"{row['images_per_second']:.0f}",
            f"{row['ap']:.3f}",
            f"{row['ap50']:.3f}",
        ]
        for row in rows
    ]
    return table(header, lines)


def main(arguments=None):
    """Measure, print tables, write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8, help="for each table (default: 8)")
    parser.add_argument("--json", metavar="FILE", help="write the record there too")
    options = parser.parse_args(arguments)
    record = {"machine": machine(), "whole_way": {}, "network": []}
    print(record["machine"], end="\n\n")
    for preset in PRESETS:
        rows = record["whole_way"][preset] = whole_way(preset, options.seconds)
        print(table_of(preset, rows), end="\n\n")
    for batch, side in SHAPES:
        speeds = network_alone(batch, side, options.seconds)
        record["network"].append({"batch": batch, "side": side, "images_per_second": speeds})
    engines = list(record["network"][0]["images_per_second"])
    header = ["network alone, images/s", *(f"{batch} × {side}²" for batch, side in SHAPES)]
    lines = [
        [engine, *(f"{each['images_per_second'][engine]:.0f}" for each in record["network"])]
        for engine in engines
    ]
    print(table(header, lines))
    if options.json:
        write_record(options.json, record)


if __name__ == "__main__":
    main()
