"""What is known of peers: good addresses stay, hearsay stays behind them, and all is bounded."""

from __future__ import annotations

import ipaddress

from msgspec.structs import replace

from photonic import limits
from photonic.ids import NodeId, peer_id
from photonic.p2p.messages import Hello
from photonic.p2p.peers import PeerBook
from photonic.p2p.reach import Attempt, next_attempt

ME, PEER = NodeId(b"m" * 32), NodeId(b"p" * 32)
NOTHING = frozenset[Attempt]()
FAR = NodeId(b"f" * 32)
GOOD = "/ip4/10.0.0.1/tcp/4310"
HOME = ipaddress.ip_network("10.0.0.0/24")


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
    waits, now_s = [], 0.0
    for _ in range(100):
        book.note_failure(PEER, now_s, 1.0)
        waits.append(book.get(PEER).made(Attempt.DIAL).due_s - now_s)
        now_s += waits[-1]
    assert waits == sorted(waits)
    assert waits[0] == limits.RECONNECT_MIN_S
    assert waits[-1] == limits.RECONNECT_MAX_S
    book.note_up(PEER, GOOD, 1)
    book.note_down(PEER, 2, 10.0)
    assert book.get(PEER).made(Attempt.DIAL).due_s == 10.0 + limits.RECONNECT_MIN_S


def waits(book: PeerBook, peer: NodeId, attempt: Attempt, until_s: float) -> list[float]:
    """Let an attempt fail again and again; return how long was waited each time."""
    found, now_s = [], 0.0
    while now_s < until_s:
        book.note_failure(peer, now_s, 1.0, attempt, "no answer", [HOME])
        found.append(book.get(peer).made(attempt).due_s - now_s)
        now_s += found[-1]
    return found


def test_who_was_lost_on_this_network_is_dialled_again_within_seconds_for_a_while() -> None:
    book = PeerBook(ME)
    book.learn(PEER, [GOOD])
    assert max(waits(book, PEER, Attempt.DIAL, limits.RECONNECT_NEAR_S)) == 2.0
    book.learn(FAR, ["/ip4/203.0.113.9/tcp/1"])
    found = waits(book, FAR, Attempt.DIAL, 300.0)
    assert max(found) > 15, "elsewhere one waits longer the longer it is away ..."
    assert all(wait <= max(0.5, 0.1 * sum(found[:n])) + 1e-9 for n, wait in enumerate(found))
    # ... and a relay, which costs somebody else something, is asked as rarely as ever.
    asked = waits(book, PEER, Attempt.RELAY, 300.0)
    assert asked[:7] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0]


def test_when_one_is_back_or_this_machine_elsewhere_all_others_are_tried_at_once() -> None:
    book = PeerBook(ME)
    for peer in (PEER, FAR):
        book.learn(peer, [GOOD])
        for _ in range(9):
            book.note_failure(peer, 500.0, 1.0)
    assert book.get(FAR).made(Attempt.DIAL).due_s > 500.0
    book.note_up(PEER, GOOD, 1, now_s=500.0)
    assert book.get(FAR).made(Attempt.DIAL).due_s == 500.0
    assert book.get(FAR).made(Attempt.DIAL).failures == 9, "hope is no certainty"
    book.note_failure(FAR, 501.0, 1.0)
    book.note_elsewhere()
    assert book.get(FAR).made(Attempt.DIAL).due_s == 0.0
    assert book.get(PEER).made(Attempt.DIAL).due_s > 0.0, "that one is connected"


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
