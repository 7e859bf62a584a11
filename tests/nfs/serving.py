"""A real NFS-Ganesha for the tests, and a real client that mounts what it exports."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import nfs_rs
import pytest

from photonic.nfs.exporter import User
from simulations.ends import wait_for

NOBODY = User(65_534, 65_534)
RETRIES = 20
KNOWN_WITHIN_S = 10.0


def require_ganesha() -> None:
    """Skip a test, in words, where no Ganesha can run."""
    if shutil.which("ganesha.nfsd") is None or shutil.which("setpriv") is None:
        pytest.skip("ganesha.nfsd is not installed (apt install nfs-ganesha nfs-ganesha-vfs)")
    if os.geteuid() != 0:
        pytest.skip("only root gives ganesha.nfsd a user and a capability of its own")


def free_port() -> int:
    """Return a port that nothing listens at now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextmanager
def client(port: int, version: str = "4.0") -> Iterator[Any]:
    """Connect as another machine does that is let in.

    By NFS 4.0: in a session of 4.1 Ganesha 4.3 answers this client now and then that it does not
    remember an answer (NFS4ERR_RETRY_UNCACHED_REP), which it was not asked for again.
    """
    address = f"nfs://127.0.0.1/?version={version}&noresvport=true&nfsport={port}"
    connected = nfs_rs.Client.connect(address, connect_timeout=5, operation_timeout=30)
    try:
        yield connected
    finally:
        connected.close()


def read(mounted: Any, path: str) -> bytes:
    """Read a file; a server that says "later" is asked again, as every client does."""
    for _ in range(RETRIES):
        try:
            with mounted.open(path, "rb") as file:
                return bytes(file.read())
        except nfs_rs.NfsRetryableError:
            continue
    raise AssertionError(f"the server never gave {path}")


def write(mounted: Any, path: str, data: bytes, mode: str = "wb") -> None:
    """Write a file; of a folder that was made a moment ago the server's cache may not know yet."""

    def is_written() -> bool:
        try:
            with mounted.open(path, mode) as file:
                file.write(data)
        except nfs_rs.NfsNotFoundError:
            return False
        return True

    wait_for(is_written, KNOWN_WITHIN_S, least_s=0.1)
