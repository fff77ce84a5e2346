"""Exported detectors: the same objects as the checkpoint's, in images of any size; bad files."""

import json
import re

from data import DATA_ROOT
from single_shot import command, export, onnx_graph
from single_shot.export_checks import NotTheSame, assert_much_alike, check_the_same
from single_shot.files import sha256
from single_shot.onnx_graph.before import before_graph
from single_shot.onnx_graph.network import network_graph
from single_shot.onnx_graph.quantised import quantised
from single_shot.onnx_graph.seal import KEY, is_intact, sealed
from single_shot.onnx_runtime import OnnxDetector, OnnxError, load_onnx, open_session
from single_shot.weights import begin_with_imagenet
from utils import ssdlite
from utils.comparison import assert_same_detections
from utils.context import seed_everything
from utils.data import MEAN, STD
from utils.detection import (
    MAX_DETECTIONS,
    Detector,
    anchor_rows,
    detect,
    load_detector,
    preprocess,
)
from utils.networks import build_network, describe_ssd, describe_ssdlite

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings, strategies
from mxnet import image as mxnet_image
from onnx import helper, numpy_helper
from PIL import Image

TOY = DATA_ROOT / "pretrained" / "toy_ssd_multi.params"
SIZES = ((1, 1), (20, 4000), (4000, 20), (128, 128), (100, 60), (90, 300), (375, 500), (700, 700))


def samples():
    """The sample images of the course, then one of them in odd sizes; by name."""
    paths = sorted((DATA_ROOT / "samples").glob("*.jpg"))
    found = {path.name: mxnet_image.imread(str(path)).asnumpy() for path in paths}
    crowded = found["multi_four.jpg"]
    return found | {f"{w} x {h}": cv2.resize(crowded, (w, h)) for w, h in SIZES}


@pytest.fixture(scope="module")
def toy():
    """The detector of three mascots and its exported twin."""
    detector = load_detector(TOY, compiled=False)
    content = onnx_graph.build(detector, 0.5, 0.45).SerializeToString()
    return detector, OnnxDetector(content, "toy.onnx"), content


def exported_from(detector, **options):
    """The exported twin of a detector."""
    return OnnxDetector(onnx_graph.build(detector, 0.5, 0.45, **options).SerializeToString(), "a")


def an_ssd(layout, width):
    """An SSD with random weights."""
    seed_everything()
    names = tuple("abcdefg")
    net = build_network(describe_ssd(layout, width, True), len(names))
    return Detector(net, names, int(layout[3:]), per_class=True)


def an_ssdlite():
    """An SSDLite on the base that ImageNet taught, with random predictors."""
    seed_everything()
    net = build_network(describe_ssdlite(ssdlite.SIZES, ssdlite.RATIOS), num_classes=3)
    begin_with_imagenet(net)
    return Detector(net, ("a", "b", "c"), 128, per_class=True)


def assert_same(detector, exported, images, threshold, atol=1e-3):
    """Both must find the same in every image; sizes are fractions of the image."""
    for image in images.values():
        height, width = image.shape[:2]
        scale = np.array([1, 1, width, height, width, height])
        ours = detect(image, detector, threshold) / scale
        cut = ours[-1, 1] if len(ours) == MAX_DETECTIONS else threshold
        assert_same_detections(exported.find(image, threshold) / scale, ours, atol, cut_score=cut)


@pytest.mark.parametrize("threshold", [0.5, 0.01])
def test_an_exported_toy_ssd_finds_the_same(toy, threshold):
    assert_same(*toy[:2], samples(), threshold)


@pytest.mark.parametrize("layout, width", [("ssd300", 1 / 8), ("ssd512", 1 / 16)])
def test_an_exported_ssd_finds_the_same(layout, width):
    """With random weights all scores are close and boxes are many: the hardest case for order."""
    detector = an_ssd(layout, width)
    exported = exported_from(detector)
    chosen = {name: samples()[name] for name in ("multi_four.jpg", "100 x 60", "375 x 500")}
    assert_same(detector, exported, chosen, 0.05)


