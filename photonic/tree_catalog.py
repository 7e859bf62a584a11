"""What the tree asks the catalog, and what it says to it: paths, and sidecars that were written.

All of it runs on the catalog's thread, a bounded piece at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from msgspec.structs import replace

from photonic.catalog_thread import CatalogThread
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import GROUP_NAME, PATH, SIDECAR_PREFIX
from photonic.crdt.fold import SubjectState
from photonic.crdt.originals import blob_ref
from photonic.crdt.projection import PhotoRow, project
from photonic.crdt.root import verdict
from photonic.drafts import blob_of
from photonic.ids import PHOTO, SHOOT, BlobId, NodeId, Subject, photo_subject
from photonic.photos import BlobRef, Marks
from photonic.tree.paths import Naming
from photonic.tree.picture import Picture, SidecarVersion, naming_of, picture_of
from photonic.writebacks import field_of, written

_ID_BYTES = 16  # of what gives an act its name
ReadMarks = Callable[[BlobId], Marks | None]


@dataclass(frozen=True, slots=True)
class Read:
    """What the catalog says of some photos."""

    pictures: tuple[Picture, ...]
    gone: tuple[BlobId, ...]  # no photos (any more), by what counts
    unnamed: tuple[Naming, ...]  # without a path so far


@dataclass(frozen=True, slots=True)
class Said:
    """A sidecar that was written: which file, over what, with which words."""

    photo: BlobId
    number: int  # which duplicate, by the name
    name: str  # as the field of a duplicate bears it
    ref: BlobRef
    base: SidecarVersion | None
    marks: Marks | None  # None: it does not speak for the photo


class TreeCatalog:
    """See the module."""

    def __init__(
        self,
        thread: CatalogThread,
        me: NodeId,
        token: Callable[[int], bytes],
        mark_held: Callable[[Collection[BlobId]], object],
    ) -> None:
        """`mark_held` tells the index that a sidecar is in the store, on the catalog's thread."""
        self._thread, self._me, self._token, self._mark_held = thread, me, token, mark_held

    async def read(self, photos: Sequence[BlobId]) -> Read:
        """Return what photos are now."""
        return await self._thread.call(partial(self._read, photos))

    async def shard(self, number: int, known: bytes | None) -> tuple[bytes, list[BlobId]] | None:
        """Return what a shard comes to and its photos; None if that is `known`."""

        def work(catalog: Catalog) -> tuple[bytes, list[BlobId]] | None:
            digest = _digest(catalog, number)
            if digest == known:
                return None
            subjects = catalog.subjects(number)
            return digest, [BlobId(one.key) for one in subjects if one.kind == PHOTO]

        return await self._thread.call(work)

    async def claim(self, paths: Mapping[BlobId, str]) -> None:
        """Say where photos lie, of those of which nobody said so yet. Raises NotAllowed."""
        act = self._token(_ID_BYTES)

        def work(catalog: Catalog) -> None:
            drafts = [
                Draft(photo_subject(photo), {PATH: path}, act=act)
                for photo, path in paths.items()
                if PATH not in catalog.state(photo_subject(photo)).fields
            ]
            catalog.write(drafts)

        await self._thread.call(work)

    async def say(self, said: Said, read: ReadMarks) -> SidecarVersion | None:
        """Write a sidecar into the catalog; return the version that it is.

        None: nobody may know of it, for the photo is gone. Raises NotAllowed, ChangeInvalid.
        """

        def work(catalog: Catalog) -> SidecarVersion | None:
            self._mark_held([said.ref.blob])
            return _say(said, read, catalog)

        return await self._thread.call(work)

    async def sidecars(self, photo: BlobId) -> list[SidecarVersion]:
        """Return every version of a sidecar of a photo that was ever said, the earliest first."""

        def work(catalog: Catalog) -> list[SidecarVersion]:
            said = [
                SidecarVersion(field, ref.blob, signed.id, signed.change.at)
                for signed in catalog.changes(photo_subject(photo))
                for field, value in signed.change.sets.items()
                if field.startswith(SIDECAR_PREFIX) and (ref := blob_ref(value)) is not None
            ]
            return sorted(said, key=lambda one: (one.at, one.change))

        return await self._thread.call(work)

    def _read(self, photos: Iterable[BlobId], catalog: Catalog) -> Read:
        pictures, gone, unnamed = list[Picture](), list[BlobId](), list[Naming]()
        for photo in photos:
            state = catalog.state(photo_subject(photo))
            row = project(state, catalog.display)
            if row is None:
                gone.append(photo)
                continue
            picture = picture_of(state, row)
            if catalog.directory.holding(picture.original, self._me) is False:
                # It is about to leave the store: the catalog says so first.
                picture = replace(picture, shows=False)
            pictures.append(picture)
            if picture.shows and PATH not in state.fields:
                unnamed.append(naming_of(row, _shoot_name(catalog, row)))
        return Read(tuple(pictures), tuple(gone), tuple(unnamed))


def _digest(catalog: Catalog, number: int) -> bytes:
    """Return what all that is known of a shard comes to, and how it is judged."""
    judged = verdict(catalog.roster, catalog.display, catalog.keys.here)
    known = catalog.digests.of(number)
    return known.changes + known.holdings + judged.to_bytes(8, "big")


def _shoot_name(catalog: Catalog, row: PhotoRow) -> str | None:
    """Return the name that people gave a photo's shoot; None if they did not."""
    if not row.shoot:
        return None
    try:
        key = bytes.fromhex(row.shoot)
    except ValueError:
        return row.shoot
    named = catalog.state(Subject(SHOOT, key)).fields.get(GROUP_NAME)
    version = catalog.display.pick(GROUP_NAME, named) if named else None
    return version.value if version and isinstance(version.value, str) else None


def _say(said: Said, read: ReadMarks, catalog: Catalog) -> SidecarVersion | None:
    state = catalog.state(photo_subject(said.photo))
    if project(state, catalog.display) is None:
        return None
    field = field_of(said.base, said.number, said.name)
    base_marks = read(said.base.blob) if said.base is not None else None
    draft = written(state, field, said.base, said.ref, said.marks, base_marks)
    if draft is None:
        return _standing(state, field, said.ref.blob)
    (signed,) = catalog.write([draft])
    return SidecarVersion(field, said.ref.blob, signed.id, signed.change.at)


def _standing(state: SubjectState, field: str, blob: BlobId) -> SidecarVersion | None:
    for version in state.fields[field].versions:
        if blob_of(version.value) == blob:
            return SidecarVersion(field, blob, version.change, version.at)
    return None
