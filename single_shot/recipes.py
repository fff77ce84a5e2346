"""Ways to train: a network with the settings that suit it, and what they are for a data set."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from single_shot.weights import IMAGENET, SCRATCH
from utils.data import augment, ssd_augment
from utils.losses import FocalLoss, MinedCrossEntropyLoss
from utils.ssd300 import SSD300, SSD512
from utils.training import TrainingConfig

TOY_IMAGE_SIZE = 256  # small objects of real pictures are lost at the lessons' 128
# Of an SSD's layers, times the paper's channels. What memory and speed were measured with.
NARROW = 0.25
NUM_SCORES = 8  # on held-out images while a network learns; one more of what is stored
# Of the time to learn from an image: a step is about three forward passes.
SCORING_TIME = 1 / 3
# Of several workers, whose large batches make the first steps harder (Goyal et al., Accurate, Large
# Minibatch SGD, 2017, section 2.2); but at most the share that one cycle has.
WARMUP_EPOCHS, MOST_WARMUP = 5, 0.3


@dataclass(frozen=True)
class Recipe:
    """How to train a network.

    network: `toy_ssd` or a name of `networks.LAYOUTS`; config: its image_sizes do not matter;
    cls_loss: makes the class loss; image_size: side in pixels; augment: see `data.training_loader`;
    width, batch_norm: of an SSD, see `ssd300.SSD`; placed: whether the anchors of ToySSD or SSDLite
    are placed on the data; epochs: where their number does not follow from the time that there is;
    start: what the weights are at first, see `single_shot.weights`.
    pixels_per_second: of training images on two processor cores, from which that number follows.
    Measured anew at the start, it would not be the same twice, nor for a run that goes on.
    """

    network: str
    config: TrainingConfig
    cls_loss: Callable
    image_size: int
    augment: Callable = augment
    width: float = NARROW
    batch_norm: bool = True
    placed: bool = True
    epochs: int | None = None
    start: str = SCRATCH
    pixels_per_second: float = 700_000


# From random weights with batch normalisation: few epochs, Adam, one cycle. Small batches learn
# more from as many images: an epoch of `multi` in batches of 8, 4 and 2 gave AP50 .46, .68 and .71.
SHORT = TrainingConfig(batch_size=4, learning_rate=1.5e-3)
# Liu et al., SSD, section 3 and the released settings: 120,000 steps, drops after 80,000 and
# 100,000. A short warm-up is ours: without it the first steps from random heads may diverge.
PAPER = TrainingConfig(
    batch_size=32,
    learning_rate=1e-3,
    warmup=0.005,
    weight_decay=5e-4,
    drops=(2 / 3, 5 / 6),
    optimizer="sgd",
    momentum=0.9,
    bias_rate=2.0,
)
# What ImageNet taught must not be undone by the first steps of random heads: it moves more slowly.
TRANSFER = TrainingConfig(batch_size=8, learning_rate=2e-3, base_rate=0.1, frozen_stages=3)
PAPER_EPOCHS = 232  # 120,000 steps of 32 on the 16,551 images of VOC 2007 and 2012
LESSON = TrainingConfig()
LITE_IMAGE_SIZE = 256
TOY_SPEED = 1_000_000  # 700,000 on one machine and 1,400,000 on another
RECIPES = {
    "toy": Recipe("toy_ssd", LESSON, FocalLoss, TOY_IMAGE_SIZE, pixels_per_second=TOY_SPEED),
    "lesson": Recipe(
        "toy_ssd",
        LESSON,
        FocalLoss,
        LESSON.image_sizes[-1],
        placed=False,
        epochs=len(LESSON.image_sizes),
    ),
    "ssdlite": Recipe(
        "ssdlite",
        TRANSFER,
        FocalLoss,
        LITE_IMAGE_SIZE,
        ssd_augment,
        start=IMAGENET,
        pixels_per_second=900_000,
    ),
    "ssd300": Recipe("ssd300", SHORT, MinedCrossEntropyLoss, SSD300.image_size),
    "ssd512": Recipe("ssd512", SHORT, MinedCrossEntropyLoss, SSD512.image_size),
    "paper": Recipe(
        "ssd300",
        PAPER,
        MinedCrossEntropyLoss,
        SSD300.image_size,
        ssd_augment,
        width=1.0,
        batch_norm=False,
        epochs=PAPER_EPOCHS,
    ),
}


def config_of(
    recipe: Recipe,
    num_images: int,
    minutes: float,
    epochs: int | None = None,
    num_held_out: int = 0,
    num_workers: int = 1,
    **asked: Any,
) -> TrainingConfig:
    """Return the TrainingConfig of a recipe for a data set.

    epochs: instead of what fits into the minutes; num_held_out: images that are scored again and
    again, which counts in the minutes too; num_workers: that train together, in fewer minutes.
    asked: fields of a TrainingConfig; those that are None are the recipe's.
    """
    usual = recipe.config
    if recipe.start != IMAGENET:  # a slow or frozen base is for weights that know something
        usual = replace(usual, base_rate=1.0, frozen_stages=0)
    epochs = epochs or recipe.epochs or epochs_in(minutes, recipe, num_images, num_held_out)
    asked = {name: value for name, value in asked.items() if value is not None}
    config = replace(usual, image_sizes=(recipe.image_size,) * epochs, **asked)
    if "learning_rate" not in asked:
        larger = images_of_step(config, num_images, num_workers) / images_of_step(usual, num_images)
        config = replace(config, learning_rate=usual.learning_rate * larger)
    if num_workers > 1:
        longer = min(WARMUP_EPOCHS / epochs, MOST_WARMUP)
        config = replace(config, warmup=max(config.warmup, longer))
    return config


def images_of_batch(config: TrainingConfig, num_images: int, num_workers: int = 1) -> int:
    """Return how many images a batch of all workers has: at most all of the data set."""
    return min(config.batch_size * num_workers, num_images)


def images_of_step(config: TrainingConfig, num_images: int, num_workers: int = 1) -> int:
    """Return from how many images a step learns: of several batches, at most those of an epoch."""
    batch = images_of_batch(config, num_images, num_workers)
    return batch * min(config.accumulate, num_images // batch)


def epochs_in(minutes: float, recipe: Recipe, num_images: int, num_held_out: int) -> int:
    """Return how many epochs fit into minutes, at least one; the rest as for `config_of`."""
    slower = max(1, recipe.width / NARROW) ** 2
    images = minutes * 60 * recipe.pixels_per_second / recipe.image_size**2 / slower
    scored = num_held_out * SCORING_TIME
    epochs = round((images - (NUM_SCORES + 1) * scored) / num_images)
    if epochs < NUM_SCORES:  # then there is a score after each
        epochs = round((images - scored) / (num_images + scored))
    return max(1, epochs)
