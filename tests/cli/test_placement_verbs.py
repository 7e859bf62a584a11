"""why, pin, unpin and policy placement, against the real HTTP face over a socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from photonic.errors import (
    AlbumUnknown,
    MemberUnknown,
    PhotoUnknown,
    RuleInvalid,
    UsageInvalid,
)
from photonic.ids import BlobId, peer_id
from tests.api.local_node import HERE, THERE, MemoryNode
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


def take(node: MemoryNode, name: str = "a.jpg") -> str:
    photo = node.take(name, (10, 20, 30))
    held = {BlobId(bytes.fromhex(photo)): True}
    node.catalog_thread.do(lambda catalog: catalog.hold(held))
    return photo


def test_why_tells_the_rule_the_copies_and_who_is_in_the_way(
    photonic: CommandLine, node: MemoryNode
) -> None:
    photo = take(node)
    alone = photonic("why", photo).out
    assert "rule: none is about it" in alone
    assert "wanted: 2 copies\nmissing: 1\n" in alone
    assert "no member is there to take 1 of them" in alone
    photonic("policy", "placement", "add", "where kind:jpeg: copies 2, one on mobile, evict last")
    told = photonic("why", "name:a").out
    assert "rule: where kind:jpeg: copies 2, one on mobile, evict last\n" in told
    assert "wanted: 2 copies, 1 on mobile\nmissing: 1, 1 on mobile\n" in told
    rows = [line.split("  ") for line in told.splitlines()]
    assert any(row[0] == "studio (here)" and "last" in row for row in map(stripped, rows))
    assert any(row[0] == "field" and "pinned" in row for row in map(stripped, rows))
    assert photonic("why", photo, "--json").json["missing_on"] == {"mobile": 1}
    assert photonic("why", "ab" * 32).status == PhotoUnknown.exit_status


def stripped(row: list[str]) -> list[str]:
    return [cell.strip() for cell in row if cell.strip()]


def test_rules_are_shown_set_checked_added_and_removed(
    photonic: CommandLine, node: MemoryNode, tmp_path: Path
) -> None:
    take(node)
    file = tmp_path / "rules"
    file.write_text("# mine\n\nwhere rating>=3: copies 3\n  everything: copies 2  \n")
    checked = photonic("policy", "placement", "check", str(file), "--json").json
    assert [rule["photos"] for rule in checked["rules"]] == [0, 1]
    assert photonic("policy", "placement", "--json").json["rules"] == []
    shown = photonic("policy", "placement", "set", str(file)).out
    assert "0  where rating>=3: copies 3" in shown and "1  everything: copies 2" in shown
    assert photonic("policy", "placement", "show").out == shown
    photonic("policy", "placement", "remove", "everything: copies 2")
    added = photonic("policy", "placement", "add", "where flag:reject: copies 1", "--json").json
    assert [rule["text"] for rule in added["rules"]] == [
        "where rating>=3: copies 3", "where flag:reject: copies 1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [("burn",), ("set",), ("check",), ("add",), ("show", "x"), ("set", "/no/such/file")],
)
def test_policy_placement_says_what_it_takes(
    photonic: CommandLine, node: MemoryNode, arguments: tuple[str, ...]
) -> None:
    assert photonic("policy", "placement", *arguments).status == UsageInvalid.exit_status
    assert photonic("policy", "rating", "auto", "more").status == UsageInvalid.exit_status


def test_a_rule_that_cannot_be_read_is_shown_with_what_is_wrong(
    photonic: CommandLine, node: MemoryNode
) -> None:
    refused = photonic("policy", "placement", "add", "where ratng>=3: copies 3")
    assert refused.status == RuleInvalid.exit_status
    assert "did you mean rating" in refused.err
    shown, pointer = refused.err.splitlines()[1:3]
    assert shown[pointer.index("^") :].startswith("ratng")


def test_pins_are_rules_that_keep_what_is_found_on_a_node(
    photonic: CommandLine, node: MemoryNode
) -> None:
    take(node)
    album = photonic("albums", "create", "Iceland", "--json").json["id"]
    assert photonic("pin").out == ""
    assert photonic("pin", "-flag:reject", "--on", "field").status == 0
    assert photonic("pin", "--album", "Iceland").status == 0
    pins = photonic("pin", "--json").json["items"]
    rules = [
        f"where -flag:reject: keep on {peer_id(THERE)}",
        f"where album:{album}: keep on {peer_id(HERE)}",
    ]
    assert sorted(pin["text"] for pin in pins) == sorted(rules)
    assert rules[0] in photonic("pin").out
    assert photonic("unpin", "-flag:reject", "--on", "field").status == 0
    assert photonic("unpin", rules[1]).status == 0
    assert photonic("pin", "--json").json["items"] == []


def test_pin_says_what_it_takes(photonic: CommandLine, node: MemoryNode) -> None:
    assert photonic("pin", "a", "--on", "yoda").status == MemberUnknown.exit_status
    assert photonic("pin", "a", "--album", "b").status == UsageInvalid.exit_status
    assert photonic("pin", "--album", "b").status == AlbumUnknown.exit_status
    assert photonic("unpin", "a").status == UsageInvalid.exit_status
    assert photonic("unpin").status == UsageInvalid.exit_status
    assert photonic("pin", "ratng:3").status == RuleInvalid.exit_status