def test_an_exported_ssdlite_finds_the_same():
    detector = an_ssdlite()
    image = cv2.resize(samples()["multi_four.jpg"], (128, 128))
    assert_same(detector, exported_from(detector), {"image": image}, 0.05)


DETECTORS = {
    "ToySSD": lambda: load_detector(TOY, compiled=False),
    "SSDLite": an_ssdlite,
    "SSD300": lambda: an_ssd("ssd300", 1 / 8),
}


@pytest.fixture(scope="module", params=DETECTORS)
def detector(request):
    """A detector of each kind of network."""
    return DETECTORS[request.param]()


def four_pictures(width, height):
    """A crowded picture, an empty one, the crowd mirrored, and another: (4, height, width, 3)."""
    crowded, other = (samples()[name] for name in ("multi_four.jpg", "multi_three.jpg"))
    pictures = (crowded, np.full_like(crowded, 128), crowded[:, ::-1], other)
    return np.stack([cv2.resize(picture, (width, height)) for picture in pictures])


# Shapes that are resized in whole numbers, where not a level of 255 differs from OpenCV.
BATCH_SIZES = ((1, 1), (20, 900), (900, 20), (128, 128), (100, 60), (90, 300))


def test_a_batch_gives_the_same_as_one_by_one(detector):
    one_by_one, exported = exported_from(detector), exported_from(detector, batch=True)
    assert exported.takes_batches and not one_by_one.takes_batches
    for size in BATCH_SIZES:
        pictures = four_pictures(*size)
        scale = np.array([1, 1, *size, *size])
        for picture, rows in zip(pictures, exported.find_batch(pictures, 0.05), strict=True):
            expected = one_by_one.find(picture, 0.05)
            cut = expected[-1, 1] if len(expected) == MAX_DETECTIONS else 0.05
            assert_same_detections(rows / scale, expected / scale, 1e-3, cut_score=cut)


def test_a_batch_leaves_out_no_picture_where_nothing_is_found():
    exported = exported_from(DETECTORS["ToySSD"](), batch=True)
    pictures = four_pictures(100, 60)
    rows = exported.find_batch(pictures[[1, 0, 1]])
    assert [len(each) for each in rows] == [0, len(exported.find(pictures[0])), 0]
    assert len(rows[1]) > 2
    assert [each.shape for each in exported.find_batch(pictures[[1, 1]])] == [(0, 6), (0, 6)]
    indices = exported.session.run(["batch_indices"], {"image": pictures[[0, 1, 0]]})[0]
    assert indices.dtype == np.int64 and indices.tolist() == [0] * len(rows[1]) + [2] * len(rows[1])


def test_no_picture_of_a_batch_takes_the_places_of_another():
    exported = exported_from(an_ssd("ssd300", 1 / 8), batch=True)
    counts = [len(rows) for rows in exported.find_batch(four_pictures(90, 300), 0.0)]
    assert counts == [MAX_DETECTIONS] * 4


def test_a_raw_file_says_what_the_network_says_of_every_anchor(detector):
    """`anchor_rows` clips boxes and keeps the best class alone; the file does neither."""
    content = onnx_graph.build_raw(detector).SerializeToString()
    session = open_session(content, "raw.onnx")
    assert [each.name for each in session.get_outputs()] == ["boxes", "probabilities"]
    for size in BATCH_SIZES:
        pictures = four_pictures(*size)
        for picture, boxes, probabilities in zip(
            pictures, *session.run(None, {"image": pictures}), strict=True
        ):
            anchors, *predictions = detector.net(preprocess(picture, detector.image_size))
            rows = anchor_rows(anchors[0], *(each[0] for each in predictions))
            assert probabilities.shape == (len(rows), len(detector.class_names))
            chosen = probabilities[np.arange(len(rows)), rows[:, 0].astype(int)]
            assert np.abs(chosen - rows[:, 1]).max() < 1e-3
            assert np.abs(probabilities.max(axis=1) - rows[:, 1]).max() < 1e-3
            assert probabilities.sum(axis=1).max() < 1 + 1e-6
            fractions = boxes / np.tile(size, 2)
            half_a_pixel = 0.5 / detector.image_size
            assert np.abs(fractions.clip(0, 1) - rows[:, 2:]).max() < half_a_pixel
            assert fractions.min() < 0 and fractions.max() > 1


