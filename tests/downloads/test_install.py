import hashlib
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

from single_shot.command import main
from single_shot.downloads.install import ARCHIVES, install, obtain
from single_shot.downloads.sources import DATA_SETS, DataSet, RemoteFile
from single_shot.downloads.transfer import DownloadError, StorageError
from utils.records import read_records, write_records

import numpy as np
import pytest

CONTENT = b"the published file"


def published(name, content=CONTENT, urls=("https://a.invalid/f", "https://b.invalid/f")):
    checksums = {"sha256": hashlib.sha256(content).hexdigest()}
    return RemoteFile(name, urls, checksums, len(content))


FILE = published("a.bin")
PLAIN = DataSet("plain", (FILE, published("b.bin")), False, "a.bin", "")


@pytest.fixture
def network(monkeypatch):
    """Sources by their address, with what they give; the list of those that were asked."""
    sources, asked = {}, []

    def download(file, url, path, session):
        asked.append(url)
        given = sources.get(url, DownloadError("no such source"))
        if isinstance(given, BaseException):
            raise given
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(given)

    monkeypatch.setattr("single_shot.downloads.install.download", download)
    return sources, asked


def test_a_local_folder_comes_first_and_stays_as_it_is(network, tmp_path):
    (tmp_path / "local").mkdir()
    local = tmp_path / "local" / "a.bin"
    local.write_bytes(CONTENT)
    assert obtain(FILE, tmp_path / "out", tmp_path / "local") == local
    assert network[1] == []
    assert not (tmp_path / "out").exists()


def test_what_is_there_already_is_not_fetched(network, tmp_path):
    (tmp_path / "a.bin").write_bytes(CONTENT)
    assert obtain(FILE, tmp_path, tmp_path / "absent") == tmp_path / "a.bin"
    assert network[1] == []


@pytest.mark.parametrize("content", [b"", b"the publishes file", CONTENT + b"."])
def test_another_local_file_is_named_and_passed_over(network, tmp_path, content):
    sources, asked = network
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "a.bin").write_bytes(content)
    sources[FILE.urls[0]] = CONTENT
    path = obtain(FILE, tmp_path / "out", tmp_path / "local")
    assert path == tmp_path / "out" / "a.bin" and asked == [FILE.urls[0]]
    sources.clear()
    with pytest.raises(
        DownloadError, match=r"local/a\.bin\n    .*the published file is a\.bin: 18"
    ):
        obtain(FILE, tmp_path / "other", tmp_path / "local")


def test_sources_are_asked_in_turn(network, tmp_path):
    sources, asked = network
    sources[FILE.urls[1]] = CONTENT
    assert obtain(FILE, tmp_path).read_bytes() == CONTENT
    assert asked == list(FILE.urls)


def test_when_all_fail_the_error_names_all_and_what_to_do(network, tmp_path):
    network[0][FILE.urls[0]] = DownloadError("the server answers 404")
    with pytest.raises(DownloadError) as caught:
        obtain(FILE, tmp_path / "out", tmp_path / "stick")
    assert str(caught.value) == (
        "a.bin could not be fetched:\n"
        f"  {tmp_path}/stick/a.bin\n    no such file\n"
        "  https://a.invalid/f\n    the server answers 404\n"
        "  https://b.invalid/f\n    no such source\n"
        f"Try again later, or fetch it by hand ({FILE.describe()}),\n"
        f"put it into {tmp_path}/out and run the same command again"
    )


def test_where_nothing_can_be_written_no_other_source_is_asked(network, tmp_path):
    sources, asked = network
    sources[FILE.urls[0]] = StorageError("read-only")
    with pytest.raises(StorageError):
        obtain(FILE, tmp_path)
    assert asked == [FILE.urls[0]]


def test_a_file_of_ones_own_is_never_replaced(network, tmp_path):
    sources, asked = network
    sources[FILE.urls[0]] = CONTENT
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.bin").write_bytes(b"my own")
    (tmp_path / "a.bin").write_bytes(CONTENT)
    for local in (None, tmp_path):
        with pytest.raises(DownloadError, match=r"out/a\.bin: 6 bytes; .*move it away"):
            install(PLAIN, tmp_path / "out", local)
    assert (tmp_path / "out" / "a.bin").read_bytes() == b"my own"
    assert asked == []


def test_plain_files_are_copied_from_a_local_folder(network, tmp_path):
    (tmp_path / "a.bin").write_bytes(CONTENT)
    network[0][FILE.urls[1]] = CONTENT  # b.bin is not in the local folder
    install(PLAIN, tmp_path / "out", tmp_path)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.bin", "b.bin"]
    assert (tmp_path / "out" / "a.bin").read_bytes() == CONTENT
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_record_file_gets_the_index_that_it_lacks(network, tmp_path):
    write_records(tmp_path / "val", [(np.zeros((8, 8, 3), np.uint8), [])])
    file = published("val.rec", (tmp_path / "val.rec").read_bytes())
    install(DataSet("records", (file,), False, "", ""), tmp_path / "out", tmp_path)
    ((key, image, labels),) = read_records(tmp_path / "out" / "val.rec", 1)
    assert (key, image.shape, len(labels)) == (0, (8, 8, 3), 0)


