"""Files and folders are whole or not there, whatever befalls those who write them."""

import os
import subprocess
import sys
from pathlib import Path

from single_shot.files import Locked, appearing_folder, locked, sha256, write_whole
from utils.files import process_id, replace_atomically

import pytest


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(temporary):
        with open(temporary, "w") as file:
            file.write("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_atomically(path, fail)
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["a.txt"]


def dead_process():
    """Return the number of a process that has ended, and a tick at which it may have begun."""
    with subprocess.Popen(["true"]) as dead:
        dead.wait()
    return f"{dead.pid}-123"


def test_strays_of_dead_processes_go_and_others_stay(tmp_path):
    dead, alive = dead_process(), process_id(os.getppid())
    same_number = f"{os.getpid()}-1"  # as in a container, where all are the first process
    strays = [f".a.txt.{dead}.old", f".a.txt.{dead}.tmp", f".a.txt.{same_number}.tmp"]
    others = [f".a.txt.{alive}.tmp", ".a.txt.x.tmp", ".b.txt.1.tmp", f"a.txt.{dead}.tmp"]
    (tmp_path / strays[0]).mkdir()  # of a folder
    for name in [*strays[1:], *others]:
        (tmp_path / name).write_text("half")
    write_whole(tmp_path / "a.txt", "new")
    assert names_in(tmp_path) == sorted(["a.txt", *others])


def test_text_and_bytes_are_written_whole(tmp_path):
    write_whole(tmp_path / "new" / "a.txt", "für")
    write_whole(tmp_path / "new" / "a.bin", b"\0\xff")
    assert (tmp_path / "new" / "a.txt").read_text(encoding="utf-8") == "für"
    assert (tmp_path / "new" / "a.bin").read_bytes() == b"\0\xff"
    assert sha256(tmp_path / "new" / "a.bin").startswith("06eb7d6a69ee19e5")


def test_a_folder_appears_when_it_is_complete(tmp_path):
    with appearing_folder(tmp_path / "deep" / "set") as folder:
        (folder / "a.txt").write_text("a")
        assert not (tmp_path / "deep" / "set").exists()
    assert names_in(tmp_path / "deep") == ["set"] and names_in(tmp_path / "deep/set") == ["a.txt"]


def test_a_folder_takes_the_place_of_an_older_one(tmp_path):
    for content in ("old", "new"):
        with appearing_folder(tmp_path / "set") as folder:
            (folder / content).write_text(content)
    assert names_in(tmp_path) == ["set"] and names_in(tmp_path / "set") == ["new"]


def test_a_failure_leaves_the_older_folder(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "old").write_text("old")
    with pytest.raises(OSError, match="disk full"), appearing_folder(tmp_path / "set") as folder:
        (folder / "half").write_text("half")
        raise OSError("disk full")
    assert names_in(tmp_path) == ["set"] and names_in(tmp_path / "set") == ["old"]


def test_a_folder_that_cannot_take_its_place_gives_the_older_one_back(tmp_path, monkeypatch):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "old").write_text("old")
    replace, calls = os.replace, []

    def second_fails(*paths):
        calls.append(paths)
        if len(calls) == 2:
            raise OSError("gone")
        replace(*paths)

    monkeypatch.setattr("utils.files.os.replace", second_fails)
    with pytest.raises(OSError, match="gone"), appearing_folder(tmp_path / "set"):
        pass
    assert names_in(tmp_path) == ["set"] and names_in(tmp_path / "set") == ["old"]


def test_the_only_copy_that_a_killed_process_moved_aside_is_not_lost(tmp_path):
    aside = tmp_path / f".set.{dead_process()}.old"
    aside.mkdir()
    (aside / "old").write_text("old")
    with pytest.raises(OSError, match="disk full"), appearing_folder(tmp_path / "set"):
        raise OSError("disk full")
    assert names_in(tmp_path) == ["set"] and names_in(tmp_path / "set") == ["old"]


HOLD = "import sys\nfrom single_shot.files import locked\nfrom pathlib import Path\n"
HOLD += "with locked(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"


def test_another_process_is_kept_out_until_it_ends(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path / "set")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, env=os.environ | {"PYTHONPATH": "."}) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Locked, match="set: another process is at work there; wait for it"):
            locked(tmp_path / "set").__enter__()
        holder.kill()
    waited = []
    with locked(tmp_path / "set", lambda: waited.append(1)):
        assert waited == [] and not (tmp_path / "set").exists()


def test_the_folder_one_stands_in_can_be_locked(tmp_path, monkeypatch):
    (tmp_path / "set").mkdir()
    monkeypatch.chdir(tmp_path / "set")
    with locked(Path(".")), pytest.raises(Locked):
        locked(tmp_path / "set").__enter__()
