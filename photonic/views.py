"""What the node shows to the outside: the JSON of the REST face as values, and who answers for it.

Each dataclass is exactly one JSON object of `/api/v1`, under the same names; names may be added and
are never changed. Moments (`at`, `taken`, `expires`, `last_seen`) are ISO 8601 text. Photos, blobs
and changes are named by 64 hex digits, nodes by their libp2p peer ID.
`LocalNode` is all that HTTP asks of a node; `photonic/node.py` implements it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client import CollectorRegistry

from photonic.albums import Albums
from photonic.audit_log import AuditLog
from photonic.buffer import Buffer
from photonic.edits import Edits, Said
from photonic.entrance import Entrance
from photonic.events import EventLog
from photonic.eviction_views import BufferView
from photonic.exports import Exports, ExportsView
from photonic.finder import Finder
from photonic.histories import Histories
from photonic.key_custody import KeyCustody
from photonic.limiter import Limiter, LimitsView
from photonic.member_views import LocalMembers
from photonic.moving import Moving, TransferView
from photonic.pauses import PauseView
from photonic.photo_views import (
    ActPage,
    ActView,
    AlbumList,
    AlbumView,
    BulkEditView,
    ConflictPage,
    ConflictView,
    DeletedAlbum,
    FacetsView,
    FacetView,
    FieldChangeView,
    FieldView,
    HeldRemovals,
    HeldRemovalsView,
    HolderView,
    KeptView,
    MediaKind,
    MonthView,
    OriginalFile,
    PhotoCount,
    PhotoDetail,
    PhotoFilter,
    PhotoLog,
    PhotoPage,
    PhotoSummary,
    PreviewImage,
    PurgeView,
    SaidView,
    TimelineView,
    TrashedView,
    TrashPage,
    UndoView,
    VersionView,
)
from photonic.policies import Policies
from photonic.redundancy import RedundancyView
from photonic.safety import SafetyView
from photonic.trash import Trash
from photonic.verifications import Verifications
from photonic.verify_views import ScrubView
from photonic.whereabouts import Whereabouts

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
class ImportView:
    """How far an import is: `known` files were in the catalog before."""

    folder: str
    found: int
    imported: int
    known: int
    failed: int
    finished: bool


@dataclass(frozen=True, slots=True)
class CatalogTaskView:
    """How far an export or an import of the whole catalog is.

    `done` of `total`: shards of an export, changes of an import; None until it is known. `counts`
    of an export are what it holds (when it is finished), of an import `changes` (read), `fresh`,
    `known` and `left_out` ones. `problem`: why it ended before its end.
    """

    task: str  # export, import
    folder: str
    done: int
    total: int | None
    counts: dict[str, int]
    finished: bool
    problem: ProblemView | None = None


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
    # What the catalog is busy with: "indexing" and "syncing", each left and of.
    catalog: dict[str, object] = field(default_factory=dict)
    scrub: ScrubView | None = None
    limits: LimitsView | None = None
    safety: SafetyView | None = None
    exports: ExportsView | None = None
    pauses: list[PauseView] = field(default_factory=list)
    buffer: BufferView | None = None
    https: str = ""  # where other machines may come, with a token; "" is nowhere
    fingerprint: str = ""  # SHA-256 of the certificate that is shown there


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
    link: str  # lan, direct, punched, relayed, none
    latency_ms: float | None
    capacity_bytes: int | None
    free_bytes: int | None
    capabilities: list[str]
    last_seen: str | None
    via: str | None = None  # what the node is called that relays
    address: str | None = None  # of the connection that stands
    why_not_better: str = ""  # in words, why no better link is there; "" on the best one


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


# --- who answers -----------------------------------------------------------------------------


class LocalNode(Protocol):
    """All that HTTP asks of the node. Every method may be cancelled, and raises PhotonicError.

    `photo` is 64 lower-case hex digits everywhere; an id of no photo raises PhotoUnknown.
    """

    @property
    def events(self) -> EventLog: ...

    @property
    def metrics(self) -> CollectorRegistry: ...

    @property
    def finder(self) -> Finder: ...

    @property
    def edits(self) -> Edits: ...

    @property
    def history(self) -> Histories: ...

    @property
    def albums(self) -> Albums: ...

    @property
    def policies(self) -> Policies: ...

    @property
    def whereabouts(self) -> Whereabouts: ...

    @property
    def trash(self) -> Trash: ...

    @property
    def verifications(self) -> Verifications: ...

    @property
    def limiter(self) -> Limiter: ...

    @property
    def moving(self) -> Moving: ...

    @property
    def buffer(self) -> Buffer: ...

    @property
    def entrance(self) -> Entrance: ...

    @property
    def members(self) -> LocalMembers: ...

    @property
    def custody(self) -> KeyCustody: ...

    @property
    def exports(self) -> Exports: ...

    @property
    def audit(self) -> AuditLog: ...

    async def status(self) -> StatusView: ...

    async def photos(self, filters: PhotoFilter, limit: int, cursor: str | None) -> PhotoPage:
        """Return at most `limit` photos behind `cursor`. Raises QueryInvalid for a bad cursor."""
        ...

    async def photo(self, photo: str) -> PhotoDetail: ...

    async def edit(self, photo: str, said: Said) -> PhotoDetail:
        """Write one change; a value of None clears the field. Durable when it returns."""
        ...

    async def resolve(
        self, photo: str, field: str, *, change: str | None = None, value: object = None
    ) -> PhotoDetail:
        """Settle `field` with the value of `change`, or with `value` when `change` is None."""
        ...

    async def conflicts(self, limit: int, cursor: str | None) -> ConflictPage: ...

    async def peers(self) -> list[PeerView]: ...

    async def redundancy(self) -> RedundancyView: ...

    async def original(self, photo: str) -> OriginalFile:
        """Raises BlobMissing when this node does not hold it."""
        ...

    async def preview(self, photo: str, edge_px: int) -> PreviewImage:
        """Return the preview of that size (one of PREVIEW_EDGES_PX). Raises BlobMissing."""
        ...

    async def invite(
        self, role: str, ttl_s: int, scopes: Sequence[str] | None, life_s: int | None = None
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

    # --- exports and imports of the whole catalog --------------------------------------------

    async def start_catalog_export(self, folder: str) -> CatalogTaskView:
        """Begin to export into `folder`, new or empty, and return at once.

        Raises ExportUnwritable, CatalogTasksFull.
        """
        ...

    async def start_catalog_import(self, folder: str, *, merge: bool) -> CatalogTaskView:
        """Begin to import an export and return at once.

        Raises FolderUnknown, ExportInvalid, ExportNewer, CatalogTasksFull.
        """
        ...

    async def catalog_tasks(self) -> list[CatalogTaskView]: ...


__all__ = [
    "ActPage",
    "ActView",
    "AlbumList",
    "AlbumView",
    "BulkEditView",
    "CatalogTaskView",
    "ConflictPage",
    "ConflictView",
    "DeletedAlbum",
    "DoctorView",
    "FacetView",
    "FacetsView",
    "FieldChangeView",
    "FieldView",
    "HeldRemovals",
    "HeldRemovalsView",
    "HolderView",
    "HoldingsView",
    "ImportView",
    "InvitationView",
    "KeptView",
    "LibraryView",
    "LocalNode",
    "MediaKind",
    "MonthView",
    "NodeView",
    "OriginalFile",
    "PeerView",
    "PhotoCount",
    "PhotoDetail",
    "PhotoFilter",
    "PhotoLog",
    "PhotoPage",
    "PhotoSummary",
    "PreviewImage",
    "ProblemView",
    "PurgeView",
    "SaidView",
    "StatusView",
    "TimelineView",
    "TransferView",
    "TrashPage",
    "TrashedView",
    "UndoView",
    "VersionView",
]
