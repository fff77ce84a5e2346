"""From any format to checked records with one command, or a report of what must be mended."""

import json
import os
import re
import signal
import subprocess
import sys

from single_shot.command import main
from single_shot.files import sha256
from single_shot.prepared_folder import open_prepared
from utils.records import decode_jpeg, encode_jpeg

import numpy as np
import pytest

from tests.labels.label_files import (
    FORMATS,
    NAMES,
    SUFFIXES,
    fractions,
    jpeg,
    write_source,
)

GOOD = [[(k % 3, 1, 2, 20, 30), (2, k, 0, 40, 30)] for k in range(9)] + [[]]
BAD_LINE = "9.jpg,cat,5,5,5,9\n"
MADE = ["borders.png", "contact_sheet.png", "images.json", "manifest.json"]
MADE += ["report.json", "report.txt"]
MADE += [f"{split}.{suffix}" for split in ("train", "val") for suffix in ("idx", "rec")]


def run(source, out, *arguments):
    return main(["prepare", str(source), "--out", str(out), *map(str, arguments)])


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def bad(tmp_path):
    source = write_source(tmp_path / "set", "csv", GOOD)
    source.write_text(source.read_text() + BAD_LINE)
    return source


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_becomes_the_same_records(tmp_path, name, capfd):
    source = write_source(tmp_path / "set", name, GOOD)
    assert run(source, tmp_path / "out", "--classes", *NAMES) == 0
    assert f"format: {name}" in capfd.readouterr().out
    assert names_in(tmp_path / "out") == sorted(MADE)
    found = {}
    for split in ("train", "val"):
        for image, labels in open_prepared(tmp_path / "out", split):
            found[image.tobytes()] = labels
    assert len(found) == len(GOOD)
    for number, objects in enumerate(GOOD):
        labels = found[decode_jpeg(jpeg(number), "").tobytes()]  # byte by byte as it was
        np.testing.assert_allclose(labels, fractions(objects), atol=2e-6)


def test_the_manifest_tells_what_is_in_the_folder(tmp_path):
    source = write_source(tmp_path / "set", "coco", GOOD)
    out = tmp_path / "out"
    assert run(source, out, "--seed", 3, "--max-side", 20) == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["class_names"] == list(NAMES)
    assert sum(manifest["num_images"].values()) == 10 and manifest["num_images"]["val"] >= 2
    objects = [manifest["num_objects"][split] for split in ("train", "val")]
    assert {name: sum(each[name] for each in objects) for name in NAMES} == dict(
        zip(NAMES, (3, 3, 12), strict=True)
    )
    assert all(each[name] for each in objects for name in NAMES)
    assert manifest["size_px"]["train"] == {"width": [20, 20], "height": [15, 15]}
    assert open_prepared(out, "val")[0][0].shape == (15, 20, 3)
    understood = manifest["settings"].pop("understood")
    assert understood[0] == "format: coco (labels.json)"
    assert f"images: {source.parent / 'images'}" in understood
    assert manifest["settings"] == {
        "format": "coco",
        "repair": False,
        "sets": [],
        "drop_bad": False,
        "seed": 3,
        "max_side": 20,
        "val_share": 0.2,
    }
    assert manifest["sha256"]["val.rec"] == sha256(out / "val.rec")


def test_the_same_call_makes_the_same_bytes(tmp_path):
    source = write_source(tmp_path / "set", "yolo", GOOD)
    sums = []
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert run(source, tmp_path / out, "--seed", seed) == 0
        sums.append(json.loads((tmp_path / out / "manifest.json").read_text())["sha256"])
    assert sums[0] == sums[1] != sums[2]


def test_a_fault_stops_it_and_is_reported(tmp_path, bad, capfd):
    out = tmp_path / "out"
    assert run(bad, out) == 2
    error = capfd.readouterr().err
    assert "1 faults: mend them" in error and "labels.csv, line 21: zero-area box" in error
    assert not out.exists()
    assert names_in(tmp_path) == ["out.findings", "set"]
    assert names_in(tmp_path / "out.findings") == ["findings.png", "report.json", "report.txt"]
    bad.write_text(bad.read_text().replace(BAD_LINE, ""))
    assert run(bad, out) == 0 and names_in(tmp_path) == ["out", "set"]


def test_bad_objects_are_left_out_on_request(tmp_path, bad, capfd):
    bad.write_text(bad.read_text() + "9.jpg,dog,5,5,9,9\nz.jpg,cat,1,1,9,9\n")
    assert run(bad, tmp_path / "out", "--drop-bad") == 0
    assert "2 findings, see" in capfd.readouterr().out
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert sum(manifest["num_images"].values()) == 10 and manifest["num_findings"] == 2
    assert (tmp_path / "out/findings.png").is_file()
    findings = json.loads((tmp_path / "out/report.json").read_text())["findings"]
    assert {each["kind"] for each in findings} == {"zero area", "image missing"}


