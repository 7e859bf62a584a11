"""The values that photos have, with how many have each: what a search can be narrowed by."""

from __future__ import annotations

from collections import Counter

from photonic.crdt.lexicon import Read
from photonic.crdt.projection import kind_of
from photonic.crdt.rows import unpacked
from photonic.crdt.terms import CAMERA, FOLDER, LABEL, LENS, RATING, TAG, TYPE
from photonic.crdt.timeline import month_text

# A facet's kind of term, and whether its values are as shown or as keys.
_FACETS = {
    "camera": (CAMERA, "shown"),
    "lens": (LENS, "shown"),
    "label_key": (LABEL, "key"),
    "tag": (TAG, "key"),
    "folder": (FOLDER, "shown"),
    "rating": (RATING, "key"),
}


def facets_of(read: Read, limit: int) -> dict[str, dict[str, int]]:
    """Return for each facet at most `limit` values, the commonest first. See `PhotoQuery`."""
    trashed = _counts_in_trash(read)
    found: dict[str, dict[str, int]] = {}
    for facet, (kind, column) in _FACETS.items():
        rows = read(
            f"SELECT id, {column}, count FROM term WHERE kind = ? AND count > 0"  # noqa: S608
            " ORDER BY count DESC, key LIMIT ?",
            (kind, limit),
        )
        counted = ((value, count - trashed[number]) for number, value, count in rows)
        found[facet] = {value: count for value, count in counted if count > 0}
    kinds: Counter[str] = Counter()
    for number, media_type, count in read(
        "SELECT id, key, count FROM term WHERE kind = ?", (TYPE,)
    ):
        kinds[kind_of(media_type)] += count - trashed[number]
    found["kind"] = {kind: count for kind, count in kinds.most_common() if count > 0}
    months = read("SELECT month, count FROM month WHERE count > 0 ORDER BY month DESC", ())
    found["month"] = {month_text(month): count for month, count in months}
    return found


def _counts_in_trash(read: Read) -> Counter[int]:
    counts: Counter[int] = Counter()
    rows = read(
        "SELECT p.terms FROM posting q JOIN photo p ON p.n = q.n WHERE q.term ="
        " (SELECT id FROM term WHERE kind = 'is' AND key = 'trashed')",
        (),
    )
    for (terms,) in rows:
        counts.update(unpacked(terms))
    return counts
