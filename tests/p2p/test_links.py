"""Of several connections with a peer the best is used, and what is told is true."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from photonic import limits
from photonic.ids import NodeId
from photonic.p2p.links import Link, Links
from photonic.p2p.transport import Admission, PeerDown, PeerEvent, PeerMoved, PeerUp
from photonic.p2p.ways import Footing, Way

ME, PEER = NodeId(b"m" * 32), NodeId(b"p" * 32)


class Book:
    """A book, what it told, and which connections were cut."""

    def __init__(self) -> None:
        self.told: list[PeerEvent] = []
        self.cut: list[Link] = []
        self.links = Links(ME, lambda _: Admission.MEMBER, self.told.append, lambda: 0.0)

    def add(self, way: Way, latency_ms: float | None = None, address: str = "x") -> Link:
        link = Link(
            PEER, address, Admission.MEMBER, lambda: self.cut.append(link), 0.0, latency_ms, way
        )
        self.links.add(link)
        return link


@given(st.lists(st.tuples(st.sampled_from(Way), st.integers(0, 20)), max_size=30))
def test_what_is_told_is_the_best_way_that_stands(acts: list[tuple[Way, int]]) -> None:
    """Each act is a new connection, or the end of one of those that stand."""
    book, live = Book(), list[Link]()
    for way, which in acts:
        if which < len(live):
            gone = live.pop(which)
            book.links.cut(gone)
        else:
            live.append(book.add(way))
        live = [link for link in live if book.links.is_live(link)]
        assert len(live) <= limits.CONNECTIONS_PER_PEER_MAX
        best = book.links.best(PEER)
        assert (best is None) == (not live)
        if best is not None:
            assert best.way == max(link.way for link in live)
            assert best is [link for link in live if link.way == best.way][-1], (
                "the newest of these"
            )
        assert _told(book.told) == (best.way if best else None)


def _told(events: list[PeerEvent]) -> Way | None:
    """Return on which way the peer is, by what was told; each word must fit the one before."""
    way: Way | None = None
    for event in events:
        match event:
            case PeerUp(_, _, Footing(new)):
                assert way is None, "it was up already"
                way = new
            case PeerMoved(_, Footing(new), is_better):
                assert way is not None and new != way
                assert is_better == (new > way)
                way = new
            case PeerDown():
                assert way is not None, "it was not up"
                way = None
    return way


def test_a_peer_whose_address_is_another_went_and_came_when_the_old_one_is_dead() -> None:
    book = Book()
    old = book.add(Way.LAN, address="/ip4/10.0.0.1/tcp/4310")
    same = book.add(Way.LAN, address="/ip4/10.0.0.1/tcp/50001")
    book.links.cut(same)
    assert [type(event) for event in book.told] == [PeerUp], "both dialled at once, that is all"
    new = book.add(Way.LAN, address="/ip4/10.0.0.7/tcp/4310")
    assert len(book.told) == 1, "the old one may live"
    book.links.cut(old)
    assert book.told[1:] == [PeerDown(PEER), PeerUp(PEER, new.address, new.footing)]


def test_one_too_many_costs_the_worst_and_not_the_one_in_use() -> None:
    book = Book()
    kept = book.add(Way.LAN)
    relayed = book.add(Way.RELAYED)
    for _ in range(limits.CONNECTIONS_PER_PEER_MAX - 1):
        book.add(Way.DIRECT)
    assert book.cut == [relayed]
    assert book.links.best(PEER) is kept


def test_a_connection_is_outdone_by_a_better_one_that_has_shown_life() -> None:
    book = Book()
    relayed = book.add(Way.RELAYED, 30.0)
    direct = book.add(Way.DIRECT)
    assert not book.links.is_outdone(relayed), "it may be dead from the beginning"
    direct.latency_ms = 5.0
    assert book.links.is_outdone(relayed)
    assert not book.links.is_outdone(direct)
    other = book.add(Way.DIRECT, 5.0)
    assert not book.links.is_outdone(other), "two that are equal leave each other alone"
