"""A detector that `single-shot export` has written, run by ONNX Runtime."""

import json
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from single_shot.onnx_graph import BATCH_OUTPUTS, FORMAT, OUTPUTS, RAW_FORMAT
from utils.compat import core_count
from utils.detection import DISPLAY_THRESHOLD, MAX_IMAGE_SIZE, SCORE_THRESHOLD, pixel_scale
from utils.files import InputError

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError
from mxnet import gluon

HOW_TO_EXPORT = "export the checkpoint again with `single-shot export`"


class OnnxError(InputError):
    """A file is no detector that can be used; the message names it and the fix."""


def open_session(content: bytes, path: PathLike | str) -> onnxruntime.InferenceSession:
    """Return what runs a file with a thread for every core.

    content: of the file; path: for messages. Raises OnnxError where it cannot be run.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = core_count()
    # A thread that waits by spinning takes the processor from those who work.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # no advice about inputs that may be left out
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors share no other base
        reason = str(error).splitlines()[0]
        raise OnnxError(f"{path}: cannot be run ({reason}); {HOW_TO_EXPORT}") from None


class OnnxDetector:
    """A detector in an ONNX file: finds objects as `detection.detect` does.

    content: of the file; path: for messages. class_names: by class id, a tuple; image_size: the
    side in pixels that images are resized to; takes_batches: whether `find_batch` takes more than
    one image. Raises OnnxError.
    """

    engine = "onnxruntime"

    def __init__(self, content: bytes, path: PathLike | str) -> None:
        facts = checked_facts(content, path)
        self.class_names, self.image_size = tuple(facts["class_names"]), facts["image_size"]
        self.session = open_session(content, path)
        self.takes_batches = len(self.session.get_outputs()) == len(BATCH_OUTPUTS)

    def find(self, image: np.ndarray, score_threshold: float = DISPLAY_THRESHOLD) -> np.ndarray:
        """Return the objects in an image, as `detection.detect` does.

        image: (H, W, 3) uint8 RGB. Returns (D, 6) rows `[class_id, score, xmin, ymin, xmax, ymax]`
        in pixels of the image, best score first.
        """
        return self.find_batch(image[np.newaxis], score_threshold)[0]

    def find_batch(
        self, images: np.ndarray, score_threshold: float = DISPLAY_THRESHOLD
    ) -> list[np.ndarray]:
        """Return for each of some images what `find` does.

        images: (N, H, W, 3) uint8 RGB; N must be 1 unless takes_batches.
        """
        threshold = np.array([score_threshold], dtype=np.float32)
        inputs = {"image": images, "score_threshold": threshold}
        boxes, scores, class_ids, *batch_indices = self.session.run(None, inputs)
        rows = np.column_stack([class_ids, scores, boxes]).astype(np.float32)
        if not batch_indices:
            return [rows]
        return [rows[batch_indices[0] == number] for number in range(len(images))]

    def find_all(self, dataset: gluon.data.Dataset) -> list[np.ndarray]:
        """Return the detections of every sample, as `detection.detect_dataset` does.

        One by one: on a processor, batches of eight are no faster.
        """
        detections = []
        for image, _ in dataset:
            detections.append(self.find(image, SCORE_THRESHOLD) / pixel_scale(image))
        return detections


def load_onnx(path: Path) -> OnnxDetector:
    """Return the detector in a file.

    Raises OnnxError, which names the file and the fix.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise OnnxError(f"{path}: no such file; is the path right?") from None
    return OnnxDetector(content, path)


def with_branches(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yield a graph and the graphs within its nodes, such as the branches of an If."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for branch in (attribute.g, *attribute.graphs):
                if branch.node:
                    yield from with_branches(branch)


def check_format(said: object, path: PathLike | str) -> None:
    """Raise OnnxError unless the format in a file's metadata is that of a file of objects."""
    if said == RAW_FORMAT:
        raise OnnxError(
            f"{path}: a raw file, whose boxes nothing has suppressed, for programs that do it "
            "themselves; export the checkpoint with `single-shot export` without --raw"
        )
    if said != FORMAT:
        raise OnnxError(
            f"{path}: its metadata say {said!r} where {FORMAT!r} is needed: from another program, "
            f"or another version of this one; {HOW_TO_EXPORT}"
        )


def checked_facts(content: bytes, path: PathLike | str) -> dict:
    """Return what a file says of itself, by name, checked before anything in it is run.

    Raises OnnxError for a file that is no ONNX, that no `single-shot export` has written, or that
    reaches beyond itself: for weights in other files, or operators of other makers; and for a raw
    file, which finds nothing by itself.
    """
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError:
        raise OnnxError(f"{path}: no ONNX file, or cut off; {HOW_TO_EXPORT}") from None
    try:
        facts = {prop.key: json.loads(prop.value) for prop in model.metadata_props}
    except ValueError:
        facts = {}
    check_format(facts.get("format", "nothing"), path)
    graphs = list(with_branches(model.graph))
    if any(each.external_data for graph in graphs for each in graph.initializer):
        raise OnnxError(f"{path}: its weights are in other files; {HOW_TO_EXPORT}")
    foreign = {node.domain for graph in graphs for node in graph.node} - {"", "ai.onnx"}
    if foreign:
        raise OnnxError(f"{path}: has operators of {', '.join(sorted(foreign))}; {HOW_TO_EXPORT}")
    names, size = facts.get("class_names"), facts.get("image_size")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise OnnxError(f"{path}: class_names in its metadata is no list of names")
    if type(size) is not int or not 0 < size <= MAX_IMAGE_SIZE:
        raise OnnxError(f"{path}: image_size in its metadata is {size!r}")
    if tuple(output.name for output in model.graph.output) not in (OUTPUTS, BATCH_OUTPUTS):
        raise OnnxError(f"{path}: its outputs are not {', '.join(OUTPUTS)}; {HOW_TO_EXPORT}")
    return facts
