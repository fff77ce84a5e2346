"""benchmarks/: the published recipes are what their texts say, and the programs run."""

import importlib
import json
import math
import os
import sys
from dataclasses import fields, replace
from pathlib import Path

from data import ledger as recorded_runs
from single_shot.weights import vgg16
from utils import ssd
from utils.average_precision import pairwise_iou
from utils.context import seed_everything
from utils.data import normalize
from utils.ssd import ToySSD

import mxnet as mx
import numpy as np
import pytest
from mxnet import nd
from toy_data import rectangles

from tests.labels.label_files import SIZE_PX, write_source

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))  # its programs find each other there
recipes, results, step, time_to_ap = map(
    importlib.import_module, ("recipes", "results", "step", "time_to_ap")
)
ledger, decimation, spoiled_labels, foreign_labels, gpu = map(
    importlib.import_module, ("ledger", "decimation", "spoiled_labels", "foreign_labels", "gpu")
)
RECIPES = (recipes.D2L, recipes.STRAIGHT_DOPE)
# Of environments of their own, with PyTorch or globox.
ELSEWHERE = {"lite0_torch", "step_torch", "globox_labels"}
PROGRAMS = sorted({path.stem for path in (ROOT / "benchmarks").glob("*.py")} - ELSEWHERE)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_is_imported(name):
    program = importlib.import_module(name)
    assert program.__file__ == str(ROOT / "benchmarks" / f"{name}.py")


def parameters(net):
    return list(net.collect_params().values())


def copy_parameters(source, target):
    for ours, theirs in zip(parameters(target), parameters(source), strict=True):
        ours.set_data(theirs.data())


@pytest.fixture
def published():
    net = recipes.PublishedSSD(1, separate_layers=True)
    net.initialize()
    net(nd.zeros((1, 3, 64, 64)))
    return net


def test_published_network_is_ours_with_separate_layers(published):
    ours = ToySSD(1)
    ours.initialize()
    anchors, cls_preds, box_preds = ours(nd.zeros((1, 3, 256, 256)))
    shapes = (1, 5444, 4), (1, 5444, 2), (1, 4 * 5444)
    assert (anchors.shape, cls_preds.shape, box_preds.shape) == shapes
    assert tuple(array.shape for array in published(nd.zeros((1, 3, 256, 256)))) == shapes
    assert [p.shape for p in parameters(published)] == [p.shape for p in parameters(ours)]
    assert all(abs(p.bias.data()).max().asscalar() == 0 for p in published.class_predictors)
    copy_parameters(published, ours)
    x = nd.random.normal(shape=(2, 3, 64, 64))
    for theirs, mine in zip(published(x), ours(x)):
        np.testing.assert_allclose(theirs.asnumpy(), mine.asnumpy(), atol=1e-5)


def test_mean_focal_loss():
    cls_preds = nd.array([[[0, 0], [math.log(3), 0]]])  # p of class 1: 1/2, 1/4
    loss = recipes.MeanFocalLoss()(cls_preds, nd.array([[0, 1]]))
    expected = 0.25 * (0.5**2 * math.log(2) + 0.75**2 * math.log(4)) / 2
    assert loss.asnumpy() == pytest.approx([expected], rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [(recipes.MeanSmoothL1Loss, (0.5 * 0.5**2 + (2 - 0.5)) / 4), (recipes.MeanL1Loss, 2.5 / 4)],
)
def test_mean_box_losses(loss, expected):
    box_preds, box_targets = nd.array([[0.5, 3, 9, -8]]), nd.array([[0, 5, 1, 1]])
    value = loss()(box_preds, box_targets, nd.array([[1, 1, 0, 0]]))
    assert value.asnumpy() == pytest.approx([expected])


