"""The trash over HTTP: throwing away, taking back, what is held, and what goes for good."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from photonic.api.app import create_app
from photonic.ids import BlobId, peer_id, photo_subject
from photonic.world import World
from simulations.world import VirtualClock
from tests.api.client import in_memory, run
from tests.api.local_node import HERE, THERE, MemoryNode

_DAY_MS, _HOUR_MS = 24 * 3600 * 1000, 3600 * 1000
_ACT = b"a" * 16


class Desk:
    """A node on a clock that the test turns, and a client of its face."""

    def __init__(self, node: MemoryNode, client: httpx.AsyncClient, clock: VirtualClock) -> None:
        self.node, self.client, self.clock = node, client, clock

    def take(self, count: int) -> list[str]:
        return [self.node.take(f"IMG_{n}.jpg", (n * 5, 9, 250 - n * 5)) for n in range(count)]

    def throw_apart(self, photos: list[str]) -> None:
        """Let the other node put photos into its trash, as one act."""
        for photo in photos:
            subject = photo_subject(BlobId(bytes.fromhex(photo)))
            self.node.catalog_thread.write_apart(subject, {"trashed": True}, act=_ACT)

    async def send(self, path: str, status: int = 200, **body: Any) -> Any:
        answer = await self.client.post(f"/api/v1{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def trash(self, **query: Any) -> Any:
        answer = await self.client.get("/api/v1/trash", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def names(self, q: str = "") -> list[str]:
        answer = await self.client.get("/api/v1/photos", params={"q": q, "limit": 100})
        return sorted(photo["name"] for photo in answer.json()["items"])


@asynccontextmanager
async def desk() -> AsyncIterator[Desk]:
    with TemporaryDirectory() as folder:
        clock = VirtualClock()
        node = MemoryNode(Path(folder), World(clock=clock))
        async with in_memory(create_app(node)) as client:
            yield Desk(node, client, clock)


def test_what_is_thrown_away_leaves_the_lists_and_is_listed_in_the_trash() -> None:
    async def main() -> None:
        async with desk() as at:
            first, _ = at.take(2)
            await at.send("/trash/empty")  # as at a start: the days are counted from now on
            told = await at.send("/trash", q="IMG_0")
            assert told["count"] == 1 and len(told["act"]) == 32 and not told["dry_run"]
            assert await at.names() == ["IMG_1.jpg"]
            assert await at.names("is:trashed") == ["IMG_0.jpg"]
            page = await at.trash()
            (item,) = page["items"]
            assert (page["next"], page["held"]) == (None, [])
            assert item["photo"]["id"] == first
            assert (item["author"], item["author_name"]) == (peer_id(HERE), "studio")
            assert item["at"] == "2023-11-14T22:13:20.000Z"
            assert item["purge_at"] == "2023-12-14T22:13:20.000Z"
            assert (await at.send("/undo", act=told["act"]))["undone"] == 1
            assert await at.names() == ["IMG_0.jpg", "IMG_1.jpg"]

    run(main)


def test_a_dry_run_counts_and_writes_nothing() -> None:
    async def main() -> None:
        async with desk() as at:
            at.take(22)
            before = at.node.events.last_id
            told = await at.send("/trash", q="", dry_run=True)
            assert told == {"count": 22, "act": None, "dry_run": True}
            assert at.node.events.last_id == before

    run(main)


def test_the_trash_is_paged() -> None:
    async def main() -> None:
        async with desk() as at:
            photos = at.take(5)
            await at.send("/trash", ids=photos)
            found, cursor = [], None
            while True:
                query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
                page = await at.trash(**query)
                found += [item["photo"]["id"] for item in page["items"]]
                assert len(page["items"]) <= 2
                cursor = page["next"]
                if cursor is None:
                    break
            assert found == sorted(photos)

    run(main)


def test_so_many_that_others_would_hold_them_must_be_confirmed() -> None:
    async def main() -> None:
        async with desk() as at:
            photos = at.take(24)
            await at.send("/trash", ids=photos[:12])
            told = await at.send("/trash", 409, ids=photos[12:])
            assert told["code"] == "trash.unconfirmed"
            assert "12 photos are meant after 12 within the last hour" in told["detail"]
            assert len((await at.trash())["items"]) == 12, "nothing was written"
            assert (await at.send("/trash", ids=photos[12:], confirm=True))["count"] == 12
            at.clock.advance(_HOUR_MS)
            assert (await at.send("/trash/restore", ids=photos))["count"] == 24
            assert (await at.send("/trash", ids=photos[:12]))["count"] == 12

    run(main)


def test_photos_are_taken_back_by_id_or_by_a_query_of_the_trash() -> None:
    async def main() -> None:
        async with desk() as at:
            photos = at.take(6)
            await at.send("/trash", ids=photos[:5])
            assert (await at.send("/trash/restore", ids=photos[:1]))["count"] == 1
            assert (await at.send("/trash/restore", q="IMG_5"))["count"] == 0
            told = await at.send("/trash/restore", q="IMG_1 or (IMG_2) sort:added")
            assert told["count"] == 2 and len(told["act"]) == 32
            assert await at.names("is:trashed") == ["IMG_3.jpg", "IMG_4.jpg"]
            assert (await at.send("/trash/restore", q=" "))["count"] == 2
            assert len(await at.names()) == 6

    run(main)


def test_a_burst_of_another_node_is_held_until_it_is_confirmed() -> None:
    async def main() -> None:
        async with desk() as at:
            photos = at.take(24)
            at.throw_apart(photos[:22])
            assert len(await at.names()) == 24, "they stay in sight"
            assert len(await at.names("is:removal-held")) == 22
            page = await at.trash(limit=100)
            (held,) = page["held"]
            assert (held["node"], held["name"]) == (peer_id(THERE), "field")
            assert (held["count"], held["act"]) == (22, _ACT.hex())
            assert {item["purge_at"] for item in page["items"]} == {None}
            told = await at.send("/trash/confirm", node=peer_id(THERE))
            assert told == {"items": []}
            assert len(await at.names("is:trashed")) == 22
            assert None not in {item["purge_at"] for item in (await at.trash())["items"]}

    run(main)


@pytest.mark.parametrize("q", ["is:removal-held", "", "IMG -is:trashed"])
def test_what_is_held_can_be_taken_back_for_everybody(q: str) -> None:
    async def main() -> None:
        async with desk() as at:
            photos = at.take(24)
            at.throw_apart(photos[:22])
            assert (await at.send("/trash/restore", q=q))["count"] == 22
            assert await at.trash() == {"items": [], "next": None, "held": []}
            assert not await at.names("is:removal-held or is:trashed")
            told = await at.send("/trash/confirm", node=peer_id(THERE))
            assert told == {"items": []} and len(await at.names()) == 24

    run(main)


def test_taking_back_a_part_of_a_burst_releases_what_is_none_any_more() -> None:
    async def main() -> None:
        async with desk() as at:
            photos = at.take(24)
            at.throw_apart(photos[:22])
            assert (await at.send("/trash/restore", ids=photos[:1]))["count"] == 1
            assert len(await at.names("is:removal-held")) == 21
            assert (await at.send("/trash/restore", ids=photos[1:2]))["count"] == 1
            assert not await at.names("is:removal-held")
            assert len(await at.names("is:trashed")) == 20

    run(main)


def test_what_is_past_its_days_goes_and_what_is_held_stays() -> None:
    async def main() -> None:
        async with desk() as at:
            photos = at.take(24)
            assert await at.send("/trash/empty") == {"photos": 0, "bytes": 0}
            at.throw_apart(photos[:22])
            await at.send("/trash", ids=photos[22:23])
            for _ in range(29):
                at.clock.advance(_DAY_MS)
                assert await at.send("/trash/empty") == {"photos": 0, "bytes": 0}
            at.clock.advance(_DAY_MS + 1_000)  # a stamp may be a little ahead of the clock
            size_bytes = (at.node.folder / "IMG_22.jpg").stat().st_size
            assert await at.send("/trash/empty") == {"photos": 1, "bytes": size_bytes}
            answer = await at.client.get(f"/api/v1/photos/{photos[22]}/original")
            assert answer.status_code == 404
            for photo in (photos[0], photos[23]):
                assert (await at.client.get(f"/api/v1/photos/{photo}/original")).is_success
            assert await at.send("/trash/empty") == {"photos": 0, "bytes": 0}

    run(main)


def test_a_clock_that_leaps_empties_no_trash() -> None:
    async def main() -> None:
        async with desk() as at:
            (photo,) = at.take(1)
            await at.send("/trash/empty")
            await at.send("/trash", ids=[photo])
            at.clock._skew_ms += 4_500 * _DAY_MS
            for _ in range(3):
                assert await at.send("/trash/empty") == {"photos": 0, "bytes": 0}
            (item,) = (await at.trash())["items"]
            assert item["purge_at"] == "2036-04-09T22:13:20.000Z", "30 days from what it says now"

    run(main)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/trash", {"ids": ["ab" * 32]}, 404, "catalog.photo-unknown"),
        ("/trash", {"q": "colour:red"}, 400, "catalog.query-invalid"),
        ("/trash", {}, 422, "http.request-invalid"),
        ("/trash", {"q": "", "ids": []}, 422, "http.request-invalid"),
        ("/trash/restore", {"ids": ["ab" * 32]}, 404, "catalog.photo-unknown"),
        ("/trash/restore", {"q": "(IMG"}, 400, "catalog.query-invalid"),
        ("/trash/restore", {"q": "a", "confirm": True}, 422, "http.request-invalid"),
        ("/trash/confirm", {"node": "nobody"}, 404, "trash.node-unknown"),
        ("/trash/confirm", {}, 422, "http.request-invalid"),
    ],
)
def test_what_cannot_be_done_is_told_with_a_code_that_stays(
    path: str, body: dict[str, Any], status: int, code: str
) -> None:
    async def main() -> None:
        async with desk() as at:
            at.take(1)
            told = await at.send(path, status, **body)
            assert (told["status"], told["code"]) == (status, code)
            assert told["fix"]
            assert await at.names() == ["IMG_0.jpg"]

    run(main)


@pytest.mark.parametrize("q", ["IMG colour:red", "(IMG", "sort:added (sort:taken)", "a )"])
def test_a_query_for_what_to_take_back_fails_as_it_does_in_a_search(q: str) -> None:
    async def main() -> None:
        async with desk() as at:
            told = await at.send("/trash/restore", 400, q=q)
            answer = await at.client.get("/api/v1/photos", params={"q": q})
            assert told["detail"] == answer.json()["detail"], "at the same character"

    run(main)


def test_a_cursor_that_no_page_gave_out_is_an_error() -> None:
    async def main() -> None:
        async with desk() as at:
            answer = await at.client.get("/api/v1/trash", params={"cursor": "zz"})
            assert (answer.status_code, answer.json()["code"]) == (400, "catalog.query-invalid")

    run(main)
