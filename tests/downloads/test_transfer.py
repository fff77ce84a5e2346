"""Downloads, against a server on this machine that behaves badly."""

import errno
import fcntl
import hashlib
import io
import os
import resource
import shutil
import subprocess
import zipfile
from collections import namedtuple
from contextlib import contextmanager

from single_shot.command import main
from single_shot.downloads import https, transfer
from single_shot.downloads.sources import DATA_SETS, DataSet, RemoteFile

import numpy as np
import pytest
from https_server import STALL, Server, answer, endless, ranged, redirect, whole

CONTENT = np.random.default_rng(0).bytes(300_000)
OTHER = np.random.default_rng(1).bytes(300_000)
CUT = 130_000


def published(content=CONTENT, **fields):
    """The RemoteFile of some content."""
    fields = {"size": len(content)} | fields
    return RemoteFile("a.bin", (), {"sha256": hashlib.sha256(content).hexdigest()}, **fields)


FILE = published()
UNSIZED = published(size=None, limit=400_000)  # as Pikachu's: only a limit is known


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("the openssl program, which makes a certificate, is not installed")
    folder = tmp_path_factory.mktemp("tls")
    paths = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt"]
    command += ["ec_paramgen_curve:P-256", "-subj", "/CN=test", "-days", "2"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", paths[0], "-keyout", paths[1]]
    subprocess.run(command, check=True, capture_output=True)
    return paths


@pytest.fixture
def server(certificate, monkeypatch):
    """A server whose certificate is trusted, as a company's would be, by the environment."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(https, "TIMEOUT", (1, 0.3))
    monkeypatch.setattr(https, "BACKOFF", 0)
    monkeypatch.setattr(transfer, "BACKOFF", 0)
    server = Server(certificate)
    yield server
    server.close()


def receive(folder, url, file=FILE):
    with https.open_session() as session:
        transfer.download(file, url, folder / "a.bin", session)


def refuse(folder, url, match, file=FILE):
    """Check that a source is refused and that there is no file; return what was kept of it."""
    with pytest.raises(transfer.DownloadError, match=match):
        receive(folder, url, file)
    assert not (folder / "a.bin").exists()
    part = folder / "a.bin.part"
    return part.read_bytes() if part.exists() else b""


def check(folder, content=CONTENT):
    """Check that the file has arrived and nothing else is left."""
    assert (folder / "a.bin").read_bytes() == content
    assert [path.name for path in folder.iterdir()] == ["a.bin"]


@contextmanager
def file_size_limit(size):
    """Let files grow to a number of bytes, as on a disk that is nearly full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_arrives(server, tmp_path):
    receive(tmp_path / "new" / "folder", server.add("/a", ranged(CONTENT)))
    check(tmp_path / "new" / "folder")
    assert server.seen == [("/a", None, None)]


@pytest.mark.parametrize("file", [FILE, UNSIZED])
@pytest.mark.parametrize("stall", [False, True])
def test_a_broken_answer_is_continued(server, tmp_path, file, stall):
    receive(
        tmp_path, server.add("/a", ranged(CONTENT, stop=CUT, stall=stall), ranged(CONTENT)), file
    )
    check(tmp_path)
    (_, *first), (_, begin, tag) = server.seen
    assert first == [None, None] and tag == '"1"'
    position = int(begin.removeprefix("bytes=").rstrip("-"))
    # What a stalled connection had not handed over in full is asked for again.
    assert CUT - transfer.CHUNK * stall <= position <= CUT


def test_a_later_run_continues(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:CUT])
    receive(tmp_path, server.add("/a", ranged(CONTENT)))
    check(tmp_path)
    assert server.seen == [("/a", f"bytes={CUT}-", None)]


def test_a_complete_part_needs_no_request(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT)
    receive(tmp_path, server.add("/a", ranged(CONTENT)))
    check(tmp_path)
    assert server.seen == []


