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
    """What a node's surroundings make of it; nobody switches it.

    home: a central node is on the same network, and takes every new photo as soon as it is here.
    roaming: none is; photos wait here, previews come before originals on a slow link, and on a
    metered one originals wait. sync: files or changes are moving. archive: it keeps and verifies.
    """

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
    central_near: bool  # one is connected over a network that this machine is on
    metered: bool  # that network is paid for by the byte


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
    """Return the mode of a node: an archive is one; others are home where a central node is.

    One that is reached over the internet or a relay is elsewhere, and so is a hotspot's network.
    """
    if facts.role == "archive":
        return Mode.ARCHIVE
    if facts.transfers or facts.rounds_under_way:
        return Mode.SYNC
    if facts.role == "central" or (facts.central_near and not facts.metered):
        return Mode.HOME
    return Mode.ROAMING
