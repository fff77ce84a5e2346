"""Ctrl-C, also where Python cannot raise it."""

import signal
import threading
from contextlib import contextmanager


@contextmanager
def no_interrupt_lost():
    """Yield a function that raises KeyboardInterrupt if Ctrl-C came and the work went on.

    MXNet frees arrays in `__del__`, and what a signal raises there Python prints and drops. Call
    the function between two steps. Outside the main thread, or where somebody else handles Ctrl-C,
    it does nothing.
    """
    came, usual = [], signal.default_int_handler

    def note_and_raise(*arguments):
        came.append(arguments)
        usual(*arguments)

    def check():
        if came:
            raise KeyboardInterrupt

    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not usual:
        yield check
        return
    signal.signal(signal.SIGINT, note_and_raise)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, usual)
