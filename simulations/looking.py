"""Looks at a simulated node from inside and says what it shows: an `Observation`.

All of it is asked of the product: the catalog on its own thread, the index, the store.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

import msgspec
import trio

from photonic import limits
from photonic.blobs.verify import hash_file
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import SignedChange
from photonic.crdt.fields import TAGS, TRASHED
from photonic.crdt.keys import SHARD_COUNT
from photonic.errors import PhotonicError
from photonic.ids import PHOTO, BlobId, ChangeId, NodeId, Subject
from photonic.node import Node
from photonic.photo_views import PhotoFilter
from simulations.observations import Observation, PhotoSeen, VersionSeen

Names = Mapping[NodeId, str]
ID_DIGITS = 16  # of the hex ids in traces and observations: enough to tell them apart
_PAGE = 200


def short(some: bytes) -> str:
    return some.hex()[:ID_DIGITS]


def photo_subjects(catalog: Catalog) -> list[Subject]:
    """Return every photo that the catalog has heard of."""
    return [
        subject
        for number in range(SHARD_COUNT)
        for subject in catalog.subjects(number)
        if subject.kind == PHOTO
    ]


def _value(value: object) -> str:
    return msgspec.json.encode(value, order="deterministic").decode()


def show(catalog: Catalog, subject: Subject, node: Node, names: Names) -> PhotoSeen:
    """Return one photo as the catalog and the store have it. On the catalog's thread."""
    changes = catalog.changes(subject)
    state = catalog.state(subject)
    blob = BlobId(subject.key)
    versions = {
        name: tuple(
            sorted(
                VersionSeen(short(v.change), names.get(v.author, "?"), _value(v.value))
                for v in entry.versions
            )
        )
        for name, entry in sorted(state.fields.items())
    }
    trashed = state.fields.get(TRASHED)
    return PhotoSeen(
        held=node.store.has(blob),
        trashed=trashed is not None and all(v.value is True for v in trashed.versions),
        versions=versions,
        conflicts=state.contested(),
        tags=tuple(sorted(state.tags.get(TAGS, {}))),
        holders=tuple(sorted(names.get(n, "?") for n in catalog.holders(blob))),
        changes=frozenset(short(signed.id) for signed in changes),
        answered=_answered(changes, catalog.is_effective),
    )


def _answered(
    changes: Iterable[SignedChange], counts: Callable[[SignedChange], bool]
) -> dict[str, frozenset[str]]:
    """Return by field which changes others descend from that say it anew. Not asked of `fold`."""
    known = {signed.id: signed for signed in changes}
    found: dict[str, set[str]] = defaultdict(set)
    for signed in known.values():
        if not counts(signed):
            continue
        seen = {short(name) for name in ancestors(signed.id, known)}
        for field in (*signed.change.sets, *signed.change.adds, *signed.change.removes):
            found[field] |= seen
    return {field: frozenset(names) for field, names in sorted(found.items())}


def ancestors(name: ChangeId, known: Mapping[ChangeId, SignedChange]) -> set[ChangeId]:
    """Return all changes that one descends from."""
    seen, open_ = set[ChangeId](), [ChangeId(parent) for parent in known[name].change.parents]
    while open_:
        parent = open_.pop()
        if parent not in seen:
            seen.add(parent)
            parents = known[parent].change.parents if parent in known else ()
            open_ += map(ChangeId, parents)
    return seen


