"""The training loop of every lesson: configuration, guard, progress, checkpoints."""

import functools
import math
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from utils.context import SEED, seed_everything
from utils.data import augment, normalize, training_loader
from utils.interrupts import no_interrupt_lost
from utils.losses import FocalLoss, SmoothL1Loss
from utils.metrics import box_mae, class_accuracy
from utils.progress import progress
from utils.resuming import Autosave, EpochSoFar, resume_run, save_run
from utils.schedules import one_cycle, step_drops
from utils.targets import multibox_target

import numpy as np
from mxnet import autograd, gluon, nd

BAR_FORMAT = "{percentage:3.0f}% {bar} {elapsed}, {remaining} left{postfix}"
SAVE_SECONDS = 60  # the most that a killed run loses


@dataclass(frozen=True)
class TrainingConfig:
    """How to train. The defaults are the course's recipe.

    image_sizes: side of the images in pixels, one entry an epoch.
    learning_rate: peak of the schedule; warmup: share of the steps before the peak.
    drops: shares of all steps after which the rate falls to a tenth; none for one cycle.
    optimizer: `adam` or `sgd`, the latter with momentum; weight_decay: of all but biases;
    bias_rate: multiplies the biases' rate.
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


def epoch_seed(seed, epoch):
    """Return the seed of an epoch's random numbers, which other seeds have in none of theirs."""
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1)[0])


class TrainingRun:
    """A network, the data it learns from and how far it has come.

    net: a detector such as `ssd.ToySSD`, initialised; dataset: a `data.DetectionDataset`;
    config: a TrainingConfig; cls_loss(cls_preds, cls_targets) and box_loss(box_preds, box_targets,
    box_masks): losses as in `utils.losses`; transform: see `data.training_loader`.
    history: one dict an epoch with its losses, the two anchor metrics and the speed; so_far: what
    is done of the epoch after these.
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
        self.history, self.so_far = [], EpochSoFar()
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
                parameter.lr_mult, parameter.wd_mult = config.bias_rate, 0
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

    def run_epoch(self, report, save=None):
        """Go through the data once; return the epoch's line of the history.

        report: called after every step with the batch's number of images, its class and box loss,
        and the images per second so far. save: called wherever the run can be saved.
        Raises FloatingPointError when a loss is not a number.
        """
        epoch, size = len(self.history), self.config.image_sizes[len(self.history)]
        num_steps = self.steps_per_epoch * len(self.config.image_sizes)
        seed_everything(epoch_seed(self.config.seed, epoch))  # so that a resumed run draws the same
        started = time.perf_counter() - self.so_far.seconds
        resume_at = epoch * self.steps_per_epoch + self.so_far.batches
        batches = training_loader(self.dataset, self.batch_size, size, self.transform)
        with no_interrupt_lost() as check_interrupt:
            for step, (images, labels) in enumerate(batches, start=epoch * self.steps_per_epoch):
                if step < resume_at:  # learnt before the run was stopped; drawn for what follows
                    continue
                rate = self.config.learning_rate_at(step, num_steps)
                batch = images.as_in_context(self.ctx), labels.as_in_context(self.ctx)
                values = self.step(*batch, rate)
                guard_finite(*values[:2], epoch)
                self.so_far = self.so_far.add(values, time.perf_counter() - started)
                report(len(images), *values[:2], self.images_per_second)
                check_interrupt()
                if save is not None and not self.num_pending:
                    save()
        if self.num_pending:
            self.update(rate)
        nd.waitall()
        return self.finish_epoch(time.perf_counter() - started)

    @property
    def images_per_second(self):
        """The speed of the epoch so far."""
        return self.so_far.batches * self.batch_size / self.so_far.seconds

    def finish_epoch(self, seconds):
        """Return the line of the history for the epoch so far, which took `seconds`; begin anew."""
        self.so_far = replace(self.so_far, seconds=seconds)
        epoch = len(self.history)
        line = {"epoch": epoch + 1, "image_size": self.config.image_sizes[epoch]}
        line |= {"seconds": seconds, "images_per_second": self.images_per_second}
        line |= self.so_far.means()
        self.so_far = EpochSoFar()
        return line

    def resume(self, path):
        """Go on from a checkpoint, see `resuming.resume_run`."""
        resume_run(path, self)

    def pixels(self, num_epochs, num_batches=0):
        """Return the pixels of the first epochs and of some batches of the next, as work to do."""
        sizes = self.config.image_sizes[: num_epochs + 1]
        batches = [self.steps_per_epoch] * num_epochs + [num_batches]
        return sum(n * self.batch_size * size**2 for n, size in zip(batches, sizes))


def train(net, dataset, config, evaluate=None, checkpoint=None, evaluate_every=1, **parts):
    """Train a detector to the end of its configuration; return the history.

    net, dataset, config and parts (losses, transform): see TrainingRun.
    evaluate: called after every epoch whose number `evaluate_every` divides, and after the last;
    returns a dict of held-out scores for the history.
    checkpoint: path of a file that is written after every epoch and every SAVE_SECONDS. Where it
    exists, training goes on from it, and ends with the same weights as a run never stopped.
    The remaining time counts pixels, since a large image costs more than a small one.
    """
    run = TrainingRun(net, dataset, config, **parts)
    save = None
    if checkpoint is not None:
        if Path(checkpoint).exists():
            run.resume(checkpoint)
        save = Autosave(run, checkpoint, SAVE_SECONDS)
    num_epochs = len(config.image_sizes)
    total = run.pixels(num_epochs)
    with (
        progress(total=total, bar_format=BAR_FORMAT) as bar,
        no_interrupt_lost() as check_interrupt,
    ):
        bar.update(run.pixels(len(run.history), run.so_far.batches))
        for epoch in range(len(run.history) + 1, num_epochs + 1):
            report = functools.partial(report_step, bar, epoch, config.image_sizes[epoch - 1])
            line = run.run_epoch(report, save)
            if evaluate is not None and (epoch % evaluate_every == 0 or epoch == num_epochs):
                line |= evaluate()
            run.history.append(line)
            if bar.disable:
                tell_epoch(line, num_epochs)
            if checkpoint is not None:
                save_run(checkpoint, run)
            check_interrupt()
    return run.history


def tell_epoch(line, num_epochs):
    """Print a line of the history, where nobody sees the progress bar."""
    left = (num_epochs - line["epoch"]) * line["seconds"]
    losses = f"class loss {line['cls_loss']:.3f}, box loss {line['box_loss']:.3f}"
    speed = f"{line['images_per_second']:.0f} images/s, about {left:.0f} s left"
    print(f"epoch {line['epoch']} of {num_epochs}, {losses}, {speed}", file=sys.stderr, flush=True)


def report_step(bar, epoch, size, num_images, cls_loss, box_loss, images_per_second):
    """Move the progress bar on by one batch."""
    bar.set_postfix_str(
        f"epoch {epoch}, {size} px, class loss {cls_loss:.3f}, box loss {box_loss:.3f}, "
        f"{images_per_second:.0f} images/s",
        refresh=False,
    )
    bar.update(num_images * size**2)
