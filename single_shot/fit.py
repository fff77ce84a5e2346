"""From a recipe to a trained network, as `single-shot train` and `audit` make it."""

import math
from collections.abc import Sequence
from pathlib import Path

from single_shot.anchor_plan import plan_anchors
from single_shot.files import sha256
from single_shot.recipes import NUM_SCORES, Recipe
from single_shot.resuming import fingerprint
from single_shot.weights import (
    IMAGENET,
    SCRATCH,
    begin_with_detector,
    begin_with_imagenet,
    load_start,
)
from single_shot.workers import WorkersAutosave, tell
from utils.context import seed_everything
from utils.detection import Detector, evaluate_detector
from utils.files import InputError
from utils.networks import (
    LAYOUTS,
    TOY_SSD,
    build_network,
    decodes_per_class,
    describe_ssd,
    described,
)
from utils.training import TrainingConfig, Workers, train

import numpy as np
from mxnet import Context, gluon
from mxnet.gluon import nn


def describe_network(recipe: Recipe, labels: Sequence[np.ndarray]) -> dict:
    """Return the description of the network for a data set, see `networks.build_network`."""
    if recipe.network in LAYOUTS:
        return describe_ssd(recipe.network, recipe.width, recipe.batch_norm)
    if not recipe.placed:
        return TOY_SSD
    usual, plan = plan_anchors(labels, recipe.image_size, recipe.network)
    tell(
        f"anchors: the usual ones cover {usual.covered:.1%} of the objects, those taken "
        f"{plan.covered:.1%}; mean IoU {usual.fit:.2f} and {plan.fit:.2f}"
    )
    return plan.description


def new_network(
    recipe: Recipe,
    dataset: gluon.data.Dataset,
    config: TrainingConfig,
    contexts: list[Context],
) -> nn.HybridBlock:
    """Return a network for a data set with the weights that a training begins with.

    dataset: with labels and class_names; contexts: the devices that the network is on.
    Raises InputError where the recipe's start does not fit its network.
    """
    start = None
    if recipe.start not in (SCRATCH, IMAGENET):
        start = load_start(Path(recipe.start), recipe.network)
    network = described(start) if start else describe_network(recipe, dataset.labels)
    seed_everything(config.seed)
    net = build_network(network, len(dataset.class_names), contexts)
    if config.frozen_stages > len(net.base_stages):
        raise InputError(
            f"--freeze {config.frozen_stages}: the base of {network['name']} has "
            f"{len(net.base_stages)} stages"
        )
    if start:
        tell(begin_with_detector(net, start, dataset.class_names, recipe.image_size))
        net.begun_with = f"{recipe.start} (SHA-256 {sha256(start.path)})"
    elif recipe.start == IMAGENET:
        tell(begin_with_imagenet(net))
        net.begun_with = IMAGENET
    return net


def train_network(
    net: nn.HybridBlock,
    recipe: Recipe,
    dataset: gluon.data.Dataset,
    held_out: gluon.data.Dataset,
    config: TrainingConfig,
    running: Path,
    workers: Workers | None = None,
) -> list[dict]:
    """Train a network of `new_network`, or go on with it; return the history.

    running: path of the file from which a stopped run goes on; workers: who trains together.
    """
    workers = workers or Workers()
    per_class = decodes_per_class(net.description)
    detector = Detector(net, dataset.class_names, config.image_sizes[0], per_class)

    def score():
        result = evaluate_detector(detector, held_out)
        return {"ap50": result.ap50, "ap75": result.ap75}

    every = math.ceil(len(config.image_sizes) / NUM_SCORES)
    parts = {"cls_loss": recipe.cls_loss(), "transform": recipe.augment, "workers": workers}
    hooks = [WorkersAutosave(running, workers, held_out=fingerprint(held_out))]
    return train(net, dataset, config, None if workers.rank else score, every, hooks, **parts)
