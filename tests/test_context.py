"""utils.context: context, seeds, run profile and the checks of exercises."""

import random

from utils import context
from utils.context import self_check

import mxnet as mx
import numpy as np
import pytest


@pytest.fixture
def gpus(monkeypatch):
    """Pretend that MXNet counts so many GPUs."""
    return lambda count: monkeypatch.setattr(mx.context, "num_gpus", lambda: count)


def test_cpu_without_gpus(gpus):
    gpus(0)
    assert context.best_context() == mx.cpu()


def test_gpu_that_computes(gpus, monkeypatch):
    gpus(2)
    asked = []

    def ones(shape, ctx):
        asked.append(ctx)
        return mx.nd.array([1.0])  # on the CPU, in place of the GPU

    monkeypatch.setattr(mx.nd, "ones", ones)
    assert context.best_context() == mx.gpu(0)
    assert asked == [mx.gpu(0)]


def test_gpu_without_machine_code_falls_back(gpus, monkeypatch):
    gpus(1)

    def ones(shape, ctx):
        raise mx.MXNetError("trace\nno kernel image is available for execution on the device")

    monkeypatch.setattr(mx.nd, "ones", ones)
    with pytest.warns(UserWarning, match="no kernel image is available .* single_shot.doctor"):
        assert context.best_context() == mx.cpu()


def test_gpu_asked_of_a_cpu_build_falls_back(gpus):
    if mx.runtime.Features().is_enabled("CUDA"):
        pytest.skip("needs MXNet's CPU build")
    gpus(1)
    with pytest.warns(UserWarning, match="MXNet cannot use it"):
        assert context.best_context() == mx.cpu()


def draw():
    return random.random(), np.random.rand(), float(mx.nd.random.uniform().asscalar())


def test_seeds_repeat_and_differ():
    context.seed_everything()
    first = draw()
    context.seed_everything(context.SEED)
    assert draw() == first
    context.seed_everything(context.SEED + 1)
    assert all(a != b for a, b in zip(draw(), first, strict=True))


def test_the_environment_may_choose_the_seed(monkeypatch):
    monkeypatch.delenv("SINGLE_SHOT_SEED", raising=False)
    assert context.chosen_seed() == 42
    monkeypatch.setenv("SINGLE_SHOT_SEED", "7")
    assert context.chosen_seed() == 7


@pytest.mark.parametrize("text", ["", "-1", "1.5", "seven", "2147483648"])
def test_a_seed_that_is_none_names_the_variable(monkeypatch, text):
    monkeypatch.setenv("SINGLE_SHOT_SEED", text)
    with pytest.raises(ValueError, match="SINGLE_SHOT_SEED .* integer from 0"):
        context.chosen_seed()


@pytest.mark.parametrize(("name", "value"), [("smoke", 1), ("class", 2), ("full", 3)])
def test_profile_picks_its_value(monkeypatch, name, value):
    monkeypatch.setenv("SINGLE_SHOT_PROFILE", name)
    profile = context.run_profile()
    assert profile.name == name
    assert profile.pick(smoke=1, class_=2, full=3) == value


def test_class_is_the_default_profile(monkeypatch):
    monkeypatch.delenv("SINGLE_SHOT_PROFILE", raising=False)
    assert context.run_profile() == context.RunProfile("class")


@pytest.mark.parametrize("name", ["quick", "", "Class"])
def test_unknown_profile_names_the_variable_and_the_values(monkeypatch, name):
    monkeypatch.setenv("SINGLE_SHOT_PROFILE", name)
    with pytest.raises(ValueError, match="SINGLE_SHOT_PROFILE .* smoke, class or full"):
        context.run_profile()


def test_gpu_that_fails_only_when_its_result_is_asked_for_falls_back(gpus, monkeypatch):
    """MXNet computes later: an operator returns at once, and `asnumpy` tells that it failed."""
    gpus(1)

    class Later:
        def __add__(self, other):
            return self

        def asnumpy(self):
            raise mx.MXNetError("no kernel image is available for execution on the device")

    monkeypatch.setattr(mx.nd, "ones", lambda shape, ctx: Later())
    with pytest.warns(UserWarning, match="no kernel image"):
        assert context.best_context() == mx.cpu()


# --- The checks of exercises ----------------------------------------------------------------------


def test_a_solution_is_solved(capsys):
    with self_check(3):
        assert 1 + 1 == 2
    assert capsys.readouterr().out == "Exercise 3: solved.\n"


def test_a_stub_is_open(capsys):
    def stub():
        raise NotImplementedError

    with self_check(3):
        stub()
    assert capsys.readouterr().out.startswith("Exercise 3: open.")


def test_a_wrong_solution_is_told_which_check_fails(capsys):
    with self_check(2):
        assert 1 + 1 == 2
        np.testing.assert_allclose([1.0], [2.0])
    expected = "Exercise 2: not yet. This check fails: np.testing.assert_allclose([1.0], [2.0])\n"
    assert capsys.readouterr().out == expected


def test_an_error_of_the_solution_is_raised():
    with pytest.raises(ZeroDivisionError), self_check(1):
        assert 1 / 0
