"""Write the hash locks and the conda environments from pyproject.toml; `make lock` calls it.

    python tools/lock.py [--upgrade]

Versions already locked stay unless pyproject.toml rules them out; --upgrade takes the newest.
"""

import re
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
CONDA_PYTHON = "3.11"
LINUX = {"sys_platform": "linux", "platform_machine": "x86_64", "extra": ""}
LOCKS = {"cpu": "requirements.lock", "gpu": "requirements-gpu.lock"}
ENVIRONMENTS = {"cpu": "environment.yml", "gpu": "environment-gpu.yml"}

CONDA_HEADER = """\
# Written by `make lock` from pyproject.toml and {lock}: edit those. With conda:
#   PIP_NO_DEPS=1 conda env create -f {file}
# The list is complete; without PIP_NO_DEPS=1 pip would add a second OpenCV beside the headless one.
name: {name}  # conda activate {name}
channels:
  - conda-forge  # Python itself comes from here
dependencies:
  - python={python}  # the newest Python on which MXNet needs no NumPy names put back
  - pip  # MXNet 1.9.1 exists as a pip package only, so pip installs all that must fit it
  - pip:
"""


def main(arguments):
    for variant, lock in LOCKS.items():
        print(f"resolve {lock}", flush=True)
        compile_lock(variant, ROOT / lock, arguments)
        print(f"write {ENVIRONMENTS[variant]}", flush=True)
        (ROOT / ENVIRONMENTS[variant]).write_text(conda_environment(variant))


def compile_lock(variant, path, arguments):
    """Resolve the dependencies for every supported Python into one file of hashes, no hosts."""
    command = ["uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.10"]
    command += ["--generate-hashes", "--no-emit-index-url", "--extra", variant, "--extra", "dev"]
    command += ["--custom-compile-command", "make lock", "--output-file", path.name]
    subprocess.run([*command, *arguments, "pyproject.toml"], cwd=ROOT, check=True)


def conda_environment(variant):
    """Return the text of a conda environment with the locked versions, a reason on every line."""
    lines = CONDA_HEADER.format(
        lock=LOCKS[variant],
        file=ENVIRONMENTS[variant],
        name="single-shot" if variant == "cpu" else f"single-shot-{variant}",
        python=CONDA_PYTHON,
    )
    reasons = declared_reasons(CONDA_PYTHON)
    for requirement, parents in locked_requirements(ROOT / LOCKS[variant], CONDA_PYTHON):
        reason = reasons.get(requirement.name) or "needed by " + ", ".join(parents)
        lines += f"      - {requirement.name}{requirement.specifier}  # {reason}\n"
    return lines + "      - -e .  # the lessons' own packages\n"


def locked_requirements(lock, python_version):
    """Return [(requirement, [names that need it])] of one lock for one Python version."""
    pinned = []
    for entry in re.split(r"\n(?=\S)", lock.read_text()):
        if entry.startswith("#"):
            continue
        text, _, annotation = entry.partition("    # via")
        requirement = Requirement(text.split("\\")[0])
        if applies(requirement, python_version):
            words = annotation.replace("#", " ").split("\n")
            parents = [word.strip() for word in words if word.strip() and "pyproject" not in word]
            pinned.append((requirement, parents))
    return pinned


def declared_reasons(python_version):
    """Return {package name: the comment beside it in pyproject.toml} for one Python version."""
    project = (ROOT / "pyproject.toml").read_text().partition("\n[dependency-groups]")[0]
    lines = re.findall(r'^    "(.+)",\s*# (.+)$', project, re.M)
    declared = [(Requirement(text), reason) for text, reason in lines]
    return {item.name: reason for item, reason in declared if applies(item, python_version)}


def applies(requirement, python_version):
    """Tell whether a requirement counts under one Python version on 64-bit Linux."""
    environment = LINUX | {
        "python_version": python_version,
        "python_full_version": f"{python_version}.0",
    }
    return requirement.marker is None or requirement.marker.evaluate(environment)


if __name__ == "__main__":
    main(sys.argv[1:])
