"""The training loop of every lesson: schedule, guard, progress, checkpoints, resume."""

import functools
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from utils.checkpoint import (
    CheckpointError,
    load_checkpoint,
    optimizer_states,
    restore_optimizer_states,
    save_checkpoint,
)
from utils.context import SEED, seed_everything
from utils.data import augment, normalize, training_loader
from utils.losses import FocalLoss, SmoothL1Loss
from utils.metrics import box_mae, class_accuracy
from utils.targets import multibox_target

import numpy as np
from mxnet import autograd, gluon, nd
from tqdm import tqdm

BAR_FORMAT = "{percentage:3.0f}% {bar} {elapsed}, {remaining} left{postfix}"


@dataclass(frozen=True)
class TrainingConfig:
    """How to train. The defaults are the course's recipe.

    image_sizes: side of the images in pixels, one entry an epoch.
    learning_rate: peak of the schedule; warmup: share of the steps before the peak.
    drops: shares of all steps after which the rate falls to a tenth; none for one cycle.
    optimizer: `adam` or `sgd`, the latter with momentum; bias_rate: multiplies the biases' rate.
    clip_norm: bound on the norm of all gradients together; box_weight: weight of the box loss.
    accumulate: batches whose gradients are averaged for one step, where memory is short.
    """

    image_sizes: tuple = (128,) * 5
    batch_size: int = 16
    learning_rate: float = 4e-3
    warmup: float = 0.3
    weight_decay: float = 0.0
    clip_norm: float = 10.0
    box_weight: float = 1.0
    seed: int = SEED
    drops: tuple = ()
    optimizer: str = "adam"
    momentum: float = 0.9
    bias_rate: float = 1.0
    accumulate: int = 1

    def learning_rate_at(self, step, num_steps):
        """Return the learning rate of a step, from 0 on, of num_steps."""
        if self.drops:
            return step_drops(step, num_steps, self.learning_rate, self.warmup, self.drops)
        return one_cycle(step, num_steps, self.learning_rate, self.warmup)


def step_drops(step, num_steps, peak, warmup, drops):
    """Return the learning rate of a step: a straight rise to the peak, then tenfold drops.

    drops: shares of the steps; the rest as for `one_cycle` (Liu et al., SSD, section 3, drop after
    two thirds and five sixths and rise at once).
    """
    position = (step + 1) / num_steps
    rise = min(1, position / warmup) if warmup else 1
    return peak * rise * 0.1 ** sum(step >= drop * num_steps for drop in drops)


def one_cycle(step, num_steps, peak, warmup):
    """Return the learning rate of a step: a cosine up to the peak, then a cosine down to near 0.

    step: 0 .. num_steps - 1; peak: greatest learning rate; warmup: share of the steps before it.
    After Smith and Topin, Super-Convergence, 2018.
    """
    position = (step + 1) / num_steps
    if position < warmup:
        start, end, progress = peak / 25, peak, position / warmup
    else:
        start, end, progress = peak, peak / 1000, (position - warmup) / (1 - warmup)
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


def guard_finite(cls_loss, box_loss, epoch):
    """Stop a run whose loss is no longer a number.

    Raises FloatingPointError, which names the usual causes.
    """
    if not math.isfinite(cls_loss + box_loss):
        raise FloatingPointError(
            f"epoch {epoch + 1}: the class loss is {cls_loss}, the box loss {box_loss}. Usual "
            "causes: learning_rate too high (try a tenth), warmup too short, clip_norm too large, "
            "or wrong labels (records.check_labels tells)"
        )


