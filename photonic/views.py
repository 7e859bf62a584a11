"""What the node shows to the outside: the JSON of the REST face as values, and who answers for it.

Each dataclass is exactly one JSON object of `/api/v1`, under the same names; names may be added and
are never changed. Moments (`at`, `taken`, `expires`, `last_seen`) are ISO 8601 text. Photos, blobs
and changes are named by 64 hex digits, nodes by their libp2p peer ID.
`LocalNode` is all that HTTP asks of a node; `photonic/node.py` implements it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from prometheus_client import CollectorRegistry

from photonic.events import EventLog

MediaKind = Literal["raw", "image", "video"]


# --- the node --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node: `state` and `mode` are the words of DESIGN section 7."""

    id: str
    name: str
    role: str
    state: str  # offline, connecting, syncing, monitoring, conflict, error
    mode: str  # home, roaming, sync, archive


@dataclass(frozen=True, slots=True)
class LibraryView:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class HoldingsView:
    """Originals: how many the role wants here, how many are here, and what those weigh."""

    wanted: int
    held: int
    bytes: int


@dataclass(frozen=True, slots=True)
class ProblemView:
    """Something that a person should know of, with what to do about it."""

    code: str
    message: str
    fix: str
    path: str | None = None


@dataclass(frozen=True, slots=True)
class TransferView:
    """One blob on its way in; `done_bytes` are verified and on disk. `peers` are peer IDs."""

    blob: str
    name: str
    state: str
    done_bytes: int
    total_bytes: int
    rate_bytes_s: float
    peers: list[str]


@dataclass(frozen=True, slots=True)
class ImportView:
    """How far an import is: `known` files were in the catalog before."""

    folder: str
    found: int
    imported: int
    known: int
    failed: int
    finished: bool


@dataclass(frozen=True, slots=True)
class StatusView:
    """The state of this node in one object; `photos`, `conflicts` and `peers` are counts."""

    node: NodeView
    library: LibraryView
    photos: int
    conflicts: int
    peers: int
    holdings: HoldingsView
    problems: list[ProblemView]
    transfers: list[TransferView]
    imports: list[ImportView]
    listen: list[str]  # multiaddresses with /p2p/ID
    http: str
    version: str
    wants: dict[str, object]  # what the role wants, in its own words


@dataclass(frozen=True, slots=True)
class PeerView:
    """Another member as this node sees it. Capacities are what it told, None if it did not."""

    id: str
    name: str
    host: str | None
    role: str
    state: str
    mode: str
    addresses: list[str]
    link: str  # lane, stream, relay, none
    latency_ms: float | None
    capacity_bytes: int | None
    free_bytes: int | None
    capabilities: list[str]
    last_seen: str | None


@dataclass(frozen=True, slots=True)
class InvitationView:
    """A code that works once, as text and as a QR code in SVG."""

    code: str
    expires: str
    qr_svg: str


@dataclass(frozen=True, slots=True)
class DoctorView:
    """One check of the node's health; `fix` is empty when `ok`."""

    name: str
    ok: bool
    detail: str
    fix: str = ""


# --- photos ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PhotoSummary:
    """A photo in a list. `held`: this node has the original. `conflicts`: contested fields."""

    id: str
    name: str
    taken: str | None
    rating: int | None
    media_type: str
    bytes: int
    width: int | None
    height: int | None
    held: bool
    conflicts: list[str]
    label: str | None
    title: str | None


@dataclass(frozen=True, slots=True)
class VersionView:
    """One value of a field that no later change supersedes."""

    change: str
    value: object
    author: str
    author_name: str | None
    at: str


@dataclass(frozen=True, slots=True)
class FieldView:
    """One field: the value that is shown, and every version of it."""

    value: object
    contested: bool
    versions: list[VersionView]


@dataclass(frozen=True, slots=True)
class HolderView:
    node: str
    name: str | None
    held: bool