def test_recipes_have_the_figures_of_their_texts():
    assert [recipe.learning_rate for recipe in RECIPES] == [0.2, 0.1]
    assert (recipes.BATCH_SIZE, recipes.IMAGE_SIZE, recipes.WEIGHT_DECAY) == (32, 256, 5e-4)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_step_is_plain_gradient_descent(recipe):
    dataset = rectangles(2)
    run = recipes.RecipeRun(recipe, dataset, as_published=True, image_sizes=[64])
    images = nd.array(np.stack([image for image, _ in dataset]), dtype=np.uint8)
    labels = nd.array(np.stack([labels for _, labels in dataset]))
    run.step(images, labels)
    weight = parameters(run.net)[0]
    before = weight.data().copy()
    cls_loss, box_loss = run.step(images, labels)
    assert 0 < cls_loss < 10 and 0 < box_loss < 10
    update = recipe.learning_rate * (weight.grad() / 2 + 5e-4 * before)
    assert update.abs().max().asscalar() > 1e-6
    np.testing.assert_allclose(
        weight.data().asnumpy(), (before - update).asnumpy(), rtol=1e-5, atol=1e-7
    )


def bright(image):
    return (image[:, :, 0] > 200).sum()  # pixels of the object that `rectangles` draws


def test_crop_covers_the_object():
    pixels = []
    for image, labels in rectangles(20):
        crop, _ = recipes.crop_around_object(nd.array(image, dtype=np.uint8), labels)
        assert bright(crop.asnumpy()) >= 0.95 * bright(image)
        pixels.append(crop.size / image.size)
    assert min(pixels) < 0.5 < max(pixels)


def test_crop_moves_the_box():
    for image, labels in rectangles(20):
        crop, moved = recipes.crop_and_resize(image, labels, 64)
        assert crop.shape == (64, 64, 3) and crop.dtype == np.uint8
        left, top, right, bottom = (moved[0, 1:] * 64).round().astype(int)
        assert (crop[top + 2 : bottom - 2, left + 2 : right - 2, 0] > 200).all()
        assert bright(crop) == pytest.approx((right - left) * (bottom - top), rel=0.2)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_any_range_undoes_the_normalisation(recipe, published):
    images = nd.random.uniform(0, 255, shape=(1, 64, 64, 3)).astype(np.uint8)
    shifted = (images.astype("float32") - nd.array(recipe.mean)).transpose((0, 3, 1, 2))
    adapted = recipes.AnyRange(published, recipe.mean)(normalize(images))
    for expected, found in zip(published(shifted), adapted):
        np.testing.assert_allclose(found.asnumpy(), expected.asnumpy(), rtol=1e-4, atol=1e-4)


def result(ap50s, **changes):
    history = [
        {"epoch": epoch, "seconds": 10, "images_per_second": 5, "ap50": ap50, "ap75": ap50 / 2}
        for epoch, ap50 in enumerate(ap50s, start=1)
    ]
    texts = {"recipe": "x", "execution": "y", "image_sizes": "64", "ended": "complete"}
    return {"arm": "d2l", "seed": 3, **texts, "history": history} | changes


def test_row_of_a_run_that_reaches_the_target():
    reached = result([0.5, 0.96, 0.98])
    expected = ["x, seed 3", "y", "64", "3, complete", "30", "20", "4.0", "0.980", "0.490", "5.0"]
    assert results.row(reached, reference=5) == expected
    assert results.mean_seconds([reached, result([0.95])]) == 15


def test_row_of_a_run_that_gives_up():
    missed = result([0.5, 0.9, 0.8], ended="gave up")
    expected = [
        "x, seed 3",
        "y",
        "64",
        "3, gave up",
        "30",
        "> 30",
        "> 6.0",
        "0.900",
        "0.450",
        "5.0",
    ]
    assert results.row(missed, reference=5) == expected
    assert results.row(missed, reference=None)[6] == "n/a"
    assert results.mean_seconds([result([0.96]), missed]) is None
    assert results.mean_seconds([]) is None


def test_row_of_a_run_that_diverges_at_once():
    row = results.row(result([], ended="diverged"), reference=5)
    assert row[3:] == ["0, diverged"] + ["n/a"] * 6 and len(row) == len(results.HEADER)


