"""What the tables hold of a photo, as tuples. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from photonic.crdt.projection import (
    ORIGINAL_KIND,
    BlobRow,
    PhotoRow,
    integer,
    kind_of,
    number,
)
from photonic.crdt.timeline import moment_text
from photonic.ids import BlobId, digest
from photonic.photos import BlobRef
from photonic.search.words import searchable

KEY_BYTES: Final = 8  # of a blob's id, which are enough to find it
PHOTO_COLUMNS: Final = (
    "n", "photo", "name", "folder", "taken", "added_ms", "rating", "label", "flag", "title",
    "caption", "media_type", "size_bytes", "width", "height", "iso", "aperture", "focal", "camera",
    "lens", "place", "conflicts", "shoot", "stack", "tags", "copies", "held",
    "trashed", "terms",
)  # fmt: skip
LISTED: Final = PHOTO_COLUMNS[:-1]

_decoder = msgspec.msgpack.Decoder(list[tuple[str, int, bytes, int, bytes]])
_encoder = msgspec.msgpack.Encoder()
_tags_decoder = msgspec.json.Decoder(tuple[str, ...])
_NO_TAGS = "[]"


class ListedPhoto(NamedTuple):
    """A row of the table photo, but for its terms, in the order of `LISTED`."""

    n: int
    photo: BlobId
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
    place: bytes | None  # sealed (place_seal.py)
    conflicts: str
    shoot: str | None
    stack: str | None
    tags_json: str
    copies: int
    held: int
    trashed_as: int  # tables.LIVE, IN_TRASH or REMOVAL_HELD

    @property
    def sorted_by(self) -> str:
        return self.taken or moment_text(self.added_ms)

    @property
    def kind(self) -> str:
        return kind_of(self.media_type)

    @property
    def tags(self) -> tuple[str, ...]:
        return tags_of(self.tags_json)

    @property
    def trashed(self) -> bool:
        return self.trashed_as == 1

    @property
    def removal_held(self) -> bool:
        """Whether somebody put it into the trash, and the deletion brake keeps it in sight."""
        return self.trashed_as == 2


assert len(ListedPhoto._fields) == len(LISTED)


def photo_values(
    n: int,
    row: PhotoRow,
    place: bytes | None,
    copies: int,
    is_held: bool,
    trashed: int,
    terms: bytes,
) -> tuple[Any, ...]:
    """Return the values of PHOTO_COLUMNS; `place`: where it was taken, sealed."""
    facts = row.facts
    return (
        n,
        row.photo,
        row.name,
        row.folder,
        row.taken,
        row.added_ms,
        row.rating,
        row.label,
        row.flag,
        row.title,
        row.caption,
        facts.media_type,
        row.original.size_bytes,
        integer(facts.width),
        integer(facts.height),
        integer(facts.iso),
        number(facts.aperture),
        number(facts.focal_mm),
        facts.camera_model,
        facts.lens,
        place,
        " ".join(row.conflicts),
        row.shoot,
        row.stack,
        msgspec.json.encode(row.tags).decode() if row.tags else _NO_TAGS,
        copies,
        is_held,
        trashed,
        terms,
    )


def row_digest(row: PhotoRow, place: bytes | None) -> bytes:
    """Return what two rows have in common only if they are equal.

    Of places it has what is sealed (`place`) alone: from a hash of few possible values one could
    guess them. The height above the sea is in neither, for no list shows it.
    """
    if row.position is not None or row.facts.position is not None:
        row = replace(row, position=None, facts=replace(row.facts, position=None))
    return digest(_encoder.encode((row, place)))[:KEY_BYTES]


class Texts(NamedTuple):
    """What the full text index has of a photo; a row leaves it with what it came with."""

    name: str
    title: str
    caption: str


def tags_of(text: str) -> tuple[str, ...]:
    """Return the tags that a row has as JSON."""
    return _tags_decoder.decode(text)


def texts_of(name: str, title: str | None, caption: str | None) -> Texts:
    return Texts(
        searchable((name,)),
        searchable((title,)) if title else "",
        searchable((caption,)) if caption else "",
    )


class BlobTable(NamedTuple):
    """One blob of one photo, as it is asked for."""

    photo: BlobId
    kind: str
    edge_px: int
    blob: BlobId
    size_bytes: int
    chunks: bytes
    held: bool


class Blobs:
    """The blobs of one photo, in their order, and which of them are in this node's store."""

    __slots__ = ("held", "rows")

    def __init__(self, rows: Sequence[tuple[str, int, bytes, int, bytes]], held: int) -> None:
        self.rows, self.held = rows, held

    @classmethod
    def of(cls, rows: Iterable[BlobRow], stored: Collection[bytes]) -> Blobs:
        some = [(b.kind, b.edge_px, b.ref.blob, b.ref.size_bytes, b.ref.chunks) for b in rows]
        held = 0
        if stored:
            held = sum(1 << i for i, row in enumerate(some) if row[2] in stored)
        return cls(some, held)

    @classmethod
    def unpack(cls, data: bytes, held: int) -> Blobs:
        return cls(_decoder.decode(data), held)

    def pack(self) -> bytes:
        return _encoder.encode(self.rows)

    def is_held(self, position: int) -> bool:
        return bool(self.held >> position & 1)

    @property
    def keys(self) -> set[bytes]:
        return {row[2][:KEY_BYTES] for row in self.rows}

    @property
    def originals(self) -> list[bytes]:
        """Every original that somebody calls this photo's; the one that is shown is the first."""
        return [row[2] for row in self.rows if row[0] == ORIGINAL_KIND]

    def missing(self) -> dict[str, list[bytes]]:
        """Return the blobs that are not here, by kind."""
        found: dict[str, list[bytes]] = {}
        if self.held != (1 << len(self.rows)) - 1:
            for position, row in enumerate(self.rows):
                if not self.is_held(position):
                    found.setdefault(row[0], []).append(row[2])
        return found

    def marked(self, marks: dict[bytes, bool]) -> Blobs:
        """Return the same blobs, held as `marks` says of those that it names."""
        held = self.held
        for position, row in enumerate(self.rows):
            mark = marks.get(row[2])
            if mark is not None:
                held = held | 1 << position if mark else held & ~(1 << position)
        return Blobs(self.rows, held)

    def listed(self, photo: BlobId) -> list[BlobTable]:
        return [
            BlobTable(photo, kind, edge, BlobId(blob), size, chunks, self.is_held(position))
            for position, (kind, edge, blob, size, chunks) in enumerate(self.rows)
        ]


def blob_ref(row: BlobTable) -> BlobRef:
    """Return the reference that a row stands for."""
    return BlobRef(row.blob, row.size_bytes, row.chunks)


def packed(terms: Iterable[int]) -> bytes:
    """Return term ids as a row has them."""
    return array("I", sorted(terms)).tobytes()


def unpacked(terms: bytes) -> array[int]:
    found = array("I")
    found.frombytes(terms)
    return found


def numbered(nodes: Iterable[int]) -> bytes:
    """Return the numbers of nodes as a row has them."""
    return array("H", sorted(nodes)).tobytes()


def numbers_in(nodes: bytes) -> Sequence[int]:
    found = array("H")
    found.frombytes(nodes)
    return found
