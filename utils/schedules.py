"""Schedules: the learning rate of every step of a run."""

import math


def one_cycle(step: int, num_steps: int, peak: float, warmup: float) -> float:
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


def step_drops(step: int, num_steps: int, peak: float, warmup: float, drops: tuple) -> float:
    """Return the learning rate of a step: a straight rise to the peak, then tenfold drops.

    drops: shares of the steps; the rest as for `one_cycle` (Liu et al., SSD, section 3, drop after
    two thirds and five sixths and rise at once).
    """
    position = (step + 1) / num_steps
    rise = min(1, position / warmup) if warmup else 1
    return peak * rise * 0.1 ** sum(step >= drop * num_steps for drop in drops)
