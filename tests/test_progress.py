"""Progress bars: for those who look, and a plain line an epoch in a file."""

import io
import sys

from utils.hooks import is_watched, progress
from utils.ssd import toy_ssd
from utils.training import TrainingConfig, train

import pytest
from ipykernel.iostream import OutStream

from tests.toy_data import rectangles


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Notebook(io.StringIO):
    """A stream like that of a kernel, which is known by the module that it comes from."""

    __module__ = OutStream.__module__


@pytest.mark.parametrize(
    "stream, is_drawn", [(Terminal, True), (Notebook, True), (io.StringIO, False)]
)
def test_a_bar_is_drawn_on_a_terminal_and_in_a_notebook(monkeypatch, stream, is_drawn):
    """A lesson that sends the words of a command into a file gets no bars in it."""
    monkeypatch.setattr(sys, "stderr", stream())
    assert is_watched() == is_drawn
    assert list(progress([1, 2, 3], desc="three")) == [1, 2, 3]
    assert ("three" in sys.stderr.getvalue()) == is_drawn


def test_a_training_writes_a_line_an_epoch_into_a_file(monkeypatch, capsys):
    monkeypatch.setattr("utils.hooks.is_watched", lambda: False)
    config = TrainingConfig(image_sizes=(64, 64), batch_size=4)
    train(toy_ssd(num_classes=1), rectangles(8), config)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("epoch 1 of 2, class loss ") and "images/s" in first
    assert second.startswith("epoch 2 of 2") and second.endswith("about 0 s left")
    assert "\r" not in first + second