@pytest.fixture(scope="module", params=(64, 75))
def resizer(request):
    """The first part of the graph alone, for some pixels, as a function; with their number.

    By 64 the places of pixels divide without a rest; by 75 the last bit counts.
    """
    content = before_graph(request.param).SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def resize(image):
        data, size_px = session.run(None, {"image": image[np.newaxis]})
        assert size_px.tolist() == [image.shape[1], image.shape[0]] * 2
        return data[0].transpose(1, 2, 0) * np.float32(STD) + np.float32(MEAN)

    return resize, request.param


@given(
    height=strategies.integers(1, 300),
    width=strategies.integers(1, 300),
    seed=strategies.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_images_are_resized_as_opencv_does(resizer, height, width, seed):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    resize, size = resizer
    expected = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA).astype(float)
    difference = np.abs(resize(image) - expected)
    assert difference.max() < 1.01  # one level, and seldom: a half that is rounded otherwise
    assert (difference > 0.01).mean() < 0.05


def test_thresholds_can_be_given(toy):
    _, exported, content = toy
    image = samples()["multi_four.jpg"]
    counts = [len(exported.find(image, threshold)) for threshold in (0.01, 0.5, 0.99)]
    assert counts[0] > counts[1] > counts[2] == 0
    session = exported.session
    inputs = {"image": image[np.newaxis], "score_threshold": np.float32([0.01])}
    loose = session.run(["scores"], inputs | {"nms_threshold": np.float32([0.9])})[0]
    assert len(loose) > counts[0]
    by_default = session.run(["scores"], {"image": image[np.newaxis]})[0]
    assert len(by_default) == counts[1]
    assert onnx.load_model_from_string(content).ir_version == 8


def test_where_nothing_is_found_there_are_no_rows(toy):
    blank = np.full((40, 30, 3), 128, dtype=np.uint8)
    assert toy[1].find(blank, 0.99).shape == (0, 6)


def test_the_command_writes_what_it_has_compared(tmp_path, capsys):
    out = tmp_path / "multi.onnx"
    assert command.main(["export", str(TOY), "--out", str(out), "--json"]) == command.DONE
    answer = json.loads(capsys.readouterr().out)
    assert answer["bytes"] == out.stat().st_size and answer["compared"]["images"] == 6
    facts = {p.key: json.loads(p.value) for p in onnx.load(out).metadata_props}
    assert facts["class_names"] == ["frill", "sprig", "zest"] and facts["image_size"] == 128
    assert len(facts["checkpoint_sha256"]) == 64
    assert len(facts[KEY]) == 64 and is_intact(out.read_bytes())
    assert command.main(["info", str(out), "--json"]) == command.DONE
    told = json.loads(capsys.readouterr().out)
    assert told["class_names"] == facts["class_names"] and told["sha256"] == sha256(out)
    for part in (["detect", str(DATA_ROOT / "samples")], ["evaluate", "multi"]):
        words = [part[0], str(out), part[1], "--out", str(tmp_path / part[0]), "--json"]
        assert command.main(words) == command.DONE
        answer = json.loads(capsys.readouterr().out)
        words[1] = str(TOY)
        assert command.main(words) == command.DONE
        expected = json.loads(capsys.readouterr().out)
        if part[0] == "detect":
            assert len(answer["detections"]) == len(expected["detections"])
        else:
            assert answer["coco_ap"] == pytest.approx(expected["coco_ap"], abs=2e-3)


