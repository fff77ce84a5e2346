"""tools/setup in a copy of the project, on machines made of stand-ins for Python and uv.

A stand-in writes what it was asked to do into calls.txt and makes the folders that the real
program would make.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ("sh", "awk", "cat", "cksum", "cp", "date", "dirname", "env", "ln", "mkdir", "rm", "sed")
FILES = ("pyproject.toml", "requirements.lock", "requirements-gpu.lock", "tools/setup")

# Answers for its version, makes virtual environments, and as their Python plays pip.
PYTHON = """#!/bin/sh
echo "{name} $*" >> "{folder}/calls.txt"
case "$1 $2" in
    "-c "*) echo {version} ;;
    "-m venv") {venv} mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
    "-m pip") case "$*" in {refused}) exit 1 ;; esac ;;
esac
"""
UV = """#!/bin/sh
echo "uv $*" >> "{folder}/calls.txt"
case "$*" in {refused}) exit 1 ;; esac
if [ "$1" = venv ]; then
    for last; do :; done
    mkdir -p "$last/bin" && cp "{folder}/bin/uv" "$last/bin/python"
fi
"""
SHIM = "#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n"


class Machine:
    """A clone, and a PATH that holds basic tools and what a test installs."""

    def __init__(self, folder):
        self.folder, self.clone = folder, folder / "clone"
        for name in FILES:
            (self.clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.clone / name)
        (folder / "bin").mkdir()
        for tool in TOOLS:
            (folder / "bin" / tool).symlink_to(shutil.which(tool))
        self.install("uname", "#!/bin/sh\necho Linux x86_64\n")

    def install(self, name, script):
        path = self.folder / "bin" / name
        path.write_text(script)
        path.chmod(0o755)

    def install_python(self, name, version, venv="", refused="nothing"):
        fields = {"name": name, "version": version, "folder": self.folder}
        self.install(name, PYTHON.format(venv=venv, refused=refused, **fields))

    def install_uv(self, refused="nothing"):
        self.install("uv", UV.format(folder=self.folder, refused=refused))

    def start(self):
        """Start tools/setup; return the process."""
        environment = {"PATH": str(self.folder / "bin"), "HOME": str(self.folder)}
        command = [self.clone / "tools" / "setup"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=self.folder, env=environment, **pipes)

    def set_up(self, *arguments, clone=None, **variables):
        """Run tools/setup; return the finished process and the calls of the stand-ins."""
        (self.folder / "calls.txt").write_text("")
        clone = clone or self.clone
        environment = {"PATH": str(self.folder / "bin"), "HOME": str(self.folder), **variables}
        command = [clone / "tools" / "setup", *arguments]
        child = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        return child, (self.folder / "calls.txt").read_text().splitlines()


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_fresh_machine_with_uv(machine):
    machine.install_python("python3.11", "3.11")
    machine.install_uv()
    child, calls = machine.set_up()
    assert child.returncode == 0, child.stderr
    target = "--python .venv/bin/python"
    assert calls[-3:] == [
        "uv venv --quiet --python python3.11 .venv",
        f"uv pip install --quiet --no-deps --require-hashes {target} -r requirements.lock",
        f"uv pip install --quiet --no-deps --no-build-isolation {target} -e .",
    ]
    assert "requirements.lock for Python 3.11 into .venv" in child.stdout
    assert (machine.clone / ".venv/.single-shot").read_text().startswith("cpu ")


def test_up_to_date_starts_nothing(machine):
    machine.install_python("python3.11", "3.11")
    machine.install_uv()
    machine.set_up()
    child, calls = machine.set_up()
    assert (child.returncode, child.stdout, child.stderr, calls) == (0, "", "", [])


@pytest.mark.parametrize("change", ["lock", "project", "interrupted", "python removed", "moved"])
def test_what_is_out_of_date_is_made_anew(machine, change):
    machine.install_python("python3.11", "3.11")
    machine.install_uv()
    machine.set_up()
    (machine.clone / ".venv/left-over").touch()
    clone = machine.clone
    if change == "lock":
        (clone / "requirements.lock").write_text("numpy==1.23.5\n")
    elif change == "project":
        (clone / "pyproject.toml").write_text("")
    elif change == "interrupted":
        (clone / ".venv/.single-shot").unlink()
    elif change == "python removed":
        (clone / ".venv/bin/python").unlink()
    else:
        clone = clone.rename(machine.folder / "elsewhere")
    child, calls = machine.set_up(clone=clone)
    assert child.returncode == 0
    assert "uv venv --quiet --python python3.11 .venv" in calls
    assert not (clone / ".venv/left-over").exists()
    assert machine.set_up(clone=clone)[1] == []


def test_gpu_build_stays_until_told_otherwise(machine):
    machine.install_python("python3.11", "3.11")
    machine.install_uv()
    assert "-r requirements-gpu.lock" in machine.set_up("gpu")[1][-2]
    assert machine.set_up()[1] == []
    (machine.clone / "pyproject.toml").write_text("")
    assert "-r requirements-gpu.lock" in machine.set_up()[1][-2]
    assert "-r requirements.lock" in machine.set_up("cpu")[1][-2]


def test_failed_installation_is_repeated(machine):
    machine.install_python("python3.11", "3.11")
    machine.install_uv(refused="*requirements.lock*")
    child, _ = machine.set_up()
    assert child.returncode == 1
    assert "set PIP_INDEX_URL or HTTPS_PROXY" in child.stderr
    assert not (machine.clone / ".venv/.single-shot").exists()
    machine.install_uv()
    assert machine.set_up()[0].returncode == 0


def test_uv_brings_python_where_there_is_none(machine):
    machine.install_uv()
    child, calls = machine.set_up()
    assert child.returncode == 0
    assert "uv venv --quiet --managed-python --python 3.11 .venv" in calls


def test_uv_that_cannot_fetch_python_takes_one_that_is_here(machine):
    machine.install_python("python3", "3.12")
    machine.install_uv(refused="*managed-python*")
    child, calls = machine.set_up()
    assert child.returncode == 0
    assert "uv venv --quiet --python python3 .venv" in calls


def test_pip_fetches_uv_where_there_is_none(machine):
    machine.install_python("python3.11", "3.11")
    machine.install_uv()
    (machine.folder / "bin/uv").rename(machine.folder / "uv")
    bring_uv = f'cp "{machine.folder}/uv" "$3-uv"; mkdir -p "$3/bin"; cp "$3-uv" "$3/bin/uv";'
    machine.install_python("python3.11", "3.11", venv=bring_uv)
    child, calls = machine.set_up()
    assert child.returncode == 0, child.stderr
    assert "-r .venv/uv.lock" in calls[-3] and "--require-hashes" in calls[-3]
    assert calls[-2].endswith("--python .venv/bin/python -r requirements.lock")
    requirement, *hashes = (machine.clone / ".venv/uv.lock").read_text().splitlines()
    assert requirement.startswith("uv==")
    assert hashes and "--hash=sha256:" in hashes[0]
    assert "==" not in "".join(hashes).replace("uv==", "")


def test_pip_alone_where_uv_cannot_be_had(machine):
    machine.install_python("python3.11", "3.11", refused="*uv.lock*")
    child, calls = machine.set_up()
    assert child.returncode == 0, child.stderr
    pip = "python3.11 -m pip install --quiet --quiet --no-deps"
    assert calls[-2:] == [
        f"{pip} --require-hashes -r requirements.lock",
        f"{pip} --no-build-isolation -e .",
    ]


def test_shim_that_does_not_run_is_passed_over(machine):
    machine.install("python3.11", SHIM)
    machine.install("python3", SHIM)
    machine.install_python("python3.12", "3.12")
    child, calls = machine.set_up()
    assert child.returncode == 0
    assert "python3.12 -m venv .venv" in calls


def test_preferred_python_comes_first(machine):
    machine.install_python("python3.13", "3.13")
    machine.install_python("python3", "3.10")
    machine.install_python("python", "3.12")
    assert "python -m venv .venv" in machine.set_up()[1]  # 3.12 before 3.10 and 3.13


def test_interpreters_of_pyenv_are_found(machine):
    machine.install_python("elsewhere", "3.13")
    folder = machine.folder / ".pyenv/versions/3.13.1/bin"
    folder.mkdir(parents=True)
    (machine.folder / "bin/elsewhere").rename(folder / "python")
    child, calls = machine.set_up("--python", "3.13", "--venv", "build/matrix/3.13")
    assert child.returncode == 0
    assert "elsewhere -m venv build/matrix/3.13" in calls


def test_nothing_fitting_says_what_to_install(machine):
    machine.install_python("python3", "3.9")
    child, _ = machine.set_up()
    assert child.returncode == 1
    assert "no Python of version 3.11, 3.12, 3.10, 3.13 and no uv was found" in child.stderr
    assert "apt install python3 python3-venv" in child.stderr
    assert not (machine.clone / ".venv").exists()
    assert machine.set_up("--python", "3.12")[0].returncode == 3


def test_python_without_venv_says_what_to_install(machine):
    machine.install_python("python3", "3.11", venv="exit 1;")
    child, _ = machine.set_up()
    assert child.returncode == 1
    assert "python3 cannot make virtual environments" in child.stderr
    assert "apt install python3-venv" in child.stderr


def test_other_platforms_are_refused(machine):
    machine.install("uname", "#!/bin/sh\necho Darwin arm64\n")
    machine.install_python("python3.11", "3.11")
    child, calls = machine.set_up()
    assert child.returncode == 1
    assert "Darwin arm64: use a Linux container" in child.stderr
    assert calls == []


def test_settings_that_would_misplace_packages_are_put_aside(machine):
    spy = 'echo "$PIP_USER,$PIP_TARGET,$PYTHONPATH" >&2;'
    machine.install_python("python3.11", "3.11")
    script = (machine.folder / "bin/python3.11").read_text().replace("case", f"{spy}\ncase", 1)
    machine.install("python3.11", script)
    variables = {"PIP_USER": "1", "PIP_TARGET": "/elsewhere", "PYTHONPATH": "/elsewhere"}
    child, _ = machine.set_up(**variables)
    assert child.returncode == 0
    assert child.stderr.splitlines()[-1] == "0,,"


def test_index_of_pip_is_the_index_of_uv(machine):
    machine.install_python("python3.11", "3.11")
    machine.install_uv()
    script = (machine.folder / "bin/uv").read_text()
    machine.install("uv", script.replace("case", 'echo "$UV_DEFAULT_INDEX" >&2\ncase', 1))
    child, _ = machine.set_up(PIP_INDEX_URL="https://mirror.example/simple")
    assert child.stderr.splitlines()[-1] == "https://mirror.example/simple"


def test_unknown_argument(machine):
    child, calls = machine.set_up("cuda")
    assert child.returncode == 1
    assert "unknown argument cuda" in child.stderr
    assert calls == []


def test_of_two_at_once_the_second_waits_and_finds_it_done(machine):
    machine.install("flock", f'#!/bin/sh\nexec {shutil.which("flock")} "$@"\n')
    machine.install("sleep", f'#!/bin/sh\nexec {shutil.which("sleep")} "$@"\n')
    slow = "sleep 1; echo begun >> begun;"
    machine.install_python("python3.11", "3.11", venv=slow)
    children = [machine.start() for _ in range(2)]
    outputs = [child.communicate()[0] for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert sorted(".venv is ready" in text for text in outputs) == [False, True]
    assert (machine.clone / "begun").read_text() == "begun\n"
