"""The builder: same bytes always, whole or not at all, rebuilt when anything is not as it was."""

import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from data import compositing, embedded
from data.compositing import Recipe
from data.embedded import PRESETS, Preset, background_of, ensure, main, make_sample
from utils.files import process_id
from utils.records import decode_jpeg, read_records

import cv2
import numpy as np
import psutil
import pytest

TINY = Preset(Recipe(("frill", "zest"), (0.3, 0.4, 0.3), (64, 64)), 9, num_train=8, num_val=4)
FILES = {"train.rec", "train.idx", "val.rec", "val.idx", "manifest.json", "contact_sheet.png"}
RECORD_FILES = sorted(name for name in FILES if name.endswith((".rec", ".idx")))


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", TINY)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A tiny data set, built once with one worker."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setitem(PRESETS, "tiny", TINY)
        return ensure("tiny", tmp_path_factory.mktemp("data"), workers=1)


@pytest.fixture
def copy(built, tmp_path, tiny):
    """A copy of the tiny data set to spoil."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    for file in built.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.fixture
def quick_build(monkeypatch, built):
    """Count builds, and copy instead of drawing."""
    builds = []

    def build(preset, folder, workers=None):
        builds.append(folder)
        for file in built.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())

    monkeypatch.setattr(embedded, "build", build)
    return builds


def test_a_built_folder_holds_what_the_manifest_says(built, tiny):
    assert {file.name for file in built.iterdir()} == FILES
    manifest = json.loads((built / "manifest.json").read_text())
    assert manifest["class_names"] == ["frill", "zest"]
    assert manifest["num_images"] == {"train": 8, "val": 4}
    assert manifest["settings"]["seed"] == embedded.DATA_SEED
    assert manifest["versions"].keys() == {"opencv", *embedded.PACKAGES}
    assert sorted(manifest["sha256"]) == RECORD_FILES
    assert embedded.problem(TINY, built) is None
    sheet = cv2.imread(str(built / "contact_sheet.png"))
    assert sheet.std() > 20


def test_records_are_the_samples_in_order(built):
    for split, count in TINY.num_images.items():
        records = list(read_records(built / f"{split}.rec", 2))
        assert [key for key, _, _ in records] == list(range(count))
        for key, image, labels in records:
            expected_image, expected_labels = make_sample(TINY.recipe, 9, split, key)
            np.testing.assert_array_equal(labels, expected_labels)
            assert np.abs(image.astype(int) - expected_image).mean() < 6


def test_two_workers_give_the_same_bytes_as_one(built, tmp_path, tiny):
    again = ensure("tiny", tmp_path, workers=2)
    for name in RECORD_FILES:
        assert (again / name).read_bytes() == (built / name).read_bytes()


def test_images_differ_between_splits_presets_and_numbers():
    images = [
        make_sample(TINY.recipe, seed_id, split, index)[0].tobytes()
        for seed_id in (0, 1)
        for split in embedded.SPLITS
        for index in (0, 1)
    ]
    assert len(set(images)) == len(images)


def test_a_data_set_that_is_right_is_left_alone(copy, quick_build, capsys):
    assert ensure("tiny", copy.parent) == copy
    assert quick_build == [] and capsys.readouterr().err == ""


def spoil_bytes(folder):
    content = bytearray((folder / "val.rec").read_bytes())
    content[1000] ^= 1
    (folder / "val.rec").write_bytes(content)


def change_setting(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["settings"]["seed"] += 1
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "spoil, reason",
    [
        (spoil_bytes, "val.rec has changed"),
        (change_setting, "settings or sources have changed"),
        (lambda folder: (folder / "train.idx").unlink(), "train.idx is missing"),
        (lambda folder: (folder / "manifest.json").unlink(), "not built yet"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "manifest.json cannot be read"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "manifest.json cannot be"),
    ],
)
def test_a_data_set_that_is_not_right_is_rebuilt(copy, quick_build, capsys, spoil, reason):
    spoil(copy)
    ensure("tiny", copy.parent)
    assert reason in capsys.readouterr().err
    assert len(quick_build) == 1
    assert embedded.problem(TINY, copy) is None
    assert sorted(path.name for path in copy.parent.iterdir()) == [".tiny.lock", "tiny"]


def test_force_rebuilds(copy, quick_build):
    ensure("tiny", copy.parent, force=True)
    assert len(quick_build) == 1


def test_a_changed_source_is_noticed(copy, monkeypatch):
    monkeypatch.setattr(embedded, "SOURCES", (embedded,))
    assert embedded.problem(TINY, copy) == "settings or sources have changed"


def test_a_failed_build_changes_nothing_and_the_next_one_clears_up(copy, quick_build, monkeypatch):
    before = {file.name: file.read_bytes() for file in copy.iterdir()}

    def fail(preset, folder, workers):
        (folder / "train.rec").write_text("half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(embedded, "build", fail)
        ensure("tiny", copy.parent, force=True)
    assert {file.name: file.read_bytes() for file in copy.iterdir()} == before
    ensure("tiny", copy.parent, force=True)
    assert embedded.problem(TINY, copy) is None
    assert sorted(path.name for path in copy.parent.iterdir()) == [".tiny.lock", "tiny"]


LONG_BUILD = """
import sys
from data.embedded import PRESETS, Preset, ensure
from data.compositing import Recipe
PRESETS["tiny"] = Preset(Recipe(("frill",), (0.0, 1.0), (64, 64)), 9, num_train=50_000)
ensure("tiny", sys.argv[1], workers=1)
"""


def test_a_killed_build_changes_nothing_and_leaves_no_process(copy, quick_build):
    before = {file.name: file.read_bytes() for file in copy.iterdir()}
    process = psutil.Popen([sys.executable, "-c", LONG_BUILD, str(copy.parent)])
    building = copy.parent / f".tiny.{process_id(process.pid)}.tmp"
    deadline = time.monotonic() + 120
    while not building.is_dir() or not any(file.stat().st_size for file in building.iterdir()):
        assert process.is_running() and time.monotonic() < deadline
        time.sleep(0.05)
    children = process.children(recursive=True)
    process.kill()
    process.wait()
    assert children and psutil.wait_procs(children, timeout=20)[1] == []
    assert {file.name: file.read_bytes() for file in copy.iterdir()} == before
    ensure("tiny", copy.parent, force=True)
    assert sorted(path.name for path in copy.parent.iterdir()) == [".tiny.lock", "tiny"]


PROGRAM = """
import sys
from data import embedded
from data.compositing import Recipe
embedded.PRESETS["tiny"] = embedded.Preset(Recipe(("frill",), (0.0, 1.0), (64, 64)), 9, 4, 2)
print("started")
embedded.ensure("tiny", sys.argv[1], workers=2)
assert sys.modules["__main__"].__dict__ is globals()
"""


@pytest.mark.parametrize("from_file", [True, False])
def test_a_program_without_a_guard_may_build(tmp_path, from_file):
    """Its processes must not run it again: they would wait for it, and it for them."""
    (tmp_path / "program.py").write_text(PROGRAM)
    name = tmp_path / "program.py" if from_file else "-"
    run = subprocess.run(
        [sys.executable, name, tmp_path / "data"],
        input=None if from_file else PROGRAM,
        env=os.environ | {"PYTHONPATH": "."},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (run.returncode, run.stdout) == (0, "started\n"), run.stderr
    assert {file.name for file in (tmp_path / "data/tiny").iterdir()} == FILES


def test_two_at_once_build_once(tmp_path, tiny, quick_build):
    threads = [threading.Thread(target=ensure, args=("tiny", tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(quick_build) == 1
    assert embedded.problem(TINY, tmp_path / "tiny") is None


def test_an_unknown_preset_is_refused(tmp_path):
    with pytest.raises(ValueError, match="preset is 'pikachu': choose one of single, multi"):
        ensure("pikachu", tmp_path)


def test_command_line(copy, quick_build, capsys, monkeypatch):
    monkeypatch.setattr(embedded, "PRESETS", {"tiny": TINY})
    main(["tiny", "--out", str(copy.parent), "--force"])
    output = capsys.readouterr().out
    assert "8 + 4 images, built in" in output and str(copy) in output
    assert len(quick_build) == 1


def test_presets_are_the_ones_the_lessons_describe():
    single, multi = PRESETS["single"], PRESETS["multi"]
    assert len(single.recipe.class_names) == 1 and single.recipe.count_shares == (0, 1)
    assert len(multi.recipe.class_names) == 3 and len(multi.recipe.count_shares) == 5
    for preset in (single, multi):
        assert preset.recipe.size_px == (256, 256)
        assert preset.num_images == {"train": 1000, "val": 200}
        assert sum(preset.recipe.count_shares) == pytest.approx(1)


def test_multi_has_images_without_objects():
    recipe = dataclasses.replace(PRESETS["multi"].recipe, size_px=(64, 64))
    counts = [len(make_sample(recipe, 1, "train", index)[1]) for index in range(60)]
    assert 0 in counts and max(counts) == 4


def test_samples_in_the_project_are_those_that_the_command_makes(tmp_path):
    main(["samples", "--out", str(tmp_path)])
    committed, made = embedded.DATA_ROOT / "samples", tmp_path / "samples"
    assert {file.name for file in made.iterdir()} == {*embedded.SAMPLES, "samples.json"}
    truth = json.loads((committed / "samples.json").read_text())
    assert truth == json.loads((made / "samples.json").read_text())
    sizes = set()
    for name, sample in truth.items():
        jpeg = (committed / name).read_bytes()
        assert len(jpeg) <= 40_000
        image, again = decode_jpeg(jpeg, name), decode_jpeg((made / name).read_bytes(), name)
        assert np.abs(image.astype(int) - again).mean() < 2
        assert sample["class_names"] == list(PRESETS[sample["preset"]].recipe.class_names)
        sizes.add(image.shape)
    assert len(sizes) >= 3 and (256, 256, 3) not in sizes
    counts = sorted(len(s["labels"]) for s in truth.values() if s["preset"] == "single")
    assert counts[0] == 0 and counts[-1] >= 2


def test_two_at_once_build_once_however_long_it_takes(tmp_path, tiny, built, monkeypatch):
    builds = []

    def build(preset, folder, workers=None):
        builds.append(folder)
        time.sleep(0.5)  # so that the others come in between
        for file in built.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())

    monkeypatch.setattr(embedded, "build", build)
    threads = [threading.Thread(target=ensure, args=("tiny", tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(builds) == 1
    assert embedded.problem(TINY, tmp_path / "tiny") is None


@pytest.mark.parametrize("split", ["train", "val"])
def test_the_photograph_behind_a_sample_is_known(split, monkeypatch):
    opened = []
    load = compositing.load_photograph
    monkeypatch.setattr(
        compositing, "load_photograph", lambda *where: opened.append(where[1]) or load(*where)
    )
    preset = PRESETS["multi"]
    for index in range(5):
        make_sample(preset.recipe, preset.seed_id, split, index)
        assert Path(opened[-1]).stem == background_of("multi", split, index)
    assert len(set(opened)) > 1


def test_the_command_names_its_defaults_and_ends_as_the_others_do(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "(default: all)" in capsys.readouterr().out

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("data.embedded.ensure", stopped)
    assert main(["multi", "--out", str(tmp_path)]) == 130
    assert capsys.readouterr().err == f"\nstopped; what is complete is in {tmp_path}\n"