async def look(
    node: Node,
    name: str,
    names: Names,
    some: Iterable[Subject] | None = None,
    known: Mapping[str, PhotoSeen] | None = None,
    *,
    is_whole: bool = True,
) -> Observation:
    """Look at a node. `some`: at these photos only, the others are as they were (`known`).

    `is_whole`: also at what is known of its authors' numbers.
    """

    def work(catalog: Catalog) -> tuple[dict[str, PhotoSeen], str]:
        subjects = photo_subjects(catalog) if some is None else list(some)
        shown = {short(s.key): show(catalog, s, node, names) for s in subjects}
        shown = {photo: seen for photo, seen in shown.items() if seen.changes}
        return shown, short(catalog.root_digest())

    photos, digest = await node.library.keeper.call(work)
    photos = {**(known or {}), **photos}
    authors, repeated = dict[NodeId, tuple[int, int]](), list[tuple[NodeId, int]]()
    if is_whole:
        authors = await trio.to_thread.run_sync(node.library.query.authors)
        repeated = await trio.to_thread.run_sync(node.library.query.repeated_numbers, 100)
    roster = node.admissions.roster
    return Observation(
        node=name,
        at_s=round(trio.current_time(), 3),
        photos=dict(sorted(photos.items())),
        known={names[n]: last for n, (_, last) in authors.items() if n in names},
        revoked=tuple(
            sorted(names.get(n, "?") for n, m in roster.members.items() if m.ends is not None)
        ),
        connected=tuple(sorted(names.get(n, "?") for n in node.transport.connected())),
        problems=tuple(sorted({problem.code for problem in node.problems.list()})),
        digest=digest,
        repeated=tuple(sorted({names.get(n, "?") for n, _ in repeated})),
        queues=queues(node),
    )


def queues(node: Node) -> dict[str, tuple[int, int]]:
    """Return how long what waits is, and how long it may become."""
    found = {
        "transfers": (node.transfers.count, limits.WANTS_MAX),
        "catalog jobs": (node.library.keeper.waiting, limits.KEEPER_JOBS_MAX),
        "problems": (len(node.problems), limits.PROBLEMS_MAX),
    }
    for number, (pushes, answers) in enumerate(node.sessions.waiting()):
        found[f"pushes {number}"] = (pushes, limits.OUTBOX_PUSHES_MAX)
        found[f"answers {number}"] = (answers, limits.OUTBOX_ANSWERS_MAX)
    return found


async def verify_originals(node: Node, photos: Iterable[str]) -> tuple[set[str], set[str]]:
    """Read originals that are shown as held; return which are right, and which are not."""
    right, wrong = set[str](), set[str]()
    for photo in sorted(photos):
        try:
            original = await node.original(photo)
            blob = await trio.to_thread.run_sync(hash_file, original.path)
        except (PhotonicError, OSError):
            continue
        (right if blob.hex() == photo else wrong).add(photo[:ID_DIGITS])
    return right, wrong


async def listed(node: Node) -> dict[str, tuple[object, ...]]:
    """Return what the index says of each photo, those in the trash too."""
    found: dict[str, tuple[object, ...]] = {}
    for query in ("", "is:trashed"):
        cursor = None
        while True:
            page = await node.photos(PhotoFilter(q=query), _PAGE, cursor)
            for item in page.items:
                found[item.id] = (
                    item.name, item.rating, item.title, item.held, tuple(item.conflicts),
                    item.trashed, item.removal_held, item.bytes, item.taken,
                )  # fmt: skip
            cursor = page.next
            if cursor is None:
                break
    return dict(sorted(found.items()))


async def said_last(
    node: Node, subject: Subject, field: str
) -> tuple[str, list[str], list[str]] | None:
    """Return this node's newest change that says something of a field of a photo.

    With it, what it had seen: all changes that it descends from; and how many versions stand.
    """

    def work(catalog: Catalog) -> tuple[str, list[str], list[str]] | None:
        changes = {signed.id: signed for signed in catalog.changes(subject)}
        mine = [
            (change.seq, name)
            for name, change in ((name, signed.change) for name, signed in changes.items())
            if change.author == node.identity.node
            and (field in change.sets or field in change.adds or field in change.removes)
        ]
        if not mine:
            return None
        _, last = max(mine)
        seen = ancestors(last, changes)
        entry = catalog.state(subject).fields.get(field)
        values = [] if entry is None else [_value(v.value) for v in entry.versions]
        return short(last), sorted(short(name) for name in seen), values

    return await node.library.keeper.call(work)
