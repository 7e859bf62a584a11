"""What a sidecar that somebody wrote in the tree says to the catalog. Pure.

The file is a version of `sidecar/darktable`. It was written over what the tree showed there, the
*base*: if that stands alone, the new one takes its place; if something newer stands beside or
instead of it, the writer had not seen that, and the catalog keeps both. Of what the file says of
the photo counts what it says otherwise than its base did.
"""

from __future__ import annotations

from typing import Any

from photonic.crdt.changes import Draft
from photonic.crdt.fields import TAGS
from photonic.crdt.fold import SubjectState
from photonic.drafts import blob_of, is_so, plain, said, sidecar_field
from photonic.ids import ChangeId
from photonic.photos import BlobRef, Marks
from photonic.tree.picture import IMPORTED, WRITTEN, SidecarVersion

_OWN_TAGS = "darktable|"  # what darktable notes for itself


def field_of(base: SidecarVersion | None, number: int, name: str) -> str:
    """Return the field that a file belongs to: `number` is which duplicate its name says."""
    if base is not None:
        return WRITTEN if base.field == IMPORTED else base.field
    return WRITTEN if number == 0 else sidecar_field(name)


def written(
    state: SubjectState,
    field: str,
    base: SidecarVersion | None,
    ref: BlobRef,
    marks: Marks | None = None,
    base_marks: Marks | None = None,
) -> Draft | None:
    """Return what to say of a sidecar that was written; None if that is known.

    `marks`: what it says of the photo, if it is the one that speaks for it; `base_marks` are those
    of its base.
    """
    versions = state.fields[field].versions if field in state.fields else ()
    if any(blob_of(version.value) == ref.blob for version in versions):
        return None
    sets: dict[str, Any] = {field: plain(ref)}
    adds, removes = list[str](), list[str]()
    if marks is not None:
        old_marks = base_marks or Marks()
        sets |= _changed(state, marks, old_marks, clears=field == WRITTEN and base is not None)
        known = {*old_marks.keywords, *state.tags.get(TAGS, {})}
        adds = [word for word in _tags(marks) if word not in known]
        if base is not None and base.field == WRITTEN:
            left = frozenset(marks.keywords)
            removes = [word for word in _tags(old_marks) if word not in left]
    return Draft(
        state.subject,
        sets,
        {TAGS: tuple(adds)} if adds else {},
        {TAGS: tuple(removes)} if removes else {},
        seen=_seen(state, field, base),
    )


def _changed(
    state: SubjectState, marks: Marks, old_marks: Marks, *, clears: bool
) -> dict[str, Any]:
    """Return what a sidecar says otherwise than its base, and what it does not say any more."""
    old, new = said(old_marks), said(marks)
    sets: dict[str, Any] = {
        name: value
        for name, value in new.items()
        if old.get(name) != value and not is_so(state, name, value)
    }
    if clears:
        sets |= {name: None for name, value in old.items() if name not in new}
        sets = {name: v for name, v in sets.items() if v is not None or not is_so(state, name, v)}
    return sets


def _tags(marks: Marks) -> list[str]:
    return [word for word in marks.keywords if not word.startswith(_OWN_TAGS)]


def _seen(
    state: SubjectState, field: str, base: SidecarVersion | None
) -> frozenset[ChangeId] | None:
    """Return what the writer had seen, None if that is everything that there is."""
    standing = [v.change for v in state.fields[field].versions] if field in state.fields else []
    if base is None:
        return state.lineage.earliest(state.lineage) if standing else None
    if base.field != field:
        return frozenset({base.change}) if standing else None
    return None if standing == [base.change] else frozenset({base.change})
