"""Looks after the library's keys on one node: gives them, makes new ones, shows who has them.

On an admin's node, whoever becomes a member is given the keys, and when a member that had the key
is revoked a new one is made at once; other nodes wait for what admins write. What each node must do
follows from roster and keys alone (`provision.py`), so nothing is lost by a crash.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import trio

from photonic.catalog_thread import CatalogThread
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.index import PhotoIndex
from photonic.crdt.library_keys import LibraryKey, readers
from photonic.crdt.sealing import POLICY_FIELDS, SEALABLE, SEALING_POLICY
from photonic.errors import EditInvalid
from photonic.events import Audited, Event
from photonic.ids import LibraryId, NodeId, peer_id
from photonic.key_views import KeyFileView, KeyHolderView, KeysView, LibraryKeyView
from photonic.layout import Layout
from photonic.provision import Provided, provide
from photonic.resealing import reseal
from photonic.showing import NameOf
from photonic.world import World

log = logging.getLogger(__name__)

NAME_DIGITS = 8  # of a key's name, in what is told


class KeyCustody:
    """See the module."""

    def __init__(
        self,
        thread: CatalogThread,
        index: PhotoIndex,
        me: NodeId,
        world: World,
        announce: Callable[[Event], object],
        name_of: NameOf,
        layout: Layout,
        library: LibraryId,
    ) -> None:
        self._thread, self._index, self._me, self._world = thread, index, me, world
        self._announce, self._name_of = announce, name_of
        self._layout, self._library = layout, library
        self._news = trio.Event()

    def note(self) -> None:
        """Roster or keys are others now. Neither blocks nor raises."""
        self._news.set()

    async def run(self) -> None:
        """Give what is due, now and whenever somebody comes or goes."""
        while True:
            self._news = trio.Event()
            self._tell(await self._thread.call(self._provide))
            await self._news.wait()

    def _provide(self, catalog: Catalog) -> Provided:
        return provide(catalog, self._me, self._world)

    async def rotate(self) -> KeysView:
        """Make a new key, for all members that may read. Raises NotAllowed."""

        def work(catalog: Catalog) -> Provided:
            return provide(catalog, self._me, self._world, rotates=True)

        self._tell(await self._thread.call(work), asked=True)
        return await self.view()

    def _tell(self, provided: Provided, *, asked: bool = False) -> None:
        for name in sorted(provided.made):
            reason = "asked for" if asked else "a member that had the key was revoked"
            reason = "the library had none" if provided.is_first else reason
            act = "key.created" if provided.is_first else "key.rotated"
            log.info("a new library key %s: %s", name[:NAME_DIGITS], reason)
            self._announce(Audited(act, {"library_key": name, "reason": reason}))
        for node in sorted(provided.given):
            self._announce(Audited("key.given", {"to": peer_id(node)}))

    # --- what is sealed ----------------------------------------------------------------------

    async def seal_fields(self, fields: Sequence[str]) -> KeysView:
        """Make these the fields that are sealed from now on. Raises EditInvalid, NotAllowed."""
        unknown = sorted(set(fields) - set(SEALABLE))
        if unknown:
            raise EditInvalid(
                f"{', '.join(unknown)} cannot be sealed; {', '.join(SEALABLE)} can be"
            )
        wanted = sorted(set(fields))

        def work(catalog: Catalog) -> None:
            catalog.write([Draft(SEALING_POLICY, {POLICY_FIELDS: wanted})])

        await self._thread.call(work)
        self._announce(Audited("key.fields", {"sealed": ", ".join(wanted) or "none"}))
        return await self.view()

    async def reseal(self) -> int:
        """Seal with the current key what is shown and is not; return of how many photos.

        Raises NotAllowed.
        """
        count = await reseal(self._thread, self._world.entropy)
        self._announce(Audited("key.resealed", {"photos": str(count)}))
        return count

    # --- showing -----------------------------------------------------------------------------

    async def view(self) -> KeysView:
        """Return the keys, who has them, and how this node keeps its own."""

        def read(catalog: Catalog) -> KeysView:
            keys, now_ms = catalog.keys, self._world.clock.now_ms()
            newest = keys.newest
            wanted = readers(catalog.roster, now_ms)
            lacking = [node for node in wanted if newest is not None and node not in newest.given]
            ordered = sorted(keys.keys.values(), key=lambda key: (key.number, key.name))
            return KeysView(
                [
                    self._key(key, catalog.roster.authority, is_current=key == newest)
                    for key in reversed(ordered)
                ],
                sorted(catalog.sealing.fields),
                [self._holder(node, catalog.roster.authority) for node in lacking],
                self._index.count_sealed(),
                self._files(),
            )

        return await self._thread.call(read)

    def _key(
        self, key: LibraryKey, authority: NodeId | None, *, is_current: bool
    ) -> LibraryKeyView:
        return LibraryKeyView(
            name=key.name.hex(),
            number=key.number,
            current=is_current,
            here=key.secret is not None,
            counts=key.counts,
            holders=[self._holder(node, authority) for node in sorted(key.given)],
        )

    def _holder(self, node: NodeId, authority: NodeId | None) -> KeyHolderView:
        name = "the library's authority" if node == authority else self._name_of(node)
        return KeyHolderView(peer_id(node), name)

    def _files(self) -> list[KeyFileView]:
        vault = self._layout.vault
        paths = {
            "node": self._layout.node_key,
            "authority": self._layout.authority_key(self._library),
        }
        return [
            KeyFileView(secret, str(path), vault.kept(path).value)
            for secret, path in paths.items()
            if path.exists()
        ]
