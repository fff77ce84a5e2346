"""Train a detector on a data set of your own: `python -m utils.train --help`.

DIR is a folder that `python -m utils.prepare` made. RUN gets the detector (`detector.params`, for
`python -m utils.detect`), its scores on held-out images (`card.json`), its training
(`history.json`, `curves.png`), `precision_recall.png` and the images it fails on (`worst.png`). A
run that was stopped goes on when the same command is given again.
"""

import shlex
import sys
from dataclasses import asdict
from pathlib import Path

from utils.anchor_plan import plan_anchors
from utils.checkpoint import CheckpointError, save_checkpoint
from utils.command_line import Parser, number, seed
from utils.context import SEED, best_context, seed_everything
from utils.detection import Detector, detect_dataset, evaluate_detector, load_detector
from utils.locks import Locked, locked
from utils.losses import MinedCrossEntropyLoss
from utils.make_data import DATA_ROOT
from utils.memory import ADVICE, MEASURED_WIDTH, MemoryShort, check_memory, is_out_of_memory
from utils.networks import LAYOUTS, build_network, describe_ssd
from utils.prepared import open_prepared, read_manifest
from utils.records import RecordError
from utils.run_report import write_report
from utils.ssd import MINIMUM_IMAGE_SIZE
from utils.training import TrainingConfig, train

RUNS = DATA_ROOT.parent / "build" / "runs"
IMAGE_SIZE = 256  # of ToySSD: small objects of real pictures are lost at the lessons' 128
MINUTES = 5
# Training images of 100 x 100 pixels a second on two processor cores, an SSD's of MEASURED_WIDTH;
# ToySSD's were 70 on one machine and 140 on another. The number of epochs follows from it. Measured
# anew at the start, it would not be the same twice, nor for a run that goes on.
SPEEDS = {"toy_ssd": 100, "ssd300": 70, "ssd512": 70}
RUNNING = "detector.running"  # in RUN, as long as the run has not ended
NUM_SCORES = 8  # on held-out images while the network learns, the last one not counted


class TrainError(ValueError):
    """A run that cannot begin or go on; the message says what to change."""


def parse_arguments(arguments=None):
    """Return the options of the command line."""
    parser = Parser(prog="python -m utils.train", description=__doc__)
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help="made by python -m utils.prepare")
    add("--out", type=Path, metavar="RUN", help="default: build/runs and the name of DIR")
    add("--network", choices=["toy_ssd", *sorted(LAYOUTS)], default="toy_ssd", help="which one")
    width_help = "of an SSD: times the paper's channels"
    add("--width", type=number(1 / 16, kind=float), default=MEASURED_WIDTH, help=width_help)
    add("--minutes", type=number(0, kind=float), default=MINUTES, help="about, on two cores")
    add("--epochs", type=number(1), metavar="N", help="instead of --minutes")
    size_help = f"side in pixels, ToySSD only; default: {IMAGE_SIZE}"
    add("--image-size", type=number(MINIMUM_IMAGE_SIZE), metavar="N", help=size_help)
    add("--batch-size", type=number(1), default=16, metavar="N", help="images at a time")
    add("--accumulate", type=number(1), default=1, metavar="N", help="batches for one step")
    rate = TrainingConfig().learning_rate
    add(
        "--learning-rate",
        type=number(0, kind=float),
        default=rate,
        metavar="RATE",
        help="at its peak",
    )
    add("--seed", type=seed, default=SEED, help="of all random numbers")
    add("--restart", action="store_true", help="forget what RUN holds and begin anew")
    options = parser.parse_args(arguments)
    options.out = options.out or RUNS / options.folder.resolve().name
    return options


def choose_image_size(options):
    """Return the side of the images in pixels; an SSD has its own."""
    if options.network == "toy_ssd":
        return options.image_size or IMAGE_SIZE
    size = LAYOUTS[options.network].image_size
    if options.image_size not in (None, size):
        raise TrainError(f"{options.network} takes images of {size} pixels; leave --image-size out")
    return size


def make_config(options, num_images):
    """Return the TrainingConfig for a data set of num_images."""
    size = choose_image_size(options)
    epochs = options.epochs
    if epochs is None:
        slower = 1 if options.network == "toy_ssd" else max(1, options.width / MEASURED_WIDTH) ** 2
        images_per_second = SPEEDS[options.network] * (100 / size) ** 2 / slower
        epochs = max(1, round(options.minutes * 60 * images_per_second / num_images))
    return TrainingConfig(
        image_sizes=(size,) * epochs,
        batch_size=options.batch_size,
        accumulate=options.accumulate,
        learning_rate=options.learning_rate,
        seed=options.seed,
    )


def choose_network(options, dataset):
    """Return the description of the network; for ToySSD with anchors that fit the data set."""
    if options.network != "toy_ssd":
        return describe_ssd(options.network, options.width, batch_norm=True)
    usual, plan = plan_anchors(dataset.labels, choose_image_size(options))
    print(
        f"anchors: the usual ones cover {usual.covered:.1%} of the objects, "
        f"those taken {plan.covered:.1%}; mean IoU {usual.fit:.2f} and {plan.fit:.2f}"
    )
    return plan.description


