"""The tables of the index. `index.py` writes them, `query.py` reads them.

Photos are numbered by their place in time (`timeline.py`), and everything else refers to a photo
by that number. Whatever a photo can be found by is a *term* (a camera, one level of a tag, a
rating, "held"), and a posting says that a photo has it; so every list that a term gives is in the
order of time, and its length is known.
"""

from __future__ import annotations

from sqlalchemy import Index, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlmodel import Field, SQLModel

# A removal that is held is one that the deletion brake does not follow yet.
LIVE, IN_TRASH, REMOVAL_HELD = 0, 1, 2
JOURNAL = "journal"  # the tally of the journal's entry up to which an index is true
VERDICT = "verdict"  # the tally of the verdict (root.py) by which an index judges

_WITHOUT_ROWID = {"sqlite_with_rowid": False}


class PhotoTable(SQLModel, table=True):
    """One photo as it is listed, and what it is found by."""

    __tablename__ = "photo"
    __table_args__ = (
        Index("photo_id", text("substr(photo, 1, 8)")),
        Index("photo_added", "added_ms"),
    )
    n: int = Field(primary_key=True)
    photo: bytes
    name: str
    folder: str
    taken: str | None
    added_ms: int
    rating: int | None
    label: str | None
    flag: str | None
    title: str | None
    caption: str | None
    media_type: str
    size_bytes: int
    width: int | None
    height: int | None
    iso: int | None
    aperture: float | None
    focal: float | None
    camera: str | None
    lens: str | None
    place: bytes | None  # latitude and longitude, sealed (place_seal.py)
    conflicts: str  # names with spaces between them
    shoot: str | None
    stack: str | None
    tags: str  # a JSON list
    copies: int  # members that say they hold it, and whose copies count
    held: bool  # its original is in this node's store
    trashed: int  # LIVE, IN_TRASH or REMOVAL_HELD
    terms: bytes  # their ids, 4 bytes each in the machine's order, ascending


class FileTable(SQLModel, table=True):
    """The blobs of one photo: msgpack of [kind, edge, blob, size, chunks] each."""

    __tablename__ = "file"
    __table_args__ = (Index("file_pixels", "pixels", sqlite_where=text("pixels IS NOT NULL")),)
    n: int = Field(primary_key=True)
    blobs: bytes
    held: int  # bit i: this node's store has blob i
    digest: bytes  # of what the photo's changes come to: it is not written again for nothing
    pixels: bytes | None  # the begin of its pixel identity


class BlobKeyTable(SQLModel, table=True):
    """Which photos name a blob; `key` is the first 8 bytes of its id."""

    __tablename__ = "blob_key"
    __table_args__ = _WITHOUT_ROWID
    key: bytes = Field(primary_key=True)
    n: int = Field(primary_key=True)


class TermTable(SQLModel, table=True):
    """Something that photos are found by, and how many have it."""

    __tablename__ = "term"
    __table_args__ = (Index("term_key", "kind", "key", unique=True),)
    id: int | None = Field(default=None, primary_key=True)
    kind: str
    key: str
    shown: str  # as somebody wrote it first
    value: float | None  # of a number
    count: int


class PostingTable(SQLModel, table=True):
    """A photo has a term."""

    __tablename__ = "posting"
    __table_args__ = _WITHOUT_ROWID
    term: int = Field(primary_key=True)
    n: int = Field(primary_key=True)


class HolderTable(SQLModel, table=True):
    """The members that say they hold a blob: their numbers, 2 bytes each.

    `hints`: those of them whose copies do not count. One fetches from all.
    """

    __tablename__ = "holder"
    __table_args__ = _WITHOUT_ROWID
    key: bytes = Field(primary_key=True)
    nodes: bytes
    hints: bytes = Field(sa_column_kwargs={"server_default": text("x''")})


class NodeTable(SQLModel, table=True):
    """A node's number in this index."""

    __tablename__ = "node"
    id: int | None = Field(default=None, primary_key=True)
    node: bytes = Field(unique=True)


class AlbumTable(SQLModel, table=True):
    """An album that was not deleted; `query` is None for one that is put together by hand."""

    __tablename__ = "album"
    album: bytes = Field(primary_key=True)
    name: str
    query: str | None
    conflicts: str


class WordTable(SQLModel, table=True):
    """A word that some name, title or caption has or had."""

    __tablename__ = "word"
    __table_args__ = _WITHOUT_ROWID
    word: str = Field(primary_key=True)


class EditTable(SQLModel, table=True):
    """A change after a subject's first: what people said later. `leads`: the first of its act."""

    __tablename__ = "edit"
    __table_args__ = (
        Index("edit_change", "change", unique=True),
        Index("edit_act", "act", "key", sqlite_where=text("act IS NOT NULL")),
        Index("edit_lately", "at", "change", sqlite_where=text("leads")),
    )
    id: int | None = Field(default=None, primary_key=True)
    change: bytes
    kind: str
    key: bytes
    act: bytes | None
    author: bytes
    at: int
    leads: bool


class SeqTable(SQLModel, table=True):
    """Which changes of an author are here, by their numbers."""

    __tablename__ = "seq"
    __table_args__ = _WITHOUT_ROWID
    author: int = Field(primary_key=True)  # number of the node
    seq: int = Field(primary_key=True)
    change: bytes = Field(primary_key=True)  # the first 8 bytes of its id


class RemovalTable(SQLModel, table=True):
    """A photo that somebody put into the trash; `since_ms`: when this node first knew of it."""

    __tablename__ = "removal"
    __table_args__ = (Index("removal_author", "author", "at_ms"),)
    photo: bytes = Field(primary_key=True)
    author: bytes
    at_ms: int
    since_ms: int
    held: bool  # by the deletion brake


class MonthTable(SQLModel, table=True):
    """How many photos a month has, without those in the trash. `month`: years * 12 + months."""

    __tablename__ = "month"
    month: int = Field(primary_key=True)
    count: int


class TallyTable(SQLModel, table=True):
    """A sum that is kept as rows come and go."""

    __tablename__ = "tally"
    __table_args__ = _WITHOUT_ROWID
    name: str = Field(primary_key=True)
    value: int


class StaleTable(SQLModel, table=True):
    """A shard that is to be projected again."""

    __tablename__ = "stale"
    shard: int = Field(primary_key=True)


# Words are split by `words.py`; the tokenizer only takes apart what it has put spaces between.
_WORDS = "CREATE VIRTUAL TABLE {} USING fts5({}, content='', tokenize='ascii', prefix='{}')"


def schema() -> list[str]:
    """Return the statements that make all tables."""
    dialect = sqlite.dialect()
    made: list[str] = []
    for table in SQLModel.metadata.sorted_tables:
        made.append(str(CreateTable(table).compile(dialect=dialect)))
        ordered = sorted(table.indexes, key=lambda index: str(index.name))
        made += [str(CreateIndex(index).compile(dialect=dialect)) for index in ordered]
    words = _WORDS.format("words", "name, title, caption", "1 2 3")
    return [*made, words, _WORDS.format("term_words", "words", "1 2")]
