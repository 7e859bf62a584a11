"""The journal keeps what it was told, or says what it lost."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from photonic import limits
from photonic.crdt.changes import Draft
from photonic.crdt.document import MapDocument, merge
from photonic.crdt.fields import RATING
from photonic.errors import JournalNewer, StoreFull
from photonic.ids import digest
from photonic.journal.journal import CHANGES, HOLDINGS, Entry, Journal, Quarantined, ShardDigest
from tests.crdt.replicas import Cluster, commit, import_draft, meet, photo

FIRST_FORMAT = """
CREATE TABLE entries (number INTEGER PRIMARY KEY AUTOINCREMENT, shard INTEGER NOT NULL,
    document INTEGER NOT NULL, data BLOB NOT NULL, checksum BLOB NOT NULL) STRICT;
CREATE INDEX entries_by_document ON entries (shard, document, number);
CREATE TABLE digests (shard INTEGER PRIMARY KEY, changes BLOB NOT NULL, holdings BLOB NOT NULL,
    count INTEGER NOT NULL) STRICT;
CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE quarantine (number INTEGER PRIMARY KEY, peer BLOB NOT NULL, reason TEXT NOT NULL,
    at_ms INTEGER NOT NULL, data BLOB NOT NULL) STRICT;
"""


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


def test_a_batch_for_which_there_is_no_room_leaves_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    journal.commit([Entry(1, CHANGES, b"fine")], {}, {"seq": b"1"})
    journal._db.execute("PRAGMA max_page_count=1")  # it will be the present size
    with pytest.raises(sqlite3.OperationalError, match="full"):
        journal.commit([Entry(1, CHANGES, bytes(100_000))], {}, {"seq": b"2"})
    assert journal.updates(1, CHANGES) == [b"fine"]
    assert journal.fact("seq") == b"1"
    assert journal.last_number == 1
    journal._db.execute("PRAGMA max_page_count=100000")
    journal.commit([Entry(1, CHANGES, b"goes on")], {}, {"seq": b"2"})
    assert journal.updates(1, CHANGES) == [b"fine", b"goes on"]
    assert journal.damaged == []


def test_a_damaged_entry_is_left_out_and_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    journal.commit([Entry(1, CHANGES, b"sound"), Entry(1, CHANGES, b"damaged")], {}, {})
    journal.close()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE entries SET data = x'00' WHERE number = 2")
    again = Journal(path)
    assert again.damaged == [], "what nobody read is not known yet"
    assert again.scrub(-1) is None
    assert again.updates(1, CHANGES) == [b"sound"]
    assert [str(one) for one in again.damaged] == [
        "entry 2 of shard 1 fails its checksum: about 1 change"
    ]


def test_an_entry_that_damage_moved_to_another_shard_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    journal.commit([Entry(1, CHANGES, b"one"), Entry(2, CHANGES, b"two")], {}, {})
    journal.close()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE entries SET shard = 2 WHERE number = 1")
    again = Journal(path)
    assert again.updates(2, CHANGES) == [b"two"]
    assert again.updates(1, CHANGES) == []
    assert {(one.shard, one.number) for one in again.damaged} == {(2, 1), (1, None)}


def test_an_entry_that_vanished_is_missed(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    journal.commit([Entry(4, HOLDINGS, b"one"), Entry(4, HOLDINGS, b"two")], {}, {})
    journal.close()
    with sqlite3.connect(path) as raw:
        raw.execute("DELETE FROM entries WHERE number = 1")
    again = Journal(path)
    assert again.updates(4, HOLDINGS) == [b"two"]
    assert [str(one) for one in again.damaged] == [
        "the holdings of shard 4 have 1 entries where 2 belong"
    ]
    assert again.suspect >= {4}


def test_what_was_damaged_is_put_away_when_it_is_made_good(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    journal.commit([Entry(1, CHANGES, b"sound"), Entry(1, CHANGES, b"damaged")], {}, {})
    journal.close()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE entries SET data = x'00' WHERE number = 2")
    again = Journal(path)
    again.scrub(-1)
    again.forget_damaged(1, CHANGES)
    assert again.damaged == []
    again.close()
    third = Journal(path)
    assert third.scrub(-1) is None
    assert third.damaged == []
    kept = third._db.execute("SELECT shard, document, entry, data FROM damaged").fetchall()
    assert kept == [(1, CHANGES, 2, b"\0")]


def test_a_scrub_reads_everything_in_bounded_steps(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    places = [(shard, document) for shard in range(9) for document in (CHANGES, HOLDINGS)]
    journal.commit([Entry(*place, b"x") for place in places], {}, {})
    journal._db.execute("UPDATE entries SET data = x'00'")
    position: int | None = -1
    found = []
    while position is not None:
        position = journal.scrub(position, 4)
        found.append(len(journal.damaged))
    assert found == [4, 8, 12, 16, 18]


def test_damaged_facts_and_digests_are_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    digests = {shard: ShardDigest(bytes(32), bytes(32), 1) for shard in (1, 2)}
    entries = [Entry(1, CHANGES, b"one"), Entry(2, CHANGES, b"two")]
    journal.commit(entries, digests, {"seq": b"\x05", "stamp": b"\x06"})
    assert not journal.is_salvaged
    journal.close()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE digests SET count = 7 WHERE shard = 2")
        raw.execute("UPDATE facts SET value = x'04' WHERE name = 'seq'")
    again = Journal(path)
    assert again.digests().keys() == {1}
    assert again.suspect == {2}
    assert (again.fact("seq"), again.fact("stamp")) == (None, b"\x06")
    assert again.is_salvaged


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


def replicated(chance: random.Random, *, overwrites: bool) -> tuple[list[bytes], MapDocument]:
    """Updates of a few writers that read each other, some twice, some late, some never come.

    Also a document that has all of them.
    """
    writers = [MapDocument() for _ in range(4)]
    everything = MapDocument()
    updates = []
    for number in range(300):
        position = chance.randrange(4)
        key = f"{position}.{chance.randrange(50) if overwrites else number}"
        update = writers[position].insert({key: b"%d" % number})
        everything.apply(update)
        for other in range(4):
            if other != position and chance.random() < 0.5:
                writers[other].apply(update)
        if chance.random() < 0.95:
            updates.append(update)
        if chance.random() < 0.1:
            updates.append(chance.choice(updates))
    late = [updates.pop(chance.randrange(len(updates))) for _ in range(20)]
    return updates + late, everything


@pytest.mark.parametrize("overwrites", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_merging_keeps_what_the_entries_carried(
    tmp_path: Path, seed: int, overwrites: bool
) -> None:
    updates, everything = replicated(random.Random(seed), overwrites=overwrites)
    journal = Journal(tmp_path / "journal.db")
    steps = 0
    for update in updates:
        journal.commit([Entry(0, CHANGES, update)], {}, {})
        while due := journal.compaction_due():
            steps += journal.compact_step(*due, merge)
    assert steps >= 4
    assert journal.damaged == []
    kept = journal.updates(0, CHANGES)
    assert len(kept) <= limits.JOURNAL_UPDATES_PER_SEGMENT
    after = MapDocument(kept)
    if not overwrites:
        # Where updates of one key come out of order pycrdt keeps back more of them, which
        # the vector shows; there the merged ones give more than the others did.
        assert after.entries() == MapDocument(updates).entries()
    after.apply(everything.missing_for(after.vector()))
    assert after.entries() == everything.entries()


def test_merging_is_news_to_nobody(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    for number in range(300):
        journal.commit([Entry(number % 2, CHANGES, b"update %d;" % number)], {}, {})
    known = journal.last_number
    while due := journal.compaction_due():
        assert journal.compact_step(*due, b"".join)
    assert journal.last_number == known
    assert journal.shards_since(known) == []
    assert journal.shards_since(known - 1) == [1]
    assert journal.entry_count(0, CHANGES) < 70
    expected = b"".join(b"update %d;" % number for number in range(0, 300, 2))
    assert b"".join(journal.updates(0, CHANGES)) == expected
    journal.close()
    again = Journal(path)
    assert again.scrub(-1, 10) is None
    assert again.damaged == []
    assert again.entry_count(0, CHANGES) < 70


def test_what_cannot_be_merged_is_left_and_told(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    journal.commit([Entry(0, CHANGES, b"no update")] * 100, {}, {})
    assert journal.compaction_due() == (0, CHANGES)
    assert not journal.compact_step(0, CHANGES, merge)
    assert journal.compaction_due() is None
    assert journal.entry_count(0, CHANGES) == 100
    assert "the changes of shard 0 could not be merged" in journal.notes[0]


def test_a_document_with_a_damaged_entry_is_not_merged(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    journal.commit([Entry(0, CHANGES, b"x")] * 100, {}, {})
    journal._db.execute("UPDATE entries SET data = x'00' WHERE number = 50")
    assert not journal.compact_step(0, CHANGES, b"".join)
    assert [one.number for one in journal.damaged] == [50]
    assert journal.compaction_due() is None
    assert journal.entry_count(0, CHANGES) == 100


def test_a_journal_of_the_first_format_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with sqlite3.connect(path) as old:
        old.executescript(FIRST_FORMAT)
        for number, data in enumerate((b"one", b"two", b"three"), 1):
            check = digest(data)[:8] if number != 2 else b"rotten!!"
            old.execute("INSERT INTO entries VALUES (?,7,0,?,?)", (number, data, check))
        old.execute("INSERT INTO digests VALUES (7,?,?,3)", (bytes(32), bytes(32)))
        old.execute("INSERT INTO facts VALUES ('seq', x'03')")
        old.execute("INSERT INTO quarantine VALUES (1, x'aa', 'why', 5, x'bb')")
    journal = Journal(path)
    assert journal.updates(7, CHANGES) == [b"one", b"three"]
    assert [one.number for one in journal.damaged] == [2]
    assert journal.digests() == {7: ShardDigest(bytes(32), bytes(32), 3)}
    assert journal.fact("seq") == b"\x03"
    assert journal.quarantined() == [Quarantined(b"\xaa", "why", 5, b"\xbb")]
    assert journal.last_number == 3
    journal.commit([Entry(7, CHANGES, b"four")], {}, {})
    journal.close()
    assert Journal(path).updates(7, CHANGES) == [b"one", b"three", b"four"]


def test_a_journal_of_a_later_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with sqlite3.connect(path) as later:
        later.execute("PRAGMA user_version=99")
        later.execute("CREATE TABLE entries (quite, different)")
    before = path.read_bytes()
    with pytest.raises(JournalNewer, match="99"):
        Journal(path)
    assert path.read_bytes()[200:] == before[200:]
    assert not list(tmp_path.glob("*.damaged*"))


def test_an_abrupt_stop_is_told(tmp_path: Path) -> None:
    path, copy = tmp_path / "journal.db", tmp_path / "copy.db"
    journal = Journal(path)
    journal.commit([Entry(0, CHANGES, bytes(9_000))], {}, {"seq": b"1"})
    journal.commit([Entry(0, CHANGES, bytes(9_000))], {}, {"seq": b"2"})
    copy.write_bytes(path.read_bytes())
    log = path.with_name("journal.db-wal").read_bytes()
    copy.with_name("copy.db-wal").write_bytes(log[:-500])
    again = Journal(copy)
    assert again.torn_bytes > 500
    assert "the last stop was abrupt" in again.notes[0]
    assert again.entry_count(0, CHANGES) == 1
    assert not again.is_salvaged


def test_the_log_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    for _ in range(400):
        journal.commit([Entry(0, CHANGES, bytes(100_000))], {}, {})
    log = path.with_name("journal.db-wal")
    assert log.stat().st_size <= limits.JOURNAL_WAL_BYTES_KEPT


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