@dataclass(frozen=True, slots=True)
class PhotoDetail(PhotoSummary):
    """One photo with its versions, who holds it, and what the file says about itself."""

    fields: dict[str, FieldView]
    holders: list[HolderView]
    facts: dict[str, object]
    tags: list[str]


@dataclass(frozen=True, slots=True)
class ConflictView:
    """One contested field of one photo."""

    photo: PhotoSummary
    field: str
    versions: list[VersionView]


@dataclass(frozen=True, slots=True)
class PhotoPage:
    """A page of photos, newest first; `next` is the cursor of the next page, None at the end."""

    items: list[PhotoSummary]
    next: str | None


@dataclass(frozen=True, slots=True)
class ConflictPage:
    items: list[ConflictView]
    next: str | None


@dataclass(frozen=True, slots=True)
class PhotoFilter:
    """Which photos to list: all that is given must hold.

    `taken_from` and `taken_to` are ISO 8601 in the camera's local time, both inclusive; a shorter
    one stands for its whole period ("2024-05" is all of May).
    """

    q: str = ""  # free text, over names too
    rating_min: int | None = None
    camera: str | None = None
    lens: str | None = None
    taken_from: str | None = None
    taken_to: str | None = None
    media: MediaKind | None = None
    conflicts_only: bool = False
    held: bool | None = None
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class OriginalFile:
    """A verified original on this node's disk. `etag` is its blob id, 64 hex digits."""

    path: Path
    media_type: str
    name: str
    size_bytes: int
    etag: str


@dataclass(frozen=True, slots=True)
class PreviewImage:
    """A JPEG; `etag` is another one whenever the bytes are others."""

    data: bytes
    etag: str


# --- who answers -----------------------------------------------------------------------------


class LocalNode(Protocol):
    """All that HTTP asks of the node. Every method may be cancelled, and raises PhotonicError.

    `photo` is 64 lower-case hex digits everywhere; an id of no photo raises PhotoUnknown.
    """

    @property
    def events(self) -> EventLog: ...

    @property
    def metrics(self) -> CollectorRegistry: ...

    async def status(self) -> StatusView: ...

    async def photos(self, filters: PhotoFilter, limit: int, cursor: str | None) -> PhotoPage:
        """Return at most `limit` photos behind `cursor`. Raises QueryInvalid for a bad cursor."""
        ...

    async def photo(self, photo: str) -> PhotoDetail: ...

    async def edit(
        self,
        photo: str,
        sets: Mapping[str, object],
        *,
        add_tags: Sequence[str] = (),
        remove_tags: Sequence[str] = (),
    ) -> PhotoDetail:
        """Write one change; a value of None clears the field. Durable when it returns."""
        ...

    async def resolve(
        self, photo: str, field: str, *, change: str | None = None, value: object = None
    ) -> PhotoDetail:
        """Settle `field` with the value of `change`, or with `value` when `change` is None."""
        ...

    async def conflicts(self, limit: int, cursor: str | None) -> ConflictPage: ...

    async def peers(self) -> list[PeerView]: ...

    async def original(self, photo: str) -> OriginalFile:
        """Raises BlobMissing when this node does not hold it."""
        ...

    async def preview(self, photo: str, edge_px: int) -> PreviewImage:
        """Return the preview of that size (one of PREVIEW_EDGES_PX). Raises BlobMissing."""
        ...

    async def invite(
        self, role: str, ttl_s: int, scopes: Sequence[str] | None
    ) -> InvitationView: ...

    async def join(self, code: str) -> LibraryView: ...

    async def start_import(self, folder: str) -> ImportView:
        """Begin to import `folder` and return at once. Raises FolderUnknown, FolderUnreadable."""
        ...

    async def imports(self) -> list[ImportView]: ...

    async def doctor(self) -> list[DoctorView]: ...

    async def stop(self) -> None:
        """Begin a clean stop and return; the stop itself comes after the answer is out."""
        ...