def test_grey_and_turned_pictures_give_the_same(toy, tmp_path, capsys):
    """Both are told how the picture is displayed: with three colours, upright."""
    (tmp_path / "toy.onnx").write_bytes(toy[2])
    picture = Image.fromarray(samples()["multi_four.jpg"])
    (tmp_path / "in").mkdir()
    picture.convert("L").save(tmp_path / "in" / "grey.png")
    exif = Image.Exif()
    exif[274] = 6  # to be turned a quarter to the right
    picture.resize((300, 200)).save(tmp_path / "in" / "turned.jpg", exif=exif)
    found = {}
    for path in (TOY, tmp_path / "toy.onnx"):
        words = ["detect", str(path), str(tmp_path / "in"), "--out", str(tmp_path / "out")]
        assert command.main([*words, "--threshold", "0.2", "--json"]) == command.DONE
        found[path.suffix] = json.loads(capsys.readouterr().out)
    assert [file["size_px"] for file in found[".onnx"]["files"]][1] == [200, 300]
    rows = [[(row["file"], row["class"]) for row in each["detections"]] for each in found.values()]
    assert len(rows[0]) > 1 and sorted(rows[0]) == sorted(rows[1])


def test_in_eight_bits_it_is_small_and_about_as_good(tmp_path, capsys):
    out, plain = tmp_path / "eight.onnx", tmp_path / "plain.onnx"
    assert command.main(["export", str(TOY), "--out", str(plain)]) == command.DONE
    assert command.main(["export", str(TOY), "--out", str(out), "--int8", "multi"]) == command.DONE
    assert "finds nearly what the checkpoint finds" in capsys.readouterr().out
    assert out.stat().st_size < plain.stat().st_size / 3
    scores = []
    for path in (plain, out):
        assert command.main(["evaluate", str(path), "multi", "--json"]) == command.DONE
        scores.append(json.loads(capsys.readouterr().out)["coco_ap"])
    assert scores[1] > scores[0] - 0.03  # .509 and .511 here; processors round otherwise
    kinds = {node.op_type for node in onnx.load(out).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds


def test_what_is_bounded_has_its_steps_below_the_bound():
    """SSDLite's maps end at 6; with the steps of what the bound cuts off, AP fell by .04."""
    detector = an_ssdlite()
    network, _ = network_graph(detector.net, detector.image_size)
    bounded = sum(node.op_type == "Clip" for node in network.graph.node)
    inputs = [preprocess(samples()["multi_four.jpg"], detector.image_size).asnumpy()]
    assert bounded > 0
    assert "Clip" not in {node.op_type for node in quantised(network, inputs).graph.node}


def test_what_is_just_above_the_threshold_may_be_just_below_it_in_eight_bits():
    box = [10, 10, 50, 50]
    above, below = (np.array([[0, score, *box]] * 3) for score in (0.52, 0.48))
    assert assert_much_alike([(above, below), (below, above)], "") == 3
    for lost in (above[:0], below - [0, 0.25, 0, 0, 0, 0], below + [0, 0, 30, 0, 30, 0]):
        for pair in ((above, lost), (lost, above)):
            with pytest.raises(NotTheSame, match="3 of .* have no partner; try again"):
                assert_much_alike([pair], "try again")


def test_eight_bits_that_lose_too_much_are_not_written(tmp_path, capsys, monkeypatch):
    dark = [np.zeros((64, 64, 3), dtype=np.uint8)]
    monkeypatch.setattr(export, "calibration_images", lambda source, class_names: dark)
    out = tmp_path / "eight.onnx"
    words = ["export", str(TOY), "--out", str(out), "--int8", "multi"]
    assert command.main(words) == command.UNUSABLE
    assert "have no partner; nothing is written" in capsys.readouterr().err
    assert not out.exists()


def test_eight_bits_need_a_set_of_the_same_classes(tmp_path, capsys):
    words = ["export", str(TOY), "--out", str(tmp_path / "a.onnx"), "--int8", "single"]
    assert command.main(words) == command.UNUSABLE
    assert "choose the data that it was trained on" in capsys.readouterr().err


def test_a_file_that_finds_something_else_is_not_written(tmp_path, capsys, monkeypatch):
    def of_another_size(detector, *rest):
        return onnx_graph.build(Detector(detector.net, detector.class_names, 96), *rest)

    monkeypatch.setattr(export, "build", of_another_size)
    out = tmp_path / "multi.onnx"
    assert command.main(["export", str(TOY), "--out", str(out)]) == command.UNUSABLE
    words = capsys.readouterr().err
    assert "would not find what the detector finds" in words and "please report" in words
    assert list(tmp_path.iterdir()) == []


def test_an_image_of_one_colour_is_named_where_equal_scores_are_sorted_otherwise():
    detector = an_ssd("ssd300", 1 / 8)
    grey = np.full((4, 4, 3), 128, dtype=np.uint8)

    class Twin:
        takes_batches = False

        def find_batch(self, images, threshold):
            return [detect(images[0], detector, threshold)[1:]]

    with pytest.raises(NotTheSame, match="grey.png: an image of one colour, .* --compare-on"):
        check_the_same(Twin(), detector, {"grey.png": grey})


@pytest.mark.parametrize("part", ["detect", "evaluate"])
def test_a_raw_file_is_written_and_refused(part, tmp_path, capsys):
    out = tmp_path / "raw.onnx"
    assert command.main(["export", str(TOY), "--raw", "--out", str(out), "--json"]) == command.DONE
    answer = json.loads(capsys.readouterr().out)
    assert answer["outputs"] == ["boxes", "probabilities"]
    assert answer["compared"]["boxes"] > 6 * 2 * 1364  # all anchors, and those shown once more
    facts = {p.key: json.loads(p.value) for p in onnx.load(out).metadata_props}
    assert facts["class_names"] == ["frill", "sprig", "zest"]
    assert "none for the background" in facts["probabilities"] and "pixels" in facts["boxes"]
    source = {"detect": str(DATA_ROOT / "samples"), "evaluate": "multi"}[part]
    assert command.main([part, str(out), source]) == command.UNUSABLE
    words = capsys.readouterr().err
    assert str(out) in words and "`single-shot export` without --raw" in words


def test_a_batch_file_is_written_and_used_like_any_other(tmp_path, capsys):
    out = tmp_path / "batch.onnx"
    words = ["export", str(TOY), "--batch", "--out", str(out), "--json"]
    assert command.main(words) == command.DONE
    answer = json.loads(capsys.readouterr().out)
    assert answer["outputs"] == ["boxes", "scores", "class_ids", "batch_indices"]
    found = {}
    for path in (out, TOY):
        words = ["detect", str(path), str(DATA_ROOT / "samples"), "--out", str(tmp_path / "found")]
        assert command.main([*words, "--json"]) == command.DONE
        rows = json.loads(capsys.readouterr().out)["detections"]
        found[path] = [(row["file"], row["class"]) for row in rows]
    assert sorted(found[out]) == sorted(found[TOY]) != []


def test_the_usual_file_is_for_one_picture_and_three_names(toy):
    """Programs unpack what they get of it into three."""
    session = toy[1].session
    assert [each.name for each in session.get_outputs()] == ["boxes", "scores", "class_ids"]
    inputs = {each.name: each.shape for each in session.get_inputs()}
    assert list(inputs)[0] == "image" and inputs["image"] == [1, "H", "W", 3]


def set_constant(name, change):
    """A spoiler that changes a constant of the graph."""

    def spoil(model):
        each = next(each for each in model.graph.initializer if each.name == name)
        each.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(each)), name))

    return spoil