def prepare_out(options):
    """Return the path of the file from which a stopped run in RUN goes on.

    Raises TrainError where RUN holds a finished run.
    """
    running, card = options.out / RUNNING, options.out / "card.json"
    if options.restart:
        running.unlink(missing_ok=True)
    elif card.exists() and not running.exists():
        raise TrainError(
            f"{card}: this run has ended; give another --out, or --restart to train again"
        )
    return running


def train_network(network, dataset, held_out, config, running):
    """Train, or go on with it; return the trained network and the history.

    network: its description; running: path of the file from which a stopped run goes on.
    """
    seed_everything(config.seed)
    net = build_network(network, len(dataset.class_names), best_context())
    detector = Detector(net, dataset.class_names, config.image_sizes[0], per_class=True)

    def score():
        result = evaluate_detector(detector, held_out)
        return {"ap50": result.ap50, "ap75": result.ap75}

    every = max(1, len(config.image_sizes) // NUM_SCORES)
    options = {"evaluate": score, "evaluate_every": every, "checkpoint": running}
    if network["name"] in LAYOUTS:
        options["cls_loss"] = MinedCrossEntropyLoss()  # as in the paper
    return net, train(net, dataset, config, **options)


def run(options, command):
    """Train, score on held-out images, write what stays of the run; command: what to type again."""
    dataset, held_out = (open_prepared(options.folder, split) for split in ("train", "val"))
    config = make_config(options, len(dataset))
    image_size, epochs = config.image_sizes[0], len(config.image_sizes)
    width = {} if options.network == "toy_ssd" else {"width": options.width}
    check_memory(min(config.batch_size, len(dataset)), image_size, **width, ctx=best_context())
    running = prepare_out(options)
    print(f"{len(dataset)} images to learn from, {len(held_out)} held out; {epochs} epochs")
    network = choose_network(options, dataset)
    net, history = train_network(network, dataset, held_out, config, running)
    metadata = {"class_names": list(dataset.class_names), "image_size": image_size}
    metadata |= {"network": network}
    card = {"command": command, "data_sha256": read_manifest(options.folder)["sha256"]}
    card |= metadata | {"epochs": epochs} | asdict(config)
    del card["image_sizes"]  # the same for every epoch
    path = finish_run(options.out, net, metadata, held_out, history, card)
    running.unlink()
    print(f"now: python -m utils.detect {path} IMAGE")


def finish_run(out, net, metadata, held_out, history, card):
    """Save the detector of a run, score it, write and print its report; return the detector's path.

    out: the run's folder; metadata: see `checkpoint.save_checkpoint`; held_out, history and card:
    see `run_report.write_report`. What is scored is the file, as everybody else will load it.
    """
    path = out / "detector.params"
    save_checkpoint(path, net, metadata)
    detections = detect_dataset(load_detector(path, best_context()), held_out)
    print(write_report(out, detections, held_out, history, card))
    return path


def explain(error, out):
    """Return what a person can do about an error, None where the fault is the program's.

    out: the folder for the results.
    """
    if isinstance(error, (TrainError, MemoryShort, RecordError, CheckpointError)):
        return str(error)
    if isinstance(error, FloatingPointError):
        return f"{error}. Train again with a lower --learning-rate and --restart"
    if is_out_of_memory(error):
        return f"not enough memory: {ADVICE}, and add --restart"
    if isinstance(error, OSError):
        return (
            f"{error.filename or out}: {error.strerror}; make room or choose a folder that is "
            "yours to write in. The same command goes on"
        )
    return None


def report_errors(work, module, arguments, running):
    """Do the work of a training command; return the exit status: 2 for what must be mended.

    work: called without arguments, while no other process may train in the same place; module and
    arguments: of the command that goes on after Ctrl-C, for which the status is 130; running: path
    of the file from which a stopped run goes on.
    """
    try:
        with locked(running.parent):
            work()
    except KeyboardInterrupt:
        words = sys.argv[1:] if arguments is None else arguments
        if running.exists():  # else `--restart` has not been done yet
            words = [word for word in words if word != "--restart"]
        command = shlex.join(["python", "-m", module, *words])
        print(f"\nstopped; go on with the command:\n{command}", file=sys.stderr)
        return 130
    except Locked as error:
        print(f"{error}; wait for it, or choose another --out", file=sys.stderr)
        return 2
    except Exception as error:
        message = explain(error, running.parent)
        if message is None:
            raise
        print(message, file=sys.stderr)
        return 2
    return 0


def main(arguments=None):
    """Run; return the exit status: 2 for what must be mended, 130 for Ctrl-C."""
    options = parse_arguments(arguments)
    words = [word for word in arguments or sys.argv[1:] if word != "--restart"]  # or all is lost
    command = shlex.join(["python", "-m", "utils.train", *words])
    running = options.out / RUNNING
    return report_errors(lambda: run(options, command), "utils.train", arguments, running)


if __name__ == "__main__":
    sys.exit(main())
