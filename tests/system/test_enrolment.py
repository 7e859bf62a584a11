"""Who is no member is refused in the handshake, and nothing that a stranger sends stops a node."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from simulations.daemons import Daemon, daemons, photonic

GARBAGE = 1_000


def endpoint(node: Daemon) -> tuple[str, int]:
    parts = node.listen[0].split("/")
    return parts[2], int(parts[4])


def test_a_node_of_another_library_is_refused_and_learns_nothing(tmp_path: Path) -> None:
    with daemons(tmp_path / "ours", tmp_path / "theirs") as (ours, theirs):
        ours.start()
        theirs.start("--peer", ours.listen[0])
        # The other way round, too: each would dial the other if it were a member.
        assert theirs.status()["library"] != ours.status()["library"]
        assert theirs.get("/peers")["items"] == ours.get("/peers")["items"] == []
        assert ours.status()["peers"] == theirs.status()["peers"] == 0


def test_a_code_works_once_and_wrong_ones_are_told_why(tmp_path: Path) -> None:
    with daemons(tmp_path / "a", tmp_path / "b", tmp_path / "c") as (first, second, third):
        first.start()
        code = photonic(first.home, "invite", "--role", "mobile").stdout.strip()
        assert "\n" not in code
        photonic(second.home, "join", code)
        again = photonic(third.home, "join", code, check=False)
        assert again.returncode != 0
        assert "used" in again.stderr
        assert "new code" in again.stderr
        slip = photonic(third.home, "join", code[:-4] + "aaaa", check=False)
        assert slip.returncode != 0
        assert "slip" in slip.stderr


def test_both_may_run_while_they_enrol_and_an_empty_library_gives_way(tmp_path: Path) -> None:
    with daemons(tmp_path / "a", tmp_path / "b") as (first, second):
        first.start()
        second.start()
        library = first.status()["library"]
        code = photonic(first.home, "invite", "--role", "archive").stdout.strip()
        answer = second.send("POST", "/join", {"code": code})
        assert answer["id"] == library["id"]
        first.wait_until(lambda: first.status()["peers"] == 1)
        (peer,) = first.get("/peers")["items"]
        assert peer["link"] == "lan"


@pytest.mark.parametrize("is_inviting", [False, True])
def test_a_thousand_random_byte_strings_leave_the_node_serving(
    tmp_path: Path, is_inviting: bool
) -> None:
    with daemons(tmp_path / "a", tmp_path / "b") as (first, second):
        first.start()
        if is_inviting:
            photonic(first.home, "invite", "--role", "mobile")
        for number in range(GARBAGE):
            with socket.create_connection(endpoint(first), 5) as raw:
                raw.sendall(os.urandom(1 + number % 300))
        code = photonic(first.home, "invite", "--role", "central").stdout.strip()
        photonic(second.home, "join", code)
        second.start("--peer", first.listen[0])
        second.wait_until(lambda: second.status()["peers"] == 1)
        assert first.status()["problems"] == []


def test_a_first_start_may_join(tmp_path: Path) -> None:
    with daemons(tmp_path / "a", tmp_path / "b") as (first, second):
        first.start()
        code = photonic(first.home, "invite", "--role", "archive").stdout.strip()
        second.role = "archive"
        second.start("--join", code)
        first.wait_until(lambda: first.status()["peers"] == 1)
        assert second.status()["node"]["mode"] == "archive"
        second.stop()
        second.start("--join", code)  # the same command again, as a service would give it
        assert second.status()["library"] == first.status()["library"]
