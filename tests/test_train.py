"""The command line for one's own data, from a prepared folder to a detector and its report."""

import json
import re
import shlex
import shutil

from utils import train, train_ssd300, train_toy
from utils.checkpoint import load_checkpoint
from utils.detection import detect, load_detector
from utils.labels.pictures import read_picture
from utils.locks import locked
from utils.losses import MinedCrossEntropyLoss
from utils.run_report import REPORT
from utils.training import TrainingRun

import pytest
from mxnet.base import MXNetError

from tests.labels.test_voc import an_object, write_folder
from tests.prepared_data import prepare_rectangles
from tests.toy_data import rectangles

QUICK = ["--epochs", "2", "--batch-size", "4", "--image-size", "64"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return prepare_rectangles(tmp_path_factory.mktemp("prepared") / "rectangles")


def arguments(folder, out, *more):
    return [str(folder), "--out", str(out), *QUICK, *more]


@pytest.fixture
def no_report(monkeypatch):
    """Leave out the scores and pictures, which take as long as the training."""
    monkeypatch.setattr(train, "write_report", lambda *parts: "")


def interrupt_at(monkeypatch, number, error=KeyboardInterrupt):
    """Have the step of this number raise an error in place of learning."""
    step, calls = TrainingRun.step, []

    def counted(run, *batch):
        calls.append(1)
        if len(calls) == number:
            raise error
        return step(run, *batch)

    monkeypatch.setattr(TrainingRun, "step", counted)


@pytest.fixture(scope="module")
def finished(folder, tmp_path_factory):
    """The folder of a run that has ended."""
    out = tmp_path_factory.mktemp("finished") / "run"
    assert train.main(arguments(folder, out)) == 0
    return out


def test_a_run_leaves_a_detector_and_its_report(folder, finished):
    assert sorted(path.name for path in finished.iterdir()) == sorted([*REPORT, "detector.params"])
    card = json.loads((finished / "card.json").read_text())
    assert card["class_names"] == ["rectangle"] and card["epochs"] == 2 and 0 <= card["ap50"] <= 1
    manifest = json.loads((folder / "manifest.json").read_text())
    assert card["data_sha256"] == manifest["sha256"]
    assert shlex.split(card["command"]) == [
        *("python", "-m", "utils.train"),
        *arguments(folder, finished),
    ]
    history = json.loads((finished / "history.json").read_text())
    assert [line["epoch"] for line in history] == [1, 2] and "ap50" in history[-1]


def test_the_detector_keeps_the_anchors_that_were_chosen(finished):
    detector = load_detector(finished / "detector.params")
    assert detector.class_names == ("rectangle",) and detector.image_size == 64
    card = json.loads((finished / "card.json").read_text())
    assert detector.net.description == card["network"]
    assert [list(sizes) for sizes in detector.net.sizes] == card["network"]["sizes"]
    assert detect(read_picture(finished / "curves.png"), detector).shape[1] == 6


def test_a_finished_run_is_not_overwritten_unless_asked(folder, finished, capsys):
    before = (finished / "card.json").read_bytes()
    assert train.main(arguments(folder, finished)) == 2
    assert "card.json: this run has ended; give another --out" in capsys.readouterr().err
    assert (finished / "card.json").read_bytes() == before
    running = train.prepare_out(train.parse_arguments(arguments(folder, finished, "--restart")))
    assert running == finished / "detector.running" and not running.exists()


def commands(folder, tmp_path):
    """Return each training command with arguments for a run of more than two steps, and its out."""
    out = tmp_path / "run"
    voc = write_folder(tmp_path / "voc", an_object((5, 5, 20, 22)), ids=("a", "b", "c", "d"))
    sets = [f"{voc}:train"] * 2
    ssd = ["--train", sets[0], "--val", sets[1], "--width", "0.0625", "--batch-size", "1"]
    return {
        "train": (train, arguments(folder, out)),
        "train_toy": (train_toy, ["--epochs", "2", "--out", str(out)]),
        "train_ssd300": (train_ssd300, [*ssd, "--epochs", "1", "--out", str(out)]),
    }


def said_command(capsys):
    """Return the arguments of the command that was printed last."""
    return shlex.split(capsys.readouterr().err.splitlines()[-1])


@pytest.mark.parametrize("name", ["train", "train_toy", "train_ssd300"])
def test_after_ctrl_c_the_command_that_is_said_goes_on(
    name, folder, tmp_path, capsys, monkeypatch, no_report
):
    monkeypatch.setattr("utils.training.SAVE_SECONDS", 0)
    monkeypatch.setattr(train_toy, "open_preset", lambda preset, split: rectangles(40, 128))
    monkeypatch.setattr(train_toy, "save_detector", lambda *parts: None)
    module, words = commands(folder, tmp_path)[name]
    with monkeypatch.context() as patch:
        interrupt_at(patch, 3)
        assert module.main([*words, "--restart"]) == 130
    command = said_command(capsys)
    assert command[:3] == ["python", "-m", f"utils.{name}"] and command[3:] == words
    assert len(list((tmp_path / "run").glob("*.running"))) == 1
    learnt, step = [], TrainingRun.step
    monkeypatch.setattr(
        TrainingRun, "step", lambda run, *batch: learnt.append(1) or step(run, *batch)
    )
    assert module.main(command[3:]) == 0
    assert len(learnt) == {"train": 4, "train_toy": 2, "train_ssd300": 2}[name]  # of 6, 4 and 4


def test_a_resumed_run_ends_as_one_never_stopped(
    folder, finished, tmp_path, monkeypatch, no_report
):
    monkeypatch.setattr("utils.training.SAVE_SECONDS", 0)
    with monkeypatch.context() as patch:
        interrupt_at(patch, 5)  # in the second epoch of three steps
        assert train.main(arguments(folder, tmp_path / "run")) == 130
    assert train.main(arguments(folder, tmp_path / "run")) == 0
    ours, theirs = (
        load_checkpoint(out / "detector.params") for out in (tmp_path / "run", finished)
    )
    for name, array in ours.parameters.items():
        assert (array == theirs.parameters[name]).asnumpy().all(), name


def test_restarted_and_stopped_before_anything_is_saved(
    folder, finished, tmp_path, capsys, monkeypatch, no_report
):
    """What is said must go on: without --restart it would be refused, as the old run has ended."""
    shutil.copytree(finished, tmp_path / "run")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 1)
        assert train.main(arguments(folder, tmp_path / "run", "--restart")) == 130
    command = said_command(capsys)
    assert command[-1] == "--restart" and train.main(command[3:]) == 0


