"""A copy goes only against proof, crash or not, and whoever promised keeps its promise."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from photonic import limits, wire
from photonic.identity import is_signed_by
from photonic.ids import BlobId, NodeId, digest
from photonic.p2p.attestations import (
    DOMAIN,
    AskPromises,
    Attestation,
    Promises,
    SignedAttestation,
    read_attestation,
)
from photonic.prospects import Judged
from photonic.roles.retention import Floor, Reason
from tests.evicting import (
    DAY_MS,
    FIRST,
    LIBRARY_ID,
    PHOTOS,
    EvictingCluster,
    EvictingNode,
    run,
    three_nodes,
)

EVERYTHING = 1 << 40


def reasons(judged: list[Judged]) -> list[Reason]:
    return [one.verdict.reason for one in judged]


def test_a_copy_goes_when_enough_others_promise_and_the_log_proves_it(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = three_nodes(tmp_path)
        mobile = cluster.nodes[0]
        judged = await mobile.evictions.free(1)
        assert reasons(judged) == [Reason.PROVEN], "no more goes than must"
        assert not mobile.has_file(FIRST)
        assert not mobile.says_to_hold(FIRST)
        assert mobile.has_file(PHOTOS[1])
        assert mobile.store.promises.away([FIRST]) == {FIRST}
        assert mobile.store.promises.leave([FIRST]) == {FIRST}, "it leaves no more"
        (entry,) = mobile.audited
        assert entry.act == "blob.evicted"
        assert entry.facts["blob"] == FIRST.hex()
        proofs = [v for v in entry.facts.values() if len(v) > 200]
        assert len(proofs) == 2
        for text in proofs:
            signature, data = base64.b64decode(text)[:64], base64.b64decode(text)[64:]
            said = read_attestation(SignedAttestation(data, signature))
            assert said.blob == FIRST
            assert said.node in {cluster.nodes[1].node, cluster.nodes[2].node}
            assert is_signed_by(NodeId(said.node), signature, DOMAIN + data)
            assert len(text) <= limits.AUDIT_FACT_CHARS_MAX, "it is not cut in the log"
        cluster.close()

    run(main)


def test_what_is_proven_by_too_few_stays_and_it_is_said_why(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = three_nodes(tmp_path, copies=3)
        mobile = cluster.nodes[0]
        judged = await mobile.evictions.free(EVERYTHING)
        assert set(reasons(judged)) == {Reason.TOO_FEW}
        assert "2 of 3" in judged[0].verdict.lacks
        assert mobile.has_file(FIRST)
        assert mobile.says_to_hold(FIRST)
        cluster.close()

    run(main)


def test_a_holding_that_lies_costs_no_photo(tmp_path: Path) -> None:
    """The catalog says that the archive holds it; its disk says otherwise."""

    async def main() -> None:
        cluster = EvictingCluster(tmp_path, ["mobile", "central", "archive"], 2)
        mobile, central, archive = cluster.nodes
        mobile.put(0)
        central.put(0)
        cluster.liars[FIRST] = [archive.node]
        judged = await mobile.evictions.free(EVERYTHING)
        assert reasons(judged) == [Reason.TOO_FEW]
        assert "not here" in judged[0].verdict.lacks
        assert mobile.has_file(FIRST)
        assert mobile.says_to_hold(FIRST)
        cluster.close()

    run(main)


def test_who_promises_reads_its_disk_first(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = three_nodes(tmp_path)
        mobile, central, archive = cluster.nodes
        path = archive.store.path(FIRST)
        path.chmod(0o600)
        data = bytearray(path.read_bytes())
        data[100] ^= 1
        path.write_bytes(data)
        judged = await mobile.evictions.free(len(data))
        assert reasons(judged)[0] is Reason.TOO_FEW
        assert mobile.has_file(FIRST)
        assert archive.store.held(FIRST) is None, "it was put aside"
        assert central.verified.count(FIRST) == 1
        await mobile.evictions.free(1)
        assert central.verified.count(FIRST) == 1, "read lately, and not read again"
        cluster.close()

    run(main)


def test_a_promise_is_kept_over_a_restart(tmp_path: Path) -> None:
    """The central node promised: it does not evict what the mobile node relied on."""

    async def main() -> None:
        cluster = three_nodes(tmp_path, copies=1)
        mobile, central, _ = cluster.nodes
        asked = AskPromises(LIBRARY_ID, bytes(32), limits.PROMISE_KEEP_S, (FIRST,))
        answer = await central.attester._answer(asked, mobile.node)
        assert len(answer.promised) == 1
        central.clock.wall_ms += 30 * DAY_MS
        central.restart()
        judged = await central.evictions.free(EVERYTHING)
        assert reasons(judged)[0] is Reason.PROMISED
        assert central.has_file(FIRST)
        central.clock.wall_ms -= 30 * DAY_MS
        await trio.sleep(limits.PROMISE_KEEP_S + limits.PROMISE_MARGIN_S + 1)
        judged = await central.evictions.free(1)
        assert reasons(judged) == [Reason.PROVEN], "and no longer than it must"
        cluster.close()

    run(main)


@pytest.mark.parametrize("who", ["mobile", "revoked", "without the scope", "expired", "stranger"])
def test_only_lasting_members_that_may_hold_are_counted(tmp_path: Path, who: str) -> None:
    async def main() -> None:
        roles = ["mobile", "central", "mobile" if who == "mobile" else "archive"]
        cluster = EvictingCluster(tmp_path, roles, 2)
        mobile, _, third = cluster.nodes
        for one in cluster.nodes:
            one.put(0)
        third.attester._may_promise = lambda: True  # it would lie for us
        match who:
            case "revoked":
                cluster.revoke(third)
            case "without the scope":
                cluster.certify(third, scopes=("catalog.read", "blobs.read"))
            case "expired":
                cluster.certify(third, expires_ms=third.clock.now_ms() - 2 * DAY_MS, life_ms=1)
            case "stranger":
                third.role = "a role of tomorrow"
                cluster.certify(third)
        judged = await mobile.evictions.free(EVERYTHING)
        assert reasons(judged) == [Reason.TOO_FEW]
        assert mobile.has_file(FIRST)
        cluster.close()

    run(main)


def test_who_is_revoked_between_its_promise_and_the_drop_is_not_counted(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = three_nodes(tmp_path)
        mobile, _, archive = cluster.nodes

        async def revoke(number: int) -> None:
            if number == 1:  # it is said to be dropped, and still there
                cluster.revoke(archive)

        mobile.thread.after = revoke
        await mobile.evictions.free(1)
        assert mobile.has_file(FIRST)
        assert mobile.says_to_hold(FIRST)
        cluster.close()

    run(main)


# --- what is answered --------------------------------------------------------------------------

Tamper = Callable[[Attestation, EvictingCluster], tuple[Attestation, EvictingNode]]


def _other(name: str, value: Any) -> Tamper:
    return lambda said, cluster: (msgspec.structs.replace(said, **{name: value}), cluster.nodes[2])


FORGERIES: dict[str, Tamper] = {
    "another library": _other("library", digest(b"elsewhere")[:16]),
    "another blob": _other("blob", PHOTOS[5]),
    "an old nonce": _other("nonce", digest(b"before")),
    "to somebody else": _other("to", digest(b"somebody")),
    "for a shorter time": _other("keep_s", 60),
    "read long ago": _other("verified_s", int(limits.PROMISE_FRESH_S) + 1),
    "of another day": _other("at_ms", 1_750_000_000_000 + 3 * DAY_MS),
    "of another node": lambda said, c: (
        msgspec.structs.replace(said, node=c.nodes[1].node),
        c.nodes[2],
    ),
    "signed by another": lambda said, c: (said, c.nodes[0]),
}


@pytest.mark.parametrize("kind", [*FORGERIES, "truth", "a bent byte", "no attestation"])
def test_an_attestation_that_is_wrong_in_one_thing_proves_nothing(
    tmp_path: Path, kind: str
) -> None:
    async def main() -> None:
        cluster = three_nodes(tmp_path)
        mobile, _, archive = cluster.nodes

        async def tamper(_: EvictingNode, other: EvictingNode, answer: Promises) -> Promises:
            if other is not archive or kind == "truth":
                return answer
            forged = [_forged(kind, signed, cluster) for signed in answer.promised]
            return Promises(tuple(forged))

        cluster.on_answer = tamper
        await mobile.evictions.free(1)
        assert mobile.has_file(FIRST) == (kind != "truth")
        cluster.close()

    run(main)


def _forged(kind: str, signed: SignedAttestation, cluster: EvictingCluster) -> SignedAttestation:
    if kind == "a bent byte":
        return SignedAttestation(
            signed.data, bytes([signed.signature[0] ^ 1]) + signed.signature[1:]
        )
    if kind == "no attestation":
        return SignedAttestation(b"\x90", signed.signature)
    said, signer = FORGERIES[kind](read_attestation(signed), cluster)
    data = wire.encode(said)
    return SignedAttestation(data, signer.identity.sign(DOMAIN + data))


def test_an_answer_that_is_replayed_proves_nothing(tmp_path: Path) -> None:
    """The archive answered once; then it lost the photo, and somebody repeats what it said."""

    async def main() -> None:
        cluster = three_nodes(tmp_path)
        mobile, _, archive = cluster.nodes
        heard: list[Promises] = []

        async def note(_: EvictingNode, other: EvictingNode, answer: Promises) -> Promises:
            if other is archive:
                heard.append(answer)
                return heard[0] if len(heard) > 1 else Promises()
            return answer

        cluster.on_answer = note
        await mobile.evictions.free(1)
        await mobile.evictions.free(1)
        assert len(heard) >= 2
        assert len(heard[0].promised) == 1
        assert mobile.has_file(FIRST)
        cluster.close()

    run(main)


def test_one_node_that_says_it_twice_is_one_node(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = three_nodes(tmp_path)
        mobile, central, archive = cluster.nodes

        async def twice(_: EvictingNode, other: EvictingNode, answer: Promises) -> Promises:
            return Promises() if other is archive else Promises((*answer.promised,) * 2)

        cluster.on_answer = twice
        judged = await mobile.evictions.free(1)
        assert judged[0].nodes == (central.node,)
        assert "1 of 2" in judged[0].verdict.lacks
        assert mobile.has_file(FIRST)
        cluster.close()

    run(main)


def test_the_order_and_what_stays_follow_the_floors(tmp_path: Path) -> None:
    class Rules:
        def of(self, photos: Any) -> dict[BlobId, Floor]:
            rules = dict.fromkeys(photos, Floor(1))
            if PHOTOS[0] in rules:
                rules[PHOTOS[0]] = Floor(1, stays=True)
            if PHOTOS[2] in rules:
                rules[PHOTOS[2]] = Floor(1, {"archive": 1}, rank=-1)
            return rules

    async def main() -> None:
        cluster = EvictingCluster(tmp_path, ["mobile", "central", "archive"], 1)
        mobile, central, archive = cluster.nodes
        for one in cluster.nodes:
            one.put(0, 1, 2)
        mobile.store.close()
        mobile.start(Rules())
        mobile.opened = frozenset([PHOTOS[1]])
        judged = await mobile.evictions.free(EVERYTHING)
        went = {one.candidate.photo: one for one in judged}
        assert {photo: one.verdict.reason for photo, one in went.items()} == {
            PHOTOS[2]: Reason.PROVEN,
            PHOTOS[1]: Reason.OPENED,
        }
        assert archive.node in went[PHOTOS[2]].nodes
        assert mobile.has_file(PHOTOS[0])
        assert central.has_file(PHOTOS[2])
        cluster.close()

    run(main)


def test_a_plan_asks_nobody_and_drops_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = three_nodes(tmp_path)
        mobile, central, _ = cluster.nodes
        judged = await mobile.evictions.plan(EVERYTHING)
        assert reasons(judged) == [Reason.PROVEN] * 2
        assert central.verified == []
        assert mobile.has_file(FIRST)
        cluster.cut.add(frozenset((mobile.node, central.node)))
        judged = await mobile.evictions.plan(EVERYTHING)
        assert reasons(judged) == [Reason.TOO_FEW] * 2
        cluster.close()

    run(main)


def test_a_promise_of_what_just_left_is_not_given(tmp_path: Path) -> None:
    """Between reading a blob and promising it, it may have gone: then nothing is signed."""

    async def main() -> None:
        cluster = three_nodes(tmp_path, copies=1)
        mobile, central, _ = cluster.nodes
        honest = central.attester._verify

        async def slow(blobs: Any) -> Any:
            verdicts = await honest(blobs)
            await central.evictions.free(1)  # to the archive's promise
            return verdicts

        central.attester._verify = slow
        asked = AskPromises(LIBRARY_ID, bytes(32), limits.PROMISE_KEEP_S, (FIRST,))
        answer = await central.attester._answer(asked, mobile.node)
        assert not central.has_file(FIRST)
        assert answer.promised == ()
        assert answer.refused[0].blob == FIRST
        cluster.close()

    run(main)
