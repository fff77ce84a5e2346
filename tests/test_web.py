"""The page that detects in a browser: its files, its builder, and what a browser makes of it."""

import http.server
import json
import re
import shutil
import tarfile
import threading
from base64 import b64encode
from functools import partial
from hashlib import sha512

from data import DATA_ROOT
from single_shot.labels.pictures import read_picture
from single_shot.onnx_graph import FORMAT, OUTPUTS
from single_shot.onnx_graph.seal import KEY
from single_shot.onnx_runtime import load_onnx
from utils.comparison import assert_same_detections
from utils.detection import DISPLAY_THRESHOLD, MAX_DETECTIONS, NMS_THRESHOLD
from utils.figures.colors import PALETTE
from utils.files import InputError

import numpy as np
import onnx
import pytest
from browser import MODULES, needs_browser, seen_by, web
from onnx import TensorProto, helper, numpy_helper

REFERENCES = {
    ".html": r'(?:src|href)="([^"]*)"',
    ".css": r"url\(([^)]*)\)",
    ".js": r'(?:from|import\(|fetched\()\s*"([^"]*)"',
}
# As the page begins, the stage before suppression, and one that suppresses less.
SETTINGS = [
    {"step": "after", "score": DISPLAY_THRESHOLD, "nms": NMS_THRESHOLD},
    {"step": "before", "score": 0.3, "nms": NMS_THRESHOLD},
    {"step": "after", "score": 0.3, "nms": 0.6},
]


def build(folder, modules, checkpoints=()):
    """Build the page; return its folder and what its course.json says."""
    web.build(folder / "web", modules, [*checkpoints])
    return folder / "web", json.loads((folder / "web" / "course.json").read_text())


@pytest.fixture
def stand_in_modules(tmp_path):
    """A folder as npm leaves it, with empty files in place of ONNX Runtime's."""
    folder = tmp_path / "node_modules" / "onnxruntime-web" / "dist"
    folder.mkdir(parents=True)
    for name in web.RUNTIME:
        (folder / name).touch()
    return tmp_path / "node_modules"


def test_all_that_the_page_refers_to_is_in_its_folder(tmp_path, stand_in_modules):
    page, course = build(tmp_path, stand_in_modules)
    referred = {item["file"] for item in course["samples"]}
    for path in page.iterdir():
        text = path.read_text() if path.suffix in REFERENCES else ""
        assert "//" not in re.sub(r"^\s*//.*|\s// .*", "", text, flags=re.M), path.name
        referred |= {*re.findall(REFERENCES.get(path.suffix, "(?!)"), text)}
    assert {"main.js", "style.css", "./ort/ort.js", "course.json"} <= referred
    assert [each for each in referred if not (page / each).is_file()] == []
    assert (page / "ort" / "LICENSE").read_text().startswith("MIT License")
    assert (page / "ort" / "ThirdPartyNotices.txt").is_file()


def test_the_page_says_what_the_course_says(tmp_path, stand_in_modules):
    _, course = build(tmp_path, stand_in_modules)
    assert course["palette"] == list(PALETTE)
    assert (course["format"], course["outputs"]) == (FORMAT, list(OUTPUTS))
    thresholds = course["score_threshold"], course["nms_threshold"], course["most_detections"]
    assert thresholds == (DISPLAY_THRESHOLD, NMS_THRESHOLD, MAX_DETECTIONS)
    names = {item["file"]: item["name"] for item in course["samples"]}
    pictures = sorted(path.name for path in (DATA_ROOT / "samples").glob("*.jpg"))
    assert sorted(names) == [f"samples/{name}" for name in pictures]
    assert names["samples/multi_four.jpg"] == "multi_four (2 sprig, 2 zest)"
    assert names["samples/single_none.jpg"] == "single_none (no mascot)"


def test_a_build_that_fails_leaves_the_page_before(tmp_path, stand_in_modules):
    page, _ = build(tmp_path, stand_in_modules)
    with pytest.raises(FileNotFoundError, match="ort"):
        build(tmp_path, tmp_path)
    assert (page / "course.json").is_file()  # which is written last
    assert [path.name for path in tmp_path.glob(".web*")] == []


def test_every_package_is_pinned_by_its_hash_and_no_host():
    lock = json.loads((web.PAGE / "package-lock.json").read_text())["packages"]
    stated = lock.pop("")
    for packages in (stated["dependencies"], stated["devDependencies"]):
        assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in packages.values())
    assert all(package["integrity"].startswith("sha512-") for package in lock.values())
    assert not any("resolved" in package for package in lock.values())


