"""What moves and what is paused, over HTTP; pauses outlive the node."""

from __future__ import annotations

from pathlib import Path

import pytest

from photonic.errors import ConfigInvalid, StoreFull
from photonic.events import PausesChanged, SafetyChanged
from photonic.ids import BlobId, peer_id
from photonic.moving import view_of
from photonic.p2p.jobs import TransferState
from photonic.p2p.jobs import TransferView as Transfer
from photonic.pauses import Pauses, read_paused
from photonic.search.criteria import Equals
from photonic.world import SystemFiles
from tests.api.client import face, run
from tests.api.local_node import MemoryNode
from tests.memory_library import NAMES, THERE

SHOOT = "5e" * 8


def reopened(node: MemoryNode) -> tuple[Pauses, list[tuple[bool, frozenset[bytes]]]]:
    """Return the pauses as the node has them after a restart, and what it does with them."""
    applied: list[tuple[bool, frozenset[bytes]]] = []
    pauses = Pauses(
        node.folder / "pauses.json", SystemFiles(), node.finder, lambda: {THERE: NAMES[THERE]},
        lambda _: None, lambda library, peers: applied.append((library, peers)),
    )  # fmt: skip
    return pauses, applied


def test_what_moves_is_told_with_how_safe_it_all_is() -> None:
    async def main() -> None:
        async with face() as (node, client):
            node.take("a.jpg", (1, 2, 3))
            told = (await client.get("/api/v1/transfers")).json()
            assert (told["items"], told["in_view"], told["previews_first"]) == ([], 0, False)
            assert told["safety"]["state"] == "unknown"
            node.moving.safety.note(node.query.at_risk(2))
            told = (await client.get("/api/v1/transfers")).json()
            assert told["safety"]["photos_at_risk"] == 1
            assert told["safety"]["eta_s"] is None
            status = (await client.get("/api/v1/status")).json()
            assert status["safety"] == told["safety"]
            assert (await client.get("/api/v1/transfers", params={"limit": 0})).status_code == 422

    run(main)


def test_a_transfer_says_what_keeps_it() -> None:
    problem = StoreFull("the disk", 5, 1)
    shown = view_of(
        Transfer("a.jpg", BlobId(bytes(32)), 1, 5, 0.0, (), TransferState.BLOCKED, problem, None)
    )
    assert shown.state == "blocked"
    assert shown.problem == f"{problem.message} {problem.fix}"


def test_everything_is_paused_and_resumed() -> None:
    async def main() -> None:
        async with face() as (node, client):
            told = (await client.post("/api/v1/pauses", json={"kind": "library"})).json()
            assert told == {"items": [{"kind": "library", "id": None, "name": None}]}
            assert node.paused[-1] == (True, frozenset())
            assert (await client.get("/api/v1/pauses")).json() == told
            assert (await client.get("/api/v1/status")).json()["pauses"] == told["items"]
            assert reopened(node)[1] == [(True, frozenset())]
            ended = (await client.post("/api/v1/pauses/end", json={"kind": "library"})).json()
            assert ended == {"items": []}
            assert node.paused[-1] == (False, frozenset())
            assert reopened(node)[1] == [(False, frozenset())]

    run(main)


def test_a_peer_an_album_and_a_shoot_are_left_alone() -> None:
    async def main() -> None:
        async with face() as (node, client):
            album = (await node.albums.create("Iceland", None)).id
            bodies = (
                {"kind": "peer", "id": NAMES[THERE].upper()},
                {"kind": "album", "id": album},
                {"kind": "shoot", "id": SHOOT},
            )
            for body in bodies:
                assert (await client.post("/api/v1/pauses", json=body)).status_code == 200
                assert (await client.post("/api/v1/pauses", json=body)).status_code == 200
            items = (await client.get("/api/v1/pauses")).json()["items"]
            assert items == [
                {"kind": "peer", "id": peer_id(THERE), "name": NAMES[THERE]},
                {"kind": "album", "id": album, "name": "Iceland"},
                {"kind": "shoot", "id": SHOOT, "name": None},
            ]
            assert node.paused[-1] == (False, frozenset({THERE}))
            pauses, applied = reopened(node)
            assert applied == [(False, frozenset({THERE}))]
            tree = pauses.left_alone()
            assert tree is not None
            assert set(getattr(tree, "items", ())) == {
                Equals("album", album), Equals("shoot", SHOOT),
            }  # fmt: skip
            await client.post("/api/v1/pauses/end", json=bodies[1])
            left = (await client.get("/api/v1/pauses")).json()["items"]
            assert [one["kind"] for one in left] == ["peer", "shoot"]
            assert (await client.post("/api/v1/pauses/end", json={})).json() == {"items": []}
            assert reopened(node)[0].left_alone() is None

    run(main)


def test_a_saved_album_is_left_alone_with_what_its_query_finds() -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = node.take("a.jpg", (1, 2, 3))
            node.take("b.jpg", (3, 2, 1))
            album = (await node.albums.create("A", "name:a")).id
            await client.post("/api/v1/pauses", json={"kind": "album", "id": album})
            tree = reopened(node)[0].left_alone()
            assert tree is not None
            assert [one.row.photo.hex() for one in node.query.page(tree, 9, None).items] == [photo]

    run(main)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"kind": "peer", "id": "nobody"}, "trash.node-unknown"),
        ({"kind": "album", "id": "ab" * 16}, "albums.unknown"),
        ({"kind": "shoot", "id": "xyz"}, "peers.pause-invalid"),
        ({"kind": "peer"}, "peers.pause-invalid"),
        ({"kind": "library", "id": "x"}, "peers.pause-invalid"),
        ({"kind": "folder", "id": "x"}, "http.request-invalid"),
        ({}, "http.request-invalid"),
    ],
)
def test_what_cannot_be_paused_is_refused(body: dict[str, object], code: str) -> None:
    async def main() -> None:
        async with face() as (node, client):
            answer = await client.post("/api/v1/pauses", json=body)
            assert answer.json()["code"] == code
            assert node.paused == [(False, frozenset())]

    run(main)


def test_what_is_gone_can_be_taken_off_the_list() -> None:
    async def main() -> None:
        async with face() as (node, client):
            album = (await node.albums.create("Iceland", None)).id
            await client.post("/api/v1/pauses", json={"kind": "album", "id": album})
            await node.albums.delete(album)
            told = await client.post("/api/v1/pauses/end", json={"kind": "album", "id": album})
            assert told.json() == {"items": []}

    run(main)


def test_pauses_and_safety_are_events() -> None:
    async def main() -> None:
        async with face() as (node, client):
            node.take("a.jpg", (1, 2, 3))
            before = node.events.last_id
            await client.post("/api/v1/pauses", json={"kind": "library"})
            await client.post("/api/v1/pauses", json={"kind": "library"})
            node.moving.safety.note(node.query.at_risk(2))
            told = [event for _, event in node.events.since(before)]
            assert [one for one in told if isinstance(one, PausesChanged)] == [PausesChanged(1)]
            assert [type(one) for one in told if isinstance(one, SafetyChanged)] == [SafetyChanged]

    run(main)


@pytest.mark.parametrize("text", ["", "{", '{"peers": ["x"]}', '{"what": 1}', '{"albums": ["z"]}'])
def test_a_file_that_cannot_be_read_is_no_reason_to_go_on(tmp_path: Path, text: str) -> None:
    file = tmp_path / "pauses.json"
    file.write_text(text)
    with pytest.raises(ConfigInvalid):
        read_paused(file)
