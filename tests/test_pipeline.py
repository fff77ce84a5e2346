"""Work ahead and behind: all of it, in order, within bounds, and every error where it belongs."""

import threading
from contextlib import closing

from single_shot.pipeline import MOST_AHEAD, MOST_BEHIND, Later, work_ahead

import pytest


def test_work_ahead_is_done_in_order_and_within_bounds():
    begun, ahead = [], []

    def square(number):
        begun.append(number)
        return number**2

    found = []
    for taken, future in enumerate(work_ahead(square, range(40)), start=1):
        found.append(future.result())
        ahead.append(len(begun) - taken)
    assert found == [number**2 for number in range(40)] and begun == [*range(40)]
    assert max(ahead) <= MOST_AHEAD


def test_a_thread_works_while_nobody_takes():
    reached = threading.Event()

    def last_that_may_begin(number):
        if number == MOST_AHEAD:
            reached.set()

    with closing(work_ahead(last_that_may_begin, range(99))) as futures:
        next(futures)
        assert reached.wait(timeout=60)


def test_an_error_is_raised_by_its_own_future_and_the_rest_goes_on():
    futures = [*work_ahead(lambda number: 6 // number, [3, 0, 2])]
    assert futures[0].result() == 2 and futures[2].result() == 3
    with pytest.raises(ZeroDivisionError):
        futures[1].result()


def test_what_nobody_takes_any_more_is_not_done():
    begun, release = [], threading.Event()

    def wait(number):
        begun.append(number)
        release.wait(timeout=60)

    with pytest.raises(KeyboardInterrupt), closing(work_ahead(wait, range(40))) as futures:
        next(futures)
        threading.Timer(1, release.set).start()  # by then the rest has been cancelled
        raise KeyboardInterrupt
    assert begun == [0]


def test_later_does_all_and_is_never_far_behind():
    done, behind = [], []
    with Later() as later:
        for number in range(30):
            later(done.append, number)
            behind.append(number + 1 - len(done))
    assert sorted(done) == [*range(30)]
    assert max(behind) <= MOST_BEHIND


def test_later_raises_what_went_wrong_and_does_the_rest():
    done = []
    with pytest.raises(ZeroDivisionError), Later() as later:
        later(lambda: 1 // 0)
        later(done.append, 1)
    assert done == [1]


def test_later_finishes_what_was_asked_of_a_run_that_is_stopped():
    done = []
    with pytest.raises(KeyboardInterrupt), Later() as later:
        later(done.append, 1)
        raise KeyboardInterrupt
    assert done == [1]
