import hashlib
import re
import shlex
from pathlib import Path

from single_shot.downloads.sources import DATA_SETS, RemoteFile, find_fault

import pytest

FILES = [file for data_set in DATA_SETS.values() for file in data_set.files]
LENGTHS = {"sha1": 40, "sha256": 64}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_published_files_can_be_recognised_and_fetched(file):
    assert Path(file.name).name == file.name
    assert len(set(file.urls)) == len(file.urls) >= 3
    tails = (f"/{file.name}", "v1.0.zip", "/v1.0")  # GitHub names an archive by its tag
    assert all(url.startswith("https://") and url.endswith(tails) for url in file.urls)
    assert file.checksums
    for algorithm, value in file.checksums.items():
        assert re.fullmatch(r"[0-9a-f]+", value) and len(value) == LENGTHS[algorithm]
    assert (file.size is None) != (file.limit is None)
    assert 0 < file.max_size <= 2_000_000_000


def test_no_two_files_are_confused():
    sums = [value for file in FILES for value in file.checksums.values()]
    assert len({*sums}) == len(sums) == 13
    assert len({file.name for file in FILES}) == len(FILES) == 8


def test_weak_checksums_alone_are_the_two_records_of_pikachu():
    """As the module says; a SHA-256 sum that comes to light belongs there."""
    assert [file.name for file in FILES if "sha256" not in file.checksums] == [
        "train.rec",
        "val.rec",
    ]


@pytest.mark.parametrize("name", DATA_SETS)
def test_next_command_names_source_and_target(name):
    words = shlex.split(DATA_SETS[name].next_command(f"my data/{name}"))
    assert words[:3] == ["python3", "-m", "single_shot"]
    assert words[3] == "prepare" and words[4].split("/")[:2] == ["my data", name]
    assert words[-2:] == ["--out", f"my data/{name}_prepared"]


def file_of(content, **fields):
    sums = {name: hashlib.new(name, content).hexdigest() for name in ("sha256", "sha1")}
    return RemoteFile("a.bin", (), sums, **fields)


def test_find_fault(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"abc")
    assert find_fault(path, file_of(b"abc", size=3)) is None
    assert find_fault(path, file_of(b"abc", limit=3)) is None
    assert find_fault(path, file_of(b"abc", limit=2)).startswith("3 bytes; the published")
    assert find_fault(path, file_of(b"abcd", size=4)).startswith("3 bytes; the published")
    known = "SHA-256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad;"  # FIPS 180
    assert find_fault(path, file_of(b"abd", size=3)).startswith(known)


def test_every_checksum_must_agree(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"abc")
    sums = file_of(b"abc").checksums
    for wrong in sums:
        file = RemoteFile("a.bin", (), sums | {wrong: "0" * LENGTHS[wrong]}, size=3)
        assert find_fault(path, file).startswith(wrong.replace("sha", "SHA-"))


def test_describe():
    file = RemoteFile("a.bin", (), {"sha1": "0f"}, size=7)
    assert file.describe() == "a.bin: 7 bytes, SHA-1 0f"
    assert RemoteFile("a", (), {"sha1": "0f"}, limit=9).describe() == "a: at most 9 bytes, SHA-1 0f"
