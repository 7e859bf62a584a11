"""The members of the library, for who administers them: rights, revocations, renewals, clocks.

Every act here is a change in the catalog, which counts on each node as `crdt/roster.py` says. Where
the library's authority key is on this machine, it signs: nobody can revoke that one. Certificates
with an end are renewed by any admin's node, by itself, for members that it has met since the last
time. What becomes of the roster, by whomever, is announced for the audit log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

import trio

from photonic import limits
from photonic.admission import Admissions
from photonic.authority import load_authority
from photonic.certificates import (
    certificate_draft,
    is_admin,
    is_due,
    issued_ms,
    lift_draft,
    renewed,
    revocation_draft,
    root_changes,
    with_scopes,
    write_as,
)
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.clock import first_stamp, stamp_ms
from photonic.crdt.keys import SHARD_COUNT
from photonic.crdt.query import PhotoQuery
from photonic.crdt.roster import Member, Roster
from photonic.errors import (
    CertificateEnds,
    ClockAway,
    IndexUnreadable,
    MemberUnchangeable,
    MemberUnknown,
    NotAllowed,
    StampsAhead,
)
from photonic.events import Audited
from photonic.identity import Identity
from photonic.ids import NodeId, parse_peer_id, peer_id
from photonic.keeper import Keeper
from photonic.layout import Layout, LibraryRecord
from photonic.member_views import MemberView, RevocationView
from photonic.p2p.peers import PeerBook
from photonic.p2p.transport import Transport
from photonic.problems import Problems
from photonic.roster_news import news_between
from photonic.scopes import (
    ADMIN_SCOPES,
    BLOBS_READ,
    CATALOG_READ,
    CATALOG_UNSEAL,
    MEMBERS_ADMIN,
)
from photonic.showing import NameOf, iso_utc
from photonic.world import World

log = logging.getLogger(__name__)


class Members:
    """See the module. Used on the event loop's thread only."""

    def __init__(
        self,
        layout: Layout,
        record: LibraryRecord,
        identity: Identity,
        keeper: Keeper,
        query: PhotoQuery,
        admissions: Admissions,
        transport: Transport,
        book: PeerBook,
        world: World,
        problems: Problems,
        announce: Callable[[Audited], object],
        name_of: NameOf,
    ) -> None:
        """`name_of` says what a node is called, by itself if it said so."""
        self._layout, self._record, self._me = layout, record, identity.node
        self._keeper, self._query, self._admissions = keeper, query, admissions
        self._transport, self._book, self._world = transport, book, world
        self._problems, self._announce, self._name_of = problems, announce, name_of

    # --- looking -----------------------------------------------------------------------------

    async def views(self) -> list[MemberView]:
        """All members: this node first, then by name; those that were revoked last."""
        known = await self._known_numbers()
        roster = self._admissions.roster
        found = [self._view(member, known) for member in roster.members.values()]
        return sorted(found, key=lambda v: (not v.this_node, v.revoked, v.name, v.id))

    async def view(self, node: NodeId) -> MemberView:
        return self._view(self._member(node), await self._known_numbers())

    async def _known_numbers(self) -> dict[NodeId, int]:
        authors = await trio.to_thread.run_sync(self._query.authors)
        return {node: last for node, (_, last) in authors.items()}

    def _view(self, member: Member, known: dict[NodeId, int]) -> MemberView:
        node, certificate = member.node, member.certificate
        peer = self._book.get(node)
        is_me = node == self._me
        connected = is_me or node in self._transport.connected()
        seen_ms = self._world.clock.now_ms() if connected else peer.last_seen_ms
        ahead_ms = peer.clock_ahead_ms
        return MemberView(
            id=peer_id(node),
            name=self._name(node),
            role=certificate.role,
            scopes=list(certificate.scopes),
            admin=is_admin(member),
            expires=iso_utc(certificate.expires_ms) if certificate.expires_ms else None,
            last_seen=iso_utc(seen_ms) if seen_ms is not None else None,
            connected=connected,
            this_node=is_me,
            revoked=member.ends is not None,
            cut=member.cut,
            known=known.get(node),
            clock_ahead_s=ahead_ms / 1000 if ahead_ms is not None else None,
        )

    def find(self, text: str) -> NodeId:
        """Return the member with this ID or this name. Raises MemberUnknown."""
        members = self._admissions.roster.members
        try:
            named = [node for node in (parse_peer_id(text),) if node in members]
        except ValueError:
            named = [n for n in members if text == self._name(n)]
            named = named or [n for n, m in members.items() if text == m.certificate.name]
        if len(named) != 1:
            raise MemberUnknown(f"{len(named) or 'no'} members are called {text[:80]}")
        return named[0]

    def _name(self, node: NodeId) -> str:
        return self._name_of(node) or peer_id(node)

    def _member(self, node: NodeId) -> Member:
        member = self._admissions.member(node)
        if member is None:
            raise MemberUnknown(f"{peer_id(node)} is no member")
        return member

    # --- revoking ----------------------------------------------------------------------------

    async def revoke(
        self, node: NodeId, cut: int | None = None, *, dry_run: bool = False
    ) -> RevocationView:
        """Revoke a member, or move the cut of one that is; return what that means.

        Its changes count up to number `cut`; None: as far as this node knows them now. Raises
        NotAllowed unless this node is an admin, MemberUnchangeable for this node itself.
        """
        member = self._member(node)
        if node == self._me:
            raise MemberUnchangeable("a node does not revoke itself: do it on another one")
        await self._authority()  # whoever may not is not asked whether he means it
        known = await self._last_number(node)
        held = await trio.to_thread.run_sync(self._query.held_by, node)
        cut = known if cut is None else cut
        if not dry_run:
            await self._write(lambda c: [revocation_draft(node, cut, root_changes(c))])
        return RevocationView(
            peer_id(node), self._name(node), not dry_run, cut, known,
            held.originals, held.bytes, held.only_there, _could_read(member, held.originals),
        )  # fmt: skip

    async def restore(self, node: NodeId) -> MemberView:
        """Make a revoked member one again; all that it said meanwhile counts. Raises NotAllowed,
        MemberUnchangeable."""
        if self._member(node).ends is None:
            raise MemberUnchangeable(f"{self._name(node)} is not revoked")
        await self._write(lambda _: [lift_draft(node)])
        return await self.view(node)

    async def change_scopes(self, node: NodeId, scopes: Sequence[str]) -> MemberView:
        """Give a member other rights, from its next change on. Raises NotAllowed,
        MemberUnchangeable (a revoked one, a scope that is none, the last admin)."""
        member = self._member(node)
        unknown = sorted(set(scopes) - set(ADMIN_SCOPES))
        if unknown or not scopes:
            told = f"no scopes are {', '.join(unknown)}" if unknown else "a member has some scope"
            raise MemberUnchangeable(f"{told}; there are {', '.join(ADMIN_SCOPES)}")
        if member.ends is not None:
            raise MemberUnchangeable(f"{self._name(node)} is revoked; restore it first")
        others = [m for n, m in self._admissions.roster.members.items() if n != node]
        if is_admin(member) and MEMBERS_ADMIN not in scopes and not any(map(is_admin, others)):
            raise MemberUnchangeable("it is the only admin; make another one first")
        known = await self._last_number(node)
        wanted = with_scopes(member, scopes, known)
        await self._write(lambda _: [certificate_draft(node, wanted)])
        return await self.view(node)

    async def _last_number(self, node: NodeId) -> int:
        """Return the number of the last change of a node that is here, whatever the index says."""

        def look(catalog: Catalog) -> int:
            shards = range(SHARD_COUNT)
            numbers = (
                s.change.seq
                for shard in shards
                for s in catalog.directory.shard(shard)
                if s.change.author == node
            )
            return max(numbers, default=0)

        if self._keeper.progress[0]:  # the index lags behind: the catalog itself is read, slowly
            return await self._keeper.call(look)
        return (await self._known_numbers()).get(node, 0)

    async def _write(self, drafts: Callable[[Catalog], Sequence[Draft]]) -> None:
        """Write as an admin, and hear of it before this returns. Raises NotAllowed."""
        authority = await self._authority()
        await self._keeper.call(lambda catalog: write_as(catalog, authority, drafts(catalog)))
        await self._admissions.follow()

    async def _authority(self) -> Identity | None:
        """Return the authority's key, if it is here. Raises NotAllowed where this is no admin."""
        authority = await trio.to_thread.run_sync(load_authority, self._layout, self._record)
        if authority is None and not is_admin(self._admissions.member(self._me)):
            raise NotAllowed(f"that needs the scope {MEMBERS_ADMIN}")
        return authority

    # --- what goes on by itself --------------------------------------------------------------

    async def run(self) -> None:
        """Follow the roster, renew certificates, and tell of ends, until cancelled."""
        told = self._admissions.roster
        while True:
            roster = self._admissions.roster
            self._tell(told, roster)
            told = roster
            await self._renew()
            self._look_at_own_end()
            await self._look_at_stamps()
            pause_s = limits.RENEWALS_LOOK_S * self._world.entropy.uniform(0.5, 1.0)
            with trio.move_on_after(pause_s) as pause:
                await self._admissions.wait_roster(told)
            if pause.cancelled_caught:
                await self._admissions.follow()  # somebody's time may be over, without any news

    def _tell(self, before: Roster, now: Roster) -> None:
        for act, facts in news_between(before, now):
            log.info("%s: %s", act, facts)
            self._announce(Audited(act, facts))

    async def _renew(self) -> None:
        """Renew what is due, of members in good standing: not revoked, and met since the last."""
        now_ms = self._world.clock.now_ms()
        if not is_admin(self._admissions.member(self._me)):
            return
        for node, member in self._admissions.roster.members.items():
            seen_ms = now_ms if node == self._me else self._book.get(node).last_seen_ms
            is_met = node in self._transport.connected() or (
                seen_ms is not None and seen_ms >= issued_ms(member.certificate)
            )
            if member.ends is None and is_met and is_due(member.certificate, now_ms):
                draft = certificate_draft(node, renewed(member.certificate, now_ms))
                await self._keeper.call(partial(_write_one, draft=draft))
                await self._admissions.follow()  # so that it is not renewed a second time

    def _look_at_own_end(self) -> None:
        member = self._admissions.member(self._me)
        ends_ms = member.certificate.expires_ms if member else None
        now_ms = self._world.clock.now_ms()
        life_ms = (member.certificate.life_ms or 0) if member else 0
        if member is not None and member.ends is not None:
            words = "this node was revoked: the others speak with it no more"
            ended = MemberUnchangeable(words)
            ended.fix = (
                "If that is a mistake, an admin takes it back: `photonic member restore NODE`."
            )
            self._problems.add(ended, "membership")
        elif ends_ms is not None and ends_ms - now_ms <= life_ms // 6:
            when = iso_utc(ends_ms)
            self._problems.add(CertificateEnds(f"this node is a member until {when}"), "membership")
        else:
            self._problems.clear("membership")

    async def _look_at_stamps(self) -> None:
        """Tell of members that stamp edits with times to come, beyond what is let pass."""
        until_ms = self._world.clock.now_ms() + limits.CLOCK_TOLERANCE_MS
        try:
            ahead = await trio.to_thread.run_sync(self._query.stamped_after, first_stamp(until_ms))
        except IndexUnreadable:  # it is made again; then they are found
            return
        for node, member in self._admissions.roster.members.items():
            if node not in ahead or member.ends is not None:
                self._problems.clear(peer_id(node), StampsAhead.code)
                continue
            count, stamp = ahead[node]
            edits = "an edit" if count == 1 else f"{count:,} edits"
            when = iso_utc(stamp_ms(stamp))
            words = f"{self._name(node)} stamped {edits} with times to come, up to {when}"
            self._problems.add(StampsAhead(words), peer_id(node))

    def note_clock(self, node: NodeId) -> None:
        """A peer said what time it is there. Neither blocks nor raises."""
        ahead_ms, path = self._book.get(node).clock_ahead_ms, peer_id(node)
        if ahead_ms is None or abs(ahead_ms) <= limits.CLOCK_AWAY_TOLD_MS:
            self._problems.clear(path, ClockAway.code)
            return
        name = self._name(node)
        where = "ahead of" if ahead_ms > 0 else "behind"
        self._problems.add(
            ClockAway(f"the clock of {name} is {_span(abs(ahead_ms))} {where} this node's"), path
        )


def _write_one(catalog: Catalog, draft: Draft) -> None:
    catalog.write([draft])


def _span(ms: int) -> str:
    """Say how long that is, roughly, so that a second more or less is no other problem."""
    minutes = round(ms / 60_000)
    return f"{minutes} min" if minutes < 120 else f"{round(minutes / 60)} h"


def _could_read(member: Member, originals: int) -> list[str]:
    """Say what a member may have read, by the widest rights that it ever had."""
    certificate = member.certificate
    ever = {*certificate.scopes, *(s for _, scopes in certificate.past for s in scopes)}
    words: list[str] = []
    if CATALOG_READ in ever:
        words.append("the whole catalog: names, times, ratings, captions and who said what")
    if CATALOG_UNSEAL in ever:
        words.append("where photos were taken, as far as it had the library key of that time")
    if BLOBS_READ in ever:
        words.append(f"{originals:,} originals that it says to hold, and whatever else it fetched")
        words.append("previews of every photo")
    if MEMBERS_ADMIN in ever:
        words.append("the names, rights and addresses of all members")
    return words
