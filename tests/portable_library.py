"""A library with something of everything in it, for the tests of exports and imports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from photonic.bundle import Header
from photonic.catalog_export import Place, export_catalog
from photonic.catalog_import import ImportCounts, import_catalog
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import (
    ALBUM_NAME,
    ALBUM_QUERY,
    ALBUMS,
    CAPTION,
    FACTS,
    FOLDER,
    NAME,
    ORIGINAL,
    RATING,
    REVOKED,
    TAGS,
    TITLE,
    TRASHED,
)
from photonic.crdt.fold import Version
from photonic.crdt.keys import SHARD_COUNT
from photonic.identity import Identity
from photonic.ids import ALBUM, LIBRARY, MEMBER, REMOVALS, NodeId, Subject, member_subject
from photonic.photos import PhotoFacts
from tests.crdt.replicas import Cluster, commit, meet, photo

T = TypeVar("T")

HARBOUR, FOREST, OWN = photo(1), photo(2), photo(3)
SAILING, BEST = Subject(ALBUM, b"sailing " * 2), Subject(ALBUM, b"the best" * 2)
SPEAKS_FOR_NODES = {MEMBER, LIBRARY, REMOVALS}


def introduced(subject: Subject, name: str, folder: str = "2024/05", **facts: Any) -> Draft:
    told = PhotoFacts(media_type="image/jpeg", taken="2024-05-17T09:30:12", **facts)
    return Draft(
        subject,
        {
            ORIGINAL: [subject.key, 100, bytes(32)],
            NAME: name,
            FOLDER: folder,
            FACTS: msgspec.to_builtins(told),
        },
    )


def full_library() -> Cluster:
    """Two members that worked together and apart, and know all of it now."""
    cluster = Cluster(2)
    studio, field = cluster.catalogs
    act = b"one act of bulk "
    commit(
        studio,
        introduced(HARBOUR, "IMG_1.JPG", keywords=("boat", "crane"), rating=2),
        introduced(FOREST, "IMG_2.JPG"),
        introduced(OWN, "IMG_1.JPG"),  # of another card: folder and name are the same
        Draft(SAILING, {ALBUM_NAME: "Sailing"}),
        Draft(BEST, {ALBUM_NAME: "The best", ALBUM_QUERY: "rating>=4"}),
    )
    commit(
        studio,
        Draft(
            HARBOUR, {RATING: 1}, {TAGS: ("sea", "travel/iceland"), ALBUMS: (SAILING.key.hex(),)}
        ),
        Draft(HARBOUR, {}, {}, {TAGS: ("crane",)}),
        *(Draft(subject, {CAPTION: "in bulk"}, act=act) for subject in (HARBOUR, FOREST)),
    )
    meet(studio, field)
    # Apart: a contest, a tag that is added again while another takes it away, and the trash.
    commit(studio, Draft(HARBOUR, {RATING: 4, TITLE: "Ship"}, {}, {TAGS: ("sea",)}))
    commit(field, Draft(OWN, {TRASHED: True}), Draft(FOREST, {TITLE: None}))
    commit(field, Draft(HARBOUR, {RATING: 5}, {TAGS: ("sea", "night")}))
    meet(studio, field)
    return cluster


def revoke(cluster: Cluster, node: NodeId, cut: int) -> None:
    """Let the changes of a member count up to `cut` and not beyond."""
    commit(cluster.catalogs[0], Draft(member_subject(node), {REVOKED: cut}))


def ask_of(catalog: Catalog) -> Callable[[Callable[[Catalog], T]], T]:
    """Return what runs work on a catalog and makes it durable, as the keeper does."""

    def ask(work: Callable[[Catalog], T]) -> T:
        result = work(catalog)
        catalog.flush()
        return result

    return ask


def export(catalog: Catalog, folder: Path, *, now_ms: int = 1_700_000_000_000) -> Header:
    place = Place(NodeId(bytes(32)), "studio", "Photos", now_ms)
    return export_catalog(folder, ask_of(catalog), place, lambda done, total: None)


def import_into(
    catalog: Catalog, identity: Identity, folder: Path, *, merges: bool = False
) -> ImportCounts:
    counts = ImportCounts()
    import_catalog(folder, ask_of(catalog), identity, counts, merges=merges)
    return counts


def subjects(catalog: Catalog) -> list[Subject]:
    return sorted(subject for shard in range(SHARD_COUNT) for subject in catalog.subjects(shard))


def visible(catalog: Catalog) -> dict[Subject, object]:
    """Return all that people see of a catalog, without what depends on who signed it."""
    return {
        subject: _visible(catalog, subject)
        for subject in subjects(catalog)
        if subject.kind not in SPEAKS_FOR_NODES
    }


def _visible(catalog: Catalog, subject: Subject) -> object:
    state = catalog.state(subject)
    versions = {name: _values(entry.versions) for name, entry in state.fields.items()}
    shown = {
        name: version.value if (version := catalog.display.pick(name, entry)) else None
        for name, entry in state.fields.items()
        if not _is_tied(entry.versions)
    }
    sets = {
        name: sorted(values) for name, values in state.tags.items() if values and name != "origin"
    }
    embedded = {name: sorted(state.ended_embedded(name)) for name in state.ended}
    return versions, shown, state.contested(), sets, embedded


def _values(versions: Sequence[Version]) -> set[bytes]:
    return {msgspec.msgpack.encode(version.value, order="deterministic") for version in versions}


def _is_tied(versions: Sequence[Version]) -> bool:
    """Whether the larger id decides what is shown: ids are another library's own."""
    moments = {version.at for version in versions}
    return any(len(_values([v for v in versions if v.at == at])) > 1 for at in moments)
