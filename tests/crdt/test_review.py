"""What a review of the catalog found: each of these failed once."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from photonic import limits
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.directory import Directory
from photonic.crdt.fields import CAPTION, RATING
from photonic.crdt.history import undo
from photonic.crdt.keys import shard_of
from photonic.crdt.replica import CatalogReplica
from photonic.errors import StoreFull, UndoRefused
from photonic.ids import BlobId
from photonic.journal.journal import CHANGES, Journal
from tests.crdt.replicas import WORLD, Cluster, commit, import_draft, meet, photo

_FULL, _ROOMY = 1, 1 << 30
_LONG = "x" * 16_000


def _room(db: sqlite3.Connection, pages: int) -> None:
    """Let a database have no more pages than it has, or as many as it likes."""
    db.execute(f"PRAGMA max_page_count={pages}")


def _open(folder: Path, cluster: Cluster) -> Catalog:
    journal = Journal(folder / "journal.db")
    directory = folder / "directory.db"
    return Catalog(cluster.library, cluster.identities[1], journal, WORLD, directory)


def _close(catalog: Catalog) -> None:
    catalog.close()
    catalog._journal.close()


def _spoil(folder: Path, shard: int) -> None:
    with sqlite3.connect(folder / "journal.db") as db:
        query = "SELECT number, data FROM entries WHERE shard=? AND document=?"
        number, data = db.execute(query, (shard, CHANGES)).fetchone()
        spoilt = data[:40] + bytes([data[40] ^ 1]) + data[41:]
        db.execute("UPDATE entries SET data=? WHERE number=?", (spoilt, number))
    db.close()


def test_a_process_killed_while_its_directory_is_made_anew_finds_every_change_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(2)
    catalog = _open(tmp_path, cluster)
    meet(cluster.catalogs[0], catalog)
    commit(catalog, *(import_draft(number) for number in range(8)))
    _close(catalog)
    for path in tmp_path.glob("directory.db*"):
        path.unlink()
    fill = Directory.fill
    filled: list[int] = []

    def killed(self: Directory, number: int) -> None:
        if len(filled) == 3:
            raise KeyboardInterrupt
        filled.append(number)
        fill(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(Directory, "fill", killed)
        with pytest.raises(KeyboardInterrupt):
            _open(tmp_path, cluster)
    again = _open(tmp_path, cluster)
    assert [len(again.changes(photo(number))) for number in range(8)] == [1] * 8
    _close(again)


def test_what_the_journal_took_and_the_directory_could_not_survives_a_refused_commit(
    tmp_path: Path,
) -> None:
    cluster = Cluster(2)
    catalog = _open(tmp_path, cluster)
    meet(cluster.catalogs[0], catalog)
    _room(catalog.directory._db, _FULL)
    drafts = [Draft(photo(number), {CAPTION: _LONG}) for number in range(8)]
    commit(catalog, *drafts)
    blob = BlobId(photo(0).key)
    catalog.hold({blob: True})
    catalog.flush()
    _room(catalog._journal._db, _FULL)
    catalog.hold({blob: False})
    with pytest.raises(StoreFull):
        commit(catalog, *drafts)
    assert [len(catalog.changes(photo(number))) for number in range(8)] == [1] * 8
    assert catalog.directory.holding(blob, cluster.identities[1].node) is True
    _room(catalog._journal._db, _ROOMY)
    _room(catalog.directory._db, _ROOMY)
    commit(catalog, import_draft(9))
    again = [len(catalog.changes(photo(number))) for number in range(8)]
    assert again == [1] * 8
    _close(catalog)
    reopened = _open(tmp_path, cluster)
    assert [len(reopened.changes(photo(number))) for number in range(8)] == [1] * 8
    _close(reopened)


def test_a_refused_commit_claims_no_damaged_change(tmp_path: Path) -> None:
    cluster = Cluster(2)
    catalog = _open(tmp_path, cluster)
    meet(cluster.catalogs[0], catalog)
    commit(catalog, import_draft(0), Draft(photo(0), {RATING: 4}))
    meet(cluster.catalogs[0], catalog)
    whole = catalog.state(photo(0))
    _close(catalog)
    shard = shard_of(photo(0))
    _spoil(tmp_path, shard)
    for path in tmp_path.glob("directory.db*"):
        path.unlink()
    catalog = _open(tmp_path, cluster)
    while catalog.housekeep():
        pass
    _room(catalog._journal._db, _FULL)
    with pytest.raises(StoreFull):
        commit(catalog, *(Draft(photo(number), {CAPTION: _LONG}) for number in range(8)))
    _room(catalog._journal._db, _ROOMY)
    assert catalog.upkeep.lacking[shard] > 0
    meet(catalog, cluster.catalogs[0])
    assert catalog.state(photo(0)) == whole
    _close(catalog)


def test_undo_settles_no_contest_between_others() -> None:
    catalogs = Cluster(3).catalogs
    commit(catalogs[0], import_draft(0))
    for other in catalogs[1:]:
        meet(catalogs[0], other)
    for rating, catalog in enumerate(catalogs, 1):
        commit(catalog, Draft(photo(0), {RATING: rating}))
    mine = catalogs[0].changes(photo(0))[-1]
    for other in catalogs[1:]:
        meet(catalogs[0], other)
    with pytest.raises(UndoRefused, match="contested without it"):
        undo(
            photo(0),
            catalogs[0].changes(photo(0)),
            mine.id,
            is_effective=catalogs[0].is_effective,
            display=catalogs[0].display,
            embedded=lambda name: None,
        )


def test_questions_of_peers_load_no_more_documents_than_may_be_in_memory() -> None:
    catalog = Cluster(1).catalogs[0]
    catalog.documents._max = 100_000
    commit(catalog, *(Draft(photo(number), {CAPTION: _LONG}) for number in range(60)))
    catalog.trim()
    replica = CatalogReplica(catalog)
    for number in range(limits.SHARDS):
        replica.vector(number, CHANGES)
    assert sum(one.bytes for one in catalog.documents._loaded.values()) < 150_000


def test_a_refused_update_throws_away_no_document_and_no_client() -> None:
    catalog = Cluster(1).catalogs[0]
    commit(catalog, import_draft(0))
    shard = shard_of(photo(0))
    loaded = catalog.documents.get(shard, CHANGES)
    for number in range(5):
        assert not catalog.receive(shard, CHANGES, b"no update", b"peer" * 8)
        commit(catalog, Draft(photo(0), {RATING: number}))
    assert catalog.documents.get(shard, CHANGES) is loaded
    assert len(loaded.vector()) < 20, "one client wrote all of it"


def test_damage_that_a_peers_question_finds_first_is_made_good_as_well(tmp_path: Path) -> None:
    cluster = Cluster(2)
    catalog = _open(tmp_path, cluster)
    meet(cluster.catalogs[0], catalog)
    commit(catalog, import_draft(0), Draft(photo(0), {RATING: 4}))
    whole, shard = catalog.state(photo(0)), shard_of(photo(0))
    _close(catalog)
    _spoil(tmp_path, shard)
    catalog = _open(tmp_path, cluster)
    catalog.documents.get(shard, CHANGES)
    while catalog.housekeep():
        pass
    catalog.flush()
    _close(catalog)
    for path in tmp_path.glob("directory.db*"):
        path.unlink()
    catalog = _open(tmp_path, cluster)
    assert catalog.state(photo(0)) == whole, "the directory knew it, and the journal has it again"
    _close(catalog)