def test_a_file_that_changed_meanwhile_starts_again(server, tmp_path):
    """If-Range makes the server send the new version whole."""
    receive(tmp_path, server.add("/a", ranged(OTHER, '"0"', stop=CUT), ranged(CONTENT)))
    check(tmp_path)
    assert server.seen[1] == ("/a", f"bytes={CUT}-", '"0"')


@pytest.mark.parametrize("file", [FILE, UNSIZED])
@pytest.mark.parametrize("kept", [OTHER[:CUT], OTHER, OTHER + b"longer"])
def test_a_part_of_another_file_starts_again(server, tmp_path, kept, file):
    (tmp_path / "a.bin.part").write_bytes(kept)
    receive(tmp_path, server.add("/a", ranged(CONTENT)), file)
    check(tmp_path)


@pytest.mark.parametrize("kept", [b"", CONTENT[:CUT], OTHER[:CUT]])
def test_a_server_that_ignores_ranges_sends_all(server, tmp_path, kept):
    (tmp_path / "a.bin.part").write_bytes(kept)
    receive(tmp_path, server.add("/a", whole(CONTENT)))
    check(tmp_path)


def test_a_server_that_ignores_ranges_may_break_off(server, tmp_path):
    broken = answer(200, CONTENT[:CUT], Content_Length=len(CONTENT))
    receive(tmp_path, server.add("/a", broken, broken, whole(CONTENT)))
    check(tmp_path)


def test_a_source_that_always_breaks_off_is_given_up_and_the_part_kept(server, tmp_path):
    url = server.add("/a", ranged(CONTENT, stop=CUT), answer(503))
    assert refuse(tmp_path, url, "answers 503") == CONTENT[:CUT]
    assert len(server.seen) == transfer.ATTEMPTS
    receive(tmp_path, server.add("/a", ranged(CONTENT)))
    check(tmp_path)


@pytest.mark.parametrize("status", transfer.BUSY)
def test_a_busy_server_is_asked_again(server, tmp_path, status):
    receive(tmp_path, server.add("/a", answer(status, Retry_After="3600"), ranged(CONTENT)))
    check(tmp_path)


@pytest.mark.parametrize("status", [204, 304, 400, 403, 404, 410, 416, 206])
def test_another_answer_is_not_the_file(server, tmp_path, status):
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:CUT])
    kept = refuse(tmp_path, server.add("/a", answer(status)), f"answers {status}")
    assert kept == CONTENT[:CUT] and len(server.seen) == 1


def test_a_range_that_was_not_asked_for_is_refused(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:CUT])
    wrong = answer(206, CONTENT, Content_Range=f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}")
    assert refuse(tmp_path, server.add("/a", wrong), "answers 206") == CONTENT[:CUT]


def test_a_range_shorter_than_asked_for_is_continued(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:CUT])
    span = f"bytes {CUT}-{CUT + 9}/{len(CONTENT)}"
    short = answer(206, CONTENT[CUT : CUT + 10], Content_Range=span, Content_Length=10)
    receive(tmp_path, server.add("/a", short, ranged(CONTENT)))
    check(tmp_path)
    assert server.seen[1][1] == f"bytes={CUT + 10}-"


def test_wrong_bytes_are_thrown_away(server, tmp_path):
    assert refuse(tmp_path, server.add("/a", ranged(OTHER)), "SHA-256 .*; the published") == b""
    assert list(tmp_path.iterdir()) == []
    assert len(server.seen) == 1


@pytest.mark.parametrize("length", [len(CONTENT) - 1, len(CONTENT) + 1, 10**18, 0])
def test_an_announced_size_that_is_wrong_is_refused_at_once(server, tmp_path, length):
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:CUT])
    url = server.add("/a", answer(200, b"x" * 10, Content_Length=length))
    assert refuse(tmp_path, url, f"offers {length} bytes; wanted is a.bin: 300000") == CONTENT[:CUT]


def test_an_announced_size_beyond_the_limit_is_refused_at_once(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:CUT])
    url = server.add("/a", answer(200, b"x" * 10, Content_Length=400_001))
    kept = refuse(tmp_path, url, "offers 400001 bytes; wanted is a.bin: at most 400000", UNSIZED)
    assert kept == CONTENT[:CUT]


