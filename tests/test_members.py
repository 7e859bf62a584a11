"""Who administers members: renewals that nobody notices, rights, cuts, clocks, codes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
import trio
import trio.testing

from photonic import limits
from photonic.admission import Admissions
from photonic.certificates import certificate_draft, certificate_for, is_due
from photonic.crdt.catalog import Catalog
from photonic.crdt.commits import Committed
from photonic.crdt.keys import ROOT
from photonic.crdt.query import PhotoQuery
from photonic.crdt.roster import ADMIN_SCOPES, MEMBER_SCOPES, MEMBERS_ADMIN, Certificate
from photonic.errors import (
    CodeElsewhere,
    CodeExpired,
    CodeRefused,
    CodeUsed,
    MemberUnchangeable,
    MemberUnknown,
    NotAllowed,
    PhotonicError,
    TooManyAttempts,
)
from photonic.events import Audited
from photonic.identity import Identity
from photonic.ids import NodeId, peer_id
from photonic.keeper import Keeper
from photonic.layout import Layout
from photonic.members import Members
from photonic.membership import found_library
from photonic.p2p.enrol import EnrolRequest, ask_to_join
from photonic.p2p.invitations import parse_code
from photonic.p2p.memory_transport import MemoryNetwork
from photonic.p2p.messages import ENROL_PROTOCOL, Hello
from photonic.p2p.peers import PeerBook
from photonic.p2p.transport import Admission, PeerDown
from photonic.problems import Problems
from photonic.world import SystemClock, World

DAY_MS = 24 * 3600 * 1000
LIFE_S = 90 * 24 * 3600


class MovedClock(SystemClock):
    """The machine's clock, and as much more as somebody says."""

    ahead_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.ahead_ms


@dataclass
class Office:
    """One admin's node, as far as it has to do with members."""

    members: Members
    admissions: Admissions
    keeper: Keeper
    book: PeerBook
    clock: MovedClock
    network: MemoryNetwork
    problems: Problems
    me: Identity
    announced: list[Audited] = field(default_factory=list)
    heard: trio.Event = field(default_factory=trio.Event)

    async def admit(self, node: NodeId, life_s: int | None = None, **rest: Any) -> None:
        certificate = certificate_for("laptop", "mobile", MEMBER_SCOPES, self.now_ms(), life_s)
        await self.keeper.call(lambda c: c.write([certificate_draft(node, certificate)]) and None)
        await self.admissions.follow()

    def now_ms(self) -> int:
        return self.clock.now_ms()

    def addresses(self) -> tuple[str, ...]:
        return (f"/memory/{peer_id(self.me.node)}",)

    def certificate(self, node: NodeId) -> Certificate:
        member = self.admissions.member(node)
        assert member is not None
        return member.certificate

    def acts(self) -> list[str]:
        return [audited.act for audited in self.announced]

    async def wait_act(self, act: str) -> None:
        with trio.fail_after(10):
            while act not in self.acts():
                await self.heard.wait()
                self.heard = trio.Event()

    def hear(self, audited: Audited) -> None:
        self.announced.append(audited)
        self.heard.set()


def run(
    home: Path,
    work: Callable[[Office], Awaitable[None]],
    *,
    runs: bool = False,
    forgets_key: bool = True,
) -> None:
    clock = MovedClock()
    world = World(clock=clock)
    layout = Layout(home)
    me = Identity.load_or_create(layout.node_key, world)
    record = found_library(layout, me, name="Test", role="central", node_name="me", world=world)
    if forgets_key:
        layout.authority_key(record.library).unlink()

    async def main() -> None:
        offices: list[Office] = []

        def announce(audited: Audited) -> None:
            offices[0].hear(audited)

        def on_commit(committed: Committed) -> None:
            if committed.roster_changed and offices:
                offices[0].admissions.note_roster()

        keeper = Keeper(layout, record.library, me, world, lambda _: (), on_commit)
        network, book, problems = MemoryNetwork(), PeerBook(me.node), Problems()
        transport = network.transport(me.node)
        admissions = Admissions(layout, keeper, record, me, transport, world, announce)
        query = PhotoQuery(keeper.index.engine)
        members = Members(
            layout, record, me, keeper, query, admissions, transport, book, world, problems,
            announce,
        )  # fmt: skip
        guests = {ENROL_PROTOCOL: admissions.serve}
        office = Office(members, admissions, keeper, book, clock, network, problems, me)
        offices.append(office)
        with trio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                await tasks.start(keeper.run)
                await admissions.load()
                await tasks.start(
                    transport.run, guests, guests, admissions.gate, lambda event: None
                )
                tasks.start_soon(admissions.run)
                if runs:
                    tasks.start_soon(members.run)
                await work(office)
                tasks.cancel_scope.cancel()

    trio.run(main)


