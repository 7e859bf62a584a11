"""Rows of photos for tests of the index: what `sample_of` makes of them is the sample again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from hypothesis import strategies as st

from photonic.crdt.index import AlbumRow, Batch, PhotoIndex
from photonic.crdt.place_seal import PlaceSeal
from photonic.crdt.projection import (
    ORIGINAL_KIND,
    PREVIEW_KIND,
    SIDECAR_KIND,
    BlobRow,
    PhotoRow,
    PutAway,
    kind_of,
)
from photonic.crdt.tables import REMOVAL_HELD
from photonic.crdt.timeline import moment_text
from photonic.ids import BlobId, NodeId, digest
from photonic.photos import BlobRef, PhotoFacts, Position
from photonic.search.sample import Sample, shot_of
from tests.search.queries import ALBUMS, IDS, samples

SEAL = PlaceSeal(bytes(64))  # all indexes that are compared seal alike
NODES = tuple(NodeId(digest(b"node %d" % number)) for number in range(4))


def blob(name: str) -> BlobRef:
    return BlobRef(BlobId(digest(name.encode())), 100, digest(b"chunks of " + name.encode()))


def pixels_of(sample: Sample) -> str | None:
    """Return an identity that some samples have in common, others lack, and others lie about."""
    some = (digest(b"pixels %d" % number).hex()[:32] for number in range(3))
    return [None, *some, "no identity", "GG" * 16][len(sample.name) % 6]


def row_of(sample: Sample) -> PhotoRow:
    """Return the row of which a query may ask what `sample` says."""
    place = None
    if sample.latitude is not None and sample.longitude is not None:
        place = Position(sample.latitude, sample.longitude)
    named = sample.photo.hex()
    blobs = [
        BlobRow(BlobRef(sample.photo, 1_000, digest(sample.photo)), ORIGINAL_KIND),
        BlobRow(blob(f"preview of {named}"), PREVIEW_KIND, 256),
    ]
    if sample.has_sidecar:
        blobs.append(BlobRow(blob(f"sidecar of {named}"), SIDECAR_KIND))
    return PhotoRow(
        photo=sample.photo,
        name=sample.name,
        folder=sample.folder,
        taken=sample.taken,
        sorted_by=sample.taken or moment_text(sample.added_ms),
        added_ms=sample.added_ms,
        rating=sample.rating,
        label=sample.label,
        flag=sample.flag,
        title=sample.title,
        caption=sample.caption,
        kind=sample.kind,
        facts=PhotoFacts(
            media_type=sample.media_type,
            width=sample.width,
            height=sample.height,
            taken=sample.taken,
            camera_model=sample.camera,
            lens=sample.lens,
            aperture=sample.aperture,
            iso=sample.iso,
            focal_mm=sample.focal,
            pixels=pixels_of(sample),
        ),
        position=place,
        tags=sample.tags,
        albums=tuple(album for album, _ in sample.albums),
        shoot=sample.shoot,
        stack=sample.stack,
        conflicts=sample.conflicts,
        blobs=tuple(blobs),
        removal=PutAway(NODES[0], 1_000) if sample.trashed or sample.removal_held else None,
    )


@st.composite
def libraries(draw: st.DrawFn, most: int = 12, *, has_brake: bool = False) -> list[Sample]:
    """Some photos with ids of their own; the first ones begin alike.

    `has_brake`: it holds some removals, which a batch by itself does not say.
    """
    found = draw(st.lists(samples(), max_size=most))
    ids = [*IDS, *(BlobId(digest(b"%d" % number)) for number in range(most))]
    return with_raws(
        [
            replace(
                sample,
                photo=ids[position],
                kind=kind_of(sample.media_type),
                removal_held=has_brake and sample.removal_held,
            )
            for position, sample in enumerate(found)
        ]
    )


def with_raws(some: Sequence[Sample]) -> list[Sample]:
    """Return photos that say whether there is another one, a raw file, of the same shot."""
    shots = {one.photo: shot_of(one.name, one.taken) for one in some}

    def has_raw(sample: Sample) -> bool:
        shot = shots[sample.photo]
        return shot is not None and any(
            one.photo != sample.photo
            and one.kind == "raw"
            and not one.trashed
            and shots[one.photo] == shot
            for one in some
        )

    return [replace(sample, has_raw=has_raw(sample)) for sample in some]


def batch_of(some: Iterable[Sample]) -> Batch:
    """Return what puts photos into an index, held and copied as they say."""
    rows = list(some)
    return Batch(
        rows=[row_of(sample) for sample in rows],
        held={sample.photo for sample in rows if sample.held},
        holders={sample.photo: NODES[: sample.copies] for sample in rows},
        albums=[AlbumRow(bytes.fromhex(album), name, None, ()) for album, name in ALBUMS],
    )


def index_of(some: Sequence[Sample]) -> PhotoIndex:
    index = PhotoIndex(None, SEAL)
    index.apply(batch_of(some), 1)
    index.set_trashed({one.photo: REMOVAL_HELD for one in some if one.removal_held})
    return index
