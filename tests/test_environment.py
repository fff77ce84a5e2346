"""pyproject.toml, the locks and the conda environments say the same."""

import importlib.util
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
VARIANTS = ("cpu", "gpu")

_spec = importlib.util.spec_from_file_location("lock", ROOT / "tools" / "lock.py")
lock = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(lock)


def pinned(variant, python):
    """Return {name: version} of a lock under one Python."""
    pairs = lock.locked_requirements(ROOT / lock.LOCKS[variant], python)
    pins = {item.name: str(item.specifier).removeprefix("==") for item, _ in pairs}
    assert len(pins) == len(pairs)
    return pins


def declared(python):
    """Return {section: [Requirement]} of pyproject.toml under one Python."""
    sections, section = {}, None
    for line in (ROOT / "pyproject.toml").read_text().splitlines():
        if match := re.match(r"(\w+) = \[$", line):
            section = sections.setdefault(match.group(1), [])
        elif section is not None and (match := re.match(r'    "(.+)",\s*# \S', line)):
            section.append(Requirement(match.group(1)))
    return {
        name: [item for item in items if lock.applies(item, python)]
        for name, items in sections.items()
    }


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_lock_holds_what_pyproject_declares(variant, python):
    pins, sections = pinned(variant, python), declared(python)
    wanted = sections["dependencies"] + sections[variant] + sections["dev"]
    assert len(wanted) > 20
    for requirement in wanted:
        assert requirement.specifier.contains(pins[requirement.name]), requirement


@pytest.mark.parametrize("python", PYTHONS)
def test_variants_differ_in_mxnet_and_cuda_only(python):
    cpu, gpu = pinned("cpu", python), pinned("gpu", python)
    assert {"mxnet"} == cpu.keys() - gpu.keys()
    assert all(
        name.startswith("nvidia-") for name in gpu.keys() - cpu.keys() - {"mxnet-cu117", "wheel"}
    )
    assert cpu == {name: gpu.get(name, "1.9.1") for name in cpu}
    assert not {"opencv-python", "torch"} & (cpu.keys() | gpu.keys())


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_entry_has_hashes_and_no_file_a_host(variant):
    text = (ROOT / lock.LOCKS[variant]).read_text()
    entries = re.split(r"\n(?=[a-z])", text)[1:]
    assert len(entries) > 100
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)
    for name in (lock.LOCKS[variant], lock.ENVIRONMENTS[variant], "pyproject.toml"):
        assert not re.search(r"://|index-url|find-links", (ROOT / name).read_text()), name


@pytest.mark.parametrize("variant", VARIANTS)
def test_conda_environment_is_the_lock_with_a_reason_on_every_line(variant):
    text = (ROOT / lock.ENVIRONMENTS[variant]).read_text()
    assert text == lock.conda_environment(variant)
    lines = re.findall(r"^      - (\S+==\S+)  # \S", text, re.MULTILINE)
    pins = pinned(variant, lock.CONDA_PYTHON)
    assert lines == [f"{name}=={version}" for name, version in pins.items()]
    dependencies = text.split("dependencies:\n")[1].splitlines()
    assert all("  # " in line or line == "  - pip:" for line in dependencies)


def test_this_interpreter_runs_the_locked_versions():
    """The environment of the tests is the one that the lock describes."""
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    for name in ("numpy", "gluoncv", "opencv-python-headless", "scikit-image", "scikit-learn"):
        assert metadata.version(name) == pinned("cpu", python)[name]


def test_make_alone_lists_every_target():
    command = ["make", "--no-print-directory"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {line.split()[1] for line in listed.splitlines()} == set(targets)
    assert {"setup", "run", "test", "lab", "data", "train", "check", "matrix", "clean"} < {*targets}


def test_clean_removes_every_cache():
    command = ["make", "--dry-run", "--no-print-directory", "clean"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    ignored = (ROOT / ".devcontainer" / "Dockerfile.dockerignore").read_text()
    caches = set(re.findall(r"[.\w]*cache\w*", ignored))
    assert {".cache", ".mypy_cache", ".ruff_cache"} <= caches <= {*printed.split()}


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_pin_every_action(path):
    uses = re.findall(r"uses: (.+)", path.read_text())
    assert uses
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v[\d.]+", use) for use in uses)


def test_the_condition_in_turn_has_commits_to_count():
    """`--condition turn` goes by their number, which is 1 in a shallow clone."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    checkout, *_ = workflow["jobs"]["test"]["steps"]
    assert checkout["uses"].startswith("actions/checkout@")
    assert checkout["with"] == {"persist-credentials": False, "fetch-depth": 0}
