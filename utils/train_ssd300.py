"""Train SSD300 on folders in Pascal VOC's layout: `python -m utils.train_ssd300 --help`.

Without --train it takes the embedded data set `multi`, exported to data/voc_multi. The folder --out
gets the same files as that of `utils.train`; a run that was stopped goes on when the same command
is given again.
"""

import shlex
import sys
from dataclasses import asdict, replace
from pathlib import Path

from utils.command_line import Parser, number, seed
from utils.context import SEED, best_context, seed_everything
from utils.data import augment, ssd_augment
from utils.labels.voc import VocDataset, find_classes
from utils.losses import MinedCrossEntropyLoss
from utils.make_data import DATA_ROOT
from utils.memory import check_memory
from utils.networks import LAYOUTS, build_network, describe_ssd
from utils.records import RecordError
from utils.train import RUNNING, finish_run, prepare_out, report_errors
from utils.training import TrainingConfig, train
from utils.vgg_weights import load_imagenet_weights
from utils.voc_export import export

EMBEDDED = DATA_ROOT / "voc_multi"
OUT = DATA_ROOT.parent / "build" / "ssd300"
# The rate of the paper is for batches of 32 images.
PAPER_BATCH_SIZE = 32
# From random weights with batch normalisation: few epochs, Adam, one cycle. Small batches learn
# more from as many images: an epoch of `multi` in batches of 8, 4 and 2 gave AP50 .46, .68 and .71.
SHORT = TrainingConfig(batch_size=4, learning_rate=1.5e-3)
SHORT_EPOCHS = 2
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
TRANSFORMS = {"short": augment, "paper": ssd_augment}


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
    class_names = options.classes or find_classes(parts, options.drop_bad)
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


def parse_arguments(arguments=None):
    """Return the options of the command line."""
    parser = Parser(prog="python -m utils.train_ssd300", description=__doc__)
    add = parser.add_argument
    add("--train", action="append", metavar="FOLDER:SET", help="may be given several times")
    add("--val", action="append", metavar="FOLDER:SET", help="default: the first folder's test")
    add("--classes", nargs="+", metavar="NAME", help="default: those of the training annotations")
    add("--drop-bad", action="store_true", help="leave bad objects out instead of stopping")
    add("--layout", choices=sorted(LAYOUTS), default="ssd300", help="of the anchors and maps")
    add("--width", type=number(1 / 16, kind=float), default=0.25, help="times the paper's channels")
    add("--no-batch-norm", action="store_true", help="as in the paper, for trained base weights")
    add("--base-weights", type=Path, metavar="FILE", help="MXNet's vgg16, for --width 1")
    add("--recipe", choices=sorted(RECIPES), default="short", help="how to train")
    add(
        "--epochs", type=number(1), default=SHORT_EPOCHS, metavar="N", help="times through the data"
    )
    add("--batch-size", type=number(1), metavar="N", help="images at a time; default: the recipe's")
    add("--accumulate", type=number(1), default=1, metavar="N", help="batches for one step")
    rate_help = "default: the recipe's, scaled with the batch"
    add("--learning-rate", type=number(0, kind=float), metavar="RATE", help=rate_help)
    add("--seed", type=seed, default=SEED, help="of all random numbers")
    add("--out", type=Path, default=OUT, metavar="DIR", help="folder for the results")
    add("--restart", action="store_true", help="forget what DIR holds and begin anew")
    return parser.parse_args(arguments)


def run(options, command):
    """Train, score on held-out images, write what stays of the run; command: what to type again."""
    dataset, held_out = open_data(options)
    for fault in dataset.faults + held_out.faults:
        print(f"left out: {fault}", file=sys.stderr)
    layout = LAYOUTS[options.layout]
    config = make_config(options, layout)
    check_memory(config.batch_size, layout.image_size, options.width, ctx=best_context())
    running = prepare_out(options)
    description = describe_ssd(options.layout, options.width, not options.no_batch_norm)
    seed_everything(config.seed)
    net = build_network(description, len(dataset.class_names), best_context())
    if options.base_weights:
        load_imagenet_weights(net.base, options.base_weights)
    parts = {"cls_loss": MinedCrossEntropyLoss(), "transform": TRANSFORMS[options.recipe]}
    history = train(net, dataset, config, checkpoint=running, **parts)
    metadata = {"class_names": list(dataset.class_names), "image_size": layout.image_size}
    metadata |= {"network": description}
    settings = asdict(config) | {"image_sizes": None, "epochs": options.epochs}
    card = {"command": command} | metadata | settings
    finish_run(options.out, net, metadata, held_out, history, card)
    running.unlink()


def main(arguments=None):
    """Run; return the exit status: 2 for what must be mended, 130 for Ctrl-C."""
    options = parse_arguments(arguments)
    command = shlex.join(["python", "-m", "utils.train_ssd300", *(arguments or sys.argv[1:])])
    running = options.out / RUNNING
    return report_errors(lambda: run(options, command), "utils.train_ssd300", arguments, running)


if __name__ == "__main__":
    sys.exit(main())
