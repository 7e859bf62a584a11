"""The pixel identity stays when metadata is written, and changes with what is seen."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import pyexiv2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from photonic import limits
from photonic.blobs.chunks import start_of_scan
from photonic.ingest import metadata
from photonic.ingest.pixels import pixels_of
from tests.blobs.samples import jpeg, noise, segment

TABLES = segment(0xDB, bytes(65)) + segment(0xC0, b"\x08\0\x10\0\x10\x01\x01\x11\0")
SCAN = segment(0xDA, bytes(10)) + noise(500) + b"\xff\xd9"


def of(data: bytes) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.jpg")
        path.write_bytes(data)
        return pixels_of(path)


def drawn(path: Path, quality: int = 80, color: int = 0, **options: object) -> Path:
    image = Image.effect_mandelbrot((96, 64), (-2 + color / 10, -1.5, 1, 1.5), 50)
    image.convert("RGB").save(path, "JPEG", quality=quality, **options)
    return path


@pytest.mark.parametrize("progressive", [False, True])
def test_writing_metadata_leaves_the_identity_as_it_was(tmp_path: Path, progressive: bool) -> None:
    path = drawn(tmp_path / "a.jpg", progressive=progressive)
    before, data = pixels_of(path), path.read_bytes()
    assert before is not None
    assert len(before) == limits.PIXELS_CHARS
    with pyexiv2.Image(str(path)) as image:
        image.modify_exif({"Exif.Image.Artist": "somebody", "Exif.Photo.LensModel": "a" * 3_000})
        image.modify_xmp({"Xmp.dc.subject": ["harbour", "morning"], "Xmp.xmp.Rating": "4"})
        image.modify_iptc({"Iptc.Application2.Caption": "words"})
        image.modify_comment("and more")
    assert path.read_bytes() != data
    assert pixels_of(path) == before
    assert metadata.read(path).pixels == before
    assert metadata.read(path).rating == 4


def test_another_picture_and_another_encoding_are_another_identity(tmp_path: Path) -> None:
    made = [
        drawn(tmp_path / "a.jpg"),
        drawn(tmp_path / "b.jpg", color=1),
        drawn(tmp_path / "c.jpg", quality=81),
        drawn(tmp_path / "d.jpg", progressive=True),
    ]
    assert len({pixels_of(path) for path in made}) == 4


def test_pictures_that_differ_in_their_tables_alone_differ(tmp_path: Path) -> None:
    """Black frames of two sizes have the same scan, and are not the same picture."""
    found = set()
    for size in ((64, 8), (8, 64)):
        made = io.BytesIO()
        Image.new("L", size).save(made, "JPEG")
        at = start_of_scan(made, len(made.getvalue()))
        found.add((of(made.getvalue()), made.getvalue()[at:]))
    assert len({scan for _, scan in found}) == 1, "else this shows nothing"
    assert len({identity for identity, _ in found}) == 2


@given(st.lists(st.tuples(st.sampled_from([*range(0xE0, 0xF0), 0xFE]), st.binary(max_size=50))))
def test_no_metadata_segment_counts(segments: list[tuple[int, bytes]]) -> None:
    written = b"".join(segment(marker, body) for marker, body in segments)
    assert of(b"\xff\xd8" + written + TABLES + SCAN) == of(b"\xff\xd8" + TABLES + SCAN) is not None


@given(st.integers(0, len(TABLES + SCAN) - 1))
def test_every_other_byte_does(at: int) -> None:
    data = bytearray(TABLES + SCAN)
    data[at] ^= 0x01
    assert of(b"\xff\xd8" + bytes(data)) != of(b"\xff\xd8" + TABLES + SCAN)


@given(st.binary(max_size=300), st.booleans())
def test_whatever_a_file_is_reading_it_is_no_error(data: bytes, begins_right: bool) -> None:
    identity = of(b"\xff\xd8" + data if begins_right else data)
    assert identity is None or len(identity) == limits.PIXELS_CHARS


def test_what_is_no_jpeg_or_ends_before_its_scan_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(path)
    assert metadata.read(path).pixels is None
    whole = jpeg(noise(300), noise(1_000))
    for end in range(0, 300, 7):
        assert of(whole[:end]) is None
    assert of(b"\xff\xd8" + b"\xff" * 10_000) is None
    monkeypatch.setattr(limits, "PIXELS_BYTES_MAX", len(whole) - 1)
    assert of(whole) is None
