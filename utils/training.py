"""The training loop of every lesson: configuration, steps, epochs; all else is hooks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import islice

from utils.context import SEED, seed_everything
from utils.data import augment, normalize, training_loader
from utils.files import InputError
from utils.hooks import GuardFinite, HeedInterrupt, Hook, ScoreEpochs, ShowProgress
from utils.losses import FocalLoss, SmoothL1Loss
from utils.metrics import box_mae, class_accuracy
from utils.targets import MATCH_THRESHOLD, multibox_target

import numpy as np
from mxnet import autograd, gluon, nd
from mxnet.gluon import nn
from mxnet.gluon.loss import Loss
from mxnet.kvstore import KVStore


def one_cycle(step: int, num_steps: int, peak: float, warmup: float) -> float:
    """Return the learning rate of a step: a cosine up to the peak, then a cosine down to near 0.

    step: 0 .. num_steps - 1; peak: greatest learning rate; warmup: share of the steps before it.
    After Smith and Topin, Super-Convergence, 2018.
    """
    position = (step + 1) / num_steps
    if position < warmup or warmup == 1:
        start, end, progress = peak / 25, peak, position / warmup
    else:
        start, end, progress = peak, peak / 1000, (position - warmup) / (1 - warmup)
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


def step_drops(step: int, num_steps: int, peak: float, warmup: float, drops: tuple) -> float:
    """Return the learning rate of a step: a straight rise to the peak, then tenfold drops.

    drops: shares of the steps; the rest as for `one_cycle` (Liu et al., SSD, section 3, drop after
    two thirds and five sixths and rise at once).
    """
    position = (step + 1) / num_steps
    rise = min(1, position / warmup) if warmup else 1
    return peak * rise * 0.1 ** sum(step >= drop * num_steps for drop in drops)


POSITIVES = 10**6  # key of their count; a Trainer's keys are its parameters' numbers


@dataclass(frozen=True)
class TrainingConfig:
    """How to train. The defaults are the course's recipe.

    image_sizes: side of the images in pixels, one entry an epoch.
    learning_rate: peak of the schedule; warmup: share of the steps before the peak.
    drops: shares of all steps after which the rate falls to a tenth; none for one cycle.
    optimizer: `adam` or `sgd`, the latter with momentum; weight_decay: of all but biases;
    bias_rate: multiplies the biases' rate; base_rate: that of the base; frozen_stages: how many of
    the base's first stages stay as they are.
    clip_norm: bound on the norm of all gradients together; box_weight: weight of the box loss;
    match_threshold: IoU above which an anchor learns an object.
    accumulate: batches whose gradients are averaged for one step, where memory is short.
    """

    image_sizes: tuple = (128,) * 5
    batch_size: int = 16
    learning_rate: float = 4e-3
    warmup: float = 0.3
    weight_decay: float = 0.0
    clip_norm: float = 10.0
    box_weight: float = 1.0
    match_threshold: float = MATCH_THRESHOLD
    seed: int = SEED
    drops: tuple = ()
    optimizer: str = "adam"
    momentum: float = 0.9
    bias_rate: float = 1.0
    base_rate: float = 1.0
    frozen_stages: int = 0
    accumulate: int = 1

    def learning_rate_at(self, step: int, num_steps: int) -> float:
        """Return the learning rate of a step, from 0 on, of num_steps."""
        if self.drops:
            return step_drops(step, num_steps, self.learning_rate, self.warmup, self.drops)
        return one_cycle(step, num_steps, self.learning_rate, self.warmup)


def epoch_seed(seed: int, epoch: int) -> int:
    """Return the seed of an epoch's random numbers, which other seeds have in none of theirs."""
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1)[0])


