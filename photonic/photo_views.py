"""What is shown of photos: the JSON of the REST face as values. `views.py` has the rest.

Each dataclass is exactly one JSON object of `/api/v1`, under the same names; names may be added and
are never changed. Moments (`at`, `taken`) are ISO 8601 text. Photos, blobs and changes are named by
64 hex digits, acts and albums by 32, nodes by their libp2p peer ID.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

MediaKind = Literal["raw", "image", "video"]


@dataclass(frozen=True, slots=True)
class PhotoSummary:
    """A photo in a list. `held`: this node has the original. `conflicts`: contested fields.
    `added`: when it came into the library; one without `taken` stands there in the timeline.

    `flag` is pick or reject; `trashed`: it is in the trash, which only `is:trashed` lists;
    `removal_held`: another node put it there in a burst, which is not followed before somebody
    confirms it.
    """

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
    flag: str | None
    trashed: bool
    removal_held: bool
    added: str


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
    """A member, and whether it says to hold the original.

    `counts`: whether what it holds is a copy, for it has the scope `blobs.hold`. `verified_at`:
    when this node last read all of its own copy and found it right. What others verified is theirs
    to say, so it is None for them.
    """

    node: str
    name: str | None
    held: bool
    verified_at: str | None = None
    counts: bool = True


@dataclass(frozen=True, slots=True)
class PhotoDetail(PhotoSummary):
    """One photo with its versions, who holds it, and what the file says about itself."""

    fields: dict[str, FieldView]
    holders: list[HolderView]
    facts: dict[str, object]
    tags: list[str]
    albums: list[str]  # ids of the albums that it was put into
    # Ids of other photos with the same picture and other metadata; some of them.
    same_pixels_as: list[str] = field(default_factory=list)
    sealed: list[str] = field(default_factory=list)  # fields that this node has no key to read


@dataclass(frozen=True, slots=True)
class ConflictView:
    """One contested field of one photo."""

    photo: PhotoSummary
    field: str
    versions: list[VersionView]


@dataclass(frozen=True, slots=True)
class PhotoPage:
    """A page of photos; `next` is the cursor of the next page, None at the end."""

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
    one stands for its whole period ("2024-05" is all of May). `at` is such a period, too: the list
    begins with it, whatever is newer (or older, where the oldest come first) is passed by.
    """

    q: str = ""  # a query, docs/search.md
    sort: str | None = None  # taken, -taken, added, -added; None: as the query says
    rating_min: int | None = None
    camera: str | None = None
    lens: str | None = None
    taken_from: str | None = None
    taken_to: str | None = None
    media: MediaKind | None = None
    conflicts_only: bool = False
    held: bool | None = None
    tag: str | None = None
    at: str | None = None


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


# --- counts ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PhotoCount:
    """How many photos a query finds. `exact`: false where it is this many, or more."""

    count: int
    exact: bool


@dataclass(frozen=True, slots=True)
class MonthView:
    """A month of the timeline, "2024-05", and how many photos are in it."""

    month: str
    count: int


@dataclass(frozen=True, slots=True)
class TimelineView:
    """The months in which there are photos, the newest first."""

    months: list[MonthView]
    count: int


@dataclass(frozen=True, slots=True)
class FacetView:
    """One value, how many photos have it, and the query that finds them."""

    value: str
    count: int
    query: str


@dataclass(frozen=True, slots=True)
class FacetsView:
    """What there is to choose from, the most frequent first. A list may be cut at its bound."""

    cameras: list[FacetView]
    lenses: list[FacetView]
    tags: list[FacetView]
    labels: list[FacetView]
    ratings: list[FacetView]
    flags: list[FacetView]
    kinds: list[FacetView]
    folders: list[FacetView]


# --- edits and history -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TrashedView:
    """A photo in the trash: who put it there and when, and when this node may drop its bytes.

    `purge_at` is None while the deletion brake holds the removal.
    """

    photo: PhotoSummary
    author: str
    author_name: str | None
    at: str
    purge_at: str | None


@dataclass(frozen=True, slots=True)
class HeldRemovalsView:
    """How many removals of one node wait for somebody to confirm them; the last was at `at`.

    `act` is what the last of them was done by: undone, its photos are out of the trash everywhere.
    None if it was a removal of one photo alone.
    """

    node: str
    name: str | None
    count: int
    at: str
    act: str | None


@dataclass(frozen=True, slots=True)
class TrashPage:
    items: list[TrashedView]
    next: str | None
    held: list[HeldRemovalsView]


@dataclass(frozen=True, slots=True)
class HeldRemovals:
    """What is still held after a confirmation."""

    items: list[HeldRemovalsView]


@dataclass(frozen=True, slots=True)
class PurgeView:
    """How many photos of the trash left this node for good, and their size in bytes."""

    photos: int
    bytes: int


@dataclass(frozen=True, slots=True)
class BulkEditView:
    """An edit of many photos. `count`: how many it changed, or would if it is a `dry_run`.

    `act` undoes all of it; None if nothing was written.
    """

    count: int
    act: str | None
    dry_run: bool


@dataclass(frozen=True, slots=True)
class FieldChangeView:
    """What a change said of one field.

    `kind` is `set` (from `old`, as it was shown then, to `new`), `added` or `removed` (`new` is a
    list of texts). `stands`: nobody said otherwise since.
    """

    field: str
    kind: Literal["set", "added", "removed"]
    old: object
    new: object
    stands: bool


@dataclass(frozen=True, slots=True)
class SaidView:
    """One change in the history of a photo.

    `counts`: false if its author was not allowed to make it. `first`: it brought the photo in.
    `origin`: who said it first, where `author` imported it from another library.
    """

    change: str
    act: str | None
    author: str
    author_name: str | None
    origin: str | None
    at: str
    counts: bool
    first: bool
    fields: list[FieldChangeView]


@dataclass(frozen=True, slots=True)
class PhotoLog:
    """What was said of a photo, the latest first."""

    photo: str
    name: str
    items: list[SaidView]
    next: str | None


@dataclass(frozen=True, slots=True)
class ActView:
    """What somebody did in one go: one change, or many that share an act.

    `id` is what `undo` takes: the act if there is one, else the change. It was about `count`
    photos, or about an album or another `kind`; `subject` is the id of one of them and `name` its
    name. `fields` names what was changed. `origin`: who did it first, in the library from which
    `author` imported it.
    """

    id: str
    act: str | None
    author: str
    author_name: str | None
    origin: str | None
    at: str
    kind: str
    subject: str
    name: str
    count: int
    fields: list[str]


@dataclass(frozen=True, slots=True)
class ActPage:
    items: list[ActView]
    next: str | None


@dataclass(frozen=True, slots=True)
class KeptView:
    """A photo of which nothing was undone, and why."""

    photo: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class UndoView:
    """`undone` photos are as they were before, by the new act `act`; `kept` ones are not.

    `kept` names the first of them; `kept_count` counts all. `albums`: how many of them are as they
    were before, too.
    """

    act: str | None
    undone: int
    kept_count: int
    kept: list[KeptView]
    albums: int


# --- albums ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AlbumView:
    """An album: photos that were put into it, or those that its `query` finds.

    `conflicts` names what was written apart: its name or its query.
    """

    id: str
    name: str
    query: str | None
    conflicts: list[str]


@dataclass(frozen=True, slots=True)
class DeletedAlbum(AlbumView):
    """What an album was; `act` brings it back."""

    act: str


@dataclass(frozen=True, slots=True)
class AlbumList:
    items: list[AlbumView]
