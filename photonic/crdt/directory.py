"""Which changes a subject has and who holds a blob, found without loading a document.

So what one photo costs, to read, to write or to hear of, does not grow with the library. Derived
from the journal's entries and disposable: it is written after the journal, remembers the entry up
to which it is true, and fills in what is newer when it is opened. A row that does not add up to its
own name is not believed. What is staged in the catalog and not durable yet is here too, in memory.
Blocking: the catalog's thread owns it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TypeVar

from photonic.crdt.changes import SignedChange, read
from photonic.crdt.document import MapDocument
from photonic.crdt.keys import (
    Holding,
    parse_change_key,
    parse_holding,
    shard_of,
    shard_of_key,
)
from photonic.crdt.updates import parse
from photonic.errors import ChangeInvalid
from photonic.ids import BlobId, ChangeId, LibraryId, NodeId, Subject, digest
from photonic.journal.journal import CHANGES, HOLDINGS, Journal

_VERSION = 1
_ASKED_AT_ONCE = 500  # of a query's values
_Name = TypeVar("_Name", bound=bytes)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS changes (
    number INTEGER PRIMARY KEY,
    shard INTEGER NOT NULL,
    subject INTEGER NOT NULL,
    id INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS changes_by_subject ON changes (shard, subject);
CREATE INDEX IF NOT EXISTS changes_by_id ON changes (shard, id);
CREATE TABLE IF NOT EXISTS holdings (
    shard INTEGER NOT NULL,
    blob BLOB NOT NULL,
    node BLOB NOT NULL,
    held INTEGER NOT NULL,
    PRIMARY KEY (shard, blob, node)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mark (number INTEGER NOT NULL) STRICT;
"""
# Index entries begin with the shard: what arrives comes shard by shard, and so touches few pages.


