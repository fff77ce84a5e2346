import io
import os
import random
import stat
import struct
import tarfile
import zipfile
import zlib
from collections import namedtuple

from single_shot.downloads import archives
from single_shot.downloads.archives import ArchiveError, extract

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

FILES = {"set/a.txt": b"one", "set/deep/b.txt": b"two" * 500, "top.txt": b""}
HOSTILE_NAMES = [
    *("../out.txt", "set/../../out.txt", "set/..", "..", "/tmp/out.txt", "//out.txt"),
    *("C:/out.txt", "c:out.txt", "..\\out.txt", "set\\out.txt", "set/\nout.txt", "\x1b[2J.txt"),
]


def write_zip(path, members, compression=zipfile.ZIP_DEFLATED):
    """Write a zip of (name or ZipInfo, bytes)."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def write_tar(path, members):
    """Write a tar of (name or TarInfo, bytes)."""
    with tarfile.open(path, "w:") as archive:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            if info.name.endswith("/"):
                info.type = tarfile.DIRTYPE
            if info.isreg():
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


WRITERS = {"a.zip": write_zip, "a.tar": write_tar}


@pytest.fixture(params=WRITERS)
def write(request, tmp_path):
    """Write an archive of either kind; return its path."""
    return lambda members: WRITERS[request.param](tmp_path / request.param, members)


def files_below(folder):
    """{name: bytes} of all files below a folder."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def refuse(archive, match, **limits):
    """Check that an archive is refused and nothing at all is left beside it."""
    before = set(archive.parent.iterdir())
    with pytest.raises(ArchiveError, match=match) as caught:
        extract([archive], archive.parent / "new", **limits)
    assert set(archive.parent.iterdir()) == before
    return str(caught.value)


def test_files_and_folders_arrive(write, tmp_path):
    extract([write(FILES.items())], tmp_path / "deep" / "new")
    assert files_below(tmp_path / "deep" / "new") == FILES
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["new"]


def test_a_folder_packed_by_usual_programs_arrives(tmp_path):
    """With entries for folders, a leading `./` and what a Unix program stores of permissions."""
    source = tmp_path / "source"
    (source / "empty").mkdir(parents=True)
    (source / "run.sh").write_text("x")
    (source / "run.sh").chmod(0o4777)
    with tarfile.open(tmp_path / "a.tar", "w:") as archive:
        archive.add(source, ".")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in (source / "empty", source / "run.sh"):
            archive.write(path, f"./{path.name}")
    for name in WRITERS:
        new = tmp_path / f"from_{name}"
        extract([tmp_path / name], new)
        assert sorted(path.name for path in new.iterdir()) == ["empty", "run.sh"]
        assert stat.S_IMODE((new / "run.sh").stat().st_mode) & ~0o666 == 0


def test_an_empty_archive_is_an_empty_folder(write, tmp_path):
    extract([write([])], tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_nothing_that_exists_is_replaced(write, tmp_path):
    (tmp_path / "new").mkdir()
    refuse(write(FILES.items()), "new: exists; remove it")


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_names_that_lead_elsewhere(write, tmp_path, name):
    archive = write([("good.txt", b"1"), (name, b"2")])
    message = refuse(archive, "nothing is extracted")
    assert message.isprintable() and str(archive) in message


@pytest.mark.parametrize("name", [".", "./."])
def test_a_file_by_the_name_of_the_folder(write, name):
    refuse(write([(name, b"1")]), "choose another folder")


def test_an_empty_name(tmp_path):
    archive = write_zip(tmp_path / "a.zip", [("a", b"1")])
    data = bytearray(archive.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 28 : entry + 34] = struct.pack("<HHH", 0, 0, 1)  # the name becomes a comment
    archive.write_bytes(data)
    refuse(archive, "member '': no name")


@pytest.mark.parametrize("name", ["..a/b..c/...txt", "ab:c", "ä/日本.txt", "a b", "~", "-rf"])
def test_names_that_only_look_odd(write, tmp_path, name):
    extract([write([(name, b"1")])], tmp_path / "new")
    assert files_below(tmp_path / "new") == {name: b"1"}


KINDS = {
    "symlink": (tarfile.SYMTYPE, stat.S_IFLNK),
    "hard link": (tarfile.LNKTYPE, stat.S_IFSOCK),  # a zip has no hard links
    "device": (tarfile.CHRTYPE, stat.S_IFCHR),
    "block device": (tarfile.BLKTYPE, stat.S_IFBLK),
    "pipe": (tarfile.FIFOTYPE, stat.S_IFIFO),
}


@pytest.mark.parametrize("kind", KINDS)
def test_links_and_devices(tmp_path, kind):
    tar_type, zip_type = KINDS[kind]
    info = tarfile.TarInfo("out")
    info.type, info.linkname = tar_type, "/etc/passwd"
    refuse(write_tar(tmp_path / "a.tar", [("a", b""), (info, b"")]), "'out': a link, a device")
    info = zipfile.ZipInfo("out")
    info.external_attr = (zip_type | 0o777) << 16
    refuse(write_zip(tmp_path / "a.zip", [("a", b""), (info, b"/etc/passwd")]), "'out': a link")


def test_a_sparse_file(tmp_path):
    """It could claim any size in a header of a few bytes."""
    info = tarfile.TarInfo("a")
    info.pax_headers = {
        "GNU.sparse.map": "0,1",
        "GNU.sparse.size": "99999999",
        "GNU.sparse.numblocks": "1",
    }
    with tarfile.open(tmp_path / "a.tar", "w:", format=tarfile.PAX_FORMAT) as archive:
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    refuse(tmp_path / "a.tar", "sparse file")


@pytest.mark.parametrize("size", [-1, -512, -1024])
def test_a_negative_size(tmp_path, size):
    """It could send the reader back to the same header, again and again."""
    info = tarfile.TarInfo("a")
    info.size = size
    header = info.tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "a.tar").write_bytes(header + bytes(1024))
    refuse(tmp_path / "a.tar", "negative size|damaged")


