"""What a node shows at one moment, as plain values: all that a checker may look at.

A simulated node is looked at in its process, a real daemon over REST (`/photos`, `/photos/ID`,
`/members`, `/status`, `/metrics`). What REST does not show is None there: checkers pass it over.
Nodes are called by their names in the scenario, photos and changes by their hex ids.
"""

from __future__ import annotations

from typing import Any

import msgspec


class VersionSeen(msgspec.Struct, frozen=True, order=True):
    """One value of a field that no later change supersedes."""

    change: str
    author: str
    value: str  # as JSON, so that values compare and sort


class PhotoSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One photo as a node shows it. `versions`: by field, sorted by change."""

    held: bool = False  # this node has the original
    trashed: bool = False
    versions: dict[str, tuple[VersionSeen, ...]] = msgspec.field(default_factory=dict)
    conflicts: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    holders: tuple[str, ...] = ()  # who says to hold the original
    changes: frozenset[str] | None = None  # the ids of all changes about it, whether they count
    # By field: the changes from which another one descends that counts and says the field anew.
    answered: dict[str, frozenset[str]] | None = None


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """One node at one moment."""

    node: str
    at_s: float
    is_member: bool = True  # as the scenario has it: admitted, and not revoked
    photos: dict[str, PhotoSeen] = msgspec.field(default_factory=dict)
    known: dict[str, int] = msgspec.field(default_factory=dict)  # by author: its last change here
    revoked: tuple[str, ...] = ()
    connected: tuple[str, ...] = ()
    returned: int | None = None  # how many of its own changes it heard of from others first
    hidden: frozenset[str] | None = None  # photos that are in the trash, and shown nowhere else
    repeated: tuple[str, ...] = ()  # authors of which two changes have one number
    problems: tuple[str, ...] = ()  # their codes
    wrong: tuple[str, ...] = ()  # originals that were given, and whose bytes are not theirs
    stored: frozenset[str] | None = None  # originals that were read back whole and are right
    digest: str | None = None  # of the whole catalog
    index_is_right: bool | None = None  # the index equals one that is made anew
    queues: dict[str, tuple[int, int]] = msgspec.field(default_factory=dict)  # name: length, limit
    memory_bytes: int | None = None

    def shown(self) -> dict[str, Any]:
        """Return what must be equal on all members: photos with versions, tags and the trash."""
        return {
            photo: (seen.versions, seen.tags, seen.trashed, seen.conflicts)
            for photo, seen in self.photos.items()
        }