def test_without_npm_the_builder_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(web, "NPM", tmp_path / "npm")
    assert web.main(["--out", str(tmp_path / "web")]) == 2
    assert capsys.readouterr().err.startswith("npm: not found; install Node.js")
    assert not (tmp_path / "web").exists()


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_a_package_with_another_hash_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    source, archive = tmp_path / "page", tmp_path / "pinned.tgz"
    source.mkdir()
    (source / ".npmrc").touch()
    manifest = source / "package.json"
    manifest.write_text(json.dumps({"name": "pinned", "version": "1.0.0"}))
    with tarfile.open(archive, "w:gz") as file:
        file.add(manifest, "package/package.json")
    needed = {"dependencies": {"pinned": f"file:{archive}"}}
    manifest.write_text(json.dumps(needed))
    package = {"version": "1.0.0", "resolved": f"file:{archive}"}
    for content, folder in ((archive.read_bytes(), "right"), (b"", "wrong")):
        package["integrity"] = f"sha512-{b64encode(sha512(content).digest()).decode()}"
        packages = {"": needed, "node_modules/pinned": package}
        lock = {"lockfileVersion": 3, "requires": True, "packages": packages}
        (source / "package-lock.json").write_text(json.dumps(lock))
        if folder == "right":
            modules = web.install(source, tmp_path / folder)
            assert (modules / "pinned" / "package.json").is_file()
        else:
            with pytest.raises(InputError, match=r"(?s)package-lock.json: npm refuses.*EINTEGRITY"):
                web.install(source, tmp_path / folder)


# --- in a browser ---------------------------------------------------------------------------------


class Quiet(http.server.SimpleHTTPRequestHandler):
    """The plainest web server, without its log."""

    def log_message(self, *arguments):
        """Say nothing."""


