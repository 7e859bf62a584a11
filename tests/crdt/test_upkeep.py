"""Damage is found, told, made good from what is known here or by a peer, and then set aside."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import RATING
from photonic.crdt.keys import shard_of
from photonic.journal.journal import CHANGES, Journal
from tests.crdt.replicas import WORLD, Cluster, commit, import_draft, meet, photo

NUMBER = shard_of(photo(0))


class Disk:
    """One node's journal and directory on disk, opened and closed as a process would."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        self.folder, self.cluster = folder, cluster
        self.journal, self.catalog = self._open()
        meet(cluster.catalogs[0], self.catalog)

    def _open(self) -> tuple[Journal, Catalog]:
        journal = Journal(self.folder / "journal.db")
        identity = self.cluster.identities[1]
        directory = self.folder / "directory.db"
        catalog = Catalog(self.cluster.library, identity, journal, WORLD, directory)
        return journal, catalog

    def close(self) -> None:
        self.catalog.close()
        self.journal.close()

    def reopen(self) -> Catalog:
        self.close()
        self.journal, self.catalog = self._open()
        return self.catalog

    def damage(self) -> None:
        """Flip a bit in an entry of the photo's document, while nobody has the file open."""
        self.close()
        with sqlite3.connect(self.folder / "journal.db") as db:
            query = "SELECT number, data FROM entries WHERE shard=? AND document=?"
            number, data = db.execute(query, (NUMBER, CHANGES)).fetchone()
            spoilt = data[:40] + bytes([data[40] ^ 1]) + data[41:]
            db.execute("UPDATE entries SET data=? WHERE number=?", (spoilt, number))
        db.close()

    def forget_directory(self) -> None:
        for path in self.folder.glob("directory.db*"):
            path.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path, Cluster(2))
    commit(disk.catalog, import_draft(0), Draft(photo(0), {RATING: 4}))
    yield disk
    disk.close()


def _scrub(catalog: Catalog) -> None:
    while catalog.housekeep():
        pass
    catalog.flush()


def test_what_the_directory_knows_is_written_again(disk: Disk) -> None:
    before = disk.catalog.state(photo(0))
    disk.damage()
    catalog = disk.reopen()
    _scrub(catalog)
    assert disk.journal.damaged, "the damage is told"
    disk.forget_directory()
    assert disk.reopen().state(photo(0)) == before, "the journal has it again, by itself"


def test_what_is_lost_here_is_not_claimed_and_comes_back_from_a_peer(disk: Disk) -> None:
    peer = disk.cluster.catalogs[0]
    meet(disk.catalog, peer)
    before = disk.catalog.state(photo(0))
    disk.damage()
    disk.forget_directory()
    catalog = disk.reopen()
    _scrub(catalog)
    assert catalog.root_digest() != peer.root_digest()
    assert sum(catalog.upkeep.lacking.values()) > 0
    meet(catalog, peer)
    meet(catalog, peer)  # the second time they agree
    assert catalog.state(photo(0)) == before
    assert not disk.journal.damaged and catalog.upkeep.recovered
    assert disk.reopen().state(photo(0)) == before


def test_a_peer_that_lacks_it_too_does_not_make_the_damage_forgotten(disk: Disk) -> None:
    peer = disk.cluster.catalogs[0]
    disk.damage()
    disk.forget_directory()
    catalog = disk.reopen()
    _scrub(catalog)
    meet(catalog, peer)
    meet(catalog, peer)
    assert disk.journal.damaged, "nobody has it: a person must know"


@pytest.mark.parametrize("harm", ["gone", "garbage", "older", "row"])
def test_the_directory_is_made_again_whatever_became_of_it(disk: Disk, harm: str) -> None:
    path = disk.folder / "directory.db"
    disk.reopen()
    disk.close()
    if harm == "gone":
        disk.forget_directory()
    elif harm == "garbage":
        path.write_bytes(b"no database" * 999)
    elif harm == "older":
        with sqlite3.connect(path) as db:
            db.execute("DELETE FROM changes")
            db.execute("UPDATE mark SET number=0")
        db.close()
    else:
        with sqlite3.connect(path) as db:
            db.execute("UPDATE changes SET id=id+1")  # rows that do not add up to their names
        db.close()
    disk.journal, disk.catalog = disk._open()
    found = disk.catalog.state(photo(0))
    assert found.fact(RATING) == 4 and len(found.lineage) == 2


def test_a_directory_that_is_newer_than_the_journal_is_made_again(disk: Disk) -> None:
    disk.close()
    backup = (disk.folder / "journal.db").read_bytes()
    disk.journal, disk.catalog = disk._open()
    commit(disk.catalog, Draft(photo(0), {RATING: 1}))
    disk.close()
    for path in disk.folder.glob("journal.db*"):
        path.unlink()
    (disk.folder / "journal.db").write_bytes(backup)
    disk.journal, disk.catalog = disk._open()
    assert disk.catalog.state(photo(0)).fact(RATING) == 4
