"""Which words about a photo's original count: a photo is never hidden by writing over it. Pure.

A photo's id is the BLAKE3 of its first original. So a version that names that very blob says what
nobody can honestly deny, and only one that says the same supersedes it: another blob is another
original beside it, for a person to judge. What names no blob at all says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from photonic.crdt.fields import ORIGINAL
from photonic.crdt.lineage import Lineage
from photonic.ids import HASH_BYTES, PHOTO, ChangeId, Subject
from photonic.photos import BlobRef

_INTEGER_END = 1 << 63


def blob_ref(value: Any) -> BlobRef | None:
    """Read what a peer wrote as a blob; None if it is none."""
    try:
        ref = msgspec.convert(value, BlobRef)
    except (msgspec.ValidationError, TypeError, ValueError):
        return None
    if len(ref.blob) != HASH_BYTES or len(ref.chunks) != HASH_BYTES:
        return None
    return ref if 0 <= ref.size_bytes < _INTEGER_END else None


def is_of_originals(subject: Subject, name: str) -> bool:
    """Whether `name` is the field of a subject that this module is about."""
    return subject.kind == PHOTO and name == ORIGINAL


def is_own(subject: Subject, value: Any) -> bool:
    """Whether a value names the blob whose name the photo has."""
    ref = blob_ref(value)
    return ref is not None and ref.blob == subject.key


def standing(
    subject: Subject, values: Mapping[ChangeId, Any], lineage: Lineage
) -> frozenset[ChangeId]:
    """Return those of the writes of `original` that nothing superseded.

    To look among the latest of all and of each of the photo's own is enough: what superseded one
    has a descendant there that supersedes it as well.
    """
    own: dict[tuple[int, bytes], list[ChangeId]] = {}
    for name, value in values.items():
        ref = blob_ref(value)
        if ref is not None and ref.blob == subject.key:
            own.setdefault((ref.size_bytes, ref.chunks), []).append(name)
    usable = [name for name, value in values.items() if blob_ref(value) is not None]
    kept = {name for name in lineage.latest(usable) if not is_own(subject, values[name])}
    return frozenset(kept).union(*(lineage.latest(same) for same in own.values()))


def first_own(
    subject: Subject, said: Mapping[ChangeId, tuple[Any, int]], lineage: Lineage
) -> ChangeId | None:
    """Return which of the photo's own originals was named first: (value, stamp) by change."""
    own = [name for name, (value, _) in said.items() if is_own(subject, value)]
    before = [n for n in own if not any(lineage.had_seen(n, other) for other in own)]
    return min(before, key=lambda name: (said[name][1], name), default=None)
