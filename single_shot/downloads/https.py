"""Requests over HTTPS alone, redirects included, and the reasons why one fails."""

from urllib.parse import urljoin

import requests
import urllib3
from requests.adapters import HTTPAdapter

# Seconds until a connection stands, and between two pieces of an answer.
TIMEOUT = (10, 30)
# Seconds before a second try, doubled before each further one.
BACKOFF = 0.5
MAX_REDIRECTS = 5
# ValueError: an address that is none.
FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, ValueError)


class _Session(requests.Session):
    def get_redirect_target(self, response):
        """Follow nothing: requests would read the body of a redirect, however long, and go to
        plain HTTP as well."""


def open_session() -> requests.Session:
    """Return a session for `get`; it takes proxies and certificates from the environment."""
    session = _Session()
    retry = urllib3.Retry(
        3, connect=2, read=1, backoff_factor=BACKOFF, respect_retry_after_header=False
    )
    session.mount("https://", HTTPAdapter(max_retries=retry))
    session.headers["Accept-Encoding"] = "identity"  # so that positions in the file are bytes sent
    return session


def get(session: requests.Session, url: str, headers: dict[str, str]) -> requests.Response:
    """Return the answer to a request, of which only the head has been read.

    session: from `open_session`. Raises one of FAILURES.
    """
    for _ in range(MAX_REDIRECTS + 1):
        if not url.startswith("https://"):
            raise requests.exceptions.InvalidSchema(f"leads to {url!r}, which is not https://")
        response = session.get(url, headers=headers, stream=True, timeout=TIMEOUT)
        target = response.headers.get("Location")
        if response.status_code not in (301, 302, 303, 307, 308) or target is None:
            return response
        response.close()
        url = urljoin(url, target)
    raise requests.TooManyRedirects(f"more than {MAX_REDIRECTS} redirects")


def explain(error: Exception) -> str:
    """Return the reason of one of FAILURES as text, without the layers around it."""
    reason = getattr(error.args[0], "reason", error) if error.args else error
    return f"{type(reason).__name__}: {reason}"