def all_from_the_first(model):
    """Have the rows of all images say that they are from the first."""
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = ["right" if name == "batch_indices" else name for name in names]
    model.graph.node.append(helper.make_node("Sub", ["right", "right"], ["batch_indices"]))


def roots_of_probabilities(model):
    """Change the probabilities alone."""
    next(node for node in model.graph.node if "probabilities" in node.output).op_type = "Sqrt"


@pytest.mark.parametrize(
    "option, spoil",
    [
        ("--raw", set_constant("variances", lambda values: values * np.float32(1.1))),
        ("--raw", roots_of_probabilities),
        ("--batch", all_from_the_first),
    ],
)
def test_a_spoiled_file_is_not_written(option, spoil, tmp_path, capsys, monkeypatch):
    builder = "build_raw" if option == "--raw" else "build"

    def spoiled_build(*arguments):
        model = getattr(onnx_graph, builder)(*arguments)
        spoil(model)
        return model

    monkeypatch.setattr(export, builder, spoiled_build)
    out = tmp_path / "multi.onnx"
    assert command.main(["export", str(TOY), option, "--out", str(out)]) == command.UNUSABLE
    assert "the file would not" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_bad_arguments(tmp_path, capsys):
    with pytest.raises(SystemExit):
        command.main(["export", str(TOY), "--out", "multi.txt"])
    with pytest.raises(SystemExit):
        command.main(["export", str(TOY), "--raw", "--int8", "multi"])
    assert "not allowed with" in capsys.readouterr().err
    assert command.main(["export", str(TOY), "--raw", "--nms", "0.3"]) == command.UNUSABLE
    assert "leave out --threshold and --nms" in capsys.readouterr().err
    words = ["export", str(TOY), "--out", str(tmp_path / "a.onnx"), "--compare-on", str(tmp_path)]
    assert command.main(words) == command.UNUSABLE
    assert "holds no image" in capsys.readouterr().err
    (tmp_path / "._a.jpg").write_bytes(b"macOS's")
    assert command.main(words) == command.UNUSABLE
    assert "holds no image" in capsys.readouterr().err
    assert command.main(["export", str(tmp_path / "none.params")]) == command.UNUSABLE


