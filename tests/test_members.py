"""Who administers members: renewals that nobody notices, rights, cuts, clocks."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
import trio
import trio.testing

from photonic import limits
from photonic.certificates import certificate_draft, certificate_for, is_due
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import SignedChange
from photonic.crdt.clock import first_stamp, stamp_ms
from photonic.crdt.fields import RATING
from photonic.crdt.keys import ROOT
from photonic.crdt.roster import ADMIN_SCOPES, MEMBER_SCOPES, MEMBERS_ADMIN, Certificate
from photonic.errors import (
    MemberUnchangeable,
    MemberUnknown,
    NotAllowed,
    StampsAhead,
)
from photonic.ids import peer_id
from photonic.p2p.messages import Hello
from photonic.p2p.transport import Admission, PeerDown
from photonic.showing import iso_utc
from tests.crdt.replicas import photo
from tests.hostile.kit import Malice
from tests.office import LIFE_S, Office, run, stranger

DAY_MS = 24 * 3600 * 1000


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


# --- stamps --------------------------------------------------------------------------------------


def test_a_member_that_stamps_edits_with_times_to_come_is_told_of_by_name(
    tmp_path: Path,
) -> None:
    async def work(office: Office) -> None:
        who = stranger()
        await office.admit(who.node)
        malice = Malice(who, await office.keeper.call(lambda c: c.library))
        soon = first_stamp(office.now_ms() + DAY_MS // 2)
        late = first_stamp(office.now_ms() + 900 * DAY_MS)
        await _adopt(office, malice.change(photo(0), {RATING: 4}, at=soon))
        await office.members._look_at_stamps()
        assert _stamps_told(office) == [], "a clock may be a day ahead"
        await _adopt(office, malice.change(photo(0), {RATING: 1}, at=late))
        await office.members._look_at_stamps()
        when = iso_utc(stamp_ms(late))
        assert _stamps_told(office) == [f"laptop stamped an edit with times to come, up to {when}"]
        await office.members.revoke(who.node, 0)
        await office.admissions.follow()
        await office.members._look_at_stamps()
        assert _stamps_told(office) == [], "what is revoked counts no more"

    run(tmp_path, work)


async def _adopt(office: Office, signed: SignedChange) -> None:
    await office.keeper.call(lambda c: c.adopt([signed.data], signed.change.author))


def _stamps_told(office: Office) -> list[str]:
    told = office.problems.list()
    return [one.message for one in told if one.code == StampsAhead.code]
