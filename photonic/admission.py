"""Who is let in: the gate that every connection and stream passes, and the door for new members.

The roster says who is a member; an open invitation lets strangers as far as the enrolment protocol
and no further, and so does, at any time, the library's authority key, which is on its recovery kit;
everybody else is refused inside the handshake.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

import segno
import trio

from photonic import limits
from photonic.certificates import is_admin
from photonic.crdt.catalog import Catalog
from photonic.crdt.roster import ADMIN_SCOPES, MEMBER_SCOPES, MEMBERS_ADMIN, Member, Roster
from photonic.errors import (
    CodeElsewhere,
    MemberUnchangeable,
    NotAllowed,
    PhotonicError,
    RecoveryRefused,
    TooManyAttempts,
)
from photonic.events import Audited
from photonic.identity import Identity
from photonic.ids import NodeId, peer_id
from photonic.keeper import Keeper
from photonic.layout import Layout, LibraryRecord
from photonic.membership import admit_member, library_name
from photonic.p2p.enrol import (
    EnrolRequest,
    Granted,
    RecoveryRequest,
    Taken,
    read_request,
    read_signed,
    refuse,
)
from photonic.p2p.frames import send_message
from photonic.p2p.invitations import TOKEN_BYTES, InvitationBook
from photonic.p2p.transport import Admission, Stream, Transport
from photonic.provision import provide
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
        announce: Callable[[Audited], object] = lambda _: None,
    ) -> None:
        self._announce = announce
        self._layout, self._keeper, self._record = layout, keeper, record
        self._identity, self._transport, self._world = identity, transport, world
        self._book = InvitationBook()
        self._roster = Roster()
        self._expected: set[NodeId] = set()
        self._roster_news = trio.Event()
        self.on_review: Callable[[], object] = lambda: None  # after the roster was read again
        self._heard = trio.Event()
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
            await self.follow()

    async def follow(self) -> None:
        """Look at the roster now, and cut off whoever is no member any more."""
        await self._refresh()
        for node in self._transport.connected():
            if self.gate(node) is Admission.REFUSED:
                self._transport.drop(node)
        self.on_review()
        self._heard.set()
        self._heard = trio.Event()

    async def wait_roster(self, seen: Roster) -> None:
        """Wait until the roster is another one, and who is no member any more was cut off."""
        while self._roster is seen:
            await self._heard.wait()

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
        member = self._roster.members.get(node)
        if member is not None and member.ends is not None:
            return Admission.REFUSED  # whatever code it once used, or has found since
        is_authority = node == self._roster.authority
        if is_authority or node in self._expected or self._book.expects(node, now_ms):
            return Admission.GUEST
        return Admission.REFUSED

    def members(self) -> Collection[NodeId]:
        """The nodes to speak with, this one among them."""
        now_ms = self._world.clock.now_ms()
        return [node for node in self._roster.members if self._roster.admits(node, now_ms)]

    def keepers(self) -> Collection[NodeId]:
        """Return the members whose copies count."""
        return [node for node in self.members() if self._roster.keeps(node)]

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

    @property
    def roster(self) -> Roster:
        return self._roster

    async def invite(
        self, role: str, ttl_s: int, scopes: Sequence[str] | None, life_s: int | None = None
    ) -> InvitationView:
        """Open an invitation; `life_s`: for how long the certificate is good, then renewed.

        Raises NotAllowed unless this node is an admin.
        """
        unknown = sorted(set(scopes or ()) - set(ADMIN_SCOPES))
        if unknown or scopes == []:
            raise MemberUnchangeable(
                f"no scopes are {', '.join(unknown) or 'none'}; there are {', '.join(ADMIN_SCOPES)}"
            )
        me = self._roster.members.get(self._identity.node)
        if not is_admin(me):
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
            life_s=life_s,
        )
        await trio.to_thread.run_sync(self._save)
        svg = segno.make(code.text().upper()).svg_inline(scale=4, border=2)
        return InvitationView(code.text(), iso_utc(code.expires_s * 1000), svg)

    def _save(self) -> None:
        self._world.files.write_durable(self._layout.invitations, self._book.dump())

    async def serve(self, stream: Stream) -> None:
        """Answer one enrolment request. Registered for guests and for members who ask again."""
        node = stream.peer
        try:
            request = await read_request(stream)
            try:
                answer: Granted | Taken
                if isinstance(request, RecoveryRequest):
                    answer = await self._recover(stream, request)
                else:
                    answer = await self._grant(node, request)
            except PhotonicError as error:
                log.warning("%s was not admitted: %s", peer_id(node), error)
                if not isinstance(error, TooManyAttempts):  # a flood must not fill the log
                    facts = {"node": peer_id(node), "error": error.code, "reason": error.message}
                    self._announce(Audited("member.refused", facts))
                await refuse(stream, error)
                return
            await send_message(stream, answer)
            with trio.move_on_after(limits.ENROL_TIMEOUT_S):
                await stream.receive(1)  # the joiner ends the stream when it has read the answer
        finally:
            await stream.close()

    async def _grant(self, node: NodeId, request: EnrolRequest) -> Granted:
        """Admit `node`. The token is durably used before there is a certificate.

        So it never works twice; a node that got no answer may ask again with the same token.
        """
        now_ms = self._world.clock.now_ms()
        if request.library != self._record.library:
            self._book.count_wrong(now_ms)
            raise CodeElsewhere("the code is for another library than this node keeps")
        entry = self._book.redeem(request.token, node, now_ms)
        await trio.to_thread.run_sync(self._save)

        def admit(catalog: Catalog) -> None:
            admit_member(
                catalog, node, name=request.name, role=entry.role, scopes=entry.scopes,
                now_ms=now_ms, life_s=entry.life_s,
            )  # fmt: skip

        def give_keys(catalog: Catalog) -> None:
            provide(catalog, self._identity.node, self._world)

        await self._keeper.call(admit)
        await self._keeper.call(give_keys)  # with the founding, so that it reads from the first
        await self._refresh()
        log.info("%s joined as %s (%s)", peer_id(node), request.name, entry.role)
        facts = {"node": peer_id(node), "name": request.name, "role": entry.role}
        self._announce(Audited("member.enrolled", facts | {"scopes": " ".join(entry.scopes)}))
        return await self._root(entry.role)

    async def _root(self, role: str) -> Granted:
        """Return what a new member begins with."""

        def founding(catalog: Catalog) -> tuple[tuple[int, bytes], ...]:
            return tuple(catalog.founding_updates())

        return Granted(
            library_name=self.library_name,
            role=role,
            founding=await self._keeper.call(founding),
            addresses=self._transport.addresses()[: limits.PEER_ADDRESSES_SAID_MAX],
        )

    async def _recover(self, stream: Stream, request: RecoveryRequest) -> Taken:
        """Take in what the library's authority says, whose key the handshake has proved."""
        if stream.peer != self._roster.authority or request.library != self._record.library:
            raise RecoveryRefused("only the library's authority may say that")
        await send_message(stream, await self._root(""))
        changes = await read_signed(stream)
        await self._keeper.call(lambda catalog: catalog.adopt(changes, stream.peer))
        await self._refresh()
        self._announce(Audited("library.recovered", {"changes": str(len(changes))}))
        return Taken()
