"""What the tree knows of a photo, and which files it shows of it. Pure.

A photo shows its original and its sidecars. `name.ext.xmp` is what darktable reads and writes: the
first version of what was written in trees, or else what came with the photo. Whatever else there is
shows as one of darktable's duplicates, `name_01.ext.xmp`: those that came under such a name keep
their number, versions that contest get the next ones in the order in which they were said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

import msgspec

from photonic import limits
from photonic.crdt.fields import PATH, SIDECAR_PREFIX
from photonic.crdt.fold import SubjectState
from photonic.crdt.originals import blob_ref
from photonic.crdt.projection import PhotoRow
from photonic.ids import BlobId, ChangeId
from photonic.photos import SIDECAR_SUFFIX
from photonic.tree.paths import Claim, Naming, legal

WRITTEN = SIDECAR_PREFIX + "darktable"  # what somebody wrote in a tree
IMPORTED = SIDECAR_PREFIX + "xmp"  # what lay beside the photo when it was taken in
_NUMBER = re.compile(r"_(\d{2,3})$")
_INTEGER_END = 1 << 63


class SidecarVersion(msgspec.Struct, frozen=True, array_like=True):
    """A sidecar that stands: what field says so, by which change."""

    field: str
    blob: BlobId
    change: ChangeId
    at: int


class Picture(msgspec.Struct, frozen=True, array_like=True):
    """One photo, as far as the tree goes."""

    photo: BlobId
    original: BlobId
    shows: bool  # not in the trash
    claims: tuple[tuple[str, int, ChangeId], ...]
    sidecars: tuple[SidecarVersion, ...]

    def claimed(self) -> list[Claim]:
        return [Claim(self.photo, path, at, change) for path, at, change in self.claims]

    def blobs(self) -> set[BlobId]:
        return {self.original, *(sidecar.blob for sidecar in self.sidecars)}


class ShownFile(msgspec.Struct, frozen=True, array_like=True):
    """A file that a photo shows in the tree; `sidecar` is None for its original."""

    path: str
    blob: BlobId
    sidecar: SidecarVersion | None = None


def picture_of(state: SubjectState, row: PhotoRow) -> Picture:
    """Return what the tree needs of a photo; `row` is its projection."""
    paths = state.fields.get(PATH)
    claims = [
        (legal(version.value), version.at, version.change)
        for version in (paths.versions if paths else ())
        if type(version.value) is str and version.value and 0 <= version.at < _INTEGER_END
    ]
    return Picture(
        BlobId(state.subject.key),
        row.original.blob,
        not row.trashed,
        tuple(claims[: limits.TREE_PATHS_PER_PHOTO_MAX]),
        tuple(_sidecars(state)),
    )


def naming_of(row: PhotoRow, shoot: str | None) -> Naming:
    """Return what a photo's path is made of; `shoot` is the name that people gave its shoot."""
    return Naming(
        row.photo, row.name, row.folder, row.sorted_by, shoot, row.facts.camera_model, row.kind
    )


def _sidecars(state: SubjectState) -> Iterator[SidecarVersion]:
    for name, field in sorted(state.fields.items()):
        if not name.startswith(SIDECAR_PREFIX):
            continue
        seen = set[BlobId]()
        for version in sorted(field.versions, key=lambda one: (one.at, one.change)):
            ref = blob_ref(version.value)
            if ref is not None and ref.blob not in seen:
                seen.add(ref.blob)
                yield SidecarVersion(name, ref.blob, version.change, version.at)


def sidecar_name(original: str, number: int = 0) -> str:
    """Return the name of the sidecar of a file; `number`: of which duplicate."""
    if number == 0:
        return original + SIDECAR_SUFFIX
    pure = PurePosixPath(original)
    return str(pure.with_name(f"{pure.stem}_{number:02}{pure.suffix}{SIDECAR_SUFFIX}"))


def number_of(original: str, name: str) -> int | None:
    """Return which sidecar of a file `name` is: 0 is its own; None if it is none of it."""
    if name.casefold() == (original + SIDECAR_SUFFIX).casefold():
        return 0
    pure = PurePosixPath(original)
    end = f"{pure.suffix}{SIDECAR_SUFFIX}".casefold()
    stem = name.casefold().removesuffix(end)
    if stem == name.casefold():
        return None
    found = _NUMBER.search(stem)
    if found is None or stem[: found.start()] != pure.stem.casefold():
        return None
    return int(found[1]) or None


def sidecar_files(picture: Picture, path: str) -> list[ShownFile]:
    """Return the sidecars of a photo that lies at `path`, the one that speaks for it first."""
    by_field: dict[str, list[SidecarVersion]] = {}
    for one in picture.sidecars:
        by_field.setdefault(one.field, []).append(one)
    written, imported = by_field.pop(WRITTEN, []), by_field.pop(IMPORTED, [])
    versions = written or imported
    shown: dict[int, SidecarVersion] = {}
    if versions:
        shown[0] = versions[0]
    for field, some in by_field.items():
        number = _given_number(field)
        if number is not None and number not in shown:
            shown[number] = some[0]
    number = 1
    for one in versions[1:]:
        while number in shown:
            number += 1
        shown[number] = one
    kept = sorted(shown.items())[: limits.SIDECARS_PER_PHOTO_MAX]
    return [ShownFile(sidecar_name(path, number), one.blob, one) for number, one in kept]


def _given_number(field: str) -> int | None:
    """Return the number of a duplicate that came under the name that its field bears."""
    stem = PurePosixPath(PurePosixPath(field.removeprefix(SIDECAR_PREFIX)).stem).stem
    found = _NUMBER.search(stem)
    return int(found[1]) or None if found else None
