"""What goes first to a peer: answers, then what this node says, then what it passes on."""

from __future__ import annotations

import trio

from photonic import limits
from photonic.crdt.sync import Push, Root
from photonic.p2p.messages import Message
from photonic.p2p.outbox import Outbox


def push(number: int) -> Push:
    return Push(number, 1, b"%d" % number)


def taken(outbox: Outbox, count: int) -> list[Message]:
    async def take() -> list[Message]:
        with trio.fail_after(5):
            return [await outbox.next() for _ in range(count)]

    return trio.run(take)


def test_what_this_node_says_goes_before_what_it_passes_on() -> None:
    outbox, answer = Outbox(), Root(bytes(32))
    for number in range(3):
        outbox.push(push(number), is_own=False)
    for number in (10, 11):
        outbox.push(push(number))
    outbox.answer(answer)
    found = taken(outbox, 6)
    assert found == [answer, *(push(number) for number in (10, 11, 0, 1, 2))]


def test_whoever_fills_it_with_what_is_passed_on_leaves_room_for_what_is_said_here() -> None:
    outbox = Outbox()
    for number in range(2 * limits.OUTBOX_PUSHES_MAX):
        outbox.push(push(number), is_own=False)
    outbox.push(push(1_000))
    assert taken(outbox, 2) == [push(1_000), push(0)]
    assert outbox._has_dropped.is_set(), "a round brings the rest"
