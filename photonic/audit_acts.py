"""What belongs into the audit log of what the node announces anyway, and who is refused.

Pure but for the clock of `Refusals`. Whoever does something that is announced by no other event
says so with `events.Audited` itself.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from photonic import limits
from photonic.events import (
    Audited,
    BlobChecked,
    BlobsPromised,
    CatalogTaskProgress,
    Event,
    LimitsChanged,
    PausesChanged,
    ScrubChanged,
    SubjectsChanged,
)
from photonic.ids import LIBRARY, MEMBER, POLICY, REMOVALS, NodeId, Subject, peer_id
from photonic.p2p.transport import Admission
from photonic.world import Clock

_ACTS = {MEMBER: "member.changed", POLICY: "policy.changed", LIBRARY: "library.changed"}


class Act(NamedTuple):
    """An entry of the log to be."""

    act: str
    facts: dict[str, str]


def acts_of(event: Event) -> list[Act]:
    """Return what of an event belongs into the audit log."""
    match event:
        case Audited(act, facts):
            return [Act(act, dict(facts))]
        case SubjectsChanged(subjects, _, origin):
            return _acts_of_subjects(subjects, origin)
        case BlobChecked(blob, state, detail):
            return [Act(f"blob.{state}", {"blob": blob.hex(), "detail": detail})]
        case CatalogTaskProgress(task, folder, done, _, True):
            return [Act(f"catalog.{task}", {"folder": folder, "done": str(done)})]
        case BlobsPromised(blobs, node, keep_s):
            facts = {"node": peer_id(node), "count": str(len(blobs)), "keep_s": str(keep_s)}
            return [Act("blobs.promised", facts)]
        case LimitsChanged(metered):
            return [Act("limits.changed", {"metered": "yes" if metered else "no"})]
        case PausesChanged(count):
            return [Act("pauses.changed", {"paused": str(count)})]
        case ScrubChanged(paused):
            return [Act("scrub.paused" if paused else "scrub.resumed", {})]
        case _:
            return []


def _acts_of_subjects(subjects: tuple[Subject, ...], origin: NodeId | None) -> list[Act]:
    """Tell of certificates, revocations, policies and confirmed removals, whoever made them.

    Not of what was said here of members and their keys: whoever does that tells it in other words.
    """
    source = {"from": "here" if origin is None else peer_id(origin)}
    found = []
    for subject in subjects:
        if subject.kind == REMOVALS:
            found.append(Act("removals.confirmed", {"node": _shown(subject.key), **source}))
        elif subject.kind in _ACTS and not (subject.kind == MEMBER and origin is None):
            which = {"node": _shown(subject.key)} if subject.kind == MEMBER else {}
            found.append(Act(_ACTS[subject.kind], which | source))
    return found[: limits.AUDIT_PENDING_MAX]


def _shown(key: bytes) -> str:
    try:
        return peer_id(NodeId(key))
    except ValueError:
        return key.hex()


class Refusals:
    """Wraps a gate and tells who is refused: each peer once a minute, with how often until then."""

    def __init__(
        self,
        gate: Callable[[NodeId], Admission],
        clock: Clock,
        announce: Callable[[Event], object],
    ) -> None:
        self._gate, self._clock, self._announce = gate, clock, announce
        self._told: OrderedDict[NodeId, tuple[float, int]] = OrderedDict()
        self._window_s, self._in_window, self._silent = -limits.AUDIT_REFUSALS_S, 0, 0

    def __call__(self, node: NodeId) -> Admission:
        admission = self._gate(node)
        if admission is Admission.REFUSED:
            self._note(node)
        return admission

    def _note(self, node: NodeId) -> None:
        now_s = self._clock.monotonic_s()
        at_s, times = self._told.get(node, (now_s - limits.AUDIT_REFUSALS_S, 0))
        if now_s - at_s < limits.AUDIT_REFUSALS_S:
            self._told[node] = (at_s, times + 1)
            return
        if now_s - self._window_s >= limits.AUDIT_REFUSALS_S:
            if self._silent:
                self._announce(Audited("peer.refused", {"others": str(self._silent)}))
            self._window_s, self._in_window, self._silent = now_s, 0, 0
        self._told[node] = (now_s, 0)
        self._told.move_to_end(node)
        while len(self._told) > limits.AUDIT_REFUSED_PEERS_MAX:
            self._told.popitem(last=False)
        self._in_window += 1
        if self._in_window > limits.AUDIT_REFUSALS_MAX:  # keys cost a stranger nothing
            self._silent += 1
            return
        more = {"times_before": str(times)} if times else {}
        self._announce(Audited("peer.refused", {"node": peer_id(node), **more}))
