"""`photonic trash`: throw away, list, take back, confirm, and let go for good."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from photonic.errors import (
    NotConfirmed,
    PeerUnknown,
    PhotonicError,
    QueryInvalid,
    RemovalUnconfirmed,
    UsageInvalid,
)
from photonic.ids import BlobId, peer_id, photo_subject
from photonic.world import World
from simulations.world import VirtualClock
from tests.api.local_node import THERE, MemoryNode
from tests.cli.running import CommandLine, serving

_DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def photonic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    home = tmp_path / "home"
    home.mkdir()
    return CommandLine(home, capsys)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def node(photonic: CommandLine, tmp_path: Path, clock: VirtualClock) -> Iterator[MemoryNode]:
    photos = tmp_path / "photos"
    photos.mkdir()
    with serving(photonic.home, photos, world=World(clock=clock)) as node:
        yield node


def take(node: MemoryNode, count: int) -> list[str]:
    return [node.take(f"IMG_{n}.jpg", (n * 5, 9, 250 - n * 5)) for n in range(count)]


def throw_apart(node: MemoryNode, photos: list[str]) -> None:
    """Let another node put photos into its trash."""
    for photo in photos:
        subject = photo_subject(BlobId(bytes.fromhex(photo)))
        node.catalog_thread.write_apart(subject, {"trashed": True})


def names(photonic: CommandLine, query: str = "") -> list[str]:
    shown = photonic("ls", "--json", "--limit", "0", *([query] if query else []))
    return sorted(photo["name"] for photo in shown.json["items"])


def test_a_photo_goes_into_the_trash_is_listed_and_comes_back(
    photonic: CommandLine, node: MemoryNode
) -> None:
    photo, _ = take(node, 2)
    photonic("trash", "empty")  # as at a start: the days are counted from now on
    done = photonic("trash", "IMG_0")
    assert (done.status, done.out) == (0, "1 photos are in the trash.\n")
    assert names(photonic) == ["IMG_1.jpg"]
    shown = photonic("trash").out
    for part in ("IMG_0.jpg", "studio", "2023-11-14 22:13:20", "2023-12-14", photo[:12]):
        assert part in shown
    assert photonic("trash", "list").out == shown
    (item,) = photonic("trash", "--json").json["items"]
    assert item["photo"]["id"] == photo
    back = photonic("trash", "restore", "IMG_0")
    assert (back.status, back.out) == (0, "1 photos are back.\n")
    assert photonic("trash").err == "Nothing is in the trash.\n"
    again = photonic(*back.err.split("`")[1].split()[1:])
    assert again.status == 0
    assert names(photonic, "is:trashed") == ["IMG_0.jpg"]


def test_it_tells_how_to_take_it_back(photonic: CommandLine, node: MemoryNode) -> None:
    take(node, 2)
    done = photonic("trash", "IMG_0")
    command = done.err.split("`")[1].split()
    assert command[:2] == ["photonic", "undo"]
    assert photonic(*command[1:]).status == 0
    assert names(photonic) == ["IMG_0.jpg", "IMG_1.jpg"]


def test_many_are_asked_about_and_only_a_yes_is_one(
    photonic: CommandLine, node: MemoryNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(node, 3)
    for answer in ("n\n", "", "maybe\n"):
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        refused = photonic("trash", "IMG")
        assert refused.status == NotConfirmed.exit_status
        assert "3 photos go into the trash. Is that meant?" in refused.err
    assert len(names(photonic)) == 3
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    assert photonic("trash", "IMG").out == "3 photos are in the trash.\n"
    assert photonic("trash", "restore", "").out == "3 photos are back.\n"
    assert photonic("trash", "--yes", "IMG", "--json").json["count"] == 3


def test_a_burst_must_be_confirmed_with_what_went_before(
    photonic: CommandLine, node: MemoryNode
) -> None:
    take(node, 24)
    assert photonic("trash", "--yes", "IMG_1*").out == "11 photos are in the trash.\n"
    refused = photonic("--json", "trash", "--yes", "IMG")
    assert refused.status == RemovalUnconfirmed.exit_status
    assert refused.error["code"] == RemovalUnconfirmed.code
    assert "13 photos are meant after 11 within the last hour" in refused.error["message"]
    assert len(names(photonic)) == 13
    assert photonic("trash", "--yes", "--confirm", "IMG").status == 0
    assert names(photonic) == []


def test_what_another_node_removed_in_a_burst_waits_and_can_be_confirmed_by_its_name(
    photonic: CommandLine, node: MemoryNode
) -> None:
    throw_apart(node, take(node, 24)[:22])
    assert len(names(photonic)) == 24
    shown = photonic("trash")
    assert shown.out.count(" held ") == 22
    assert "22 removals by field are held until somebody confirms them" in shown.err
    command = shown.err.split("them: photonic ")[1].split()
    (held,) = photonic("trash", "--json").json["held"]
    assert held["node"] == peer_id(THERE)
    done = photonic(*command)
    assert (done.status, done.out) == (0, "It is meant; all nodes follow.\n")
    assert len(names(photonic, "is:trashed")) == 22
    assert "held" not in photonic("trash").err


def test_what_is_held_is_taken_back(photonic: CommandLine, node: MemoryNode) -> None:
    throw_apart(node, take(node, 24)[:22])
    done = photonic("trash", "restore", "is:removal-held")
    assert done.out == "22 photos are back.\n"
    assert photonic("trash", "--json").json == {"items": [], "held": []}


def test_what_is_past_its_days_goes_for_good(
    photonic: CommandLine, node: MemoryNode, clock: VirtualClock
) -> None:
    photo, _ = take(node, 2)
    assert photonic("trash", "empty").out == "0 photos are gone from here, 0 B.\n"
    photonic("trash", "IMG_0")
    for _ in range(29):
        clock.advance(_DAY_MS)
        assert photonic("trash", "empty", "--json").json == {"photos": 0, "bytes": 0}
    clock.advance(_DAY_MS)
    assert photonic("trash", "empty").out.startswith("1 photos are gone from here, ")
    assert not node.originals.has(BlobId(bytes.fromhex(photo)))
    assert len(node.originals.paths) == 1


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["restore"], UsageInvalid),
        (["restore", "a", "b"], UsageInvalid),
        (["confirm"], UsageInvalid),
        (["confirm", "nobody"], PeerUnknown),
        (["list", "a"], UsageInvalid),
        (["colour:red"], QueryInvalid),
        (["restore", "colour:red"], QueryInvalid),
        (["restore", "--colour"], UsageInvalid),
    ],
)
def test_what_cannot_be_done_ends_with_a_status_that_stays(
    photonic: CommandLine, node: MemoryNode, words: list[str], error: type[PhotonicError]
) -> None:
    take(node, 1)
    node.take("restore confirm.jpg", (1, 2, 3))
    outcome = photonic("--json", "trash", *words)
    assert outcome.error["code"] == error.code
    assert outcome.status == error.exit_status
    assert len(names(photonic)) == 2
