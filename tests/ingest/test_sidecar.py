"""Sidecars: which belong to a photo, and what they say; foreign XML does no harm."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic import limits
from photonic.errors import SidecarInvalid
from photonic.ingest.sidecar import beside, read_marks, sidecars_in
from photonic.photos import Marks
from tests.cameras import xmp_packet
from tests.ingest.test_metadata import SHARED, shared


def test_marks_are_read_whether_they_are_attributes_or_elements() -> None:
    data = xmp_packet(
        rating=4, label="Red", title="A &amp; B", subject=("lake", "Alps"), paths=("Places|Alps",)
    )
    expected = Marks(rating=4, label="red", title="A & B", keywords=("Places|Alps", "lake"))
    assert read_marks(data, "a.xmp") == expected
    as_element = data.replace(b' xmp:Rating="4"', b"").replace(
        b"<dc:title>", b"<xmp:Rating>4</xmp:Rating><dc:title>"
    )
    assert as_element != data
    assert read_marks(as_element, "a.xmp") == expected


def test_a_silent_sidecar_says_nothing_and_a_rejection_is_one() -> None:
    assert read_marks(xmp_packet(), "a.xmp") == Marks()
    assert read_marks(xmp_packet(rating=-1), "a.xmp") == Marks(rating=-1)
    assert read_marks(xmp_packet(rating=17), "a.xmp") == Marks()


LAUGHS = b"""<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><x>&b;</x>"""
OUTSIDE = b"""<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]><x>&a;</x>"""


@pytest.mark.parametrize(
    "data",
    [
        b"", b"no xml", b"<x>", b"\xff\xfe\x00", LAUGHS, OUTSIDE,
        b"<x>" * (limits.SIDECAR_DEPTH_MAX + 1) + b"</x>" * (limits.SIDECAR_DEPTH_MAX + 1),
        b"<x>" + b"<y/>" * limits.SIDECAR_ELEMENTS_MAX + b"</x>",
        b" " * (limits.SIDECAR_BYTES_MAX + 1),
    ],
    ids=["empty", "text", "torn", "bytes", "laughs", "outside", "deep", "wide", "large"],
)  # fmt: skip
def test_hostile_or_broken_xml_is_refused(data: bytes) -> None:
    with pytest.raises(SidecarInvalid, match=r"bad\.xmp"):
        read_marks(data, "bad.xmp")


@given(st.binary(max_size=300), st.integers(0, 600))
def test_any_bytes_are_marks_or_refused(waste: bytes, at: int) -> None:
    whole = xmp_packet(rating=3, title="t", subject=("a", "b"))
    try:
        read_marks(whole[:at] + waste + whole[at:], "a.xmp")
    except SidecarInvalid:
        return


def test_the_one_that_keeps_the_extension_speaks_first(tmp_path: Path) -> None:
    photo = tmp_path / "IMG_1.CR2"
    for name in (
        "IMG_1.xmp", "IMG_1.CR2.xmp", "IMG_1_01.CR2.XMP", "IMG_1_01.JPG.xmp", "IMG_10.CR2.xmp",
        "IMG_1_x1.CR2.xmp", "IMG_1.txt",
    ):  # fmt: skip
        (tmp_path / name).write_bytes(b"")
    found = beside(photo, sidecars_in(tmp_path))
    assert [path.name for path in found] == ["IMG_1.CR2.xmp", "IMG_1.xmp", "IMG_1_01.CR2.XMP"]


@shared
def test_real_sidecars_are_read() -> None:
    marks = read_marks(
        (SHARED / "MikeKovarik__exifr/test/fixtures/sidecar/IMG_5910.xmp").read_bytes(), "a"
    )
    assert marks.rating == 3
    assert marks.title == "Squirrel at berkely"
    assert set(marks.keywords) == {"Alvin the Squirrel", "Berkley", "USA"}
    paths = sorted(SHARED.rglob("*.xmp"))
    assert len(paths) == 24
    for path in paths:
        read_marks(path.read_bytes(), path.name)
