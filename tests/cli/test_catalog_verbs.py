"""ls, log, undo, edit, albums and policy, against the real HTTP face over a socket."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from photonic.errors import (
    AlbumAmbiguous,
    AlbumUnknown,
    NotConfirmed,
    PhotoAmbiguous,
    PhotoUnknown,
    QueryInvalid,
    SaidUnknown,
    UndoRefused,
    UsageInvalid,
)
from tests.api.local_node import MemoryNode
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


def take(node: MemoryNode, count: int) -> list[str]:
    return [
        node.take(f"{n}.jpg", (n * 10, 250 - n * 10, 0), taken=f"2024-05-{n + 1:02}")
        for n in range(count)
    ]


def names(photonic: CommandLine, *arguments: str) -> list[str]:
    return [photo["name"] for photo in photonic("ls", "--json", *arguments).json["items"]]


# --- ls --------------------------------------------------------------------------------------


def test_ls_takes_the_query_language(photonic: CommandLine, node: MemoryNode) -> None:
    take(node, 3)
    assert names(photonic, "taken:2024-05-02.. -name:2") == ["1.jpg"]
    assert names(photonic, "--sort=-taken") == ["0.jpg", "1.jpg", "2.jpg"]


def test_ls_points_at_the_character_that_is_wrong(photonic: CommandLine, node: MemoryNode) -> None:
    failed = photonic("ls", "rating>=3 (tag:a")
    assert failed.status == QueryInvalid.exit_status
    lines = failed.err.splitlines()
    assert lines[1] == "  rating>=3 (tag:a"
    assert set(lines[2]) == {" ", "^"}
    told = photonic("ls", "ratng:3", "--json").error
    assert told["code"] == QueryInvalid.code
    assert (told["position"], told["length"]) == (0, 5)


def test_a_query_may_begin_with_a_minus_and_an_option_may_not_be_misspelt(
    photonic: CommandLine, node: MemoryNode
) -> None:
    take(node, 2)
    assert names(photonic, "-name:1") == ["0.jpg"]
    for arguments in (("ls", "--ratng", "4"), ("ls", "--ratng=4"), ("edit", "--wings", "--yes")):
        assert photonic(*arguments).status == UsageInvalid.exit_status


# --- edit ------------------------------------------------------------------------------------


def test_edit_asks_before_it_changes_more_than_one(
    photonic: CommandLine, node: MemoryNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(node, 3)
    monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
    refused = photonic("edit", "taken:2024", "--rating", "4")
    assert refused.status == NotConfirmed.exit_status
    assert refused.err.startswith("3 photos are meant. Change them? [y/N]")
    assert names(photonic, "rating:4") == []
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert photonic("edit", "taken:2024", "--rating", "4").status == 0
    assert len(names(photonic, "rating:4")) == 3


def test_edit_of_one_photo_does_not_ask(photonic: CommandLine, node: MemoryNode) -> None:
    take(node, 2)
    done = photonic("edit", "name:1", "--flag", "pick", "--title", "Dawn")
    assert (done.status, done.out.splitlines()[0]) == (0, "1 photo changed.")
    assert names(photonic, "flag:pick title:dawn") == ["1.jpg"]
    photonic("edit", "name:1", "--flag", "none", "--title", "")
    assert names(photonic, "flag:pick or has:title") == []


def test_edit_tells_its_act_and_how_to_undo_it(photonic: CommandLine, node: MemoryNode) -> None:
    take(node, 3)
    done = photonic("edit", "", "--tag", "+boats", "--tag", "sea", "--yes")
    count, act = done.out.splitlines()
    assert count == "3 photos changed."
    assert f"photonic undo {act.split()[1][:12]}" in done.err
    assert len(names(photonic, "tag:boats tag:sea")) == 3
    photonic("edit", "name:1", "--tag=-boats", "--gps", "64.1,-21.9")
    assert names(photonic, "-tag:boats place:60,-30..70,-10") == ["1.jpg"]


def test_a_dry_run_changes_nothing(photonic: CommandLine, node: MemoryNode) -> None:
    take(node, 3)
    shown = photonic("edit", "", "--rating", "4", "--dry-run")
    assert shown.out == "3 photos are meant; nothing was changed.\n"
    assert names(photonic, "rating:4") == []


@pytest.mark.parametrize(
    "options", [(), ("--rating", "many"), ("--gps", "north"), ("--gps", "1,2,3")]
)
def test_an_edit_that_cannot_be_read_says_so(
    photonic: CommandLine, node: MemoryNode, options: tuple[str, ...]
) -> None:
    take(node, 1)
    assert photonic("edit", "", "--yes", *options).status == UsageInvalid.exit_status


# --- log and undo ----------------------------------------------------------------------------


def test_log_tells_who_said_what(photonic: CommandLine, node: MemoryNode) -> None:
    photo, _ = take(node, 2)
    photonic("edit", "name:0", "--rating", "2")
    photonic("edit", "name:0", "--rating", "4", "--tag", "dawn")
    shown = photonic("log", photo[:8]).out
    assert "rating: 2 → 4" in shown
    assert "rating: none → 2  (changed since)" in shown
    assert "tags + dawn" in shown
    assert "studio" in shown
    assert photonic("log", photo).out == shown == photonic("log", "name:0").out


def test_log_without_a_photo_tells_what_was_done_lately(
    photonic: CommandLine, node: MemoryNode
) -> None:
    take(node, 3)
    assert photonic("log").err == "Nobody said anything of a photo yet.\n"
    photonic("edit", "", "--rating", "2", "--yes")
    (act,) = photonic("log", "--json").json["items"]
    shown = photonic("log").out.splitlines()
    assert act["id"][:12] in shown[1] and "rating" in shown[1]
    assert act["count"] == 3


def test_undo_takes_a_change_or_an_act(photonic: CommandLine, node: MemoryNode) -> None:
    photo, *_ = take(node, 3)
    act = photonic("edit", "", "--rating", "2", "--yes", "--json").json["act"]
    photonic("edit", "name:0", "--rating", "4")
    change = photonic("log", photo, "--json").json["items"][0]["change"]
    done = photonic("undo", act[:12])
    assert done.out.splitlines()[0] == "2 are as before."
    assert "not undone: 0.jpg:" in done.out
    assert names(photonic, "rating:4") == ["0.jpg"]
    assert photonic("undo", change[:12]).out.startswith("1 is as before.")
    assert names(photonic, "rating:2") == ["0.jpg"]
    assert photonic("undo", change).status == UndoRefused.exit_status


def test_an_id_of_nothing_is_unknown(photonic: CommandLine, node: MemoryNode) -> None:
    assert photonic("undo", "0" * 12).status == SaidUnknown.exit_status
    assert photonic("undo", "yesterday").status == UsageInvalid.exit_status


def test_a_photo_is_named_by_one_match_and_no_other(
    photonic: CommandLine, node: MemoryNode
) -> None:
    take(node, 12)
    failed = photonic("log", "taken:2024-05")
    assert failed.status == PhotoAmbiguous.exit_status
    assert len(failed.err.splitlines()) == 1 + 10 + 1 + 1
    assert "11.jpg" in failed.err
    assert photonic("log", "forest").status == PhotoUnknown.exit_status
    assert photonic("log", "abcdef012345").status == PhotoUnknown.exit_status


# --- albums and policy -----------------------------------------------------------------------


def test_albums_are_made_filled_and_listed(photonic: CommandLine, node: MemoryNode) -> None:
    take(node, 3)
    assert "no album yet" in photonic("albums").err
    album = photonic("albums", "create", "Iceland", "--json").json["id"]
    photonic("edit", "name:1", "--album", "iceland")
    assert names(photonic, "album:Iceland") == ["1.jpg"]
    photonic("albums", "rename", "Iceland", "North")
    photonic("edit", "name:2", "--album", f"+{album}")
    photonic("edit", "name:1", "--album=-North")
    assert names(photonic, "album:north") == ["2.jpg"]
    assert "North" in photonic("albums").out
    photonic("albums", "delete", "North")
    assert photonic("albums", "--json").json["items"] == []


def test_a_saved_album_shows_its_query(photonic: CommandLine, node: MemoryNode) -> None:
    take(node, 3)
    photonic("albums", "create", "Late", "--query", "taken:2024-05-02..")
    assert "taken:2024-05-02.." in photonic("albums").out
    assert names(photonic, "album:Late") == ["2.jpg", "1.jpg"]
    photonic("albums", "query", "Late", "--query", "name:0")
    assert names(photonic, "album:Late") == ["0.jpg"]
    failed = photonic("albums", "create", "Bad", "--query", "ratng:1")
    assert failed.status == QueryInvalid.exit_status


def test_an_album_of_a_shared_name_is_told_by_its_id(
    photonic: CommandLine, node: MemoryNode
) -> None:
    ids = [photonic("albums", "create", "A", "--json").json["id"] for _ in range(2)]
    failed = photonic("albums", "delete", "A")
    assert failed.status == AlbumAmbiguous.exit_status
    assert all(album in failed.err for album in ids)
    assert photonic("albums", "delete", ids[0]).status == 0
    assert photonic("albums", "delete", "A").status == 0
    assert photonic("albums", "delete", "A").status == AlbumUnknown.exit_status


@pytest.mark.parametrize(
    "arguments",
    [
        ("create",),
        ("create", "A", "B"),
        ("rename", "A"),
        ("query", "A"),
        ("burn",),
        ("list", "A"),
        ("delete", "A", "--query", "b"),
    ],
)
def test_albums_says_what_it_takes(
    photonic: CommandLine, node: MemoryNode, arguments: tuple[str, ...]
) -> None:
    assert photonic("albums", *arguments).status == UsageInvalid.exit_status


def test_policy_shows_and_sets_rules(photonic: CommandLine, node: MemoryNode) -> None:
    assert photonic("policy").out == "*  auto\n"
    assert "prefer:central" in photonic("policy", "rating", "prefer:central").out
    assert photonic("policy", "--json").json == {"*": "auto", "rating": "prefer:central"}
    assert photonic("policy", "rating", "none", "--json").json == {"*": "auto"}
    assert photonic("policy", "rating", "loudest").status != 0
    assert photonic("policy", "rating").status == UsageInvalid.exit_status
