"""Multiaddresses of TCP endpoints: parsing, printing, and what a wildcard stands for here.

The part of the multiaddress specification that photonic dials and listens on:
`/ip4|ip6|dns|dns4|dns6/HOST/tcp/PORT`, optionally with `/p2p/PEER-ID` behind it.
This is not a resolver: names stay names until the operating system is asked to connect.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

import ifaddr

from photonic import limits
from photonic.errors import AddressInvalid
from photonic.ids import NodeId, parse_peer_id

_PORT_MAX = 65_535
_FAMILIES = ("ip4", "ip6", "dns", "dns4", "dns6")
_NAME_CHARS_MAX = 253  # RFC 1035


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One TCP endpoint: a literal IP address or a name, and a port."""

    family: str  # ip4, ip6, dns, dns4 or dns6
    host: str
    port: int
    node: NodeId | None = None  # who should answer there, if the address says so

    @property
    def is_wildcard(self) -> bool:
        """Whether it means "every interface": good to listen on, nonsense to dial."""
        return self.family in ("ip4", "ip6") and ipaddress.ip_address(self.host).is_unspecified

    def __str__(self) -> str:
        return f"/{self.family}/{self.host}/tcp/{self.port}"


def parse_endpoint(text: str) -> Endpoint:
    """Parse one multiaddress. Raises AddressInvalid."""
    parts = text.split("/")
    if len(parts) not in (5, 7) or parts[0] or parts[3] != "tcp":
        raise AddressInvalid(f"{text!r} is no multiaddress of a TCP port")
    family, host, port = parts[1], parts[2], parts[4]
    try:
        if not port.isascii() or not port.isdigit() or int(port) > _PORT_MAX:
            raise ValueError("its port is no number from 0 to 65535")
        node = None
        if len(parts) == 7:
            if parts[5] != "p2p":
                raise ValueError("only /p2p/PEER-ID may stand behind the port")
            node = parse_peer_id(parts[6])
        return Endpoint(family, _parse_host(family, host), int(port), node)
    except ValueError as error:
        raise AddressInvalid(f"{text!r}: {error}") from error


def _parse_host(family: str, host: str) -> str:
    match family:
        case "ip4":
            return str(ipaddress.IPv4Address(host))
        case "ip6":
            return str(ipaddress.IPv6Address(host))
        case "dns" | "dns4" | "dns6" if 0 < len(host) <= _NAME_CHARS_MAX and host.isprintable():
            return host
    raise ValueError("it begins with none of /ip4, /ip6, /dns, /dns4, /dns6 and a host")


def endpoint_of(host: str, port: int) -> Endpoint:
    """Return the endpoint of a socket's own or peer address; a zone (fe80::1%eth0) is kept out.

    A name may stand there, too.
    """
    literal = host.partition("%")[0]
    try:
        family = f"ip{ipaddress.ip_address(literal).version}"
    except ValueError:
        family = "dns"
    return Endpoint(family, literal, port)


def host_of(text: str) -> str:
    """Return the host of a multiaddress; "" if it has none."""
    parts = text.split("/")
    return parts[2] if len(parts) > 2 and parts[1] in _FAMILIES else ""


def interface_hosts() -> tuple[str, ...]:
    """IP addresses of this machine that others may dial; loopback only where there is no other.

    IPv6 link-local addresses are left out, for they mean nothing without the dialler's interface.
    """
    found: list[str] = []
    loopback: list[str] = []
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            host = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            literal = ipaddress.ip_address(host.partition("%")[0])
            if literal.is_loopback:
                loopback.append(str(literal))
            elif not (literal.version == 6 and literal.is_link_local):
                found.append(str(literal))
    return tuple(dict.fromkeys(found or loopback))


def is_local(host: str) -> bool:
    """Whether an IP address means something on this machine, or on one cable, alone."""
    literal = ipaddress.ip_address(host.partition("%")[0])
    return literal.is_loopback or literal.is_link_local


def advertised(listening: Iterable[Endpoint]) -> tuple[str, ...]:
    """Return what others may dial, given where we listen: no wildcard, at most the bound."""
    addresses: list[str] = []
    hosts: tuple[str, ...] | None = None
    for endpoint in listening:
        if not endpoint.is_wildcard:
            addresses.append(str(endpoint))
            continue
        hosts = interface_hosts() if hosts is None else hosts
        same = [endpoint_of(host, endpoint.port) for host in hosts]
        addresses += [str(each) for each in same if each.family == endpoint.family]
    return tuple(dict.fromkeys(addresses))[: limits.ADDRESSES_PER_PEER_MAX]


def source_of(host: str) -> str:
    """Return what counts as one source of connections: an IPv4 address, or an IPv6 /64."""
    ip = ipaddress.ip_address(host.partition("%")[0])
    return str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else str(ip)