def stranger() -> Identity:
    return Identity.generate(World())


# --- codes ---------------------------------------------------------------------------------------


async def redeem(office: Office, code: str, who: Identity, library: bytes | None = None) -> None:
    """Do what a joiner does, as far as the inviting node sees it."""
    parsed = parse_code(code)
    transport = office.network.transport(who.node)
    async with anyio.create_task_group() as tasks:
        await tasks.start(transport.run, {}, {}, lambda _: Admission.GUEST, lambda event: None)
        await transport.dial(office.me.node, parsed.addresses)
        stream = await transport.open(office.me.node, ENROL_PROTOCOL)
        try:
            wanted = parsed.library if library is None else library
            await ask_to_join(stream, EnrolRequest(parsed.token, wanted, "new"))
        finally:
            await stream.close()
            tasks.cancel_scope.cancel()


async def refused(office: Office, code: str, who: Identity, **rest: Any) -> PhotonicError:
    with pytest.RaisesGroup(PhotonicError, allow_unwrapped=True, flatten_subgroups=True) as told:
        await redeem(office, code, who, **rest)
    found: Any = told.value
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, PhotonicError)
    return found


def test_each_way_a_code_can_be_wrong_is_told_apart_on_both_sides(tmp_path: Path) -> None:
    async def work(office: Office) -> None:
        code = (await office.admissions.invite("mobile", 600, None)).code
        other = (await office.admissions.invite("mobile", 60, None)).code
        elsewhere = await refused(office, code, stranger(), library=bytes(16))
        await redeem(office, code, stranger())
        used = await refused(office, code, stranger())
        guess = msgspec.structs.replace(parse_code(code), token=bytes(16)).text()
        wrong = await refused(office, guess, stranger())
        office.clock.ahead_ms += 61_000
        expired = await refused(office, other, stranger())
        kinds = [type(one) for one in (elsewhere, used, wrong, expired)]
        assert kinds == [CodeElsewhere, CodeUsed, CodeRefused, CodeExpired]
        assert len({one.message for one in (elsewhere, used, wrong, expired)}) == 4
        told = [dict(a.facts)["code"] for a in office.announced if a.act == "member.refused"]
        assert told == [kind.code for kind in kinds]
        assert office.acts().count("member.enrolled") == 1

    run(tmp_path, work)


def test_a_flood_of_wrong_codes_is_slowed_down_and_does_not_fill_the_audit_log(
    tmp_path: Path,
) -> None:
    async def work(office: Office) -> None:
        code = (await office.admissions.invite("mobile", 600, None)).code
        guess = msgspec.structs.replace(parse_code(code), token=bytes(16)).text()
        who = stranger()
        for number in range(limits.ENROL_ATTEMPTS_PER_MINUTE + 3):
            library = bytes(16) if number % 2 else None
            error = await refused(office, guess, who, library=library)
        assert isinstance(error, TooManyAttempts)
        assert office.acts().count("member.refused") == limits.ENROL_ATTEMPTS_PER_MINUTE
        await redeem(office, code, who)  # nobody is locked out

    run(tmp_path, work)


def test_an_invitation_gives_the_scopes_and_the_life_that_it_says(tmp_path: Path) -> None:
    async def work(office: Office) -> None:
        who = stranger()
        scopes = ["catalog.read", "blobs.read"]
        code = (await office.admissions.invite("mobile", 600, scopes, LIFE_S)).code
        await redeem(office, code, who)
        certificate = office.certificate(who.node)
        assert certificate.scopes == tuple(scopes)
        left_ms = (certificate.expires_ms or 0) - office.now_ms()
        assert 0 <= LIFE_S * 1000 - left_ms < 60_000
        with pytest.raises(MemberUnchangeable):
            await office.admissions.invite("mobile", 600, ["catalog.everything"])

    run(tmp_path, work)


