"""Server-sent events over real sockets: live, resumed, torn, too slow, and at the end."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio.to_thread
import httpx
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from photonic import events, limits
from photonic.api.events import told
from photonic.api.feed import Feed
from photonic.crdt.changes import Draft
from photonic.ids import (
    BlobId,
    ChangeId,
    NodeId,
    album_subject,
    digest,
    member_subject,
    peer_id,
    photo_subject,
)
from tests.api.client import connected, face, read_all, request_bytes, run, served, until

NODE = NodeId(digest(b"node"))
SUBJECTS = tuple(photo_subject(BlobId(digest(bytes([n])))) for n in range(3))
ALBUM = album_subject(b"a" * 16)
IDS = [subject.key.hex() for subject in SUBJECTS]


@dataclass(frozen=True)
class Message:
    id: str | None
    name: str | None
    data: object


class Stream:
    """What a browser's EventSource does, over a bare connection."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._text = ""

    async def next_block(self) -> str:
        """Return the next block; end of stream is an error."""
        while "\n\n" not in self._text:
            piece = await self._stream.receive_some()
            assert piece, "the stream ended"
            self._text += piece.decode()
        block, _, self._text = self._text.partition("\n\n")
        return block

    async def next(self) -> Message:
        lines = (await self.next_block()).splitlines()
        parts = dict(line.split(": ", 1) for line in lines if not line.startswith(":"))
        data = json.loads(parts["data"]) if "data" in parts else None
        return Message(parts.get("id"), parts.get("event"), data)


@asynccontextmanager
async def listening(
    client: httpx.AsyncClient, *headers: str, query: str = ""
) -> AsyncIterator[tuple[Stream, Message]]:
    """Listen to the events; yields the stream and its opening message."""
    async with connected(client) as stream:
        await stream.send_all(request_bytes(client, f"GET /api/v1/events{query}", *headers))
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = await stream.receive_some(1)
            assert byte, head
            head += byte
        assert head.startswith(b"HTTP/1.1 200"), head
        assert b"content-type: text/event-stream" in head.lower()
        told = Stream(stream)
        yield told, await told.next()


ANNOUNCED: list[tuple[events.Event, tuple[str, object]]] = [
    (events.Audited("token.created", {"name": "phone"}), ("audit", {"act": "token.created"})),
    (
        events.SubjectsChanged((*SUBJECTS, member_subject(NODE)), (ChangeId(b"c"),)),
        ("photos", {"ids": IDS, "local": True}),
    ),
    (
        events.SubjectsChanged(SUBJECTS[:1], origin=NODE),
        ("photos", {"ids": IDS[:1], "local": False}),
    ),
    (
        events.SubjectsChanged((ALBUM,), origin=NODE),
        ("albums", {"ids": [ALBUM.key.hex()], "local": False}),
    ),
    (events.HoldingsChanged(SUBJECTS), ("holdings", {"ids": IDS})),
    (events.PeerChanged(NODE, True), ("peer", {"id": peer_id(NODE), "connected": True})),
    (
        events.TransferProgress(b"\xab" * 32, "a.NEF", 5, 9, 2, "fetching", 2.2, 1.5),
        (
            "transfer",
            {
                "blob": "ab" * 32,
                "name": "a.NEF",
                "kind": "original",
                "state": "fetching",
                "done_bytes": 5,
                "total_bytes": 9,
                "peers": 2,
                "rate_bytes_s": 2,
                "eta_s": 1.5,
            },
        ),
    ),
    (events.PausesChanged(2), ("pauses", {"count": 2})),
    (events.PlacementChanged(3), ("placement", {"count": 3})),
    (
        events.SafetyChanged(3, 900, None),
        ("safety", {"photos_at_risk": 3, "bytes_left": 900, "eta_s": None}),
    ),
    (
        events.ImportProgress("/card", 9, 4, 3, 2, False),
        (
            "import",
            {
                "folder": "/card",
                "found": 9,
                "imported": 4,
                "known": 3,
                "failed": 2,
                "finished": False,
            },
        ),
    ),
    (events.ProblemsChanged(3), ("problems", {"count": 3})),
    (events.Gap(), ("gap", {})),
]


def test_every_event_is_told_live_in_order_with_an_id() -> None:
    async def main() -> None:
        async with served() as (node, client, _, _), listening(client) as (stream, first):
            seen = {first.id}
            for event, (name, data) in ANNOUNCED:
                node.events.announce(event)
                message = await stream.next()
                assert (message.name, message.data) == (name, data)
                assert message.id not in seen
                seen.add(message.id)

    run(main)


