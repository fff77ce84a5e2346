"""Work in other threads, in order and with bounds: reading ahead of who computes, writing behind.

Decoding, painting and compressing images let other threads run, and so does the network.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from utils.compat import core_count

MOST_AHEAD = 4
MOST_BEHIND = 4


def work_ahead(function: Callable, arguments: Iterable) -> Generator[Future, None, None]:
    """Yield the future of `function(argument)` for each argument, in order.

    One thread works, at most MOST_AHEAD calls ahead. What goes wrong in a call is raised by
    `result()` of its own future. Close the iterator, or what is still to do is done.
    """
    with ThreadPoolExecutor(1) as thread:
        waiting: deque[Future] = deque()
        try:
            for argument in arguments:
                waiting.append(thread.submit(function, argument))
                if len(waiting) > MOST_AHEAD:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for future in waiting:
                future.cancel()


class Later:
    """Does work in threads of its own, a thread for every core, at most MOST_BEHIND calls behind.

    What goes wrong in one is raised by a later call, or at the end of the `with` block.
    """

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(core_count())
        self.waiting: deque[Future] = deque()

    def __call__(self, function: Callable, *arguments) -> None:
        """Have `function(*arguments)` called soon."""
        self.waiting.append(self.threads.submit(function, *arguments))
        self.wait(MOST_BEHIND)

    def wait(self, behind: int = 0) -> None:
        """Wait until no more than so many calls are behind."""
        while len(self.waiting) > behind:
            self.waiting.popleft().result()

    def __enter__(self) -> Later:
        return self

    def __exit__(self, kind, *_) -> None:
        self.threads.shutdown()  # once all calls are done, also of a run that is stopped
        if kind is None:
            self.wait()