def test_the_sets_of_the_source_are_the_splits(tmp_path):
    for name, images in (("a", GOOD[:6]), ("b", GOOD[6:])):
        write_source(tmp_path / name, "csv", images)
        for path in (tmp_path / name / "images").iterdir():
            path.write_bytes(jpeg(int(path.stem) + (0 if name == "a" else 6)))
    out = tmp_path / "out"
    sets = ("--sets", "a/labels.csv", "b/labels.csv", "--classes", *NAMES)
    assert run(tmp_path, out, "--format", "csv", *sets) == 0
    assert [len(open_prepared(out, split)) for split in ("train", "val")] == [6, 4]
    np.testing.assert_allclose(open_prepared(out, "val")[0][1], fractions(GOOD[6]))


def manifest_of(out):
    return json.loads((out / "manifest.json").read_text())


def test_what_the_sets_decide_together_is_said_once(tmp_path, capfd):
    """Labels of the held-out set, which has no last class, were once shifted without a word."""
    for place, ids, first in (("train", (1, 2, 3), 0), ("val", (1, 2, 2), 6)):
        source = write_source(tmp_path / "set" / place, "yolo", GOOD[first : first + 3])
        for number, each in enumerate(ids):
            (source / "images" / f"{number}.jpg").write_bytes(jpeg(number + first))
            (source / "labels" / f"{number}.txt").write_text(f"{each} 0.5 0.5 0.5 0.5\n")
    out = tmp_path / "out"
    assert run(tmp_path / "set", out, "--classes", *NAMES) == 0
    assert capfd.readouterr().out.count("the first class is 1") == 1
    assert manifest_of(out)["num_objects"]["val"] == dict(zip(NAMES, (1, 2, 0), strict=True))


@pytest.fixture
def own_sets(tmp_path):
    """A source with sets of its own, of which one held-out picture is a near copy of another's."""
    for name, first in (("train", 0), ("valid", 6)):
        write_source(tmp_path / "set" / name, "yolo", GOOD[first : first + 6])
        for path in (tmp_path / "set" / name / "images").iterdir():
            path.write_bytes(jpeg(int(path.stem) + first))
    image = decode_jpeg(jpeg(3), "a copy")
    copy = encode_jpeg((image * 0.8 + 20).astype(np.uint8))
    (tmp_path / "set/valid/images/1.jpg").write_bytes(copy)
    return tmp_path / "set"


def test_a_leak_of_the_sources_own_sets_is_said(tmp_path, own_sets, capfd):
    out = tmp_path / "out"
    assert run(own_sets, out) == 0
    said = capfd.readouterr().out
    assert "sets: train and valid (the source's own)" in said
    assert "groups: 10 images in 9 groups" in said and "1 held-out images leak" in said
    (finding,) = json.loads((out / "report.json").read_text())["findings"]
    assert finding["kind"] == "leak" and finding["image"].endswith("valid/images/1.jpg")
    assert "train/images/3.jpg, which trains" in finding["message"]
    assert manifest_of(out)["num_images"] == {"train": 6, "val": 4}


@pytest.mark.parametrize("name", FORMATS)
def test_a_leak_is_said_in_every_format(tmp_path, name, capfd):
    for place, first in (("a", 0), ("b", 5)):
        folder = tmp_path / "set" / place
        write_source(folder, name, GOOD[first : first + 5])
        for path in folder.rglob("*.jpg"):
            path.write_bytes(jpeg(int(path.stem) + first))
    sets = ["a", "b"]
    if name in SUFFIXES:
        sets = [f"{place}/labels.{SUFFIXES[name]}" for place in sets]
    if name == "yolo":
        for place in ("images", "labels"):
            for part in ("a", "b"):
                (tmp_path / "set" / place).mkdir(exist_ok=True)
                (tmp_path / "set" / part / place).rename(tmp_path / "set" / place / part)
    copies = sorted((tmp_path / "set").rglob("0.jpg"))
    if copies:  # the first held-out picture becomes a darker copy of the first that trains
        darker = decode_jpeg(copies[0].read_bytes(), "a copy") * 0.9
        copies[1].write_bytes(encode_jpeg(darker.astype(np.uint8)))
    words = ["--format", name, "--sets", *sets, "--classes", *NAMES]
    assert run(tmp_path / "set", tmp_path / "out", *words) == 0, capfd.readouterr().err
    findings = json.loads((tmp_path / "out" / "report.json").read_text())["findings"]
    assert [each["kind"] for each in findings].count("leak") == (1 if copies else 5)


