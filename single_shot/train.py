"""Train a detector and write it with its scores and pictures into a folder.

    single-shot train prepared --minutes 5

RUN gets the detector (`detector.params`, for `single-shot detect`), its scores on held-out images
(`card.json`), its training (`history.json`, `curves.png`), `precision_recall.png`, what it sees in
some images (`detections.png`) and the images it fails on (`worst.png`). A run that was stopped goes
on when the same command is given again. `single-shot launch` trains on several machines.
"""

import hashlib
import json
import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path

from data import DATA_ROOT
from single_shot import devices
from single_shot.answer import Answer
from single_shot.arguments import number, program, seed
from single_shot.files import locked
from single_shot.fit import new_network, train_network
from single_shot.memory import ADVICE, check_memory, explain_shortage
from single_shot.recipes import RECIPES, Recipe, config_of, images_of_batch
from single_shot.resuming import fingerprint
from single_shot.sources import add_source, name_of, open_split, open_voc, parts_of
from single_shot.training_report import write_report
from single_shot.weights import IMAGENET
from single_shot.workers import in_job, join, rank_and_count, tell
from utils.checkpoint import save_checkpoint
from utils.context import SEED
from utils.detection import detect_dataset, load_detector
from utils.files import InputError
from utils.networks import LAYOUTS
from utils.ssd import MINIMUM_IMAGE_SIZE
from utils.ssdlite import STRIDE
from utils.training import TrainingConfig

RUNS = DATA_ROOT.parent / "build" / "runs"
MINUTES = 5
DETECTOR = "detector.params"  # in RUN
RUNNING = "detector.running"  # in RUN, as long as the run has not ended


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
    minutes_help = "about, on two cores, scores included; lesson and paper count epochs instead"
    add("--minutes", type=number(0, kind=float), default=MINUTES, help=minutes_help)
    add("--epochs", type=number(1), metavar="N", help="instead of --minutes")
    size_help = "side in pixels, of ToySSD; default: the recipe's"
    add("--image-size", type=number(MINIMUM_IMAGE_SIZE), metavar="N", help=size_help)
    width_help = "of an SSD, times the paper's channels; default: the recipe's"
    add("--width", type=number(1 / 16, kind=float), help=width_help)
    start_help = (
        "weights to begin with: scratch, imagenet (for the base) or a detector's file, with "
    )
    start_help += "its anchors; default: the recipe's"
    add("--from", dest="start", metavar="WEIGHTS", help=start_help)
    freeze_help = "leave the first N stages of the base as they are; default: the recipe's"
    add("--freeze", dest="frozen_stages", type=number(0), metavar="N", help=freeze_help)
    base_rate_help = "times the learning rate, for the base; default: the recipe's"
    add("--base-rate", type=number(0, kind=float), metavar="FACTOR", help=base_rate_help)
    batch_help = "images at a time, of each worker; default: the recipe's"
    add("--batch-size", type=number(1), metavar="N", help=batch_help)
    add("--accumulate", type=number(1), default=1, metavar="N", help="batches for one step")
    rate_help = "at its peak; default: the recipe's, scaled with the batch of all workers"
    add("--learning-rate", type=number(0, kind=float), metavar="RATE", help=rate_help)
    devices_help = "that share each batch, such as gpu:0,gpu:1; default: all GPUs, else the CPU"
    add("--devices", metavar="NAMES", help=devices_help)
    compress_help = (
        "workers send a gradient as two bits: so much more, so much less, or none; default: whole"
    )
    add("--compress", type=number(1e-9, kind=float), metavar="THRESHOLD", help=compress_help)
    add("--seed", type=seed, default=SEED, help="of all random numbers")
    add("--restart", action="store_true", help="forget what RUN holds and begin anew")


def out_of(options: Namespace) -> Path:
    """Return the folder for the results; see `sources.name_of` for the InputError."""
    name = name_of(options)
    return options.out or RUNS / name


def open_data(options: Namespace) -> Sequence:
    """Return the data set to learn from and the held-out one."""
    if options.source:
        return [open_split(options.source, split) for split in ("train", "val")]
    dataset = open_voc(options.voc, options.classes, options.drop_bad)
    first_test = f"{parts_of(options.voc)[0][0]}:test"
    held_out = open_voc(options.voc_val or [first_test], dataset.class_names, options.drop_bad)
    return dataset, held_out


