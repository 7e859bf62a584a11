"""The durable record of every update: SQLite, append-only, committed in batches.

What is in here is what the node knows; documents, index and status are derived from it. `commit`
returns only when the batch is on disk (WAL, synchronous=FULL), and nothing is announced before
(invariant I3). Entries are merged in small steps (compaction.py). What is damaged is told and left
out, never returned: an entry by its checksum, a document's missing rows by its tally (damage.py);
a file that SQLite refuses is salvaged (salvage.py). What was lost comes back from any peer by
anti-entropy. Blocking: one thread owns it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from photonic import limits
from photonic.journal.compaction import Merge, Unmergeable, merge_some
from photonic.journal.damage import CHANGES, HOLDINGS, Damage, examine, name_of, put_away
from photonic.journal.file import JournalFile
from photonic.journal.salvage import SALVAGED, Salvage, read_report
from photonic.journal.schema import (
    INSERT_ENTRY,
    INSERT_TALLY,
    NUMBER_MAX,
    EntryRow,
    Tally,
    count_entries,
    documents_with_entries,
    entry_checksum,
    place_of,
    row_checksum,
    transaction,
)
from photonic.journal.segments import is_tail_long

__all__ = ["CHANGES", "HOLDINGS", "Damage", "Entry", "Journal", "Quarantined", "ShardDigest"]

_Place = tuple[int, int]  # shard, document

_DIGEST_COLUMNS = "shard, changes, holdings, count, checksum"
_QUARANTINE_KEPT = 256
_QUARANTINE_BYTES_MAX = 64 * limits.KIB


class Entry(NamedTuple):
    """One update of one document of one shard."""

    shard: int
    document: int
    data: bytes


class ShardDigest(NamedTuple):
    """What the entries of a shard's documents add up to (see shards.py), and how many changes."""

    changes: bytes
    holdings: bytes
    change_count: int

    def of(self, document: int) -> bytes:
        return self.changes if document == CHANGES else self.holdings


class Quarantined(NamedTuple):
    """An update that was refused at the door."""

    peer: bytes
    reason: str
    at_ms: int
    data: bytes


