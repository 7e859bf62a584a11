"""A JPEG with new tags moves its header, and not its picture, to whoever holds the old one.

Tags are written by Exiv2, as darktable and digiKam do. `SAMPLE_PHOTOS` may name a folder of photos
from real cameras: every JPEG in it that is large enough is tried, too.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pyexiv2
import pytest
from PIL import Image

from photonic import limits
from photonic.blobs import chunks
from photonic.blobs.chunks import scan
from photonic.blobs.files import FileStore
from photonic.world import World
from tests.blobs.store_contract import pieces

SHARE_MAX = 0.1
SIZE_BYTES_MIN = 1_500_000  # of a sample: others may be half thumbnail and maker note


def made(folder: Path) -> Path:
    """Write what a camera does: a noisy picture, EXIF, and a thumbnail in it."""
    pixels = np.random.default_rng(7).integers(0, 256, (1_000, 1_500, 3), np.uint8)
    path = folder / "made.jpg"
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "photonic", "test"  # make, model
    Image.fromarray(pixels).save(path, "JPEG", quality=90, exif=exif)
    return path


def samples() -> list[Path]:
    folder = os.environ.get("SAMPLE_PHOTOS")
    found = sorted(Path(folder).rglob("*.[jJ][pP]*[gG]")) if folder else []
    return [path for path in found if path.stat().st_size >= SIZE_BYTES_MIN]


@pytest.fixture(params=[None, *samples()], ids=lambda path: "made" if path is None else path.name)
def photo(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param is None:
        return made(tmp_path)
    path = tmp_path / "sample.jpg"
    shutil.copyfile(request.param, path)
    return path


def retag(photo: Path) -> Path:
    """Return a copy with a rating, keywords and a caption in EXIF, IPTC and XMP."""
    copy = photo.with_name("tagged.jpg")
    shutil.copyfile(photo, copy)
    with pyexiv2.Image(str(copy)) as image:
        image.modify_exif({"Exif.Image.ImageDescription": "a wedding, the second of three days"})
        image.modify_iptc({"Iptc.Application2.Keywords": ["wedding", "Anna and Ben"]})
        image.modify_xmp({"Xmp.xmp.Rating": "4", "Xmp.dc.subject": ["wedding", "Anna and Ben"]})
    return copy


def moved_bytes(folder: Path, held: Path, wanted: Path) -> int:
    """Return how many bytes of `wanted` have to come to a store that holds `held`."""
    store = FileStore.open(folder, World())
    store.adopt(held)
    found, right = scan(wanted), pieces(wanted.read_bytes(), scan(wanted))
    partial = store.begin(found.ref, found.chunks)
    size_bytes = partial.missing_bytes
    for index in partial.missing():
        partial.write(index, right[index])
    partial.finish()
    assert store.read(found.ref.blob) == wanted.read_bytes()
    store.close()
    return size_bytes


def test_new_tags_move_less_than_a_tenth(photo: Path, tmp_path: Path) -> None:
    tagged = retag(photo)
    assert tagged.read_bytes() != photo.read_bytes()
    assert 0 < moved_bytes(tmp_path / "store", photo, tagged) < SHARE_MAX * tagged.stat().st_size


def test_without_a_cut_where_the_scan_starts_more_moves(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tagged = retag(photo)
    with_cut = moved_bytes(tmp_path / "with", photo, tagged)
    monkeypatch.setattr(chunks, "start_of_scan", lambda _file, _size_bytes: None)
    without = moved_bytes(tmp_path / "without", photo, tagged)
    assert without > with_cut + limits.CHUNK_BYTES_MIN / 2, "the first of the picture, too"
