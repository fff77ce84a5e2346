"""Progress bars where somebody looks: on a terminal and in a notebook, not in a file."""

import sys

from tqdm import tqdm


def is_watched():
    """Return whether standard error is read as it comes, by a terminal or a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def progress(iterable=None, **options):
    """Return a tqdm bar, silent where nobody looks; options: of tqdm."""
    return tqdm(iterable, disable=not is_watched(), **options)