def test_an_index_that_is_there_stays(network, tmp_path):
    write_records(tmp_path / "a", [(np.zeros((8, 8, 3), np.uint8), [])])
    (tmp_path / "a.idx").write_text("7\t0\n")
    files = [published(name, (tmp_path / name).read_bytes()) for name in ("a.rec", "a.idx")]
    install(DataSet("records", files, False, "", ""), tmp_path / "out", tmp_path)
    assert (tmp_path / "out" / "a.idx").read_text() == "7\t0\n"


def test_a_copy_that_went_wrong_leaves_nothing(tmp_path, monkeypatch):
    (tmp_path / "a.bin").write_bytes(CONTENT)
    monkeypatch.setattr(shutil, "copyfile", lambda _, new: Path(new).write_bytes(b"half"))
    with pytest.raises(DownloadError, match=r"a\.bin: changed while it was copied"):
        install(PLAIN, tmp_path / "out", tmp_path)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.fixture
def archived(tmp_path):
    """A DataSet whose archive lies in the folder tmp_path."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("inside/label.csv", "0")
    file = published("a.zip", (tmp_path / "a.zip").read_bytes())
    return DataSet("archived", (file,), True, "inside", "")


def test_an_archive_is_extracted_once(network, archived, tmp_path):
    folder = tmp_path / "out" / "toy"
    install(archived, folder, tmp_path)
    assert (folder / "inside" / "label.csv").read_text() == "0"
    (tmp_path / "a.zip").unlink()
    install(archived, folder, tmp_path)  # needs no archive any more
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["toy"]
    assert network[1] == []


def test_a_fetched_archive_stays_for_the_next_time(network, archived, tmp_path):
    (file,) = archived.files
    network[0][file.urls[0]] = (tmp_path / "a.zip").read_bytes()
    for _ in range(2):
        install(archived, tmp_path / "out" / "toy")
        shutil.rmtree(tmp_path / "out" / "toy")
    assert network[1] == [file.urls[0]]
    assert [path.name for path in (tmp_path / "out").iterdir()] == [ARCHIVES]


@pytest.mark.parametrize("place", ["toy", "inside"])
def test_an_unpacked_copy_does_where_its_content_is_right(network, archived, tmp_path, place):
    (tmp_path / "a.zip").unlink()
    copy = tmp_path / "local" / place
    for name in ("images/1.jpg", "labels/1.xml", "of-another.txt"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text(name)
    lines = [
        f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n"
        for name in ("images/1.jpg", "labels/1.xml")
    ]
    tree = hashlib.sha256("".join(lines).encode()).hexdigest()
    known = replace(archived, parts=("images", "labels"), tree=tree)
    install(known, tmp_path / "out" / "toy", tmp_path / "local")
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert sorted(path.relative_to(tmp_path / "out").as_posix() for path in written) == [
        "toy/inside/images/1.jpg",
        "toy/inside/labels/1.xml",
    ]
    assert network[1] == []

    shutil.rmtree(tmp_path / "out")
    (copy / "labels/2.xml").write_text("one more")
    with pytest.raises(DownloadError, match=f"local/{place}: its images, labels have SHA-256"):
        install(known, tmp_path / "out" / "toy", tmp_path / "local")
    assert list((tmp_path / "out").iterdir()) == [] and network[1] == []


def test_the_command_goes_on_after_a_failure(network, archived, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(DATA_SETS, "archived", archived)
    monkeypatch.setitem(DATA_SETS, "plain", PLAIN)
    arguments = ["plain", "archived", "--from", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main(["fetch", *arguments]) == 1
    out, err = capsys.readouterr()
    assert f"archived is in {tmp_path}/out/archived. Next:\n  python3 -m single_shot prepare" in out
    assert err.startswith("plain: a.bin could not be fetched:")
    assert main(["fetch", *arguments[1:]]) == 0


def test_the_command_says_how_to_go_on_after_an_interruption(
    network, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(DATA_SETS, "plain", PLAIN)
    network[0][FILE.urls[0]] = KeyboardInterrupt()
    assert main(["fetch", "plain", "--out", str(tmp_path)]) == 130
    assert "stopped; the same command goes on from there" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["mnist"], ["banana", "--into", "x"]])
def test_wrong_arguments_are_refused_with_the_choices(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["fetch", *arguments])
    assert caught.value.code == 2
    assert "usage: single-shot fetch" in capsys.readouterr().err


def test_help_lists_every_data_set(capsys):
    with pytest.raises(SystemExit):
        main(["fetch", "--help"])
    out = " ".join(capsys.readouterr().out.split())
    assert all(name in out and each.title in out for name, each in DATA_SETS.items())
