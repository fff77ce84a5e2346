"""What each choice of the course's recipe is worth: one change at a time, several seeds each.

    python benchmarks/ledger.py [--sets multi single] [--choices "box weight"] [--seeds 0 1 2]

Every run trains ToySSD anew in a process of its own with one thread, so that others may go on
beside it: what is measured is average precision on the held-out split, not time. A run whose row
the ledger has is not repeated; one that is stopped is lost alone. Lessons quote the file through
`data.recorded`.
"""

import argparse
import csv
import functools
import io
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace

from data import open_preset
from data.ledger import LEDGER, read_ledger
from single_shot.anchor_plan import plan_anchors
from single_shot.files import locked, write_whole
from single_shot.weights import begin_with_imagenet
from utils import data
from utils.broken_runs import DEFECTS, Parts, detect_with_parts, run_with_parts
from utils.context import best_context, seed_everything
from utils.data import DetectionDataset
from utils.hooks import GuardFinite
from utils.losses import FocalLoss, MinedCrossEntropyLoss
from utils.metrics import evaluate_coco
from utils.ssd import BACKGROUND_PRIOR, RATIOS, SIZES, toy_ssd
from utils.ssdlite import ssdlite
from utils.training import TrainingConfig

import mxnet as mx
import numpy as np
from mxnet.gluon import nn
from report import processor
from time_to_ap import in_own_process

COLUMNS = ("set", "choice", "value", "seed", "ap", "ap50", "ap75", "seconds", "processor", "mxnet")
KEY = COLUMNS[:4]
NUM_CLIPS, NUM_FRAMES = 60, 10
NUM_STEPS = 200  # of a training on few pictures
# The recipe that every choice departs from, in full: the course's own may move on.
BASE = TrainingConfig(
    image_sizes=(128,) * 5,
    batch_size=16,
    learning_rate=4e-3,
    warmup=0.3,
    clip_norm=10.0,
    box_weight=1.0,
    match_threshold=0.5,
)


def as_it_is(preset):
    """Return the two splits of an embedded data set."""
    return open_preset(preset, "train"), open_preset(preset, "val")