@pytest.mark.parametrize("length", ["-1", "9" * 5000, "no"])
def test_an_announced_size_that_is_no_size_is_survived(server, tmp_path, length):
    with pytest.raises(transfer.DownloadError):
        receive(tmp_path, server.add("/a", answer(200, OTHER, Content_Length=length)))


@pytest.mark.parametrize(("file", "limit"), [(FILE, 300_000), (UNSIZED, 400_000)])
def test_no_more_is_written_than_the_file_can_have(server, tmp_path, file, limit):
    with file_size_limit(limit):  # one byte more would be an error of the disk
        assert refuse(tmp_path, server.add("/a", endless), "sends more", file) == b""


def test_more_after_a_kept_part_leaves_the_part(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:CUT])
    span = f"bytes {CUT}-{len(CONTENT) - 1}/{len(CONTENT)}"
    url = server.add("/a", answer(206, OTHER + OTHER, Content_Range=span))
    assert refuse(tmp_path, url, "sends more") == CONTENT[:CUT]


def test_a_web_page_is_not_the_file(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:CUT])
    page = answer(200, b"<html>Log in", Content_Type="text/html; charset=utf-8")
    assert refuse(tmp_path, server.add("/login", page), "a web page") == CONTENT[:CUT]


def test_redirects_are_followed(server, tmp_path):
    target = server.add("/a", ranged(CONTENT))
    url = server.add("/old", redirect("/older", 301))
    server.add("/older", redirect(target, 307))
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:CUT])
    receive(tmp_path, url)
    check(tmp_path)
    assert [path for path, *_ in server.seen] == ["/old", "/older", "/a"]
    assert server.seen[-1][1] == f"bytes={CUT}-"


def test_plain_http_is_refused_before_it_is_asked(server, tmp_path):
    plain = Server()
    insecure = plain.add("/a", ranged(CONTENT))
    refuse(tmp_path, insecure, "which is not https://")
    refuse(tmp_path, server.add("/old", redirect(insecure)), "leads to 'http://.*not https://")
    plain.close()
    assert plain.seen == []


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://127.0.0.1/a", "//[", "https://["]
)
def test_redirects_to_elsewhere_are_refused(server, tmp_path, location):
    refuse(tmp_path, server.add("/a", redirect(location)), r"not https://|ValueError|InvalidURL")


def test_a_redirect_in_a_circle_ends(server, tmp_path):
    refuse(tmp_path, server.add("/a", redirect("/a")), "more than 5 redirects")
    assert len(server.seen) == https.MAX_REDIRECTS + 1


@pytest.mark.timeout(60)  # who waits for the body waits longer
def test_the_body_of_a_redirect_is_not_read(server, tmp_path):
    def long_redirect(handler):
        handler.send_response(302)
        handler.send_header("Location", "/b")
        handler.end_headers()
        handler.server.released.wait(300)

    server.add("/b", ranged(CONTENT))
    receive(tmp_path, server.add("/a", long_redirect))
    check(tmp_path)


