"""The verbs that talk to a running node, against the real HTTP face over a socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from photonic.cli import importing
from photonic.errors import (
    ChecksFailed,
    CodeInvalid,
    CodeRefused,
    FolderUnknown,
    NodeNotRunning,
    RequestInvalid,
)
from photonic.home import NODE_FILE
from photonic.ids import peer_id
from tests.api.local_node import HERE, MemoryNode
from tests.cli.running import CommandLine, serving


@pytest.fixture
def photonic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    home = tmp_path / "home"
    home.mkdir()
    return CommandLine(home, capsys)


@pytest.fixture
def node(photonic: CommandLine, tmp_path: Path) -> Iterator[MemoryNode]:
    photos = tmp_path / "photos"
    photos.mkdir()
    with serving(photonic.home, photos) as node:
        yield node


def test_status_is_what_the_node_says(photonic: CommandLine, node: MemoryNode) -> None:
    node.take("harbour.jpg", (10, 60, 90))
    told = photonic("status", "--json").json
    assert told["node"]["id"] == peer_id(HERE)
    assert told["photos"] == 1
    shown = photonic("status")
    assert shown.status == 0
    assert "Harbour" in shown.out


def test_ls_pages_through_everything(photonic: CommandLine, node: MemoryNode) -> None:
    ids = {node.take(f"{number}.jpg", (number, 0, 0)) for number in range(7)}
    first = photonic("ls", "--limit", "3", "--json").json
    rest = photonic("ls", "--limit", "0", "--cursor", first["next"], "--json").json
    assert rest["next"] is None
    assert {photo["id"] for photo in first["items"] + rest["items"]} == ids
    assert len(first["items"]) == 3


def test_ls_filters_by_what_is_given(photonic: CommandLine, node: MemoryNode) -> None:
    node.take("harbour.jpg", (1, 2, 3), taken="2024-05-17")
    node.take("forest.jpg", (4, 5, 6), taken="2025-01-02")

    def names(*options: str) -> list[str]:
        return [photo["name"] for photo in photonic("ls", "--json", *options).json["items"]]

    assert names("harbour") == ["harbour.jpg"]
    assert names("--from", "2025") == ["forest.jpg"]
    assert names("--to", "2024-05") == ["harbour.jpg"]
    assert names("--rating", "5") == []
    assert photonic("ls", "--rating", "5").err == "No photo matches.\n"


def test_ls_shows_a_hostile_name_harmlessly(photonic: CommandLine, node: MemoryNode) -> None:
    node.take("red\x1b[31m\u202egpj.jpg", (1, 2, 3))
    shown = photonic("ls").out
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "red\ufffd[31m\ufffdgpj.jpg" in shown


def test_a_bad_filter_is_the_nodes_error(photonic: CommandLine, node: MemoryNode) -> None:
    failed = photonic("ls", "--media", "stone", "--json")
    assert failed.status == RequestInvalid.exit_status
    assert failed.error["code"] == RequestInvalid.code
    assert "media" in failed.error["message"]


def test_invite_prints_the_code_and_nothing_else(photonic: CommandLine, node: MemoryNode) -> None:
    invited = photonic("invite", "--role", "archive")
    assert invited.status == 0
    assert invited.out.count("\n") == 1
    assert invited.err == ""
    with_qr = photonic("invite", "--role", "archive", "--qr", "--json")
    assert with_qr.json["role"] == "archive"
    assert with_qr.err, "the QR code is beside the answer"


def test_join_tells_why_a_code_is_not_taken(photonic: CommandLine, node: MemoryNode) -> None:
    failed = photonic("join", "nonsense", "--json")
    assert failed.error["code"] in (CodeInvalid.code, CodeRefused.code)
    assert failed.status in (CodeInvalid.exit_status, CodeRefused.exit_status)
    assert failed.error["fix"]


def test_join_through_the_running_node(photonic: CommandLine, node: MemoryNode) -> None:
    code = photonic("invite").out.strip()
    joined = photonic("join", code, "--json").json
    assert set(joined["library"]) == {"id", "name"}


def test_peers_are_listed(photonic: CommandLine, node: MemoryNode) -> None:
    listed = photonic("peers", "--json").json["items"]
    shown = photonic("peers").out
    assert all(peer["name"] in shown and peer["id"] in shown for peer in listed)


def test_peers_say_on_which_link_and_why_not_on_a_better_one(
    photonic: CommandLine, node: MemoryNode
) -> None:
    shown = photonic("peers")
    assert "relayed through attic" in shown.out
    reason = "direct: 203.0.113.7:4310 refused; punching: NAT changes ports"
    assert f"no better link: {reason}" in shown.err


def test_import_waits_and_counts(photonic: CommandLine, node: MemoryNode, tmp_path: Path) -> None:
    node.take("card.jpg", (9, 9, 9))
    done = photonic("import", str(tmp_path / "photos"), "--json")
    assert done.status == 0
    assert done.json["finished"] is True
    assert done.json["found"] == done.json["known"] == 1
    assert done.json["problems"] == []


def test_import_of_no_folder_says_so(photonic: CommandLine, node: MemoryNode) -> None:
    failed = photonic("import", "/nowhere at all", "--json")
    assert failed.status == FolderUnknown.exit_status
    assert failed.error["code"] == FolderUnknown.code


def test_the_newest_import_of_a_folder_counts() -> None:
    told = [{"folder": "/a", "n": 1}, {"folder": "/b", "n": 2}, {"folder": "/a", "n": 3}]
    assert importing.find_import(told, "/a")["n"] == 3


def test_doctor_fails_while_no_node_runs(photonic: CommandLine) -> None:
    checked = photonic("doctor", "--json")
    assert checked.status == ChecksFailed.exit_status
    results = {check["name"]: check["ok"] for check in checked.json["items"]}
    assert results["node"] is False
    assert results["python"] is results["home"] is results["settings"] is True


def test_doctor_names_each_bad_setting(photonic: CommandLine) -> None:
    (photonic.home / "photonic.yaml").write_text("rolle: central\nworkers: 0\n")
    failed = [check for check in photonic("doctor", "--json").json["items"] if not check["ok"]]
    assert [check["name"] for check in failed] == ["settings", "settings", "node"]


def test_doctor_asks_the_running_node(photonic: CommandLine, node: MemoryNode) -> None:
    names = [check["name"] for check in photonic("doctor", "--json").json["items"]]
    assert names.count("node") == 1
    assert len(names) > 5, "the node's own checks are among them"


def test_a_node_that_was_killed_is_not_running(photonic: CommandLine, tmp_path: Path) -> None:
    with serving(photonic.home, tmp_path):
        pass
    assert (photonic.home / NODE_FILE).exists()
    failed = photonic("ls", "--json")
    assert failed.status == NodeNotRunning.exit_status
    assert "does not answer" in failed.error["message"]


def test_another_node_at_the_same_port_is_not_ours(photonic: CommandLine, tmp_path: Path) -> None:
    with serving(photonic.home, tmp_path, named="12D3KooWSomebodyElse"):
        failed = photonic("status", "--json")
    assert failed.status == NodeNotRunning.exit_status
    assert "another program" in failed.error["message"]