def clips(preset, by_clip, new_pictures):
    """Return training and test frames of clips: a camera pans over a picture.

    by_clip: three clips in four are learnt from, and the rest are the test; else frames are drawn
    from all clips alike. new_pictures: test on the held-out split of the preset instead.
    """
    train_set, held_out = as_it_is(preset)
    frames = [pan(*train_set[index]) for index in range(NUM_CLIPS)]
    if by_clip:
        parts = frames[: NUM_CLIPS * 3 // 4], frames[NUM_CLIPS * 3 // 4 :]
        learnt, tested = ([frame for clip in clips for frame in clip] for clips in parts)
    else:
        mixed = np.random.default_rng(0).permutation(NUM_CLIPS * NUM_FRAMES)
        learnt, tested = (
            [frames[n // NUM_FRAMES][n % NUM_FRAMES] for n in part]
            for part in np.split(mixed, [len(mixed) * 3 // 4])
        )
    names = train_set.class_names
    scored = held_out if new_pictures else DetectionDataset(tested, names)
    return DetectionDataset(learnt, names), scored


def pan(image, labels):
    """Return the frames of a camera that pans over an image, samples of 0.8 of its sides."""
    height, width = image.shape[:2]
    size = np.array([0.8 * width, 0.8 * height])
    places = np.linspace(0, 1, NUM_FRAMES)[:, None] * (np.array([width, height]) - size)
    windows = np.round(np.concatenate([places, places + size], axis=1)).astype(int)
    return [data.crop(image, labels, window) for window in windows]


def few(preset, count):
    """Return as many pictures to learn from, drawn anew for every seed, and the held-out split."""
    train_set, held_out = as_it_is(preset)
    drawn = np.random.permutation(len(train_set))[:count]
    return DetectionDataset([train_set[index] for index in drawn], train_set.class_names), held_out


def transfer(count, size, **choice):
    """Return the Choice of 200 steps of 8 images of that size in pixels on a few pictures."""
    epochs = round(NUM_STEPS / (count // 8))
    changes = {"image_sizes": (size,) * epochs, "batch_size": 8, "learning_rate": 2e-3}
    changes |= {name: choice.pop(name) for name in ("base_rate", "frozen_stages") if name in choice}
    return Choice(replace(BASE, **changes), data=functools.partial(few, count=count), **choice)


@dataclass(frozen=True)
class Choice:
    """One way to train.

    config: a TrainingConfig; cls_loss: makes the class loss; parts: a `broken_runs.Parts`, with the
    augmentation; data: from the name of an embedded set, what is learnt from and what is scored;
    prior: of background, see `ssd.class_predictor`, for each of the classes alike without one;
    placed: anchors placed on the objects of the training split, else those of the lessons;
    momentum: of the running means of batch normalisation; test_size: side in pixels of the images
    it is scored with, that of the last epoch by default; ssdlite: that network, not ToySSD;
    imagenet: its base begins with what ImageNet taught it.
    """

    config: TrainingConfig = BASE
    cls_loss: Callable = FocalLoss
    parts: Parts = Parts()
    data: Callable = as_it_is
    prior: float | None = BACKGROUND_PRIOR
    placed: bool = False
    momentum: float = 0.9
    test_size: int | None = None
    ssdlite: bool = False
    imagenet: bool = False


def with_config(**changes):
    """Return the Choice of the base recipe with other fields of its TrainingConfig."""
    return Choice(replace(BASE, **changes))


def with_transform(transform):
    """Return the Choice of the base recipe with another augmentation (`data.training_loader`)."""
    return Choice(parts=Parts(transform=transform))


crop_all = functools.partial(data.random_crop, over_objects=np.min)


def first(change, image, labels, size):
    """Change a sample, then do what the course's recipe does."""
    return data.augment(*change(image, labels), size)


COUNTS = (10, 25, 50, 100, 200)  # of pictures
STARTS = {
    "ToySSD from scratch": {},
    "SSDLite from scratch": {"ssdlite": True},
    "ImageNet, frozen": {"ssdlite": True, "imagenet": True, "frozen_stages": 8},
    "ImageNet, fine-tuned": {
        **{"ssdlite": True, "imagenet": True, "frozen_stages": 3, "base_rate": 0.1}
    },
}
CHOICES = {
    ("recipe", "base"): Choice(),
    **{
        ("match threshold", f"{value}"): with_config(match_threshold=value)
        for value in (0.3, 0.4, 0.6, 0.7)
    },
    **{("box weight", f"{value}"): with_config(box_weight=value) for value in (0.25, 0.5, 2, 4, 8)},
    ("anchors", "placed on the data"): Choice(placed=True),
    ("background prior", "none"): Choice(prior=None),
    ("class loss", "cross-entropy"): Choice(cls_loss=functools.partial(FocalLoss, gamma=0)),
    ("class loss", "cross-entropy, mined"): Choice(cls_loss=MinedCrossEntropyLoss),
    **{
        ("focal gamma", f"{value}"): Choice(cls_loss=functools.partial(FocalLoss, gamma=value))
        for value in (1, 3)
    },
    **{
        ("focal alpha", f"{value}"): Choice(cls_loss=functools.partial(FocalLoss, alpha=value))
        for value in (0.25, 0.75)
    },
    **{("batch size", f"{value}"): with_config(batch_size=value) for value in (4, 8, 32)},
    **{
        ("learning rate", f"{value}"): with_config(learning_rate=value)
        for value in (1e-3, 2e-3, 8e-3)
    },
    ("schedule", "constant"): with_config(drops=(1.0,), warmup=0.0),
    ("schedule", "tenfold drops"): with_config(drops=(2 / 3, 5 / 6), warmup=0.0),
    ("schedule", "no warm-up"): with_config(warmup=0.0),
    **{("batch norm momentum", f"{value}"): Choice(momentum=value) for value in (0.8, 0.99)},
    ("augmentation", "no flip"): with_transform(data.resize),
    ("augmentation", "colours"): with_transform(functools.partial(first, data.color_jitter)),
    ("augmentation", "zoom out"): with_transform(functools.partial(first, data.zoom_out)),
    ("augmentation", "crop, any"): with_transform(functools.partial(first, data.random_crop)),
    ("augmentation", "crop, all"): with_transform(functools.partial(first, crop_all)),
    ("augmentation", "all of SSD's"): with_transform(data.ssd_augment),
    ("image size", "tested at 256"): Choice(test_size=256),
    ("image size", "trained and tested at 96"): with_config(image_sizes=(96,) * 5),
    ("image size", "trained and tested at 256"): with_config(image_sizes=(256,) * 5),
    ("epochs", "15"): with_config(image_sizes=(128,) * 15),
    **{("defect", name): Choice(parts=parts) for name, parts in DEFECTS.items()},
    **{
        ("split", f"by {unit}, tested on {tested}"): Choice(
            replace(BASE, image_sizes=(128,) * 15),
            data=functools.partial(clips, by_clip=unit == "clip", new_pictures=tested != "frames"),
        )
        for unit in ("frame", "clip")
        for tested in ("frames", "new pictures")
    },
    **{("transfer", name): transfer(50, 256, **start) for name, start in STARTS.items()},
    **{
        ("few pictures", f"{name}, {count}"): transfer(count, 128, **start)
        for name, start in STARTS.items()
        for count in COUNTS
    },
}


def build(choice, dataset):
    """Return an initialised network for a data set, as a Choice has it."""
    if choice.ssdlite:
        net = ssdlite(len(dataset.class_names), best_context())
        if choice.imagenet:
            begin_with_imagenet(net)
        return net
    sizes, ratios = SIZES, RATIOS
    if choice.placed:
        plan = plan_anchors(dataset.labels, choice.config.image_sizes[-1])[1]
        sizes, ratios = plan.sizes, plan.ratios
    num_classes = len(dataset.class_names)
    net = toy_ssd(num_classes, best_context(), sizes=sizes, ratios=ratios)
    if choice.prior is None:
        for predictor in net.class_predictors:
            predictor.bias.set_data(mx.nd.zeros_like(predictor.bias.data()))
    net.apply(functools.partial(set_momentum, momentum=choice.momentum))
    return net


def set_momentum(block, momentum):
    """Set how slowly a layer's running means follow, if it is a batch normalisation."""
    if isinstance(block, nn.BatchNorm):
        block._kwargs["momentum"] = momentum


def measure(preset, key, seed, choice=None, make_net=build):
    """Train and score one choice; return its row of the ledger, a dict.

    choice: that of the key by default; make_net: called with it and the training split.
    """
    choice = choice or CHOICES[key]
    seed_everything(seed)
    dataset, held_out = choice.data(preset)
    net, parts = make_net(choice, dataset), choice.parts
    config = replace(choice.config, seed=seed)
    run = run_with_parts(parts, net, dataset, config, choice.cls_loss())
    try:
        history = run.fit(GuardFinite())
        size = choice.test_size or choice.config.image_sizes[-1]
        found = detect_with_parts(parts, net, held_out, size)
        scores = evaluate_coco(found, held_out.labels, held_out.class_names)
        results = [f"{score:.4f}" for score in (scores.ap, scores.ap50, scores.ap75)]
    except FloatingPointError:  # diverged: it has learnt nothing
        history, results = run.history, ["0"] * 3
    seconds = f"{sum(line['seconds'] for line in history):.0f}"
    row = [preset, *key, str(seed), *results, seconds, processor(), mx.__version__]
    return dict(zip(COLUMNS, row, strict=True))


def key_of(row):
    """Return what tells a row of the ledger from all others."""
    return tuple(row[column] for column in KEY)


def add_row(row):
    """Put a row into the ledger, beside those that other processes have put there meanwhile."""
    with locked(LEDGER, waiting=lambda: None):
        write_ledger([*(read_ledger() if LEDGER.exists() else []), row])


def write_ledger(rows):
    """Write the ledger, its rows in order, all of it or nothing; those of no Choice come last."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    order = {key: number for number, key in enumerate(CHOICES)}

    def rank(row):
        place = order.get((row["choice"], row["value"]), len(order))
        return row["set"], place, row["value"], int(row["seed"])

    writer.writerows(sorted(rows, key=rank))
    write_whole(LEDGER, text.getvalue())


def main(arguments=None):
    """Make the runs that the ledger lacks, and write each as it ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add, names = parser.add_argument, sorted({choice for choice, _ in CHOICES})
    add("--sets", nargs="+", default=["multi", "single"], help="default: both")
    add("--choices", nargs="+", choices=names, default=names, help="default: all", metavar="CHOICE")
    add("--seeds", nargs="+", type=int, default=[0, 1, 2], help="default: 0 1 2")
    add("--jobs", type=int, default=1, help="runs at a time (default: 1)")
    options = parser.parse_args(arguments)
    keys = [key for key in CHOICES if key[0] in options.choices]
    wanted = itertools.product(options.sets, options.seeds, keys)
    known = {key_of(row) for row in read_ledger()} if LEDGER.exists() else set()
    missing = [each for each in wanted if (each[0], *each[2], str(each[1])) not in known]
    with ThreadPoolExecutor(options.jobs) as pool:
        runs = [
            pool.submit(in_own_process, 1, measure, preset, key, seed)
            for preset, seed, key in missing
        ]
        try:
            for number, run in enumerate(as_completed(runs), start=1):
                row = run.result()
                add_row(row)
                print(f"{number} of {len(runs)}: {', '.join(row.values())}", flush=True)
        except BaseException:  # of one run: the others shall not go on unwritten
            pool.shutdown(cancel_futures=True)
            raise


if __name__ == "__main__":
    main()
