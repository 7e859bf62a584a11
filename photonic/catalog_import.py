"""Takes an exported catalog in: as it was signed, or said again where the library is another.

Into its own library the signed changes go back verbatim, through the same door as from a peer: ids,
authors and history are what they were, whoever imports. Into another library each change is said
again by this node (`replay.py`). Both may be repeated: what is here already is passed over, so an
import that was cut goes on when it is asked for again. Nothing is imported before the whole export
was verified.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from photonic import limits
from photonic.bundle import CHANGES, Bundle, Said
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Change, SignedChange, admit, seal
from photonic.crdt.door import admit_plain
from photonic.crdt.keys import SHARD_COUNT
from photonic.errors import ChangeInvalid, ExportInvalid, ExportOfOther, NotAllowed
from photonic.identity import Identity
from photonic.ids import PHOTO, ChangeId, LibraryId, NodeId, Subject, peer_id
from photonic.replay import KINDS_LEFT_OUT, Replay, origin_of

Ask = Callable[[Callable[[Catalog], int]], int]


@dataclass(slots=True)
class ImportCounts:
    """How far an import is. `read` = fresh + known + left_out."""

    read: int = 0
    total: int = 0
    fresh: int = 0  # changes that were new here
    left_out: int = 0  # of another library: its members, and what had no effect there
    note: Callable[[], None] = field(default=lambda: None, repr=False)

    def add(self, read: int, fresh: int, left_out: int = 0) -> None:
        self.read, self.fresh = self.read + read, self.fresh + fresh
        self.left_out += left_out
        self.note()


class _Read(NamedTuple):
    """A change of another library that is sound, and where it stands."""

    signed: SignedChange
    said: Said


def import_catalog(
    folder: Path, ask: Ask, identity: Identity, counts: ImportCounts, *, merges: bool
) -> None:
    """Take in the export in `folder`; `counts` says how far it is, whatever ends it.

    `merges`: also an export of another library where this one has photos of its own. Blocking, for
    a worker thread. Raises ExportInvalid, ExportNewer, ExportOfOther, FolderUnknown, NotAllowed,
    and what a commit raises; what was taken in until then stays.
    """
    bundle = Bundle(folder)
    bundle.verify(counts.note)
    counts.total = bundle.header.counts.get(CHANGES, 0)
    counts.note()
    library: list[LibraryId] = []

    def learn(catalog: Catalog) -> int:
        library.append(catalog.library)
        return 0

    ask(learn)
    if bundle.header.library_id == library[0]:
        _give_back(bundle, ask, identity.node, counts)
        return
    if not merges:
        _check_empty(bundle, ask)
    _say_again(bundle, ask, identity, counts)


# --- its own library -----------------------------------------------------------------------------


def _give_back(bundle: Bundle, ask: Ask, node: NodeId, counts: ImportCounts) -> None:
    for some in _batches(bundle.changes()):
        data = [said.data for said in some]
        try:
            fresh = ask(partial(_adopt, data, node))
        except ChangeInvalid as error:
            raise _fault(bundle, some) from error
        counts.add(len(some), fresh)


def _adopt(data: list[bytes], node: NodeId, catalog: Catalog) -> int:
    return catalog.adopt(data, node)


def _fault(bundle: Bundle, some: Iterable[Said]) -> ExportInvalid:
    """Name the change that did not pass the door."""
    for said in some:
        try:
            admit(bundle.header.library_id, said.data)
        except ChangeInvalid as error:
            return ExportInvalid(f"{said.place}: {error}")
    raise AssertionError("what passes alone passes with others")


def _batches(changes: Iterable[Said]) -> Iterator[list[Said]]:
    batch: list[Said] = []
    size_bytes = 0
    for said in changes:
        batch.append(said)
        size_bytes += len(said.data)
        is_full = len(batch) >= limits.CATALOG_IMPORT_CHANGES_AT_ONCE
        if is_full or size_bytes >= limits.CATALOG_IMPORT_BYTES_AT_ONCE:
            yield batch
            batch, size_bytes = [], 0
    if batch:
        yield batch


# --- another library -----------------------------------------------------------------------------


def _check_empty(bundle: Bundle, ask: Ask) -> None:
    """Raise ExportOfOther if there are photos here that are not of an import of this export."""
    first = _first_photo(bundle)

    def look(catalog: Catalog) -> int:
        if first is not None:
            subject, there = first
            for signed in catalog.changes(subject):
                origin = origin_of(signed.change)
                if origin is not None and origin.change == there:
                    return 0  # it was begun before
        return int(_has_photos(catalog))

    if ask(look):
        raise ExportOfOther(
            f"it is an export of {bundle.header.library_name!r}, and this library has photos"
        )


def _first_photo(bundle: Bundle) -> tuple[Subject, ChangeId] | None:
    for read in _read(bundle):
        if read.said.is_effective and read.signed.change.kind == PHOTO:
            return read.signed.change.subject, read.signed.id
    return None


def _has_photos(catalog: Catalog) -> bool:
    return any(
        subject.kind == PHOTO for shard in range(SHARD_COUNT) for subject in catalog.subjects(shard)
    )


def _say_again(bundle: Bundle, ask: Ask, identity: Identity, counts: ImportCounts) -> None:
    names = bundle.names()
    for groups in _subjects(_read(bundle)):
        wanted = [group for group in groups if group[0].signed.change.kind not in KINDS_LEFT_OUT]
        spoken = ask(partial(_say, identity, names, wanted))
        read = sum(map(len, groups))
        silent = sum(not each.said.is_effective for group in wanted for each in group)
        counts.add(read, spoken, read - sum(map(len, wanted)) + silent)


def _say(
    identity: Identity, names: dict[NodeId, str], groups: list[list[_Read]], catalog: Catalog
) -> int:
    return _Speaker(catalog, identity, names).say(groups)


class _Speaker:
    """Says subjects of another library again, within one piece of work on the catalog."""

    def __init__(self, catalog: Catalog, identity: Identity, names: dict[NodeId, str]) -> None:
        self._catalog, self._identity, self._names = catalog, identity, names

    def say(self, groups: Sequence[Sequence[_Read]]) -> int:
        """Stage what is new of some subjects, each with all of its changes; return how many."""
        made: list[SignedChange] = []
        count = 0
        for group in groups:
            first = group[0].signed.change
            if not self._may_say(first):
                continue
            replay = Replay(self._catalog.changes(first.subject), self._identity.node, self._seal)
            for signed, said in group:
                if not said.is_effective:
                    replay.skip(signed)
                    continue
                fresh = replay.say(signed, self._name(NodeId(signed.change.author)))
                made += fresh
                count += bool(fresh)
        self._catalog.adopt([signed.data for signed in made], self._identity.node)
        return count

    def _may_say(self, change: Change) -> bool:
        """Whether this node may write such a change. Raises NotAllowed if it may none at all."""
        mine = replace(change, author=self._identity.node, seq=1)
        if self._catalog.is_effective(SignedChange(ChangeId(bytes(32)), mine, b"")):
            return True
        if change.kind == PHOTO:
            raise NotAllowed("this node may not change photos (scope catalog.write)")
        return False

    def _seal(self, change: Change) -> SignedChange:
        sets = self._catalog.sealing.sealed(change.subject, change.sets)
        numbered = replace(change, seq=self._catalog.next_number(), sets=sets)
        return seal(self._identity, self._catalog.library, numbered)

    def _name(self, author: NodeId) -> str:
        return self._names.get(author) or peer_id(author)


def _read(bundle: Bundle) -> Iterator[_Read]:
    """Yield the changes of another library, each judged as that library's door would."""
    for some in _batches(bundle.changes()):
        try:
            found = admit_plain(bundle.header.library_id, [said.data for said in some])
        except ChangeInvalid as error:
            raise _fault(bundle, some) from error
        for signed, said in zip(found, some, strict=True):
            yield _Read(_as_it_was_read(signed, said), said)


def _as_it_was_read(signed: SignedChange, said: Said) -> SignedChange:
    """Return a change as whoever exported it could read it. Raises ExportInvalid."""
    if not said.opened:
        return signed
    try:
        sets = msgspec.msgpack.decode(said.opened, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ExportInvalid(f"{said.place}: {error}") from error
    if sets.keys() != signed.change.sets.keys():
        raise ExportInvalid(f"{said.place}: `opened` is of another change")
    return signed._replace(change=replace(signed.change, sets=sets))


def _subjects(changes: Iterable[_Read]) -> Iterator[list[list[_Read]]]:
    """Yield subjects, each with its changes, as many at a time as are made durable together."""
    groups: list[list[_Read]] = []
    count = size_bytes = 0
    for read in changes:
        is_same = bool(groups) and groups[-1][0].signed.change.subject == read.signed.change.subject
        if not is_same:
            is_full = count >= limits.CATALOG_IMPORT_CHANGES_AT_ONCE
            if is_full or size_bytes >= limits.CATALOG_IMPORT_BYTES_AT_ONCE:
                yield groups
                groups, count, size_bytes = [], 0, 0
            groups.append([])
        groups[-1].append(read)
        count += 1
        size_bytes += len(read.said.data)
    if groups:
        yield groups
