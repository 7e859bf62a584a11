"""The journal keeps what it was told, or says what it lost."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from photonic.crdt.changes import Draft
from photonic.crdt.document import MapDocument
from photonic.crdt.fields import RATING
from photonic.crdt.journal import CHANGES, Entry, Journal, Quarantined, ShardDigest
from photonic.errors import StoreFull
from tests.crdt.replicas import Cluster, commit, import_draft, meet, photo


def test_a_batch_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    journal.commit(
        [Entry(3, CHANGES, b"one"), Entry(3, CHANGES, b"two")],
        {3: ShardDigest(bytes(32), bytes(32), 2)},
        {"seq": b"\x05"},
    )
    journal.close()
    again = Journal(path)
    assert again.updates(3, CHANGES) == [b"one", b"two"]
    assert again.digests()[3].change_count == 2
    assert again.fact("seq") == b"\x05"
    assert again.last_number == 2


def test_a_batch_that_fails_leaves_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    homeless: Any = None
    with pytest.raises(sqlite3.Error):
        journal.commit([Entry(1, CHANGES, b"fine"), Entry(homeless, CHANGES, b"lost")], {}, {})
    assert journal.updates(1, CHANGES) == []


def test_a_damaged_entry_is_left_out_and_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    journal.commit([Entry(1, CHANGES, b"sound"), Entry(1, CHANGES, b"damaged")], {}, {})
    journal.close()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE entries SET data = x'00' WHERE number = 2")
    again = Journal(path)
    assert again.updates(1, CHANGES) == [b"sound"]
    assert "entry 2 of shard 1" in str(again.damaged[0])


def test_what_a_damaged_entry_held_comes_back_from_a_peer(tmp_path: Path) -> None:
    cluster = Cluster(2)
    path = tmp_path / "journal.db"
    right = cluster.open(1, Journal(path))
    meet(cluster.catalogs[0], right)
    commit(cluster.catalogs[0], import_draft(0))
    meet(cluster.catalogs[0], right)
    right._journal.close()
    with sqlite3.connect(path) as raw:
        raw.execute(
            "UPDATE entries SET data = x'00' WHERE number = (SELECT max(number) FROM entries)"
        )
    healed = cluster.open(1, Journal(path))
    assert healed.state(photo(0)).fields == {}
    meet(cluster.catalogs[0], healed)
    assert healed.state(photo(0)).fact("name") == "IMG_0.JPG"


def test_compaction_keeps_what_the_entries_carried(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    document = MapDocument()
    updates = [document.insert({str(number): b"x"}) for number in range(10)]
    journal.commit([Entry(0, CHANGES, update) for update in updates], {}, {})
    journal.compact(0, CHANGES, document.snapshot())
    assert len(journal.updates(0, CHANGES)) == 1
    assert MapDocument(journal.updates(0, CHANGES)).entries() == document.entries()


def test_the_quarantine_is_bounded_and_newest_first(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    for number in range(300):
        journal.quarantine(Quarantined(b"peer", f"reason {number}", number, b"data"))
    kept = journal.quarantined()
    assert len(kept) == 256
    assert kept[0].reason == "reason 299"


def test_a_disk_that_refuses_leaves_the_catalog_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Cluster(1)
    catalog = cluster.catalogs[0]
    digest = catalog.root_digest()

    def refuse(*_: object) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorname = "SQLITE_FULL"
        raise error

    catalog.write([import_draft(0)])
    with monkeypatch.context() as patch:
        patch.setattr(catalog._journal, "commit", refuse)
        with pytest.raises(StoreFull):
            catalog.flush()
    assert catalog.state(photo(0)).fields == {}
    assert catalog.root_digest() == digest
    assert catalog.flush().announcements == []  # what the disk refused did not happen
    commit(catalog, import_draft(0))
    assert catalog.state(photo(0)).fact("name") == "IMG_0.JPG"


def test_a_rolled_back_copy_of_the_journal_loses_nothing_that_was_told(tmp_path: Path) -> None:
    cluster = Cluster(2)
    path, copy = tmp_path / "journal.db", tmp_path / "copy.db"
    node = cluster.open(1, Journal(path))
    meet(cluster.catalogs[0], node)
    commit(node, import_draft(0))
    node._journal.close()
    copy.write_bytes(path.read_bytes())

    told = cluster.open(1, Journal(path))
    commit(told, Draft(photo(0), {RATING: 1}), import_draft(1))
    meet(told, cluster.catalogs[0])
    told._journal.close()

    restored = cluster.open(1, Journal(copy))  # knows nothing of what it said last
    commit(restored, Draft(photo(0), {RATING: 5}))
    meet(restored, cluster.catalogs[0])
    for catalog in (restored, cluster.catalogs[0]):
        assert {v.value for v in catalog.state(photo(0)).fields[RATING].versions} == {1, 5}
        assert catalog.state(photo(1)).fact("name") == "IMG_1.JPG"
    assert restored.root_digest() == cluster.catalogs[0].root_digest()