def test_an_unknown_certificate_is_refused(server, tmp_path, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    refuse(tmp_path, server.add("/a", ranged(CONTENT)), "certificate verify failed")
    assert server.seen == []


def test_a_silent_server_is_given_up(server, tmp_path):
    url = server.add("/a", lambda handler: handler.server.released.wait(STALL))
    refuse(tmp_path, url, "ReadTimeoutError.*Read timed out")
    assert len(server.seen) == 2


def test_a_closed_door_is_named(server, tmp_path):
    url = server.add("/a", ranged(CONTENT))
    server.close()
    refuse(tmp_path, url, "Connection refused")


def test_the_proxy_of_the_environment_is_asked(server, tmp_path, monkeypatch):
    plain = Server()
    monkeypatch.setenv("HTTPS_PROXY", plain.add("", answer(200)))
    monkeypatch.delenv("NO_PROXY")
    refuse(tmp_path, "https://data.invalid/a", "Tunnel connection failed: 501")  # no CONNECT here
    plain.close()


def test_a_full_disk_keeps_what_arrived(server, tmp_path):
    with file_size_limit(CUT), pytest.raises(transfer.StorageError, match="too large; make room"):
        receive(tmp_path, server.add("/a", ranged(CONTENT)))
    assert (tmp_path / "a.bin.part").read_bytes() == CONTENT[:CUT]
    receive(tmp_path, server.add("/a", ranged(CONTENT)))
    check(tmp_path)
    assert server.seen[1][1] == f"bytes={CUT}-"


def test_a_write_that_takes_only_a_part_is_continued(server, tmp_path, monkeypatch):
    class Stingy(io.FileIO):
        def write(self, data):
            return super().write(data[:5000])

    monkeypatch.setattr(transfer, "open", lambda path, mode, **_: Stingy(path, mode), raising=False)
    receive(tmp_path, server.add("/a", ranged(CONTENT)))
    check(tmp_path)


def test_a_disk_without_room_is_not_begun(server, tmp_path, monkeypatch):
    usage = namedtuple("usage", "free")
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:CUT])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(len(CONTENT) - CUT - 1))
    with pytest.raises(transfer.StorageError, match=os.strerror(errno.ENOSPC)):
        receive(tmp_path, server.add("/a", ranged(CONTENT)))
    assert (tmp_path / "a.bin.part").read_bytes() == CONTENT[:CUT]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(len(CONTENT) - CUT))
    receive(tmp_path, server.add("/a", ranged(CONTENT)))
    check(tmp_path)


def test_a_folder_that_cannot_be_is_named(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(transfer.StorageError, match=r"file/a.bin.part: .*choose another folder"):
        receive(tmp_path / "file", server.add("/a", ranged(CONTENT)))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_named(server, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(transfer.StorageError, match="Permission denied; .*choose another folder"):
        receive(tmp_path, server.add("/a", ranged(CONTENT)))
    tmp_path.chmod(0o700)


def test_a_part_has_one_writer(server, tmp_path):
    with open(tmp_path / "a.bin.part", "wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(transfer.StorageError, match="another process"):
            receive(tmp_path, server.add("/a", ranged(CONTENT)))
    assert server.seen == []
    receive(tmp_path, server.add("/a", ranged(CONTENT)))


def test_a_part_that_became_the_file_is_not_written_to(server, tmp_path, monkeypatch):
    """Another process finishes between our opening the part and our locking it."""
    lock = fcntl.flock

    def finish_first(part, operation):
        os.replace(tmp_path / "a.bin.part", tmp_path / "a.bin")
        lock(part, operation)

    (tmp_path / "a.bin.part").write_bytes(CONTENT)
    monkeypatch.setattr(fcntl, "flock", finish_first)
    with pytest.raises(transfer.StorageError, match="another process"):
        receive(tmp_path, server.add("/a", ranged(OTHER)))
    check(tmp_path)


def test_the_command_fetches_extracts_and_names_the_next_one(server, tmp_path, monkeypatch, capsys):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("inside/label.csv", "0")
    content = (tmp_path / "a.zip").read_bytes()
    urls = (
        server.add("/gone", answer(404)),
        server.add("/a", ranged(content, stop=50), ranged(content)),
    )
    checksums = {"sha256": hashlib.sha256(content).hexdigest()}
    file = RemoteFile("a.zip", urls, checksums, len(content))
    toy = DataSet("Toy", (file,), True, "inside", "--format csv")
    monkeypatch.setitem(DATA_SETS, "toy", toy)
    assert main(["fetch", "toy", "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "toy" / "inside" / "label.csv").read_text() == "0"
    assert (tmp_path / "out" / "downloads" / "a.zip").read_bytes() == content
    assert (
        f"python3 -m single_shot prepare {tmp_path}/out/toy/inside --format csv"
        in capsys.readouterr().out
    )
    assert [path for path, *_ in server.seen] == ["/gone", "/a", "/a"]
