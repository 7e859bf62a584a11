"""Which way to a peer is tried next, and when: decided from values, without a clock or a socket.

A peer is reached by dialling its addresses, through a member that relays, or by punching through
two NATs while a relay still carries the words. Whatever stands is used at once; a better way is
tried again on a timer, at first soon and then ever more rarely, and at once when an address is
news. What is known to bring nothing better is not tried at all.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace

from photonic import limits
from photonic.p2p.ways import Way


class Attempt(enum.Enum):
    """What can be done to reach a peer, or to reach it on a better way."""

    DIAL = "direct"
    RELAY = "relay"
    PUNCH = "punching"


@dataclass(frozen=True, slots=True)
class Try:
    """How one attempt did lately. `due_s` is the monotonic time before which it is left alone."""

    failures: int = 0
    due_s: float = 0.0
    reason: str = ""  # why it failed; "" if it did not, or was not made


@dataclass(frozen=True, slots=True)
class Outlook:
    """What there is to go by."""

    standing: Way | None = None  # the best way on which the peer is connected
    has_near: bool = False  # an address of it that is on a network of ours
    has_far: bool = False  # any other address
    has_relay: bool = False  # a connected member that relays


Tries = Mapping[Attempt, Try]
_NEVER = Try()


def promising(outlook: Outlook) -> tuple[Attempt, ...]:
    """Return the attempts that may bring a better way than the one that stands, best first."""
    standing = outlook.standing
    has_address = outlook.has_near or outlook.has_far
    if standing is None:
        attempts = (Attempt.DIAL,) if has_address else ()
        return (*attempts, Attempt.RELAY) if outlook.has_relay else attempts
    if standing is Way.LAN:
        return ()
    if standing is Way.DIRECT:
        return (Attempt.DIAL,) if outlook.has_near else ()
    attempts = (Attempt.DIAL,) if has_address else ()
    return (*attempts, Attempt.PUNCH) if standing is Way.RELAYED else attempts


def least_better(standing: Way | None) -> Way:
    """Return the worst way that is better than the one that stands. There must be one."""
    return min(Way) if standing is None else Way(standing + 1)


def due_s(attempt: Attempt, outlook: Outlook, tries: Tries) -> float:
    """Return when a promising attempt is due.

    What costs somebody else something waits for what does not: a relay is asked, and a hole is
    punched, only when dialling failed or took its time.
    """
    made = tries.get(attempt, _NEVER)
    dialled = tries.get(Attempt.DIAL, _NEVER)
    waits = attempt is not Attempt.DIAL and Attempt.DIAL in promising(outlook)
    if waits and not dialled.failures:
        return max(made.due_s, dialled.due_s + limits.DIAL_HEAD_START_S)
    return made.due_s


def next_attempt(
    outlook: Outlook, tries: Tries, under_way: frozenset[Attempt], now_s: float
) -> tuple[Attempt | None, float | None]:
    """Return an attempt to begin now, if one is due, and else when the next will be.

    Nothing is begun twice; what is under way is waited for, not the time that it was due.
    """
    waits: list[float] = []
    for attempt in promising(outlook):
        if attempt in under_way:
            continue
        when_s = due_s(attempt, outlook, tries)
        if when_s <= now_s:
            return attempt, None
        waits.append(when_s)
    return None, min(waits, default=None)


def patience_s(*, away_s: float, is_near: bool) -> float:
    """Return how long one waits at most to dial a peer again that was lost so long ago.

    That a partition is over is so noticed after a part of the time that it lasted; on this network,
    where an attempt is a packet that no router sees, after seconds. Whoever is away for long comes
    back by an act of its own: it is started, or on another network, and dials.
    """
    if is_near and away_s < limits.RECONNECT_NEAR_S:
        return limits.RECONNECT_NEAR_MAX_S
    share_s = limits.RECONNECT_SHARE * away_s
    return min(max(share_s, limits.RECONNECT_MIN_S), limits.RECONNECT_MAX_S)


def failed(
    made: Try,
    reason: str,
    is_connected: bool,
    now_s: float,
    jitter: float,
    most_s: float = limits.RECONNECT_MAX_S,
) -> Try:
    """Return how an attempt stands that failed now; `jitter` is in [0.5, 1].

    `most_s` is how long one waits at most for a peer that is not connected.
    """
    least_s = limits.BETTER_MIN_S if is_connected else limits.RECONNECT_MIN_S
    most_s = limits.BETTER_MAX_S if is_connected else most_s
    delay_s = min(least_s * 2.0 ** min(made.failures, 32), most_s)
    return Try(min(made.failures + 1, 32), now_s + delay_s * jitter, reason)


def at_news(made: Try) -> Try:
    """Return how an attempt stands after news that may help it: it is due."""
    return replace(made, failures=0, due_s=0.0)


def at_hope(made: Try, now_s: float) -> Try:
    """Return how an attempt stands after a sign that it may succeed: due, and doubted as before."""
    return replace(made, due_s=min(made.due_s, now_s))


def at_up(made: Try, now_s: float) -> Try:
    """Return how an attempt stands after a connection came to be: soon worth trying for better."""
    return replace(made, failures=0, due_s=max(made.due_s, now_s + limits.BETTER_FIRST_S))


def at_down(made: Try, now_s: float) -> Try:
    """Return how an attempt stands after the last connection ended."""
    return replace(made, failures=0, due_s=now_s + limits.RECONNECT_MIN_S)


def why_not_better(outlook: Outlook, tries: Tries) -> str:
    """Say in words why the peer is not reached on a better way; "" on the best one."""
    if outlook.standing is Way.LAN:
        return ""
    words: list[str] = []
    able = promising(outlook)
    for attempt in Attempt:
        reason = tries.get(attempt, _NEVER).reason
        if attempt in able and reason:
            words.append(f"{attempt.value}: {reason}")
        elif attempt in able:
            words.append(f"{attempt.value}: not tried yet")
    if Attempt.DIAL not in able:
        is_far = outlook.standing is Way.DIRECT
        words.append("no address on this network" if is_far else "direct: no address is known")
    if outlook.standing is None and not outlook.has_relay:
        words.append("relay: no member that relays is connected")
    return "; ".join(words)
