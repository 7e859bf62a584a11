"""What this node wants to hold, as the engine asks for it, and what of it is here already."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from photonic.blobs.store import BlobStore, Partial
from photonic.errors import PhotonicError
from photonic.ids import BlobId, NodeId
from photonic.p2p.planner import Want
from photonic.photos import BlobRef

log = logging.getLogger(__name__)


class Wants(Protocol):
    """What this node wants to hold, as the catalog and its role say."""

    async def wanted(self, limit: int, reachable: frozenset[NodeId]) -> Sequence[Want]:
        """Return the wants that at least one of `reachable` holds, most urgent first.

        At most `limit` of them, none that is held already. Holders that are not reachable may be
        named as well.
        """
        ...

    async def arrived(self, refs: Sequence[BlobRef]) -> None:
        """Hear that wanted blobs are durably stored and verified now. May be told twice.

        They come in batches, so that what is said of them can be made durable in batches, too.
        """
        ...


def look_up(
    store: BlobStore, refs: Sequence[BlobRef], resumes: bool
) -> tuple[list[BlobRef], dict[BlobId, Partial | None]]:
    """Find out what is held already, and (`resumes`) of the rest what is here in part. Blocks."""
    held: list[BlobRef] = []
    looked_up: dict[BlobId, Partial | None] = {}
    begun = set(store.partials())
    for ref in refs:
        try:
            if store.has(ref.blob):
                held.append(ref)
                continue
            is_here = resumes and ref.blob in begun
            looked_up[ref.blob] = store.resume(ref) if is_here else None
        except (PhotonicError, OSError) as error:
            log.warning("%s", error)  # no room for the rest of it: begun anew when there is
            looked_up[ref.blob] = None
    return held, looked_up
