"""Writes everything that is in a catalog to a folder that can be read without photonic.

Shard by shard, subject by subject, in an order that depends on nothing but the changes: two exports
of one catalog differ in the time alone. Memory does not grow with the catalog. Each subject is
exported as it is at one moment; what is said meanwhile may be in the export or not.
"""

from __future__ import annotations

import heapq
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from photonic import limits
from photonic.bundle import ALBUMS, CHANGES, FORMAT, MEMBERS, PHOTOS, POLICIES, Header
from photonic.bundle_writer import BundleWriter, begun
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import SignedChange
from photonic.crdt.fold import SubjectState
from photonic.crdt.keys import ROOT, SHARD_COUNT
from photonic.crdt.policy import Display
from photonic.crdt.projection import PhotoRow, project
from photonic.crdt.roster import Roster
from photonic.ids import ALBUM, PHOTO, POLICY, BlobId, ChangeId, NodeId, Subject, peer_id
from photonic.ingest.xmp import sidecar_xml
from photonic.membership import library_name
from photonic.records import (
    Readings,
    album_record,
    change_record,
    iso_utc,
    member_record,
    photo_marks,
    photo_record,
    policy_record,
    says_what_the_file_does,
)

log = logging.getLogger(__name__)
T = TypeVar("T")

Ask = Callable[[Callable[[Catalog], T]], T]
"""Runs work on the catalog's thread and waits for it: `keeper.call`, asked from another thread."""


@dataclass(frozen=True, slots=True)
class Place:
    """Who exports, and when: what the header says."""

    node: NodeId
    node_name: str
    library_name: str  # if the catalog does not say
    now_ms: int


class _Held(NamedTuple):
    """One subject as it is exported."""

    subject: Subject
    changes: tuple[tuple[SignedChange, bool], ...]  # and whether each has an effect
    state: SubjectState
    holders: Mapping[NodeId, bool]  # and whether what each holds is a copy


def export_catalog(
    folder: Path, ask: Ask[object], place: Place, progress: Callable[[int, int], None]
) -> Header:
    """Write the catalog into `folder`, which must be new or empty; return what is in it.

    `progress` is told of shards, done and all. Blocking, for a worker thread. Raises
    ExportUnwritable; then there is nothing at `folder`.
    """
    asked: _Asked = _Asked(ask)
    with begun(folder) as writer:
        header, roster, readings = asked.catalog(lambda catalog: _facts(catalog, place))
        for _, member in sorted(roster.members.items()):
            writer.write(MEMBERS, member_record(member))
        for done, shard in enumerate((ROOT, *range(ROOT))):
            progress(done, SHARD_COUNT)
            for held in asked.shard(shard):
                _write(writer, held, readings)
        progress(SHARD_COUNT, SHARD_COUNT)
        return writer.finish(header)


class _Asked:
    """Reads the catalog on its own thread, a bounded number of subjects at a time."""

    def __init__(self, ask: Ask[object]) -> None:
        self._ask = ask

    def catalog(self, work: Callable[[Catalog], T]) -> T:
        found: list[T] = []
        self._ask(lambda catalog: found.append(work(catalog)))
        return found[0]

    def shard(self, number: int) -> Iterator[_Held]:
        subjects = self.catalog(lambda catalog: sorted(catalog.subjects(number)))
        step = limits.EXPORT_SUBJECTS_AT_ONCE
        for start in range(0, len(subjects), step):
            yield from self._some(subjects[start : start + step])

    def _some(self, subjects: Sequence[Subject]) -> list[_Held]:
        return self.catalog(lambda catalog: [_held(catalog, subject) for subject in subjects])


def _facts(catalog: Catalog, place: Place) -> tuple[Header, Roster, Readings]:
    roster = catalog.roster
    names = {node: member.certificate.name for node, member in roster.members.items()}
    header = Header(
        format=FORMAT,
        library=catalog.library.hex(),
        library_name=library_name(catalog, place.library_name),
        node=peer_id(place.node),
        node_name=place.node_name,
        exported=iso_utc(place.now_ms),
        counts={},
        files=(),
    )
    return header, roster, Readings(catalog.display, names)


def _held(catalog: Catalog, subject: Subject) -> _Held:
    changes, roster = catalog.changes(subject), catalog.roster
    is_photo = subject.kind == PHOTO and len(subject.key) == 32
    holders = catalog.holders(BlobId(subject.key)) if is_photo else ()
    return _Held(
        subject,
        tuple((signed, catalog.is_effective(signed)) for signed in in_causal_order(changes)),
        catalog.state(subject),
        {node: roster.keeps(node) for node in holders},
    )


def _write(writer: BundleWriter, held: _Held, readings: Readings) -> None:
    for signed, is_effective in held.changes:
        writer.write(CHANGES, change_record(signed, is_effective=is_effective))
    match held.subject.kind:
        case "photo":
            _write_photo(writer, held, readings)
        case "album":
            writer.write(ALBUMS, album_record(held.state, readings))
        case "policy":
            writer.write(POLICIES, policy_record(held.state, readings))


def _write_photo(writer: BundleWriter, held: _Held, readings: Readings) -> None:
    row = row_of(held.state, readings.display)
    if row is None:
        return  # nobody who may has said what its original is; its changes are there
    marks, position = photo_marks(row, held.state, readings)
    sidecar = None
    if not says_what_the_file_does(marks, position, row.facts):
        data = sidecar_xml(marks, position)
        sidecar = writer.write_sidecar(row.folder, row.name, row.photo.hex(), data)
    writer.write(PHOTOS, photo_record(row, held.state, readings, held.holders, sidecar))


def row_of(state: SubjectState, display: Display) -> PhotoRow | None:
    try:
        return project(state, display)
    except Exception:  # one photo that somebody wrote nonsense into must not hold up the others
        log.exception("%s cannot be shown", state.subject)
        return None


def in_causal_order(changes: Iterable[SignedChange]) -> list[SignedChange]:
    """Return changes of one subject with parents before children, else by time, else by id."""
    by_id = {signed.id: signed for signed in changes}
    if len(by_id) < 2:
        return list(by_id.values())
    children: dict[ChangeId, list[ChangeId]] = defaultdict(list)
    waits: dict[ChangeId, int] = {}
    for name, signed in by_id.items():
        parents = {ChangeId(parent) for parent in signed.change.parents} & by_id.keys()
        waits[name] = len(parents)
        for parent in parents:
            children[parent].append(name)
    ready = [(by_id[name].change.at, name) for name, count in waits.items() if count == 0]
    heapq.heapify(ready)
    ordered = []
    while ready:
        _, name = heapq.heappop(ready)
        ordered.append(by_id[name])
        for child in children[name]:
            waits[child] -= 1
            if waits[child] == 0:
                heapq.heappush(ready, (by_id[child].change.at, child))
    return ordered


assert (PHOTO, ALBUM, POLICY) == ("photo", "album", "policy"), "_write matches on these words"
