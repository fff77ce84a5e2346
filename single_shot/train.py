"""Train a detector and write it with its scores and pictures into a folder.

    single-shot train prepared --minutes 5

RUN gets the detector (`detector.params`, for `single-shot detect`), its scores on held-out images
(`card.json`), its training (`history.json`, `curves.png`), `precision_recall.png`, what it sees in
some images (`detections.png`) and the images it fails on (`worst.png`). A run that was stopped goes
on when the same command is given again.
"""

import shlex
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from data import DATA_ROOT
from single_shot.anchor_plan import plan_anchors
from single_shot.answer import Answer
from single_shot.arguments import number, program, seed
from single_shot.base_weights import load_imagenet_weights
from single_shot.files import locked
from single_shot.memory import ADVICE, check_memory, is_out_of_memory
from single_shot.recipes import NARROW, RECIPES, Recipe
from single_shot.resuming import Autosave, fingerprint
from single_shot.sources import add_source, name_of, open_split, open_voc, parts_of
from single_shot.training_report import write_report
from utils.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from utils.context import SEED, best_context, seed_everything
from utils.detection import Detector, detect_dataset, evaluate_detector, load_detector
from utils.files import InputError
from utils.networks import TOY_SSD, build_network, describe_ssd
from utils.ssd import MINIMUM_IMAGE_SIZE
from utils.training import TrainingConfig, train

import numpy as np
from mxnet import gluon

