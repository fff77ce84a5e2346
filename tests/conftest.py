"""What holds for every test: MXNet importable, no window, no network, the same random numbers."""

import gc
import os
import socket

import utils  # noqa: F401  before MXNet

import pytest
from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "agg")
settings.register_profile("repeatable", derandomize=True, deadline=None)
# What `make fuzz` takes (--hypothesis-profile=fuzz): other examples at every run, and many of them.
settings.register_profile("fuzz", deadline=None, max_examples=2000, print_blob=True)
settings.load_profile("repeatable")


def pytest_collection_finish():
    """Take what was imported out of the search for garbage, which MXNet's loaders begin anew."""
    gc.freeze()


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Refuse every connection to another machine."""
    connect = socket.socket.connect

    def local_only(self, address):
        remote = isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost")
        if remote:
            raise AssertionError(f"a test connects to {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local_only)


@pytest.fixture(autouse=True)
def seeded():
    """Start every test from the same random numbers."""
    from utils.context import seed_everything

    seed_everything()
