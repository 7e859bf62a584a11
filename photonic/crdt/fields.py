"""Which fields a subject has and how each of them merges: the one table.

A field that is not in the table (from a newer photonic) merges as a contested register and is
shown as it is: an old node never destroys what it does not understand.
"""

from __future__ import annotations

import enum

from photonic.ids import ALBUM, LIBRARY, MEMBER, PHOTO


class Merge(enum.Enum):
    """How concurrent writes of one field come together."""

    CONTESTED = "contested"  # several different values stay visible until someone settles them
    FACT = "fact"  # read off a file by a machine: one is picked, the same on all nodes
    TAGS = "set"  # an add-wins set; a remove names the adds that it saw


# Photo fields. Shapes of the values are in docs/catalog-format.md.
ORIGINAL = "original"  # photos.BlobRef as a list: blob, size in bytes, chunk list
RATING, LABEL, TITLE, CAPTION, GPS = "rating", "label", "title", "caption", "gps"
TAGS = "tags"
NAME, FOLDER, FACTS = "name", "folder", "facts"
IMPORTED = "imported_ms"
PREVIEW_PREFIX = "preview/"  # preview/256, preview/1600: width, height, BlobRef
SIDECAR_PREFIX = "sidecar/"  # sidecar/xmp: BlobRef

# Member and library fields.
CERTIFICATE, REVOKED = "certificate", "revoked"
LIBRARY_NAME = "name"

_TABLE: dict[tuple[str, str], Merge] = {
    (PHOTO, ORIGINAL): Merge.CONTESTED,
    (PHOTO, RATING): Merge.CONTESTED,
    (PHOTO, LABEL): Merge.CONTESTED,
    (PHOTO, TITLE): Merge.CONTESTED,
    (PHOTO, CAPTION): Merge.CONTESTED,
    (PHOTO, GPS): Merge.CONTESTED,
    (PHOTO, TAGS): Merge.TAGS,
    (PHOTO, NAME): Merge.FACT,
    (PHOTO, FOLDER): Merge.FACT,
    (PHOTO, FACTS): Merge.FACT,
    (PHOTO, IMPORTED): Merge.FACT,
    (MEMBER, CERTIFICATE): Merge.FACT,
    (MEMBER, REVOKED): Merge.FACT,
    (LIBRARY, LIBRARY_NAME): Merge.FACT,
    (ALBUM, "photos"): Merge.TAGS,
}

EDITABLE = (RATING, LABEL, TITLE, CAPTION, GPS)
"""The registers that a person edits through REST, the page and the command line."""


def merge_of(kind: str, field: str) -> Merge:
    """Return how `field` of a subject of `kind` merges."""
    if kind == PHOTO and field.startswith(PREVIEW_PREFIX):
        return Merge.FACT
    return _TABLE.get((kind, field), Merge.CONTESTED)
