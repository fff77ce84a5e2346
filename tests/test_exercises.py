from utils.exercises import self_check

import numpy as np
import pytest


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
