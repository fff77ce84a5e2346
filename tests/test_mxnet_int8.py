"""Detectors that MXNet runs in eight bits: about as good as in 32, and what is refused."""

import json
from types import SimpleNamespace

from data import DATA_ROOT, open_preset
from single_shot import command, finders, mxnet_int8
from single_shot.mxnet_int8 import in_eight_bits
from single_shot.sources import NUM_CALIBRATION_IMAGES, calibration_images
from utils.context import seed_everything
from utils.data import DetectionDataset
from utils.detection import Detector, evaluate_detector, load_detector
from utils.files import InputError
from utils.networks import build_network, describe_ssd

import pytest
from mxnet import sym

TOY = DATA_ROOT / "pretrained" / "toy_ssd_multi.params"
SAMPLES = DATA_ROOT / "samples"
EIGHT_BITS = ("--engine", "mxnet-int8", "--calibrate", "multi")


def operators(net):
    """The names of the operators in a network, each as often as it occurs."""
    nodes = json.loads(sym.Group(net(sym.var("data"))).tojson())["nodes"]
    return [node["op"] for node in nodes]


def test_in_eight_bits_it_is_about_as_good():
    held_out = open_preset("multi", "val")
    few = DetectionDataset([held_out[index] for index in range(50)], held_out.class_names)
    plain = load_detector(TOY, compiled=False)
    calibration = calibration_images("multi", plain.class_names)
    assert len(calibration) == NUM_CALIBRATION_IMAGES
    twin = in_eight_bits(plain, calibration)
    # Every convolution: 12 of the base and its halvings, two predictors for each of five scales.
    assert operators(twin.net).count("_sg_mkldnn_conv") == 22
    assert "_contrib_quantize_v2" in operators(twin.net)
    assert "Convolution" not in operators(twin.net)
    scores = [evaluate_detector(each, few).ap for each in (plain, twin)]
    assert scores[1] > scores[0] - 0.03 > 0.3


def answer_of(capsys, *words):
    """What the command answers to words, which end well, as JSON, without a word beside it."""
    assert command.main([*words, "--json"]) == command.DONE
    said = capsys.readouterr()
    assert "MKLDNN" not in said.err and "Warning" not in said.err
    return json.loads(said.out)


def test_the_command_detects_in_eight_bits(tmp_path, capfd):
    words = ("detect", str(TOY), str(SAMPLES), "--no-pictures", "--out", str(tmp_path))
    plain, eight = answer_of(capfd, *words), answer_of(capfd, *words, *EIGHT_BITS)
    assert (plain["engine"], eight["engine"]) == ("mxnet", "mxnet-int8")
    found = [{(row["file"], row["class"]) for row in each["detections"]} for each in (plain, eight)]
    assert found[0] and len(found[0] & found[1]) >= 0.8 * len(found[0] | found[1])
    assert plain["detections"] != eight["detections"]


def test_what_cannot_be_run_in_eight_bits_is_refused(tmp_path, capsys):
    def refused(*words):
        assert command.main(["detect", *words, "--out", str(tmp_path)]) == command.UNUSABLE
        return capsys.readouterr().err

    assert "with --calibrate" in refused(str(TOY), str(SAMPLES), *EIGHT_BITS[:2])
    others = refused(str(TOY), str(SAMPLES), *EIGHT_BITS[:3], "single")
    assert "choose the data that it was trained on" in others
    exported = refused(str(tmp_path / "a.onnx"), str(SAMPLES), *EIGHT_BITS)
    assert "a.onnx: --engine is for checkpoints" in exported


def test_eight_bits_that_lose_too_much_are_refused():
    """With random weights all scores are close, so that the least change turns their order."""
    seed_everything()
    net = build_network(describe_ssd("ssd300", 1 / 8, True), num_classes=7)
    detector = Detector(net, tuple("abcdefg"), 300, per_class=True)
    images = [open_preset("multi", "train")[index][0] for index in range(3)]
    with pytest.raises(InputError, match="have no partner; calibrate on"):
        in_eight_bits(detector, images)


def test_without_onednn_it_is_refused(monkeypatch):
    monkeypatch.setattr(mxnet_int8, "on_onednn", lambda net: False)
    with pytest.raises(InputError, match="on the CPU alone, and with oneDNN"):
        in_eight_bits(SimpleNamespace(net=None), [])


def test_engines_without_eight_bits_need_no_images():
    assert finders.open_finder(TOY).engine == "mxnet"