class TrainingRun:
    """A network, the data it learns from and how far it has come.

    net: a detector such as `ssd.ToySSD`, initialised; dataset: a `data.DetectionDataset`;
    config: a TrainingConfig; cls_loss(cls_preds, cls_targets) and box_loss(box_preds, box_targets,
    box_masks): losses as in `utils.losses`; transform: see `data.training_loader`.
    history: one dict an epoch with its losses, the two anchor metrics and the speed.
    """

    def __init__(self, net, dataset, config, cls_loss=None, box_loss=None, transform=augment):
        self.net = net
        self.dataset = dataset
        self.config = config
        self.cls_loss = cls_loss or FocalLoss()
        self.box_loss = box_loss or SmoothL1Loss()
        self.transform = transform
        self.cls_loss.hybridize()
        self.box_loss.hybridize()
        self.batch_size = min(config.batch_size, len(dataset))
        self.steps_per_epoch = len(dataset) // self.batch_size
        self.history = []
        self.ctx = next(iter(net.collect_params().values())).list_ctx()[0]
        self.trainer = self.make_trainer(updates_done=0)

    def make_trainer(self, updates_done):
        """Return the optimiser, after as many updates, and prepare the weights for it."""
        config, parameters = self.config, self.net.collect_params()
        options = {"wd": config.weight_decay, "begin_num_update": updates_done}
        if config.optimizer == "sgd":
            options["momentum"] = config.momentum
        for name, parameter in parameters.items():
            if name.endswith("bias"):
                parameter.lr_mult = config.bias_rate
            if config.accumulate > 1 and parameter.grad_req != "null":
                parameter.grad_req = "add"
        self.num_pending = 0  # batches whose gradients wait for the next step
        return gluon.Trainer(parameters, config.optimizer, options, kvstore=None)

    def step(self, images, labels, learning_rate):
        """Learn from one batch; return its class loss, box loss, class accuracy and box error.

        images: (N, H, W, 3) uint8; labels: (N, M, 5) on the same device.
        """
        with autograd.record():
            anchors, cls_preds, box_preds = self.net(normalize(images))
            box_targets, box_masks, cls_targets = multibox_target(anchors, labels)
            cls_loss = self.cls_loss(cls_preds, cls_targets).sum()
            box_loss = self.box_loss(box_preds, box_targets, box_masks).sum()
            loss = cls_loss + self.config.box_weight * box_loss
        loss.backward()
        self.num_pending += 1
        if self.num_pending == self.config.accumulate:
            self.update(learning_rate)
        accuracy = class_accuracy(cls_preds, cls_targets)
        mae = box_mae(box_preds, box_targets, box_masks)
        return float(cls_loss.asscalar()), float(box_loss.asscalar()), accuracy, mae

    def update(self, learning_rate):
        """Clip the gradients that have gathered and take one step of the optimiser."""
        parameters = self.net.collect_params().values()
        gradients = [parameter.grad() for parameter in parameters if parameter.grad_req != "null"]
        bound = self.config.clip_norm * self.num_pending
        gluon.utils.clip_global_norm(gradients, bound, check_isfinite=False)
        self.trainer.set_learning_rate(learning_rate)
        self.trainer.step(self.num_pending)  # each loss is already divided by its positives
        if self.config.accumulate > 1:
            self.net.collect_params().zero_grad()
        self.num_pending = 0

    def run_epoch(self, report):
        """Go through the data once; return the epoch's line of the history.

        report: called after every step with the batch's number of images, its class and box loss,
        and the images per second so far.
        Raises FloatingPointError when a loss is not a number.
        """
        epoch = len(self.history)
        size = self.config.image_sizes[epoch]
        num_steps = self.steps_per_epoch * len(self.config.image_sizes)
        seed_everything(self.config.seed + epoch)  # so that a resumed run draws the same numbers
        totals, num_images, started = np.zeros(4), 0, time.perf_counter()
        batches = training_loader(self.dataset, self.batch_size, size, self.transform)
        for step, (images, labels) in enumerate(batches, start=epoch * self.steps_per_epoch):
            rate = self.config.learning_rate_at(step, num_steps)
            batch = images.as_in_context(self.ctx), labels.as_in_context(self.ctx)
            values = self.step(*batch, rate)
            guard_finite(*values[:2], epoch)
            totals += values
            num_images += len(images)
            report(len(images), *values[:2], num_images / (time.perf_counter() - started))
        if self.num_pending:
            self.update(rate)
        # Batch normalisation writes its running statistics behind the engine's back: without
        # waiting, a checkpoint may hold them as they were a step ago.
        nd.waitall()
        seconds = time.perf_counter() - started
        names = ("cls_loss", "box_loss", "class_accuracy", "box_mae")
        means = zip(names, (totals / self.steps_per_epoch).tolist())
        speed = {"seconds": seconds, "images_per_second": num_images / seconds}
        return {"epoch": epoch + 1, "image_size": size, **speed, **dict(means)}

    def save(self, path):
        """Write a checkpoint from which `resume` goes on."""
        metadata = self.identity() | {
            "image_size": self.config.image_sizes[-1],
            "history": self.history,
        }
        save_checkpoint(path, self.net, metadata, optimizer_states(self.trainer))

    def resume(self, path):
        """Go back to where a checkpoint was written.

        Raises CheckpointError where its classes or configuration are not those of this run.
        """
        checkpoint = load_checkpoint(path)
        for field, value in self.identity().items():
            found = checkpoint.metadata.get(field)
            if found != value:
                raise CheckpointError(
                    f"{path}: {field} is {found}, but this run has {value}; go on with the same "
                    "one, or remove the file to train from scratch"
                )
        checkpoint.load_into(self.net, self.ctx)
        self.history = checkpoint.metadata["history"]
        updates_per_epoch = math.ceil(self.steps_per_epoch / self.config.accumulate)
        self.trainer = self.make_trainer(len(self.history) * updates_per_epoch)
        restore_optimizer_states(self.trainer, checkpoint.optimizer_states, self.ctx)

    def identity(self):
        """Return what a checkpoint must share with this run, as JSON would give it back."""
        return {
            "class_names": list(self.dataset.class_names),
            "config": json.loads(json.dumps(asdict(self.config))),
        }


def train(net, dataset, config, evaluate=None, checkpoint=None, **parts):
    """Train a detector to the end of its configuration; return the history.

    net, dataset, config and parts (losses, transform): see TrainingRun.
    evaluate: called after every epoch, returns a dict of held-out scores for the history.
    checkpoint: path of a file that is written after every epoch. Where it exists, training goes on
    from it, and ends with the same weights as a run that was never stopped.
    The remaining time counts pixels, since a large image costs more than a small one.
    """
    run = TrainingRun(net, dataset, config, **parts)
    if checkpoint is not None and Path(checkpoint).exists():
        run.resume(checkpoint)
    epoch_pixels = [run.steps_per_epoch * run.batch_size * size**2 for size in config.image_sizes]
    with tqdm(total=sum(epoch_pixels), bar_format=BAR_FORMAT) as bar:
        bar.update(sum(epoch_pixels[: len(run.history)]))
        for size in config.image_sizes[len(run.history) :]:
            line = run.run_epoch(functools.partial(report_step, bar, len(run.history) + 1, size))
            if evaluate is not None:
                line |= evaluate()
            run.history.append(line)
            if checkpoint is not None:
                run.save(checkpoint)
    return run.history


def report_step(bar, epoch, size, num_images, cls_loss, box_loss, images_per_second):
    """Move the progress bar on by one batch."""
    bar.set_postfix_str(
        f"epoch {epoch}, {size} px, class loss {cls_loss:.3f}, box loss {box_loss:.3f}, "
        f"{images_per_second:.0f} images/s",
        refresh=False,
    )
    bar.update(num_images * size**2)