def test_two_runs_into_one_folder_are_refused(folder, tmp_path, capsys):
    with locked(tmp_path / "run"):
        assert train.main(arguments(folder, tmp_path / "run")) == 2
    assert "run: another process is at work there; wait for it, or" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_does_not_go_on_with_other_labels(folder, tmp_path, capsys, monkeypatch, no_report):
    monkeypatch.setattr("utils.training.SAVE_SECONDS", 0)
    words = arguments(folder, tmp_path / "run")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 3)
        assert train.main(words) == 130
    mended = prepare_rectangles(tmp_path / "mended", first_seed=7)  # as many, but others
    assert train.main([str(mended), *words[1:]]) == 2
    message = capsys.readouterr().err
    assert "detector.running: data is" in message and "--restart" in message


@pytest.mark.parametrize("name", ["train", "train_toy", "train_ssd300"])
@pytest.mark.parametrize(
    "option", ["--epochs=-1", "--epochs=0", "--epochs=many", "--seed=-1", "--seed=4294967296"]
)
def test_numbers_out_of_bounds_are_refused(name, option, folder, tmp_path, capsys):
    module, words = commands(folder, tmp_path)[name]
    with pytest.raises(SystemExit) as stop:
        module.main([*words, option])
    assert stop.value.code == 2 and option.partition("=")[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    "error, message",
    [
        (MXNetError("Failed to allocate CPU Memory"), "not enough memory: lower --batch-size"),
        (MemoryError(), "not enough memory: lower --batch-size"),
        (
            FloatingPointError("epoch 1: the class loss is nan"),
            "lower --learning-rate and --restart",
        ),
        (OSError(28, "No space left on device", "run/x"), "run/x: No space left .*; make room"),
    ],
)
def test_what_a_person_can_mend_is_said(folder, tmp_path, capsys, monkeypatch, error, message):
    interrupt_at(monkeypatch, 1, error)
    assert train.main(arguments(folder, tmp_path / "run")) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "run").exists()


def test_a_fault_of_the_program_is_not_hidden(folder, tmp_path, monkeypatch):
    interrupt_at(monkeypatch, 1, ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        train.main(arguments(folder, tmp_path / "run"))


def test_results_have_a_place_of_their_own():
    assert train.parse_arguments(["data/voc/"]).out == train.RUNS / "voc"


def test_what_cannot_begin_is_said(folder, tmp_path, capsys, monkeypatch):
    assert train.main([str(tmp_path), "--out", str(tmp_path / "run")]) == 2
    assert "make the folder with python -m utils.prepare" in capsys.readouterr().err
    out = str(tmp_path / "run")
    assert train.main([str(folder), "--out", out, "--network", "ssd300", "--image-size", "64"]) == 2
    assert "ssd300 takes images of 300 pixels" in capsys.readouterr().err
    assert train.main([str(folder), "--out", out, "--image-size", "99999"]) == 2
    assert "GB are free; lower --batch-size" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("wrong", [["--epochs", "0"], ["--image-size", "63"], ["--minutes", "inf"]])
def test_numbers_that_make_no_sense_are_refused(folder, tmp_path, capsys, wrong):
    with pytest.raises(SystemExit) as stopped:
        train.main([str(folder), "--out", str(tmp_path), *wrong])
    assert stopped.value.code == 2 and "argument --" in capsys.readouterr().err


def test_minutes_become_epochs():
    def epochs(*more):
        options = train.parse_arguments(["data", "--out", "run", *more])
        return len(train.make_config(options, num_images=200).image_sizes)

    # 100 images of 100 x 100 pixels a second are 15.3 of 256 x 256: 4578 in five minutes.
    assert epochs() == 23 and epochs("--minutes", "10") == 46
    assert epochs("--image-size", "128") == 92 and epochs("--minutes", "0") == 1
    assert epochs("--epochs", "3", "--minutes", "10") == 3
    # 7.8 of 300 x 300 pixels by a network of a quarter of the width, 0.49 by the paper's.
    assert epochs("--network", "ssd300") == 12
    assert epochs("--network", "ssd300", "--width", "1") == 1


def test_an_ssd_trains_too_with_its_own_loss(folder, tmp_path, no_report, monkeypatch):
    losses = []

    def noted(run, *arguments, **parts):
        set_up(run, *arguments, **parts)
        losses.append(type(run.cls_loss))

    set_up = TrainingRun.__init__
    monkeypatch.setattr(TrainingRun, "__init__", noted)
    tiny = ["--network", "ssd300", "--width", "0.0625", "--epochs", "1", "--batch-size", "4"]
    assert train.main([str(folder), "--out", str(tmp_path / "run"), *tiny]) == 0
    detector = load_detector(tmp_path / "run" / "detector.params")
    assert detector.per_class and detector.image_size == 300
    assert losses == [MinedCrossEntropyLoss]
