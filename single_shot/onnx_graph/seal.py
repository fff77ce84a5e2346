"""The seal of an exported file: its last bytes say what the SHA-256 of all before them is.

It is one more pair of the metadata, so that every program reads the file as it would without it: in
Protocol Buffers, messages written one behind the other are read as one. A bit that has changed in
the weights would give other detections and nothing else would tell.
"""

import hashlib
import json

import onnx
from onnx import helper

KEY = "sha256"


def _pair(digest):
    """Return the bytes that say the seal, always as many."""
    model = onnx.ModelProto()
    helper.set_model_props(model, {KEY: json.dumps(digest)})
    return model.SerializeToString()


def sealed(content: bytes) -> bytes:
    """Return a file with its seal behind it."""
    return content + _pair(hashlib.sha256(content).hexdigest())


def is_intact(content: bytes) -> bool:
    """Return whether a file ends with the seal that is its own."""
    length = len(sealed(b""))
    return len(content) >= length and content == sealed(content[:-length])
