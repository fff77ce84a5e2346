"""Train SSD300 on folders in Pascal VOC's layout: `python -m utils.train_ssd300 --help`.

Without --train it takes the embedded data set `multi`, exported to data/voc_multi. Writes the
detector, a card with its scores, and curves of precision and recall; a run that was stopped goes on
when it is started again.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from utils.checkpoint import replace_atomically, save_checkpoint
from utils.context import SEED, best_context, seed_everything
from utils.curves import plot_precision_recall
from utils.data import augment, ssd_augment
from utils.detection import Detector, detect_dataset
from utils.losses import MinedCrossEntropyLoss
from utils.make_data import DATA_ROOT
from utils.metrics import evaluate_coco, evaluate_detections
from utils.networks import LAYOUTS, build_network, describe_ssd
from utils.plotting import to_png
from utils.records import RecordError
from utils.training import TrainingConfig, train
from utils.vgg_weights import load_imagenet_weights
from utils.voc import VocDataset, find_classes
from utils.voc_export import export

EMBEDDED = DATA_ROOT / "voc_multi"
OUT = DATA_ROOT.parent / "build" / "ssd300"
# The rate of the paper is for batches of 32 images.
PAPER_BATCH_SIZE = 32
# From random weights with batch normalisation: few epochs, Adam, one cycle.
SHORT = TrainingConfig(batch_size=16, learning_rate=4e-3)
# Liu et al., SSD, section 3 and the released settings: 120,000 steps, drops after 80,000 and
# 100,000. A short warm-up is ours: without it the first steps from random heads may diverge.
PAPER = TrainingConfig(
    batch_size=PAPER_BATCH_SIZE,
    learning_rate=1e-3,
    warmup=0.005,
    weight_decay=5e-4,
    drops=(2 / 3, 5 / 6),
    optimizer="sgd",
    momentum=0.9,
    bias_rate=2.0,
)
RECIPES = {"short": SHORT, "paper": PAPER}


def parts_of(texts):
    """Return pairs of folder and set from texts `FOLDER:SET`.

    Raises RecordError for a text without a colon.
    """
    pairs = [text.rpartition(":") for text in texts]
    for text, (folder, _, name) in zip(texts, pairs, strict=True):
        if not folder or not name:
            raise RecordError(f"{text!r} is not FOLDER:SET; write for example VOC2007:trainval")
    return [(Path(folder), name) for folder, _, name in pairs]


def open_data(options):
    """Return the training and the held-out VocDataset that the options name."""
    if not options.train and not EMBEDDED.exists():
        export("multi", EMBEDDED)
    parts = parts_of(options.train or [f"{EMBEDDED}:trainval"])
    held_out = parts_of(options.val or [f"{parts[0][0]}:test"])
    class_names = options.classes or find_classes(parts)
    return [VocDataset(each, class_names, options.drop_bad) for each in (parts, held_out)]


def make_config(options, layout):
    """Return the TrainingConfig of a recipe with what the options change of it."""
    config = RECIPES[options.recipe]
    batch_size = options.batch_size or config.batch_size
    scale = batch_size * options.accumulate / config.batch_size
    return replace(
        config,
        image_sizes=(layout.image_size,) * options.epochs,
        batch_size=batch_size,
        accumulate=options.accumulate,
        learning_rate=options.learning_rate or config.learning_rate * scale,
        seed=options.seed,
    )


def evaluate(detector, dataset):
    """Return the scores of a detector on a VocDataset: VOC's in both modes, and COCO's.

    Difficult objects neither count nor hurt.
    """
    data = detect_dataset(detector, dataset), dataset.labels, dataset.class_names
    modes = {"voc07": "11-point", "voc_area": "area"}
    scores = {
        name: evaluate_detections(*data, dataset.difficult, mode=mode)
        for name, mode in modes.items()
    }
    return scores | {"coco": evaluate_coco(*data, dataset.difficult)}


def parse_arguments(arguments=None):
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m utils.train_ssd300", description=__doc__)
    add = parser.add_argument
    add("--train", action="append", metavar="FOLDER:SET", help="may be given several times")
    add("--val", action="append", metavar="FOLDER:SET", help="default: the first folder's test")
    add("--classes", nargs="+", metavar="NAME", help="default: those of the training annotations")
    add("--drop-bad", action="store_true", help="leave bad objects out instead of stopping")
    add("--layout", choices=sorted(LAYOUTS), default="ssd300")
    add("--width", type=float, default=0.25, help="times the paper's channels (default 0.25)")
    add("--no-batch-norm", action="store_true", help="as in the paper, for trained base weights")
    add("--base-weights", type=Path, metavar="FILE", help="MXNet's vgg16, for --width 1")
    add("--recipe", choices=sorted(RECIPES), default="short")
    add("--epochs", type=int, default=4, metavar="N")
    add("--batch-size", type=int, metavar="N", help="images at a time")
    add("--accumulate", type=int, default=1, metavar="N", help="batches for one step")
    add("--learning-rate", type=float, metavar="RATE", help="default: scaled with the batch")
    add("--seed", type=int, default=SEED)
    add("--out", type=Path, default=OUT, metavar="DIR")
    add("--restart", action="store_true", help="forget a run that was stopped")
    return parser.parse_args(arguments)


def run(options):
    """Train, score on held-out images, write the detector, its card and its curves."""
    dataset, held_out = open_data(options)
    for fault in dataset.faults + held_out.faults:
        print(f"left out: {fault}", file=sys.stderr)
    layout = LAYOUTS[options.layout]
    config = make_config(options, layout)
    description = describe_ssd(options.layout, options.width, not options.no_batch_norm)
    seed_everything(config.seed)
    net = build_network(description, len(dataset.class_names), best_context())
    if options.base_weights:
        load_imagenet_weights(net.base, options.base_weights)
    options.out.mkdir(parents=True, exist_ok=True)
    running = options.out / f"{options.layout}.running"
    if options.restart:
        running.unlink(missing_ok=True)
    parts = {"cls_loss": MinedCrossEntropyLoss(), "transform": ssd_augment}
    parts = parts if options.recipe == "paper" else {"transform": augment}
    history = train(net, dataset, config, checkpoint=running, **parts)
    detector = Detector(net, dataset.class_names, layout.image_size, per_class=True)
    results = evaluate(detector, held_out)
    metadata = {"class_names": list(dataset.class_names), "image_size": layout.image_size}
    path = options.out / f"{options.layout}.params"
    save_checkpoint(path, net, metadata | {"network": description})
    card = metadata | {
        "network": description,
        "train_seconds": round(sum(line["seconds"] for line in history), 1),
        "images_per_second": round(history[-1]["images_per_second"], 2),
        "voc07_map": results["voc07"].mean,
        "voc_area_map": results["voc_area"].mean,
        "coco_ap": results["coco"].ap,
    }
    text = json.dumps(card, indent=1) + "\n"
    replace_atomically(path.with_suffix(".json"), lambda file: Path(file).write_text(text))
    curves = to_png(plot_precision_recall(results["voc_area"]).figure)
    replace_atomically(path.with_suffix(".png"), lambda file: Path(file).write_bytes(curves))
    running.unlink()
    print(*results.values(), text, sep="\n\n")


def main(arguments=None):
    """Run; return the exit status: 2 for data or a checkpoint that must be mended."""
    try:
        run(parse_arguments(arguments))
    except ValueError as error:  # RecordError, VocError, CheckpointError: what a person can mend
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
