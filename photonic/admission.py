"""Who is let in: the gate that every connection and stream passes, and the door for new members.

The roster says who is a member; an open invitation lets strangers as far as the enrolment protocol
and no further; everybody else is refused inside the handshake.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import segno
import trio

from photonic import limits
from photonic.crdt.catalog import Catalog
from photonic.crdt.roster import MEMBER_SCOPES, MEMBERS_ADMIN, Member, Roster
from photonic.errors import NotAllowed, PhotonicError
from photonic.identity import Identity
from photonic.ids import NodeId, peer_id
from photonic.keeper import Keeper
from photonic.layout import Layout, LibraryRecord
from photonic.membership import admit_member, library_name
from photonic.p2p.enrol import Granted, read_request, refuse
from photonic.p2p.frames import send_message
from photonic.p2p.invitations import TOKEN_BYTES, InvitationBook
from photonic.p2p.transport import Admission, Stream, Transport
from photonic.showing import iso_utc
from photonic.views import InvitationView
from photonic.world import World

log = logging.getLogger(__name__)


class Admissions:
    """The members and the invitations of one node's library."""

    def __init__(
        self,
        layout: Layout,
        keeper: Keeper,
        record: LibraryRecord,
        identity: Identity,
        transport: Transport,
        world: World,
    ) -> None:
        self._layout, self._keeper, self._record = layout, keeper, record
        self._identity, self._transport, self._world = identity, transport, world
        self._book = InvitationBook()
        self._roster = Roster()
        self._expected: set[NodeId] = set()
        self._roster_news = trio.Event()
        self.library_name = record.name

    async def load(self) -> None:
        """Read the roster and the open invitations."""
        await self._refresh()
        if self._layout.invitations.exists():
            self._book = InvitationBook.load(self._layout.invitations.read_bytes())

    async def run(self) -> None:
        """Follow the roster: whoever is no member any more is cut off at once."""
        while True:
            await self._roster_news.wait()
            self._roster_news = trio.Event()
            await self._refresh()
            for node in self._transport.connected():
                if self.gate(node) is Admission.REFUSED:
                    self._transport.drop(node)

    def note_roster(self) -> None:
        """The roster may be another one now. Neither blocks nor raises."""
        self._roster_news.set()

    async def _refresh(self) -> None:
        def read(catalog: Catalog) -> tuple[Roster, str]:
            return catalog.roster, library_name(catalog, self._record.name)

        self._roster, self.library_name = await self._keeper.call(read)

    def gate(self, node: NodeId) -> Admission:
        """What a peer may do, now."""
        now_ms = self._world.clock.now_ms()
        if self._roster.admits(node, now_ms):
            return Admission.MEMBER
        if node in self._expected or self._book.expects(node, now_ms):
            return Admission.GUEST
        return Admission.REFUSED

    def members(self) -> Collection[NodeId]:
        """The nodes to speak with, this one among them."""
        now_ms = self._world.clock.now_ms()
        return [node for node in self._roster.members if self._roster.admits(node, now_ms)]

    def member(self, node: NodeId) -> Member | None:
        return self._roster.members.get(node)

    @contextmanager
    def expecting(self, node: NodeId) -> Iterator[None]:
        """Let one stranger through as a guest: the inviter whom this node is about to dial."""
        self._expected.add(node)
        try:
            yield
        finally:
            self._expected.discard(node)

    # --- inviting ----------------------------------------------------------------------------

    async def invite(self, role: str, ttl_s: int, scopes: Sequence[str] | None) -> InvitationView:
        """Open an invitation. Raises NotAllowed unless this node is an admin."""
        me = self._roster.members.get(self._identity.node)
        if me is None or not me.may(MEMBERS_ADMIN):
            raise NotAllowed(f"inviting needs the scope {MEMBERS_ADMIN}")
        code = self._book.open(
            token=self._world.entropy.token(TOKEN_BYTES),
            library=self._record.library,
            inviter=self._identity.node,
            addresses=self._transport.addresses(),
            role=role,
            scopes=MEMBER_SCOPES if scopes is None else scopes,
            now_ms=self._world.clock.now_ms(),
            ttl_s=ttl_s,
        )
        await trio.to_thread.run_sync(self._save)
        svg = segno.make(code.text().upper()).svg_inline(scale=4, border=2)
        return InvitationView(code.text(), iso_utc(code.expires_s * 1000), svg)

    def _save(self) -> None:
        self._world.files.write_durable(self._layout.invitations, self._book.dump())

    async def serve(self, stream: Stream) -> None:
        """Answer one enrolment request. Registered for guests and for members who ask again."""
        try:
            request = await read_request(stream)
            try:
                granted = await self._grant(stream.peer, request.token, request.name)
            except PhotonicError as error:
                log.warning("%s was not admitted: %s", peer_id(stream.peer), error)
                await refuse(stream, error)
                return
            await send_message(stream, granted)
            with trio.move_on_after(limits.ENROL_TIMEOUT_S):
                await stream.receive(1)  # the joiner ends the stream when it has read the answer
        finally:
            await stream.close()

    async def _grant(self, node: NodeId, token: bytes, name: str) -> Granted:
        """Admit `node`. The token is durably used before there is a certificate.

        So it never works twice; a node that got no answer may ask again with the same token.
        """
        entry = self._book.redeem(token, node, self._world.clock.now_ms())
        await trio.to_thread.run_sync(self._save)

        def admit(catalog: Catalog) -> None:
            admit_member(catalog, node, name=name, role=entry.role, scopes=entry.scopes)

        def founding(catalog: Catalog) -> tuple[tuple[int, bytes], ...]:
            return tuple(catalog.founding_updates())

        await self._keeper.call(admit)
        await self._refresh()
        log.info("%s joined as %s (%s)", peer_id(node), name, entry.role)
        return Granted(
            library_name=self.library_name,
            role=entry.role,
            founding=await self._keeper.call(founding),
            addresses=self._transport.addresses()[: limits.PEER_ADDRESSES_SAID_MAX],
        )