def test_changes_of_other_things_than_photos_are_not_told() -> None:
    assert told(events.SubjectsChanged((member_subject(NODE),))) == []


@given(st.integers(1, 2 * limits.EVENT_IDS_MAX), st.booleans())
def test_very_many_photos_are_told_without_their_names(size: int, is_held: bool) -> None:
    subjects = tuple(photo_subject(BlobId(n.to_bytes(32, "big"))) for n in range(size))
    event = events.HoldingsChanged(subjects) if is_held else events.SubjectsChanged(subjects)
    ((_, data),) = told(event)
    named = [one.key.hex() for one in subjects] if size <= limits.EVENT_IDS_MAX else []
    assert data["ids"] == named


def test_an_index_that_caught_up_is_told_as_very_many_of_all() -> None:
    messages = told(events.IndexCaughtUp())
    assert {name: data["ids"] for name, data in messages} == {"photos": [], "albums": []}


def test_only_the_last_part_of_an_event_completes_it() -> None:
    async def main() -> None:
        async with served() as (node, client, _, _), listening(client) as (stream, _first):
            number = node.events.announce(events.SubjectsChanged((SUBJECTS[0], ALBUM)))
            parts = [await stream.next(), await stream.next()]
            assert [part.name for part in parts] == ["photos", "albums"]
            assert parts[0].id is None
            assert parts[1].id is not None
            assert parts[1].id.endswith(f".{number}")

    run(main)


def test_an_album_that_is_made_renamed_or_deleted_is_told_each_time() -> None:
    async def main() -> None:
        async with served() as (_, client, _, _), listening(client) as (stream, _first):
            album = (await client.post("/api/v1/albums", json={"name": "A"})).json()["id"]
            await client.patch(f"/api/v1/albums/{album}", json={"name": "B"})
            await client.delete(f"/api/v1/albums/{album}")
            for _ in range(3):
                message = await stream.next()
                assert (message.name, message.data) == ("albums", {"ids": [album], "local": True})

    run(main)


def test_a_large_act_is_told_in_bounded_messages() -> None:
    async def main() -> None:
        async with served() as (node, client, _, _), listening(client) as (stream, _first):
            photo = node.take("a.jpg", (1, 2, 3))
            assert (await stream.next()).data == {"ids": [photo], "local": True}
            some = [
                photo_subject(BlobId(n.to_bytes(32, "big")))
                for n in range(limits.EVENT_IDS_MAX + 1)
            ]
            sets = {"original": [b"x" * 32, 1, bytes(32)]}
            node.catalog_thread.write(*(Draft(subject, sets) for subject in some))
            message = await stream.next()
            assert (message.name, message.data) == ("photos", {"ids": [], "local": True})

    run(main)


@pytest.mark.parametrize("way", ["header", "query"])
def test_a_listener_that_comes_back_gets_what_it_missed_once(way: str) -> None:
    async def main() -> None:
        async with served() as (node, client, _, _):
            async with listening(client) as (stream, _first):
                node.events.announce(events.ProblemsChanged(1))
                seen = (await stream.next()).id
            for count in (2, 3):
                node.events.announce(events.ProblemsChanged(count))
            headers = [f"Last-Event-ID: {seen}"] if way == "header" else []
            query = f"?last_event_id={seen}" if way == "query" else ""
            async with listening(client, *headers, query=query) as (stream, first):
                assert first.id == seen
                node.events.announce(events.ProblemsChanged(4))
                told = [(await stream.next()).data for _ in range(3)]
                assert told == [{"count": 2}, {"count": 3}, {"count": 4}]

    run(main)


def test_the_opening_id_is_a_place_to_come_back_to() -> None:
    async def main() -> None:
        async with served() as (node, client, _, _):
            node.events.announce(events.ProblemsChanged(1))
            async with listening(client) as (_stream, first):
                pass
            node.events.announce(events.ProblemsChanged(2))
            async with listening(client, f"Last-Event-ID: {first.id}") as (stream, _first):
                assert (await stream.next()).data == {"count": 2}

    run(main)


