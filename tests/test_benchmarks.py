"""benchmarks/: the published recipes are what their texts say, and both programs run."""

import importlib
import json
import math
import os
import sys
from pathlib import Path

from utils.data import normalize
from utils.ssd import ToySSD

import numpy as np
import pytest
from mxnet import nd
from toy_data import rectangles

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))  # its programs find each other there
recipes, results, step, time_to_ap = map(
    importlib.import_module, ("recipes", "results", "step", "time_to_ap")
)
RECIPES = (recipes.D2L, recipes.STRAIGHT_DOPE)


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