@dataclass(frozen=True)
class EpochSoFar:
    """The part of an epoch that a run has behind it.

    batches: how many it learnt from; seconds: what they took; totals: sums over them of what
    `TrainingRun.step` returns, by name.
    """

    batches: int = 0
    seconds: float = 0.0
    totals: dict = field(default_factory=dict)

    def add(self, values: dict[str, float], seconds: float) -> EpochSoFar:
        """Return the epoch one batch later; values: of its step; seconds: in all."""
        totals = {name: self.totals.get(name, 0.0) + value for name, value in values.items()}
        return EpochSoFar(self.batches + 1, seconds, totals)

    def means(self) -> dict[str, float]:
        """Return the mean of every value over the batches, by name."""
        return {name: total / self.batches for name, total in self.totals.items()}


def freeze(block: nn.HybridBlock) -> None:
    """Have training leave a block as it is: its weights and its running statistics."""
    block.collect_params().setattr("grad_req", "null")
    if isinstance(block, nn.BatchNorm):
        block._kwargs["use_global_stats"] = True
    for child in block._children.values():
        freeze(child)


def handing_out_first(store: KVStore) -> KVStore:
    """Return a `dist_sync` store which has handed out the weights before gradients travel.

    A Trainer asks it for the first weights and at once pushes gradients, under the same keys. A
    gradient may overtake a weight, and a worker gets the sum of the gradients in its place, without
    a word (MXNet 1.9.1: in 11 of 24 jobs of two workers).
    """
    broadcast = store.broadcast

    def broadcast_and_wait(*arguments, **options):
        broadcast(*arguments, **options)
        nd.waitall()

    store.broadcast = broadcast_and_wait
    return store


@dataclass(frozen=True)
class Workers:
    """The processes that train one network together, each on a part of every batch.

    rank: of this one, from 0 on; count: how many there are, by default only this one; kvstore: a
    `dist_sync` one adds up what all push to it; None where there is only one.
    threshold: each gradient travels as two bits, which mean that much more, less or nothing; what
    they leave out waits for the next step, or is lost with a stop (MXNet, *Gradient Compression*).
    """

    rank: int = 0
    count: int = 1
    kvstore: KVStore = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.count > 1:
            handing_out_first(self.kvstore).init(POSITIVES, nd.zeros(1))

    def share(self, num_positives: nd.NDArray) -> nd.NDArray | None:
        """Return by what a worker multiplies its loss, which it has divided by its own positives.

        The sum over the workers is then the loss of their batches as one, divided by all positives.
        With two bits for a gradient the count would suffer too; all workers then weigh the same.
        num_positives: (1,). Returns (1,), or None for one worker alone.
        """
        if self.count == 1:
            return None
        if self.threshold:
            return nd.ones_like(num_positives) / self.count
        in_all = num_positives.copy()
        self.kvstore.pushpull(POSITIVES, in_all)
        return nd.maximum(num_positives, 1) / nd.maximum(in_all, 1)


