"""What is moved: stand-ins for camera files that do not compress, and JPEGs that get new tags.

Every file is another one. A re-tagged JPEG is what a tool leaves that writes metadata in place: the
header has grown, and every byte from the start of scan on is the same.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

_NOISE_BYTES_PER_PIXEL = 1.25  # of a JPEG of noise at this quality
_QUALITY = 90
_BLOCK = 16 << 20
_XMP = (
    b"http://ns.adobe.com/xap/1.0/\0<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?>"
    b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF"
    b" xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description rdf:about=''"
    b" xmlns:xmp='http://ns.adobe.com/xap/1.0/' xmlns:dc='http://purl.org/dc/elements/1.1/'"
    b" xmp:Rating='%d'><dc:subject><rdf:Bag><rdf:li>%b</rdf:li></rdf:Bag></dc:subject>"
    b"</rdf:Description></rdf:RDF></x:xmpmeta>%b<?xpacket end='w'?>"
)
_PADDING = b"\n".ljust(2_048)  # as XMP's writers leave it for the next edit


@dataclass(frozen=True, slots=True)
class Sample:
    """A set of files: so many, of about this size each."""

    name: str
    count: int
    size_bytes: int
    is_retagged: bool = False  # JPEGs, held by both ends before their tags change

    @property
    def bytes(self) -> int:
        return self.count * self.size_bytes

    def scaled(self, scale: float) -> Sample:
        """Return a smaller set: fewer files, or a smaller one where there is only one."""
        if self.count == 1:
            return replace(self, size_bytes=max(1, round(self.size_bytes * scale)))
        return replace(self, count=max(1, round(self.count * scale)))

    def make(self, folder: Path) -> Path:
        """Write the files into a new folder and return it."""
        folder.mkdir(parents=True)
        if self.is_retagged:
            _make_jpegs(folder, self.count, self.size_bytes)
        else:
            for number in range(self.count):
                _make_file(folder / f"IMG_{number:06}.CR3", self.size_bytes)
        return folder


def _make_file(path: Path, size_bytes: int) -> None:
    with path.open("wb") as file:
        for offset in range(0, size_bytes, _BLOCK):
            file.write(os.urandom(min(_BLOCK, size_bytes - offset)))


def _make_jpegs(folder: Path, count: int, size_bytes: int) -> None:
    width = max(16, round((size_bytes / _NOISE_BYTES_PER_PIXEL * 3 / 2) ** 0.5))
    with ProcessPoolExecutor() as processes:
        for number, data in enumerate(processes.map(partial(_jpeg, width), range(count))):
            (folder / f"IMG_{number:06}.JPG").write_bytes(data)


def _jpeg(width: int, seed: int) -> bytes:
    """Draw a noisy picture: its own for each seed, and as dense as a camera's."""
    pixels = np.random.default_rng(seed).integers(0, 256, (width * 2 // 3, width, 3), np.uint8)
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "photonic", f"benchmark {seed}"  # make, model
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=_QUALITY, exif=exif)
    return file.getvalue()


def retag(folder: Path) -> None:
    """Give every JPEG of a folder a rating and a keyword, as a new file in the old one's place."""
    for number, path in enumerate(sorted(folder.glob("*.JPG"))):
        aside = path.with_suffix(".part")
        aside.write_bytes(retagged(path.read_bytes(), number % 6, f"keyword {number}".encode()))
        aside.replace(path)


def retagged(jpeg: bytes, rating: int, keyword: bytes) -> bytes:
    """Return a JPEG with an XMP segment behind its EXIF; all the rest is as it was."""
    packet = _XMP % (rating, keyword, _PADDING)
    segment = b"\xff\xe1" + (len(packet) + 2).to_bytes(2, "big") + packet
    place = next(end for marker, end in _segments(jpeg) if marker == 0xE1)
    return jpeg[:place] + segment + jpeg[place:]


def _segments(jpeg: bytes) -> Iterator[tuple[int, int]]:
    """Yield marker and end of each segment of the header."""
    place = 2
    while jpeg[place] == 0xFF and jpeg[place + 1] != 0xDA:
        end = place + 2 + int.from_bytes(jpeg[place + 2 : place + 4], "big")
        yield jpeg[place + 1], end
        place = end


def count(folder: Path) -> int:
    """Return how many files are in a folder."""
    return sum(1 for path in folder.iterdir() if path.is_file())


def weight(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
