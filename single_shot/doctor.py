"""Say what this machine offers to the lessons and, where they cannot run, why and what to do.

    single-shot doctor

Exit status 1 if anything is wrong. It works where MXNet, or even NumPy, cannot be imported: all
that could fail or crash is tried in another process.
"""

import ctypes
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from single_shot.answer import Answer
from utils import compat
from utils.files import InputError

PYTHONS = ((3, 10), (3, 13))  # first and last
NUMPYS = ((1, 23, 5), (2, 3))  # from the first to below the second
HEADLESS, OPENCV_VERSION = "opencv-python-headless", "4.11.0.86"
OPENCVS = (HEADLESS, "opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")
PIP = f"{sys.executable} -m pip"
MXNET_PACKAGES = ("mxnet", "mxnet-cu117")
# MXNet's CUDA builds hold machine code for compute capabilities 5.0, 6.0, 7.0, 8.0 and 8.6 and no
# PTX: it also runs on later cards of the same major numbers, and on no others.
GPU_MAJORS = range(5, 9)

SET_UP = "make setup"
CPU_BUILD = "make setup VARIANT=cpu"
GPU_BUILD = "make setup VARIANT=gpu"


@dataclass(frozen=True)
class Finding:
    """One line of the report; with a cause it is a failure, and `fix` says how to mend it."""

    subject: str
    value: str
    cause: str = ""
    fix: str = ""


def check_platform() -> Finding:
    """Find the operating system and processor: MXNet 1.9.1 needs 64-bit x86 under Linux."""
    system, machine = platform.system(), platform.machine()
    value = f"{system} {machine}"
    if (system, machine) == ("Linux", "x86_64"):
        return Finding("Platform", value)
    cause = "MXNet 1.9.1 has packages for Linux on x86-64 processors only"
    fix = "use Linux x86-64: a container, a virtual machine, or WSL 2 on Windows"
    return Finding("Platform", value, cause, fix)


def check_python() -> Finding:
    """Find the Python version: 3.10 to 3.13 are supported."""
    value = platform.python_version()
    first, last = PYTHONS
    if first <= sys.version_info[:2] <= last:
        return Finding("Python", value)
    cause = f"the packages are locked for Python {_dotted(first)} to {_dotted(last)}"
    return Finding("Python", value, cause, f"install Python 3.11 or uv, then {SET_UP}")


def check_numpy() -> Finding:
    """Find the NumPy version: 1.23.5 up to 2.2 are supported."""
    value = installed_version("numpy")
    if value is None:
        return Finding("NumPy", "not installed", "MXNet needs NumPy", SET_UP)
    first, end = NUMPYS
    version = tuple(int(part) for part in value.split(".")[:3] if part.isdigit())
    if first <= version < end:
        return Finding("NumPy", value)
    cause = f"MXNet 1.9.1 is known to work with NumPy {_dotted(first)} up to, not with, "
    return Finding("NumPy", value, cause + _dotted(end), SET_UP)


def check_mxnet() -> Finding:
    """Find MXNet's build and version, and whether it can be imported."""
    builds = [name for name in MXNET_PACKAGES if installed_version(name)]
    if not builds:
        return Finding("MXNet", "not installed", "MXNet is not in this environment", SET_UP)
    value = ", ".join(f"{name} {installed_version(name)}" for name in builds)
    if len(builds) > 1:
        cause = "the CPU and the GPU build are both installed, in the same folder mxnet/"
        return Finding("MXNet", value, cause, f"{CPU_BUILD} or {GPU_BUILD}: it starts afresh")
    works, _, error = run_python("import utils, mxnet")
    cause, fix = ("", "") if works else explain_import_error(error)
    return Finding("MXNet", value, cause, fix)


def explain_import_error(error: str) -> tuple[str, str]:
    """Return (cause, fix) for the last line of what `import mxnet` said when it failed."""
    if "libcuda.so" in error:
        cause = "this is MXNet's GPU build, and the NVIDIA driver (libcuda.so.1) is absent"
        return cause, f"install the NVIDIA driver, or take the CPU build: {CPU_BUILD}"
    missing = re.search(r"(\S+): cannot open shared object file", error)
    if missing:
        return explain_missing_library(missing.group(1))
    if "distutils" in error:
        return "Python 3.12 and newer need setuptools < 81, which brings distutils", SET_UP
    return f"`import mxnet` fails: {error}", f"make clean, then {SET_UP}"


