"""The heartbeat of a connection: how one finds out that a peer is gone, or no longer welcome.

It asks for a sign of life and asks the gate, again and again. It knows no wire: what it listens to
is a `Pulse`. It does not end the connection's tasks; cutting the link makes them end.
"""

from __future__ import annotations

import logging
from typing import Protocol

import trio

from photonic import limits
from photonic.p2p.links import Link, Links
from photonic.p2p.sockets import TcpSocket
from photonic.p2p.transport import Admission

log = logging.getLogger(__name__)


class Pulse(Protocol):
    """A connection that can be asked whether its peer is alive."""

    socket: TcpSocket

    def admit(self, admission: Admission) -> None:
        """Set what the peer may make us hold."""
        ...

    @property
    def is_idle(self) -> bool:
        """Whether no stream is open."""
        ...

    async def ping(self) -> float | None:
        """Return the round trip in seconds, or None if no answer came in time."""
        ...


async def beat(link: Link, pulse: Pulse, links: Links) -> None:
    """Watch over a connection until it is cut: by the gate, by others, or here.

    A peer that sends but does not answer is slow, some times over; a silent one is gone. One that
    is connected on a better way, too, needs this one no more once what it carried has moved.
    """
    missed = outdone = 0
    while (admission := links.review(link)) is not Admission.REFUSED:
        pulse.admit(admission)
        asked_s = trio.current_time()
        round_trip_s = await pulse.ping()
        if round_trip_s is not None:
            missed, link.latency_ms = 0, round_trip_s * 1_000
        elif pulse.socket.received_s < asked_s or missed >= limits.HEARTBEATS_MISSED_MAX:
            log.info("cut the connection with %s: it does not answer", link.address)
            links.cut(link)
            return
        else:
            missed += 1
        outdone = outdone + 1 if links.is_outdone(link) and pulse.is_idle else 0
        if outdone > 1:  # the other side has had the time to see it, too
            log.info("closed the connection with %s: there is a better one", link.address)
            links.cut(link)
            return
        await trio.sleep(limits.HEARTBEAT_INTERVAL_S)
