"""What else happens while a run trains: each thing is a hook, called after every step and epoch."""

from __future__ import annotations

import math
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from utils.training import TrainingRun

BAR_FORMAT = "{percentage:3.0f}% {bar} {elapsed}, {remaining} left{postfix}"


class Hook:
    """Something that happens while a `training.TrainingRun` trains; subclasses say what."""

    def around(self, run: TrainingRun) -> AbstractContextManager:
        """Return a context in which the whole training goes on."""
        return nullcontext()

    def after_step(self, run: TrainingRun) -> None:
        """Do something after a step; `run.values` is what it returned."""

    def after_epoch(self, run: TrainingRun) -> None:
        """Do something after an epoch; `run.history[-1]` is its line, to which it may add."""


class GuardFinite(Hook):
    """Stops a run whose loss is no longer a number.

    Raises FloatingPointError, which names the usual causes.
    """

    def after_step(self, run: TrainingRun) -> None:
        cls_loss, box_loss = run.values["cls_loss"], run.values["box_loss"]
        if not math.isfinite(cls_loss + box_loss):
            raise FloatingPointError(
                f"epoch {len(run.history) + 1}: the class loss is {cls_loss}, the box loss "
                f"{box_loss}. Usual causes: learning_rate too high (try a tenth), warmup too "
                "short, clip_norm too large, or wrong labels (records.check_labels tells)"
            )


class ScoreEpochs(Hook):
    """Adds held-out scores to the history.

    evaluate: returns them as a dict; every: it is called after the epochs whose number this
    divides, and after the last.
    """

    def __init__(self, evaluate: Callable[[], dict], every: int = 1) -> None:
        self.evaluate, self.every = evaluate, every

    def after_epoch(self, run: TrainingRun) -> None:
        if len(run.history) % self.every == 0 or len(run.history) == len(run.config.image_sizes):
            run.history[-1] |= self.evaluate()


class ShowProgress(Hook):
    """Shows a bar with losses, speed and remaining time; where nobody looks, a line an epoch.

    The remaining time counts pixels, since a large image costs more than a small one.
    """

    @contextmanager
    def around(self, run: TrainingRun) -> Iterator[None]:
        total, done = pixels(run, run.num_steps), pixels(run, run.num_steps_done)
        with progress(total=total, initial=done, bar_format=BAR_FORMAT) as self.bar:
            yield

    def after_step(self, run: TrainingRun) -> None:
        size, values = run.config.image_sizes[len(run.history)], run.values
        self.bar.set_postfix_str(
            f"epoch {len(run.history) + 1}, {size} px, class loss {values['cls_loss']:.3f}, "
            f"box loss {values['box_loss']:.3f}, {run.images_per_second:.0f} images/s",
            refresh=False,
        )
        self.bar.update(run.batch_size * size**2)

    def after_epoch(self, run: TrainingRun) -> None:
        if self.bar.disable:
            line, num_epochs = run.history[-1], len(run.config.image_sizes)
            print(
                f"epoch {line['epoch']} of {num_epochs}, class loss {line['cls_loss']:.3f}, box "
                f"loss {line['box_loss']:.3f}, {line['images_per_second']:.0f} images/s, about "
                f"{(num_epochs - line['epoch']) * line['seconds']:.0f} s left",
                file=sys.stderr,
                flush=True,
            )


def pixels(run: TrainingRun, num_steps: int) -> int:
    """Return the pixels of the first steps of a run, as work to do."""
    epochs, batches = divmod(num_steps, run.steps_per_epoch)
    sizes = run.config.image_sizes[: epochs + 1]
    counts = [run.steps_per_epoch] * epochs + [batches]
    return sum(count * run.batch_size * size**2 for count, size in zip(counts, sizes))


def progress(iterable: Iterable | None = None, **options) -> tqdm:
    """Return a tqdm bar, silent where nobody looks; options: of tqdm."""
    return tqdm(iterable, disable=not is_watched(), **options)


def is_watched() -> bool:
    """Return whether standard error is read as it comes, by a terminal or a notebook."""
    return sys.stderr.isatty() or type(sys.stderr).__module__ == "ipykernel.iostream"


class HeedInterrupt(Hook):
    """Raises KeyboardInterrupt after the step in which Ctrl-C came, also where Python dropped it.

    MXNet frees arrays in `__del__`, and what a signal raises there Python prints and drops. Outside
    the main thread, or where somebody else handles Ctrl-C, nothing is changed.
    """

    @contextmanager
    def around(self, run: TrainingRun) -> Iterator[None]:
        self.came = False
        usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if not usual or threading.current_thread() is not threading.main_thread():
            yield
            return
        signal.signal(signal.SIGINT, self.note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def note(self, *arguments) -> None:
        """Do what Python does on Ctrl-C, and remember it."""
        self.came = True
        signal.default_int_handler(*arguments)

    def after_step(self, run: TrainingRun) -> None:
        if self.came:
            raise KeyboardInterrupt

    after_epoch = after_step
