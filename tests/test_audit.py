"""An audit: what is suspicious in an image, in which order, and the files that tell it."""

import json
import re
import shutil

from single_shot import audit, memory
from single_shot.audit import draw_suspicions, parts_of, pooled, write_audit
from single_shot.command import main
from single_shot.prepared_folder import open_prepared
from single_shot.suspicions import Suspicion, rank, suspicions_of

import numpy as np
import pytest
from mxnet.base import MXNetError

from tests.figure_texts import unreadable
from tests.labels.label_files import write_source
from tests.test_train import interrupt_at

LABELS = np.array([[0, 0.1, 0.1, 0.4, 0.4], [1, 0.6, 0.6, 0.9, 0.9]])


def detection(class_id, score, box):
    return np.array([[class_id, score, *box]])


FIRST, SECOND = (detection(k, 0.9, LABELS[k, 1:]) for k in (0, 1))
SHIFTED = detection(0, 0.9, (0.2, 0.2, 0.5, 0.5))
CASES = {
    "all agree": ([FIRST, SECOND], [("no such object", 0.1)] * 2),
    "another class": (
        [detection(1, 0.8, LABELS[0, 1:]), SECOND],
        [("wrong class", 0.8), ("no such object", 0.1)],
    ),
    "both classes": (
        [detection(1, 0.8, LABELS[0, 1:]), FIRST, SECOND],
        [("no such object", 0.1)] * 2,
    ),
    "nothing": ([SECOND], [("no such object", 1.0), ("no such object", 0.1)]),
    "missing": (
        [FIRST, SECOND, detection(1, 0.7, (0.1, 0.7, 0.3, 0.9))],
        [("no such object", 0.1)] * 2 + [("missing label", 0.7)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_disagreements_are_named_and_weighed(name):
    detections, expected = CASES[name]
    found = suspicions_of(LABELS, np.concatenate(detections))
    assert [each.kind for each in found] == [kind for kind, _ in expected]
    np.testing.assert_allclose([each.score for each in found], [s for _, s in expected], atol=0.01)


def test_a_box_that_is_shifted_is_loose():
    loose, _ = suspicions_of(LABELS, np.concatenate([SHIFTED, SECOND]))
    iou = 0.2**2 / (2 * 0.3**2 - 0.2**2)
    assert loose.kind == "loose box" and loose.number == 0 and loose.class_id == 0
    assert loose.score == pytest.approx(0.9 * (0.7 - iou) / 0.7)
    np.testing.assert_allclose(loose.box, SHIFTED[0, 2:])


def test_an_image_without_labels_or_detections_is_judged_too():
    empty = np.zeros((0, 6))
    assert suspicions_of(LABELS[:0], empty) == []
    assert [each.kind for each in suspicions_of(LABELS, empty)] == ["no such object"] * 2
    (missing,) = suspicions_of(LABELS[:0], FIRST)
    assert missing.kind == "missing label" and missing.number is None


def test_the_most_suspicious_comes_first():
    detections = [np.concatenate([FIRST, SECOND]), np.concatenate([SHIFTED, SECOND]), SECOND]
    ranked = rank([LABELS] * 3, detections)
    assert [(at, each.kind) for at, each in ranked] == [(2, "no such object"), (1, "loose box")]


def test_the_kinds_take_turns():
    detections = [SECOND, SECOND, np.concatenate([SHIFTED, SECOND])]
    ranked = rank([LABELS] * 3, detections)
    kinds = [each.kind for _, each in ranked]
    assert kinds == ["no such object", "loose box", "no such object"]


def test_titles_of_small_panels_can_be_read():
    sizes_px = [(180, 320), (240, 180), (240, 180)] * 2
    pictures = [(np.zeros((*size, 3), dtype=np.uint8), None) for size in sizes_px]
    labels, images = [np.array([[0, 0.1, 0.1, 0.5, 0.5]])] * 6, [f"photo_{k}.jpg" for k in range(6)]
    dataset = Pictures(pictures)
    dataset.labels, dataset.class_names, dataset.images = labels, ("frill",), images
    ranked = [(k, Suspicion("no such object", 0.9, 0, None, None)) for k in range(6)]
    figure = draw_suspicions(dataset, ranked)
    figure.set_size_inches(4.8, 4.4)
    assert unreadable(figure) == []


class Pictures(list):
    """Pictures to which a test gives labels."""


def test_every_image_is_in_one_part():
    parts = parts_of(range(10), 3, 0)
    assert sorted(np.concatenate(parts)) == list(range(10)) and {len(p) for p in parts} == {3, 4}


def test_what_belongs_together_is_in_one_part():
    groups = [0, 1, 1, 2, 1, 3, 3, 4, 5, 6]
    for seed in range(20):
        parts = parts_of(groups, 3, seed)
        assert sorted(np.concatenate(parts)) == list(range(10))
        of_parts = [{groups[index] for index in part} for part in parts]
        assert sum(map(len, of_parts)) == 7 and {len(p) for p in parts} <= {3, 4}


@pytest.fixture
def prepared(tmp_path):
    images = [[(k % 2, 2, 3, 20, 20)] for k in range(8)]
    source = write_source(tmp_path / "set", "coco", images)
    assert main(["prepare", str(source), "--out", str(tmp_path / "prepared")]) == 0
    return tmp_path / "prepared"


def test_an_audit_writes_its_list_and_goes_on_where_it_was_stopped(prepared, tmp_path, capsys):
    out = tmp_path / "audit"
    words = ["audit", str(prepared), "--out", str(out), "--parts", "2", "--epochs", "1"]
    assert main([*words, "--recipe", "lesson"]) == 0
    content = json.loads((out / "audit.json").read_text())
    images = {str(tmp_path / f"set/images/{k}.jpg") for k in range(8)}
    assert content and {each["image"] for each in content} <= images
    listed = (out / "images.txt").read_text().splitlines()
    assert listed == list(dict.fromkeys(each["image"] for each in content))
    assert (out / "audit.png").stat().st_size > 1000
    kept = [path.stat().st_mtime_ns for path in sorted(out.glob("part-*.npz"))]
    assert len(kept) == 2 and not list(out.glob("*.running"))
    (second,) = out.glob("part-1-*.npz")
    second.unlink()
    capsys.readouterr()
    assert main([*words, "--recipe", "lesson"]) == 0
    again = json.loads((out / "audit.json").read_text())
    assert again == content and next(out.glob("part-0-*.npz")).stat().st_mtime_ns == kept[0]


def test_a_name_that_is_no_utf8_gets_into_the_list(prepared, tmp_path):
    dataset = open_prepared(prepared, "train")
    dataset.images = ["caf\udce9.jpg"] * len(dataset)  # as Python reads such a name
    ranked = rank(dataset.labels, [np.zeros((0, 6))] * len(dataset))
    write_audit(tmp_path / "audit", dataset, ranked)
    names = (tmp_path / "audit/images.txt").read_bytes().splitlines()
    assert names == [b"caf\xe9.jpg"] and (tmp_path / "audit/audit.png").exists()


def test_parts_are_data_sets_of_their_own(prepared):
    dataset = pooled(prepared)
    assert len(dataset) == 8 == len(dataset.images) == len(dataset.labels)
    part = dataset.subset([5, 2])
    assert part.images == [dataset.images[5], dataset.images[2]]
    np.testing.assert_array_equal(part[1][0], dataset[2][0])
    assert len({dataset.sha256, part.sha256, dataset.subset([2, 5]).sha256}) == 3
    assert part.groups == [dataset.groups[5], dataset.groups[2]] and len(set(dataset.groups)) == 8
    content = json.loads((prepared / "images.json").read_text())
    for wrong in ({"train": ["a"], "val": []}, content | {"groups": {"train": [0, 1]}}):
        (prepared / "images.json").write_text(json.dumps(wrong))
        with pytest.raises(ValueError, match="images.json: does not name"):
            open_prepared(prepared, "train")
    (prepared / "images.json").unlink()  # of an older version
    assert open_prepared(prepared, "val").images == ["image 0", "image 1"]


def test_too_few_images_are_refused(prepared, tmp_path, capsys):
    words = ["audit", str(prepared), "--out", str(tmp_path / "audit"), "--parts", "9"]
    assert main(words) == 2
    assert "8 images are too few" in capsys.readouterr().err


def test_mended_labels_are_judged_anew(prepared, tmp_path):
    words = ["audit", str(prepared), "--out", str(tmp_path / "audit"), "--parts", "2"]
    words += ["--epochs", "1", "--recipe", "lesson"]
    assert main(words) == 0
    before = set((tmp_path / "audit").glob("part-*.npz"))
    shutil.rmtree(prepared)
    mended = [[(k % 2, 3, 4, 21, 22)] for k in range(8)]
    shutil.rmtree(tmp_path / "set")
    source = write_source(tmp_path / "set", "coco", mended)
    assert main(["prepare", str(source), "--out", str(prepared)]) == 0
    assert main(words) == 0
    assert len(set((tmp_path / "audit").glob("part-*.npz")) - before) == 2


@pytest.fixture
def words(prepared, tmp_path):
    """An audit of one epoch each, as the command takes it."""
    words = ["audit", str(prepared), "--out", str(tmp_path / "audit"), "--parts", "2"]
    return [*words, "--epochs", "1", "--recipe", "lesson"]


def test_a_set_with_nothing_suspicious_is_called_so(words, tmp_path, capsys, monkeypatch):
    assert main(words) == 0
    capsys.readouterr()
    monkeypatch.setattr(audit, "rank", lambda *_: [])
    assert main(words) == 0
    assert "nothing suspicious" in capsys.readouterr().out
    assert json.loads((tmp_path / "audit/audit.json").read_text()) == []
    assert not (tmp_path / "audit/audit.png").exists()  # which showed what is no longer listed


def test_an_audit_that_was_stopped_makes_way_for_one_with_other_settings(
    words, tmp_path, monkeypatch
):
    monkeypatch.setattr("single_shot.resuming.SAVE_SECONDS", 0)
    with monkeypatch.context() as patch:
        interrupt_at(patch, 2)
        assert main([*words, "--epochs", "2"]) == 130
    (stopped,) = (tmp_path / "audit").glob("*.running")
    assert main(words) == 0
    assert [*(tmp_path / "audit").glob("*.running")] == [stopped]  # which can still go on
    assert main([*words, "--epochs", "2"]) == 0
    assert not stopped.exists()


@pytest.mark.parametrize(
    "error, message",
    [
        (
            FloatingPointError("epoch 1: the class loss is nan"),
            "loss of a training is no longer a number; .* --recipe",
        ),
        (MXNetError("Failed to allocate CPU Memory"), "not enough memory: .* --recipe"),
        (None, "GB are free; .* --recipe"),
    ],
)
def test_what_ends_a_training_is_said_in_the_words_of_an_audit(
    words, capsys, monkeypatch, error, message
):
    interrupt_at(monkeypatch, 1, error)
    if error is None:
        monkeypatch.setattr(memory, "available_memory", lambda: 1)
    assert main(words) == 2
    said = capsys.readouterr().err
    assert re.search(message, said)
    assert not any(option in said for option in ("--restart", "--batch-size", "--learning-rate"))
