"""Of what the node announces the audit log gets what matters, and no stranger can flood it."""

from __future__ import annotations

import pytest

from photonic import limits
from photonic.audit_acts import Refusals, acts_of
from photonic.events import (
    Audited,
    BlobChecked,
    CatalogTaskProgress,
    Event,
    LimitsChanged,
    SubjectsChanged,
)
from photonic.ids import BlobId, NodeId, member_subject, peer_id, photo_subject
from photonic.p2p.transport import Admission
from tests.test_audit import ME, THIEF


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Audited("token.created", {"scope": "catalog.read"}), ["token.created"]),
        (SubjectsChanged((photo_subject(BlobId(bytes(32))),)), []),
        (SubjectsChanged((member_subject(THIEF.node),), origin=ME.node), ["member.changed"]),
        (SubjectsChanged((member_subject(THIEF.node),)), []),  # whoever did it tells it
        (BlobChecked(bytes(32), "damaged", "rotten"), ["blob.damaged"]),
        (LimitsChanged(True), ["limits.changed"]),
        (CatalogTaskProgress("import", "/x", 1, 2, False), []),
        (CatalogTaskProgress("import", "/x", 2, 2, True), ["catalog.import"]),
    ],
)
def test_an_event_is_written_down_if_it_matters(event: Event, expected: list[str]) -> None:
    assert [act.act for act in acts_of(event)] == expected


class Ticking:
    """A clock that a test moves."""

    now_s = 1_000.0

    def now_ms(self) -> int:
        return int(self.now_s * 1000)

    def monotonic_s(self) -> float:
        return self.now_s


def test_refused_peers_are_told_once_a_minute_and_strangers_cannot_flood() -> None:
    told: list[dict[str, str]] = []
    clock = Ticking()

    def hear(event: Event) -> None:
        assert isinstance(event, Audited)
        told.append(dict(event.facts))

    gate = Refusals(
        lambda node: Admission.MEMBER if node == ME.node else Admission.REFUSED, clock, hear
    )
    assert gate(ME.node) is Admission.MEMBER and not told
    for _ in range(100):
        assert gate(THIEF.node) is Admission.REFUSED
    assert told == [{"node": peer_id(THIEF.node)}]
    clock.now_s += limits.AUDIT_REFUSALS_S + 1
    gate(THIEF.node)
    assert told[1:] == [{"node": peer_id(THIEF.node), "times_before": "99"}]
    told.clear()
    clock.now_s += limits.AUDIT_REFUSALS_S + 1
    for number in range(5_000):
        gate(NodeId(number.to_bytes(32)))
    assert len(told) == limits.AUDIT_REFUSALS_MAX
    assert len(gate._told) <= limits.AUDIT_REFUSED_PEERS_MAX
    clock.now_s += limits.AUDIT_REFUSALS_S + 1
    gate(NodeId(b"\7" * 32))
    assert told[-2] == {"others": str(5_000 - limits.AUDIT_REFUSALS_MAX)}
