"""The index: photos as rows, for lists and filters. Derived from the catalog and disposable (I9).

It is written after the journal and remembers the journal entry up to which it is true; a start
after a crash projects the shards that are newer again. Losing the file costs a rebuild, nothing
else, so it need not be fsynced. Blocking: one thread owns it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
from sqlalchemy import Engine, Index, event, text
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import StaticPool
from sqlmodel import Field, Session, SQLModel, col, create_engine, delete, func, select, update

from photonic.crdt.projection import ORIGINAL_KIND, PREVIEW_KIND, BlobRow, PhotoRow
from photonic.ids import BlobId
from photonic.photos import BlobRef, PhotoFacts

SCHEMA_VERSION = 1
_ROWS_AT_ONCE = 500  # SQLite bounds the parameters of a statement


class PhotoTable(SQLModel, table=True):
    """One photo as it is listed."""

    __tablename__ = "photo"
    __table_args__ = (Index("photo_timeline", "sorted_by", "photo"),)
    photo: bytes = Field(primary_key=True)
    name: str
    folder: str
    taken: str | None
    sorted_by: str
    rating: int | None = Field(index=True)
    label: str | None
    title: str | None
    caption: str | None
    kind: str
    media_type: str
    size_bytes: int
    width: int | None
    height: int | None
    camera: str | None = Field(index=True)
    lens: str | None
    conflicts: str = Field(index=True)  # names between spaces, "" for none
    facts: bytes  # msgpack of PhotoFacts


class BlobTable(SQLModel, table=True):
    """One blob that a photo needs, and whether this node's store has it."""

    __tablename__ = "blob"
    __table_args__ = (Index("blob_wanted", "held", "kind", "sorted_by"),)
    blob: bytes = Field(primary_key=True)
    photo: bytes = Field(primary_key=True, index=True)
    kind: str
    edge_px: int
    size_bytes: int
    chunks: bytes
    held: bool
    sorted_by: str


class TagTable(SQLModel, table=True):
    """One tag of one photo."""

    __tablename__ = "tag"
    photo: bytes = Field(primary_key=True)
    tag: str = Field(primary_key=True, index=True)


class HolderTable(SQLModel, table=True):
    """One member that says it holds one original."""

    __tablename__ = "holder"
    blob: bytes = Field(primary_key=True)
    node: bytes = Field(primary_key=True)


class MetaTable(SQLModel, table=True):
    """What the index knows of itself."""

    __tablename__ = "meta"
    name: str = Field(primary_key=True)
    value: int


