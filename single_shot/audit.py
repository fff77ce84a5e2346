"""Rank the labels of a data set by how likely they are wrong.

    single-shot audit prepared --out audited

Detectors that never saw a picture say what they see in it: the images are divided into parts, and
each part is judged by a detector that was trained on the others. Where it is sure and the label
says otherwise, one of the two is wrong, and a person should look. DIR gets the list, most
suspicious first (`audit.json`, and `images.txt` to open in a labelling tool), and `audit.png`. Mend
the labels where they came from, and prepare them again.
"""

import functools
import hashlib
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from single_shot.answer import Answer
from single_shot.arguments import number, seed
from single_shot.figure_files import write_figure
from single_shot.files import locked, write_whole
from single_shot.fit import new_network, train_network
from single_shot.labels.numbers_in_text import printable
from single_shot.memory import check_memory, explain_shortage
from single_shot.prepared_folder import SPLITS, PreparedDataset, open_prepared
from single_shot.recipes import RECIPES, Recipe, config_of
from single_shot.suspicions import rank
from single_shot.training_report import write_json
from utils.context import SEED, best_context
from utils.detection import Detector, detect_dataset
from utils.figures.colors import OBJECT_COLOR, PREDICTION_COLOR
from utils.figures.drawing import draw_boxes, panels
from utils.files import InputError, replace_atomically
from utils.networks import decodes_per_class
from utils.ssd import compile_for_inference
from utils.training import TrainingConfig

import numpy as np
from matplotlib.figure import Figure

PARTS = 3
MINUTES = 15
PICTURES = 12
MEMORY_ADVICE = "end other programs, or choose a --recipe that takes less, such as lesson"


def pooled(folder: Path) -> PreparedDataset:
    """Return all images of a prepared folder, training and held-out ones."""
    both = [open_prepared(folder, split) for split in SPLITS]
    return functools.reduce(PreparedDataset.joined, both)


def parts_of(groups: Sequence, num_parts: int, seed: int) -> list[np.ndarray]:
    """Return the image numbers of each part, each in rising order; a group is in one part.

    groups: the same for images that belong together. A detector that learnt from a copy, label
    and all, is no judge of an image.
    """
    members: dict = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    parts: list[list[int]] = [[] for _ in range(num_parts)]
    of_groups = list(members.values())
    order = np.random.default_rng(seed).permutation(len(of_groups))
    for place in sorted(order, key=lambda place: -len(of_groups[place])):  # the larger ones first
        min(parts, key=len).extend(of_groups[place])
    return [np.sort(part) for part in parts]


def train_detector(
    training: PreparedDataset,
    held_out: PreparedDataset,
    recipe: Recipe,
    config: TrainingConfig,
    running: Path,
) -> Detector:
    """Return a Detector that has learnt from the one data set and is scored on the other.

    running: path of the file from which a stopped training goes on. Raises InputError where memory
    is short, or the loss is no longer a number.
    """
    batch_size = min(config.batch_size, len(training))
    ctx = best_context()
    num_classes = len(training.class_names)
    check_memory(batch_size, recipe.image_size, recipe.width, ctx, MEMORY_ADVICE, num_classes)
    try:
        net = new_network(recipe, training, config, [ctx])
        train_network(net, recipe, training, held_out, config, running)
    except FloatingPointError as error:
        raise InputError(
            "the loss of a training is no longer a number; audit with another --recipe or --seed, "
            "or look for labels that are far from right"
        ) from error
    compile_for_inference(net, recipe.image_size)
    per_class = decodes_per_class(net.description)
    return Detector(net, training.class_names, recipe.image_size, per_class)


def judge_part(
    number: int, dataset: PreparedDataset, parts: Sequence[np.ndarray], options: Namespace
) -> list[np.ndarray]:
    """Return the detections in the images of a part, of a detector trained on all others.

    They are kept in DIR, so that an audit that was stopped goes on; with other data or settings,
    they are others.
    """
    others = np.concatenate([part for k, part in enumerate(parts) if k != number])
    held_out, training = dataset.subset(parts[number]), dataset.subset(np.sort(others))
    recipe = RECIPES[options.recipe]
    config = config_of(
        recipe,
        len(training),
        options.minutes / options.parts,
        options.epochs,
        num_held_out=len(held_out),
        seed=options.seed,
    )
    asked = f"{held_out.sha256} {training.sha256} {options.recipe} {config}".encode()
    kept = options.out / f"part-{number}-{hashlib.sha256(asked).hexdigest()[:12]}.npz"
    if kept.exists():
        with np.load(kept) as content:  # plain arrays: nothing is unpickled
            return [content[f"{index}"] for index in range(len(held_out))]
    running = kept.with_suffix(".running")
    detector = train_detector(training, held_out, recipe, config, running)
    detections = detect_dataset(detector, held_out)
    arrays = {f"{index}": rows for index, rows in enumerate(detections)}

    def save(path):
        with open(path, "wb") as file:
            np.savez_compressed(file, **arrays)

    replace_atomically(kept, save)
    running.unlink(missing_ok=True)
    return detections


