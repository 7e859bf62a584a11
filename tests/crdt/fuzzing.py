"""Documents for tests of the door: histories of several replicas, and updates bent out of shape."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from pycrdt import Doc, Map

from photonic.crdt import blocks
from photonic.crdt.document import MapDocument
from photonic.crdt.updates import without_deletes

REPLICAS, KEYS = 4, 6

# One step of a history: which replica writes which key with which value, or meets whom.
Step = tuple[int, int, int]
histories: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(
        st.integers(0, REPLICAS - 1), st.integers(0, KEYS - 1), st.integers(-REPLICAS, 2)
    ),
    max_size=40,
)  # fmt: skip


@dataclass
class Replicas:
    """Documents of one kind on several nodes. A negative third number of a step is a meeting."""

    grows_only: bool  # as `changes` do: each key has one value, and nobody writes what is there
    key: Callable[[int], str] = "key {}".format
    value: Callable[[int, int], bytes] = lambda number, salt: b"%d %d" % (number, salt)
    on_the_wire: Callable[[bytes], bytes] = without_deletes
    documents: list[MapDocument] = field(default_factory=list)
    updates: list[bytes] = field(default_factory=list)  # each that an insertion made

    def __post_init__(self) -> None:
        self.documents = [MapDocument((), client) for client in (3, 1 << 40, 77, (1 << 53) - 1)]

    def run(self, history: Sequence[Step]) -> None:
        for replica, number, salt in history:
            if salt < 0:
                self.meet(replica, -salt % REPLICAS)
            else:
                self.write(replica, number, salt)

    def write(self, replica: int, number: int, salt: int) -> None:
        document, key = self.documents[replica], self.key(number)
        if self.grows_only:
            if key in document.entries():
                return
            salt = 0
        self.updates.append(document.insert({key: self.value(number, salt)}))

    def meet(self, left: int, right: int) -> None:
        for source, target in ((left, right), (right, left)):
            missing = self.documents[source].missing_for(self.documents[target].vector())
            self.documents[target].apply(self.on_the_wire(missing))

    def meet_all(self) -> None:
        for _ in range(2):
            for number in range(1, REPLICAS):
                self.meet(0, number)


def hostile(entries: Mapping[str, object], root: str = "c") -> bytes:
    """Return an update that holds anything under any key, as no honest document makes it."""
    document: Doc[Any] = Doc()
    there = document.get(root, type=Map)
    for key, value in entries.items():
        there[key] = value
    return document.get_update()


class Bender:
    """Bends updates: seeded, so that what it found is found again."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)

    def bend(self, updates: Sequence[bytes]) -> bytes:
        """Return one of `updates` with one to four mutations."""
        bent = bytearray(self._dice.choice(updates))
        for _ in range(self._dice.choice((1, 1, 1, 2, 3, 4))):
            mutation = self._dice.choice(
                (self._flip, self._set, self._cut, self._splice, self._inflate, self._repeat,
                 self._swap, self._transplant)
            )  # fmt: skip
            mutation(bent, updates)
        return bytes(bent)

    def _place(self, bent: bytearray) -> int:
        # Half of them near an end, where counts and deletes are; the bulk is signed bytes.
        if self._dice.random() < 0.5:
            near = self._dice.randrange(min(len(bent), 80) or 1)
            return near if self._dice.random() < 0.7 else max(0, len(bent) - 1 - near)
        return self._dice.randrange(len(bent) or 1)

    def _flip(self, bent: bytearray, _: Sequence[bytes]) -> None:
        if bent:
            bent[self._place(bent)] ^= 1 << self._dice.randrange(8)

    def _set(self, bent: bytearray, _: Sequence[bytes]) -> None:
        if bent:
            interesting = (0, 1, 2, 0x0A, 0x21, 0x28, 0x7F, 0x80, 0x81, 0x88, 0xA1, 0xA8, 0xFF)
            bent[self._place(bent)] = self._dice.choice(interesting)

    def _cut(self, bent: bytearray, _: Sequence[bytes]) -> None:
        start = self._place(bent)
        if self._dice.random() < 0.5:
            del bent[start:]
        else:
            del bent[start : start + self._dice.randint(1, 64)]

    def _splice(self, bent: bytearray, updates: Sequence[bytes]) -> None:
        other = self._dice.choice(updates)
        start = self._dice.randrange(len(other))
        at = self._place(bent)
        bent[at:at] = other[start : start + self._dice.randint(1, 200)]

    def _inflate(self, bent: bytearray, _: Sequence[bytes]) -> None:
        at = self._place(bent)
        huge = self._dice.choice((1 << 31, (1 << 32) - 1, 1 << 53, (1 << 64) - 1, 1 << 20, 300))
        spelt = bytearray()
        while huge >= 0x80:
            spelt.append(huge & 0x7F | 0x80)
            huge >>= 7
        spelt.append(huge)
        if self._dice.random() < 0.2:
            spelt[-1] |= 0x80
            spelt += b"\x80" * self._dice.randint(0, 12) + b"\0"
        bent[at : at + 1] = spelt

    def _repeat(self, bent: bytearray, _: Sequence[bytes]) -> None:
        at = self._place(bent)
        bent[at:at] = bent[at : at + self._dice.choice((1, 2, 6, 50, 150))]

    def _swap(self, bent: bytearray, _: Sequence[bytes]) -> None:
        one, other = sorted((self._place(bent), self._place(bent)))
        length = min(self._dice.choice((1, 4, 60)), other - one)
        bent[one : one + length], bent[other : other + length] = (
            bent[other : other + length],
            bent[one : one + length],
        )

    def _transplant(self, bent: bytearray, updates: Sequence[bytes]) -> None:
        """Put another update's blocks under this one's first bytes, or the other way round."""
        other = self._dice.choice(updates)
        head = self._dice.randint(1, 12)
        bent[:] = bent[:head] + other[self._dice.randint(1, 12) :]