def spoiled(content, change):
    model = onnx.load_model_from_string(content)
    change(model)
    return model.SerializeToString()


def set_fact(key, value):
    def change(model):
        for prop in model.metadata_props:
            if prop.key == key:
                prop.value = value

    return change


def external(model):
    entry = model.graph.initializer[0].external_data.add()
    entry.key, entry.value = "location", "../../secret"


def foreign_operator(model):
    model.graph.node[0].domain = "com.example"


def put_behind(output, operator, *inputs, **attributes):
    """A spoiler that has an operator change what an output gives."""

    def change(model):
        node = next(node for node in model.graph.node if output in node.output)
        node.output[:] = ["right" if name == output else name for name in node.output]
        constants = [numpy_helper.from_array(value, f"c{i}") for i, value in enumerate(inputs)]
        model.graph.initializer.extend(constants)
        names = ["right", *(each.name for each in constants)]
        model.graph.node.append(helper.make_node(operator, names, [output], **attributes))

    return change


def input_of_another_name(model):
    model.graph.input[0].name = "picture"
    for node in model.graph.node:
        node.input[:] = ["picture" if name == "image" else name for name in node.input]


def foreign_operator_in_a_branch(model):
    branching = next(node for node in model.graph.node if node.op_type == "If")
    branching.attribute[0].g.node[0].domain = "com.example"


