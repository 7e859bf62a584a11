"""Addresses as users write them: checked as text, resolved by nobody.

A multiaddress that passes here is one that the transport can listen on or dial; whether anybody
answers is found out later. Every function raises ValueError with the reason.
"""

from __future__ import annotations

import ipaddress
import re

from photonic.ids import parse_peer_id

PORT_MAX = 65_535
_HOST_NAME = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_-]{1,63})*\.?"
)
_EXAMPLE = "write it as /ip4/192.168.1.5/tcp/4310"


def parse_port(text: str) -> int:
    """Parse a TCP port, 0 included."""
    if not text.isascii() or not text.isdigit() or int(text) > PORT_MAX:
        raise ValueError(f"{text!r} is not a port from 0 to {PORT_MAX}")
    return int(text)


def parse_http_address(text: str, *, is_exposed: bool = False) -> tuple[str, int]:
    """Parse HOST:PORT, [HOST]:PORT for IPv6. The host is a loopback address or `localhost`.

    Other hosts are refused unless it `is_exposed` on purpose: whoever reaches this port may read
    and change the whole library.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise ValueError(f"{text!r} is not of the form 127.0.0.1:8640")
    bare = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if bare.lower() != "localhost":
        try:
            address = ipaddress.ip_address(bare)
        except ValueError:
            raise ValueError(f"{host} is not an IP address (write 127.0.0.1:{port})") from None
        if address.version == 6 and not host.startswith("["):
            raise ValueError(f"an IPv6 address stands in brackets: [{host}]:{port}")
        if not (address.is_loopback or is_exposed):
            raise ValueError(
                f"{host} is not a loopback address; whoever reaches it could change the library"
                " (for other machines there is `https`)"
            )
    return bare, parse_port(port)


def check_host_name(text: str) -> str:
    """Return `text`, lower case, if it is a host name or an IP address."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        if not _HOST_NAME.fullmatch(text):
            raise ValueError(f"{text!r} is neither a host name nor an address") from None
        return text.lower().removesuffix(".")


def check_listen_address(text: str) -> str:
    """Return `text` if it is a multiaddress to listen on: /ip4 or /ip6, then /tcp."""
    parts = text.split("/")
    if len(parts) != 5 or parts[0] or parts[1] not in ("ip4", "ip6") or parts[3] != "tcp":
        raise ValueError(f"{text!r} is no address to listen on; {_EXAMPLE}")
    _check_ip(parts[1], parts[2])
    parse_port(parts[4])
    return text


def check_peer_address(text: str) -> str:
    """Return `text` if it is a multiaddress to dial: /ip4, /ip6 or /dns, /tcp, /p2p/PEER-ID."""
    parts = text.split("/")
    if len(parts) != 7 or parts[0] or parts[3] != "tcp" or parts[5] != "p2p":
        raise ValueError(f"{text!r} is no peer's address; {_EXAMPLE}/p2p/PEER-ID")
    kind, host = parts[1], parts[2]
    if kind in ("dns", "dns4", "dns6"):
        if not _HOST_NAME.fullmatch(host):
            raise ValueError(f"{host!r} is not a host name")
    else:
        _check_ip(kind, host)
    if parse_port(parts[4]) == 0:
        raise ValueError("port 0 cannot be dialled")
    try:
        parse_peer_id(parts[6])
    except ValueError:
        raise ValueError(f"{parts[6]!r} is not a peer ID") from None
    return text


def _check_ip(kind: str, host: str) -> None:
    versions = {"ip4": 4, "ip6": 6}
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        version = None
    if version is None or versions.get(kind) != version:
        raise ValueError(f"/{kind}/{host} is not an address of that kind")
