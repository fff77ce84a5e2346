"""Progress bars: for those who look, and a plain line an epoch in a file."""

import sys

from utils.hooks import is_watched, progress
from utils.ssd import toy_ssd
from utils.training import TrainingConfig, train

import pytest

from tests.toy_data import rectangles


@pytest.mark.parametrize("terminal, notebook", [(True, False), (False, True), (False, False)])
def test_a_bar_is_drawn_on_a_terminal_and_in_a_notebook(monkeypatch, capsys, terminal, notebook):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    modules = {name: module for name, module in sys.modules.items() if name != "ipykernel"}
    monkeypatch.setattr(sys, "modules", modules | ({"ipykernel": None} if notebook else {}))
    assert is_watched() == (terminal or notebook)
    assert list(progress([1, 2, 3], desc="three")) == [1, 2, 3]
    assert ("three" in capsys.readouterr().err) == (terminal or notebook)


def test_a_training_writes_a_line_an_epoch_into_a_file(monkeypatch, capsys):
    monkeypatch.setattr("utils.hooks.is_watched", lambda: False)
    config = TrainingConfig(image_sizes=(64, 64), batch_size=4)
    train(toy_ssd(num_classes=1), rectangles(8), config)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("epoch 1 of 2, class loss ") and "images/s" in first
    assert second.startswith("epoch 2 of 2") and second.endswith("about 0 s left")
    assert "\r" not in first + second
