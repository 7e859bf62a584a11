"""What is stored is told soon, together with what came meanwhile, and until then it is known."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import anyio
import pytest
import trio
from trio.testing import MockClock

from photonic import limits
from photonic.ids import BlobId
from photonic.p2p.telling import Telling
from photonic.photos import BlobRef


def ref(number: int) -> BlobRef:
    return BlobRef(BlobId(number.to_bytes(32, "big")), 1, bytes(32))


class Catalog:
    """Takes some time to hear anything."""

    def __init__(self, takes_s: float = 0.01) -> None:
        self.takes_s = takes_s
        self.heard: list[tuple[float, Sequence[BlobRef]]] = []

    async def tell(self, refs: Sequence[BlobRef]) -> None:
        await anyio.sleep(self.takes_s)
        self.heard.append((anyio.current_time(), refs))


def run(catalog: Catalog, story: Callable[[Telling], Awaitable[None]]) -> None:
    async def main() -> None:
        telling = Telling(catalog.tell)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(telling.run)
            await story(telling)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_what_came_alone_is_told_at_once() -> None:
    catalog = Catalog()

    async def story(telling: Telling) -> None:
        began_s = anyio.current_time()
        telling.add([ref(1)])
        assert ref(1).blob in telling
        await anyio.sleep(0.02)
        assert [refs for _, refs in catalog.heard] == [(ref(1),)]
        assert catalog.heard[0][0] - began_s == pytest.approx(catalog.takes_s)
        assert ref(1).blob not in telling

    run(catalog, story)


def test_what_comes_meanwhile_is_told_together() -> None:
    catalog = Catalog()

    async def story(telling: Telling) -> None:
        for number in range(100):
            telling.add([ref(number)])
            await anyio.sleep(0.002)
        await anyio.sleep(1.0)
        told = [one for _, refs in catalog.heard for one in refs]
        assert sorted(told, key=lambda one: one.blob) == [ref(n) for n in range(100)]
        assert len(catalog.heard) < 6, "each costs the catalog, the journal and every peer"

    run(catalog, story)


def test_a_slow_catalog_makes_nobody_wait_longer_than_a_while() -> None:
    catalog = Catalog(takes_s=5.0)

    async def story(telling: Telling) -> None:
        telling.add([ref(1)])
        await anyio.sleep(0.1)
        telling.add([ref(2)])
        await anyio.sleep(30.0)
        first_s, second_s = (heard_s for heard_s, _ in catalog.heard)
        assert second_s - first_s == pytest.approx(limits.TELL_PAUSE_MAX_S + catalog.takes_s)

    run(catalog, story)


def test_no_more_is_fetched_than_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TELL_WAITING_MAX", 3)
    catalog = Catalog()

    async def story(telling: Telling) -> None:
        seen = []
        for refs, pause_s in (([ref(1), ref(2)], 0.0), ([ref(3)], 1.0)):
            telling.add(refs)
            seen.append(telling.is_full)
            await anyio.sleep(pause_s)
        assert [*seen, telling.is_full] == [False, True, False]

    run(catalog, story)


def test_when_nothing_more_is_on_its_way_nobody_waits() -> None:
    catalog = Catalog(takes_s=0.1)

    async def story(telling: Telling) -> None:
        telling.add([ref(1)])
        await anyio.sleep(0.15)
        telling.add([ref(2)])
        await anyio.sleep(0.1)
        assert len(catalog.heard) == 1, "it waits for company"
        telling.hurry()
        await anyio.sleep(0.15)
        assert [refs for _, refs in catalog.heard] == [(ref(1),), (ref(2),)]

    run(catalog, story)