class TrainingRun:
    """A network, the data it learns from and how far it has come.

    net: a detector such as `ssd.ToySSD`, initialised on the devices that share each batch, where
    batch normalisation takes the statistics of a device's part; dataset: a `data.DetectionDataset`;
    config: a TrainingConfig, its batch that of one worker; cls_loss(cls_preds, cls_targets) and
    box_loss(box_preds, box_targets, box_masks): losses as in `utils.losses`; transform: see
    `data.training_loader`; workers: who else trains the network.
    history: one dict an epoch with the means of what its steps returned, and the speed; so_far:
    what is done of the epoch after these; values: what the last step returned.
    """

    def __init__(
        self,
        net: nn.HybridBlock,
        dataset: gluon.data.Dataset,
        config: TrainingConfig,
        cls_loss: Loss | None = None,
        box_loss: Loss | None = None,
        transform: Callable = augment,
        workers: Workers = Workers(),
    ) -> None:
        self.net = net
        self.dataset = dataset
        self.config = config
        self.cls_loss = cls_loss or FocalLoss()
        self.box_loss = box_loss or SmoothL1Loss()
        self.transform = transform
        self.cls_loss.hybridize()
        self.box_loss.hybridize()
        self.workers = workers
        self.batch_size = min(config.batch_size * workers.count, len(dataset))
        self.steps_per_epoch = len(dataset) // self.batch_size
        self.history, self.so_far, self.values = [], EpochSoFar(), {}
        self.contexts = next(iter(net.collect_params().values())).list_ctx()
        self.check_parts()
        self.trainer = self.make_trainer(updates_done=0)

    def check_parts(self) -> None:
        """Raise InputError where a device of a worker would get no image of a batch."""
        least = self.batch_size // self.workers.count
        if least < len(self.contexts):
            raise InputError(
                f"{least} images a batch cannot be split over {len(self.contexts)} devices: raise "
                "the batch size, or name fewer devices"
            )

    def make_trainer(self, updates_done: int) -> gluon.Trainer:
        """Return the optimiser, after as many updates, and prepare the weights that it trains."""
        config, parameters = self.config, self.net.collect_params()
        options = {"wd": config.weight_decay, "begin_num_update": updates_done}
        if config.optimizer == "sgd":
            options["momentum"] = config.momentum
        parameters.setattr("lr_mult", 1.0)  # a run that goes on makes its trainer anew
        for stage in self.net.base_stages:
            stage.collect_params().setattr("lr_mult", config.base_rate)
        for stage in self.net.base_stages[: config.frozen_stages]:
            freeze(stage)
        for name, parameter in parameters.items():
            if name.endswith("bias"):
                parameter.lr_mult *= config.bias_rate
                parameter.wd_mult = 0
            if config.accumulate > 1 and parameter.grad_req != "null":
                parameter.grad_req = "add"
        self.num_pending = 0  # batches whose gradients wait for the next step
        self.trained = {name: each for name, each in parameters.items() if each.grad_req != "null"}
        threshold = self.workers.threshold
        return gluon.Trainer(
            self.trained,
            config.optimizer,
            options,
            kvstore=self.workers.kvstore or "device",
            update_on_kvstore=False,  # or gradients could not be clipped
            compression_params={"type": "2bit", "threshold": threshold} if threshold else None,
        )

    def predict(self, images: nd.NDArray) -> Sequence[nd.NDArray]:
        """Return the network's outputs, computed in parts on its devices, on the first of them."""
        parts = gluon.utils.split_and_load(images, self.contexts, even_split=False)
        outputs = [self.net(normalize(part)) for part in parts]
        if len(outputs) == 1:
            return outputs[0]
        anchors, *predictions = zip(*outputs)
        on_first = [[part.as_in_context(self.contexts[0]) for part in each] for each in predictions]
        return anchors[0], *[nd.concat(*parts, dim=0) for parts in on_first]

    def step(
        self, images: nd.NDArray, labels: nd.NDArray, learning_rate: float
    ) -> dict[str, float]:
        """Learn from one batch; return its losses and the two metrics of its anchors, by name.

        images: (N, H, W, 3) uint8; labels: (N, M, 5) on the first device.
        """
        with autograd.record():
            anchors, cls_preds, box_preds = self.predict(images)
            box_targets, box_masks, cls_targets = multibox_target(
                anchors, labels, self.config.match_threshold
            )
            cls_loss = self.cls_loss(cls_preds, cls_targets).sum()
            box_loss = self.box_loss(box_preds, box_targets, box_masks).sum()
            loss = cls_loss + self.config.box_weight * box_loss
        loss.backward(self.workers.share(box_masks.sum() / 4))
        self.num_pending += 1
        if self.num_pending == self.config.accumulate:
            self.update(learning_rate)
        return {
            "cls_loss": float(cls_loss.asscalar()),
            "box_loss": float(box_loss.asscalar()),
            "class_accuracy": class_accuracy(cls_preds, cls_targets),
            "box_mae": box_mae(box_preds, box_targets, box_masks),
        }

    def update(self, learning_rate: float) -> None:
        """Add up the gradients that have gathered, clip them, take one step of the optimiser."""
        self.trainer.allreduce_grads()
        bound = self.config.clip_norm * self.num_pending
        for ctx in self.contexts:  # each has the sum now, and takes the same step
            gradients = [parameter.grad(ctx) for parameter in self.trained.values()]
            gluon.utils.clip_global_norm(gradients, bound, check_isfinite=False)
        self.trainer.set_learning_rate(learning_rate)
        self.trainer.update(self.num_pending)  # each loss is already divided by its positives
        if self.config.accumulate > 1:
            for parameter in self.trained.values():
                parameter.zero_grad()
        self.num_pending = 0

    def batches(self) -> Iterator[tuple[nd.NDArray, nd.NDArray]]:
        """Yield the rest of the epoch: the same batches as if the run had never been stopped."""
        epoch = len(self.history)
        seed_everything(epoch_seed(self.config.seed, epoch))
        size = self.config.image_sizes[epoch]
        part = self.workers.rank, self.workers.count
        drawn = training_loader(self.dataset, self.batch_size, size, self.transform, *part)
        for images, labels in islice(drawn, self.so_far.batches, None):
            yield images, labels.as_in_context(self.contexts[0])

    def run_epoch(self, *hooks) -> dict:
        """Go through the data once, or through what is left; return the epoch's line of history.

        hooks: see `hooks.Hook`.
        """
        started = time.perf_counter() - self.so_far.seconds
        for images, labels in self.batches():
            rate = self.config.learning_rate_at(self.num_steps_done, self.num_steps)
            self.values = self.step(images, labels, rate)
            self.so_far = self.so_far.add(self.values, time.perf_counter() - started)
            for hook in hooks:
                hook.after_step(self)
        if self.num_pending:
            self.update(rate)
        nd.waitall()
        self.history.append(self.finish_epoch(time.perf_counter() - started))
        for hook in hooks:
            hook.after_epoch(self)
        return self.history[-1]

    def fit(self, *hooks) -> list[dict]:
        """Train to the end of the configuration; return the history.

        hooks: see `hooks.Hook`; each comes in its turn after every step and every epoch.
        """
        with ExitStack() as stack:
            for hook in hooks:
                stack.enter_context(hook.around(self))
            while len(self.history) < len(self.config.image_sizes):
                self.run_epoch(*hooks)
        return self.history

    @property
    def num_steps(self) -> int:
        """How many steps the whole run has."""
        return self.steps_per_epoch * len(self.config.image_sizes)

    @property
    def num_steps_done(self) -> int:
        """How many of them are done."""
        return self.steps_per_epoch * len(self.history) + self.so_far.batches

    @property
    def images_per_second(self) -> float:
        """The speed of the epoch so far."""
        return self.so_far.batches * self.batch_size / self.so_far.seconds

    def finish_epoch(self, seconds: float) -> dict:
        """Return the line of the history for the epoch so far, which took `seconds`; begin anew."""
        self.so_far = replace(self.so_far, seconds=seconds)
        epoch = len(self.history)
        line = {"epoch": epoch + 1, "image_size": self.config.image_sizes[epoch]}
        line |= {"seconds": seconds, "images_per_second": self.images_per_second}
        line |= self.so_far.means()
        self.so_far = EpochSoFar()
        return line


def train(
    net: nn.HybridBlock,
    dataset: gluon.data.Dataset,
    config: TrainingConfig,
    evaluate: Callable | None = None,
    evaluate_every: int = 1,
    hooks: Sequence[Hook] = (),
    **parts,
) -> list[dict]:
    """Train a detector to the end of its configuration; return the history.

    net, dataset, config and parts (losses, transform, workers): see TrainingRun.
    evaluate: called after every epoch whose number `evaluate_every` divides, and after the last;
    returns a dict of held-out scores for the history. hooks: more of them, see `hooks.Hook`.
    """
    scores = [ScoreEpochs(evaluate, evaluate_every)] if evaluate else []
    run = TrainingRun(net, dataset, config, **parts)
    shown = [ShowProgress()] if run.workers.rank == 0 else []
    return run.fit(GuardFinite(), *scores, *hooks, *shown, HeedInterrupt())