@pytest.mark.parametrize("name", time_to_ap.ARMS)
def test_every_arm_trains(name, monkeypatch):
    monkeypatch.setattr(time_to_ap, "open_preset", lambda preset, split: rectangles(4))
    measured = time_to_ap.measure(name, seed=1, budget=1000, epochs=1, num_images=3)
    epochs = len(time_to_ap.TrainingConfig().image_sizes) if name == "ours" else 1
    assert [line["epoch"] for line in measured["history"]] == list(range(1, epochs + 1))
    assert all(0 <= line["ap75"] <= line["ap50"] <= 1 for line in measured["history"])
    assert measured["history"][-1]["image_size"] == time_to_ap.ARMS[name].image_sizes()[-1]
    assert (measured["arm"], measured["seed"], measured["ended"]) == (name, 1, "complete")


def test_other_recipes_stop_at_the_budget_the_target_or_a_loss_that_is_no_number(monkeypatch):
    monkeypatch.setattr(time_to_ap, "open_preset", lambda preset, split: rectangles(2))
    assert time_to_ap.measure("d2l-small", 0, 0, 9, None)["ended"] == "gave up"
    monkeypatch.setattr(time_to_ap, "TARGET_AP50", 0)
    reached = time_to_ap.measure("d2l-small", 0, 1000, 9, None)
    assert (reached["ended"], len(reached["history"])) == ("reached", 1)
    monkeypatch.setattr(recipes.RecipeRun, "step", lambda *arguments: (math.nan, 0))
    diverged = time_to_ap.measure("d2l-small", 0, 1000, 9, None)
    assert (diverged["ended"], diverged["history"]) == ("diverged", [])


def test_own_process_has_its_own_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert time_to_ap.in_own_process(3, os.getenv, "OMP_NUM_THREADS") == "3"
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_time_to_ap_derives_the_budget_and_writes_a_record(monkeypatch, tmp_path, capsys):
    calls = []

    def in_own_process(num_threads, function, name, seed, budget, *rest):
        calls.append((name, seed, budget))
        return result([0.5, 0.97 if name == "ours" else 0.6], arm=name, seed=seed)

    monkeypatch.setattr(time_to_ap, "in_own_process", in_own_process)
    path = tmp_path / "record.json"
    arguments = ["--arms", "ours", "d2l", "--seeds", "4", "5", "--json", str(path)]
    time_to_ap.main(arguments)
    assert calls == [("ours", 4, None), ("ours", 5, None), ("d2l", 4, 200)]
    assert [run["seed"] for run in json.loads(path.read_text())["results"]] == [4, 5, 4]
    assert "> 1.0" in capsys.readouterr().out


def test_time_to_ap_wants_a_budget_without_our_own_time(capsys):
    with pytest.raises(SystemExit):
        time_to_ap.parse_arguments(["--arms", "d2l"])
    assert "--budget-seconds" in capsys.readouterr().err


def convolution_flops(in_channels, out_channels, side):
    return 2 * 9 * in_channels * out_channels * side**2


def test_forward_flops_are_those_of_every_convolution():
    stages = [(3, 16, 64), (16, 16, 64), (16, 32, 32), (32, 32, 32), (32, 64, 16), (64, 64, 16)]
    stages += [(64, 128, 8), (128, 128, 8), *[(128, 128, 4)] * 2, *[(128, 128, 2)] * 2]
    predictors = [(64, 8 + 16, 8), (128, 24, 4), (128, 24, 2), *[(128, 24, 1)] * 2]
    expected = sum(convolution_flops(*layer) for layer in stages + predictors)
    assert step.forward_flops(64) == expected


TINY = ["--batch-size", "2", "--image-size", "64", "--rounds", "1", "--steps", "1"]


