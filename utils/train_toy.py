"""Train ToySSD on an embedded data set: `python -m utils.train_toy --help`.

Writes the detector and beside it a card, JSON with the scores on held-out images and what it takes
to get them again, and a picture of what it detects in some of them.
"""

import json
import platform
import sys
from dataclasses import replace
from pathlib import Path

from utils.checkpoint import replace_atomically, save_checkpoint
from utils.command_line import Parser, number, seed
from utils.compat import core_count
from utils.context import SEED, best_context, seed_everything
from utils.data import open_preset
from utils.detection import Detector, detect, evaluate_detector
from utils.make_data import PRESETS, ensure
from utils.networks import TOY_SSD, build_network
from utils.plotting import show_detections, to_png
from utils.train import report_errors
from utils.training import TrainingConfig, train

import mxnet as mx
from matplotlib.figure import Figure

TRAINED = Path(__file__).resolve().parents[1] / "build" / "trained"


def save_detector(path, detector, card, dataset):
    """Write a detector without the optimiser's state, its card, and what it sees in a data set."""
    metadata = {"class_names": detector.class_names, "image_size": detector.image_size}
    save_checkpoint(path, detector.net, metadata)
    text = json.dumps(card, indent=1) + "\n"
    replace_atomically(path.with_suffix(".json"), lambda file: Path(file).write_text(text))
    picture = to_png(draw_detections(detector, dataset))
    replace_atomically(path.with_suffix(".png"), lambda file: Path(file).write_bytes(picture))


def draw_detections(detector, dataset, rows=2, columns=4):
    """Return a figure of the detections in the first images of a data set."""
    figure = Figure(figsize=(2.4 * columns, 2.4 * rows), layout="constrained")
    for (image, _), ax in zip(dataset, figure.subplots(rows, columns).flat):
        show_detections(image, detect(image, detector), detector.class_names, ax=ax)
    return figure


def make_card(preset, config, history, result):
    """Return what a reader should know of a trained detector, as a dict for JSON."""
    manifest = json.loads((ensure(preset) / "manifest.json").read_text())
    epochs = len(config.image_sizes)
    return {
        "command": f"python -m utils.train_toy --preset {preset} --epochs {epochs} "
        f"--seed {config.seed}",
        "class_names": manifest["class_names"],
        "image_size": config.image_sizes[-1],
        "epochs": epochs,
        "seed": config.seed,
        "data_sha256": manifest["sha256"],
        "train_seconds": round(sum(line["seconds"] for line in history), 1),
        "ap": round(result.ap, 4),
        "ap50": round(result.ap50, 4),
        "ap75": round(result.ap75, 4),
        "machine": f"{core_count()} cores, {platform.machine()}, MXNet {mx.__version__}",
    }


def parse_arguments(arguments=None):
    """Return the options of the command line."""
    parser = Parser(prog="python -m utils.train_toy", description=__doc__)
    add = parser.add_argument
    add("--preset", choices=sorted(PRESETS), default="single", help="data set")
    num_epochs = len(TrainingConfig().image_sizes)
    add("--epochs", type=number(1), default=num_epochs, metavar="N", help="times through the data")
    add("--seed", type=seed, default=SEED, help="of all random numbers")
    add("--out", type=Path, default=TRAINED, metavar="DIR", help="folder for the results")
    add("--restart", action="store_true", help="forget a run that was stopped")
    return parser.parse_args(arguments)


def run(options, running):
    """Train, score on held-out images, write the detector and its card, print both.

    running: path of the file from which a stopped run goes on.
    """
    recipe = TrainingConfig()
    image_sizes = recipe.image_sizes[-1:] * options.epochs
    config = replace(recipe, image_sizes=image_sizes, seed=options.seed)
    dataset, held_out = (open_preset(options.preset, split) for split in ("train", "val"))
    seed_everything(config.seed)
    net = build_network(TOY_SSD, len(dataset.class_names), best_context())
    if options.restart:
        running.unlink(missing_ok=True)
    history = train(net, dataset, config, checkpoint=running)
    detector = Detector(net, dataset.class_names, config.image_sizes[-1])
    result = evaluate_detector(detector, held_out)
    card = make_card(options.preset, config, history, result)
    save_detector(options.out / f"toy_ssd_{options.preset}.params", detector, card, held_out)
    running.unlink()
    print(result)
    print(json.dumps(card, indent=1))


def main(arguments=None):
    """Run; return the exit status: 2 for what must be mended, 130 for Ctrl-C."""
    options = parse_arguments(arguments)
    running = options.out / f"{options.preset}.{options.seed}.running"
    return report_errors(lambda: run(options, running), "utils.train_toy", arguments, running)


if __name__ == "__main__":
    sys.exit(main())
