"""The pixel identity: what two JPEGs have in common only if they are the same picture.

The BLAKE3 of a JPEG without its metadata: the segments that decoding needs (tables, frame, restart
interval) and everything from the start of scan on, but no APPn (Exif, XMP, IPTC, colour profile,
thumbnail) and no comment. Writing metadata leaves it as it was; encoding anew does not. Other
kinds of files have none: where their pixels begin is theirs to know.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import blake3

from photonic import limits

_SOI, _SOS, _COM = b"\xff\xd8", 0xDA, 0xFE
_APP = range(0xE0, 0xF0)
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
_IDENTITY_BYTES = 16


def pixels_of(path: Path) -> str | None:
    """Return the identity in hex digits; None for what is no JPEG, or is torn, or is very large.

    Reads the file once. Raises OSError.
    """
    with path.open("rb") as file:
        if path.stat().st_size > limits.PIXELS_BYTES_MAX:
            return None
        return _identity(file)


def _identity(file: BinaryIO) -> str | None:
    if file.read(2) != _SOI:
        return None
    found = blake3.blake3()
    for _ in range(limits.JPEG_SEGMENTS_MAX):
        marker = _marker(file)
        if marker is None:
            return None
        if marker == _SOS:
            found.update(b"\xff\xda")
            while data := file.read(limits.READ_BYTES):
                found.update(data)
            return found.hexdigest(length=_IDENTITY_BYTES)
        if marker in _STANDALONE:
            continue
        length = file.read(2)
        size_bytes = int.from_bytes(length, "big") - 2
        if len(length) < 2 or size_bytes < 0:
            return None
        body = file.read(size_bytes)
        if len(body) < size_bytes:
            return None
        if marker not in _APP and marker != _COM:
            found.update(bytes((0xFF, marker)) + length + body)
    return None


def _marker(file: BinaryIO) -> int | None:
    """Return the next marker, behind its fill bytes; None if there is none."""
    if file.read(1) != b"\xff":
        return None
    for _ in range(limits.JPEG_SEGMENTS_MAX):
        code = file.read(1)
        if code != b"\xff":
            return code[0] if code and code != b"\0" else None
    return None
