"""The jobs of which something can be asked, in order, kept apart by who can be asked.

So a plan costs what is asked in it, however many jobs there are: it reads only the lists of those
who have room for questions, and of these only the beginnings.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from photonic.ids import BlobId, NodeId
from photonic.p2p.planner import Priority

Key = tuple[Priority, BlobId]


class Askable:
    """See the module. A blob is listed once, under its holders."""

    def __init__(self) -> None:
        self._lists: dict[frozenset[NodeId], list[Key]] = {}
        self._listed: dict[BlobId, tuple[frozenset[NodeId], Key]] = {}

    def __len__(self) -> int:
        return len(self._listed)

    def put(self, blob: BlobId, priority: Priority, holders: frozenset[NodeId]) -> None:
        """List a blob, or list it anew with another priority or other holders."""
        key = (priority, blob)
        if self._listed.get(blob) == (holders, key):
            return
        self.drop(blob)
        self._listed[blob] = (holders, key)
        listed = self._lists.setdefault(holders, [])
        if listed and listed[-1] > key:
            insort(listed, key)
        else:
            listed.append(key)

    def drop(self, blob: BlobId) -> None:
        """Take a blob out; absent is fine."""
        found = self._listed.pop(blob, None)
        if found is None:
            return
        holders, key = found
        listed = self._lists[holders]
        del listed[bisect_left(listed, key)]
        if not listed:
            del self._lists[holders]

    def clear(self) -> None:
        self._lists.clear()
        self._listed.clear()

    def blobs(self, able: AbstractSet[NodeId]) -> Iterator[BlobId]:
        """Yield, in order, what one of `able` can be asked; not while something is put or dropped.

        `able` may shrink meanwhile: lists of which nobody can be asked any more are left.
        """
        lists = [listed for holders, listed in self._lists.items() if holders & able]
        whose = [holders for holders in self._lists if holders & able]
        heads = [(listed[0], number, 0) for number, listed in enumerate(lists)]
        heapq.heapify(heads)
        while heads:
            (_, blob), number, place = heads[0]
            if whose[number].isdisjoint(able):
                heapq.heappop(heads)
                continue
            yield blob
            if place + 1 < len(lists[number]):
                heapq.heapreplace(heads, (lists[number][place + 1], number, place + 1))
            else:
                heapq.heappop(heads)
