"""The devices that share each batch of a training: those named, or all GPUs that work."""

import re

from utils.context import best_context, why_not
from utils.files import InputError

import mxnet as mx

MOST_CPUS = 16  # whose numbers MXNet tells apart; all are the same processor
NAME = re.compile(r"(cpu|gpu):(\d{1,4})")


def contexts_of(text: str | None) -> list[mx.Context]:
    """Return the devices that a text such as `gpu:0,gpu:1` names; of None, all that are usable.

    Raises InputError for a text that names a device twice, both kinds, or what is not there.
    """
    if text is None:
        return usable_contexts()
    contexts = [context_of(word.strip()) for word in text.split(",")]
    if len(set(contexts)) < len(contexts):
        raise InputError(f"--devices {text}: a device is named twice; name each once")
    if len({ctx.device_type for ctx in contexts}) > 1:
        raise InputError(f"--devices {text}: CPU and GPU cannot share a batch; name one kind")
    for ctx in contexts:
        if reason := why_not(ctx):
            raise InputError(f"--devices {text}: {name_of(ctx)} cannot compute: {reason}")
    return contexts


def context_of(word: str) -> mx.Context:
    """Return the device that a word such as `gpu:0` names; see `contexts_of` for the InputError."""
    match = NAME.fullmatch(word)
    if not match:
        raise InputError(f"--devices: {word!r} is no device; write them as gpu:0,gpu:1")
    kind, number = match[1], int(match[2])
    count = MOST_CPUS if kind == "cpu" else mx.context.num_gpus()
    if number >= count:
        there = f"{kind}:0 to {kind}:{count - 1}" if count else f"no {kind} that MXNet can see"
        raise InputError(f"--devices {word}: not there; this machine has {there}")
    return mx.Context(kind, number)


def name_of(ctx: mx.Context) -> str:
    """Return the name of a device as `contexts_of` reads it."""
    return f"{ctx.device_type}:{ctx.device_id}"


def usable_contexts() -> list[mx.Context]:
    """Return all GPUs that MXNet can compute on, else the CPU; see `context.best_context`."""
    first = best_context()
    if first.device_type == "cpu":
        return [first]
    gpus = [mx.gpu(number) for number in range(mx.context.num_gpus())]
    return [ctx for ctx in gpus if not why_not(ctx)]
