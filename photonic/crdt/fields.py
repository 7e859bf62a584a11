"""Which fields a subject has and how each of them merges: the one table.

A field that is not in the table (from a newer photonic) merges as a contested register and is
shown as it is: an old node never destroys what it does not understand.
"""

from __future__ import annotations

import enum

from photonic.ids import ALBUM, LIBRARY, MEMBER, PHOTO, REMOVALS, SHOOT, STACK


class Merge(enum.Enum):
    """How concurrent writes of one field come together."""

    CONTESTED = "contested"  # several different values stay visible until someone settles them
    FACT = "fact"  # read off a file by a machine: one is picked, the same on all nodes
    TAGS = "set"  # an add-wins set; a remove names the adds that it saw


# Photo fields. Shapes of the values are in docs/catalog-format.md.
ORIGINAL = "original"  # photos.BlobRef as a list: blob, size in bytes, chunk list[, taken]
RATING, LABEL, FLAG = "rating", "label", "flag"
TITLE, CAPTION, GPS = "title", "caption", "gps"
TAGS, ALBUMS = "tags", "albums"  # sets of text; an album is named by the hex digits of its id
SHOOT_OF, STACK_OF = "shoot", "stack"  # a person's word against the automatic grouping
TRASHED = "trashed"  # true while the photo is in the trash; see crdt/brake.py for bursts of it
ORIGIN = "origin"  # a set of text: who said a change first, in another library; see replay.py
NAME, FOLDER, FACTS = "name", "folder", "facts"
IMPORTED = "imported_ms"
PATH = "path"  # where the photo lies in exported trees, decided once: the first word stands
PREVIEW_PREFIX = "preview/"  # preview/256, preview/1600: width, height, BlobRef
SIDECAR_PREFIX = "sidecar/"  # sidecar/xmp: BlobRef

# Fields of other subjects.
CERTIFICATE, REVOKED = "certificate", "revoked"
KEY_PREFIX = "key/"  # key/NAME: a library key, closed for the member; see library_keys.py
LIBRARY_NAME = "name"
CONFIRMED = "confirmed"  # removals: the stamp up to which a node's removals are meant
ALBUM_NAME, ALBUM_QUERY, ALBUM_GONE = "name", "query", "gone"
GROUP_NAME = "name"  # of a shoot or a stack

_TABLE: dict[tuple[str, str], Merge] = {
    (PHOTO, ORIGINAL): Merge.CONTESTED,
    (PHOTO, RATING): Merge.CONTESTED,
    (PHOTO, LABEL): Merge.CONTESTED,
    (PHOTO, FLAG): Merge.CONTESTED,
    (PHOTO, TITLE): Merge.CONTESTED,
    (PHOTO, CAPTION): Merge.CONTESTED,
    (PHOTO, GPS): Merge.CONTESTED,
    (PHOTO, TAGS): Merge.TAGS,
    (PHOTO, ALBUMS): Merge.TAGS,
    (PHOTO, SHOOT_OF): Merge.CONTESTED,
    (PHOTO, STACK_OF): Merge.CONTESTED,
    (PHOTO, TRASHED): Merge.CONTESTED,
    (PHOTO, NAME): Merge.FACT,
    (PHOTO, FOLDER): Merge.FACT,
    (PHOTO, FACTS): Merge.FACT,
    (PHOTO, IMPORTED): Merge.FACT,
    (PHOTO, PATH): Merge.FACT,
    (MEMBER, CERTIFICATE): Merge.FACT,
    (MEMBER, REVOKED): Merge.FACT,
    (LIBRARY, LIBRARY_NAME): Merge.FACT,
    (ALBUM, ALBUM_NAME): Merge.CONTESTED,
    (ALBUM, ALBUM_QUERY): Merge.CONTESTED,
    (ALBUM, ALBUM_GONE): Merge.CONTESTED,
    (REMOVALS, CONFIRMED): Merge.FACT,
    (SHOOT, GROUP_NAME): Merge.CONTESTED,
    (STACK, GROUP_NAME): Merge.CONTESTED,
}

FIRST_WORDS = frozenset({(PHOTO, PATH)})
"""Registers whose earliest writes stand: one that had seen another has no effect."""

EDITABLE = (RATING, LABEL, FLAG, TITLE, CAPTION, GPS)
"""The registers that a person edits through REST, the page and the command line."""


def merge_of(kind: str, field: str) -> Merge:
    """Return how `field` of a subject of `kind` merges.

    Policies, jobs and whatever a newer photonic brings need no rows: their registers contest.
    """
    if kind == PHOTO and field.startswith(PREVIEW_PREFIX):
        return Merge.FACT
    if kind == MEMBER and field.startswith(KEY_PREFIX):
        return Merge.FACT
    return _TABLE.get((kind, field), Merge.CONTESTED)