@pytest.mark.parametrize(
    "names", [("a", "a"), ("a", "./a"), ("a", "a/"), ("a/", "a"), ("d/a", "d//a")]
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice(write, names):
    refuse(write([(name, b"") for name in names]), "comes twice")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_folder_may_come_twice(write, tmp_path):
    extract([write([("d/", b""), ("d/a", b"1"), ("d/", b"")])], tmp_path / "new")
    assert files_below(tmp_path / "new") == {"d/a": b"1"}


def test_archives_share_a_folder(tmp_path):
    first = write_zip(tmp_path / "a.zip", [("d/a", b"1"), ("d/b", b"1")])
    second = write_tar(tmp_path / "b.tar", [("d/b", b"2"), ("d/c", b"2")])
    extract([first, second], tmp_path / "new")
    assert files_below(tmp_path / "new") == {"d/a": b"1", "d/b": b"2", "d/c": b"2"}


@pytest.mark.parametrize("content", [[("d", b"")], [("d/a/e", b"")], [("../out", b"")]])
def test_if_one_archive_is_refused_nothing_is_left_of_all(tmp_path, content):
    first = write_zip(tmp_path / "a.zip", [("d/a", b"1")])
    second = write_tar(tmp_path / "b.tar", content)
    with pytest.raises(ArchiveError):
        extract([first, second], tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "b.tar"]


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("a", "a/b/c/d")])
def test_a_file_that_is_also_a_folder(write, names):
    refuse(write([(name, b"") for name in names]), "lies in a file")


def test_too_many_members(write):
    archive = write([(f"{number}", b"") for number in range(3000)])
    refuse(archive, "beyond 2999 members", max_members=2999)


def test_as_many_members_as_may_be(write):
    extract([archive := write(FILES.items())], archive.parent / "new", max_members=3)


def test_too_many_bytes(write):
    archive = write([("a", b"x" * 600), ("b", b"x" * 401)])
    refuse(archive, "'b': beyond .* 1000 bytes", max_bytes=1000)
    extract([archive], archive.parent / "new", max_bytes=1001)


def test_a_bomb_is_recognised_by_its_ratio(tmp_path):
    archive = write_zip(tmp_path / "a.zip", [("a", bytes(1_000_000))])
    assert archive.stat().st_size < 2000
    refuse(archive, "beyond")
    extract([archive], tmp_path / "new", max_ratio=1000)


def patched_zip(path, content, size):
    """Write a zip whose directory gives one member another size than it has."""
    write_zip(path, [("a", content)])
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", size)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("size", [0, 10, 999, 1001, 2000])
def test_a_size_that_is_a_lie(tmp_path, size):
    refuse(patched_zip(tmp_path / "a.zip", bytes(range(250)) * 4, size), "damaged")


def test_a_member_with_a_password(tmp_path):
    path = write_zip(tmp_path / "a.zip", [("a", b"secret")])
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    refuse(path, "'a': encrypted")


def test_a_compression_that_is_not_known(tmp_path):
    path = write_zip(tmp_path / "a.zip", [("a", b"x")])
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 10] = 99
    path.write_bytes(data)
    refuse(path, "damaged")