def test_a_revoked_node_is_no_guest_whatever_code_it_has(tmp_path: Path) -> None:
    async def work(office: Office) -> None:
        who = stranger()
        await redeem(office, (await office.admissions.invite("mobile", 600, None)).code, who)
        assert office.admissions.gate(who.node) is Admission.MEMBER
        await office.members.revoke(who.node)
        await office.admissions.invite("mobile", 600, None)
        assert office.admissions.gate(who.node) is Admission.REFUSED
        assert office.admissions.gate(stranger().node) is Admission.GUEST

    run(tmp_path, work)


def test_only_the_authority_is_heard_while_no_invitation_is_open(tmp_path: Path) -> None:
    async def work(office: Office) -> None:
        authority = office.admissions.roster.authority
        assert authority is not None
        assert office.admissions.gate(authority) is Admission.GUEST
        assert office.admissions.gate(stranger().node) is Admission.REFUSED

    run(tmp_path, work)


# --- renewals ------------------------------------------------------------------------------------


def test_a_certificate_is_due_in_its_last_third_and_not_before() -> None:
    certificate = certificate_for("n", "mobile", MEMBER_SCOPES, 0, LIFE_S)
    life_ms = LIFE_S * 1000
    assert not is_due(certificate, life_ms * 2 // 3 - 1)
    assert is_due(certificate, life_ms * 2 // 3)
    assert is_due(certificate, life_ms + limits.CLOCK_TOLERANCE_MS - 1)
    assert not is_due(certificate, life_ms + limits.CLOCK_TOLERANCE_MS)
    assert not is_due(certificate_for("n", "mobile", MEMBER_SCOPES, 0, None), life_ms)


def test_a_member_in_good_standing_is_renewed_without_anybody_noticing(tmp_path: Path) -> None:
    async def work(office: Office) -> None:
        met, unmet, stolen = (stranger().node for _ in range(3))
        for node in (met, unmet, stolen):
            await office.admit(node, LIFE_S)
        first = {node: office.certificate(node).expires_ms for node in (met, unmet, stolen)}
        for node in (met, stolen):
            office.book.get(node).last_seen_ms = office.now_ms() + DAY_MS
        await office.members.revoke(stolen)
        office.clock.ahead_ms = 61 * DAY_MS  # it is in its last third, and offline
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(office.members.run)
            await office.wait_act("member.renewed")
            tasks.cancel_scope.cancel()
        await office.admissions.follow()
        renewed = office.certificate(met)
        assert (renewed.expires_ms or 0) - (first[met] or 0) >= 60 * DAY_MS
        for node in (unmet, stolen):
            assert office.certificate(node).expires_ms == first[node]
        assert office.acts().count("member.renewed") == 1
        office.clock.ahead_ms = 90 * DAY_MS + limits.CLOCK_TOLERANCE_MS + 60_000
        assert office.admissions.gate(met) is Admission.MEMBER
        assert office.admissions.gate(unmet) is Admission.REFUSED

    run(tmp_path, work)


def test_a_certificate_counts_a_day_longer_for_clocks_differ(tmp_path: Path) -> None:
    async def work(office: Office) -> None:
        node = stranger().node
        await office.admit(node, LIFE_S)
        office.clock.ahead_ms = LIFE_S * 1000 + limits.CLOCK_TOLERANCE_MS - 60_000
        assert office.admissions.gate(node) is Admission.MEMBER
        office.clock.ahead_ms += 120_000
        assert office.admissions.gate(node) is Admission.REFUSED

    run(tmp_path, work)


def test_who_is_connected_when_its_time_is_over_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RENEWALS_LOOK_S", 0.05)

    async def work(office: Office) -> None:
        who = stranger()
        certificate = Certificate("old", "mobile", MEMBER_SCOPES, office.now_ms() + 60_000)
        await office.keeper.call(
            lambda c: c.write([certificate_draft(who.node, certificate)]) and None
        )
        await office.admissions.follow()
        gone = trio.Event()
        transport = office.network.transport(who.node)
        async with anyio.create_task_group() as tasks:
            await tasks.start(
                transport.run, {}, {}, lambda _: Admission.MEMBER,
                lambda event: gone.set() if isinstance(event, PeerDown) else None,
            )  # fmt: skip
            await transport.dial(office.me.node, office.addresses())
            assert transport.connected()
            office.clock.ahead_ms = limits.CLOCK_TOLERANCE_MS + 120_000
            with trio.fail_after(10):
                await gone.wait()
            assert not transport.connected()
            tasks.cancel_scope.cancel()

    run(tmp_path, work, runs=True)


def test_a_clock_that_is_away_is_told_and_one_that_is_right_again_is_not(tmp_path: Path) -> None:
    def hello(now_ms: int) -> Hello:
        return Hello(
            name="yoda", host="h", role="mobile", state="s", mode="m", version="v",
            addresses=(), now_ms=now_ms,
        )  # fmt: skip

    async def work(office: Office) -> None:
        node = stranger().node
        now_ms = office.now_ms()
        assert office.book.note_hello(node, hello(now_ms + 26 * 3600 * 1000), now_ms)
        office.members.note_clock(node)
        (problem,) = office.problems.list()
        assert problem.message == "the clock of yoda is 26 h ahead of this node's"
        assert not office.book.note_hello(node, hello(now_ms + 26 * 3600 * 1000 + 99), now_ms)
        assert office.book.note_hello(node, hello(now_ms - 5_000), now_ms)
        office.members.note_clock(node)
        assert office.problems.list() == ()
        office.book.note_hello(node, hello(now_ms - 3_600_000), now_ms)
        office.members.note_clock(node)
        assert "60 min behind" in office.problems.list()[0].message

    run(tmp_path, work)


# --- rights, cuts --------------------------------------------------------------------------------


def test_an_admin_makes_others_admins_and_the_last_one_stays_one(tmp_path: Path) -> None:
    async def work(office: Office) -> None:
        node = stranger().node
        await office.admit(node)
        me = office.me.node
        with pytest.raises(MemberUnchangeable, match="only admin"):
            await office.members.change_scopes(me, MEMBER_SCOPES)
        view = await office.members.change_scopes(node, ADMIN_SCOPES)
        assert view.admin and MEMBERS_ADMIN in view.scopes
        assert not (await office.members.change_scopes(me, MEMBER_SCOPES)).admin
        with pytest.raises(NotAllowed):
            await office.members.revoke(node)
        with pytest.raises(NotAllowed):
            await office.admissions.invite("mobile", 60, None)

    run(tmp_path, work)


def test_a_cut_is_moved_and_lifted_and_each_is_announced(tmp_path: Path) -> None:
    async def work(office: Office) -> None:
        node = stranger().node
        await office.admit(node)
        await trio.testing.wait_all_tasks_blocked()
        dry = await office.members.revoke(node, dry_run=True)
        assert not dry.done and office.admissions.gate(node) is Admission.MEMBER
        assert any("whole catalog" in words for words in dry.could_read)
        assert (await office.members.revoke(node)).cut == 0
        await office.wait_act("member.revoked")
        await office.members.revoke(node, 7)
        await office.wait_act("member.cut-moved")
        view = await office.members.restore(node)
        assert not view.revoked
        await office.wait_act("member.restored")
        with pytest.raises(MemberUnchangeable):
            await office.members.restore(node)
        with pytest.raises(MemberUnchangeable):
            await office.members.revoke(office.me.node)
        with pytest.raises(MemberUnknown):
            office.members.find("nobody")
        assert office.members.find("laptop") == office.members.find(peer_id(node)) == node

    run(tmp_path, work, runs=True)


def test_where_the_authority_key_is_it_signs(tmp_path: Path) -> None:
    async def work(office: Office) -> None:
        node = stranger().node
        await office.admit(node)
        await office.members.revoke(node)

        def author(catalog: Catalog) -> bytes:
            changes = [s for k in catalog.subjects(ROOT) for s in catalog.changes(k)]
            return next(s.change.author for s in changes if "revoked" in s.change.sets)

        assert await office.keeper.call(author) == office.admissions.roster.authority

    run(tmp_path, work, forgets_key=False)
