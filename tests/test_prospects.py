"""A run looks behind what may not go, goes by the rules of now, and says what is so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
import trio

from photonic import limits
from photonic.ids import BlobId, NodeId
from photonic.p2p.attestations import AskPromises
from photonic.prospects import Judged, going_bytes
from photonic.roles.retention import Floor, Reason
from tests.evicting import PHOTOS, EvictingCluster, EvictingNode, photo_bytes, run, three_nodes

EVERYTHING = 1 << 40


class Rules:
    """Floors that a test may change meanwhile."""

    def __init__(self, floor: Callable[[BlobId], Floor]) -> None:
        self.floor = floor

    def of(self, photos: Sequence[BlobId]) -> Mapping[BlobId, Floor]:
        return {photo: self.floor(photo) for photo in photos}


def house(folder: Path, roles: Sequence[str], floor: Callable[[BlobId], Floor]) -> EvictingCluster:
    """Return nodes that all hold all photos; the first one goes by rules of its own."""
    cluster = EvictingCluster(folder, roles, 2)
    for one in cluster.nodes:
        one.put(*range(len(PHOTOS)))
    cluster.nodes[0].store.close()
    cluster.nodes[0].start(Rules(floor))
    return cluster


def reasons(judged: Sequence[Judged]) -> dict[str, Reason]:
    return {one.candidate.name: one.verdict.reason for one in judged}


def test_younger_photos_go_where_the_oldest_must_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else rated or pinned photos, which only get more, would hold the buffer full one day."""
    monkeypatch.setattr(limits, "EVICTION_CANDIDATES_MAX", 2)

    async def main() -> None:
        cluster = house(
            tmp_path, ["mobile", "central", "archive"],
            lambda photo: Floor(2 if photo in PHOTOS[4:] else 3),
        )  # fmt: skip
        mobile = cluster.nodes[0]
        foreseen = await mobile.evictions.plan(1)
        assert going_bytes(foreseen) == len(photo_bytes(4))
        assert await mobile.evictions.plan(1) == foreseen, "the deep look counts for a while"
        judged = await mobile.evictions.free(EVERYTHING)
        went = {name for name, reason in reasons(judged).items() if reason is Reason.PROVEN}
        assert went == {"4.jpg", "5.jpg"}
        assert reasons(judged)["0.jpg"] is Reason.TOO_FEW
        cluster.close()

    run(main)


def test_a_role_that_is_lacking_is_asked_for_nothing_and_ends_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PROMISE_BLOBS_MAX", 1)
    asked: list[int] = []

    async def on_ask(asker: EvictingNode, other: EvictingNode, question: AskPromises) -> None:
        del asker, other
        asked.append(len(question.blobs))
        await trio.lowlevel.checkpoint()

    async def main() -> None:
        cluster = house(
            tmp_path, ["mobile", "central", "central", "archive"],
            lambda photo: Floor(2, {} if photo == PHOTOS[5] else {"archive": 1}),
        )  # fmt: skip
        mobile, archive = cluster.nodes[0], cluster.nodes[3]
        cluster.cut.add(frozenset((mobile.node, archive.node)))
        cluster.on_ask = on_ask
        judged = reasons(await mobile.evictions.free(1))
        assert judged["5.jpg"] is Reason.PROVEN
        assert {judged[f"{n}.jpg"] for n in range(5)} == {Reason.NO_ROLE}
        assert len(asked) == 2, "both about the one that may go"
        cluster.close()

    run(main)


def test_what_was_refused_is_not_counted_on_nor_asked_for_again_at_once(tmp_path: Path) -> None:
    """The catalog says that a node holds it, the node does not: nothing will come of it."""

    async def main() -> None:
        cluster = three_nodes(tmp_path)
        mobile, central, _ = cluster.nodes
        for photo in PHOTOS[:2]:
            central.store.discard(photo)
        assert going_bytes(await mobile.evictions.plan(EVERYTHING)) > 0
        assert going_bytes(await mobile.evictions.free(EVERYTHING)) == 0
        foreseen = await mobile.evictions.plan(EVERYTHING)
        assert going_bytes(foreseen) == 0
        assert "it is not here" in foreseen[0].verdict.lacks
        before = len(central.verified)
        await mobile.evictions.free(EVERYTHING)
        assert len(central.verified) == before
        mobile.clock.ran_s += limits.EVICTION_VAIN_S + 1
        assert going_bytes(await mobile.evictions.plan(EVERYTHING)) > 0, "it may hold it by now"
        cluster.close()

    run(main)


def test_a_pin_and_an_opening_while_others_are_asked_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading hundreds of gigabytes for a run takes hours: it goes by what holds in the end."""
    monkeypatch.setattr(limits, "PROMISE_BLOBS_MAX", 2)
    pinned: set[BlobId] = set()

    async def main() -> None:
        cluster = house(
            tmp_path, ["mobile", "central", "archive"],
            lambda photo: Floor(2, stays=photo in pinned),
        )  # fmt: skip
        mobile = cluster.nodes[0]

        async def on_ask(asker: EvictingNode, other: EvictingNode, asked: AskPromises) -> None:
            del asker, other, asked
            pinned.update((PHOTOS[0], PHOTOS[2]))
            mobile.opened = frozenset((PHOTOS[1], PHOTOS[3]))
            await trio.lowlevel.checkpoint()

        cluster.on_ask = on_ask
        judged = reasons(await mobile.evictions.free(EVERYTHING))
        assert [judged[f"{n}.jpg"] for n in range(6)] == [
            Reason.STAYS, Reason.OPENED, Reason.STAYS, Reason.OPENED, Reason.PROVEN, Reason.PROVEN,
        ]  # fmt: skip
        assert all(mobile.has_file(photo) for photo in PHOTOS[:4])
        cluster.close()

    run(main)


@pytest.mark.parametrize("call", [1, 2])
def test_a_run_that_failed_halfway_leaves_nothing_in_between(tmp_path: Path, call: int) -> None:
    async def main() -> None:
        cluster = three_nodes(tmp_path)
        mobile = cluster.nodes[0]
        begins = mobile.thread.calls

        async def fail(number: int) -> None:
            await trio.lowlevel.checkpoint()
            if number == begins + call:
                raise OSError(28, "no space left")

        mobile.thread.after = fail
        with pytest.raises(OSError, match="no space"):
            await mobile.evictions.free(1)
        judged = await mobile.evictions.free(EVERYTHING)
        assert Reason.PROMISED not in reasons(judged).values()
        assert not any(mobile.has_file(photo) for photo in PHOTOS[:2])
        assert not any(mobile.says_to_hold(photo) for photo in PHOTOS[:2])
        assert mobile.store.promises.proofs() == {}
        assert mobile.store.promises.away(PHOTOS[:2]) == frozenset(PHOTOS[:2])
        for photo in PHOTOS[:2]:
            assert cluster.copies_of(photo) == 2
        cluster.close()

    run(main)


def test_holders_are_others(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = three_nodes(tmp_path)
        mobile = cluster.nodes[0]
        nodes: set[NodeId] = {n for one in await mobile.evictions.plan(1) for n in one.nodes}
        assert mobile.node not in nodes
        cluster.close()

    run(main)