def test_sets_that_leak_are_divided_anew(tmp_path, own_sets, capfd):
    out = tmp_path / "out"
    assert run(own_sets, out, "--join-sets", "--val-share", 0.3) == 0
    said = capfd.readouterr().out
    assert "each is on one side" in said and "nothing to mend" in said
    manifest = manifest_of(out)
    assert sum(manifest["num_images"].values()) == 10
    assert manifest["settings"]["val_share"] == 0.3


def test_near_copies_are_on_one_side(tmp_path):
    source = write_source(tmp_path / "set", "csv", [[(0, 1, 2, 20, 30)]] * 12)
    for path in (tmp_path / "set/images").iterdir():
        image = decode_jpeg(jpeg(int(path.stem) // 4), "a copy")
        darker = image * (1 - 0.05 * (int(path.stem) % 4))
        path.write_bytes(encode_jpeg(darker.astype(np.uint8)))
    for seed in range(4):
        out = tmp_path / f"out{seed}"
        assert run(source, out, "--seed", seed) == 0
        assert manifest_of(out)["num_images"] == {"train": 8, "val": 4}
    assert run(source, tmp_path / "apart", "--group-by", "none") == 0
    assert manifest_of(tmp_path / "apart")["num_images"] == {"train": 10, "val": 2}
    assert run(source, tmp_path / "named", "--group-by", r"/(\d)\.jpg") == 0  # 10 and 11 have none
    assert run(source, tmp_path / "bad", "--group-by", "(") == 2


def test_what_can_be_mended_is_repaired_and_listed(tmp_path, bad, capfd):
    bad.write_text(bad.read_text().replace(BAD_LINE, "9.jpg,cat,9,9,5,40.5\n"))
    assert run(bad, tmp_path / "out") == 2
    assert "have --repair mend what it can" in capfd.readouterr().err
    bad.write_text(bad.read_text().replace("40.5", "30.5"))
    assert run(bad, tmp_path / "out", "--repair") == 0
    findings = json.loads((tmp_path / "out/report.json").read_text())["findings"]
    assert [each["kind"] for each in findings] == ["repaired"] * 2
    assert all("labels.csv, line 21: " in each["message"] for each in findings)
    assert manifest_of(tmp_path / "out")["settings"]["repair"] is True


def test_it_says_what_it_understood(tmp_path, capfd):
    source = write_source(tmp_path / "set", "voc", GOOD)
    assert run(source, tmp_path / "out", "--without-objects", "leave-out", "--origin", 0) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[:2] == ["format: voc (Annotations/0.xml)", f"images: {source / 'images'}"]
    assert any(line.startswith("pixels count from 0 (") for line in lines)
    assert "1 images without objects: left out (--without-objects)" in lines
    assert lines == manifest_of(tmp_path / "out")["settings"]["understood"] + lines[-4:]


def test_difficult_objects_stay_marked(tmp_path):
    source = write_source(tmp_path / "set", "coco", GOOD)
    content = json.loads(source.read_text())
    for each in content["annotations"]:
        each["iscrowd"] = int(each["category_id"] == 10)
    source.write_text(json.dumps(content))
    assert run(source, tmp_path / "out") == 0
    for split in ("train", "val"):
        dataset = open_prepared(tmp_path / "out", split)
        for labels, difficult in zip(dataset.labels, dataset.difficult, strict=True):
            np.testing.assert_array_equal(labels[:, 0] == 0, difficult)


def test_calls_that_cannot_work_say_why(tmp_path, capfd):
    source = write_source(tmp_path / "set", "csv", GOOD)
    (tmp_path / "there").mkdir()
    (tmp_path / "file").write_text("")
    calls = [
        (source, tmp_path / "there", "exists; remove it or choose another folder"),
        (tmp_path / "absent", tmp_path / "out", "no such file or folder"),
        (source, tmp_path / "file" / "out", "Not a directory"),
    ]
    for where, out, message in calls:
        assert run(where, out) == 2
        assert message in capfd.readouterr().err
    assert names_in(tmp_path) == ["file", "set", "there"]


@pytest.mark.parametrize(
    "option",
    [
        *("--val-share=1.5", "--val-share=nan", "--val-share=-0.1", "--max-side=-5"),
        *("--max-side=many", "--seed=-1", "--seed=4294967296"),
    ],
)
def test_numbers_out_of_bounds_are_refused(tmp_path, capfd, option):
    source = write_source(tmp_path / "set", "csv", GOOD)
    with pytest.raises(SystemExit) as stop:
        run(source, tmp_path / "out", option)
    assert stop.value.code == 2 and option.partition("=")[0] in capfd.readouterr().err
    assert names_in(tmp_path) == ["set"]


def test_a_failure_in_the_middle_leaves_nothing(tmp_path, monkeypatch, capfd):
    source = write_source(tmp_path / "set", "csv", GOOD)

    def full(*_):
        raise OSError(28, "No space left on device")  # as `write` does: without a file's name

    monkeypatch.setattr("single_shot.prepare.write_contact_sheet", full)
    assert run(source, tmp_path / "out") == 2
    assert f"{tmp_path}/out: No space left on device" in capfd.readouterr().err
    assert names_in(tmp_path) == ["set"]


@pytest.mark.parametrize("limit", [1_000, 5_000, 9_000])
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, limit):
    """The system lets no file grow beyond a limit, so that MXNet's own writing fails as well."""
    source = write_source(tmp_path / "set", "csv", GOOD)
    code = "import resource, sys\nfrom single_shot.command import main\n"
    code += f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\nsys.exit(main())"
    child = subprocess.run(
        [sys.executable, "-c", code, "prepare", source, "--out", tmp_path / "out"],
        env=os.environ | {"PYTHONPATH": ".", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 2 and "Traceback" not in child.stderr, child.stderr
    assert "make room" in child.stderr and "None" not in child.stderr
    assert f"{tmp_path}/out" in child.stderr and ".tmp" not in child.stderr
    assert names_in(tmp_path) == ["set"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_run_leaves_nothing_in_the_way(tmp_path, number, capfd):
    source = write_source(tmp_path / "set", "csv", GOOD)
    code = "import sys, time\nfrom utils import records\nfrom single_shot.command import main\n"
    code += "write = records.mx.recordio.MXIndexedRecordIO.write_idx\n"
    code += "records.mx.recordio.MXIndexedRecordIO.write_idx = "
    code += "lambda *a: (write(*a), print('writing', flush=True), time.sleep(60))\n"
    code += "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "sys.exit(main())\n"
    command = [sys.executable, "-c", code, "prepare", source, "--out", tmp_path / "out"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": "."}, **pipes)
    while process.stdout.readline() != "writing\n":
        assert process.poll() is None
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    if number != signal.SIGKILL:
        assert process.returncode == 130 and "Traceback" not in errors
        assert f"stopped; {tmp_path}/out is not made" in errors
        assert names_in(tmp_path) == ["set"]
    assert run(source, tmp_path / "out") == 0
    assert names_in(tmp_path) == ["out", "set"]  # also of a killed one


@pytest.mark.parametrize(
    "name, said",
    [
        ("voc", "reading labels: 100%"),
        ("yolo", "reading labels: 100%"),
        ("labelme", "reading labels: 100%"),
        ("supervisely", "reading labels: 100%"),
        ("rec", "reading labels: 10record"),
        ("tfrecord", "labels.tfrecord: 10record"),
        ("coco", "finding images: 100%"),
    ],
)
def test_how_far_the_reading_is_is_shown_on_a_terminal(tmp_path, name, said, monkeypatch, capsys):
    monkeypatch.setattr("utils.hooks.is_watched", lambda: True)
    source = write_source(tmp_path / "set", name, GOOD)
    assert run(source, tmp_path / "out", "--classes", *NAMES) == 0
    shown = capsys.readouterr().err
    assert said in shown.replace(" [", "") and "finding images: 100%" in shown


def test_names_reach_the_screen_escaped(tmp_path, capfd):
    """Class and file names may hold what moves the cursor or colours a terminal."""
    names = ("cat\nval: 0 images", "\x1b[31mdog", "fox")
    source = write_source(tmp_path / "set\x1b[2J", "coco", GOOD, names)
    assert run(source, tmp_path / "out") == 0
    said = capfd.readouterr().out
    assert "\x1b" not in said and r"classes: cat\nval: 0 images, \x1b[31mdog, fox" in said
    content = json.loads(source.read_text())
    content["annotations"][0]["bbox"] = [5, 5, 0, 5]
    content["images"][-1]["file_name"] = "b\n\x1b[1m.jpg"
    source.write_text(json.dumps(content))
    assert run(source, tmp_path / "other") == 2
    for text in ((tmp_path / "other.findings/report.txt").read_text(), capfd.readouterr().err):
        assert "\x1b" not in text and r"b\n\x1b[1m.jpg: no such file" in text


def test_many_classes_are_counted_together(tmp_path, capfd):
    names = [f"class {number}" for number in range(21)]
    source = write_source(tmp_path / "set", "yolo", GOOD, names)
    assert run(source, tmp_path / "out") == 0
    assert re.search(r"\ntrain: \d images, \d+ objects of 21 classes", capfd.readouterr().out)


def test_help_tells_the_options(capfd):
    with pytest.raises(SystemExit) as caught:
        main(["prepare", "--help"])
    assert caught.value.code == 0 and "--drop-bad" in capfd.readouterr().out