def explain_missing_library(name: str) -> tuple[str, str]:
    """Return (cause, fix) for a shared library that MXNet needs and the loader does not find."""
    if any(path.endswith(f"/{name}") for path in compat.CUDA_LIBRARIES):
        cause = f"a library that MXNet's GPU build needs is absent: {name}"
        return cause, f"{GPU_BUILD} brings all CUDA libraries, {CPU_BUILD} needs none"
    cause = f"a library of the system that MXNet needs is absent: {name}"
    if name in compat.BORROWED:
        package = compat.BORROWED[name].partition(".libs")[0].replace("_", "-")
        debian = name.replace(".so.", "")
        return cause, f"{SET_UP} installs {package}, which carries it; or apt install {debian}"
    return cause, "install the package of your system that has this file"


def check_opencv() -> Finding:
    """Find the OpenCV packages, of which there must be the headless one alone."""
    packages = {name: installed_version(name) for name in OPENCVS}
    found = {name: version for name, version in packages.items() if version}
    value = ", ".join(f"{name} {version}" for name, version in found.items()) or "not installed"
    if list(found) == [HEADLESS]:
        works, _, error = run_python("import cv2")
        if works:
            return Finding("OpenCV", value)
        return Finding(
            "OpenCV", value, f"`import cv2` fails: {error}", f"make clean, then {SET_UP}"
        )
    if not found:
        return Finding("OpenCV", value, "pictures cannot be read without it", SET_UP)
    cause = "pip's resolver has added an OpenCV that needs a window system (libGL) to the headless "
    cause += "one, in the same folder cv2/"
    others = " ".join(name for name in found if name != HEADLESS)
    wanted = f"{HEADLESS}=={found.get(HEADLESS, OPENCV_VERSION)}"
    fix = f"{PIP} uninstall --yes {others} && {PIP} install --no-deps --force-reinstall {wanted}"
    return Finding("OpenCV", value, cause, fix)


def check_gluoncv(mxnet_works: bool) -> Finding:
    """Find GluonCV's version (from its metadata: gluoncv.__version__ is wrong)."""
    value = installed_version("gluoncv")
    if value is None:
        return Finding("GluonCV", "not installed", "GluonCV is not in this environment", SET_UP)
    if not mxnet_works:
        return Finding("GluonCV", f"{value} (not tried, for want of MXNet)")
    works, _, error = run_python("import utils, mxnet, gluoncv")
    if works:
        return Finding("GluonCV", value)
    return Finding(
        "GluonCV", value, f"`import gluoncv` fails: {error}", f"make clean, then {SET_UP}"
    )


def check_package() -> Finding:
    """Find which `utils` a lesson gets, which starts in another folder than this project."""
    ours = str(Path(compat.__file__).parent)
    with tempfile.TemporaryDirectory() as elsewhere:
        code = "import utils; print(getattr(utils, '__file__', None) or list(utils.__path__)[0])"
        works, found, error = run_python(code, elsewhere)
    found = found.removesuffix("/__init__.py")
    if found == ours:
        return Finding("Package utils", ours)
    if not works and error.endswith("No module named 'utils'"):
        cause = "the lessons cannot import the package utils: it is not installed"
        return Finding("Package utils", "not installed", cause, SET_UP)
    if not works:
        cause = f"a package called utils comes first and fails to import: {error}"
        return Finding("Package utils", "unknown", cause, "take it off PYTHONPATH or uninstall it")
    cause = f"another package called utils comes first; the lessons need {ours}"
    fix = f"uninstall the package that owns {found} or take it off PYTHONPATH; {SET_UP}"
    return Finding("Package utils", found, cause, fix)


def check_threads() -> Finding:
    """Find how many threads MXNet will use, of how many cores."""
    threads = os.environ.get("OMP_NUM_THREADS", "")
    cores = compat.core_count()
    value = f"{threads} (usable cores: {cores})"
    if threads.isdigit() and int(threads) > 0:
        return Finding("CPU threads", value)
    cause = f"the environment variable OMP_NUM_THREADS is {threads!r}, not a number of threads"
    return Finding("CPU threads", value, cause, "unset OMP_NUM_THREADS")


def check_gpus(gpus: list) -> Finding:
    """Report the GPUs [(name, (major, minor))], which MXNet's GPU build must have code for."""
    value = "; ".join(f"{name}, compute capability {_dotted(kind)}" for name, kind in gpus)
    if not installed_version("mxnet-cu117"):
        hint = f" (unused by the CPU build; {GPU_BUILD} takes the GPU build)"
        runs = any(major in GPU_MAJORS for _, (major, _) in gpus)
        return Finding("GPUs", (value or "none") + (hint if runs else ""))
    if not gpus:
        return Finding("GPUs", "none")
    name, (major, _) = gpus[0]  # the lessons use the first one
    if major in GPU_MAJORS:
        return Finding("GPUs", value)
    cause = f"MXNet 1.9.1 has no machine code for {name}: it knows compute capabilities 5.0 to 8.9"
    fix = f"another GPU first in CUDA_VISIBLE_DEVICES, or the CPU: {CPU_BUILD}"
    return Finding("GPUs", value, cause, fix)


