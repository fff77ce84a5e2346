"""What code hosts, editors, containers and Binder read: it parses, and what it names exists."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from test_environment import lock

ROOT = Path(__file__).resolve().parents[1]
CONTAINER, BINDER, HOST = ROOT / ".devcontainer", ROOT / ".binder", ROOT / ".github"
MAKEFILE = (ROOT / "Makefile").read_text()
DOCKERFILE = (CONTAINER / "Dockerfile").read_text()
FORMS = {path.stem: path for path in sorted((HOST / "ISSUE_TEMPLATE").glob("*.yml"))}
SETTINGS = FORMS.pop("config")
TEXTS = [
    *(ROOT / name for name in ("CHANGELOG.md", "CITATION.cff", ".pre-commit-config.yaml")),
    *sorted(HOST.glob("*.md")),
    *FORMS.values(),
    *(CONTAINER / name for name in ("Dockerfile", "devcontainer.json")),
    BINDER / "postBuild",
    HOST / "workflows" / "release.yml",
]


def project(key):
    """Return a text of the section [project] of pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text()
    return re.search(rf'^{key} = "(.+)"$', text, re.MULTILINE)[1]


def first(pattern, text):
    """Return the first group of a pattern, whose ^ is the begin of a line."""
    return re.search(pattern, text, re.MULTILINE)[1]


def test_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["message"] and citation["title"]  # with the authors, what the format asks for
    assert citation["authors"] == [{"name": "The Single Shot developers"}]
    for key in ("version", "license"):
        assert citation[key] == project(key)


def test_changelog_begins_with_what_is_unreleased():
    text = (ROOT / "CHANGELOG.md").read_text()
    assert first(r"^## (.+)", text) == "[Unreleased]"
    kinds = re.findall(r"^### (.+)", text, re.MULTILINE)
    assert {*kinds} <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert f"`pyproject.toml` is {project('version')}." in text


def test_hooks_are_the_commands_of_make_check_and_sync():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    python = first(r"^python := (.+)", MAKEFILE)
    recipe = first(r"^check:.*\n((?:\t.+\n)+)", MAKEFILE).splitlines()
    checks = [line.strip().replace("$(python)", python) for line in recipe]
    hooks = repository["hooks"]
    assert [hook["entry"] for hook in hooks] == [*checks, f"{python} tools/sync.py --check"]
    assert repository["repo"] == "local"
    assert all(hook["language"] == "system" and not hook["pass_filenames"] for hook in hooks)


@pytest.mark.parametrize("name", FORMS)
def test_forms_are_as_the_code_host_reads_them(name):
    form = yaml.safe_load(FORMS[name].read_text())
    assert form.keys() == {"name", "description", "labels", "body"}
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    labels = [field["attributes"]["label"] for field in fields]
    assert fields and len({*labels}) == len(labels)
    assert {field["type"] for field in fields} <= {"input", "textarea"}
    assert all(field["validations"] == {"required": True} for field in fields)


@pytest.mark.parametrize(
    ("name", "ids"),
    [("bug", "doctor command"), ("lesson", "lesson cell"), ("question", "question")],
)
def test_forms_ask_for_what_is_needed(name, ids):
    body = yaml.safe_load(FORMS[name].read_text())["body"]
    assert {*ids.split()} <= {field.get("id") for field in body}
    assert yaml.safe_load(SETTINGS.read_text()) == {"blank_issues_enabled": False}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_files_and_targets_that_are_named_exist(path):
    text = path.read_text().replace("../blob/HEAD/", "")
    targets = re.findall(r'\bmake(?: |", ")([a-z]+)', text)
    assert {*targets} <= {*re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE)}
    suffixes = "cff|ipynb|lock|md|py|toml|yml"
    for name in re.findall(rf"[\w./-]*(?:\.(?:{suffixes})|Dockerfile)\b", text):
        assert any((room / name).exists() for room in (ROOT, ROOT / "notebooks", path.parent)), name


def test_python_is_that_of_the_locks():
    container = first(r"^FROM --platform=linux/amd64 python:(\S+)-slim-\w+ AS tools$", DOCKERFILE)
    binder = (BINDER / "runtime.txt").read_text()
    assert (container, binder) == (lock.CONDA_PYTHON, f"python-{lock.CONDA_PYTHON}\n")
    assert SpecifierSet(project("requires-python")).contains(container)


def test_editors_mount_the_clone_into_the_stage_without_it():
    settings = json.loads((CONTAINER / "devcontainer.json").read_text())
    build = settings["build"]
    assert (CONTAINER / build["context"]).resolve() == ROOT
    tools, whole = DOCKERFILE.split("\nFROM tools\n")
    assert tools.count("FROM ") == 1 and build["target"] == "tools"
    assert "COPY" not in tools and tools.rstrip().endswith("USER student")
    assert "USER" not in whole
    assert settings["forwardPorts"] == [int(first(r"^EXPOSE (\d+)", whole))]
    assert json.loads(first(r"echo '(.+)'", tools))["ServerApp"]["ip"] == "0.0.0.0"


def test_a_container_leaves_out_what_git_does():
    ignored = [(CONTAINER / "Dockerfile.dockerignore"), ROOT / ".gitignore"]
    docker, git = ({*re.findall(r"^[^#\n].*", path.read_text(), re.MULTILINE)} for path in ignored)
    docker = {line.removeprefix("**/") for line in docker}
    git = {re.sub("^(!?)/", r"\1", line.removesuffix("/")) for line in git}
    assert docker == git | {".git", ".mypy_cache"}


def test_binder_runs_lessons_in_the_locked_environment():
    script = BINDER / "postBuild"
    assert os.access(script, os.X_OK)
    assert script.read_text().splitlines()[-2:] == [
        "make data",
        '.venv/bin/python -m ipykernel install --prefix "$NB_PYTHON_PREFIX" --name python3',
    ]


def test_continuous_integration_takes_the_conditions_in_turn():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().splitlines()[-1] == "exec make test CONDITION=turn"


def test_a_lesson_that_is_asked_for_is_run_alone():
    """`make -n` prints what each target would do and does nothing."""
    # `make test CONDITION=...`, in which this test may run, hands its variables on.
    path = {"PATH": os.environ["PATH"]}
    command = ["make", "-n", "run", "test", "anywhere", "LESSONS=05 05b"]
    printed = subprocess.check_output(command, cwd=ROOT, env=path, text=True)
    for tool in ("run_lessons.py", "run_tests.py", "run_tests.py --anywhere"):
        assert re.search(rf"tools/{tool} +--lessons 05 05b$", printed, re.MULTILINE), tool
