"""Ctrl-C, also where Python cannot raise it."""

import signal
import threading
from contextlib import contextmanager


class _Handler:
    """Does what Python does on Ctrl-C, and remembers it."""

    came = False

    def __call__(self, *arguments):
        self.came = True
        signal.default_int_handler(*arguments)

    def check(self):
        if self.came:
            raise KeyboardInterrupt


@contextmanager
def no_interrupt_lost():
    """Yield a function that raises KeyboardInterrupt if Ctrl-C came and the work went on.

    MXNet frees arrays in `__del__`, and what a signal raises there Python prints and drops. Call
    the function between two steps. One within another shares what the outer one knows. Outside the
    main thread, or where somebody else handles Ctrl-C, it does nothing.
    """
    handler = signal.getsignal(signal.SIGINT)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or handler is not signal.default_int_handler:
        yield handler.check if isinstance(handler, _Handler) else lambda: None
        return
    handler = _Handler()
    signal.signal(signal.SIGINT, handler)
    try:
        yield handler.check
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
