"""A stranger on the switch: hears every frame that goes through it, and knocks at every door.

`python -m simulations.stranger listen FILE` writes down all that comes by, until it is ended, and
`python -m simulations.stranger knock ADDRESS PEER` tries what somebody can who has a key of his own
and no invitation: every port, words in the clear, TLS, HTTP, and every protocol of ours; it prints
what it learned as a line of JSON. `Stranger` has both done in a machine of its own.
"""

from __future__ import annotations

import base64
import functools
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

import trio

from photonic.errors import PhotonicError
from photonic.identity import Identity
from photonic.ids import parse_peer_id
from photonic.p2p.libp2p_transport import Libp2pTransport
from photonic.p2p.messages import BLOB_PROTOCOL, CATALOG_PROTOCOL, ENROL_PROTOCOL
from photonic.p2p.relay_messages import INVITED_PROTOCOL, RELAY_PROTOCOL
from photonic.p2p.transport import Admission
from photonic.world import World
from simulations.rooms import Room

_EVERYTHING, _SOL_PACKET, _ADD_MEMBERSHIP = 0x0003, 263, 1  # ETH_P_ALL; of if_packet.h
_PROMISCUOUS = 1
_HEARD_BYTES_MAX = 512_000_000
_PORTS = range(1, 65_536)
_PATIENCE_S, _KNOCK_WITHIN_S = 1.0, 120.0
_SECRET_BYTES_MIN = 7  # a shorter word is among so many encrypted bytes by chance
_HELLO = b"\x13/multistream/1.0.0\n"
_WORDS = (
    b"",
    _HELLO + b"\x03ls\n",
    _HELLO + b"\x07/noise\n" + bytes(2),
    _HELLO + b"\x0e/ipfs/id/1.0.0\n",
    b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n",
)
_PROTOCOLS = (
    CATALOG_PROTOCOL, BLOB_PROTOCOL, ENROL_PROTOCOL, RELAY_PROTOCOL, INVITED_PROTOCOL,
    "/ipfs/id/1.0.0", "/ipfs/ping/1.0.0",
)  # fmt: skip


class Stranger:
    """A context: it listens while that lasts."""

    def __init__(self, room: Room, folder: Path) -> None:
        self._room, self._file = room, folder / "heard"
        self._stack = ExitStack()
        self._told: list[bytes] = []  # at doors, decoded where it came as text

    def __enter__(self) -> Self:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        listener = subprocess.Popen(
            self._command("listen", str(self._file)), stdout=subprocess.PIPE, text=True
        )
        self._stack.callback(listener.communicate)
        self._stack.callback(listener.kill)
        assert listener.stdout is not None
        assert listener.stdout.readline() == "listening\n"
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _command(self, *words: str) -> list[str]:
        return [*self._room.prefix, sys.executable, "-m", "simulations.stranger", *words]

    def knock(self, address: str, peer: str) -> dict[str, Any]:
        """Try everything at a node; return which ports are open, and what let the stranger in."""
        done = subprocess.run(
            self._command("knock", address, peer),
            check=True, capture_output=True, text=True, timeout=_KNOCK_WITHIN_S,
        )  # fmt: skip
        learned: dict[str, Any] = json.loads(done.stdout)
        self._told.append(base64.b64decode(learned.pop("told")))
        return learned

    def heard(self) -> bytes:
        """Return all that came by, and all that was said to the stranger."""
        return self._file.read_bytes() + b"".join(self._told)

    def learned(self, secrets: Iterable[bytes]) -> list[bytes]:
        """Return those secrets that the stranger has heard. Words of a few letters do not count."""
        heard = self.heard()
        return sorted(s for s in set(secrets) if len(s) >= _SECRET_BYTES_MIN and s in heard)


# --- in the stranger's machine -------------------------------------------------------------------


def listen(file: Path) -> None:
    """Write down every frame."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERYTHING)) as wire:
        index = socket.if_nametoindex("eth0")
        wire.bind(("eth0", 0))
        request = index.to_bytes(4, sys.byteorder) + _PROMISCUOUS.to_bytes(2, sys.byteorder)
        wire.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, request + bytes(10))
        with suppress(OSError):
            wire.setsockopt(socket.SOL_SOCKET, 33, 64_000_000)  # SO_RCVBUFFORCE
        with file.open("wb", buffering=0) as out:
            sys.stdout.write("listening\n")
            sys.stdout.flush()
            left = _HEARD_BYTES_MAX
            while left > 0:
                left -= out.write(wire.recv(65_536)) or 0


def knock(address: str, peer: str) -> dict[str, Any]:
    """Try everything at an address; `told` is what was said to us, in base64."""
    ports = [port for port in _PORTS if _is_open(address, port)]
    told = b"".join(_say(address, port, words) for port in ports for words in _WORDS)
    told += b"".join(_shake_hands(address, port) for port in ports)
    opened = [
        word for port in ports for word in trio.run(functools.partial(_dial, address, port, peer))
    ]
    return {"ports": ports, "opened": opened, "told": base64.b64encode(told).decode()}


def _is_open(address: str, port: int) -> bool:
    with socket.socket() as end:
        end.settimeout(_PATIENCE_S)
        return end.connect_ex((address, port)) == 0


def _say(address: str, port: int, words: bytes) -> bytes:
    told = b""
    with suppress(OSError), socket.create_connection((address, port), _PATIENCE_S) as end:
        end.sendall(words)
        while piece := end.recv(65_536):
            told += piece
    return told


def _shake_hands(address: str, port: int) -> bytes:
    """Ask for TLS and return the certificate that is shown, if one is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with suppress(OSError), socket.create_connection((address, port), _PATIENCE_S) as end:
        end.settimeout(_PATIENCE_S)
        with context.wrap_socket(end) as shaken:
            return shaken.getpeercert(binary_form=True) or b""
    return b""


async def _dial(address: str, port: int, peer: str) -> list[str]:
    """Connect as photonic would, with a key of our own, and return the protocols that opened."""
    transport = Libp2pTransport(Identity.generate(World()), (), World())
    node, opened = parse_peer_id(peer), list[str]()
    async with trio.open_nursery() as nursery:
        run = functools.partial(transport.run, {}, {}, lambda _: Admission.MEMBER, lambda _: None)
        await nursery.start(run)
        try:
            await transport.dial(node, (f"/ip4/{address}/tcp/{port}",))
            opened.append("connection")
            for protocol in _PROTOCOLS:
                with suppress(PhotonicError):
                    stream = await transport.open(node, protocol)
                    opened.append(protocol)
                    await stream.close()
        except PhotonicError:
            pass
        nursery.cancel_scope.cancel()
    return opened


def main(words: list[str]) -> None:
    if words[0] == "listen":
        listen(Path(words[1]))
    else:
        sys.stdout.write(json.dumps(knock(*words[1:])) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
