"""log, undo and albums: what was imported, and albums that were deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from photonic.crdt.changes import Draft
from photonic.crdt.keys import change_key
from photonic.ids import BlobId, ChangeId, digest, photo_subject
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


def test_a_deleted_album_tells_how_it_comes_back(photonic: CommandLine, node: MemoryNode) -> None:
    photonic("albums", "create", "Iceland")
    deleted = photonic("albums", "delete", "Iceland")
    command = deleted.err.split("`")[1].split()
    assert command[:2] == ["photonic", "undo"]
    done = photonic(*command[1:])
    assert done.out == "The album is as before.\n"
    assert [one["name"] for one in photonic("albums", "--json").json["items"]] == ["Iceland"]
    again = photonic(*done.err.split("`")[1].split()[1:])
    assert again.status == 0
    assert photonic("albums", "--json").json["items"] == []


def test_log_names_who_said_first_what_was_imported(
    photonic: CommandLine, node: MemoryNode
) -> None:
    photo = node.take("red.jpg", (255, 0, 0))
    subject = photo_subject(BlobId(bytes.fromhex(photo)))
    origin = (f"{change_key(ChangeId(digest(b'there')))} laptop",)
    node.catalog_thread.write(Draft(subject, {"rating": 2}, {"origin": origin}))
    for shown in (photonic("log").out, photonic("log", photo).out):
        assert "laptop (imported by studio)" in shown
        assert "origin" not in shown
