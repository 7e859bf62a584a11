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

NOBODY = User(65_534, 65_534)


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
def client(port: int, version: str = "4.1") -> Iterator[Any]:
    """Connect as another machine does that is let in."""
    address = f"nfs://127.0.0.1/?version={version}&noresvport=true&nfsport={port}"
    connected = nfs_rs.Client.connect(address, connect_timeout=5, operation_timeout=30)
    try:
        yield connected
    finally:
        connected.close()


def read(mounted: Any, path: str) -> bytes:
    with mounted.open(path, "rb") as file:
        return bytes(file.read())


def write(mounted: Any, path: str, data: bytes, mode: str = "wb") -> None:
    with mounted.open(path, mode) as file:
        file.write(data)
