"""Originals that a person opens and that are elsewhere: fetched first, and waited for."""

from __future__ import annotations

from functools import partial
from typing import cast

import pytest
import trio

from photonic import limits
from photonic.crdt.query import PhotoQuery
from photonic.errors import BlobMissing, OriginalAway
from photonic.ids import BlobId, NodeId, digest
from photonic.opened import Opened
from tests.evicting import FIRST, PHOTOS, MovedClock, run

HOLDER = NodeId(digest(b"here"))
OTHER = NodeId(digest(b"studio"))


class Album:
    """The index as far as `Opened` asks it: one photo that is elsewhere."""

    def __init__(self, holders: frozenset[NodeId]) -> None:
        self._holders = holders

    def holders(self, blob: BlobId) -> frozenset[NodeId]:
        del blob
        return self._holders

    def photo(self, photo: BlobId) -> object:
        del photo
        return type("Listed", (), {"row": type("Row", (), {"name": "a.jpg"})})

    def blobs(self, photo: BlobId) -> list[object]:
        row = {"kind": "original", "held": False, "blob": photo, "size_bytes": 9,
               "chunks": bytes(32), "photo": photo}  # fmt: skip
        return [type("BlobRow", (), row)]


class Reader:
    """Reads the original, once it is here."""

    def __init__(self) -> None:
        self.is_here = False

    async def __call__(self) -> str:
        await trio.lowlevel.checkpoint()
        if not self.is_here:
            raise BlobMissing(FIRST)
        return "its bytes"


def opened_with(*holders: NodeId) -> Opened:
    return Opened(cast(PhotoQuery, Album(frozenset(holders))), HOLDER, MovedClock())


def test_what_is_opened_is_fetched_first_and_waited_for() -> None:
    async def main() -> None:
        other = NodeId(digest(b"studio"))
        opened, reader, fetches = opened_with(other), Reader(), list[int]()

        async def bring() -> None:
            await trio.sleep(5)
            (want,) = opened.wants([other])
            assert want.priority < (-1, 0), "before repairs"
            assert want.holders == {other}
            assert opened.wants([]) == [], "nobody is there to ask"
            reader.is_here = True
            opened.note_arrived({FIRST})

        async with trio.open_nursery() as nursery:
            nursery.start_soon(bring)
            said = await opened.read(FIRST, reader, lambda: [other], lambda: fetches.append(1))
        assert said == "its bytes"
        assert fetches == [1]
        assert opened.wants([other]) == [], "and not once more"
        assert opened.lately() == {FIRST}
        await trio.sleep(limits.OPENED_KEPT_S + 1)
        assert opened.lately() == frozenset()

    run(main)


def test_what_does_not_come_in_time_is_told_and_fetched_further() -> None:
    async def main() -> None:
        other = NodeId(digest(b"studio"))
        opened = opened_with(other)
        began_s = trio.current_time()
        with pytest.raises(OriginalAway, match="1 node"):
            await opened.read(FIRST, Reader(), lambda: [other], lambda: None)
        assert trio.current_time() - began_s == pytest.approx(limits.OPENED_WAIT_S)
        assert len(opened.wants([other])) == 1

    run(main)


def test_where_nobody_is_there_to_ask_it_is_missing_at_once() -> None:
    async def main() -> None:
        other = NodeId(digest(b"studio"))
        opened = opened_with(other, HOLDER)
        began_s = trio.current_time()
        for connected in (frozenset[NodeId](), frozenset([HOLDER])):
            with pytest.raises(BlobMissing):
                await opened.read(FIRST, Reader(), partial(frozenset, connected), lambda: None)
        assert trio.current_time() == began_s
        assert opened.wants([other]) == []

    run(main)


def test_what_comes_while_it_is_looked_for_is_given_at_once() -> None:
    """Whoever wakes those who wait was there before this one waited."""

    async def main() -> None:
        reader, began_s = Reader(), trio.current_time()
        opened = opened_with(OTHER)

        class Late(Album):
            def holders(self, blob: BlobId) -> frozenset[NodeId]:
                reader.is_here = True
                opened.note_arrived([blob])
                return super().holders(blob)

        opened._query = cast(PhotoQuery, Late(frozenset([OTHER])))
        assert await opened.read(FIRST, reader, lambda: [OTHER], lambda: None) == "its bytes"
        assert trio.current_time() == began_s
        assert opened.wants([OTHER]) == [], "and it is not wanted any more"

    run(main)


def test_what_comes_in_another_way_is_given_in_the_end() -> None:
    async def main() -> None:
        reader, opened = Reader(), opened_with(OTHER)

        async def take_in() -> None:
            await trio.sleep(5)
            reader.is_here = True  # from a card, of which nobody tells

        async with trio.open_nursery() as nursery:
            nursery.start_soon(take_in)
            assert await opened.read(FIRST, reader, lambda: [OTHER], lambda: None) == "its bytes"

    run(main)


def test_what_never_came_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "OPENED_MAX", 1)

    async def main() -> None:
        opened = opened_with(OTHER)
        with pytest.raises(OriginalAway):
            await opened.read(FIRST, Reader(), lambda: [OTHER], lambda: None)
        with pytest.raises(BlobMissing):
            await opened.read(PHOTOS[1], Reader(), lambda: [OTHER], lambda: None)
        await trio.sleep(limits.OPENED_KEPT_S)
        with pytest.raises(OriginalAway):
            await opened.read(PHOTOS[1], Reader(), lambda: [OTHER], lambda: None)

    run(main)