class Journal:
    """The journal of one library on one node."""

    def __init__(self, path: Path | None) -> None:
        """Open or create the journal at `path`; None keeps it in memory (simulator, tests).

        A damaged one is salvaged; `notes` and `salvage` tell. Raises JournalNewer, and
        JournalUnwritable or JournalDamaged if it can be neither read nor salvaged.
        """
        self.notes: list[str] = []  # what a person should know of the opening, as sentences
        self.salvage: Salvage | None = None  # until it is settled, over restarts
        self.suspect: set[int] = set()  # shards whose digests must be counted anew
        self._damage: dict[tuple[int, int, int | None], Damage] = {}
        self._tallies: dict[_Place, Tally] = {}
        self._facts: dict[str, bytes] = {}
        self._is_fact_lost = False
        self._unmergeable: set[_Place] = set()
        self._openings = self._last = 0
        self._file = JournalFile(path, self._read)
        self.tail, self.torn_bytes = self._file.tail, self._file.tail.torn_bytes
        if self._file.was_empty:
            self._is_fact_lost = True
            self.notes.append("the journal's file was empty: if it held a catalog, that is lost")
        if self.torn_bytes and not self.tail.is_damaged:
            self.notes.append(
                f"the last stop was abrupt; an unfinished commit of {self.torn_bytes:,} bytes was"
                " cut, and nothing that was answered was in it"
            )

    @property
    def _db(self) -> sqlite3.Connection:
        return self._file.db

    def close(self) -> None:
        self._file.close()

    # --- reading -----------------------------------------------------------------------------

    @property
    def last_number(self) -> int:
        """The number of the newest entry ever committed; 0 before the first."""
        return self._last

    @property
    def damaged(self) -> list[Damage]:
        """What is known to be damaged and was not settled by `forget_damaged`."""
        return list(self._damage.values())

    @property
    def is_salvaged(self) -> bool:
        """Whether this node may have forgotten what it told its peers, its last number included.

        True until `settle_salvage`.
        """
        return self.salvage is not None or self._is_fact_lost

    @property
    def must_reopen(self) -> bool:
        """Whether the file was salvaged while in use: what a catalog has in memory may be more.

        Close it and open journal and catalog anew. Until then it goes on, but keeps no digest,
        for a digest of more than the journal has would hide from peers what is missing.
        """
        return self._openings > 1

    def updates(self, shard: int, document: int) -> list[bytes]:
        """Return the sound updates of a document, oldest first; damaged ones are told."""
        return self._file.guarded(lambda: self._examine((shard, document)))

    def entry_count(self, shard: int, document: int) -> int:
        """Return how many entries a document has; merging makes it fewer."""
        return self._tallies.get((shard, document), Tally()).entries

    def shards_since(self, number: int) -> list[int]:
        """Return the shards with an entry newer than `number`. Merging makes nothing newer."""
        query = "SELECT DISTINCT shard FROM entries WHERE number>?"
        return self._file.guarded(
            lambda: sorted(row[0] for row in self._db.execute(query, (number,)))
        )

    def digests(self) -> dict[int, ShardDigest]:
        """Return the sound digests; the shards of others are in `suspect`."""
        rows = self._file.guarded(
            lambda: self._db.execute(
                f"SELECT {_DIGEST_COLUMNS} FROM digests"  # noqa: S608 - ours
            ).fetchall()
        )
        return {row[0]: ShardDigest(*row[1:4]) for row in rows if row_checksum(*row[:4]) == row[4]}

    def fact(self, name: str) -> bytes | None:
        """Return what was last committed under `name`; None if nothing was, or if it is damaged."""
        return self._facts.get(name)

    # --- writing -----------------------------------------------------------------------------

    def commit(
        self,
        entries: Iterable[Entry],
        digests: Mapping[int, ShardDigest],
        facts: Mapping[str, bytes],
    ) -> None:
        """Make a batch durable, all of it or nothing. Raises sqlite3.Error (disk full)."""
        batch = list(entries)
        self._file.guarded(lambda: self._commit(batch, digests, facts))

    def _commit(
        self,
        batch: Sequence[Entry],
        digests: Mapping[int, ShardDigest],
        facts: Mapping[str, bytes],
    ) -> None:
        rows: list[EntryRow] = []
        tallies: dict[_Place, Tally] = {}
        for number, (shard, document, data) in enumerate(batch, self._last + 1):
            place, size = (shard, document), len(data)
            checksum = entry_checksum(number, shard, document, data)
            rows.append(EntryRow(number, shard, document, data, checksum, size))
            before = tallies.get(place) or self._tallies.get(place) or Tally()
            tallies[place] = before.with_entry(size, checksum)
        counted = {} if self.must_reopen else digests
        with transaction(self._db):
            self._db.executemany(INSERT_ENTRY, rows)
            self._write_tallies(tallies)
            self._db.executemany(
                "INSERT OR REPLACE INTO digests VALUES (?,?,?,?,?)",
                ((shard, *one, row_checksum(shard, *one)) for shard, one in counted.items()),
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO facts VALUES (?,?,?)",
                ((name, value, row_checksum(name, value)) for name, value in facts.items()),
            )
        self._last += len(rows)
        self._tallies |= tallies
        self._facts |= facts
        self.suspect -= counted.keys()

    def _write_tallies(self, tallies: Mapping[_Place, Tally]) -> None:
        rows = (tally.row(*place) for place, tally in tallies.items())
        self._db.executemany(INSERT_TALLY, rows)

    # --- merging -----------------------------------------------------------------------------

    def compaction_due(self) -> _Place | None:
        """Return the document (shard, document) whose tail is longest, if it is worth a merge.

        A document that has something damaged is left alone, for merging would hide it.
        """
        hurt = {(shard, document) for shard, document, _ in self._damage} | self._unmergeable
        due = [
            (tally.small, place)
            for place, tally in self._tallies.items()
            if is_tail_long(tally.small) and place not in hurt
        ]
        return max(due)[1] if due else None

    def compact_step(self, shard: int, document: int, merge: Merge) -> bool:
        """Merge some neighbours among a document's entries into one; whether that was done.

        One transaction of bounded bytes. What cannot be merged, for an entry is damaged or
        `merge` raises, is left as it is until the next opening, and told in `notes`. Raises
        sqlite3.Error (disk full); then nothing happened.
        """
        place = (shard, document)
        if place not in self._tallies:
            return False
        try:
            tally = self._file.guarded(
                lambda: merge_some(self._db, place, self._tallies.get(place, Tally()), merge)
            )
        except Unmergeable as reason:
            self._unmergeable.add(place)
            self.notes.append(f"{name_of(*place)} could not be merged: {reason}")
            self.updates(shard, document)  # it says what is damaged
            return False
        if tally is None:
            self._tallies[place] = self._tallies[place]._replace(small=0)  # it was counted wrong
            return False
        self._tallies[place] = tally
        return True

    # --- damage ------------------------------------------------------------------------------

    def scrub(self, after: int, count: int = 1) -> int | None:
        """Verify the next `count` documents; return where to go on, None after the last one.

        Begin with -1. One document costs what reading it costs, some milliseconds. What is found
        is in `damaged`.
        """
        places = sorted(place for place in self._tallies if place_of(*place) > after)
        for place in places[:count]:
            self.updates(*place)
        if len(places) > count:
            return place_of(*places[count - 1])
        self._file.guarded(lambda: self._look_for_strangers(self._db))
        return None

    def _look_for_strangers(self, db: sqlite3.Connection) -> None:
        """Note the documents of which it is lost what their entries must add up to."""
        for place in documents_with_entries(db) - self._tallies.keys():
            what = f"what the entries of {name_of(*place)} must add up to is lost"
            self._note(Damage(None, *place, 1, what))
            self._tallies |= count_entries(db, place)

    def _examine(self, place: _Place) -> list[bytes]:
        updates, damages = examine(self._db, place, self._tallies.get(place, Tally()))
        for damage in damages:
            self._note(damage)
        return updates

    def _note(self, damage: Damage) -> None:
        self._damage.setdefault((damage.shard, damage.document, damage.number), damage)
        self.suspect.add(damage.shard)

    def forget_damaged(self, shard: int, document: int) -> None:
        """Take out a document's unsound entries, once peers brought back what they held.

        Their bytes are kept aside in the table `damaged`, bounded. Raises sqlite3.Error.
        """
        place = (shard, document)
        known = [damage for key, damage in self._damage.items() if key[:2] == place]
        self._file.guarded(lambda: self._forget(place, known))
        for key in [key for key in self._damage if key[:2] == place]:
            del self._damage[key]
        self._unmergeable.discard(place)

    def _forget(self, place: _Place, known: Sequence[Damage]) -> None:
        with transaction(self._db):
            turn = self._tallies.get(place, Tally()).turn
            tally = put_away(self._db, place, known, turn)
            self._write_tallies({place: tally})
        self._tallies[place] = tally

    def settle_salvage(self) -> None:
        """Say that the catalog has reacted to a salvage: its own number is above what peers know.

        What was lost with it stays in `damaged` until `forget_damaged`, at most until a restart.
        """
        with transaction(self._db):
            self._db.execute("DELETE FROM facts WHERE name=?", (SALVAGED,))
        self._facts.pop(SALVAGED, None)
        self.salvage, self._is_fact_lost = None, False

    # --- the quarantine ----------------------------------------------------------------------

    def quarantine(self, item: Quarantined) -> None:
        """Keep a refused update aside, bounded: the oldest go first. Raises sqlite3.Error."""
        with transaction(self._db):
            self._db.execute(
                "INSERT INTO quarantine (peer, reason, at_ms, data) VALUES (?,?,?,?)",
                (item.peer, item.reason, item.at_ms, item.data[:_QUARANTINE_BYTES_MAX]),
            )
            self._db.execute(
                "DELETE FROM quarantine WHERE number NOT IN"
                " (SELECT number FROM quarantine ORDER BY number DESC LIMIT ?)",
                (_QUARANTINE_KEPT,),
            )

    def quarantined(self) -> list[Quarantined]:
        """Return what was refused and is kept, newest first."""
        rows = self._file.guarded(
            lambda: self._db.execute(
                "SELECT peer, reason, at_ms, data FROM quarantine ORDER BY number DESC"
            ).fetchall()
        )
        return [Quarantined(*row) for row in rows]

    # --- opening -----------------------------------------------------------------------------

    def _read(self, db: sqlite3.Connection) -> None:
        """Read what is kept in memory, and see what of it is damaged."""
        self._openings += 1
        row = db.execute("SELECT seq FROM sqlite_sequence WHERE name='entries'").fetchone()
        (newest,) = db.execute("SELECT coalesce(max(number), 0) FROM entries").fetchone()
        last: object = row[0] if row else newest
        if not isinstance(last, int) or not newest <= last < NUMBER_MAX:
            raise sqlite3.DatabaseError(f"{last!r} is not the number of the newest entry")
        self._last = last
        self._tallies, self._damage, self.suspect = {}, {}, set()
        unproved = False
        for place, turn, entries, small, mark, check in db.execute("SELECT * FROM documents"):
            if row_checksum(place, turn, entries, small, mark) == check:
                tally = Tally(turn, entries, small, int.from_bytes(mark, "big"))
                self._tallies[divmod(place, 2)] = tally
            else:
                unproved = True
        if unproved:
            self._look_for_strangers(db)
        counted = {
            row[0]
            for row in db.execute(f"SELECT {_DIGEST_COLUMNS} FROM digests")  # noqa: S608 - ours
            if row_checksum(*row[:-1]) == row[-1]
        }
        self.suspect |= {shard for shard, _ in self._tallies} - counted
        rows = db.execute("SELECT name, value, checksum FROM facts NOT INDEXED").fetchall()
        self._facts = {
            name: value for name, value, check in rows if row_checksum(name, value) == check
        }
        # The last number is in each commit: where there are entries and no facts, they are lost.
        self._is_fact_lost = len(self._facts) < len(rows) or bool(self._last and not rows)
        self.salvage = read_report(self._facts[SALVAGED]) if SALVAGED in self._facts else None
        if self.salvage is not None:
            self._note_salvage(self.salvage)

    def _note_salvage(self, report: Salvage) -> None:
        self.notes.append(
            f"the journal was damaged ({report.reason}); {report.entries:,} entries were saved,"
            f" the damaged file is {report.set_aside}"
            + ("; more may be lost than can be named" if report.is_vague else "")
        )
        for one in report.lost:
            expected = "an unknown number" if one.expected is None else f"{one.expected:,}"
            what = (
                f"{name_of(one.shard, one.document)}: {one.found:,} entries were saved"
                f" of {expected}"
            )
            missing = max(1, (one.expected or 0) - one.found)
            self._note(Damage(None, one.shard, one.document, missing, what))
