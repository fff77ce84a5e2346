"""The doctor: each check with stand-ins for what it looks at, and the whole as readers run it."""

import ctypes
import json
import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

from single_shot import doctor
from utils import compat

import pytest

ROOT = Path(__file__).resolve().parents[1]
AMPERE = ("NVIDIA A100", (8, 0))
HOPPER = ("NVIDIA H100", (9, 0))


@pytest.fixture
def packages(monkeypatch):
    """Pretend that exactly these packages are installed: packages(numpy="1.23.5")."""

    def install(**versions):
        named = {name.replace("_", "-"): version for name, version in versions.items()}
        monkeypatch.setattr(doctor, "installed_version", named.get)

    return install


@pytest.fixture
def child(monkeypatch):
    """Pretend that every fresh interpreter ends like this: child(well, its output, an error)."""
    return lambda *outcome: monkeypatch.setattr(doctor, "run_python", lambda *_: outcome)


@pytest.mark.parametrize(
    ("system", "machine", "good"),
    [("Linux", "x86_64", True), ("Linux", "aarch64", False), ("Darwin", "arm64", False)],
)
def test_platform(monkeypatch, system, machine, good):
    monkeypatch.setattr(doctor.platform, "system", lambda: system)
    monkeypatch.setattr(doctor.platform, "machine", lambda: machine)
    finding = doctor.check_platform()
    assert finding.value == f"{system} {machine}"
    assert (not finding.cause) == (not finding.fix) == good


@pytest.mark.parametrize(
    ("version", "good"),
    [((3, 9, 18), False), ((3, 10, 0), True), ((3, 13, 1), True), ((3, 14, 0), False)],
)
def test_python(monkeypatch, version, good):
    monkeypatch.setattr(doctor, "sys", types.SimpleNamespace(version_info=version))
    finding = doctor.check_python()
    assert (not finding.cause) == good
    assert good or "Python 3.10 to 3.13" in finding.cause


@pytest.mark.parametrize(
    ("version", "good"),
    [
        *[("1.23.5", True), ("1.26.4", True), ("2.2.6", True)],
        *[("1.22.4", False), ("2.3.0", False), ("2.4.0rc1", False)],
    ],
)
def test_numpy(packages, version, good):
    packages(numpy=version)
    finding = doctor.check_numpy()
    assert finding.value == version
    assert (not finding.cause) == good
    assert finding.fix == ("" if good else "make setup")


def test_numpy_absent(packages):
    packages()
    assert doctor.check_numpy() == doctor.Finding(
        "NumPy", "not installed", "MXNet needs NumPy", "make setup"
    )


def test_mxnet_good_and_absent(packages, child):
    child(True, "", "")
    packages(mxnet="1.9.1")
    assert doctor.check_mxnet() == doctor.Finding("MXNet", "mxnet 1.9.1")
    packages()
    assert doctor.check_mxnet().cause == "MXNet is not in this environment"


def test_mxnet_twice(packages, child):
    child(True, "", "")
    packages(mxnet="1.9.1", mxnet_cu117="1.9.1")
    finding = doctor.check_mxnet()
    assert "both installed" in finding.cause
    assert finding.fix.startswith("make setup VARIANT=cpu or make setup VARIANT=gpu")


