"""The ways on which one peer can be connected, and which of them is better.

Values only. On which way a connection goes follows from how it was made and, where it was simply
dialled, from the networks that this machine is on.
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import ifaddr

from photonic.ids import NodeId, peer_id

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_CIRCUIT = "/p2p-circuit"


class Way(enum.IntEnum):
    """How bytes go to a peer; the higher one is better."""

    RELAYED = 1  # through a member that both reach
    PUNCHED = 2  # directly, through two NATs that were made to let it pass
    DIRECT = 3  # to an address elsewhere
    LAN = 4  # to an address of a network that this machine is on

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Footing:
    """On what a peer is connected."""

    way: Way
    address: str  # the multiaddress of the other end; through a relay, that of `circuit`
    via: NodeId | None = None  # the relay, if there is one


def way_to(host: str, networks: Sequence[Network]) -> Way:
    """Return the way to an IP address that was reached simply; a name is always elsewhere."""
    with suppress(ValueError):
        ip = ipaddress.ip_address(host.partition("%")[0])
        if ip.is_loopback or any(ip in network for network in networks):
            return Way.LAN
    return Way.DIRECT


def own_networks() -> tuple[Network, ...]:
    """Return the networks that this machine is on."""
    found: list[Network] = []
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            host = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            with suppress(ValueError):
                name = f"{host.partition('%')[0]}/{ip.network_prefix}"
                found.append(ipaddress.ip_network(name, strict=False))
    return tuple(found)


def circuit(relay: NodeId) -> str:
    """Return what stands for an address on a way through `relay`."""
    return f"/p2p/{peer_id(relay)}{_CIRCUIT}"
