"""`single-shot train`: from labelled pictures to a detector and its report."""

import json
import re
import shlex
import shutil

from data import DATA_ROOT
from single_shot import recipes, resuming, sources, train
from single_shot.command import main, parse
from single_shot.files import locked, sha256
from single_shot.labels.pictures import read_picture
from single_shot.training_report import REPORT
from single_shot.weights import imagenet_classifier
from utils.checkpoint import load_checkpoint
from utils.detection import detect, load_detector
from utils.losses import MinedCrossEntropyLoss
from utils.training import TrainingRun

import numpy as np
import pytest
from mxnet.base import MXNetError

from tests.labels.test_voc import an_object, write_folder
from tests.prepared_data import prepare_rectangles
from tests.toy_data import rectangles

MULTI = str(DATA_ROOT / "pretrained" / "toy_ssd_multi.params")
QUICK = ["--epochs", "2", "--batch-size", "4", "--image-size", "64"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return prepare_rectangles(tmp_path_factory.mktemp("prepared") / "rectangles")


def arguments(folder, out, *more):
    return ["train", str(folder), "--out", str(out), *QUICK, *more]


def options_of(*words):
    """Return the options that the words after `single-shot train` make."""
    return parse(["train", *words])[1]


def config_for(options, num_images, **more):
    """Return the TrainingConfig that options make for a number of images."""
    settings = train.settings_of(options) | more
    return train.config_of(train.recipe_of(options), num_images, **settings)


@pytest.fixture
def no_report(monkeypatch):
    """Leave out the scores and pictures, which take as long as the training."""
    monkeypatch.setattr(train, "write_report", lambda *parts: ("", {}))


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
    assert main(arguments(folder, out)) == 0
    return out


def test_a_run_leaves_a_detector_and_its_report(folder, finished):
    assert sorted(path.name for path in finished.iterdir()) == sorted([*REPORT, "detector.params"])
    card = json.loads((finished / "card.json").read_text())
    assert card["class_names"] == ["rectangle"] and card["epochs"] == 2 and 0 <= card["ap50"] <= 1
    manifest = json.loads((folder / "manifest.json").read_text())
    assert card["data"] == manifest["sha256"]["train.rec"]
    assert shlex.split(card["command"]) == [
        *("python3", "-m", "single_shot"),
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


def test_a_run_begins_with_the_weights_of_another(folder, finished, tmp_path, capsys):
    """Mended labels or new pictures: what was learnt is kept, and the anchors with it."""
    before = load_checkpoint(finished / "detector.params")
    words = ["--from", str(finished / "detector.params"), "--learning-rate", "1e-12"]
    assert main(arguments(folder, tmp_path / "run", *words)) == 0
    after = load_checkpoint(tmp_path / "run" / "detector.params")
    assert after.metadata["network"] == before.metadata["network"]
    for name, array in before.parameters.items():
        if "running" not in name:  # the means of batch normalisation follow the pictures
            np.testing.assert_allclose(array.asnumpy(), after.parameters[name].asnumpy(), atol=1e-6)
    words = ["--from", str(finished / "detector.params"), "--recipe", "ssd300"]
    assert main(["train", str(folder), "--out", str(tmp_path / "other"), *words]) == 2
    assert "its network is toy_ssd, the recipe's ssd300" in capsys.readouterr().err


def test_a_finished_run_is_not_overwritten_unless_asked(folder, finished, capsys):
    before = (finished / "card.json").read_bytes()
    assert main(arguments(folder, finished)) == 2
    assert "card.json: this run has ended; give another --out" in capsys.readouterr().err
    assert (finished / "card.json").read_bytes() == before
    running = train.prepare_out(finished, restart=True)
    assert running == finished / "detector.running" and not running.exists()


RECIPES = ("toy", "lesson", "ssd300")


def words_of(recipe, folder, tmp_path):
    """Return the words of a run of more than two steps into `run`."""
    out = ["--out", str(tmp_path / "run")]
    if recipe == "toy":
        return arguments(folder, *out[1:])
    if recipe == "lesson":
        return ["train", "single", "--recipe", "lesson", "--epochs", "2", *out]
    voc = write_folder(tmp_path / "voc", an_object((5, 5, 20, 22)), ids=("a", "b", "c", "d"))
    sets = ["--voc", f"{voc}:train", "--voc-val", f"{voc}:train", "--width", "0.0625"]
    return ["train", "--recipe", recipe, *sets, "--batch-size", "1", "--epochs", "1", *out]


def said_command(capsys):
    """Return the arguments of the command that was printed last."""
    return shlex.split(capsys.readouterr().err.splitlines()[-1])


@pytest.mark.parametrize("recipe", RECIPES)
def test_after_ctrl_c_the_command_that_is_said_goes_on(
    recipe, folder, tmp_path, capsys, monkeypatch, no_report
):
    monkeypatch.setattr("single_shot.resuming.SAVE_SECONDS", 0)
    monkeypatch.setattr(sources, "open_preset", lambda preset, split: rectangles(40, 128))
    words = words_of(recipe, folder, tmp_path)
    with monkeypatch.context() as patch:
        interrupt_at(patch, 3)
        assert main([*words, "--restart"]) == 130
    command = said_command(capsys)
    assert command[:3] == ["python3", "-m", "single_shot"] and command[3:] == words
    assert len(list((tmp_path / "run").glob("*.running"))) == 1
    learnt, step = [], TrainingRun.step
    monkeypatch.setattr(
        TrainingRun, "step", lambda run, *batch: learnt.append(1) or step(run, *batch)
    )
    assert main(command[3:]) == 0
    assert len(learnt) == {"toy": 4, "lesson": 2, "ssd300": 2}[recipe]  # of 6, 4 and 4


def test_a_resumed_run_ends_as_one_never_stopped(
    folder, finished, tmp_path, monkeypatch, no_report
):
    monkeypatch.setattr("single_shot.resuming.SAVE_SECONDS", 0)
    with monkeypatch.context() as patch:
        interrupt_at(patch, 5)  # in the second epoch of three steps
        assert main(arguments(folder, tmp_path / "run")) == 130
    assert main(arguments(folder, tmp_path / "run")) == 0
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
        assert main(arguments(folder, tmp_path / "run", "--restart")) == 130
    command = said_command(capsys)
    assert command[-1] == "--restart" and main(command[3:]) == 0


def test_two_runs_into_one_folder_are_refused(folder, tmp_path, capsys):
    with locked(tmp_path / "run"):
        assert main(arguments(folder, tmp_path / "run")) == 2
    assert "run: another process is at work there; wait for it, or" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_does_not_go_on_with_other_labels(folder, tmp_path, capsys, monkeypatch, no_report):
    monkeypatch.setattr("single_shot.resuming.SAVE_SECONDS", 0)
    words = arguments(folder, tmp_path / "run")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 3)
        assert main(words) == 130
    mended = prepare_rectangles(tmp_path / "mended", first_seed=7)  # as many, but others
    assert main(["train", str(mended), *words[2:]]) == 2
    message = capsys.readouterr().err
    assert "detector.running: data is" in message and "--restart" in message


def test_a_run_does_not_go_on_with_other_held_out_labels(
    folder, tmp_path, capsys, monkeypatch, no_report
):
    """Or its history would mix the scores of two sets."""
    monkeypatch.setattr("single_shot.resuming.SAVE_SECONDS", 0)
    words = arguments(folder, tmp_path / "run")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 3)
        assert main(words) == 130
    opened = sources.open_split(folder, "train")
    others = {"train": opened, "val": rectangles(6)}
    monkeypatch.setattr(train, "open_split", lambda source, split: others[split])
    assert main(words) == 2
    message = capsys.readouterr().err
    assert "detector.running: held_out is" in message and "--restart" in message


