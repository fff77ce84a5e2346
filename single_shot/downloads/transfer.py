"""One file from one source over HTTPS: resumed, bounded in size, and checked.

What has arrived waits in `NAME.part`, and gets its name only when it is the published file. Proxies
and certificates are taken from the environment (`HTTPS_PROXY`, `REQUESTS_CA_BUNDLE`).
"""

import errno
import fcntl
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from single_shot.downloads.https import BACKOFF, FAILURES, explain, get
from single_shot.downloads.sources import CHUNK, RemoteFile, find_fault
from utils.files import InputError
from utils.hooks import progress

import requests

# Answers of one source that do not come or break off, until the next source is asked.
ATTEMPTS = 5
BUSY = (429, 500, 502, 503, 504)


class DownloadError(InputError):
    """A file that cannot be had; the message says why and, of all sources, what to do."""


class StorageError(DownloadError):
    """A place that cannot be written to, whatever the source."""


class _Interrupted(Exception):
    """An answer that did not come or broke off; another request may go on from there."""


def download(file: RemoteFile, url: str, path: Path, session: requests.Session) -> None:
    """Fetch a RemoteFile from one source to a path, going on from what `PATH.part` holds.

    session: from `open_session`. Raises DownloadError, whose message is the cause alone, or
    StorageError; what has arrived by then is kept.
    """
    part_path = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part_path, "ab", buffering=0) as part:
            _lock(part, part_path)
            try:
                _Transfer(file, url, part, session).run()
                os.fsync(part.fileno())
                os.replace(part_path, path)
            finally:
                if os.fstat(part.fileno()).st_size == 0:
                    part_path.unlink()
    except OSError as error:
        raise StorageError(
            f"{part_path}: {error.strerror}; make room or choose another folder (--out). What has "
            "arrived is kept there, and the same command goes on from it"
        ) from error


def _lock(part, path):
    """Keep other processes from writing the same part; a killed process lets go by itself."""
    try:
        fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ours = os.path.samestat(os.fstat(part.fileno()), os.stat(path))
    except (BlockingIOError, FileNotFoundError):
        ours = False
    if not ours:
        raise StorageError(f"{path}: another process is fetching this file; wait for it")


@dataclass
class _Transfer:
    """One file on its way from one source into an open `.part`."""

    file: RemoteFile
    url: str
    part: BinaryIO
    session: requests.Session
    validator: str | None = None

    def run(self):
        """Fill the part until it is the published file; raise DownloadError if it cannot be."""
        if self._length():
            if find_fault(self.part.name, self.file) is None:
                return
            if self._length() >= self.file.max_size:
                self.part.truncate(0)
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(BACKOFF * 2 ** (attempt - 1))
            try:
                start = self._receive()
            except _Interrupted as error:
                cause = str(error)
                continue
            cause = find_fault(self.part.name, self.file)
            if cause is None:
                return
            self.part.truncate(0)
            if start == 0:  # else the beginning was of another version: once more, all of it
                break
        raise DownloadError(cause)

    def _length(self):
        return self.part.seek(0, os.SEEK_END)

    def _receive(self):
        """Add one answer to the part; return the position in the file where the answer began."""
        start = self._length()
        headers = {"Range": f"bytes={start}-"} if start else {}
        if start and self.validator:
            headers["If-Range"] = self.validator
        try:
            response = get(self.session, self.url, headers)
        except FAILURES as error:
            raise DownloadError(explain(error)) from error
        with response:
            start, total = self._position(response, start)
            self._copy(response, start, total)
        return start

    def _position(self, response, start):
        """Return where an answer begins and the size of the whole file, None if it does not say.

        Nothing that was kept is thrown away before the answer promises to be the file.
        """
        status, headers = response.status_code, response.headers
        if status in BUSY:
            raise _Interrupted(f"the server answers {status}")
        if status == 416 and self.file.size is None:  # what was kept is longer than the file
            self.part.truncate(0)
            raise _Interrupted("the server's file is shorter than what was kept")
        span = re.fullmatch(r"bytes (\d{1,19})-\d+/(\d{1,19})", headers.get("Content-Range", ""))
        length = re.fullmatch(r"\d{1,19}", headers.get("Content-Length", ""))
        if status == 206 and span and int(span[1]) == start:
            total = int(span[2])
        elif status == 200:  # the whole file, asked for or not
            start, total = 0, int(length[0]) if length else None
        else:
            raise DownloadError(f"the server answers {status}")
        self._check_promise(headers, total)
        self.part.truncate(start)
        tag = headers.get("ETag", "W/")
        self.validator = None if tag.startswith("W/") else tag  # a weak tag vouches for no bytes
        return start, total

    def _check_promise(self, headers, total):
        """Raise DownloadError if an answer is not the file, OSError if there is no room for it."""
        if headers.get("Content-Type", "").startswith("text/html"):
            raise DownloadError("the server answers with a web page")
        size = self.file.size
        if total is not None and (total > self.file.max_size or size not in (None, total)):
            raise DownloadError(
                f"the server offers {total} bytes; wanted is {self.file.describe()}"
            )
        free = shutil.disk_usage(Path(self.part.name).parent).free
        if (total or 0) - self._length() > free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _copy(self, response, start, total):
        """Append an answer's bytes to the part, never more than the file can have."""
        position, pieces = start, response.raw.stream(CHUNK, decode_content=False)
        with progress(
            desc=self.file.name, total=total, initial=start, unit="B", unit_scale=True
        ) as bar:
            while chunk := self._next(pieces):
                position += len(chunk)
                if position > self.file.max_size:
                    self.part.truncate(start)
                    raise DownloadError(f"the server sends more; wanted is {self.file.describe()}")
                rest = memoryview(chunk)
                while rest:
                    rest = rest[self.part.write(rest) :]
                bar.update(len(chunk))
        if total is not None and position < total:
            raise _Interrupted(f"the answer ends at byte {position} of {total}")

    @staticmethod
    def _next(pieces):
        try:
            return next(pieces, b"")
        except FAILURES as error:
            raise _Interrupted(explain(error)) from error
