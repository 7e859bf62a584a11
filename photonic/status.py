"""The state and the mode of a node: pure functions of facts. Nobody sets or stores them."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class State(enum.StrEnum):
    """What a node is doing, the most urgent first where several are true."""

    ERROR = "error"
    CONFLICT = "conflict"
    SYNCING = "syncing"
    CONNECTING = "connecting"
    OFFLINE = "offline"
    MONITORING = "monitoring"


class Mode(enum.StrEnum):
    """What a node's surroundings make of it."""

    HOME = "home"
    ROAMING = "roaming"
    SYNC = "sync"
    ARCHIVE = "archive"


@dataclass(frozen=True, slots=True)
class Facts:
    """What state and mode follow from."""

    role: str
    cannot_write: bool  # the disk is full, or the journal cannot be written
    conflicts: int
    members: int  # others than this node
    connected: int
    dialling: int  # members with an address that are being tried
    rounds_under_way: int
    transfers: int
    central_connected: bool


def state(facts: Facts) -> State:
    """Return the state of a node.

    A node alone in its library is not offline: it has everybody. Contested fields show when
    nothing more urgent is going on.
    """
    if facts.cannot_write:
        return State.ERROR
    if facts.transfers or facts.rounds_under_way:
        return State.SYNCING
    if facts.conflicts:
        return State.CONFLICT
    if facts.members and not facts.connected:
        return State.CONNECTING if facts.dialling else State.OFFLINE
    return State.MONITORING


def mode(facts: Facts) -> Mode:
    """Return the mode of a node: an archive is one; others are home where a central node is."""
    if facts.role == "archive":
        return Mode.ARCHIVE
    if facts.transfers or facts.rounds_under_way:
        return Mode.SYNC
    if facts.role == "central" or facts.central_connected:
        return Mode.HOME
    return Mode.ROAMING