class Forger:
    """Makes updates that are well-formed and hostile: real entries, in places of others."""

    def __init__(self, seed: int, entries: Mapping[str, bytes], clients: Sequence[int]) -> None:
        self._dice = random.Random(seed)
        self._entries, self._clients = list(entries.items()), clients

    def forge(self, overwrites: bool) -> bytes:
        """Return an update; with blocks that overwrite and deleted ones if `overwrites`."""
        clients = self._dice.sample(
            self._clients, self._dice.randint(1, min(3, len(self._clients)))
        )
        sections = [self._section(client, overwrites) for client in clients]
        return blocks.number(len(sections)) + b"".join(sections) + b"\0"

    def _section(self, client: int, overwrites: bool) -> bytes:
        some = [self._block(overwrites) for _ in range(self._dice.randint(1, 6))]
        clock = self._dice.choice((0, 0, 1, 2, 5, 9, 30, 1_000, (1 << 31) - 200))
        head = blocks.number(len(some)) + blocks.number(client) + blocks.number(clock)
        return head + b"".join(some)

    def _block(self, overwrites: bool) -> bytes:
        kind = self._dice.choice("eeeegs" + "ooodw" * overwrites)
        key, value = self._dice.choice(self._entries)
        named = b"\x01\x01c" + blocks.number(len(key)) + key.encode()
        length = blocks.number(self._dice.choice((1, 1, 2, 3, 20)))
        clock = self._dice.choice((0, 1, 2, 5, 30))
        origin = blocks.number(self._dice.choice(self._clients)) + blocks.number(clock)
        content = b"\x01\x74" + blocks.number(len(value)) + value
        match kind:
            case "g":
                return b"\0" + length
            case "s":
                return b"\x0a" + length
            case "o":
                return self._dice.choice((b"\xa8", b"\x88")) + origin + content
            case "d":
                return b"\x21" + named + length
            case "w":
                return self._dice.choice((b"\xa1", b"\x81")) + origin + length
        return b"\x28" + named + content
