from utils.training import one_cycle, step_drops

import numpy as np
import pytest


def test_one_cycle_rises_to_its_peak_and_ends_near_zero():
    rates = [one_cycle(step, 100, peak=0.01, warmup=0.3) for step in range(100)]
    assert np.argmax(rates) == 29 and rates[29] == pytest.approx(0.01)
    assert rates[0] < 0.001 and rates[-1] == pytest.approx(0.00001)
    assert (np.diff(rates[:30]) > 0).all() and (np.diff(rates[29:]) < 0).all()


def test_one_cycle_without_warmup_starts_at_the_top():
    assert one_cycle(0, 1000, peak=0.01, warmup=0) == pytest.approx(0.01, rel=1e-3)


def test_step_drops_rises_then_falls_tenfold():
    options = {"num_steps": 12, "peak": 0.1, "warmup": 0.25, "drops": (2 / 3, 5 / 6)}
    rates = [step_drops(step, **options) for step in range(12)]
    expected = [0.1 / 3, 0.2 / 3, *[0.1] * 6, 0.01, 0.01, 0.001, 0.001]
    np.testing.assert_allclose(rates, expected)
    assert step_drops(0, 12, 0.1, warmup=0, drops=(0.5,)) == pytest.approx(0.1)


def test_one_cycle_may_rise_to_the_end():
    rates = [one_cycle(step, 10, peak=0.01, warmup=1) for step in range(10)]
    assert rates == sorted(rates) and rates[-1] == 0.01