@pytest.mark.parametrize(
    ("error", "cause", "fix"),
    [
        (
            "OSError: libcuda.so.1: cannot open shared object file: No such file or directory",
            "driver (libcuda.so.1) is absent",
            "install the NVIDIA driver, or take the CPU build: make setup VARIANT=cpu",
        ),
        (
            "OSError: libcudnn.so.8: cannot open shared object file: No such file or directory",
            "needs is absent: libcudnn.so.8",
            "make setup VARIANT=gpu brings all CUDA libraries",
        ),
        (
            "OSError: libgomp.so.1: cannot open shared object file: No such file or directory",
            "a library of the system that MXNet needs is absent: libgomp.so.1",
            "make setup installs scikit-learn, which carries it; or apt install libgomp1",
        ),
        (
            "OSError: libquadmath.so.0: cannot open shared object file: No such file",
            "is absent: libquadmath.so.0",
            "installs opencv-python-headless, which carries it; or apt install libquadmath0",
        ),
        (
            "OSError: libz.so.1: cannot open shared object file: No such file or directory",
            "is absent: libz.so.1",
            "install the package of your system that has this file",
        ),
        ("ModuleNotFoundError: No module named 'distutils'", "setuptools < 81", "make setup"),
        ("exit status -4", "fails: exit status -4", "make clean, then make setup"),
    ],
)
def test_mxnet_that_does_not_import(packages, child, error, cause, fix):
    packages(mxnet_cu117="1.9.1")
    child(False, "", error)
    finding = doctor.check_mxnet()
    assert cause in finding.cause
    assert fix in finding.fix


def test_gluoncv(packages, child):
    packages(gluoncv="0.10.5.post0")
    child(True, "", "a warning")
    assert doctor.check_gluoncv(True) == doctor.Finding("GluonCV", "0.10.5.post0")
    child(False, "", "ImportError: libGL.so.1")
    assert "libGL.so.1" in doctor.check_gluoncv(True).cause
    assert not doctor.check_gluoncv(False).cause  # MXNet's line says why
    packages()
    assert doctor.check_gluoncv(True).value == "not installed"


def test_package_that_is_ours(child):
    child(True, str(ROOT / "utils"), "")
    assert doctor.check_package() == doctor.Finding("Package utils", str(ROOT / "utils"))


def test_package_that_is_not_installed(child):
    child(False, "", "ModuleNotFoundError: No module named 'utils'")
    finding = doctor.check_package()
    assert "not installed" in finding.cause
    assert finding.fix == "make setup"


