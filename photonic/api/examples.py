"""One telling answer of each kind, for the OpenAPI document. Checked against the views by types."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from typing import Any

from photonic.audit_views import AuditEntryView, AuditPage, AuditVerdict
from photonic.limiter import LimitsView, PeerLimitView
from photonic.moving import TransfersView
from photonic.pauses import PauseView
from photonic.safety import SafetyView
from photonic.verify_views import (
    DueView,
    FindingView,
    ScrubCalendarView,
    ScrubView,
    VerificationView,
)
from photonic.views import (
    ActPage,
    ActView,
    AlbumList,
    AlbumView,
    BulkEditView,
    CatalogTaskView,
    ConflictPage,
    ConflictView,
    DeletedAlbum,
    DoctorView,
    FacetsView,
    FacetView,
    FieldChangeView,
    FieldView,
    HeldRemovals,
    HeldRemovalsView,
    HolderView,
    HoldingsView,
    ImportView,
    InvitationView,
    KeptView,
    LibraryView,
    MonthView,
    NodeView,
    PeerView,
    PhotoCount,
    PhotoDetail,
    PhotoLog,
    PhotoPage,
    PhotoSummary,
    ProblemView,
    PurgeView,
    SaidView,
    StatusView,
    TimelineView,
    TransferView,
    TrashedView,
    TrashPage,
    UndoView,
    VersionView,
)

PHOTO_ID = "ab" * 32
_CURSOR = "MjAyNC0wNS0xN3wx"
YODA = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"
LEIA = "12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu"

LIBRARY = LibraryView(id="5f" * 16, name="Harbour")
IMPORT = ImportView(
    folder="/media/card/DCIM", found=212, imported=180, known=30, failed=2, finished=False
)
CATALOG_TASK = CatalogTaskView(
    task="export",
    folder="/backup/catalog-2024-05-17",
    done=257,
    total=257,
    counts={"photos": 1843, "changes": 2210, "albums": 12, "sidecars": 640},
    finished=True,
)
STATUS = StatusView(
    node=NodeView(id=YODA, name="studio", role="central", state="syncing", mode="home"),
    library=LIBRARY,
    photos=1843,
    conflicts=1,
    peers=2,
    holdings=HoldingsView(wanted=1843, held=1840, bytes=48_318_382_080),
    problems=[
        ProblemView(
            code="ingest.file-empty",
            message="DSC_0042.NEF has zero bytes",
            fix="Copy it again from the card: a file of zero bytes holds no picture.",
            path="/media/card/DCIM/DSC_0042.NEF",
        )
    ],
    transfers=[
        TransferView(
            blob=PHOTO_ID,
            name="DSC_0107.NEF",
            state="fetching",
            done_bytes=9_437_184,
            total_bytes=26_214_400,
            rate_bytes_s=98_000_000.0,
            peers=[LEIA],
        )
    ],
    imports=[IMPORT],
    listen=[f"/ip4/192.168.1.5/tcp/4310/p2p/{YODA}"],
    http="http://127.0.0.1:8640",
    version="0.1.0",
    wants={"originals": "all", "previews": "all"},
    catalog={"indexing": {"left": 12, "of": 256}, "syncing": {LEIA: {"left": 30, "of": 514}}},
)
_SUMMARY = PhotoSummary(
    id=PHOTO_ID,
    name="DSC_0107.NEF",
    taken="2024-05-17T09:30:12.250",
    rating=4,
    media_type="image/x-nikon-nef",
    bytes=26_214_400,
    width=6016,
    height=4016,
    held=True,
    conflicts=["rating"],
    label="green",
    title="Morning at the harbour",
    flag="pick",
    trashed=False,
    removal_held=False,
    added="2024-05-18T09:12:40.000Z",
)
_VERSIONS = [
    VersionView(
        change="5e" * 32, value=4, author=YODA, author_name="studio", at="2024-05-18T10:00:00Z"
    ),
    VersionView(
        change="7c" * 32, value=2, author=LEIA, author_name="field", at="2024-05-18T10:02:11Z"
    ),
]
PHOTO = PhotoDetail(
    **asdict(_SUMMARY),
    fields={"rating": FieldView(value=4, contested=True, versions=_VERSIONS)},
    holders=[HolderView(node=YODA, name="studio", held=True)],
    facts={"camera_model": "NIKON D750", "lens": "24-70mm f/2.8", "iso": 100, "aperture": 8.0},
    tags=["harbour"],
    albums=["a1" * 16],
    same_pixels_as=["b7" * 32],
)
PHOTO_PAGE = PhotoPage(items=[_SUMMARY], next=_CURSOR)
CONFLICT_PAGE = ConflictPage(
    items=[ConflictView(photo=_SUMMARY, field="rating", versions=_VERSIONS)], next=_CURSOR
)
COUNT = PhotoCount(count=1843, exact=True)
TIMELINE = TimelineView(months=[MonthView("2024-05", 212), MonthView("2024-04", 87)], count=299)
FACETS = FacetsView(
    cameras=[FacetView("NIKON D750", 1204, 'camera:"NIKON D750"')],
    lenses=[FacetView("24-70mm f/2.8", 913, 'lens:"24-70mm f/2.8"')],
    tags=[FacetView("travel/iceland", 212, "tag:travel/iceland")],
    labels=[FacetView("green", 40, "label:green")],
    ratings=[FacetView("5", 12, "rating:5")],
    flags=[FacetView("pick", 80, "flag:pick")],
    kinds=[FacetView("raw", 1500, "kind:raw")],
    folders=[FacetView("2024/05-17", 212, "folder:2024/05-17")],
)
BULK_EDIT = BulkEditView(count=212, act="3c" * 16, dry_run=False)
_HELD = HeldRemovalsView(
    node=LEIA, name="field", count=312, at="2024-05-18T10:00:00.000Z", act="6e" * 16
)
HELD_REMOVALS = HeldRemovals(items=[_HELD])
TRASH_PAGE = TrashPage(
    items=[
        TrashedView(
            photo=_SUMMARY,
            author=YODA,
            author_name="studio",
            at="2024-05-18T10:00:00.000Z",
            purge_at="2024-06-17T10:00:00.000Z",
        )
    ],
    next=PHOTO_ID,
    held=[_HELD],
)
PURGE = PurgeView(photos=12, bytes=301_989_888)
_SAID = SaidView(
    change="5e" * 32,
    act="3c" * 16,
    author=YODA,
    author_name="studio",
    origin="laptop",
    at="2024-05-18T10:00:00.000Z",
    counts=True,
    first=False,
    fields=[
        FieldChangeView(field="rating", kind="set", old=2, new=4, stands=True),
        FieldChangeView(field="label", kind="set", old="red", new="green", stands=False),
    ],
)
PHOTO_LOG = PhotoLog(photo=PHOTO_ID, name="DSC_0107.NEF", items=[_SAID], next="5e" * 32)
ACT_PAGE = ActPage(
    items=[
        ActView(
            id="3c" * 16,
            act="3c" * 16,
            author=YODA,
            author_name="studio",
            origin="laptop",
            at="2024-05-18T10:00:00.000Z",
            kind="photo",
            subject=PHOTO_ID,
            name="DSC_0107.NEF",
            count=212,
            fields=["rating", "tags"],
        )
    ],
    next=_CURSOR,
)
UNDO = UndoView(
    act="4d" * 16,
    undone=211,
    kept_count=1,
    kept=[KeptView(PHOTO_ID, "DSC_0107.NEF", "all that it said was changed since")],
    albums=0,
)
ALBUM = AlbumView(id="b2" * 16, name="Best of 2024", query="rating:5 taken:2024", conflicts=[])
DELETED_ALBUM = DeletedAlbum(**asdict(ALBUM), act="7f" * 16)
ALBUM_LIST = AlbumList(items=[ALBUM])
PEER = PeerView(
    id=LEIA,
    name="field",
    host="leia",
    role="mobile",
    state="monitoring",
    mode="roaming",
    addresses=[f"/ip4/192.168.1.9/tcp/4310/p2p/{LEIA}"],
    link="stream",
    latency_ms=2.4,
    capacity_bytes=1_700_000_000_000,
    free_bytes=900_000_000_000,
    capabilities=["blobs/1", "catalog/1"],
    last_seen="2024-05-18T10:02:15Z",
)
INVITATION = InvitationView(
    code="photonic1-…", expires="2024-05-19T10:00:00Z", qr_svg="<svg>…</svg>"
)
SCRUB = ScrubView(
    days=30,
    paused=False,
    overdue=120,
    overdue_bytes=2_952_790_016,
    oldest="2024-04-17T22:10:00.000Z",
    verified=41_200,
    verified_bytes=912_680_550_400,
    damaged=1,
    unreadable=0,
    repaired=2,
)
SCRUB_CALENDAR = ScrubCalendarView(
    days=30,
    mb_s=40.0,
    parts=[
        DueView("2024-05-18T10:00:00.000Z", "2024-05-18T10:00:00.000Z", 120, 2_952_790_016),
        DueView("2024-05-24T10:00:00.000Z", "2024-05-27T10:00:00.000Z", 8_100, 201_440_000_000),
    ],
    all_by="2024-05-27T10:00:00.000Z",
)
AUDIT_PAGE = AuditPage(
    items=[
        AuditEntryView(
            n=218,
            at="2024-05-18T08:00:03.120Z",
            act="photos.trashed",
            facts={"photos": "12", "act": "5e" * 16},
            chain="7c" * 32,
        )
    ],
    next="218",
)
AUDIT_VERDICT = AuditVerdict(
    sound=True, problem=None, entries=218, first=1, last=218, signed_to=217, torn=0, node=YODA
)
LIMITS = LimitsView(
    in_bytes_s=20_000_000,
    out_bytes_s=5_000_000,
    peers=[PeerLimitView(peer=LEIA, name="field", in_bytes_s=1_000_000, out_bytes_s=500_000)],
    schedule="08:00-22:00 2MB/s, otherwise full",
    metered=True,
    metered_bytes_s=2_000_000,
    parallel=64,
    now_in_bytes_s=2_000_000,
    now_out_bytes_s=2_000_000,
    changed=True,
)
_PAUSED = [PauseView("peer", LEIA, "field"), PauseView("album", "a1" * 16, "Iceland")]
PAUSES = {"items": _PAUSED}
SAFETY = SafetyView(
    min_copies=2,
    state="moving",
    photos_at_risk=212,
    bytes_left=5_411_000_000,
    rate_bytes_s=48_200_000.0,
    eta_s=112.0,
    only_here=211,
)
TRANSFERS = TransfersView(
    items=STATUS.transfers,
    in_view=212,
    rate_bytes_s=48_200_000.0,
    previews_first=False,
    pauses=_PAUSED,
    safety=SAFETY,
)
VERIFICATION = VerificationView(
    id="5d" * 8,
    q="rating>=4",
    counts="photos",
    done=211,
    total=843,
    blobs=640,
    bytes=5_368_709_120,
    sound=639,
    damaged=1,
    findings=[
        FindingView("ab" * 32, PHOTO_ID, "DSC_0107.NEF", "damaged", "1 of 26 chunks are wrong")
    ],
)
CHECK = DoctorView(name="journal", ok=True, detail="1,843 photos, no damaged entry")


def answer(example: object, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Describe an operation's good answer by an example: a view, or a dictionary with views."""
    return {status: {"content": {"application/json": {"example": _plain(example)}}}}


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value
