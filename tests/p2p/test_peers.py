"""What is known of peers: good addresses stay, hearsay stays behind them, and all is bounded."""

from __future__ import annotations

from msgspec.structs import replace

from photonic import limits
from photonic.ids import NodeId, peer_id
from photonic.p2p.messages import Hello
from photonic.p2p.peers import PeerBook
from photonic.p2p.reach import Attempt, next_attempt

ME, PEER = NodeId(b"m" * 32), NodeId(b"p" * 32)
NOTHING = frozenset[Attempt]()
GOOD = "/ip4/10.0.0.1/tcp/4310"


def hello(**changes: object) -> Hello:
    said = Hello(
        name="x",
        host="x",
        role="central",
        state="monitoring",
        mode="home",
        version="1",
        addresses=(GOOD,),
    )
    return replace(said, **changes)


def test_hearsay_neither_displaces_a_good_address_nor_resets_patience() -> None:
    book = PeerBook(ME)
    book.learn(PEER, [GOOD])
    book.note_failure(PEER, 100.0, 1.0)
    bogus = tuple(f"/ip4/10.9.9.{n}/tcp/1" for n in range(50))
    book.learn_neighbours({peer_id(PEER): bogus})
    assert book.get(PEER).addresses[0] == GOOD
    assert len(book.get(PEER).addresses) == limits.ADDRESSES_PER_PEER_MAX
    assert next_attempt(book.get(PEER).outlook(()), book.get(PEER).tries, NOTHING, 100.0)[0] is None


def test_the_book_is_bounded_whatever_a_member_tells() -> None:
    book = PeerBook(ME)
    for number in range(2_000):
        node = NodeId(number.to_bytes(32, "big"))
        book.learn_neighbours({peer_id(node): (GOOD,), "nonsense": (GOOD,)})
    assert len(book.all()) == limits.PEERS_KNOWN_MAX


def test_waits_grow_and_end_when_the_peer_was_there() -> None:
    book = PeerBook(ME)
    book.learn(PEER, [GOOD])
    waits = []
    for _ in range(12):
        book.note_failure(PEER, 0.0, 1.0)
        waits.append(book.get(PEER).made(Attempt.DIAL).due_s)
    assert waits == sorted(waits)
    assert waits[0] == limits.RECONNECT_MIN_S
    assert waits[-1] == limits.RECONNECT_MAX_S
    book.note_up(PEER, GOOD, 1)
    book.note_down(PEER, 2, 10.0)
    assert book.get(PEER).made(Attempt.DIAL).due_s == 10.0 + limits.RECONNECT_MIN_S


def test_a_greeting_is_news_only_if_more_than_free_room_changed() -> None:
    book = PeerBook(ME)
    assert book.note_hello(PEER, hello(free_bytes=1))
    assert not book.note_hello(PEER, hello(free_bytes=2))
    assert book.note_hello(PEER, hello(state="syncing"))


def test_a_dump_comes_back_and_a_damaged_one_is_as_good_as_none() -> None:
    book, again = PeerBook(ME), PeerBook(ME)
    book.learn(PEER, [GOOD])
    book.note_up(PEER, GOOD, 77)
    again.load(book.dump())
    assert again.get(PEER).addresses == [GOOD]
    assert again.get(PEER).last_seen_ms == 77
    for damaged in (b"", b"{", b'{"x": 5}', b'{"nonsense": {"addresses": ["a"]}}'):
        again.load(damaged)
    assert again.get(PEER).addresses == [GOOD]
