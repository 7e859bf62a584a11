"""Has the router let others in, where it does that for programs: best effort, renewed, undone.

The daemon never waits for a router: each question is a process of its own (`gateway.py`), which is
ended when it takes too long. What is open from outside is told to other members with the other
addresses; whether it leads here, their dials show.
"""

from __future__ import annotations

import ipaddress
import logging
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

import msgspec
import trio
from msgspec import structs

from photonic import limits
from photonic.errors import AddressInvalid
from photonic.jail.confinement import environment
from photonic.p2p.addresses import endpoint_of, parse_endpoint
from photonic.p2p.gateway_messages import Answer, Question

log = logging.getLogger(__name__)

_WAIT_LAST_MS = 500  # for a router that has answered before


class PortMap:
    """What a router lets in for this node. `run` owns it."""

    def __init__(
        self,
        addresses: Callable[[], tuple[str, ...]],
        lane_port: Callable[[], int],
        on_change: Callable[[tuple[str, ...]], None],
        interface: str = "",
    ) -> None:
        """`addresses` are those on which this node listens, `lane_port` where lanes come in.

        `on_change` hears of new addresses outside. `interface`: ask from this address.
        """
        self._addresses, self._lane_port, self._on_change = addresses, lane_port, on_change
        self._interface = interface
        self._open: tuple[int, ...] = ()
        self.outside: tuple[str, ...] = ()  # multiaddresses at which the router lets others in
        self.state = "not asked yet"  # in words

    async def run(self) -> None:
        """Keep ports open until cancelled, then close them."""
        try:
            while True:
                await self._renew()
                pause_s = limits.PORTMAP_RENEW_S if self.outside else limits.PORTMAP_RETRY_S
                await self._wait_change(pause_s)
        finally:
            if self._open:
                with trio.move_on_after(limits.PORTMAP_STOP_S) as patience:
                    patience.shield = True
                    last = Question(self._open, True, wait_ms=_WAIT_LAST_MS)
                    await self._ask(last)

    async def _wait_change(self, pause_s: float) -> None:
        """Wait until it is time, or this machine has other addresses or ports."""
        before = self._wanted()
        with trio.move_on_after(pause_s):
            while self._wanted() == before:  # nobody tells
                with trio.move_on_after(limits.DISCOVERY_REFRESH_S):
                    await trio.sleep_forever()

    def _wanted(self) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Return the ports to open, the peers' one first, and the hosts behind them."""
        ends = []
        for address in self._addresses():
            with suppress(AddressInvalid):
                ends.append(parse_endpoint(address))
        inside = [end for end in ends if end.family == "ip4" and self._is_inside(end.host)]
        if not inside:
            return (), ()
        ports = (inside[0].port, self._lane_port())
        hosts = tuple(end.host for end in inside)
        return tuple(port for port in dict.fromkeys(ports) if port), hosts

    def _is_inside(self, host: str) -> bool:
        """Whether nobody outside can come to this address, but a router might lead them."""
        ip = ipaddress.IPv4Address(host)
        return host == self._interface or (
            ip.is_private and not ip.is_loopback and not ip.is_link_local
        )

    async def _renew(self) -> None:
        ports, _ = self._wanted()
        outside: tuple[str, ...] = ()
        if not ports:
            self.state = "no address here needs a router"
        else:
            lease_s = int(limits.PORTMAP_LEASE_S)
            answer = await self._ask(Question(ports, lease_s=lease_s))
            self._open, self.state = answer.ports, _words(answer)
            if ports[0] in answer.ports and _is_public(answer.outside):
                outside = (str(endpoint_of(answer.outside, ports[0])),)
        if outside != self.outside:
            log.info("others are let in at %s: %s", ", ".join(outside) or "no address", self.state)
            self.outside = outside
            self._on_change(outside)

    async def _ask(self, question: Question) -> Answer:
        """Run the program that asks; what goes wrong with it is a router that does not answer."""
        asked = structs.replace(question, interface=self._interface)
        words = msgspec.json.encode(asked).decode()
        command = [sys.executable, "-P", "-m", "photonic.p2p.gateway", words]
        place, answer = environment(), Answer(reasons={"": "the router takes too long"})
        with trio.move_on_after(limits.PORTMAP_WAIT_S):
            try:
                done = await trio.run_process(
                    command, capture_stdout=True, capture_stderr=True, check=False, env=place,
                    stdin=subprocess.DEVNULL,
                )  # fmt: skip
                said = done.stdout[: limits.ROUTER_ANSWER_BYTES_MAX]
                answer = msgspec.json.decode(said, type=Answer)
            except (OSError, msgspec.MsgspecError) as error:  # it died, too
                answer = Answer(reasons={"": f"asking it failed: {error}"})
        return answer


def _is_public(host: str) -> bool:
    try:
        return ipaddress.IPv4Address(host).is_global
    except ValueError:
        return False


def _words(answer: Answer) -> str:
    """Say what a router did, in words."""
    if not answer.gateway:
        return f"no router lets programs open ports ({answer.reasons.get('', 'none answered')})"
    if not _is_public(answer.outside):
        return f"the router is behind another NAT: its address is {answer.outside or 'unknown'}"
    refused = [f"port {port}: {reason}" for port, reason in answer.reasons.items() if port]
    return "; ".join(refused) or f"open at {answer.outside}: {', '.join(map(str, answer.ports))}"