RUNS = DATA_ROOT.parent / "build" / "runs"
MINUTES = 5
RUNNING = "detector.running"  # in RUN, as long as the run has not ended
NUM_SCORES = 8  # on held-out images while the network learns, the last one not counted


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of this part to a parser."""
    add_source(parser)
    add = parser.add_argument
    val_help = "held-out images for --voc; default: the first folder's set `test`"
    add("--voc-val", action="append", default=[], metavar="FOLDER:SET", help=val_help)
    add("--classes", nargs="+", metavar="NAME", help="of --voc; default: those of its annotations")
    add("--out", type=Path, metavar="RUN", help="default: build/runs and the name of the source")
    recipe_help = "network and settings; lesson: as in lesson 08, paper: SSD300's own"
    add("--recipe", choices=RECIPES, default="toy", help=recipe_help)
    minutes_help = "about, on two cores; lesson and paper count epochs instead"
    add("--minutes", type=number(0, kind=float), default=MINUTES, help=minutes_help)
    add("--epochs", type=number(1), metavar="N", help="instead of --minutes")
    size_help = "side in pixels, of ToySSD; default: the recipe's"
    add("--image-size", type=number(MINIMUM_IMAGE_SIZE), metavar="N", help=size_help)
    width_help = "of an SSD, times the paper's channels; default: the recipe's"
    add("--width", type=number(1 / 16, kind=float), help=width_help)
    add("--base-weights", type=Path, metavar="FILE", help="MXNet's vgg16; default: random weights")
    weights_help = "a detector to go on from, with its anchors; default: random weights"
    add("--weights", type=Path, metavar="DETECTOR", help=weights_help)
    batch_help = "images at a time; default: the recipe's"
    add("--batch-size", type=number(1), metavar="N", help=batch_help)
    add("--accumulate", type=number(1), default=1, metavar="N", help="batches for one step")
    rate_help = "at its peak; default: the recipe's, scaled with the batch"
    add("--learning-rate", type=number(0, kind=float), metavar="RATE", help=rate_help)
    add("--seed", type=seed, default=SEED, help="of all random numbers")
    add("--restart", action="store_true", help="forget what RUN holds and begin anew")


def out_of(options: Namespace) -> Path:
    """Return the folder for the results; see `sources.name_of` for the InputError."""
    name = name_of(options)
    return options.out or RUNS / name


def open_data(options: Namespace) -> Sequence:
    """Return the data set to learn from and the held-out one; tell what is left out of them."""
    if options.source:
        return [open_split(options.source, split) for split in ("train", "val")]
    dataset = open_voc(options.voc, options.classes, options.drop_bad)
    first_test = f"{parts_of(options.voc)[0][0]}:test"
    held_out = open_voc(options.voc_val or [first_test], dataset.class_names, options.drop_bad)
    for fault in dataset.faults + held_out.faults:
        print(f"left out: {fault}", file=sys.stderr)
    return dataset, held_out


def recipe_of(options: Namespace) -> Recipe:
    """Return the Recipe that the options name, with the image size and width they ask for.

    Raises InputError for an option that the recipe has no use for.
    """
    recipe = RECIPES[options.recipe]
    if recipe.network == "toy_ssd":
        unused = {"--width": options.width, "--base-weights": options.base_weights}
    else:
        unused = {"--image-size": options.image_size not in (None, recipe.image_size)}
    for option, given in unused.items():
        if given:
            raise InputError(f"the recipe {options.recipe} cannot be given {option}; leave it out")
    if options.base_weights:
        recipe = replace(recipe, width=1.0, batch_norm=False)
    image_size = options.image_size or recipe.image_size
    return replace(recipe, image_size=image_size, width=options.width or recipe.width)


def config_of(options: Namespace, recipe: Recipe, num_images: int) -> TrainingConfig:
    """Return the TrainingConfig of a recipe for a data set, with what the options change of it."""
    usual, batch_size = recipe.config, options.batch_size or recipe.config.batch_size
    epochs = options.epochs or recipe.epochs
    if epochs is None:
        slower = max(1, recipe.width / NARROW) ** 2
        images_per_second = recipe.pixels_per_second / recipe.image_size**2 / slower
        epochs = max(1, round(options.minutes * 60 * images_per_second / num_images))
    scale = batch_size * options.accumulate / usual.batch_size
    return replace(
        usual,
        image_sizes=(recipe.image_size,) * epochs,
        batch_size=batch_size,
        accumulate=options.accumulate,
        learning_rate=options.learning_rate or usual.learning_rate * scale,
        seed=options.seed,
    )


def describe_network(recipe: Recipe, labels: Sequence[np.ndarray]) -> dict:
    """Return the description of the network for a data set, see `networks.build_network`."""
    if recipe.network != "toy_ssd":
        return describe_ssd(recipe.network, recipe.width, recipe.batch_norm)
    if not recipe.placed:
        return TOY_SSD
    usual, plan = plan_anchors(labels, recipe.image_size)
    print(
        f"anchors: the usual ones cover {usual.covered:.1%} of the objects, those taken "
        f"{plan.covered:.1%}; mean IoU {usual.fit:.2f} and {plan.fit:.2f}",
        file=sys.stderr,
    )
    return plan.description


def load_weights(path: Path, recipe: Recipe, class_names: Sequence[str]) -> Checkpoint:
    """Return the checkpoint of a detector to go on from.

    Raises InputError where its classes or its network are not those of the data and the recipe.
    """
    checkpoint = load_checkpoint(path)
    known, network = checkpoint.metadata["class_names"], checkpoint.metadata.get("network", TOY_SSD)
    if list(known) != list(class_names):
        raise InputError(
            f"{path}: its classes are {', '.join(known)}, the data's {', '.join(class_names)}; "
            "prepare the data with those (--classes), or begin without --weights"
        )
    if network.get("name") != recipe.network:
        raise InputError(
            f"{path}: its network is {network.get('name')}, the recipe's {recipe.network}; choose "
            "another --recipe, or begin without --weights"
        )
    return checkpoint


def prepare_out(out: Path, restart: bool) -> Path:
    """Return the path of the file from which a stopped run in a folder goes on.

    Raises InputError where the folder holds a finished run.
    """
    running, card = out / RUNNING, out / "card.json"
    if restart:
        running.unlink(missing_ok=True)
    elif card.exists() and not running.exists():
        raise InputError(
            f"{card}: this run has ended; give another --out, or --restart to train again"
        )
    return running


def train_network(
    network: dict,
    recipe: Recipe,
    dataset: gluon.data.Dataset,
    held_out: gluon.data.Dataset,
    config: TrainingConfig,
    running: Path,
    base_weights: Path | None = None,
    weights: Checkpoint | None = None,
) -> tuple:
    """Train, or go on with it; return the trained network and the history.

    network: its description; running: path of the file from which a stopped run goes on;
    base_weights: of ImageNet, for the base of an SSD; weights: of all the network.
    """
    seed_everything(config.seed)
    net = build_network(network, len(dataset.class_names), best_context())
    if base_weights:
        load_imagenet_weights(net.base, base_weights)
    if weights:
        weights.load_into(net, best_context())
    per_class = network != TOY_SSD
    detector = Detector(net, dataset.class_names, config.image_sizes[0], per_class)

    def score():
        result = evaluate_detector(detector, held_out)
        return {"ap50": result.ap50, "ap75": result.ap75}

    every = max(1, len(config.image_sizes) // NUM_SCORES)
    parts = {"cls_loss": recipe.cls_loss(), "transform": recipe.augment}
    return net, train(net, dataset, config, score, every, [Autosave(running)], **parts)


def run(options: Namespace) -> Answer:
    """Train, score on held-out images, write what stays of the run; return the Answer."""
    with locked(out_of(options)):
        try:
            return train_and_report(options)
        except FloatingPointError as error:
            raise InputError(
                f"{error}. Train again with a lower --learning-rate and --restart"
            ) from error
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            raise InputError(f"not enough memory: {ADVICE}, and add --restart") from error


def train_and_report(options: Namespace) -> Answer:
    """Do what `run` does, while no other process trains into the same folder."""
    out, recipe = out_of(options), recipe_of(options)
    dataset, held_out = open_data(options)
    config = config_of(options, recipe, len(dataset))
    epochs, batch_size = len(config.image_sizes), min(config.batch_size, len(dataset))
    check_memory(batch_size, recipe.image_size, recipe.width, best_context())
    running = prepare_out(out, options.restart)
    count = f"{len(dataset)} images to learn from, {len(held_out)} held out; {epochs} epochs"
    print(count, file=sys.stderr)
    weights = None
    if options.weights:
        weights = load_weights(options.weights, recipe, dataset.class_names)
    described = weights and weights.metadata.get("network", TOY_SSD)
    network = described or describe_network(recipe, dataset.labels)
    parts = network, recipe, dataset, held_out, config, running, options.base_weights, weights
    net, history = train_network(*parts)
    path = out / "detector.params"
    about = {"class_names": list(dataset.class_names), "image_size": recipe.image_size}
    about |= {"network": network}
    save_checkpoint(path, net, about)
    # What is scored is the file, as everybody else will load it.
    detector = load_detector(path, best_context())
    card = {"command": again(options, restart=False)} | about | asdict(config)
    card |= {"image_sizes": None, "epochs": epochs, "data": fingerprint(dataset)}
    detections = detect_dataset(detector, held_out)
    text, card = write_report(out, detections, held_out, history, card)
    running.unlink()
    return Answer(f"{text}\n\nnow: {program()} detect {path} IMAGE", card)


def again(options: Namespace, restart: bool) -> str:
    """Return the command that does the same once more, perhaps without --restart."""
    words = [word for word in options.words if restart or word != "--restart"]
    return f"{program()} {shlex.join(words)}"


def after_stop(options: Namespace) -> str:
    """Return what Ctrl-C left."""
    # Without a file to go on from, --restart has not been done yet.
    restart = not (out_of(options) / RUNNING).exists()
    return f"go on with the command:\n{again(options, restart)}"
