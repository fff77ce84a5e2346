"""Zip and tar archives, extracted without harm.

All members are checked before the first byte is written: nothing outside the folder, no link, no
device, no name twice, and bounds on their number and size. The folder appears only when it is
complete. Owners, permissions and times of an archive are left out.
"""

import errno
import lzma
import os
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from single_shot.downloads.sources import CHUNK
from single_shot.files import appearing_folder
from utils.files import InputError
from utils.hooks import progress

# Pascal VOC 2012 has some 40,000 members of 2 GB in all; pictures hardly compress.
MAX_MEMBERS = 100_000
MAX_BYTES = 8_000_000_000
MAX_RATIO = 20  # bytes of all members over those of the archive
ENCRYPTED = 0x1  # bit of a zip member's flags
# What the two modules raise on archives that are cut off, spoiled, or compressed in a rare way.
DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, struct.error),
    *(NotImplementedError, UnicodeError, OverflowError),
)


class ArchiveError(InputError):
    """An archive that must not be extracted; the message names it, the member and the fix."""


@dataclass(frozen=True)
class Member:
    """A file or folder of an archive.

    fault: why it must not be extracted, for example that it is a link; None where nothing is
    against it. open: returns a readable stream of its bytes.
    """

    name: str
    size: int
    is_folder: bool
    fault: str | None
    open: Callable


def extract(
    archives: Iterable[Path],
    folder: Path,
    max_members: int = MAX_MEMBERS,
    max_bytes: int = MAX_BYTES,
    max_ratio: float = MAX_RATIO,
) -> None:
    """Extract archives, `.zip` or uncompressed `.tar`, into one folder, which must not exist yet.

    archives: paths; a file replaces that of the same name in an archive before it. max_members,
    max_bytes, max_ratio: for each archive, bounds on the number of members, on the bytes of all of
    them, and on these over the archive's own. Raises ArchiveError; no folder appears then.
    """
    folder = Path(folder)
    if folder.exists():
        raise ArchiveError(f"{folder}: exists; remove it or choose another folder (--out)")
    try:
        with appearing_folder(folder) as temporary:
            for archive in map(Path, archives):
                most = min(max_bytes, max_ratio * archive.stat().st_size)
                _extract_into(temporary, archive, max_members, most)
    except OSError as error:
        place = error.filename or folder
        raise ArchiveError(
            f"{place}: {error.strerror}; make room or choose another folder (--out)"
        ) from error


def _extract_into(folder, archive, max_members, max_bytes):
    try:
        with _reading(archive) as members:
            _write_all(check_members(members, archive, max_members, max_bytes), folder)
    except (*DAMAGED, OSError) as error:
        if getattr(error, "errno", None) is not None:  # of the disk, not of what bz2 or gzip read
            raise
        raise ArchiveError(f"{archive}: damaged ({error}); remove it and fetch it again") from error


def check_members(
    members: Iterable[Member], archive: Path, max_members: int, max_bytes: int
) -> dict[PurePosixPath, Member]:
    """Return {relative path: Member} of an archive, all of which may be extracted.

    members: iterable of Member; archive: its name in messages; max_members, max_bytes: bounds.
    Raises ArchiveError at the first member that may not.
    """
    paths, num_bytes, advice = {}, 0, "nothing is extracted; do not use this archive"
    for number, member in enumerate(members, start=1):
        path, where = PurePosixPath(member.name), f"{archive}, member {member.name!r}"
        if fault := member.fault or find_fault_of_name(member.name):
            raise ArchiveError(f"{where}: {fault}; {advice}")
        if path in paths and not (member.is_folder and paths[path].is_folder):
            raise ArchiveError(f"{where}: comes twice; {advice}")
        num_bytes += member.size
        if number > max_members or num_bytes > max_bytes:
            raise ArchiveError(
                f"{where}: beyond {max_members} members or {max_bytes} bytes in all; {advice}"
            )
        paths[path] = member
    for path, member in paths.items():
        if any(parent in paths and not paths[parent].is_folder for parent in path.parents):
            raise ArchiveError(f"{archive}, member {member.name!r}: lies in a file; {advice}")
    return paths


def find_fault_of_name(name: str) -> str | None:
    """Return why a member's name must not become a path below a folder, or None if it may."""
    if not name:
        return "no name"
    if name.startswith("/") or re.match("[A-Za-z]:", name):
        return "an absolute path"
    if "\\" in name or not name.isprintable():
        return "a backslash or control character in the name"
    if ".." in name.split("/"):
        return "leads out of the folder"
    return None


@contextmanager
def _reading(archive):
    """Open an archive; yield an iterator of its Members."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as opened:
            yield (_zip_member(opened, info) for info in opened.infolist())
    elif archive.suffix == ".tar":
        with tarfile.open(archive, "r:") as opened:
            yield _tar_members(opened, archive)
    else:
        raise ArchiveError(f"{archive}: neither .zip nor .tar; extract it by hand")


def _zip_member(opened, info):
    kind = stat.S_IFMT(info.external_attr >> 16)  # what Unix programs store; 0 from others
    fault = None
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        fault = "a link or device"
    elif info.flag_bits & ENCRYPTED:
        fault = "encrypted"
    is_folder = info.filename.endswith("/")  # is_dir() stumbles over an empty name
    return Member(info.filename, info.file_size, is_folder, fault, partial(opened.open, info))


def _tar_members(opened, archive):
    for info in opened:
        fault = None
        if not (info.isfile() or info.isdir()) or info.issparse():
            fault = "a link, a device or a sparse file"
        elif info.size < 0:
            fault = "a negative size"
        yield Member(info.name, info.size, info.isdir(), fault, partial(opened.extractfile, info))
    with open(archive, "rb") as stream:
        stream.seek(-tarfile.BLOCKSIZE, os.SEEK_END)
        if any(stream.read()):  # tarfile takes a file cut off between two members for a whole one
            raise tarfile.ReadError("no end marker")


def _write_all(paths, folder):
    """Write checked members below a folder."""
    total = sum(member.size for member in paths.values() if not member.is_folder)
    if total > shutil.disk_usage(folder).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with progress(desc="extract", total=total, unit="B", unit_scale=True) as bar:
        for path, member in paths.items():
            target = folder / path
            if member.is_folder:
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with member.open() as source, open(target, "wb") as file:
                shutil.copyfileobj(source, file, CHUNK)
                if file.tell() != member.size:
                    raise EOFError(f"{member.name!r} has {file.tell()} bytes, not {member.size}")
            bar.update(member.size)