class Directory:
    """The directory of one library on one node."""

    def __init__(self, path: Path | None, library: LibraryId, journal: Journal) -> None:
        """Open or create it at `path` and bring it after the journal; None keeps it in memory."""
        self._library, self._journal = library, journal
        self._staged: dict[ChangeId, SignedChange] = {}
        self._staged_of: dict[Subject, list[SignedChange]] = {}
        self._staged_holdings: dict[tuple[BlobId, NodeId], bool] = {}
        # Of these, what the journal has and this file would not take (a full disk).
        self._unwritten: list[SignedChange] = []
        self._unwritten_holdings: dict[tuple[BlobId, NodeId], bool] = {}
        try:
            self._db = _open(path)
            self._catch_up()
        except sqlite3.DatabaseError:
            if path is None:
                raise
            for damaged in path.parent.glob(path.name + "*"):
                damaged.unlink()
            self._db = _open(path)
            self._catch_up()

    def close(self) -> None:
        self._db.close()

    # --- reading -----------------------------------------------------------------------------

    def changes(self, subject: Subject) -> list[SignedChange]:
        """Return every change of a subject that is here, staged ones too."""
        found = self._read(shard_of(subject), "subject", _short_of(subject))
        there = [signed for signed in found if signed.change.subject == subject]
        return there + self._staged_of.get(subject, [])

    def change(self, shard: int, name: ChangeId) -> bytes | None:
        """Return a change as it was signed; None if it is not here."""
        staged = self._staged.get(name)
        if staged is not None:
            return staged.data
        found = self._read(shard, "id", _short(name))
        return next((signed.data for signed in found if signed.id == name), None)

    def _read(self, shard: int, column: str, value: int) -> list[SignedChange]:
        """Return the rows with a value. Where one of them is unsound, the shard is filled anew."""
        query = f"SELECT id, data FROM changes WHERE shard=? AND {column}=?"  # noqa: S608 - ours
        query += " ORDER BY number"
        found = [self._sound(*row) for row in self._db.execute(query, (shard, value))]
        if None in found:
            self.fill(shard)
            found = [self._sound(*row) for row in self._db.execute(query, (shard, value))]
        return [signed for signed in found if signed is not None]

    def not_here(self, some: Iterable[SignedChange]) -> list[SignedChange]:
        """Return those of some changes that are not known, each once."""
        return [
            signed
            for signed in {signed.id: signed for signed in some}.values()
            if self.change(shard_of(signed.change.subject), signed.id) is None
        ]

    def entries(self, shard: int, keys: Collection[str]) -> dict[str, bytes]:
        """Return what stands under those of a document's keys under which something does."""
        names: dict[ChangeId, str] = {}
        for key in keys:
            with suppress(ValueError):  # it is no key
                names[parse_change_key(key)] = key
        found = {names[name]: staged.data for name in names if (staged := self._staged.get(name))}
        for some in _pieces(names):
            query = f"SELECT id FROM changes WHERE shard=? AND id IN ({_marks(some)})"  # noqa: S608
            known = {short for (short,) in self._db.execute(query, (shard, *map(_short, some)))}
            for name in some if known else ():
                data = self.change(shard, name) if _short(name) in known else None
                if data is not None:
                    found[names[name]] = data
        return found

    @property
    def is_written(self) -> bool:
        """Whether the file has all that is durable, for others who read it."""
        return not self._unwritten and not self._unwritten_holdings

    def shard(self, number: int) -> Iterator[SignedChange]:
        """Yield every durable change of a shard."""
        given: set[ChangeId] = set()
        for signed in self._rows(number):
            if signed is not None:
                given.add(signed.id)
                yield signed
                continue
            self.fill(number)
            yield from (one for one in self._rows(number) if one and one.id not in given)
            return

    def _rows(self, number: int) -> list[SignedChange | None]:
        """Return the rows of a shard, None for each that is unsound."""
        query = "SELECT id, data FROM changes WHERE shard=?"
        return [self._sound(*row) for row in self._db.execute(query, (number,))]

    def subjects(self, number: int) -> list[Subject]:
        """Return all subjects of a shard, each once."""
        found = {signed.change.subject for signed in self.shard(number)}
        staged = {subject for subject in self._staged_of if shard_of(subject) == number}
        return sorted(found | staged)

    def holders(self, blob: BlobId) -> dict[NodeId, bool]:
        """Return what nodes say of a blob."""
        rows = self._db.execute(
            "SELECT node, held FROM holdings WHERE shard=? AND blob=?", (shard_of_key(blob), blob)
        )
        said = {NodeId(node): bool(held) for node, held in rows}
        if self._staged_holdings:
            said |= {node: h for (b, node), h in self._staged_holdings.items() if b == blob}
        return said

    def holding(self, blob: BlobId, node: NodeId) -> bool | None:
        """Return what one node says of a blob; None if it said nothing."""
        staged = self._staged_holdings.get((blob, node))
        if staged is not None:
            return staged
        row = self._db.execute(
            "SELECT held FROM holdings WHERE shard=? AND blob=? AND node=?",
            (shard_of_key(blob), blob, node),
        ).fetchone()
        return bool(row[0]) if row else None

    def said(self, shard: int, some: Iterable[Holding]) -> list[bool | None]:
        """Return what the nodes said of the blobs before; None where one said nothing."""
        asked = list(some)
        known: dict[tuple[bytes, bytes], bool] = {}
        for blobs in _pieces(dict.fromkeys(blob for blob, _, _ in asked)):
            query = (
                "SELECT blob, node, held FROM holdings"  # noqa: S608 - marks only
                f" WHERE shard=? AND blob IN ({_marks(blobs)})"
            )
            for blob, node, held in self._db.execute(query, (shard, *blobs)):
                known[blob, node] = bool(held)
        staged = self._staged_holdings
        return [staged.get((blob, node), known.get((blob, node))) for blob, node, _ in asked]

    def holdings(self, number: int) -> Iterator[tuple[BlobId, NodeId, bool]]:
        """Yield all that is said of the blobs of a shard."""
        query = "SELECT blob, node, held FROM holdings WHERE shard=?"
        for blob, node, held in self._db.execute(query, (number,)):
            yield BlobId(blob), NodeId(node), bool(held)

    def _sound(self, name: int, data: bytes) -> SignedChange | None:
        """Believe a row only if it hashes to its name: the file is not fsynced."""
        try:
            signed = read(self._library, data)
        except ChangeInvalid:
            return None
        return signed if _short(signed.id) == name else None

    # --- writing -----------------------------------------------------------------------------

    def stage(self, signed: SignedChange) -> None:
        """Take in a change that is not here, and not durable yet."""
        self._staged[signed.id] = signed
        self._staged_of.setdefault(signed.change.subject, []).append(signed)

    def stage_holding(self, blob: BlobId, node: NodeId, is_held: bool) -> None:
        self._staged_holdings[blob, node] = is_held

    def drop_stage(self) -> None:
        """Forget what is staged and the journal did not take."""
        self._staged, self._staged_of = {}, {}
        self._staged_holdings = dict(self._unwritten_holdings)
        for signed in self._unwritten:
            self.stage(signed)

    def settle(self) -> None:
        """Write what is staged, which the journal has taken. Raises sqlite3.Error, and keeps it."""
        self._unwritten = list(self._staged.values())
        self._unwritten_holdings = dict(self._staged_holdings)
        holdings = [
            (shard_of_key(blob), blob, node, int(is_held))
            for (blob, node), is_held in self._staged_holdings.items()
        ]
        self._write(self._unwritten, holdings, mark=self._journal.last_number)
        self._unwritten, self._unwritten_holdings = [], {}
        self.drop_stage()

    def _write(
        self,
        changes: Iterable[SignedChange],
        holdings: Sequence[tuple[int, bytes, bytes, int]],
        refilled: Iterable[int] = (),
        mark: int | None = None,
    ) -> None:
        """Write rows. `mark`: the entry of the journal up to which nothing is lacking now."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for number in refilled:
                self._db.execute("DELETE FROM changes WHERE shard=?", (number,))
                self._db.execute("DELETE FROM holdings WHERE shard=?", (number,))
            self._db.executemany(
                "INSERT INTO changes (shard, subject, id, data) VALUES (?,?,?,?)",
                map(_row, changes),
            )
            self._db.executemany("INSERT OR REPLACE INTO holdings VALUES (?,?,?,?)", holdings)
            if mark is not None:
                self._db.execute("UPDATE mark SET number=?", (mark,))
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    # --- after the journal -------------------------------------------------------------------

    def _catch_up(self) -> None:
        """Fill the shards that the journal knows more of: after a crash, or all of them."""
        (mark,) = self._db.execute("SELECT number FROM mark").fetchone()
        if mark > self._journal.last_number:
            # The journal is an older copy than this. What is known beyond it comes from peers, for
            # what this node says of itself must be what its journal says.
            self._db.execute("DELETE FROM changes")
            self._db.execute("DELETE FROM holdings")
            mark = 0
        shards = self._journal.shards_since(mark)
        for number in shards:
            self.fill(number)
        self._write((), (), mark=self._journal.last_number)  # not before the last is filled

    def fill(self, number: int) -> None:
        """Make a shard's rows anew: from the journal, and of what it lost from the sound rows."""
        found: dict[ChangeId, SignedChange] = {}
        for update in self._journal.updates(number, CHANGES):
            for _, data in parse(update).entries():
                signed = read(self._library, data)
                found[signed.id] = signed
        for row in self._rows(number):
            if row is not None:
                found.setdefault(row.id, row)
        rows = []
        updates = self._journal.updates(number, HOLDINGS)
        if updates:  # which word of a node is its last, only the document knows
            for key, value in MapDocument(updates).entries().items():
                with suppress(ValueError):
                    rows.append((number, *parse_holding(key, value)))
        self._write(found.values(), rows, (number,))


def _row(signed: SignedChange) -> tuple[int, int, int, bytes]:
    subject = signed.change.subject
    return shard_of(subject), _short_of(subject), _short(signed.id), signed.data


def _pieces(names: Iterable[_Name]) -> Iterator[list[_Name]]:
    """Cut what one query asks for into what SQLite takes."""
    some = iter(names)
    while piece := list(islice(some, _ASKED_AT_ONCE)):
        yield piece


def _marks(some: Sequence[bytes]) -> str:
    return ",".join("?" * len(some))


def _short(name: bytes) -> int:
    return int.from_bytes(name[:8], "big", signed=True)


def _short_of(subject: Subject) -> int:
    return _short(digest(subject.kind.encode() + b"\0" + subject.key))


def _open(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")  # whole after a crash, though it may lack the end
        db.execute("PRAGMA cache_size=-16000")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            raise sqlite3.DatabaseError("another version's directory")
        db.executescript(_SCHEMA)
        db.execute(f"PRAGMA user_version={_VERSION}")
        if db.execute("SELECT count(*) FROM mark").fetchone() == (0,):
            db.execute("INSERT INTO mark VALUES (0)")
    except BaseException:
        db.close()
        raise
    return db
