"""Questions to the index: pages of photos, one photo, what is wanted, what is contested.

Pages go by keyset (the place of the last item), never by offset, so that page one thousand costs
what page one costs and nothing is skipped while photos arrive. Read-only; any thread.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Engine, Integer, and_, cast, or_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, func, select

from photonic import limits
from photonic.crdt.index import (
    ORIGINAL_KIND,
    PREVIEW_KIND,
    BlobTable,
    HolderTable,
    PhotoTable,
    TagTable,
)
from photonic.errors import QueryInvalid
from photonic.ids import BlobId, NodeId


@dataclass(frozen=True, slots=True)
class Filter:
    """Which photos are asked for; what is None does not matter."""

    text: str = ""
    rating_min: int | None = None
    camera: str | None = None
    lens: str | None = None
    taken_from: str | None = None  # ISO 8601, inclusive; a prefix such as "2024-05" will do
    taken_to: str | None = None
    media: str | None = None  # raw, image, video
    tag: str | None = None
    held: bool | None = None
    conflicts_only: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """A photo of a page, with what of it this node holds."""

    row: PhotoTable
    is_held: bool


@dataclass(frozen=True, slots=True)
class Page:
    items: tuple[Listed, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Missing:
    """A blob that this node lacks, the name of its photo, and who says to hold it."""

    row: BlobTable
    name: str
    holders: frozenset[NodeId]


@dataclass(frozen=True, slots=True)
class Totals:
    """How much there is, and how much of it this node's store has."""

    photos: int
    contested: int
    wanted: int
    held: int
    held_bytes: int


