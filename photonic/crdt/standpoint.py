"""What changes come to in the index, as one node sees them: who may say what, and what is here.

The same whether a commit is projected, a part of a shard, or the whole catalog by a process of its
own (`indexer.py`). Knows neither catalog nor journal: what it is to look at is given to it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from photonic import limits
from photonic.crdt.batches import AlbumRow, Batch, EditRow
from photonic.crdt.changes import SignedChange
from photonic.crdt.fields import ALBUM_GONE, ALBUM_NAME, ALBUM_QUERY, ORIGINAL
from photonic.crdt.fold import SubjectState, fold
from photonic.crdt.policy import Display
from photonic.crdt.projection import PhotoRow, is_alone, project, project_alone
from photonic.crdt.roster import Roster
from photonic.ids import ALBUM, PHOTO, BlobId, NodeId, Subject

log = logging.getLogger(__name__)

Known: TypeAlias = tuple[Subject, Sequence[SignedChange]]
"""A subject with all of its changes."""


@dataclass(frozen=True, slots=True)
class Standpoint:
    """See the module."""

    roster: Roster
    display: Display
    stored: Callable[[Collection[BlobId]], Collection[BlobId]]  # those of some that are here
    now_ms: int

    def batch(self, known: Iterable[Known], fresh: list[SignedChange] | None = None) -> Batch:
        """Return what subjects come to. `fresh` are the changes to list; None: all of theirs."""
        rows: list[PhotoRow] = []
        gone: list[BlobId] = []
        albums: list[AlbumRow] = []
        said: list[SignedChange] = []
        for subject, changes in known:
            said += changes
            if subject.kind == PHOTO:
                row = self._row(subject, changes)
                if row is None:
                    gone.append(BlobId(subject.key))
                else:
                    rows.append(row)
            elif subject.kind == ALBUM:
                albums.append(_album(fold(subject, changes, self.roster.allows)))
        blobs = [blob.ref.blob for row in rows for blob in row.blobs]
        there = frozenset(self.stored(blobs)) if blobs else frozenset()
        edits, seqs = self._listed(said if fresh is None else fresh)
        return Batch(rows, gone, there, albums=albums, edits=edits, seqs=seqs, now_ms=self.now_ms)

    def holders(self, said: Iterable[tuple[BlobId, NodeId, bool]]) -> Batch:
        """Return, for each blob of which a node said something, the members that hold it.

        All of them, to fetch from; and whose copies do not count.
        """
        live = {node for node in self.roster.members if self.roster.holds(node)}
        found: dict[BlobId, list[NodeId]] = {}
        for blob, node, is_held in said:
            nodes = found.setdefault(blob, [])
            if is_held and node in live:
                nodes.append(node)
        return Batch(holders={**found}, uncounted=self.roster.uncounted)

    def _row(self, subject: Subject, changes: Sequence[SignedChange]) -> PhotoRow | None:
        is_effective = self.roster.allows
        try:
            if len(changes) == 1 and is_alone(changes[0]) and is_effective(changes[0]):
                return project_alone(changes[0])
            return project(fold(subject, changes, is_effective), self.display)
        except Exception:  # one photo that somebody wrote nonsense into must not hide the others
            log.exception("%s cannot be shown", subject)
            return None

    def _listed(
        self, said: Iterable[SignedChange]
    ) -> tuple[list[EditRow], list[tuple[NodeId, int, bytes]]]:
        """Return what of some changes is listed: edits of people, and the numbers of all."""
        edits: list[EditRow] = []
        seqs: list[tuple[NodeId, int, bytes]] = []
        for signed in said:
            change, author = signed.change, NodeId(signed.change.author)
            seqs.append((author, change.seq, signed.id))
            is_edit = change.kind == ALBUM or (change.kind == PHOTO and ORIGINAL not in change.sets)
            if is_edit and self.roster.allows(signed):
                act = change.act or None
                edits.append(EditRow(signed.id, change.kind, change.key, act, author, change.at))
        return edits, seqs


def by_subject(changes: Iterable[SignedChange]) -> Iterable[Known]:
    """Return subjects with those of some changes that are theirs."""
    found: dict[Subject, list[SignedChange]] = {}
    for signed in changes:
        found.setdefault(signed.change.subject, []).append(signed)
    return found.items()


def in_pieces(known: Iterable[Known]) -> Iterator[list[Known]]:
    """Cut what is to be projected into pieces of a bounded length."""
    some = iter(known)
    while piece := list(islice(some, limits.STALE_PIECE)):
        yield piece


def _album(state: SubjectState) -> AlbumRow:
    name, query = state.fact(ALBUM_NAME), state.fact(ALBUM_QUERY)
    is_there = isinstance(name, str) and state.fact(ALBUM_GONE) is not True
    return AlbumRow(
        state.subject.key,
        name if is_there and isinstance(name, str) else None,
        query if isinstance(query, str) else None,
        state.contested(),
    )