BAD = {
    "text": (lambda content: b"no model", "no ONNX file"),
    "nothing": (lambda content: b"", "its metadata say 'nothing'"),
    "cut off": (lambda content: content[: len(content) // 2], "no ONNX file"),
    "another version": (lambda c: spoiled(c, set_fact("format", '"single-shot 9"')), "'single-sh"),
    "no JSON": (lambda c: spoiled(c, set_fact("format", "single")), "its metadata say 'nothing'"),
    "no names": (lambda c: spoiled(c, set_fact("class_names", "7")), "class_names"),
    "empty names": (lambda c: spoiled(c, set_fact("class_names", "[]")), "class_names"),
    "endless lists": (lambda c: spoiled(c, set_fact("class_names", "[" * 99999)), "say 'nothing'"),
    "a huge image": (lambda c: spoiled(c, set_fact("image_size", "9999999")), "image_size"),
    "weights elsewhere": (lambda c: spoiled(c, external), "in other files"),
    "foreign operator": (lambda c: spoiled(c, foreign_operator), "has operators of com"),
    "hidden in a branch": (
        lambda c: spoiled(c, foreign_operator_in_a_branch),
        "has operators of com",
    ),
    "a part of the graph gone": (lambda c: spoiled(c, lambda m: m.graph.node.pop(3)), "be run"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_in_words(name, toy, tmp_path):
    spoil, words = BAD[name]
    path = tmp_path / "bad.onnx"
    path.write_bytes(spoil(toy[2]))
    with pytest.raises(OnnxError, match=words) as error:
        load_onnx(path)
    assert str(path) in str(error.value)


def test_a_changed_bit_in_the_weights_is_noticed(toy, tmp_path):
    """It changes detections a little, and nothing but the seal tells."""
    assert onnx.load_model_from_string(sealed(toy[2])).graph == (
        onnx.load_model_from_string(toy[2]).graph
    )
    path = tmp_path / "toy.onnx"
    path.write_bytes(sealed(toy[2]))
    assert load_onnx(path).class_names == toy[1].class_names
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    graphs = [onnx.load_model_from_string(bytes(each)).graph for each in (content, toy[2])]
    assert graphs[0].node == graphs[1].node and graphs[0].initializer != graphs[1].initializer
    path.write_bytes(content)
    with pytest.raises(OnnxError, match="toy.onnx: has changed since it was exported; export the"):
        load_onnx(path)
    path.write_bytes(sealed(b"")[:-1] + sealed(toy[2]))  # no longer the last bytes
    with pytest.raises(OnnxError):
        load_onnx(path)


NAN, SEVEN, FIRST = np.float32(np.nan), np.int64(7), np.array([0])
GIVES = {
    "boxes that are not finite": put_behind("boxes", "Mul", NAN),
    "boxes of shape": put_behind("boxes", "Transpose"),
    "scores of shape": put_behind("scores", "Unsqueeze", FIRST),
    "scores that are no numbers": put_behind("scores", "Cast", to=onnx.TensorProto.STRING),
    "the class id [789], but names 3 classes": put_behind("class_ids", "Add", SEVEN),
    "the class id -[567], but names 3 classes": put_behind("class_ids", "Sub", SEVEN),
    "the class id [12], but names 1 classes": set_fact("class_names", '["a"]'),
}


@pytest.mark.parametrize("words", GIVES)
def test_what_cannot_be_detections_is_refused(words, toy, tmp_path, capfd):
    model = onnx.load_model_from_string(toy[2])
    GIVES[words](model)
    for each in model.graph.output:  # so that the runtime has nothing to say
        each.type.tensor_type.ClearField("shape")
        if each.name == "scores" and "no numbers" in words:
            each.type.tensor_type.elem_type = onnx.TensorProto.STRING
    path = tmp_path / "bad.onnx"
    path.write_bytes(model.SerializeToString())
    source = str(DATA_ROOT / "samples" / "multi_four.jpg")
    arguments = ["detect", str(path), source, "--out", str(tmp_path / "out")]
    assert command.main(arguments) == command.UNUSABLE
    assert re.search(rf"bad.onnx: gives {words}", capfd.readouterr().err)
    assert list((tmp_path / "out").glob("*.png")) == []


@pytest.mark.parametrize(
    "spoil", [input_of_another_name, put_behind("boxes", "Add", np.ones((9, 9, 9), np.float32))]
)
def test_what_cannot_be_run_on_a_picture_is_told_once(spoil, toy, tmp_path, capfd):
    path = tmp_path / "bad.onnx"
    path.write_bytes(spoiled(toy[2], spoil))
    detector = load_onnx(path)
    with pytest.raises(OnnxError, match="bad.onnx: cannot be run .*; export the checkpoint again"):
        detector.find(samples()["multi_four.jpg"])
    assert capfd.readouterr().err == ""


def test_a_folder_and_a_huge_file_are_refused_before_they_are_read(tmp_path):
    with pytest.raises(OnnxError, match=f"{tmp_path}: a folder; name the file"):
        load_onnx(tmp_path)
    with open(tmp_path / "huge.onnx", "wb") as file:
        file.truncate(2**40)
    with pytest.raises(OnnxError, match="huge.onnx: no ONNX file, which has at most 2,147,483,647"):
        load_onnx(tmp_path / "huge.onnx")


def test_a_foreign_onnx_file_is_refused(tmp_path, capsys):
    value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    out = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [value], [out])
    onnx.save(helper.make_model(graph), tmp_path / "other.onnx")
    words = ["detect", str(tmp_path / "other.onnx"), str(DATA_ROOT / "samples")]
    assert command.main(words) == command.UNUSABLE
    assert "from another program" in capsys.readouterr().err
    words[1] = str(tmp_path / "none.onnx")
    assert command.main(words) == command.UNUSABLE
    assert "no such file" in capsys.readouterr().err
