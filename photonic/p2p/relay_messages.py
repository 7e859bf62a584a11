"""What is said to bring two members together through a third one that both are connected with.

One end asks the relay ("/photonic/relay/1"), the relay asks the other end ("/photonic/invited/1"),
and each of the two gets a ticket for the relay's lane port. What they do there the relay does not
hear: `splice.py`.
"""

from __future__ import annotations

import enum

import msgspec

RELAY_PROTOCOL = "/photonic/relay/1"
INVITED_PROTOCOL = "/photonic/invited/1"


class Purpose(enum.Enum):
    """What two members want of each other."""

    CONNECT = "connect"  # shake hands as on any connection; whoever asked dials
    LANE = "lane"  # whoever asked opens a lane that was agreed on
    PUNCH = "punch"  # see from where they come, and try to do without the relay


class Introduce(msgspec.Struct, tag="introduce", frozen=True):
    """Bring me together with this member."""

    peer: bytes
    purpose: Purpose


class Introduced(msgspec.Struct, tag="introduced", frozen=True):
    """Come to this port of mine with this ticket; the other one does, too."""

    ticket: bytes
    port: int


class NotIntroduced(msgspec.Struct, tag="not-introduced", frozen=True):
    """It cannot be, or not now."""

    reason: str


class Invite(msgspec.Struct, tag="invite", frozen=True):
    """This member wants to meet you at this port of mine."""

    peer: bytes
    purpose: Purpose
    ticket: bytes
    port: int


class Coming(msgspec.Struct, tag="coming", frozen=True):
    """I am on my way."""


class NotComing(msgspec.Struct, tag="not-coming", frozen=True):
    """I do not want to, or cannot."""

    reason: str


Introduction = Introduced | NotIntroduced
Reply = Coming | NotComing