def check_context(mxnet_works: bool, gpus: list) -> Finding:
    """Find the context that the lessons will use, beside GPUs [(name, (major, minor))]."""
    if not mxnet_works:
        return Finding("Context", "none, for want of MXNet")
    code = "from utils.context import best_context; print(best_context())"
    works, found, error = run_python(code)
    if not works:
        cause = f"no context can be chosen: {error}"
        return Finding("Context", "none", cause, f"make clean, then {SET_UP}")
    usable = gpus and gpus[0][1][0] in GPU_MAJORS and installed_version("mxnet-cu117")
    if not (usable and found.startswith("cpu")):
        return Finding("Context", found)
    cause = f"MXNet does not get the GPU to compute: {error}"
    return Finding("Context", found, cause, "update the NVIDIA driver to 450.80 or newer")


def find_gpus() -> list:
    """Return [(name, (major, minor))] of the GPUs that the NVIDIA driver offers; [] without it."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return []
    count, number = ctypes.c_int(), ctypes.c_int()
    if cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count)):
        return []
    gpus = []
    for device in range(count.value):
        name = ctypes.create_string_buffer(256)
        cuda.cuDeviceGetName(name, len(name), device)
        capability = []
        for attribute in (75, 76):  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR
            cuda.cuDeviceGetAttribute(ctypes.byref(number), attribute, device)
            capability.append(number.value)
        gpus.append((name.value.decode(), tuple(capability)))
    return gpus


def installed_version(package: str) -> str | None:
    """Return the version that a package's metadata gives, None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def run_python(code: str, folder: str | Path | None = None) -> tuple[bool, str, str]:
    """Run code in a fresh interpreter.

    folder: to start it in, whose packages come first; default: this project's.

    Returns:
        Whether it ended well, its output, and the last line of its errors and warnings.
    """
    child = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder or compat.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    messages = child.stderr.strip().splitlines() or [f"exit status {child.returncode}"]
    return child.returncode == 0, child.stdout.strip(), messages[-1]


def examine() -> list[Finding]:
    """Return the findings of every check."""
    gpus = find_gpus()
    mxnet = check_mxnet()
    works = not mxnet.cause
    findings = [check_platform(), check_python(), check_numpy(), mxnet, check_opencv()]
    findings.append(check_gluoncv(works))
    findings += [check_package(), check_threads(), check_gpus(gpus), check_context(works, gpus)]
    return findings


def report(findings: list[Finding]) -> str:
    """Return the text of a report: a table, then cause and fix of each failure."""
    width = max(len(finding.subject) for finding in findings)
    lines = [
        f"{finding.subject:<{width}}  {'FAILED' if finding.cause else 'ok':<6}  {finding.value}"
        for finding in findings
    ]
    for finding in findings:
        if finding.cause:
            lines += ["", f"{finding.subject}: {finding.cause}", f"  fix: {finding.fix}"]
    return "\n".join(lines)


def _dotted(version):
    return ".".join(str(part) for part in version)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of this part to a parser: there are none."""


def run(options: Namespace) -> Answer:
    """Examine; return the Answer, which failed if anything is wrong."""
    python = compat.ROOT / ".venv" / "bin" / "python"
    absent = not any(map(installed_version, MXNET_PACKAGES))
    if absent and python.exists() and not running_in(python.parents[1]):
        command = [str(python), "-m", "single_shot", "doctor", "--json"]
        try:
            child = subprocess.run(
                command, cwd=compat.ROOT, stdout=subprocess.PIPE, text=True, check=False
            )
            findings = [Finding(**each) for each in json.loads(child.stdout)["findings"]]
        except (OSError, ValueError):
            raise InputError(
                f"{python}: does not run here, as one copied from another machine may not; "
                "`make clean` and `make setup` make it anew"
            ) from None
        head = (
            f"This is {sys.executable}, which lacks the packages.\n"
            f"{python.parents[1]} has them and is not in use.\n"
            "Commands `python -m single_shot PART` find it by themselves; for all else:\n"
            f"  . {python.parent}/activate\nThis is what the doctor says in there:\n\n"
        )
    else:
        findings, head = examine(), ""
    status = int(any(finding.cause for finding in findings))
    return Answer(head + report(findings), {"findings": [*map(asdict, findings)]}, status)


def after_stop(options: Namespace) -> str:
    """Return what Ctrl-C left."""
    return "nothing is changed"


def running_in(environment: Path) -> bool:
    """Return whether this interpreter is that of a virtual environment."""
    return Path(sys.prefix).resolve() == environment.resolve()
