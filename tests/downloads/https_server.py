"""A web server on this machine, over TLS, that answers as a test says: well or badly."""

import re
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STALL = 5  # seconds, longer than a test lets a client wait


class Server(ThreadingHTTPServer):
    """Answers GET requests with functions of the handler.

    answers: {path: [function, ...]}, taken in turn, the last of them again and again.
    seen: (path, Range, If-Range) of each request. certificate: (certificate, key) files, or None
    for plain HTTP.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, certificate=None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers, self.seen, self.released = {}, [], threading.Event()
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.scheme = "https"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def add(self, path, *answers):
        """Answer requests for a path; return its address."""
        self.answers[path] = list(answers)
        return f"{self.scheme}://127.0.0.1:{self.server_port}{path}"

    def close(self):
        """Stop, and let go of the clients that are kept waiting."""
        self.released.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """Say nothing of clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.seen.append((self.path, self.headers["Range"], self.headers["If-Range"]))
        answers = server.answers[self.path]
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    def log_message(self, *_):
        pass


def _send(handler, status, body, **headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def answer(status, body=b"", **headers):
    """Send this and nothing else; `Content_Length` is not added."""
    return lambda handler: _send(handler, status, body, **headers)


def whole(content, **headers):
    """Send all of a file, whatever the range that was asked for."""
    return answer(200, content, Content_Length=len(content), **headers)


def ranged(content, tag='"1"', stop=None, stall=False):
    """Send a file or the range that was asked for, as RFC 9110 has it.

    stop: position in the file where the answer breaks off, although it announced the rest.
    stall: then keep the client waiting instead of hanging up.
    """

    def reply(handler):
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers["Range"] or "")
        same = handler.headers["If-Range"] in (None, tag)
        start, status, headers = 0, 200, {"ETag": tag}
        if asked and same:
            start, status = int(asked[1]), 206
            headers["Content_Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        if start >= len(content):
            return _send(handler, 416, b"", Content_Range=f"bytes */{len(content)}")
        headers["Content_Length"] = len(content) - start
        _send(handler, status, content[start:stop], **headers)
        if stall:
            handler.wfile.flush()
            handler.server.released.wait(STALL)

    return reply


def endless(handler):
    """Send without end and without saying how much, until the client hangs up."""
    _send(handler, 200, b"")
    for _ in range(10_000):
        handler.wfile.write(b"x" * 10_000)


def redirect(location, status=302):
    """Lead to another address."""
    return answer(status, Location=location, Content_Length=0)