@pytest.mark.parametrize("seen", ["{run}.0", "{run}.99999", "0a0b0c0d.1", "nonsense", "{run}.x"])
def test_what_the_log_no_longer_has_is_a_gap_and_then_goes_on(seen: str) -> None:
    async def main() -> None:
        async with served() as (node, client, _, _):
            async with listening(client) as (_stream, first):
                assert first.id is not None
                run_name = first.id.partition(".")[0]
            for count in range(limits.EVENTS_KEPT + 1):
                node.events.announce(events.ProblemsChanged(count))
            header = f"Last-Event-ID: {seen.format(run=run_name)}"
            async with listening(client, header) as (stream, _first):
                gap = await stream.next()
                assert gap.name == "gap"
                assert gap.id == f"{run_name}.{node.events.last_id}"
                node.events.announce(events.ProblemsChanged(7))
                assert (await stream.next()).data == {"count": 7}

    run(main)


def test_events_of_other_threads_arrive() -> None:
    async def main() -> None:
        async with served() as (node, client, _, _), listening(client) as (stream, _first):
            for count in range(20):
                event = events.ProblemsChanged(count)
                await anyio.to_thread.run_sync(node.events.announce, event)
            assert [(await stream.next()).data for _ in range(20)] == [
                {"count": count} for count in range(20)
            ]

    run(main)


def test_a_listener_too_slow_is_cut_and_costs_no_more() -> None:
    async def main() -> None:
        subjects = tuple(
            photo_subject(BlobId(n.to_bytes(32, "big"))) for n in range(limits.EVENT_IDS_MAX)
        )
        async with served() as (node, client, app, _), connected(client) as slow:
            await slow.send_all(request_bytes(client, "GET /api/v1/events"))
            await until(lambda: app.feed.listeners == 1)

            def announce() -> bool:
                node.events.announce(events.HoldingsChanged(subjects))
                return app.feed.listeners == 0

            await until(announce)
            answer = await read_all(slow)  # what the kernel still had, then the end
            assert answer.startswith(b"HTTP/1.1 200")
            assert len(answer) < node.events.last_id * 33_000
            async with listening(client) as (stream, _first):
                node.events.announce(events.ProblemsChanged(1))
                assert (await stream.next()).name == "problems"

    run(main)


def test_a_listener_that_leaves_is_forgotten() -> None:
    async def main() -> None:
        async with served() as (_, client, app, _):
            async with listening(client):
                assert app.feed.listeners == 1
            await until(lambda: app.feed.listeners == 0)

    run(main)


def test_listeners_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EVENT_SUBSCRIBERS_MAX", 1)

    async def main() -> None:
        async with served() as (_, client, app, _):
            async with listening(client):
                answer = await client.get("/api/v1/events")
                assert (answer.status_code, answer.json()["code"]) == (
                    503,
                    "http.too-many-listeners",
                )
            await until(lambda: app.feed.listeners == 0)
            async with listening(client):
                assert app.feed.listeners == 1

    run(main)


def test_a_quiet_stream_shows_that_it_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EVENT_HEARTBEAT_S", 0.01)

    async def main() -> None:
        async with served() as (_, client, _, _), listening(client) as (stream, _first):
            assert await stream.next_block() == ": still here"

    run(main)


def test_a_stop_ends_the_streams_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SHUTDOWN_GRACE_S", 1_000.0)

    async def main() -> None:
        with anyio.fail_after(10):
            async with served() as (node, client, _, shutdown), connected(client) as stream:
                await stream.send_all(request_bytes(client, "GET /api/v1/events"))
                await stream.receive_some(1)
                shutdown.set()
                await read_all(stream)
                assert node.events.announce(events.ProblemsChanged(1))

    run(main)


def test_a_stream_that_begins_after_the_stop_ends_at_once() -> None:
    async def main() -> None:
        async with face() as (node, client):
            app = client._transport.app  # type: ignore[attr-defined]
            app.begin_shutdown()
            answer = await client.get("/api/v1/events")
            assert answer.text.startswith(": photonic\n")
            assert app.feed.listeners == 0
            assert node.events.announce(events.ProblemsChanged(1))

    run(main)


@given(st.text(max_size=40))
def test_any_last_event_id_is_a_place_or_a_gap(seen: str) -> None:
    async def main() -> None:
        log = events.EventLog()
        log.announce(events.ProblemsChanged(1))
        log.announce(events.ProblemsChanged(2))
        feed = Feed(log, "run")
        subscription = feed.subscribe(seen)
        subscription.end()
        heard = [event async for _, event in subscription.events()]
        subscription.close()
        assert feed.listeners == 0
        assert heard in ([], [events.Gap()], [events.ProblemsChanged(2)]) or seen.endswith("0")

    run(main)
