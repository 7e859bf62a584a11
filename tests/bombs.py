"""Files that are small and want to be huge: made in code, each with what must become of it.

`make_bombs` writes them; a bomb in `TOLD` must be told as a problem, the others may be shown if
that costs no more than any photo may.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import av
import pillow_heif

from tests.cameras import picture

MIB = 1 << 20


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, *extra: bytes, colour: int = 2) -> bytes:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    body = _chunk(b"IDAT", zlib.compress(bytes(min(width * height, 4 * MIB))))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + body + _chunk(b"IEND", b"")


@cache
def _deflated(size_bytes: int) -> bytes:
    """Return the zlib of so many zeros, made without having them."""
    packer, packed = zlib.compressobj(9), bytearray()
    for _ in range(size_bytes // MIB):
        packed += packer.compress(bytes(MIB))
    return bytes(packed + packer.flush())


def _small_jpeg() -> bytes:
    out = io.BytesIO()
    picture(1).save(out, "JPEG", quality=80)
    return out.getvalue()


def _with_xmp(packet: bytes) -> bytes:
    data = _small_jpeg()
    body = b"http://ns.adobe.com/xap/1.0/\0" + packet
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def laughs(levels: int = 12) -> bytes:
    """Return an XMP packet of a billion laughs and more."""
    entities = '<!ENTITY a0 "lol">' + "".join(
        f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, levels)
    )
    return (
        f'<?xml version="1.0"?><!DOCTYPE x [{entities}]>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
        ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
        f' xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>&a{levels - 1};</dc:title>'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def _tiff(entries: list[tuple[int, int, int, int]], following: int, tail: bytes = b"") -> bytes:
    """Return a TIFF of one directory at 8: (tag, type, count, value) and where the next one is."""
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0\x08\0\0\0" + directory + struct.pack("<I", following) + tail


def _tiff_gigapixels() -> bytes:
    at = 8 + 2 + 9 * 12 + 4
    strip = _deflated(64 * MIB)
    return _tiff(
        [(256, 4, 1, 100_000), (257, 4, 1, 100_000), (258, 3, 1, 8), (259, 3, 1, 8),
         (262, 3, 1, 1), (273, 4, 1, at), (277, 3, 1, 1), (278, 4, 1, 100_000),
         (279, 4, 1, len(strip))], 0, strip,
    )  # fmt: skip


def _tiff_loop() -> bytes:
    """A directory that is its own successor, its own sub-directory and its own EXIF."""
    return _tiff([(256, 4, 1, 64), (257, 4, 1, 64), (330, 4, 1, 8), (34665, 4, 1, 8)], 8)


def _tiff_counts() -> bytes:
    """Tags that claim to have four thousand million values."""
    most = 0xFFFFFFFF
    return _tiff([(256, 4, 1, 64), (257, 4, 1, 64), (273, 4, most, 8), (279, 4, most, 8),
                  (700, 1, most, 8), (34675, 7, most, 8)], 0)  # fmt: skip


def _exif_loop() -> bytes:
    data, body = _small_jpeg(), b"Exif\0\0" + _tiff_loop()
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def _jpeg_gigapixels() -> bytes:
    data = bytearray(_small_jpeg())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 65_500, 65_500)
    return bytes(data)


def _jpeg_scans() -> bytes:
    """A progressive JPEG whose last scan comes two thousand times."""
    out = io.BytesIO()
    picture(2).save(out, "JPEG", quality=80, progressive=True)
    data = out.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * 2_000 + data[-2:]


def _gif() -> bytes:
    """65,535 x 65,535, and a thousand frames of it."""
    screen = b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, 65_535, 65_535, 0) + b"\x02\x02\x4c\x01\0"
    return screen + frame * 1_000 + b";"


def _webp() -> bytes:
    out = io.BytesIO()
    picture(3).convert("RGBA").save(out, "WEBP", quality=50, exif=b"Exif\0\0" + _tiff([], 0))
    data = bytearray(out.getvalue())
    at = data.index(b"VP8X")
    data[at + 12 : at + 18] = b"\xff" * 6  # 16,777,216 x 16,777,216
    return bytes(data)


def _heic() -> bytes:
    pillow_heif.register_heif_opener()
    out = io.BytesIO()
    picture(4).save(out, "HEIF", quality=60)
    data = bytearray(out.getvalue())
    at = data.find(b"ispe")
    while at >= 0:
        data[at + 8 : at + 16] = struct.pack(">II", 0x7FFFFFFF, 0x7FFFFFFF)
        at = data.find(b"ispe", at + 1)
    return bytes(data)


def _movie() -> bytes:
    out = io.BytesIO()
    frame = av.VideoFrame.from_image(picture(5))  # type: ignore[no-untyped-call]
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv420p"
        for number in range(5):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return out.getvalue()


def _movie_counts() -> bytes:
    """A movie whose tables claim as many entries as a number can say."""
    data = bytearray(_movie())
    for table, skipped in ((b"stsz", 12), (b"stts", 8), (b"stsc", 8), (b"stco", 8), (b"ctts", 8)):
        at = data.find(table)
        if at >= 0:
            data[at + skipped : at + skipped + 4] = b"\xff\xff\xff\xf0"
    return bytes(data)


def _movie_size() -> bytes:
    data = bytearray(_movie())
    at = data.index(b"mp4v")
    data[at + 28 : at + 32] = b"\xff\xff\xff\xff"  # 65,535 x 65,535
    return bytes(data)


def _boxes() -> bytes:
    """Forty thousand boxes in one another."""
    heads = b"".join(struct.pack(">I", 8 * (40_000 - n)) + b"moov" for n in range(40_000))
    return struct.pack(">I", 20) + b"ftypisom\0\0\0\0isom" + heads


BOMBS: dict[str, Callable[[], bytes]] = {
    "pixels.png": lambda: _png(60_000, 60_000),
    "most.png": lambda: _png(2_000_000_000, 2_000_000_000),
    "profile.png": lambda: _png(
        64, 64, _chunk(b"iCCP", b"p\0\0" + _deflated(256 * MIB)), colour=0
    ),
    "texts.png": lambda: _png(
        64, 64, *[_chunk(b"zTXt", b"k%d\0\0" % n + _deflated(64 * MIB)) for n in range(16)],
        colour=0,
    ),
    "xmp.png": lambda: _png(
        64, 64,
        _chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + _deflated(256 * MIB)), colour=0,
    ),
    "pixels.tif": _tiff_gigapixels,
    "loop.tif": _tiff_loop,
    "counts.tif": _tiff_counts,
    "loop.dng": lambda: _tiff_loop() + b"d",  # the same bytes would be the same photo
    "counts.nef": lambda: _tiff_counts() + b"n",
    "loop.jpg": _exif_loop,
    "pixels.jpg": _jpeg_gigapixels,
    "scans.jpg": _jpeg_scans,
    "laughs.jpg": lambda: _with_xmp(laughs()),
    "pixels.gif": _gif,
    "pixels.webp": _webp,
    "pixels.heic": _heic,
    "counts.mp4": _movie_counts,
    "pixels.mov": _movie_size,
    "boxes.mp4": _boxes,
}  # fmt: skip
TOLD = {
    "pixels.png", "most.png", "pixels.tif", "loop.tif", "counts.tif", "loop.dng", "counts.nef",
    "pixels.jpg", "pixels.webp", "pixels.heic", "pixels.gif", "counts.mp4", "boxes.mp4",
    "profile.png", "texts.png", "xmp.png",
}  # fmt: skip


def make_bombs(folder: Path) -> list[Path]:
    """Write every bomb; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in BOMBS.items():
        (folder / name).write_bytes(make())
    return [folder / name for name in BOMBS]


def sidecar_bombs() -> dict[str, bytes]:
    """Return sidecars that must not be read: by what is wrong with them."""
    head = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    return {
        "laughs": laughs(),
        "outside": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
        "deep": b"<a>" * 1_000_000 + b"</a>" * 1_000_000,
        "wide": head + b"<a/>" * 1_900_000 + b"</x:xmpmeta>",
        "attributes": b"<a " + b" ".join(b'b%d=""' % n for n in range(600_000)) + b"/>",
        "names": b"<" + b"a" * 7_000_000 + b"/>",
        "torn": head,
    }
