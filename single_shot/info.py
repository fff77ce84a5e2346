"""Say what a file of a detector, or of a run that goes on, or a prepared folder holds.

    single-shot info run/detector.params

Nothing in the file is run.
"""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from single_shot.answer import Answer
from single_shot.files import sha256
from single_shot.labels.numbers_in_text import printable
from single_shot.onnx_graph.seal import KEY
from single_shot.onnx_runtime import checked_facts, read_onnx
from single_shot.prepared_folder import read_manifest
from utils.checkpoint import load_checkpoint
from utils.networks import TOY_SSD


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of this part to a parser."""
    path_help = "a .params, .running or .onnx file, or a prepared folder"
    parser.add_argument("path", type=Path, help=path_help)


def facts_of_checkpoint(path: Path) -> dict:
    """Return what a checkpoint says of itself, as a dict."""
    checkpoint = load_checkpoint(path)
    facts = {"kind": "detector", "sha256": sha256(path)} | checkpoint.metadata
    facts["network"] = checkpoint.metadata.get("network") or TOY_SSD
    facts["num_weights"] = int(sum(array.size for array in checkpoint.parameters.values()))
    if checkpoint.optimizer_states:
        facts |= {"kind": "run that goes on", "epochs_done": len(facts.pop("history", []))}
    return facts


def facts_of_exported(path: Path) -> dict:
    """Return what an exported file says of itself, as a dict."""
    facts = checked_facts(read_onnx(path), path)
    facts.pop(KEY, None)  # of the file without its seal; that of the whole stands here
    return {"kind": "exported detector", "sha256": sha256(path)} | facts


def run(options: Namespace) -> Answer:
    """Look; return the Answer."""
    if options.path.is_dir():
        facts = {"kind": "prepared folder"} | read_manifest(options.path)
    elif options.path.suffix == ".onnx":
        facts = facts_of_exported(options.path)
    else:
        facts = facts_of_checkpoint(options.path)
    width = max(map(len, facts))
    lines = [f"{key:<{width}}  {shown(value)}" for key, value in facts.items()]
    return Answer("\n".join(lines), facts)


def shown(value: object) -> str:
    """Return a value on one line."""
    return printable(value) if isinstance(value, str) else json.dumps(value)


def after_stop(options: Namespace) -> str:
    """Return what Ctrl-C left."""
    return "nothing is changed"