class PhotoIndex:
    """Writes the index. `query.py` reads it."""

    def __init__(self, path: Path | None) -> None:
        """Open or create the index at `path`; None keeps it in memory. An older one is dropped."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.engine = _engine(path)
        except DatabaseError:
            if path is None:
                raise
            for damaged in path.parent.glob(path.name + "*"):
                damaged.unlink()  # derived: it is made again from the journal
            self.engine = _engine(path)
        SQLModel.metadata.create_all(self.engine)
        if self._meta("schema") not in (None, SCHEMA_VERSION):
            SQLModel.metadata.drop_all(self.engine)
            SQLModel.metadata.create_all(self.engine)
        with Session(self.engine) as session:
            session.merge(MetaTable(name="schema", value=SCHEMA_VERSION))
            session.commit()

    def close(self) -> None:
        self.engine.dispose()

    @property
    def journal_number(self) -> int:
        """The journal entry up to which this index is true; 0 for a new one."""
        return self._meta("journal") or 0

    def _meta(self, name: str) -> int | None:
        with Session(self.engine) as session:
            row = session.get(MetaTable, name)
            return row.value if row else None

    def apply(
        self,
        rows: Iterable[PhotoRow],
        gone: Iterable[BlobId],
        held: frozenset[bytes],
        journal_number: int,
    ) -> None:
        """Replace the rows of the photos that changed, in one transaction.

        `held` are those of the rows' blobs that this node's store has.
        """
        some = list(rows)
        stale = [*(row.photo for row in some), *gone]
        with Session(self.engine) as session:
            for table in (PhotoTable, BlobTable, TagTable):
                for start in range(0, len(stale), _ROWS_AT_ONCE):
                    names = stale[start : start + _ROWS_AT_ONCE]
                    session.exec(delete(table).where(col(table.photo).in_(names)))
            _insert(session, PhotoTable, [_photo(row) for row in some])
            _insert(session, BlobTable, [_blob(r, b, held) for r in some for b in r.blobs])
            _insert(session, TagTable, [{"photo": r.photo, "tag": t} for r in some for t in r.tags])
            session.merge(MetaTable(name="journal", value=journal_number))
            session.commit()

    def apply_holders(self, holders: Mapping[BlobId, Collection[bytes]]) -> None:
        """Replace what is known of who holds these originals."""
        with Session(self.engine) as session:
            blobs = list(holders)
            for start in range(0, len(blobs), _ROWS_AT_ONCE):
                names = blobs[start : start + _ROWS_AT_ONCE]
                session.exec(delete(HolderTable).where(col(HolderTable.blob).in_(names)))
            _insert(
                session,
                HolderTable,
                [{"blob": blob, "node": node} for blob in blobs for node in holders[blob]],
            )
            session.commit()

    def mark_held(self, blobs: Iterable[bytes], is_held: bool = True) -> list[BlobId]:
        """Note what the store came to have; return the originals among it that photos need."""
        names, originals = list(blobs), list[BlobId]()
        with Session(self.engine) as session:
            for start in range(0, len(names), _ROWS_AT_ONCE):
                some = col(BlobTable.blob).in_(names[start : start + _ROWS_AT_ONCE])
                session.exec(update(BlobTable).where(some).values(held=is_held))
                found = select(BlobTable.blob).where(some, BlobTable.kind == ORIGINAL_KIND)
                originals += (BlobId(blob) for blob in session.exec(found).all())
            session.commit()
        return originals

    def held_blobs(self) -> set[bytes]:
        """Return the blobs that the index believes to be in the store."""
        with Session(self.engine) as session:
            return set(session.exec(select(BlobTable.blob).where(col(BlobTable.held))).all())

    def blobs(self) -> set[bytes]:
        """Return every blob that some photo needs."""
        with Session(self.engine) as session:
            return set(session.exec(select(BlobTable.blob)).all())

    def originals(self) -> set[bytes]:
        """Return every original that some photo has."""
        with Session(self.engine) as session:
            statement = select(BlobTable.blob).where(BlobTable.kind == ORIGINAL_KIND)
            return set(session.exec(statement).all())

    def claimed_by(self, node: bytes) -> set[bytes]:
        """Return the originals that `node` says it holds."""
        with Session(self.engine) as session:
            return set(session.exec(select(HolderTable.blob).where(HolderTable.node == node)).all())

    def clear(self) -> None:
        """Forget everything; the next projection begins from the first shard."""
        with Session(self.engine) as session:
            for table in (PhotoTable, BlobTable, TagTable, HolderTable, MetaTable):
                session.exec(delete(table))
            session.merge(MetaTable(name="schema", value=SCHEMA_VERSION))
            session.commit()

    def photo_count(self) -> int:
        with Session(self.engine) as session:
            return session.exec(select(func.count()).select_from(PhotoTable)).one()


def _engine(path: Path | None) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}" if path else "sqlite://",
        connect_args={"check_same_thread": False},
        **({} if path else {"poolclass": StaticPool}),
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=OFF")  # derived: a crash costs a rebuild
        connection.execute("PRAGMA busy_timeout=5000")

    with engine.connect() as connection:
        if connection.execute(text("PRAGMA quick_check(1)")).scalar() != "ok":
            raise DatabaseError("quick_check", None, ValueError("the index is damaged"))
    return engine


def _insert(session: Session, table: type[SQLModel], values: Sequence[dict[str, object]]) -> None:
    if values:
        session.execute(insert(table).on_conflict_do_nothing(), values)


def _photo(row: PhotoRow) -> dict[str, object]:
    facts = row.facts
    return {
        "photo": row.photo,
        "name": row.name,
        "folder": row.folder,
        "taken": row.taken,
        "sorted_by": row.sorted_by,
        "rating": _integer(row.rating),
        "label": _text(row.label),
        "title": _text(row.title),
        "caption": _text(row.caption),
        "kind": row.kind,
        "media_type": facts.media_type,
        "size_bytes": row.original.size_bytes,
        "width": _integer(facts.width),
        "height": _integer(facts.height),
        "camera": facts.camera_model,
        "lens": facts.lens,
        "conflicts": " ".join(("", *row.conflicts, "")) if row.conflicts else "",
        "facts": msgspec.msgpack.encode(facts),
    }


def _blob(row: PhotoRow, blob: BlobRow, held: frozenset[bytes]) -> dict[str, object]:
    return {
        "blob": blob.ref.blob,
        "photo": row.photo,
        "kind": blob.kind,
        "edge_px": blob.edge_px,
        "size_bytes": blob.ref.size_bytes,
        "chunks": blob.ref.chunks,
        "held": blob.ref.blob in held,
        "sorted_by": row.sorted_by,
    }


def _integer(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if -(1 << 63) <= value < 1 << 63 else None  # what SQLite holds


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def blob_ref(row: BlobTable) -> BlobRef:
    """Return the reference that a row of the blob table stands for."""
    return BlobRef(BlobId(row.blob), row.size_bytes, row.chunks)


def photo_facts(row: PhotoTable) -> PhotoFacts:
    """Return the facts that a row of the photo table carries."""
    return msgspec.msgpack.decode(row.facts, type=PhotoFacts)


__all__ = [
    "ORIGINAL_KIND",
    "PREVIEW_KIND",
    "BlobTable",
    "HolderTable",
    "PhotoIndex",
    "PhotoTable",
    "TagTable",
]