class PhotoQuery:
    """Reads the index."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def page(self, wanted: Filter, limit: int, cursor: str | None) -> Page:
        """Return the newest photos first. Raises QueryInvalid for a cursor that is none."""
        limit = min(max(limit, 1), limits.PAGE_ITEMS_MAX)
        order = (col(PhotoTable.sorted_by).desc(), col(PhotoTable.photo).desc())
        statement = select(PhotoTable).where(*_conditions(wanted)).order_by(*order)
        if cursor is not None:
            moment, photo = _parse_cursor(cursor)
            statement = statement.where(
                or_(
                    col(PhotoTable.sorted_by) < moment,
                    and_(col(PhotoTable.sorted_by) == moment, col(PhotoTable.photo) < photo),
                )
            )
        with Session(self._engine) as session:
            rows = session.exec(statement.limit(limit + 1)).all()
            held = _held_originals(session, [row.photo for row in rows])
        items = tuple(Listed(row, row.photo in held) for row in rows[:limit])
        last = rows[limit - 1] if len(rows) > limit else None
        return Page(items, _cursor(last.sorted_by, last.photo) if last else None)

    def photo(self, photo: BlobId) -> Listed | None:
        with Session(self._engine) as session:
            row = session.get(PhotoTable, photo)
            if row is None:
                return None
            return Listed(row, photo in _held_originals(session, [photo]))

    def tags(self, photo: BlobId) -> list[str]:
        with Session(self._engine) as session:
            statement = select(TagTable.tag).where(TagTable.photo == photo).order_by(TagTable.tag)
            return list(session.exec(statement).all())

    def blobs(self, photo: BlobId) -> list[BlobTable]:
        """Return the blobs of a photo, previews from small to large."""
        with Session(self._engine) as session:
            statement = (
                select(BlobTable).where(BlobTable.photo == photo).order_by(col(BlobTable.edge_px))
            )
            return list(session.exec(statement).all())

    def missing(
        self, kinds: Sequence[str], connected: Collection[bytes], limit: int
    ) -> list[Missing]:
        """Return blobs of these kinds that are not here and that someone connected may have.

        Previews and sidecars come first, for they are small and what a person sees; newest photos
        before older ones. Any member may have a preview, so nobody is named as its holder. An
        original is there once, as its own photo names it, whatever other photos say of its blob.
        """
        within_reach = select(HolderTable.blob).where(col(HolderTable.node).in_(connected))
        # A photo may call any blob its preview, with any size. Who names an original best is the
        # photo that has its name: where that one is in the list, the others are not.
        true = aliased(BlobTable)
        named_better = (
            select(true.blob)
            .where(true.blob == BlobTable.blob, true.photo == BlobTable.blob)
            .where(true.kind == ORIGINAL_KIND, col(true.kind).in_(kinds))
            .where(col(true.blob).in_(within_reach))
            .exists()
        )
        is_true = and_(
            col(BlobTable.kind) == ORIGINAL_KIND, col(BlobTable.photo) == col(BlobTable.blob)
        )
        statement = (
            select(BlobTable, PhotoTable.name)
            .join(PhotoTable, col(PhotoTable.photo) == col(BlobTable.photo))
            .where(col(BlobTable.held).is_(False), col(BlobTable.kind).in_(kinds))
            .where(
                or_(
                    col(BlobTable.kind) != ORIGINAL_KIND,
                    col(BlobTable.blob).in_(within_reach),
                )
            )
            .where(or_(is_true, ~named_better))
            .order_by(
                col(BlobTable.kind) == ORIGINAL_KIND,
                col(BlobTable.sorted_by).desc(),
                col(BlobTable.blob),
            )
            .limit(limit)
        )
        with Session(self._engine) as session:
            rows = list(session.exec(statement).all())
            holders = _holders(session, [row.blob for row, _ in rows])
        return [Missing(row, name, frozenset(holders.get(row.blob, ()))) for row, name in rows]

    def holders(self, blob: BlobId) -> frozenset[NodeId]:
        """Return the members that say they hold an original."""
        with Session(self._engine) as session:
            return frozenset(_holders(session, [blob]).get(blob, ()))

    def totals(self, kinds: Sequence[str]) -> Totals:
        """Count photos, contested ones, and the blobs of `kinds`."""
        is_held = cast(col(BlobTable.held), Integer)
        with Session(self._engine) as session:
            photos = session.exec(select(func.count()).select_from(PhotoTable)).one()
            contested = session.exec(
                select(func.count()).select_from(PhotoTable).where(PhotoTable.conflicts != "")
            ).one()
            wanted, held, held_bytes = session.exec(
                select(
                    func.count(),
                    func.coalesce(func.sum(is_held), 0),
                    func.coalesce(func.sum(is_held * col(BlobTable.size_bytes)), 0),
                ).where(col(BlobTable.kind).in_(kinds))
            ).one()
        return Totals(photos, contested, wanted, held, held_bytes)


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    found: list[Any] = []
    if wanted.text:
        pattern = f"%{_escape(wanted.text)}%"
        texts = (PhotoTable.name, PhotoTable.title, PhotoTable.caption, PhotoTable.folder)
        found.append(
            or_(
                *(col(column).ilike(pattern, escape="\\") for column in texts),
                col(PhotoTable.photo).in_(
                    select(TagTable.photo).where(col(TagTable.tag).ilike(pattern, escape="\\"))
                ),
            )
        )
    if wanted.rating_min is not None:
        found.append(col(PhotoTable.rating) >= wanted.rating_min)
    if wanted.camera is not None:
        found.append(col(PhotoTable.camera) == wanted.camera)
    if wanted.lens is not None:
        found.append(col(PhotoTable.lens) == wanted.lens)
    if wanted.taken_from is not None:
        found.append(col(PhotoTable.sorted_by) >= wanted.taken_from)
    if wanted.taken_to is not None:  # "2024-05" reaches to the end of May
        found.append(col(PhotoTable.sorted_by) <= wanted.taken_to + "\uffff")
    if wanted.media is not None:
        found.append(col(PhotoTable.kind) == wanted.media)
    if wanted.tag is not None:
        found.append(
            col(PhotoTable.photo).in_(select(TagTable.photo).where(TagTable.tag == wanted.tag))
        )
    if wanted.conflicts_only:
        found.append(col(PhotoTable.conflicts) != "")
    if wanted.held is not None:
        held = select(BlobTable.photo).where(BlobTable.kind == ORIGINAL_KIND, col(BlobTable.held))
        condition = col(PhotoTable.photo).in_(held)
        found.append(condition if wanted.held else ~condition)
    return found


def _held_originals(session: Session, photos: Sequence[bytes]) -> set[bytes]:
    statement = select(BlobTable.photo).where(
        col(BlobTable.photo).in_(photos), BlobTable.kind == ORIGINAL_KIND, col(BlobTable.held)
    )
    return set(session.exec(statement).all())


def _holders(session: Session, blobs: Sequence[bytes]) -> dict[bytes, set[NodeId]]:
    found: dict[bytes, set[NodeId]] = {}
    statement = select(HolderTable.blob, HolderTable.node).where(col(HolderTable.blob).in_(blobs))
    for blob, node in session.exec(statement).all():
        found.setdefault(blob, set()).add(NodeId(node))
    return found


def _escape(words: str) -> str:
    for special in ("\\", "%", "_"):
        words = words.replace(special, "\\" + special)
    return words


def _cursor(moment: str, photo: bytes) -> str:
    return urlsafe_b64encode(msgspec.msgpack.encode((moment, photo))).rstrip(b"=").decode()


def _parse_cursor(cursor: str) -> tuple[str, bytes]:
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        return msgspec.msgpack.decode(raw, type=tuple[str, bytes])
    except (ValueError, msgspec.MsgspecError) as error:
        raise QueryInvalid("the cursor is none that a page gave out") from error


__all__ = [
    "ORIGINAL_KIND",
    "PREVIEW_KIND",
    "Filter",
    "Listed",
    "Missing",
    "Page",
    "PhotoQuery",
    "Totals",
]