def recipe_of(options: Namespace) -> Recipe:
    """Return the Recipe that the options name, with the image size and width they ask for.

    Raises InputError for an option that the recipe has no use for.
    """
    recipe = RECIPES[options.recipe]
    if recipe.network in LAYOUTS:
        unused = {"--image-size": options.image_size not in (None, recipe.image_size)}
    else:
        unused = {"--width": options.width}
    for option, given in unused.items():
        if given:
            raise InputError(f"the recipe {options.recipe} cannot be given {option}; leave it out")
    start = options.start or recipe.start
    if recipe.network in LAYOUTS and start == IMAGENET:
        recipe = replace(recipe, width=1.0, batch_norm=False)
    image_size = options.image_size or recipe.image_size
    if recipe.network == "ssdlite" and image_size % STRIDE:
        raise InputError(f"--image-size {image_size}: SSDLite wants a multiple of {STRIDE}")
    return replace(recipe, image_size=image_size, width=options.width or recipe.width, start=start)


def settings_of(options: Namespace) -> dict:
    """Return what the options ask of `config_of`."""
    names = ("minutes", "seed", "epochs", "batch_size", "accumulate", "learning_rate", "base_rate")
    return {name: getattr(options, name) for name in (*names, "frozen_stages")}


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


def run(options: Namespace) -> Answer:
    """Train, score on held-out images, write what stays of the run; return the Answer."""
    # Of several workers, only worker 0 writes.
    alone = nullcontext() if rank_and_count()[0] else locked(out_of(options))
    with alone, explain_shortage(f"{ADVICE}, and add --restart"):
        try:
            return train_and_report(options)
        except FloatingPointError as error:
            raise InputError(
                f"{error}. Train again with a lower --learning-rate and --restart"
            ) from error


def train_and_report(options: Namespace) -> Answer:
    """Do what `run` does, while no other process trains into the same folder."""
    out, recipe = out_of(options), recipe_of(options)
    contexts = devices.contexts_of(options.devices)
    rank, num_workers = rank_and_count()
    if options.compress and not in_job():
        raise InputError("--compress is for several machines, see single-shot launch; leave it out")
    dataset, held_out = open_data(options)
    settings = settings_of(options) | {"num_workers": num_workers}
    config = config_of(recipe, len(dataset), num_held_out=len(held_out), **settings)
    check_memory(
        min(config.batch_size, len(dataset)),
        recipe.image_size,
        recipe.width,
        contexts[0],
        num_classes=len(dataset.class_names),
    )
    running = out / RUNNING if rank else prepare_out(out, options.restart)
    tell(summary(config, len(dataset), len(held_out), len(contexts), num_workers))
    net = new_network(recipe, dataset, config, contexts)
    begun_with = getattr(net, "begun_with", None)
    facts = [asdict(config), net.description, begun_with, options.compress]
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    data = fingerprint(dataset)
    workers = join(options.compress, data=data, settings=digest)
    history = train_network(net, recipe, dataset, held_out, config, running, workers)
    if rank:
        return Answer("", {})
    about = {"class_names": list(dataset.class_names), "image_size": recipe.image_size}
    about |= {"network": net.description}
    save_checkpoint(out / DETECTOR, net, about)
    card = {"command": again(options, restart=False)} | about | asdict(config)
    card |= {
        "image_sizes": None,
        "epochs": len(config.image_sizes),
        "start": recipe.start,
        "data": data,
        "held_out": fingerprint(held_out),
        "devices": [devices.name_of(ctx) for ctx in contexts],
        "workers": num_workers,
    }
    detector = load_detector(out / DETECTOR, contexts[0])  # the file, as everybody will load it
    text, card = write_report(out, detect_dataset(detector, held_out), held_out, history, card)
    running.unlink()
    return Answer(f"{text}\n\nnow: {program()} detect {out / DETECTOR} IMAGE", card)


def summary(
    config: TrainingConfig,
    num_images: int,
    num_held_out: int,
    num_devices: int,
    num_workers: int,
) -> str:
    """Return in words what a training is about to do."""
    epochs = len(config.image_sizes)
    lines = [f"{num_images} images to learn from, {num_held_out} held out; {epochs} epochs"]
    if num_workers > 1:
        batch = images_of_batch(config, num_images, num_workers)
        each = f"{config.batch_size} images each: batches of {batch}"
        if batch < config.batch_size * num_workers:
            each = f"which share batches of all {batch} images: there are no more"
        lines.append(
            f"{num_workers} workers, {each}; the learning rate rises to "
            f"{config.learning_rate:g} over {config.warmup:.1%} of the steps"
        )
    if num_devices * num_workers > 1:
        lines.append(
            f"each batch is split into {num_devices * num_workers} parts; batch normalisation "
            "takes the statistics of each part, and the detector keeps those of the first"
        )
    return "\n".join(lines)


def again(options: Namespace, restart: bool) -> str:
    """Return the command that does the same once more, perhaps without --restart."""
    words = [word for word in options.words if restart or word != "--restart"]
    return f"{program()} {shlex.join(words)}"


def after_stop(options: Namespace) -> str:
    """Return what Ctrl-C left."""
    # Without a file to go on from, --restart has not been done yet.
    restart = not (out_of(options) / RUNNING).exists()
    return f"go on with the command:\n{again(options, restart)}"