@pytest.fixture
def served(tmp_path):
    """A folder and the address at which it is served."""
    handler = partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield tmp_path, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def write_foreign_files(folder):
    """Write what is no detector and no picture; return pairs of field and path."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    facts = {"format": json.dumps(FORMAT), "class_names": '["a"]'}
    for name, operator, said in (
        ("foreign", "Identity", {}),
        ("older", "Identity", {"format": '"single-shot 0"'}),
        ("nameless", "Identity", facts | {"class_names": "3"}),
        ("other", "Identity", facts),
        ("unknown", "NoSuchOperator", facts),
    ):
        node = helper.make_node(operator, ["x"], ["y"])
        graph = helper.make_graph([node], name, values[:1], values[1:])
        opsets = [helper.make_opsetid("", 13)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        helper.set_model_props(model, said)
        onnx.save(model, folder / f"{name}.onnx")
    (folder / "text.onnx").write_text("no detector")
    (folder / "cut.onnx").write_bytes((folder / "other.onnx").read_bytes()[:-5])
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    return [
        ("picture" if path.suffix == ".jpg" else "model", str(path))
        for path in sorted(folder.iterdir())
    ]


def write_spoiled_detectors(folder, content):
    """Write a detector of ours with a bit of its weights changed, with odd classes; a huge file."""
    model = onnx.load_model_from_string(content)
    changed = bytearray(content)
    changed[len(content) // 2] ^= 1
    (folder / "changed.onnx").write_bytes(changed)
    helper.set_model_props(model, {p.key: p.value for p in model.metadata_props if p.key != KEY})
    node = next(node for node in model.graph.node if "class_ids" in node.output)
    node.output[:] = ["right"]
    model.graph.initializer.append(numpy_helper.from_array(np.int64(7), "seven"))
    model.graph.node.append(helper.make_node("Add", ["right", "seven"], ["class_ids"]))
    onnx.save(model, folder / "beyond.onnx")
    with open(folder / "huge.onnx", "wb") as file:
        file.truncate(600_000_000)


def expected_rows(detector, picture, setting):
    """Return what ONNX Runtime for Python finds, as `OnnxDetector.find` does, with any IoU."""
    nms = 1.0 if setting["step"] == "before" else setting["nms"]
    thresholds = {"score_threshold": setting["score"], "nms_threshold": nms}
    inputs = {name: np.array([value], np.float32) for name, value in thresholds.items()}
    found = detector.session.run(list(OUTPUTS), {"image": picture[np.newaxis]} | inputs)
    boxes, scores, class_ids = found
    return np.column_stack([class_ids, scores, boxes])


def check_detections(view, detectors, pictures):
    """Compare what the page shows with what Python finds: a pixel and a thousandth of a score."""
    detector, picture = detectors[view["detector"]], pictures[view["sample"]]
    expected = expected_rows(detector, picture, view)
    classes = [detector.class_names.index(row[0]) for row in view["rows"]]
    found = np.array([[k, *row[1:]] for k, row in zip(classes, view["rows"])]).reshape(-1, 6)
    assert_same_detections(found, expected, atol=1e-3, min_iou=0.98, cut_score=view["score"])
    noun = "candidate" if view["step"] == "before" else "detection"
    assert view["text"].startswith(f"{len(found)} {noun}") and not view["fault"]
    if view["score"] == DISPLAY_THRESHOLD and view["step"] == "after":
        assert np.allclose(expected, detector.find(picture))
        assert found[:, 0].tolist() == expected[:, 0].tolist()
        assert np.abs(found[:, 1] - expected[:, 1]).max(initial=0) <= 1e-3
        assert np.abs(found[:, 2:] - expected[:, 2:]).max(initial=0) <= 1
    return len(found)


def check_files(files):
    """Check that a file that cannot be used is named with the reason, and nothing is drawn.

    A detector of ours is used, and offered from then on.
    """
    reasons = {
        "beyond.onnx": "gives the class id 7, but names 3 classes; export",
        "changed.onnx": "has changed since it was exported; export",
        "huge.onnx": "no detector of this course, which has at most 500 MB",
        "broken.jpg": "no picture that this browser can read; choose a JPEG",
        "cut.onnx": "no ONNX file, or cut off; export",
        "foreign.onnx": f'its metadata say nothing where "{FORMAT}" is needed',
        "nameless.onnx": "class_names in its metadata is no list of names",
        "older.onnx": f'its metadata say "single-shot 0" where "{FORMAT}" is needed',
        "other.onnx": "its inputs are x where image, score_threshold, nms_threshold are needed",
        "text.onnx": "no ONNX file, or cut off",
        "unknown.onnx": "cannot be run here",
    }
    for name, reason in reasons.items():
        view = files[name]
        assert view["text"].startswith(f"{name}: {reason}")
        assert (view["fault"], view["canvas"], view["rows"]) == (True, 0, [])
    assert files["own.onnx"]["rows"] and not files["own.onnx"]["fault"]
    again = files["again"]  # chosen once more, after others
    assert [text.strip() for text in again["offered"]][-1] == "own.onnx: frill, sprig, zest"
    assert again["rows"] == files["own.onnx"]["rows"]


def check_keyboard(stops):
    """Check that Tab reaches every control, that it shows, and that keys move the sliders."""
    names = " ".join(stop["id"] for stop in stops)
    assert names == "threshold nms step samples picture camera detectors model list"
    assert all(stop["outlined"] for stop in stops)
    for stop, least in zip(stops, (0.01, 0.05)):
        first, by_arrow, by_home = map(float, stop["values"])
        assert first > by_arrow > by_home == least == float(stop["told"])
    (few, many), (as_many, fewer) = stops[0]["rows"], stops[1]["rows"]
    assert few < many == as_many > fewer


def check_camera(refused, allowed):
    """Check that the camera works once it is allowed, and that else there are words."""
    assert refused["text"].startswith("The camera was not allowed")
    assert (refused["fault"], refused["canvas"]) == (True, 0)
    assert refused["button"] == "Start the camera"
    assert allowed["text"].endswith("in what the camera sees.")
    assert (allowed["button"], allowed["live"]) == ("Stop the camera", "off")
    assert not allowed["fault"] and allowed["canvas"] > 0


@needs_browser
def test_a_browser_finds_what_python_finds(served):
    folder, address = served
    checkpoints = sorted((DATA_ROOT / "pretrained").glob("*.params"))
    page, course = build(folder, MODULES, checkpoints)
    assert sum(path.stat().st_size for path in page.rglob("*") if path.is_file()) < 30e6
    files = folder / "files"
    files.mkdir()
    job = {
        "url": f"{address}/web/",
        "detectors": [item["file"] for item in course["detectors"]],
        "samples": [item["file"] for item in course["samples"]],
        "settings": SETTINGS,
    }
    shutil.copy(page / job["detectors"][0], files / "own.onnx")
    write_spoiled_detectors(files, (files / "own.onnx").read_bytes())
    job["files"] = write_foreign_files(files)
    seen = seen_by("drive_page.cjs", job, folder)

    detectors = {file: load_onnx(page / file) for file in job["detectors"]}
    pictures = {file: read_picture(page / file) for file in job["samples"]}
    counts = [check_detections(view, detectors, pictures) for view in seen["samples"]]
    assert len(counts) == len(detectors) * len(pictures) * len(SETTINGS) and sum(counts) > 100
    assert seen["troubles"] == []
    assert seen["dropped"]["text"].endswith("in dropped.jpg.") and seen["dropped"]["rows"]
    check_keyboard(seen["keyboard"])
    check_files(seen["files"])
    check_camera(seen["refusedCamera"], seen["camera"])
    for look in seen["looks"]:
        assert look["violations"] == [], look
        assert look["passes"] > 20 and look["wide"] <= look["width"]
