"""Who is let in: codes, each way in which they can be wrong, and who is a guest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from photonic import limits
from photonic.errors import (
    CodeElsewhere,
    CodeExpired,
    CodeRefused,
    CodeUsed,
    MemberUnchangeable,
    PhotonicError,
    TooManyAttempts,
)
from photonic.identity import Identity
from photonic.p2p.enrol import EnrolRequest, ask_to_join
from photonic.p2p.invitations import parse_code
from photonic.p2p.messages import ENROL_PROTOCOL
from photonic.p2p.transport import Admission
from tests.office import LIFE_S, Office, run, stranger


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
        told = [dict(a.facts)["error"] for a in office.announced if a.act == "member.refused"]
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
