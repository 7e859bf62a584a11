"""The object graph of one node.

This and `keeping.py` are where parts are made and joined; everything else gets what it needs
through its constructor. How they run is `running.py`, what they answer `answers.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio
from prometheus_client import CollectorRegistry

from photonic.acquaintances import Acquaintances
from photonic.admission import Admissions
from photonic.albums import Albums
from photonic.audit_acts import Refusals, acts_of
from photonic.audit_log import AuditLog
from photonic.audited import AuditedGallery, AuditedTrash
from photonic.blobs.files import FileStore
from photonic.catalog_tasks import CatalogTasks
from photonic.config import Settings
from photonic.crdt.commits import Committed
from photonic.edits import Edits
from photonic.entrance import open_entrance
from photonic.errors import KeysExposed, LibraryNotEmpty, PeerShunned
from photonic.events import Audited, Event, EventLog
from photonic.exports import open_exports
from photonic.finder import Finder
from photonic.grace import Grace
from photonic.histories import Histories
from photonic.identity import Identity
from photonic.ids import NodeId, peer_id
from photonic.ingest.importer import Importer
from photonic.ingest.seen import Seen
from photonic.ingest.suspects import Suspect, Suspects
from photonic.intake import Intake
from photonic.keeping import Keeping
from photonic.key_custody import KeyCustody
from photonic.layout import Layout, LibraryRecord
from photonic.library import Library
from photonic.limiter import Limiter
from photonic.measures import NodeMeasures
from photonic.members import Members
from photonic.membership import join_library
from photonic.observatory import Observatory
from photonic.p2p.conduct import Conduct
from photonic.p2p.connector import Connector
from photonic.p2p.doorkeeper import Doorkeeper
from photonic.p2p.invitations import parse_code
from photonic.p2p.lanes import Lanes
from photonic.p2p.messages import CATALOG_PROTOCOL, Hello
from photonic.p2p.peers import PeerBook
from photonic.p2p.rates import Bandwidth
from photonic.p2p.reaching import Ways
from photonic.p2p.sessions import Sessions
from photonic.p2p.throttle import Throttle
from photonic.p2p.transfers import Transfers
from photonic.p2p.transport import Admission, PeerEvent, PeerUp
from photonic.parts import MachineParts, Parts
from photonic.placement.policy import PLACEMENT_POLICY
from photonic.policies import Policies
from photonic.problems import Problems
from photonic.roles.presets import ROLES
from photonic.views import LibraryView
from photonic.world import World


class Node(Keeping):
    """One running node of one library. Implements `views.LocalNode`."""

    def __init__(
        self,
        settings: Settings,
        layout: Layout,
        record: LibraryRecord,
        world: World,
        parts: Parts | None = None,
    ) -> None:
        super().__init__(settings, self._on_peer)
        self.parts = parts or MachineParts()
        self.layout, self.record, self.world = layout, record, world
        self.role = ROLES[settings.role or record.role]
        self.events = EventLog()
        self.metrics = CollectorRegistry()
        self.problems = Problems(self.events.announce)
        self.identity = Identity.load_or_create(layout.node_key, world, layout.vault)
        self.audit = AuditLog(layout.audit, self.identity, world, self.problems)
        self.events.listen(self._write_down)
        self._check_keys()
        self.store = FileStore.open(layout.blobs, world, settings.quota_bytes)
        self._make_readers()
        self.transport = self.parts.transport(self.identity, settings.listen, world)
        self.book = PeerBook(self.identity.node)
        self.throttle = Throttle(world.clock)
        self.library = Library(
            layout, record, self.identity, self.role, self.store, world, self.events.announce,
            self._on_commit,
        )  # fmt: skip
        keeper = self.library.keeper
        self.admissions = Admissions(
            layout, keeper, record, self.identity, self.transport, world, self.events.announce
        )
        self.conduct = Conduct(world.clock, self._on_shunned)
        gate = self.conduct.gate(self.admissions.gate)
        self.gate = Refusals(gate, world.clock, self.events.announce)
        self._make_ways()
        self.seen = Seen(layout.index(record.library).with_name("seen.db"), world.clock)
        importer = self.importer = Importer(
            self.store, self.workers, self.library, self.problems, self.seen
        )
        self.intake = Intake(importer, world, self.events.announce, self.problems)
        self.tasks = self._make_tasks()
        self._make_services()
        self.observatory = self._make_observatory()
        NodeMeasures(
            self.metrics, self.library.query, self.transfers, self.problems, self.scrubber,
            self.ways.relay,
        )  # fmt: skip
        self.next_record: LibraryRecord | None = None  # set when the node goes on as another member

    def _make_ways(self) -> None:
        """Make what finds peers, speaks with them, and moves files."""
        settings, layout, world = self.settings, self.layout, self.world
        self.acquaintances = Acquaintances(
            self.book, self.admissions, settings.name, layout.peers, world.files, self._on_found
        )
        self.lanes = Lanes(
            self.transport, self.identity, layout.blobs, settings.listen, world,
            lambda node: self.ways.lane_address(node),  # noqa: PLW0108 - it comes next
            lambda report: self.ways.hear(report),  # noqa: PLW0108
            settings.lane_port, quota_bytes=settings.quota_bytes,
        )  # fmt: skip
        self.ways = Ways(
            self.transport, self.book, self.lanes, self.gate,
            self.acquaintances.name_of, world, self._relays,
            lambda report: self.transfers.hear(report),  # noqa: PLW0108
            lambda node: self.transfers.move(node),  # noqa: PLW0108
            self._on_other_addresses,
            self.parts.networks,
        )  # fmt: skip
        self.transfers = Transfers(
            self.transport, self.store, self.library, world, self.events.announce,
            lanes=self.lanes if self.parts.has_carrier else None, throttle=self.throttle,
        )  # fmt: skip
        self._make_doors()
        self.sessions = Sessions(
            self.transport, self.library.keeper.call, self.book, world, self._hello,
            self._on_peer_news, self.conduct,
            lambda node: self.doorkeeper.may_tell(node, CATALOG_PROTOCOL),
        )  # fmt: skip
        self.connector = Connector(
            self.transport, self.book, self.admissions.members, world,
            self.ways.attempts, self.ways.networks, self.ways.circuits.relays,
        )  # fmt: skip
        self.discovery = self.parts.neighbourhood(
            self.identity.node, self.transport.addresses, self.acquaintances.found
        )

    def _check_keys(self) -> None:
        """Close to others what they could read of this node's keys, and tell of it."""
        self.layout.vault.check()
        for note in self.layout.vault.repaired:
            self.problems.add(KeysExposed(note), note)

    def _make_readers(self) -> None:
        """Make what reads foreign files: it may read what is stored, and nothing else."""
        self.suspects = Suspects(self.layout.suspects, self.world, self._on_suspect)
        self.workers = self.parts.readers(self.settings, self.layout.blobs, self.suspects)

    def _make_observatory(self) -> Observatory:
        return Observatory(
            self.settings, self.role, self.identity.node, self.library, self.admissions,
            self.transport, self.book, self.sessions, self.connector, self.transfers, self.intake,
            self.problems, self.world, self.scrubber, self.ways, self.acquaintances.name_of,
        )  # fmt: skip

    def _make_doors(self) -> None:
        """Make what asks whether a peer, or somebody over HTTP, may do what it wants to."""
        announce, monotonic_s = self.events.announce, self.world.clock.monotonic_s
        self.doorkeeper = Doorkeeper(self._scopes_of, monotonic_s, announce, self.transport.drop)
        self.admissions.on_review = lambda: self.doorkeeper.review(self.transport.connected())
        self.entrance = open_entrance(self.settings, self.layout, self.world, announce)

    def _scopes_of(self, node: NodeId) -> Sequence[str] | None:
        """Return what a peer may do, now; None if it is no member."""
        member = self.admissions.member(node)
        is_member = self.admissions.gate(node) is Admission.MEMBER
        return member.certificate.scopes if member is not None and is_member else None

    def _relays(self) -> bool:
        """Whether this node brings others together, now."""
        is_on = {"on": True, "off": False}.get(self.settings.relay, self.role.is_always_on)
        return is_on and not self.throttle.bandwidth.metered

    def _make_services(self) -> None:
        """Make what answers for photos."""
        keeper, query, world = self.library.keeper, self.library.query, self.world
        own, name_of = self.identity.node, self.acquaintances.name_of
        self.finder = Finder(query, world.clock)
        self.edits = Edits(keeper, self.finder, world.entropy)
        self.history = Histories(keeper, query, self.edits, name_of)
        self.albums = Albums(keeper, query, self.finder, world.entropy)
        self.policies = Policies(keeper)
        self.custody = KeyCustody(
            keeper, keeper.index, own, world, self.events.announce, name_of, self.layout,
            self.record.library,
        )  # fmt: skip
        self.trash = AuditedTrash(
            keeper, query, self.edits, own, world.clock, name_of, self.library.drop,
            Grace(self.settings.trash_days, world, self.layout.grace(self.record.library)),
            announce=self.events.announce,
        )  # fmt: skip
        self.gallery = AuditedGallery(
            keeper, query, self.finder, self.store, self.workers, name_of, own,
            announce=self.events.announce,
        )  # fmt: skip
        self.limiter = Limiter(
            self.throttle, self.layout.limits, self.settings.bandwidth, world.files,
            self.acquaintances.names, self.events.announce, self._on_limits,
        )  # fmt: skip
        self.lanes.limit(self.throttle.bandwidth)
        self.library.holds_originals = lambda: self.throttle.bandwidth.holds_originals
        self._make_keeping()
        self.exports = open_exports(
            self.settings, self.role.name, self.layout, self.library, world, self.problems,
            self.events.announce,
        )  # fmt: skip
        self.events.listen(lambda _number, event: self.exports.hear(event))
        self.members = Members(
            self.layout, self.record, self.identity, keeper, query, self.admissions,
            self.transport, self.book, world, self.problems, self.events.announce, name_of,
        )  # fmt: skip

    def _on_limits(self, bandwidth: Bandwidth) -> None:
        self.lanes.limit(bandwidth)
        self.observatory.note_change()  # whether it gives originals, peers are told
        self.transfers.begin_anew()  # whoever changed a limit waits for what comes of it

    def _make_tasks(self) -> CatalogTasks:
        return CatalogTasks(
            self.library.keeper.call,
            self.identity,
            self.world,
            self.events.announce,
            self.library.reconcile,
            node_name=self.settings.name,
            library_name=self.record.name,
        )

    # --- peers -------------------------------------------------------------------------------

    def _on_peer(self, event: PeerEvent) -> None:
        self.sessions.note(event)
        if isinstance(event, PeerUp):
            self.problems.clear(peer_id(event.node), PeerShunned.code)
        self.ways.note(event)
        self.events.announce(self.observatory.peer_event(event))
        self.connector.wake()
        self.transfers.wake()

    def _on_shunned(self, node: NodeId, pause_s: float) -> None:
        name = peer_id(node)
        self.problems.add(PeerShunned(self.acquaintances.name_of(node) or name, pause_s), name)
        self.events.announce(Audited("peer.shunned", {"node": name, "for_s": f"{pause_s:.0f}"}))

    def _write_down(self, _number: int, event: Event) -> None:
        for act in acts_of(event):
            self.audit.record(*act)

    def _on_suspect(self, blob: str, suspect: Suspect) -> None:
        self.problems.add(suspect.error(), suspect.name)
        facts = {"blob": blob, "name": suspect.name, "reason": suspect.reason}
        self.events.announce(Audited("file.set-aside", facts))

    def _on_other_addresses(self) -> None:
        self.observatory.note_change()
        self.connector.wake()

    def _on_found(self) -> None:
        self.connector.wake()

    def _on_peer_news(self, node: NodeId) -> None:
        self.connector.wake()
        self.observatory.note_change()
        self.members.note_clock(node)
        hello = self.book.get(node).hello
        self.transfers.hear_of(node, gives_originals=hello is None or hello.gives_originals)

    async def _hello(self) -> Hello:
        return await self.observatory.hello()

    def _on_commit(self, committed: Committed) -> None:
        self.sessions.announce(committed.announcements)
        if committed.roster_changed or committed.keys_changed:
            self.custody.note()
        if committed.roster_changed or PLACEMENT_POLICY in committed.subjects:
            self.placements.note()
        if committed.roster_changed:
            self.admissions.note_roster()
            self.connector.wake()
        self.observatory.note_change()
        if committed.subjects or committed.blobs - self.library.arriving:
            self.transfers.wake()  # what was fetched here is no reason to look for more

    # --- another library ---------------------------------------------------------------------

    async def join(self, code: str) -> LibraryView:
        """Join another library; this node then starts again as its member.

        Raises LibraryNotEmpty if the library here has photos or other members.
        """
        parsed = parse_code(code)
        if parsed.library.hex() != self.record.id:
            await self._check_empty()
            with self.admissions.expecting(NodeId(parsed.inviter)):
                self.next_record, granted = await join_library(
                    self.transport,
                    self.layout,
                    self.identity,
                    parsed,
                    node_name=self.settings.name,
                    world=self.world,
                )
            self.book.learn(NodeId(parsed.inviter), (*granted.addresses, *parsed.addresses))
            self._ended.set()
            return LibraryView(self.next_record.id, self.next_record.name)
        return LibraryView(self.record.id, self.record.name)

    async def _check_empty(self) -> None:
        others = set(self.admissions.members()) - {self.identity.node}
        photos = await trio.to_thread.run_sync(self.library.keeper.index.photo_count)
        if photos or others:
            raise LibraryNotEmpty(
                f"{self.record.name} has {photos} photos and {len(others)} other members"
            )