def test_package_that_is_shadowed(tmp_path, monkeypatch):
    """A real interpreter in another folder, and a real package called utils in its way."""
    (tmp_path / "utils").mkdir()
    (tmp_path / "utils" / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    finding = doctor.check_package()
    assert "another package called utils" in finding.cause
    assert str(tmp_path / "utils") in finding.fix


def test_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setattr(compat, "core_count", lambda: 4)
    assert doctor.check_threads() == doctor.Finding("CPU threads", "3 (usable cores: 4)")
    for wrong in ("all", "0", ""):
        monkeypatch.setenv("OMP_NUM_THREADS", wrong)
        assert doctor.check_threads().fix == "unset OMP_NUM_THREADS"


def test_gpus_beside_the_cpu_build(packages):
    packages(mxnet="1.9.1")
    assert doctor.check_gpus([]) == doctor.Finding("GPUs", "none")
    finding = doctor.check_gpus([AMPERE])
    assert finding.value.startswith("NVIDIA A100, compute capability 8.0 (unused by the CPU build")
    assert not finding.cause
    assert "VARIANT=gpu" not in doctor.check_gpus([HOPPER]).value


def test_gpus_under_the_gpu_build(packages):
    packages(mxnet_cu117="1.9.1")
    assert not doctor.check_gpus([]).cause
    assert not doctor.check_gpus([AMPERE, HOPPER]).cause
    for gpu in (HOPPER, ("NVIDIA B200", (10, 0)), ("Tesla K80", (3, 7))):
        finding = doctor.check_gpus([gpu, AMPERE])
        assert f"no machine code for {gpu[0]}" in finding.cause
        assert finding.fix.endswith("make setup VARIANT=cpu")


@pytest.mark.parametrize(
    ("package", "context", "gpus", "good"),
    [
        ("mxnet", "cpu(0)", [], True),
        ("mxnet", "cpu(0)", [AMPERE], True),  # the CPU build uses the CPU
        ("mxnet_cu117", "gpu(0)", [AMPERE], True),
        ("mxnet_cu117", "cpu(0)", [AMPERE], False),
        ("mxnet_cu117", "cpu(0)", [HOPPER], True),  # the GPUs' line says why
    ],
)
def test_context(packages, child, package, context, gpus, good):
    packages(**{package: "1.9.1"})
    child(True, context, "insufficient driver version")
    finding = doctor.check_context(True, gpus)
    assert finding.value == context
    assert (not finding.cause) == good
    assert good or "insufficient driver version" in finding.cause


def test_no_context(child):
    child(False, "", "ImportError: no module")
    assert "ImportError: no module" in doctor.check_context(True, []).cause
    assert not doctor.check_context(False, []).cause  # MXNet's line says why


class Driver:
    """A stand-in for libcuda.so.1 with an A100 and an H100."""

    capabilities = ((8, 0), (9, 0))

    def cuInit(self, flags):
        return 0

    def cuDeviceGetCount(self, count):
        count._obj.value = 2
        return 0

    def cuDeviceGetName(self, name, length, device):
        name.value = (b"NVIDIA A100", b"NVIDIA H100")[device]

    def cuDeviceGetAttribute(self, number, attribute, device):
        number._obj.value = self.capabilities[device][attribute - 75]


def test_find_gpus_asks_the_driver(monkeypatch):
    monkeypatch.setattr(doctor.ctypes, "CDLL", lambda name: Driver())
    assert doctor.find_gpus() == [AMPERE, HOPPER]
    monkeypatch.setattr(Driver, "cuInit", lambda self, flags: 100)  # CUDA_ERROR_NO_DEVICE
    assert doctor.find_gpus() == []


def test_find_gpus_without_a_driver(monkeypatch):
    def absent(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", absent)
    assert doctor.find_gpus() == []


def test_report_names_cause_and_fix():
    findings = [doctor.Finding("Python", "3.11.7"), doctor.Finding("NumPy", "9", "too new", "wait")]
    assert doctor.report(findings).splitlines() == [
        "Python  ok      3.11.7",
        "NumPy   FAILED  9",
        "",
        "NumPy: too new",
        "  fix: wait",
    ]


def run_command(*python_options, folder=ROOT, arguments=("doctor",), module=("-m", "single_shot")):
    """Run the command as a user does, in a fresh interpreter, from a folder that holds it."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    words = [sys.executable, *python_options, *module, *arguments]
    return subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_a_healthy_environment():
    child = run_command()
    assert child.returncode == 0, child.stdout + child.stderr
    subjects = [line.split("  ")[0] for line in child.stdout.splitlines()]
    assert subjects == [
        *("Platform", "Python", "NumPy", "MXNet", "OpenCV", "GluonCV"),
        *("Package utils", "CPU threads", "GPUs", "Context"),
    ]


def test_an_environment_without_any_package(tmp_path):
    copy_packages(tmp_path)  # where no .venv is beside them
    child = run_command("-S", folder=tmp_path)  # without site-packages, as nothing were installed
    assert child.returncode == 1
    assert "NumPy          FAILED  not installed" in child.stdout
    assert "  fix: make setup" in child.stdout
    assert child.stderr == ""


def copy_packages(folder):
    """Copy what the command needs before it knows whether anything is installed."""
    for name in ("single_shot", "utils"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "data").mkdir()
    for path in (ROOT / "data").glob("*.py"):
        shutil.copy(path, folder / "data")


def make_environment(folder, output="in .venv: $*"):
    """Write the packages, and a .venv whose Python does nothing but say what it is asked for."""
    copy_packages(folder)
    (folder / ".venv/bin").mkdir(parents=True)
    python = folder / ".venv/bin/python"
    python.write_text(
        f"#!/bin/sh\necho '{output}'\n" if "{" in output else f'#!/bin/sh\necho "{output}"\n'
    )
    python.chmod(0o755)


def test_an_environment_that_is_not_in_use_is_seen(tmp_path):
    finding = {"subject": "MXNet", "value": "mxnet 1.9.1"}
    make_environment(tmp_path, json.dumps({"findings": [finding]}))
    child = run_command("-S", folder=tmp_path)
    assert child.returncode == 0 and f"{tmp_path}/.venv has them and is not in use" in child.stdout
    assert child.stdout.endswith("MXNet  ok      mxnet 1.9.1\n")


def test_an_environment_that_does_not_run_is_named_with_its_cure(tmp_path):
    make_environment(tmp_path, "no library")
    child = run_command("-S", folder=tmp_path)
    assert child.returncode == 2 and child.stderr.count("\n") == 1
    assert child.stderr.startswith(f"{tmp_path}/.venv/bin/python: does not run here")
    assert "`make clean` and `make setup`" in child.stderr


@pytest.mark.parametrize(
    "module",
    [("-m", "single_shot"), ("-msingle_shot",), ("-um", "single_shot"), ("-m", "data")],
)
def test_a_command_finds_the_environment_by_itself(tmp_path, module):
    make_environment(tmp_path)
    words = {"folder": tmp_path, "arguments": ["detect", "a.params", "b c"], "module": module}
    child = run_command("-S", **words)
    name = module[-1].removeprefix("-m")
    assert (child.returncode, child.stdout) == (0, f"in .venv: -m {name} detect a.params b c\n")
    shutil.rmtree(tmp_path / ".venv")
    child = run_command("-S", folder=tmp_path, arguments=["detect"])
    assert child.returncode == 1
    assert child.stderr == (
        f"MXNet is not installed here: run `make setup` in {tmp_path}, then repeat the command\n"
    )


@pytest.mark.parametrize("content", ["X = 1", "1 / 0"])
@pytest.mark.parametrize("name", ["utils.py", "utils/__init__.py"])
def test_a_foreign_utils_is_reported_and_not_used(tmp_path, name, content):
    """The command is called by its own name, which looks on PYTHONPATH first."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content)
    child = subprocess.run(
        [Path(sys.executable).with_name("single-shot"), "doctor"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 1 and "Package utils  FAILED" in child.stdout
    assert child.stdout.count("FAILED") == 1 and child.stderr == ""


@pytest.mark.parametrize("arguments", [["--help"], ["nonsense"], ["--nonsense"]])
def test_arguments(arguments):
    child = run_command(arguments=["doctor", *arguments])
    assert child.returncode == (0 if arguments == ["--help"] else 2)
    assert "usage: single-shot doctor" in child.stdout + child.stderr


def test_two_opencvs_are_seen(packages, child):
    packages(opencv_python_headless="4.11.0.86")
    child(True, "", "")
    assert doctor.check_opencv() == doctor.Finding("OpenCV", "opencv-python-headless 4.11.0.86")
    packages(opencv_python_headless="4.11.0.86", opencv_python="5.0.0")
    finding = doctor.check_opencv()
    assert "libGL" in finding.cause and "uninstall --yes opencv-python &&" in finding.fix
    assert finding.fix.endswith("--force-reinstall opencv-python-headless==4.11.0.86")
    packages(opencv_python="5.0.0")
    assert doctor.check_opencv().fix.endswith("opencv-python-headless==4.11.0.86")
    packages()
    assert doctor.check_opencv().value == "not installed"
    packages(opencv_python_headless="4.11.0.86")
    child(False, "", "ImportError: libfoo")
    assert "libfoo" in doctor.check_opencv().cause


def test_a_foreign_utils_is_named_whatever_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "utils.py").touch()  # a module, not a package
    finding = doctor.check_package()
    assert (
        finding.value == f"{tmp_path}/utils.py" and "another package called utils" in finding.cause
    )
    (tmp_path / "utils.py").write_text("import what_is_not_there")
    assert (
        "fails to import: ModuleNotFoundError: No module named 'what_"
        in doctor.check_package().cause
    )