def test_a_restarted_run_begins_anew(folder, tmp_path, monkeypatch, no_report):
    monkeypatch.setattr("single_shot.resuming.SAVE_SECONDS", 0)
    words = arguments(folder, tmp_path / "run")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 5)
        assert main(words) == 130
    learnt, step = [], TrainingRun.step
    monkeypatch.setattr(
        TrainingRun, "step", lambda run, *batch: learnt.append(1) or step(run, *batch)
    )
    assert main([*words, "--restart"]) == 0 and len(learnt) == 6


@pytest.mark.parametrize(
    "option", ["--epochs=-1", "--epochs=0", "--epochs=many", "--seed=-1", "--seed=4294967296"]
)
def test_numbers_out_of_bounds_are_refused(option, folder, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments(folder, tmp_path / "run", option))
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
    assert main(arguments(folder, tmp_path / "run")) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "run").exists()


def test_a_fault_of_the_program_is_not_hidden(folder, tmp_path, monkeypatch):
    interrupt_at(monkeypatch, 1, ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        main(arguments(folder, tmp_path / "run"))


def test_results_have_a_place_of_their_own():
    assert train.out_of(options_of("data/voc/")) == train.RUNS / "voc"
    assert train.out_of(options_of("--voc", "there/VOC2007:trainval")) == train.RUNS / "VOC2007"


@pytest.mark.parametrize(
    "words, message",
    [
        (["--recipe", "ssd300", "--image-size", "64"], "ssd300 cannot be given --image-size"),
        (["--width", "0.5"], "toy cannot be given --width"),
        (["--from", "absent.params"], "absent.params: "),
        (["--from", "imagenet"], "choose --recipe ssdlite"),
        (["--freeze", "4"], "--freeze 4: the base of toy_ssd has 3 stages"),
        (["--recipe", "ssdlite", "--image-size", "100"], "SSDLite wants a multiple of 32"),
        (["--image-size", "99999"], "GB are free; lower --batch-size"),
        (["--voc", "VOC2007:trainval"], "name one source of labelled pictures"),
        (["--drop-bad"], "--drop-bad is for --voc; leave it out with SOURCE"),
        (["--voc-val", "VOC2007:test"], "--voc-val is for --voc; leave it out"),
        (["--classes", "a"], "--classes is for --voc; leave it out"),
    ],
)
def test_what_cannot_begin_is_said(folder, tmp_path, capsys, words, message):
    assert main(["train", str(folder), "--out", str(tmp_path / "run"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_not_prepared_is_refused(tmp_path, capsys):
    assert main(["train", str(tmp_path), "--out", str(tmp_path / "run")]) == 2
    assert "make the folder with single-shot prepare" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--epochs", "0"], ["--image-size", "63"], ["--minutes", "inf"]])
def test_numbers_that_make_no_sense_are_refused(folder, tmp_path, capsys, wrong):
    with pytest.raises(SystemExit) as stopped:
        main(["train", str(folder), "--out", str(tmp_path), *wrong])
    assert stopped.value.code == 2 and "argument --" in capsys.readouterr().err


def test_minutes_become_epochs():
    def epochs(*more, num_held_out=0):
        options = options_of("data", "--out", "run", *more)
        return len(config_for(options, 200, num_held_out=num_held_out).image_sizes)

    # A million pixels a second are 15.3 images of 256 x 256: 4578 in five minutes.
    assert epochs() == 23 and epochs("--minutes", "10") == 46
    assert epochs("--image-size", "128") == 92 and epochs("--minutes", "0") == 1
    assert epochs("--epochs", "3", "--minutes", "10") == 3
    # Nine scorings of 50 held-out images take as long as learning from 150; where there are fewer
    # epochs, one follows each.
    assert epochs(num_held_out=50) == round((4578 - 150) / 200) == 22
    assert epochs("--minutes", "1", num_held_out=600) == round((916 - 200) / (200 + 200)) == 2
    # 7.8 of 300 x 300 pixels by a network of a quarter of the width, 0.49 by the paper's.
    assert epochs("--recipe", "ssd300") == 12
    assert epochs("--recipe", "ssd300", "--width", "1") == 1
    # Some recipes have a number of their own.
    assert epochs("--recipe", "lesson") == 5 and epochs("--recipe", "paper") == 232


def test_the_paper_recipe_scales_its_rate_with_the_images_of_a_step():
    words = ["data", "--recipe", "paper", "--batch-size", "8", "--accumulate", "2"]
    config = config_for(options_of(*words), 16551)
    assert config.learning_rate == pytest.approx(5e-4)
    assert (config.optimizer, config.momentum, config.weight_decay) == ("sgd", 0.9, 5e-4)
    assert config.image_sizes == (300,) * 232 and config.bias_rate == 2
    assert [config.learning_rate_at(step, 120_000) for step in (79_999, 80_000, 100_000)] == (
        pytest.approx([5e-4, 5e-5, 5e-6])
    )


def test_base_weights_ask_for_the_network_of_the_paper():
    recipe = train.recipe_of(options_of("x", "--recipe", "ssd300", "--from", "imagenet"))
    assert recipe.width == 1 and not recipe.batch_norm


def test_a_base_that_knows_something_is_moved_with_care():
    def config(*more):
        options = options_of("x", "--recipe", "ssdlite", *more)
        return config_for(options, 100)

    assert (config().base_rate, config().frozen_stages) == (0.1, 3)
    assert config("--freeze", "0").frozen_stages == 0 and config("--base-rate", "1").base_rate == 1
    scratch = config("--from", "scratch")
    assert (scratch.base_rate, scratch.frozen_stages) == (1, 0)


def test_ssdlite_learns_from_imagenet_and_then_from_its_own(folder, tmp_path, no_report, capsys):
    words = ["--recipe", "ssdlite", "--epochs", "1", "--batch-size", "4", "--image-size", "64"]
    assert main(["train", str(folder), "--out", str(tmp_path / "one"), *words]) == 0
    assert "ImageNet taught EfficientNet-Lite0" in capsys.readouterr().err
    first = tmp_path / "one" / "detector.params"
    words += ["--from", str(first)]
    assert main(["train", str(folder), "--out", str(tmp_path / "two"), *words]) == 0
    assert f"all weights of {first} go over" in capsys.readouterr().err
    detector = load_detector(tmp_path / "two" / "detector.params")
    assert detector.per_class and detector.net.description["name"] == "ssdlite"
    stem = imagenet_classifier().base[0][1].weight
    for run in ("one", "two"):  # the stages that were frozen at first have moved in the second
        weight = load_checkpoint(tmp_path / run / "detector.params").parameters["base.0.1.weight"]
        assert np.array_equal(weight.asnumpy(), stem.data().asnumpy()) == (run == "one")


def test_a_run_keeps_what_it_began_with(folder, tmp_path, no_report, monkeypatch):
    def kept(path, run, **facts):
        starts.append(resuming.identity(run)["start"])
        save_run(path, run, **facts)

    save_run, starts = resuming.save_run, []
    monkeypatch.setattr(resuming, "save_run", kept)
    toy = DATA_ROOT / "pretrained" / "toy_ssd_single.params"
    for recipe, start in (("ssdlite", "imagenet"), ("toy", "scratch"), ("toy", str(toy))):
        words = ["--recipe", recipe, "--epochs", "1", "--from", start, "--restart"]
        assert main(arguments(folder, tmp_path, *words)) == 0
    assert starts == ["imagenet", None, f"{toy} (SHA-256 {sha256(toy)})"]


def test_an_ssd_trains_too_with_its_own_loss(folder, tmp_path, no_report, monkeypatch):
    losses = []

    def noted(run, *arguments, **parts):
        set_up(run, *arguments, **parts)
        losses.append(type(run.cls_loss))

    set_up = TrainingRun.__init__
    monkeypatch.setattr(TrainingRun, "__init__", noted)
    tiny = ["--recipe", "ssd300", "--width", "0.0625", "--epochs", "1", "--batch-size", "4"]
    assert main(["train", str(folder), "--out", str(tmp_path / "run"), *tiny]) == 0
    detector = load_detector(tmp_path / "run" / "detector.params")
    assert detector.per_class and detector.image_size == 300
    assert losses == [MinedCrossEntropyLoss]


def test_several_workers_learn_faster_and_warm_up_longer():
    options = options_of("data", "--recipe", "paper")
    alone, four = (config_for(options, 16551, num_workers=count) for count in (1, 4))
    assert four.learning_rate == pytest.approx(4 * alone.learning_rate)
    assert alone.warmup == 0.005 and four.warmup == pytest.approx(5 / 232)
    assert (four.batch_size, four.image_sizes) == (alone.batch_size, alone.image_sizes)
    one_cycle = config_for(options_of("data", "--epochs", "3"), 100, num_workers=4)
    assert one_cycle.warmup == 0.3
    for rate in (0.1, 0):  # what is asked for is not scaled
        asked = options_of("data", "--learning-rate", str(rate))
        assert config_for(asked, 100, num_workers=4).learning_rate == rate


@pytest.mark.parametrize(
    "words, num_workers, images",
    [
        (["--batch-size", "8"], 2, 16),
        (["--batch-size", "8"], 4, 20),
        (["--batch-size", "32"], 1, 20),
        (["--batch-size", "8", "--accumulate", "4"], 1, 16),
        (["--batch-size", "4", "--accumulate", "2"], 2, 16),
    ],
)
def test_the_rate_suits_the_images_that_a_step_has(words, num_workers, images):
    """Of 20 there are, of which an epoch takes whole batches."""
    config = config_for(options_of("data", "--epochs", "1", *words), 20, num_workers=num_workers)
    assert config.learning_rate == pytest.approx(4e-3 * images / 16)


def test_a_recipe_keeps_its_rate_where_there_are_few_images():
    for name, recipe in recipes.RECIPES.items():
        config = config_for(options_of("data", "--recipe", name, "--from", "imagenet"), 3)
        assert config.learning_rate == recipe.config.learning_rate


def test_what_several_workers_share_is_said():
    config = config_for(options_of("data", "--epochs", "1", "--batch-size", "8"), 20, num_workers=4)
    told = train.summary(config, 40, 6, 1, 4), train.summary(config, 20, 6, 1, 4)
    assert "4 workers, 8 images each: batches of 32; the" in told[0]
    assert "4 workers, which share batches of all 20 images: there are no more; the" in told[1]
    assert "the learning rate rises to 0.005 over" in told[1]


def test_a_training_on_two_devices_says_so(folder, tmp_path, monkeypatch, capsys):
    cards = []
    monkeypatch.setattr(train, "write_report", lambda *parts: cards.append(parts[-1]) or ("", {}))
    words = ["--devices", "cpu:0,cpu:1", "--epochs", "1"]
    assert main(arguments(folder, tmp_path / "run", *words)) == 0
    assert "each batch is split into 2 parts; batch normalisation" in capsys.readouterr().err
    assert cards[0]["devices"] == ["cpu:0", "cpu:1"] and cards[0]["workers"] == 1


@pytest.mark.parametrize(
    "words, message",
    [
        (["--devices", "cpu:0,cpu:0"], "named twice"),
        (["--devices", "cpu:0,cpu:1", "--batch-size", "1"], "cannot be split over 2 devices"),
        (["--compress", "0.1"], "--compress is for several machines"),
    ],
)
def test_what_the_devices_cannot_do_is_refused(folder, tmp_path, capsys, words, message):
    assert main(arguments(folder, tmp_path / "run", *words)) == 2
    assert message in capsys.readouterr().err
