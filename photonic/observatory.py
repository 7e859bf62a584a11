"""What this node says of itself and of others: status, peers, greeting, health.

It gathers facts from everywhere and decides nothing; what follows from them is in status.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import trio

from photonic import __version__, limits
from photonic.admission import Admissions
from photonic.checks import check_file_system, check_stored
from photonic.config import Settings
from photonic.crdt.catalog import Catalog
from photonic.crdt.projection import ORIGINAL_KIND
from photonic.crdt.query import Totals
from photonic.errors import RemovalsHeld, StoreFull
from photonic.events import PeerChanged
from photonic.ids import NodeId, peer_id
from photonic.intake import Intake
from photonic.library import Library
from photonic.moving import view_of
from photonic.p2p.connector import Connector
from photonic.p2p.messages import Hello
from photonic.p2p.peers import Peer, PeerBook, is_like
from photonic.p2p.reaching import Ways
from photonic.p2p.sessions import Sessions
from photonic.p2p.transfers import Transfers
from photonic.p2p.transport import PeerDown, PeerEvent, ReachingTransport
from photonic.p2p.ways import Way
from photonic.problems import Problems
from photonic.redundancy import Place, RedundancyView, redundancy
from photonic.roles.role import Role
from photonic.scrubber import Scrubber
from photonic.search.criteria import ALL, NOTHING
from photonic.showing import iso_utc
from photonic.status import Facts, mode, state
from photonic.views import (
    DoctorView,
    HoldingsView,
    LibraryView,
    NodeView,
    PeerView,
    ProblemView,
    StatusView,
)
from photonic.world import World


class Observatory:
    """Reads everything, changes nothing."""

    def __init__(
        self,
        settings: Settings,
        role: Role,
        me: NodeId,
        library: Library,
        admissions: Admissions,
        transport: ReachingTransport,
        book: PeerBook,
        sessions: Sessions,
        connector: Connector,
        transfers: Transfers,
        intake: Intake,
        problems: Problems,
        world: World,
        scrubber: Scrubber,
        ways: Ways,
        name_of: Callable[[NodeId], str | None],
    ) -> None:
        self._name_of = name_of
        self._scrubber, self._ways = scrubber, ways
        self._settings, self._role, self._me, self._library = settings, role, me, library
        self._admissions, self._transport, self._book = admissions, transport, book
        self._sessions, self._connector, self._transfers = sessions, connector, transfers
        self._intake, self._problems, self._world = intake, problems, world
        self._changed = trio.Event()
        self.pid = os.getpid()
        self.http = ""

    def note_change(self) -> None:
        """Something about this node may be different now. Neither blocks nor raises."""
        self._changed.set()

    async def wait_changed(self) -> None:
        """Wait for the next change, and a little, so that many changes are told at once."""
        await self._changed.wait()
        await trio.sleep(limits.HELLO_PAUSE_S)
        self._changed = trio.Event()

    # --- this node ---------------------------------------------------------------------------

    async def totals(self) -> Totals:
        """Count photos, and the originals that are here."""
        return await trio.to_thread.run_sync(self._library.query.totals, (ORIGINAL_KIND,))

    def facts(self, conflicts: int) -> Facts:
        others = [node for node in self._admissions.members() if node != self._me]
        connected = [node for node in others if node in self._transport.connected()]
        return Facts(
            role=self._role.name,
            cannot_write=any(p.code == StoreFull.code for p in self._problem_views()),
            conflicts=conflicts,
            members=len(others),
            connected=len(connected),
            dialling=len(self._connector.dialling),
            rounds_under_way=len(self._sessions.busy),
            transfers=self._transfers.count,
            central_near=any(self._is_near_central(node) for node in connected),
            metered=self._transfers.throttle.bandwidth.metered,
        )

    def _is_near_central(self, node: NodeId) -> bool:
        footing = self._transport.footing(node)
        is_near = footing is not None and footing.way is Way.LAN
        return is_near and self._role_of(node) == "central"

    async def status(self) -> StatusView:
        totals = await self.totals()
        facts = self.facts(totals.contested)
        wanted = totals.wanted if self._role.wants_originals else totals.held
        moving = self._transfers.snapshot(limits.TRANSFERS_IN_STATUS_MAX)
        return StatusView(
            node=NodeView(
                peer_id(self._me),
                self._settings.name,
                self._role.name,
                state(facts).value,
                mode(facts).value,
            ),
            library=LibraryView(self._library.record.id, self._admissions.library_name),
            photos=totals.photos,
            conflicts=totals.contested,
            peers=facts.connected,
            holdings=HoldingsView(wanted, totals.held, totals.held_bytes),
            problems=[*self._problem_views(), *await self._removals_held()],
            transfers=[view_of(one) for one in moving],
            imports=self._intake.views(),
            listen=self.listen(),
            http=self.http,
            version=__version__,
            wants=await self._wants(),
            catalog=self._catalog(),
            scrub=await self._scrubber.view(),
        )

    def _problem_views(self) -> list[ProblemView]:
        views = [
            ProblemView(p.code, p.message, p.fix, p.path or None) for p in self._problems.list()
        ]
        stuck = self._transfers.problem
        if stuck is not None:
            views.append(ProblemView(stuck.code, stuck.message, stuck.fix, None))
        return views

    async def _removals_held(self) -> list[ProblemView]:
        """Say whose removals the brake holds here, and what to do about it."""
        held = await trio.to_thread.run_sync(self._library.query.held_removals)
        problems = [
            RemovalsHeld(self._who(author), count, iso_utc(at_ms)) for author, count, at_ms in held
        ]
        return [ProblemView(p.code, p.message, p.fix, None) for p in problems]

    def _who(self, node: NodeId) -> str:
        return self._name_of(node) or peer_id(node)

    async def _wants(self) -> dict[str, object]:
        """What the role wants here, in its own words, and how much of it is here."""
        kinds = self._role.wanted_kinds
        totals = await trio.to_thread.run_sync(self._library.query.totals, kinds)
        return {
            "originals": await trio.to_thread.run_sync(self._originals),
            "previews": "all" if self._role.wants_previews else "none",
            "keeps": self._role.keeps,
            "blobs_wanted": totals.wanted,
            "blobs_held": totals.held,
        }

    def _originals(self) -> str:
        """Say whose originals are wanted here, by role and rules of placement. Blocks."""
        wanted = self._library.originals()
        if self._role.wants_originals:
            return "all" if wanted == ALL else "all but what rules keep away"
        return "its own" if wanted == NOTHING else "its own, and what rules want here"

    def _catalog(self) -> dict[str, object]:
        """What the catalog is busy with: shards to index, documents that peers differ in."""
        left, of = self._library.keeper.progress
        syncing = {
            peer_id(node): {"left": progress.left, "of": progress.of}
            for node, progress in self._sessions.progress().items()
        }
        return {"indexing": {"left": left, "of": of}, "syncing": syncing}

    def listen(self) -> list[str]:
        """Where others reach this node, as multiaddresses with its peer ID."""
        return [f"{address}/p2p/{peer_id(self._me)}" for address in self._transport.addresses()]

    async def hello(self) -> Hello:
        """What this node tells its peers of itself."""
        contested, (capacity_bytes, free_bytes) = await trio.to_thread.run_sync(self._measure)
        facts = self.facts(contested)
        return Hello(
            name=self._settings.name,
            host=self._world.host,
            role=self._role.name,
            state=state(facts).value,
            mode=mode(facts).value,
            version=__version__,
            addresses=self._transport.addresses()[: limits.PEER_ADDRESSES_SAID_MAX],
            capacity_bytes=capacity_bytes,
            free_bytes=free_bytes,
            capabilities=(*self._role.capabilities, *self._ways.capabilities),
            gives_originals=not self._transfers.throttle.bandwidth.holds_originals,
            now_ms=self._world.clock.now_ms(),
        )

    def _measure(self) -> tuple[int, tuple[int, int]]:
        files, home, library = self._world.files, self._settings.home, self._library
        room = library.store.quota.room(files.size_bytes(home), files.free_bytes(home))
        return library.query.totals((ORIGINAL_KIND,)).contested, room

    async def keep_telling(self, save: Callable[[bytes], None]) -> None:
        """Tell peers, and save where they are, whenever something about this node changed."""
        kept, told = b"", None
        while True:
            await self.wait_changed()
            hello = await self.hello()
            if told is None or not is_like(told, hello):
                self._sessions.say_hello(hello)
                told = hello
            dump = self._book.dump()
            if dump != kept:
                await trio.to_thread.run_sync(save, dump)
                kept = dump

    # --- others ------------------------------------------------------------------------------

    def peer_event(self, event: PeerEvent) -> PeerChanged:
        return PeerChanged(event.node, not isinstance(event, PeerDown))

    def peers(self) -> list[PeerView]:
        """All other members, connected ones first, then by name."""
        others = [node for node in self._admissions.members() if node != self._me]
        views = [self._peer(self._book.get(node)) for node in others]
        return sorted(views, key=lambda view: (view.link == "none", view.name, view.id))

    def _peer(self, peer: Peer) -> PeerView:
        hello = peer.hello
        is_connected = peer.node in self._transport.connected()
        dialling = peer.node in self._connector.dialling
        footing = self._transport.footing(peer.node)
        away = "connecting" if dialling else "offline"
        seen_ms = self._world.clock.now_ms() if is_connected else peer.last_seen_ms
        return PeerView(
            id=peer_id(peer.node),
            name=self._name_of(peer.node) or "",
            host=hello.host if hello else None,
            role=self._role_of(peer.node),
            state=hello.state if hello and is_connected else away,
            mode=hello.mode if hello else "roaming",
            addresses=list(peer.addresses),
            link=footing.way.word if footing is not None else "none",
            via=self._who(footing.via) if footing is not None and footing.via else None,
            address=footing.address if footing is not None else None,
            why_not_better=self._ways.why_not_better(peer),
            latency_ms=self._transport.latency_ms(peer.node) if is_connected else None,
            capacity_bytes=hello.capacity_bytes if hello else None,
            free_bytes=hello.free_bytes if hello else None,
            capabilities=list(hello.capabilities) if hello else [],
            last_seen=iso_utc(seen_ms) if seen_ms is not None else None,
        )

    def _role_of(self, node: NodeId) -> str:
        hello = self._book.get(node).hello
        member = self._admissions.member(node)
        return hello.role if hello else (member.certificate.role if member else "")

    async def redundancy(self) -> RedundancyView:
        """Add up where the copies of all photos are. Reads every photo's line of the index."""
        connected = {self._me, *self._transport.connected()}
        members = {
            node: Place(self._who(node), self._role_of(node), node in connected)
            for node in {self._me, *self._admissions.members()}
        }
        sets = await trio.to_thread.run_sync(self._library.query.copy_sets)
        scrub = await self._scrubber.view()
        return redundancy(
            sets, members, self._me, wants_all=self._role.wants_originals,
            min_copies=self._settings.min_copies, oldest=scrub.oldest, overdue=scrub.overdue,
        )  # fmt: skip

    # --- health ------------------------------------------------------------------------------

    async def doctor(self) -> list[DoctorView]:
        """Check what can go wrong, and say what to do about what did."""
        refused = await self._library.keeper.call(Catalog.quarantined)
        status = await self.status()
        free = await trio.to_thread.run_sync(self._world.files.free_bytes, self._settings.home)
        checks = [
            *await self._catalog_checks(),
            await self._stored_check(),
            check_file_system(await trio.to_thread.run_sync(lambda: self._library.store.abilities)),
            DoctorView(
                "room",
                free > limits.DISK_RESERVE_BYTES,
                f"{free / 1e9:,.1f} GB are free in {self._settings.home}",
                "" if free > limits.DISK_RESERVE_BYTES else StoreFull.fix,
            ),
            DoctorView(
                "quarantine",
                not refused,
                f"{len(refused)} updates from peers were refused"
                + (f"; the last: {refused[0].reason}" if refused else ""),
                ""
                if not refused
                else "Bring the peer that sent them to this version, or revoke it.",
            ),
            DoctorView(
                "peers",
                status.peers > 0 or len(self._admissions.members()) == 1,
                f"{status.peers} of {len(self._admissions.members()) - 1} are connected",
                "" if status.peers else "Start the other nodes, or add an address with --peer.",
            ),
            DoctorView("router", True, self._ways.portmap.state if self._settings.upnp else "off"),
            DoctorView(
                "originals",
                status.holdings.held >= status.holdings.wanted,
                f"{status.holdings.held} of {status.holdings.wanted} wanted are here",
                ""
                if status.holdings.held >= status.holdings.wanted
                else "They come by themselves when a node that holds them is connected.",
            ),
        ]
        return checks + [
            DoctorView(problem.code, False, f"{problem.path or ''} {problem.message}", problem.fix)
            for problem in status.problems
        ]

    async def _stored_check(self) -> DoctorView:
        """Whether what is stored was verified lately, and is right."""
        query, scrub = self._library.query, await self._scrubber.view()
        damaged = sorted(self._scrubber.damaged)[: limits.PAGE_ITEMS_DEFAULT]

        def count_alone() -> int:
            originals = [blob for blob in damaged if query.photo(blob) is not None]
            return sum(1 for blob in originals if not query.holders(blob) - {self._me})

        alone = await trio.to_thread.run_sync(count_alone)
        return check_stored(scrub, alone, self._scrubber.age_days(scrub))

    async def _catalog_checks(self) -> list[DoctorView]:
        """What is wrong with the catalog's own files, and whether it is complete."""
        keeper = self._library.keeper

        def look(catalog: Catalog) -> tuple[int, list[str], int]:
            return (
                sum(catalog.upkeep.lacking.values()),
                list(catalog.upkeep.recovered),
                catalog.returned,
            )

        lacking, recovered, returned = await keeper.call(look)
        query = self._library.query
        authors = await trio.to_thread.run_sync(query.authors)
        twice = await trio.to_thread.run_sync(query.repeated_numbers, 10)
        missing = {node: last - count for node, (count, last) in authors.items() if last > count}
        told = [*keeper.damaged, *keeper.notes, *recovered]
        return [
            DoctorView(
                "journal",
                not keeper.damaged,
                "; ".join(told) or "every entry read is sound",
                f"{lacking:,} changes are lacking; they come from a node that has them."
                if keeper.damaged
                else "",
            ),
            DoctorView(
                "rollback",
                not returned,
                f"{returned} changes of this node came back from others: its folder is an older"
                " copy" if returned else "this node knows all that it told others",
                "Nothing is lost; what was said since the copy is merged." if returned else "",
            ),
            DoctorView(
                "numbers",
                not missing,
                "; ".join(f"{count:,} changes of {self._who(node)} have not come yet"
                          for node, count in missing.items())
                or (f"{len(twice)} numbers were given twice, by nodes that were put back to an"
                    " older copy; both changes count" if twice
                    else "all changes up to the last of each node are here"),
                "They come by themselves when a node that has them is connected."
                if missing else "",
            ),
        ]  # fmt: skip
