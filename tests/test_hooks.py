import os
import signal
import threading

from utils.hooks import HeedInterrupt

import pytest


@pytest.fixture(autouse=True)
def usual_handler():
    """Python's own handler, also where a shell has these tests ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


class Freed:
    """Ctrl-C comes while this is freed, as it may while MXNet frees an array."""

    def __del__(self):
        press_ctrl_c()
        len("")  # where Python looks for signals


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_a_destructor_drops_is_raised_at_the_next_check():
    hook = HeedInterrupt()
    with hook.around(None):
        hook.after_step(None)
        thing = Freed()
        del thing
        with pytest.raises(KeyboardInterrupt):
            hook.after_step(None)
        with pytest.raises(KeyboardInterrupt):
            hook.after_epoch(None)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_elsewhere_it_is_raised_at_once():
    with pytest.raises(KeyboardInterrupt), HeedInterrupt().around(None):
        press_ctrl_c()
        pytest.fail("not raised")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_handler_of_somebody_else_stays():
    heard = []
    signal.signal(signal.SIGINT, lambda *arguments: heard.append(arguments))
    hook = HeedInterrupt()
    with hook.around(None):
        press_ctrl_c()
        hook.after_step(None)
    assert len(heard) == 1


def test_other_threads_are_left_alone():
    def work():
        hook = HeedInterrupt()
        with hook.around(None):
            done.append(hook.after_step(None))

    done = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [None]
