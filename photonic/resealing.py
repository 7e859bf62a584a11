"""Says again, sealed with the current key, what stands in the clear or under an older key.

For a library from before there were seals, and after a rotation. What was written before stays in
the history as it is, and whoever could read that still can: this is for what is shown, not for what
was. Contested values are left, for only a person settles them; so is what cannot be read here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from photonic import limits
from photonic.catalog_thread import CatalogThread
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import ACT_BYTES, Draft
from photonic.crdt.fields import FACTS, GPS
from photonic.crdt.keys import ROOT
from photonic.crdt.sealing import is_sealed, key_named_by
from photonic.ids import PHOTO, Subject
from photonic.world import Entropy


async def reseal(thread: CatalogThread, entropy: Entropy) -> int:
    """Write what is due, in pieces, as one act; return how many photos it was. Raises NotAllowed.

    May be repeated: what is sealed with the current key is passed over.
    """
    act, count = entropy.token(ACT_BYTES), 0
    for shard in range(ROOT):
        subjects: list[Subject] = await thread.call(partial(_photos, shard))
        for start in range(0, len(subjects), limits.STALE_PIECE):
            some = subjects[start : start + limits.STALE_PIECE]
            count += await thread.call(partial(_write, some, act))
    return count


def _photos(shard: int, catalog: Catalog) -> list[Subject]:
    return sorted(one for one in catalog.subjects(shard) if one.kind == PHOTO)


def _write(subjects: Sequence[Subject], act: bytes, catalog: Catalog) -> int:
    drafts = []
    for subject in subjects:
        sets = dict(_due(catalog, subject))
        if sets:
            drafts.append(Draft(subject, sets, act=act))
    return len(catalog.write(drafts))


def _due(catalog: Catalog, subject: Subject) -> Iterator[tuple[str, Any]]:
    """Yield the fields to say again, with their values as they read."""
    sealing = catalog.sealing
    if sealing.writes_with is None:
        return
    state = catalog.state(subject)
    written = {signed.id: signed.change.sets for signed in catalog.directory.changes(subject)}
    for name in (GPS, FACTS):
        field = state.fields.get(name)
        if field is None or (name == GPS and field.is_contested):
            continue
        shown = field.versions[0]
        said = sealing.sealed(subject, {name: shown.value})[name]
        is_to_be_sealed = is_sealed(said) and not is_sealed(shown.value)
        if is_to_be_sealed and key_named_by(written[shown.change][name]) != sealing.writes_with:
            yield name, shown.value
