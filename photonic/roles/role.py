"""What a role is: data that says what a node wants to have. Code never asks for a role's name.

What may be evicted, `retention.py` decides.
"""

from __future__ import annotations

from dataclasses import dataclass

from photonic.crdt.projection import ORIGINAL_KIND, PREVIEW_KIND, SIDECAR_KIND


@dataclass(frozen=True, slots=True)
class Role:
    """What nodes of one kind want, keep and show."""

    name: str
    wants_originals: bool  # of other nodes' photos; its own are kept in any case
    wants_previews: bool
    wants_sidecars: bool
    keeps: str  # in words, for `photonic status`
    capabilities: tuple[str, ...]
    is_always_on: bool = False  # brings others together, unless it is told not to
    is_lasting: bool = False  # its promise to keep a blob counts for those that evict theirs
    evicts: bool = False  # lets originals go when its buffer fills up, by proof

    @property
    def wanted_kinds(self) -> tuple[str, ...]:
        """The kinds of blobs that this role fetches from others."""
        wanted = {
            ORIGINAL_KIND: self.wants_originals,
            PREVIEW_KIND: self.wants_previews,
            SIDECAR_KIND: self.wants_sidecars,
        }
        return tuple(kind for kind, is_wanted in wanted.items() if is_wanted)
