"""Questions wait for the limit, their reader never does, and in the end every byte was counted."""

from __future__ import annotations

import threading
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from photonic import limits
from photonic.blobs.chunks import scan_bytes
from photonic.ids import BlobId, digest
from photonic.p2p.exchange import (
    Answered,
    ChunkCame,
    ChunksWanted,
    Effect,
    Refused,
    WholeWanted,
    cost_bytes,
)
from photonic.p2p.turnstile import Allowance, Turnstile
from photonic.photos import BlobRef
from tests.blobs.samples import jpeg, noise

BOUND_S = 20.0
MB = 1_000_000
FOUND = scan_bytes(jpeg(noise(30_000), noise(3 * MB)))
WANTED = [WholeWanted(BlobRef(BlobId(digest(bytes([n]))), 1_000 + n, b"")) for n in range(20)]


class Limit:
    """A limit that lets through when it is told to."""

    def __init__(self, bytes_s: int | None = 10 * MB) -> None:
        self.bytes_s = bytes_s
        self.is_asked, self.may_pass = threading.Event(), threading.Semaphore(0)
        self.waited_bytes = self.settled_bytes = 0
        self.woken = threading.Semaphore(0)
        self.turnstile = Turnstile(
            Allowance(self.wait, self.settle, lambda: self.bytes_s), self.woken.release
        )

    def wait(self, size_bytes: int, is_over: Callable[[], bool]) -> None:
        self.is_asked.set()
        while not self.may_pass.acquire(timeout=0.01):
            if is_over():
                return
        self.waited_bytes += size_bytes

    def settle(self, size_bytes: int) -> None:
        self.settled_bytes += size_bytes


def test_without_a_limit_all_pass_at_once_and_in_order() -> None:
    limit = Limit(None)
    limit.turnstile.add(WANTED)
    assert [limit.turnstile.take() for _ in WANTED] == WANTED
    assert limit.turnstile.take() is None
    assert not limit.turnstile.has_waiting and not limit.is_asked.is_set()
    limit.turnstile.close()


def test_whoever_takes_never_waits_and_is_told_when_something_may_be_asked() -> None:
    limit = Limit()
    limit.turnstile.add(WANTED)
    for wanted in WANTED:
        assert limit.turnstile.take() is None
        assert limit.turnstile.has_waiting
        limit.may_pass.release()
        assert limit.woken.acquire(timeout=BOUND_S)
        assert limit.turnstile.take() is wanted
    assert limit.waited_bytes == sum(map(cost_bytes, WANTED))
    limit.turnstile.close()


def test_a_limit_that_is_lifted_holds_up_nobody() -> None:
    limit = Limit()
    limit.turnstile.add(WANTED)
    assert limit.turnstile.take() is None
    assert limit.is_asked.wait(BOUND_S)
    limit.bytes_s = None
    assert [limit.turnstile.take() for _ in WANTED[1:]] == WANTED[1:]
    limit.may_pass.release()
    assert limit.woken.acquire(timeout=BOUND_S)
    assert limit.turnstile.take() is WANTED[0]
    limit.turnstile.close()


def test_closing_ends_the_wait() -> None:
    limit = Limit()
    limit.turnstile.add(WANTED)
    limit.turnstile.take()
    assert limit.is_asked.wait(BOUND_S)
    limit.turnstile.close()
    assert not [t for t in threading.enumerate() if t.name == "asking"]
    assert limit.waited_bytes == 0


shares = st.floats(0, 1.2)


@given(st.lists(st.tuples(st.sampled_from(["chunks", "refused"]), shares), max_size=40))
def test_in_the_end_every_byte_that_came_was_counted_once(
    answers: list[tuple[str, float]],
) -> None:
    limit = Limit()
    came_bytes = 0
    for kind, share in answers:
        wanted = ChunksWanted(FOUND.ref, FOUND.chunks, (0, 1))
        limit.turnstile.add([wanted])
        limit.may_pass.release()
        assert limit.turnstile.take() is None
        assert limit.woken.acquire(timeout=BOUND_S)
        assert limit.turnstile.take() is wanted
        parts: list[tuple[list[Effect], int]] = [([Refused(wanted, False)], 20)]
        if kind == "chunks":
            pieces = [bytes(FOUND.chunks.chunks[n].size_bytes) for n in wanted.indices]
            parts = [
                ([ChunkCame(FOUND.ref, FOUND.chunks, n, data)], round(len(data) * share))
                for n, data in enumerate(pieces)
            ]
            parts[-1][0].append(Answered(wanted))
        for effects, size_bytes in parts:
            limit.turnstile.came(effects, size_bytes)
            came_bytes += size_bytes
    limit.turnstile.close()
    assert limit.waited_bytes + limit.settled_bytes == came_bytes


def test_what_shrank_is_guessed_to_shrink_again() -> None:
    limit = Limit(None)
    wanted = ChunksWanted(FOUND.ref, FOUND.chunks, (0,))
    data = bytes(FOUND.chunks.chunks[0].size_bytes)
    for _ in range(3):
        limit.turnstile.add([wanted])
        assert limit.turnstile.take() is wanted
        limit.settled_bytes = 0
        effects: list[Effect] = [ChunkCame(FOUND.ref, FOUND.chunks, 0, data), Answered(wanted)]
        limit.turnstile.came(effects, len(data) // 3)
    assert abs(limit.settled_bytes) <= 2, "the guess was right"
    assert len(data) < limits.LZ4_JUDGED_BYTES
    limit.turnstile.close()
