"""Build the page that detects in a browser: a folder for any plain web server.

    python tools/web.py [--out build/web]

The page is `single_shot/page/`; with it go the trained detectors as ONNX files, the sample
pictures and ONNX Runtime for the web, which npm installs under build/npm/ as the page's
package-lock.json says, with what `tests/test_web.py` drives a browser with.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from data import DATA_ROOT
from single_shot import command
from single_shot.export import SAMPLES
from single_shot.files import appearing_folder
from single_shot.onnx_graph import FORMAT, OUTPUTS
from utils.detection import DISPLAY_THRESHOLD, MAX_DETECTIONS, NMS_THRESHOLD
from utils.figures.colors import PALETTE
from utils.files import InputError

import onnxruntime

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "single_shot" / "page"
NPM = ROOT / "build" / "npm"
FOR_NPM = ("package.json", "package-lock.json", ".npmrc")
# Not every web server knows that .mjs is a script. The map is for a browser's developer tools.
RUNTIME = {
    "ort.wasm.bundle.min.mjs": "ort.js",
    "ort.wasm.bundle.min.mjs.map": "ort.wasm.bundle.min.mjs.map",
    "ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm",
}
# The package for npm lacks these, which the one for Python has.
LICENCES = ("LICENSE", "ThirdPartyNotices.txt")


def install(source: Path, folder: Path) -> Path:
    """Have npm install what a package-lock.json pins; return the folder of packages.

    source: holds the files FOR_NPM. npm checks every package against its hash in the lock.
    Raises InputError where there is no npm, or where it refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in FOR_NPM:
        shutil.copy(source / name, folder)
    try:
        done = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise InputError("npm: not found; install Node.js, which brings it") from None
    if done.returncode:
        raise InputError(f"{source / 'package-lock.json'}: npm refuses it:\n{done.stderr.strip()}")
    return folder / "node_modules"


def write_detectors(checkpoints: list[Path], folder: Path) -> list[dict]:
    """Export checkpoints into the folder `models` of a page; return name and file of each."""
    detectors = []
    for checkpoint in checkpoints:
        file = Path("models") / f"{checkpoint.stem}.onnx"
        part, options = command.parse(["export", str(checkpoint), "--out", str(folder / file)])
        class_names = part.run(options).content["class_names"]
        name = f"{checkpoint.stem}: {', '.join(class_names)}"
        detectors.append({"name": name, "file": file.as_posix()})
    return detectors


def write_samples(folder: Path) -> list[dict]:
    """Copy the samples into the folder `samples` of a page; return name and file of each."""
    (folder / "samples").mkdir()
    samples = []
    for name, sample in json.loads((SAMPLES / "samples.json").read_text()).items():
        shutil.copy(SAMPLES / name, folder / "samples")
        counts = Counter(sample["class_names"][int(label[0])] for label in sample["labels"])
        objects = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
        text = f"{Path(name).stem} ({objects or 'no mascot'})"
        samples.append({"name": text, "file": f"samples/{name}"})
    return samples


def build(out: Path, modules: Path, checkpoints: list[Path]) -> int:
    """Write the page with all that it needs; return its size in bytes.

    out: appears when it is complete, in place of an older one; modules: from `install`.
    """
    with appearing_folder(out) as folder:
        for path in PAGE.iterdir():
            if path.name not in FOR_NPM:
                shutil.copy(path, folder)
        (folder / "ort").mkdir()
        for name, new_name in RUNTIME.items():
            shutil.copy(modules / "onnxruntime-web/dist" / name, folder / "ort" / new_name)
        for name in LICENCES:
            shutil.copy(Path(onnxruntime.__file__).with_name(name), folder / "ort")
        course = {
            "format": FORMAT,
            "outputs": OUTPUTS,
            "most_detections": MAX_DETECTIONS,
            "score_threshold": DISPLAY_THRESHOLD,
            "nms_threshold": NMS_THRESHOLD,
            "palette": PALETTE,
            "detectors": write_detectors(checkpoints, folder),
            "samples": write_samples(folder),
        }
        (folder / "course.json").write_text(json.dumps(course, indent=1))
    return sum(path.stat().st_size for path in out.rglob("*") if path.is_file())


def main(arguments: list[str] | None = None) -> int:
    """Build the page and say how to open it; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "web", metavar="FOLDER")
    out = parser.parse_args(arguments).out
    try:
        modules = install(PAGE, NPM)
        size = build(out, modules, sorted((DATA_ROOT / "pretrained").glob("*.params")))
    except InputError as error:
        print(error, file=sys.stderr)
        return command.UNUSABLE
    print(f"{out}: {size / 1e6:.1f} MB; to see it: python3 -m http.server --directory {out}")
    return command.DONE


if __name__ == "__main__":
    sys.exit(main())