@pytest.fixture
def workers_find_the_library(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def test_step_measures_ours_and_says_how_to_install_pytorch(
    workers_find_the_library, tmp_path, capsys
):
    path = tmp_path / "record.json"
    step.main([*TINY, "--torch-python", str(tmp_path / "absent"), "--json", str(path)])
    output = capsys.readouterr().out
    assert "make bench" in output and f"| {step.OURS}" in output
    measured = json.loads(path.read_text())["measured"]
    assert list(measured) == [step.OURS]
    assert [len(measured[step.OURS][job]) for job in ("train", "forward", "matmul")] == [1, 2, 3]


def test_step_tells_of_a_worker_that_fails(monkeypatch, tmp_path):
    monkeypatch.setattr(step, "start_workers", lambda *_: {step.OURS: step.Worker("false", "x")})
    with pytest.raises(RuntimeError, match="ended with status 1"):
        step.main(TINY)


def test_step_refuses_variants_of_different_losses():
    answers = {step.OURS: {"values": [2.0]}, "other": {"values": [2.1]}}
    with pytest.raises(RuntimeError, match="other"):
        step.check_losses(answers)


@pytest.mark.skipif(
    not (step.BUILD / "torch/bin/python").exists(), reason="no PyTorch in build/torch"
)
def test_pytorch_computes_the_same_steps(workers_find_the_library, tmp_path):
    inputs = tmp_path / "inputs.npz"
    step.write_inputs(inputs, batch_size=4, image_size=64)
    losses = []
    for command in (
        (sys.executable, "step_mxnet.py", inputs),
        (step.BUILD / "torch/bin/python", "step_torch.py", inputs, "eager"),
    ):
        worker = step.Worker(*command)
        losses.append(worker.ask("train", 3)["values"])
        worker.close()
    assert losses[0][3] < losses[0][0]
    np.testing.assert_allclose(*losses, rtol=1e-2)


@pytest.mark.parametrize("by_clip", [True, False])
def test_frames_of_a_clip_stay_together_or_not(by_clip, monkeypatch):
    monkeypatch.setattr(ledger, "open_preset", lambda preset, split: rectangles(8))
    monkeypatch.setattr(ledger, "NUM_CLIPS", 8)
    learnt, tested = ledger.clips("multi", by_clip, new_pictures=False)
    assert (len(learnt), len(tested)) == (60, 20)
    source = {  # which clip a frame is of
        image.tobytes(): clip
        for clip, sample in enumerate(rectangles(8))
        for image, _ in ledger.pan(*sample)
    }
    clips = [{source[image.tobytes()] for image, _ in part} for part in (learnt, tested)]
    assert not clips[0] & clips[1] if by_clip else clips[0] & clips[1]
    assert len(ledger.clips("multi", by_clip, new_pictures=True)[1]) == 8


# "few pictures" trains as "transfer" does, on other numbers of them and at another size.
KINDS = [key for key in ledger.CHOICES if key[0] != "few pictures"]


@pytest.mark.parametrize("key", KINDS, ids=" ".join)
def test_every_choice_of_the_ledger_trains(key, monkeypatch):
    monkeypatch.setattr(ledger, "open_preset", lambda preset, split: rectangles(2))
    monkeypatch.setattr(ledger, "NUM_CLIPS", 2)
    monkeypatch.setattr(ledger, "NUM_FRAMES", 4)
    choice = ledger.CHOICES[key]
    short = replace(choice.config, image_sizes=(64,))
    monkeypatch.setitem(ledger.CHOICES, key, replace(choice, config=short, test_size=None))
    row = ledger.measure("multi", key, 3)
    assert tuple(row) == ledger.COLUMNS and ledger.key_of(row) == ("multi", *key, "3")
    assert 0 <= float(row["ap"]) <= float(row["ap50"]) <= 1


def test_a_choice_changes_what_it_says(monkeypatch):
    dataset = rectangles(2)
    base = ledger.build(ledger.CHOICES["recipe", "base"], dataset)
    biases = [p.bias.data().asnumpy() for p in base.class_predictors]
    assert all(bias.max() > 4 for bias in biases)
    without = ledger.build(ledger.CHOICES["background prior", "none"], dataset)
    assert all(abs(p.bias.data()).max().asscalar() == 0 for p in without.class_predictors)
    placed = ledger.build(ledger.CHOICES["anchors", "placed on the data"], dataset)
    assert base.sizes == ssd.SIZES != placed.sizes
    slow = ledger.build(ledger.CHOICES["batch norm momentum", "0.99"], dataset)
    assert slow.stages[0][0][1]._kwargs["momentum"] == 0.99
    base_config = {field.name: getattr(ledger.BASE, field.name) for field in fields(ledger.BASE)}
    for (name, value), choice in ledger.CHOICES.items():
        if name in ("transfer", "few pictures"):  # a recipe of its own
            continue
        changed = [key for key, old in base_config.items() if getattr(choice.config, key) != old]
        others = [f.name for f in fields(choice) if f.name != "config"]
        changed += [f for f in others if getattr(choice, f) != getattr(ledger.Choice(), f)]
        allowed = 2 if name in ("schedule", "split") else 1  # a schedule is two numbers
        assert len(changed) == 0 if (name, value) == ("recipe", "base") else len(changed) <= allowed


def test_a_transfer_is_on_few_pictures_that_a_seed_draws(monkeypatch):
    monkeypatch.setattr(ledger, "open_preset", lambda preset, split: rectangles(60))
    drawn = []
    for seed in (1, 1, 2):
        seed_everything(seed)
        learnt, held_out = ledger.few("multi", 10)
        assert len(learnt) == 10 and len(held_out) == 60
        drawn.append(np.stack(learnt.labels))
    assert (drawn[0] == drawn[1]).all() and (drawn[0] != drawn[2]).any()
    sizes = {"transfer": 256, "few pictures": 128}
    for (name, value), choice in ledger.CHOICES.items():
        if name in sizes:
            count = int(value.rpartition(", ")[2]) if name == "few pictures" else 50
            assert choice.data.keywords == {"count": count}
            steps = len(choice.config.image_sizes) * (count // choice.config.batch_size)
            assert abs(steps - ledger.NUM_STEPS) <= 4
            assert set(choice.config.image_sizes) == {sizes[name]}
            assert choice.ssdlite == ("ToySSD" not in value)
            assert choice.imagenet == ("ImageNet" in value)


def test_the_ledger_makes_what_it_lacks_and_keeps_the_rest(monkeypatch, tmp_path):
    monkeypatch.setattr(ledger, "LEDGER", tmp_path / "ledger.csv")
    monkeypatch.setattr(recorded_runs, "LEDGER", tmp_path / "ledger.csv")
    asked = []

    def in_own_process(num_threads, function, preset, key, seed):
        asked.append((preset, key, seed))
        scores = {"ap": f"0.{4 + seed}", "ap50": "0.9", "ap75": "0.5"}
        row = dict(zip(ledger.KEY, (preset, *key, str(seed)), strict=True)) | scores
        if seed == 2:  # meanwhile another process makes its own row
            ledger.add_row(dict.fromkeys(ledger.COLUMNS, "") | row | {"set": "multi"})
        return dict.fromkeys(ledger.COLUMNS, "") | row

    monkeypatch.setattr(ledger, "in_own_process", in_own_process)
    words = ["--sets", "single", "--choices", "recipe", "--seeds"]
    ledger.main([*words, "1"])
    ledger.main([*words, "0", "1", "2"])
    assert asked == [("single", ("recipe", "base"), seed) for seed in (1, 0, 2)]
    rows = [(row["set"], row["seed"]) for row in recorded_runs.read_ledger()]
    assert rows == [("multi", "2"), *(("single", seed) for seed in "012")]
    found = recorded_runs.recorded("single", "recipe", "base", "ap")
    assert found.values == (0.4, 0.5, 0.6) and found.mean == pytest.approx(0.5)
    assert str(found) == "0.50 (0.40–0.60, 3 seeds, recorded)"
    with pytest.raises(KeyError, match="no multi / recipe / none; it has multi / recipe / base"):
        recorded_runs.recorded("multi", "recipe", "none")


def test_rows_of_no_choice_come_last_in_the_ledger(monkeypatch, tmp_path):
    monkeypatch.setattr(ledger, "LEDGER", tmp_path / "ledger.csv")
    monkeypatch.setattr(recorded_runs, "LEDGER", tmp_path / "ledger.csv")
    keys = [("transfer", "b", "1"), ("transfer", "a", "2"), ("transfer", "a", "0")]
    keys.append(("transfer", "ImageNet, frozen", "2"))
    rows = [dict.fromkeys(ledger.COLUMNS, "") | dict(zip(ledger.KEY[1:], key)) for key in keys]
    ledger.write_ledger(rows)
    order = [(row["value"], row["seed"]) for row in recorded_runs.read_ledger()]
    assert order == [("ImageNet, frozen", "2"), ("a", "0"), ("a", "2"), ("b", "1")]


@pytest.fixture(scope="module")
def classifier():
    """A Classifier of random weights, in which what decimation leaves out of fc6 is 0."""
    seed_everything()
    net = decimation.Classifier(2)
    net.initialize()
    assert net(nd.random.normal(shape=(1, 3, 112, 112))).shape == (1, 3)
    weight, bias = (each.asnumpy().copy() for each in (net.dense[0].weight.data(), nd.arange(512)))
    left_out = np.ones((7, 7), dtype=bool)
    left_out[::3, ::3] = False
    weight[:, np.tile(left_out.ravel(), 64)] = 0
    net.dense[0].weight.set_data(nd.array(weight))
    net.dense[0].bias.set_data(nd.array(bias / 512))
    return net


def begun(start, classifier):
    """Return a detector that begins in that way, its conv6 and its conv7."""
    net = decimation.detector(decimation.RECIPE, rectangles(2), classifier, start)
    net(nd.zeros((1, 3, decimation.IMAGE_SIZE, decimation.IMAGE_SIZE)))
    return net, net.base.conv6[0], net.base.conv7[0]


def test_a_decimated_layer_says_what_the_dense_one_said(classifier):
    _, conv6, conv7 = begun(decimation.DECIMATED, classifier)
    seen = classifier.pool5(nd, nd.random.normal(shape=(1, 3, 112, 112)))
    dense = classifier.dense[0](seen).asnumpy()[0, :: vgg16.CHANNEL_STEP]
    there = nd.relu(conv6(seen))[0, :, 3, 3].asnumpy()
    np.testing.assert_allclose(there, dense, rtol=1e-3, atol=1e-5)
    fc7 = classifier.dense[1].weight.data().asnumpy()
    np.testing.assert_array_equal(conv7.weight.data().asnumpy()[:, :, 0, 0], fc7[::4, ::4])


def test_starts_differ_in_conv6_and_conv7_or_in_all(classifier):
    convolutions = classifier.blocks.collect_params(".*weight").values()
    wanted = [weight.data().asnumpy() for weight in convolutions]
    layers = {}
    for start in decimation.STARTS:
        net, *layers[start] = begun(start, classifier)
        found = net.base.blocks.collect_params(".*weight").values()
        same = [(a.data().asnumpy() == b).all() for a, b in zip(found, wanted, strict=True)]
        assert not any(same) if start == decimation.NOTHING else all(same)
    for number in (0, 1):
        values = {start: pair[number].weight.data().asnumpy() for start, pair in layers.items()}
        right, mixed = values[decimation.DECIMATED], values[decimation.SHUFFLED]
        assert (right != mixed).mean() > 0.5
        np.testing.assert_array_equal(np.sort(right, axis=None), np.sort(mixed, axis=None))
        assert (values[decimation.RANDOM] != right).mean() > 0.9


def test_a_square_shows_the_object_of_its_class_or_none():
    seed_everything()
    image = np.zeros((60, 100, 3), dtype=np.uint8)
    image[20:50, 55:85] = 255
    labels = np.array([[1, 0.55, 20 / 60, 0.85, 50 / 60]])
    drawn = [decimation.draw_square(image, labels) for _ in range(60)]
    assert {square.shape for square, _ in drawn} == {(112, 112, 3)}
    assert {class_id for _, class_id in drawn} == {0, 2}
    for square, class_id in drawn:  # the object covers the middle of its square, or nothing
        assert square[56, 56, 0] == 255 if class_id else square.max() == 0
    assert {decimation.draw_square(image, labels[:0])[1] for _ in range(10)} == {0}


def test_decimation_makes_the_rows_that_the_ledger_lacks(monkeypatch):
    rows = [("multi", "transfer", start, "0") for start in decimation.STARTS]
    rows.append(("multi", "transfer", decimation.RANDOM, "1"))
    found = [dict(zip(ledger.KEY, row, strict=True)) for row in rows]
    monkeypatch.setattr(decimation, "read_ledger", lambda: found)
    seeds = []
    monkeypatch.setattr(decimation, "in_own_process", lambda threads, run, seed: seeds.append(seed))
    decimation.main(["--seeds", "0", "1", "2"])
    assert seeds == [1, 2]
    assert decimation.missing(1) == [*decimation.STARTS[1:]]


def test_every_row_of_the_ledger_is_of_a_choice_and_complete():
    rows = recorded_runs.read_ledger()
    keys = [ledger.key_of(row) for row in rows]
    known = {*ledger.CHOICES, *(("transfer", start) for start in decimation.STARTS)}
    assert len(set(keys)) == len(keys) and all(key[1:3] in known for key in keys)
    rows = [row for row in rows if row["choice"] != "defect"]  # which may leave nothing
    assert all(0 < float(row["ap"]) < float(row["ap50"]) < 1 for row in rows)


def test_labels_are_spoiled_in_four_ways():
    labels = np.array([[0, 0.1, 0.1, 0.3, 0.3], [1, 0.6, 0.6, 0.8, 0.9]])
    rng = np.random.default_rng(0)
    spoil = {way: spoiled_labels.spoil(labels, way, 1, 3, rng) for way in spoiled_labels.WAYS}
    assert len(spoil["missing label"]) == 1 and len(spoil["no such object"]) == 3
    assert spoil["wrong class"][1, 0] in (0, 2)
    np.testing.assert_array_equal(spoil["wrong class"][:, 1:], labels[:, 1:])
    iou = pairwise_iou(spoil["loose box"][1:, 1:], labels[1:, 1:])[0, 0]
    assert 0.2 < iou < 0.6
    assert pairwise_iou(spoil["no such object"][2:, 1:], labels[:, 1:]).max() < 0.05


def test_boxes_that_differ_from_the_truth_are_counted(tmp_path):
    images = [[(0, 1, 2, 20, 30), (1, 5, 5, 9, 9)]]
    write_source(tmp_path, "csv", images, foreign_labels.NAMES)
    (tmp_path / "labels.csv").rename(tmp_path / "openimages.csv")
    truth = {"0.jpg": {"size": SIZE_PX, "boxes": [list(each) for each in images[0]]}}
    for change, other in ((0, 0), (0.5, 2)):
        truth["0.jpg"]["boxes"][0][1] += change
        (tmp_path / "truth.json").write_text(json.dumps(truth))
        counts = foreign_labels.compare(tmp_path, "Open Images")
        assert (counts["boxes"], counts["other"], counts["faults"]) == (2, other, 0)


def test_the_benchmark_of_gpus_measures_what_it_says():
    recipe = replace(gpu.RECIPES["toy"], image_size=64)
    row = gpu.measure(recipe, [mx.cpu(0), mx.cpu(1)], batch_size=1, steps=1)
    assert all(row[name] > 0 for name in ("training", "network", "feeding"))
    texts = gpu.texts_of({"recipe": "toy", "devices": "gpu:0", "search": True} | row)
    assert len(texts) == len(gpu.HEADER) and texts[:3] == ["toy", "gpu:0", "on"] and texts[-1] == ""
    failed = gpu.texts_of({"recipe": "toy", "devices": "x", "search": False, "error": "no room"})
    assert len(failed) == len(gpu.HEADER) and failed[3] == "no room"


def test_speeds_beside_busy_processes_are_measured():
    speeds = importlib.import_module("busy").measure(0.01)
    assert speeds.keys() == {"detect one", "detect 32", "train 16"}
    assert min(speeds.values()) > 0
