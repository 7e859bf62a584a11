"""The part of a node's object graph that looks after files: that they are right, safe, and fit.

`node.py` makes and joins all other parts.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from photonic.attesting import Attester, reading_with
from photonic.buffer import Buffer
from photonic.crdt.matching import MatchQuery
from photonic.events import EventLog
from photonic.evictions import Evictions
from photonic.finder import Finder
from photonic.floors import RuledFloors
from photonic.gallery import Gallery
from photonic.ids import BlobId, NodeId
from photonic.ingest.importer import Importer
from photonic.layout import LibraryRecord
from photonic.moving import Moving
from photonic.p2p.attestations import Promises, Question
from photonic.p2p.promising import ask_promises
from photonic.pauses import Pauses
from photonic.placement.rules import Floor
from photonic.placements import Placements, member_of
from photonic.recalls import Recalls
from photonic.roles.retention import is_lasting
from photonic.roles.role import Role
from photonic.running import Running
from photonic.safety import Safety
from photonic.scrubber import Scrubber
from photonic.verifications import Verifications
from photonic.whereabouts import Here, Whereabouts


class Keeping(Running):
    """See the module."""

    events: EventLog
    record: LibraryRecord
    role: Role
    finder: Finder
    gallery: Gallery
    importer: Importer
    verifications: Verifications

    def _make_keeping(self) -> None:
        """Make what looks after files; transfers, members and questions are there already."""
        self._make_placements()
        self._make_scrubber()
        self._make_buffer()

    def _make_buffer(self) -> None:
        """Make what promises others to keep blobs, and what lets go of those that others keep."""
        library, keeper, admissions = self.library, self.library.keeper, self.admissions
        announce, own = self.events.announce, self.identity.node
        self.attester = Attester(
            self.record.library,
            self.identity,
            self.store,
            reading_with(partial(self.scrubber.order, is_hurried=False)),
            self._may_promise,
            self.world.clock,
            announce,
        )

        async def ask(node: NodeId, question: Question, blobs: Collection[BlobId]) -> Promises:
            return await ask_promises(self.transport, node, question, blobs)

        self.evictions = Evictions(
            self.record.library, own, library.query, self.store, keeper, keeper.index,
            RuledFloors(self.placements), lambda: admissions.roster,
            self.transport.connected, ask, self.world, announce, library.opened.lately,
        )  # fmt: skip
        self.buffer = Buffer(
            self.settings, self.role, self.store, self.evictions, lambda: library.taken_bytes,
            self.acquaintances.name_of, self.problems, self.world, announce,
        )  # fmt: skip
        self.recalls = Recalls(
            self.placements, library.query, self.store.promises, self.moving.pauses.left_alone,
            self.transport.connected, self.world.clock, self.transfers.wake,
        )  # fmt: skip
        library.recalled, library.lacks_elsewhere = self.recalls.wants, self.recalls.is_lacking
        self.importer.room.make_way = self.buffer.make_way
        self.events.listen(lambda _number, event: self.buffer.hear(event))

    def _make_placements(self) -> None:
        """Make what knows the rules of placement, and why a photo is where it is."""
        keeper, settings, me = self.library.keeper, self.settings, self.identity.node
        least = settings.min_copies if "min_copies" in settings.model_fields_set else 1
        self.placements = Placements(
            keeper, self.library.query, MatchQuery(keeper.index.engine), self.world.clock,
            member_of(me, self.role.name, settings.name), Floor(settings.min_copies, least),
            self.events.announce, self.transfers.begin_anew,
        )  # fmt: skip
        self.library.originals = self.placements.originals
        self.library.kept_here = self.placements.kept_here
        self.moving = self._make_moving()
        paused = self.moving.pauses
        here = Here(
            lambda: paused.paused.library, paused.left_alone, lambda: paused.paused.peers,
            self.library.holds_originals, lambda: self.transfers.problem,
        )  # fmt: skip
        self.whereabouts = Whereabouts(
            self.placements, self.library.query, self.gallery.photo,
            lambda: self.observatory.peers(),  # noqa: PLW0108 - it comes next
            self.acquaintances.name_of, me, here,
        )  # fmt: skip

    def _may_promise(self) -> bool:
        """Whether others may rely on what this node promises to keep."""
        roster, own = self.admissions.roster, self.identity.node
        member = roster.members.get(own)
        is_kept = member is not None and is_lasting(member.certificate.role)
        return is_kept and self.role.is_lasting and roster.keeps(own)

    def _make_moving(self) -> Moving:
        """Make what says what moves, and leaves alone what is paused."""
        moved = self.transfers.counters
        pauses = Pauses(
            self.layout.pauses,
            self.world.files,
            self.finder,
            self.acquaintances.names,
            self.events.announce,
            self.transfers.pause,
        )
        self.library.left_alone = pauses.left_alone
        safety = Safety(
            self.placements, self.world.clock, self.settings.min_copies, self.admissions.keepers,
            self.identity.node, lambda: moved.bytes_in + moved.bytes_out,
            self.transfers.underway_bytes, lambda: pauses.paused.library, self.events.announce,
        )  # fmt: skip
        self.events.listen(lambda _number, event: safety.hear(event))
        return Moving(lambda: self.transfers, pauses, safety)

    def _make_scrubber(self) -> None:
        """Make what looks after stored files."""
        moved = self.transfers.counters
        self.scrubber = Scrubber(
            self.store,
            self.world,
            self.problems,
            self.events.announce,
            self._withdraw,
            lambda: moved.bytes_in + moved.bytes_out,
            self.layout.scrub_paused,
            days=self.settings.scrub_days,
            mb_s=self.settings.scrub_mb_s,
        )
        self.events.listen(lambda _number, event: self.scrubber.hear(event))
        self.verifications = Verifications(
            self.scrubber, self.store, self.library.query, self.finder, self.world.entropy,
            self.events.announce,
        )  # fmt: skip

    async def _withdraw(self, blobs: Sequence[BlobId]) -> None:
        await self.library.withdraw(blobs)
        self.transfers.wake()  # what is wrong of them is wanted again
