"""Nodes find each other on a LAN by multicast DNS: on a LAN that the test makes for itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.lan_story import HOSTS


def _ip(*words: str) -> bool:
    try:
        return subprocess.run(["ip", *words], check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@pytest.fixture
def namespace() -> Iterator[str]:
    """A network namespace with two hosts' addresses on two ends of one cable."""
    name = f"photonic{os.getpid()}"
    if not _ip("netns", "add", name):
        pytest.skip("making a network namespace needs root and iproute2")
    try:
        assert _ip("-n", name, "link", "set", "lo", "up")
        assert _ip("-n", name, "link", "add", "left", "type", "veth", "peer", "name", "right")
        for link, host in zip(("left", "right"), HOSTS, strict=True):
            assert _ip("-n", name, "addr", "add", f"{host}/24", "dev", link)
            assert _ip("-n", name, "link", "set", link, "up")
        yield name
    finally:
        _ip("netns", "del", name)


def test_two_nodes_whose_addresses_changed_meet_again_without_being_told(
    namespace: str, tmp_path: Path
) -> None:
    story = [sys.executable, "-m", "tests.system.lan_story", str(tmp_path)]
    done = subprocess.run(
        ["ip", "netns", "exec", namespace, *story],
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout == "they met again\n", done.stderr[-3000:]