@pytest.mark.parametrize("compression", ["xz", "bz2", "gz"])
def test_a_spoiled_stream_is_called_damaged(tmp_path, compression):
    path = tmp_path / f"a.tar.{compression}"
    (tmp_path / "a.txt").write_bytes(bytes(range(256)) * 100)
    with tarfile.open(path, f"w:{compression}") as archive:
        archive.add(tmp_path / "a.txt", "a.txt")
    content = bytearray(path.read_bytes())
    for place in range(20, len(content) - 20, 7):
        content[place] ^= 255
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=rf"a.tar.{compression}: (damaged|neither)"):
        extract([path], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_spoiled_member_is_called_damaged(tmp_path, method):
    path = tmp_path / "a.zip"
    text = random.Random(0).randbytes(4000)
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a.txt", text)
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(30)
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match="a.zip: damaged"):
        extract([path], tmp_path / "out")


def test_contents_that_do_not_fit_their_checksum(tmp_path):
    path = write_zip(tmp_path / "a.zip", [("a", b"content")], zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"content", b"kontent"))
    assert zlib.crc32(b"content") != zlib.crc32(b"kontent")
    refuse(path, "damaged")


@pytest.mark.parametrize("share", [0, 0.05, 0.3, 0.5, 0.8])
def test_truncated(write, share):
    archive = write((f"{number}.txt", os.urandom(1500)) for number in range(20))
    content = archive.read_bytes()
    archive.write_bytes(content[: int(len(content) * share)])
    refuse(archive, "damaged .*fetch it again")


def test_truncated_in_the_directory_of_a_zip(tmp_path):
    archive = write_zip(tmp_path / "a.zip", FILES.items())
    archive.write_bytes(archive.read_bytes()[:-1])
    refuse(archive, "damaged")


def test_truncated_between_two_members(tmp_path):
    """Python's tarfile takes such a file for a complete one."""
    archive = write_tar(tmp_path / "a.tar", [("a", b"1" * 512), ("b", b"2" * 512)])
    archive.write_bytes(archive.read_bytes()[: 2 * 512])
    with tarfile.open(archive, "r:") as opened:
        assert opened.getnames() == ["a"]
    refuse(archive, "no end marker")


def test_neither_zip_nor_tar(tmp_path):
    (tmp_path / "a.rar").write_bytes(b"Rar!")
    refuse(tmp_path / "a.rar", "neither .zip nor .tar")
    for name in WRITERS:
        (tmp_path / name).write_bytes(b"<html>" * 500)
        refuse(tmp_path / name, "damaged")


def test_an_absent_archive_is_named(tmp_path):
    refuse(tmp_path / "a.zip", r"a\.zip: No such file")


def test_a_place_that_cannot_be_written_to_is_named(write, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ArchiveError, match="make room or choose another folder"):
        extract([write(FILES.items())], tmp_path / "file" / "new")


def test_a_disk_without_room_is_not_begun(write, monkeypatch):
    archive = write(FILES.items())
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: usage(1502))
    refuse(archive, "new.*: No space left on device; make room")
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: usage(1503))
    extract([archive], archive.parent / "new")


def test_a_full_disk_leaves_nothing(write, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archives.shutil, "copyfileobj", full)
    refuse(write(FILES.items()), "No space left on device; make room")


@settings(max_examples=150)
@given(data=st.data())
def test_spoiled_archives_are_refused_or_harmless(data, tmp_path_factory):
    """Whatever bytes change: an ArchiveError, or files inside the folder; never anything else."""
    name = data.draw(st.sampled_from(sorted(WRITERS)))
    folder = tmp_path_factory.mktemp("fuzz")
    archive = WRITERS[name](folder / name, FILES.items())
    content = bytearray(archive.read_bytes())
    end = len(content) if name == "a.zip" else 512 * 8
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, end - 1))] = data.draw(st.integers(0, 255))
    archive.write_bytes(content)
    try:
        extract([archive], folder / "new")
    except ArchiveError as error:
        assert str(error).isprintable()
    assert {path.name for path in folder.iterdir()} <= {name, "new"}
    assert not any(path.is_symlink() for path in folder.rglob("*"))


@given(name=st.text(st.sampled_from("./\\:aC\0"), max_size=12))
def test_a_name_without_fault_stays_inside(name):
    if archives.find_fault_of_name(name) is None:
        path = os.path.normpath(os.path.join("/folder", name))
        assert path == "/folder" or path.startswith("/folder/")