def draw_suspicions(dataset: PreparedDataset, ranked: Sequence) -> Figure:
    """Return a figure of the most suspicious labels: blue as they are, orange as the detector says.

    ranked: pairs of image number and Suspicion, the most suspicious first.
    """
    shown = ranked[:PICTURES]
    titles = [f"{each.kind}\n{Path(dataset.images[at]).name}" for at, each in shown]
    columns = min(3, len(shown))
    axes = panels([dataset[at][0] for at, _ in shown], titles, columns, 4 * columns)
    for ax, (at, each) in zip(axes, shown):
        ax.title.set_fontsize(9)  # two lines, which shall not reach the next image's
        labels, names = dataset.labels[at], dataset.class_names
        texts = [
            names[int(row[0])] if number == each.number else "" for number, row in enumerate(labels)
        ]
        draw_boxes(ax, labels[:, 1:], texts, OBJECT_COLOR)
        if each.box is not None:
            text = f"{names[each.class_id]} {each.score:.2f}"
            draw_boxes(ax, np.array([each.box]), [text], PREDICTION_COLOR)
    return axes[0].figure


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of this part to a parser."""
    add = parser.add_argument
    add("source", type=Path, help="a folder that `single-shot prepare` made")
    add("--out", type=Path, required=True, metavar="DIR", help="folder to make")
    add("--parts", type=number(2, 10), default=PARTS, help="detectors, each trained on the others")
    add("--minutes", type=number(0, kind=float), default=MINUTES, help="about, for all of them")
    add("--epochs", type=number(1), metavar="N", help="of each, instead of --minutes")
    add(
        "--recipe", choices=("toy", "lesson", "ssdlite"), default="toy", help="network and settings"
    )
    add("--seed", type=seed, default=SEED, help="of all random numbers")


def run(options: Namespace) -> Answer:
    """Audit; return the Answer."""
    dataset = pooled(options.source)
    if (num_groups := len(set(dataset.groups))) < options.parts:
        raise InputError(
            f"{options.source}: {len(dataset)} images are too few for an audit in {options.parts} "
            f"parts: they are {num_groups} groups of copies, frames or near copies"
        )
    with locked(options.out), explain_shortage(MEMORY_ADVICE):
        options.out.mkdir(parents=True, exist_ok=True)
        parts = parts_of(dataset.groups, options.parts, options.seed)
        detections: list = [None] * len(dataset)
        for number_of_part, part in enumerate(parts):
            judged = judge_part(number_of_part, dataset, parts, options)
            for at, rows in zip(part, judged, strict=True):
                detections[at] = rows
        ranked = rank(dataset.labels, detections)
        content = write_audit(options.out, dataset, ranked)
    messages = [f"{each['score']:.2f}  {printable(each['message'])}" for each in content[:10]]
    worst = "\n".join(f"  {message}" for message in messages)
    found = f"{len(content)} labels ranked, the most suspicious first:\n{worst}"
    text = f"{found if content else 'nothing suspicious'}\n\n{options.out}"
    return Answer(text, {"suspicions": content})


def write_audit(folder: Path, dataset: PreparedDataset, ranked: Sequence) -> list[dict]:
    """Write the list, the images in its order, and a picture if there is anything to draw.

    Returns the list as JSON has it.
    """
    content = []
    for at, each in ranked:
        place, names = dataset.images[at], dataset.class_names
        label = None if each.number is None else names[int(dataset.labels[at][each.number, 0])]
        says = None if each.class_id is None else names[each.class_id]
        what = f"label {each.number}, {label}" if label else "no label"
        message = f"{place}: {what}: {each.kind}" + (f", detector says {says}" if says else "")
        content.append(
            {"image": place, "kind": each.kind, "score": round(each.score, 4)}
            | {"object": each.number, "label": label, "detected": says, "box": each.box}
            | {"message": message}
        )
    write_json(folder / "audit.json", content)
    images = dict.fromkeys(each["image"] for each in content)
    write_whole(folder / "images.txt", os.fsencode("".join(f"{image}\n" for image in images)))
    if ranked:
        write_figure(folder / "audit.png", draw_suspicions(dataset, ranked))
    else:
        (folder / "audit.png").unlink(missing_ok=True)  # of an earlier audit
    return content


def after_stop(options: Namespace) -> str:
    """Return what Ctrl-C left."""
    return f"the same command goes on with {options.out}"
