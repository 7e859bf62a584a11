"""A very small NFS client: it lists one folder, to see that a server answers (RFC 7530).

NFS 4.0, for there a listing needs no session: one compound of PUTROOTFH, LOOKUP and READDIR.
"""

from __future__ import annotations

import struct

import trio

from photonic import limits
from photonic.errors import ExporterSilent

_PROGRAM, _VERSION, _COMPOUND = 100_003, 4, 1
_PUTROOTFH, _LOOKUP, _READDIR = 24, 15, 26
_LAST_FRAGMENT = 1 << 31
_AUTH_SYS = 1
_READDIR_BYTES, _ENTRIES_MAX = 8_192, 1_000


async def list_folder(host: str, port: int, name: str) -> list[str]:
    """Return the names in a folder below the root of an NFS server.

    Raises ExporterSilent, whatever kept it from being listed.
    """
    try:
        with trio.fail_after(limits.EXPORT_PROBE_S):
            async with await trio.open_tcp_stream(host, port) as stream:
                await stream.send_all(_call(name))
                return _answer(await _fragments(stream))
    except (OSError, trio.TooSlowError, trio.BrokenResourceError) as error:
        raise ExporterSilent(f"nothing answers at {host}:{port}: {error}") from error
    except (struct.error, IndexError, ValueError) as error:
        raise ExporterSilent(f"what answers at {host}:{port} is no NFS server: {error}") from error


def _opaque(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data + bytes(-len(data) % 4)


def _call(name: str) -> bytes:
    credentials = (
        struct.pack(">I", 0) + _opaque(b"photonic") + struct.pack(">III", 65_534, 65_534, 0)
    )
    header = struct.pack(">IIIIII", 1, 0, 2, _PROGRAM, _VERSION, _COMPOUND)
    header += struct.pack(">I", _AUTH_SYS) + _opaque(credentials) + struct.pack(">II", 0, 0)
    lookup = struct.pack(">I", _LOOKUP) + _opaque(name.encode())
    readdir = struct.pack(">IQQII", _READDIR, 0, 0, _READDIR_BYTES, _READDIR_BYTES)
    readdir += struct.pack(">I", 0)  # no attributes
    body = _opaque(b"") + struct.pack(">II", 0, 3) + struct.pack(">I", _PUTROOTFH) + lookup
    message = header + body + readdir
    return struct.pack(">I", _LAST_FRAGMENT | len(message)) + message


async def _fragments(stream: trio.SocketStream) -> bytes:
    found = b""
    while True:
        (mark,) = struct.unpack(">I", await _exactly(stream, 4))
        size = mark & ~_LAST_FRAGMENT
        if len(found) + size > 4 * _READDIR_BYTES:
            raise ValueError("an answer that is too long")
        found += await _exactly(stream, size)
        if mark & _LAST_FRAGMENT:
            return found


async def _exactly(stream: trio.SocketStream, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = await stream.receive_some(size - len(found))
        if not part:
            raise ValueError("the connection ended")
        found += part
    return found


class _Reader:
    """Takes an answer apart."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def number(self) -> int:
        (value,) = struct.unpack_from(">I", self._data, self._at)
        self._at += 4
        return int(value)

    def skip(self, size: int) -> None:
        self._at += size

    def opaque(self) -> bytes:
        size = self.number()
        found = self._data[self._at : self._at + size]
        self._at += size + -size % 4
        return found


def _answer(data: bytes) -> list[str]:
    read = _Reader(data)
    if (read.number(), read.number(), read.number()) != (1, 1, 0):
        raise ValueError("the call was denied")
    read.number()
    read.opaque()  # the verifier
    if read.number() != 0 or read.number() != 0:
        raise ExporterSilent("the NFS server does not have what it should export")
    read.opaque()  # the tag
    for _ in range(read.number() - 1):
        read.skip(8)  # of PUTROOTFH and LOOKUP: which, and that it went well
    if read.number() != _READDIR or read.number() != 0:
        raise ExporterSilent("the NFS server gives no listing")
    read.skip(8)  # the cookies' verifier
    found: list[str] = []
    while read.number() == 1 and len(found) < _ENTRIES_MAX:
        read.skip(8)
        found.append(read.opaque().decode("utf-8", "replace"))
        for _ in range(read.number()):  # words of the attributes' mask
            read.number()
        read.opaque()
    return found
