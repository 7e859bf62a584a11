"""The trash and the gallery of a node that writes down what people do with them.

Each does what its base does and announces it when it is done; what was refused is not announced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from photonic.edits import Chosen
from photonic.events import Audited, Event
from photonic.gallery import Gallery
from photonic.photo_views import BulkEditView, HeldRemovalsView, PhotoDetail, PurgeView
from photonic.trash import Trash

Announce = Callable[[Event], object]


class AuditedTrash(Trash):
    """Removals, what was taken back, what was confirmed, and what went for good."""

    def __init__(self, *parts: Any, announce: Announce) -> None:
        super().__init__(*parts)
        self._announce = announce

    async def discard(
        self, chosen: Chosen, *, confirm: bool, dry_run: bool = False
    ) -> BulkEditView:
        done = await super().discard(chosen, confirm=confirm, dry_run=dry_run)
        if done.act is not None:
            self._announce(Audited("photos.trashed", _of(done)))
        return done

    async def restore(self, chosen: Chosen) -> BulkEditView:
        done = await super().restore(chosen)
        if done.act is not None:
            self._announce(Audited("photos.restored", _of(done)))
        return done

    async def confirm(self, node: str) -> list[HeldRemovalsView]:
        held = await super().confirm(node)
        self._announce(Audited("removals.meant", {"node": node}))
        return held

    async def empty(self) -> PurgeView:
        gone = await super().empty()
        if gone.photos:
            facts = {"photos": str(gone.photos), "bytes": str(gone.bytes)}
            self._announce(Audited("photos.purged", facts))
        return gone


class AuditedGallery(Gallery):
    """What was settled."""

    def __init__(self, *parts: Any, announce: Announce) -> None:
        super().__init__(*parts)
        self._announce = announce

    async def resolve(
        self, photo: str, field: str, *, change: str | None, value: object
    ) -> PhotoDetail:
        settled = await super().resolve(photo, field, change=change, value=value)
        facts = {"photo": photo, "field": field, "change": change or "a value"}
        self._announce(Audited("conflict.resolved", facts))
        return settled


def _of(done: BulkEditView) -> dict[str, str]:
    return {"photos": str(done.count), "act": done.act or ""}
