"""Say what a file of a detector, or of a run that goes on, or a prepared folder holds.

    single-shot info run/detector.params

Nothing in the file is run.
"""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from single_shot.answer import Answer
from single_shot.files import sha256
from single_shot.prepared_folder import read_manifest
from utils.checkpoint import load_checkpoint
from utils.networks import TOY_SSD


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of this part to a parser."""
    parser.add_argument("path", type=Path, help="a .params or .running file, or a prepared folder")


def facts_of_checkpoint(path: Path) -> dict:
    """Return what a checkpoint says of itself, as a dict."""
    checkpoint = load_checkpoint(path)
    facts = {"kind": "detector", "sha256": sha256(path)} | checkpoint.metadata
    facts["network"] = checkpoint.metadata.get("network") or TOY_SSD
    facts["num_weights"] = int(sum(array.size for array in checkpoint.parameters.values()))
    if checkpoint.optimizer_states:
        facts |= {"kind": "run that goes on", "epochs_done": len(facts.pop("history", []))}
    return facts


def run(options: Namespace) -> Answer:
    """Look; return the Answer."""
    if options.path.is_dir():
        facts = {"kind": "prepared folder"} | read_manifest(options.path)
    else:
        facts = facts_of_checkpoint(options.path)
    width = max(map(len, facts))
    lines = [f"{key:<{width}}  {shown(value)}" for key, value in facts.items()]
    return Answer("\n".join(lines), facts)


def shown(value: object) -> str:
    """Return a value on one line."""
    return value if isinstance(value, str) else json.dumps(value)


def after_stop(options: Namespace) -> str:
    """Return what Ctrl-C left."""
    return "nothing is changed"
