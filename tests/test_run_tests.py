"""tools/run_tests.py: conditions, counts and exit status, on tests written for the purpose."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]


# As the first cell of a lesson, then arrays of two devices in one operator.
MIX_DEVICES = """
from utils.context import best_context
from mxnet import cpu, nd
print(best_context())
try:
    nd.ones(1, ctx=best_context()) + nd.ones(1, ctx=cpu(0))
except AssertionError as error:
    print(error)
"""


@pytest.fixture
def run_tests(tmp_path, monkeypatch):
    """The tool as a module, in a project with one good and one bad test."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    module = importlib.import_module("run_tests")
    (tmp_path / "tests").mkdir()
    (tmp_path / "notebooks").mkdir()
    # Without the plugins of this project, whose import is most of so small a run.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p xdist.plugin")
    monkeypatch.setattr(module, "core_count", lambda: 1)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "BUILD", tmp_path / "build")
    (tmp_path / "build").mkdir()
    return module


def write_test(tmp_path, code):
    (tmp_path / "tests/test_a.py").write_text(code)


def test_what_passed_failed_and_was_skipped_is_counted(run_tests, tmp_path):
    code = "import pytest\ndef test_good(): pass\ndef test_bad(): assert 1 == 2\n"
    write_test(tmp_path, code + "def test_not(): pytest.skip('no')\n")
    outcome = run_tests.run_pytest("x", 1, ["tests"], {}, open(tmp_path / "log", "w"))  # noqa: SIM115
    assert outcome.passed == 1 and outcome.failures == ["tests.test_a::test_bad"]
    assert str(outcome).startswith("1 passed, 1 failed, ")
    write_test(tmp_path, "import what_is_not_there\n")
    outcome = run_tests.run_pytest("x", 1, ["tests"], {}, open(tmp_path / "log", "w"))  # noqa: SIM115
    assert outcome.passed == 0 and len(outcome.failures) == 1


def test_no_test_at_all_is_a_failure(run_tests, tmp_path):
    outcome = run_tests.run_pytest("x", 1, ["tests"], {}, open(tmp_path / "log", "w"))  # noqa: SIM115
    assert outcome.failures == ["pytest ended with status 5"]


def test_one_thread_is_the_default(run_tests, tmp_path):
    write_test(tmp_path, "import os\ndef test(): print(os.environ['OMP_NUM_THREADS']); assert 0\n")
    with open(tmp_path / "log", "w") as log:
        run_tests.run_pytest("x", 1, ["tests"], {}, log)
    assert f"stdout call {'-' * 29}\n1\n" in (tmp_path / "log").read_text()


def test_lessons_by_number(run_tests, tmp_path):
    (tmp_path / "notebooks/solutions").mkdir()
    for name in ("05_targets", "05b_target_traps", "12_training_on_voc", "solutions/05_targets"):
        (tmp_path / f"notebooks/{name}.ipynb").write_text("")

    def names(*numbers):
        paths = run_tests.lesson_paths(numbers)
        return [str(path.relative_to(tmp_path / "notebooks").with_suffix("")) for path in paths]

    both = ["05_targets", "solutions/05_targets"]
    assert names() == ["12_training_on_voc", both[0], "05b_target_traps", both[1]]
    assert names("05") == both and names("05b") == ["05b_target_traps"]
    with pytest.raises(SystemExit, match="no lesson 0, 99; there are 05, 05b, 12"):
        names("05", "0", "99")


def test_the_turn_goes_through_all_conditions(run_tests, monkeypatch):
    names = run_tests.possible_conditions()
    assert {"native", "sse41", "threads-4", "seed-3", "device"} <= set(names)
    counts = iter(range(1000, 1000 + len(names)))

    class Counted:
        def __init__(self):
            self.stdout = f"{next(counts)}\n"

    monkeypatch.setattr(run_tests.subprocess, "run", lambda *_, **__: Counted())
    assert {run_tests.condition_in_turn() for _ in names} == set(names)


def test_the_workflow_on_the_code_host_has_every_condition(run_tests):
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    listed = workflow["jobs"]["anywhere"]["strategy"]["matrix"]["condition"]
    assert listed == list(run_tests.CONDITIONS)


def test_every_condition_is_reported_and_a_failure_counts(run_tests, tmp_path, monkeypatch, capsys):
    calls = []

    def run_pytest(name, workers, arguments, environment, log=None):
        calls.append((name, "--nbval-lax" in arguments, environment))
        failures = ["lesson::cell"] if name == "avx2-lessons" else []
        return run_tests.Outcome(3, failures, 1.0)

    monkeypatch.setattr(run_tests, "run_pytest", run_pytest)
    monkeypatch.setattr(run_tests, "possible_conditions", lambda: ["native", "avx2", "device"])
    assert run_tests.main(["--anywhere"]) == 1
    printed = capsys.readouterr().out
    assert "avx2       lessons  3 passed, 1 failed, 1 s\n    lesson::cell\n" in printed
    assert [lax for name, lax, _ in calls if name.endswith("lessons")] == [False, False, True]
    start_up = Path(calls[-1][2]["IPYTHONDIR"]) / "profile_default/startup/00_stand_in.py"
    assert "take_over()" in start_up.read_text()
    assert run_tests.main(["--condition", "native"]) == 0
    assert run_tests.main(["--condition", "avx2"]) == 1


def test_the_condition_device_takes_the_stand_in_and_refuses_a_mix(run_tests, monkeypatch):
    """What a kernel of that condition runs before a lesson, in IPython without a notebook."""
    environments = []
    monkeypatch.setattr(run_tests, "lesson_paths", lambda numbers: [])
    monkeypatch.setattr(run_tests, "run_pytest", lambda *words: environments.append(words[-1]))
    run_tests.run_condition("device", ["05"])
    command = [sys.executable, "-m", "IPython", "--no-banner", "-c", MIX_DEVICES]
    environment = os.environ | environments[0]
    child = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert child.stdout.splitlines() == [
        "cpu(1)",
        "one operator, arrays on ['cpu(0)', 'cpu(1)']",
    ], child.stderr
