"""A detector that `single-shot export` has written, run by ONNX Runtime."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from single_shot.onnx_graph import BATCH_OUTPUTS, FORMAT, OUTPUTS, RAW_FORMAT
from single_shot.onnx_graph.seal import KEY, is_intact
from utils.compat import core_count
from utils.detection import DISPLAY_THRESHOLD, MAX_IMAGE_SIZE, SCORE_THRESHOLD, pixel_scale
from utils.files import InputError

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError
from mxnet import gluon

HOW_TO_EXPORT = "export the checkpoint again with `single-shot export`"
MAX_FILE_BYTES = 2**31 - 1  # the most that Protocol Buffers allow; those of SSD512 have 0.1e9


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
    options.log_severity_level = 4  # what goes wrong is raised, and told once
    with can_be_run(path):
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


@contextmanager
def can_be_run(path: PathLike | str) -> Iterator[None]:
    """Raise OnnxError, which names the file, for whatever ONNX Runtime raises in the block."""
    try:
        yield
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
        facts, self.path = checked_facts(content, path), path
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

        images: (N, H, W, 3) uint8 RGB; N must be 1 unless takes_batches. Raises OnnxError where the
        file cannot be run on them, or gives what cannot be detections.
        """
        threshold = np.array([score_threshold], dtype=np.float32)
        inputs = {"image": images, "score_threshold": threshold}
        with can_be_run(self.path):
            boxes, scores, class_ids, *batch_indices = self.session.run(None, inputs)
        fault = fault_of(boxes, scores, class_ids, len(self.class_names))
        if fault:
            raise OnnxError(f"{self.path}: gives {fault}; {HOW_TO_EXPORT}")
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


def fault_of(boxes: np.ndarray, scores: np.ndarray, class_ids: np.ndarray, num_classes: int) -> str:
    """Return what is wrong with the outputs of a file, or ""; see `onnx_graph.build`."""
    outputs = dict(zip(OUTPUTS, (boxes, scores, class_ids), strict=True))
    shapes = {"boxes": (len(boxes), 4), "scores": (len(boxes),), "class_ids": (len(boxes),)}
    for name, array in outputs.items():
        if array.dtype.kind not in "fi":
            return f"{name} that are no numbers"
        if array.shape != shapes[name]:
            return f"{name} of shape {array.shape} where {shapes[name]} is needed"
        if not np.isfinite(array).all():
            return f"{name} that are not finite"
    outside = class_ids[(class_ids < 0) | (class_ids >= num_classes)]
    return f"the class id {outside[0]}, but names {num_classes} classes" if len(outside) else ""


def load_onnx(path: Path) -> OnnxDetector:
    """Return the detector in a file.

    Raises OnnxError, which names the file and the fix.
    """
    return OnnxDetector(read_onnx(path), path)


def read_onnx(path: Path) -> bytes:
    """Return the bytes of a file; raise OnnxError where there is none, or one that is too large."""
    if path.is_dir():
        raise OnnxError(f"{path}: a folder; name the file")
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise OnnxError(f"{path}: no ONNX file, which has at most {MAX_FILE_BYTES:,} bytes")
        return path.read_bytes()
    except FileNotFoundError:
        raise OnnxError(f"{path}: no such file; is the path right?") from None


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


def facts_in(model: onnx.ModelProto) -> dict:
    """Return what a graph says of itself, by name; nothing where a value is no JSON."""
    try:
        return {prop.key: json.loads(prop.value) for prop in model.metadata_props}
    except (ValueError, RecursionError):
        return {}


def checked_facts(content: bytes, path: PathLike | str) -> dict:
    """Return what a file says of itself, by name, checked before anything in it is run.

    Raises OnnxError for a file that is no ONNX, that no `single-shot export` has written, or that
    has changed since, as its seal tells (files of earlier versions have none); that reaches beyond
    itself, for weights in other files or operators of other makers; and for a raw file, which
    finds nothing by itself.
    """
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError:
        raise OnnxError(f"{path}: no ONNX file, or cut off; {HOW_TO_EXPORT}") from None
    facts = facts_in(model)
    check_format(facts.get("format", "nothing"), path)
    if KEY in facts and not is_intact(content):
        raise OnnxError(f"{path}: has changed since it was exported; {HOW_TO_EXPORT}")
    graphs = list(with_branches(model.graph))
    if any(each.external_data for graph in graphs for each in graph.initializer):
        raise OnnxError(f"{path}: its weights are in other files; {HOW_TO_EXPORT}")
    foreign = {node.domain for graph in graphs for node in graph.node} - {"", "ai.onnx"}
    if foreign:
        raise OnnxError(f"{path}: has operators of {', '.join(sorted(foreign))}; {HOW_TO_EXPORT}")
    names, size = facts.get("class_names"), facts.get("image_size")
    if not names or not isinstance(names, list) or not all(isinstance(n, str) for n in names):
        raise OnnxError(f"{path}: class_names in its metadata is no list of names")
    if type(size) is not int or not 0 < size <= MAX_IMAGE_SIZE:
        raise OnnxError(f"{path}: image_size in its metadata is {size!r}")
    if tuple(output.name for output in model.graph.output) not in (OUTPUTS, BATCH_OUTPUTS):
        raise OnnxError(f"{path}: its outputs are not {', '.join(OUTPUTS)}; {HOW_TO_EXPORT}")
    return facts
