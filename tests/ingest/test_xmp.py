"""Sidecars that are written: valid XML, read by ourselves and by other programs as they were."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pyexiv2
import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st

from photonic.ingest.sidecar import read_marks
from photonic.ingest.tags import degrees
from photonic.ingest.xmp import sidecar_xml
from photonic.photos import Marks, Position

FULL = Marks(
    rating=4,
    label="red",
    title='Ship & "sea" <3',
    caption="Two lines:\nsalt\u00e9 \N{SAILBOAT}",
    keywords=("travel|iceland", "harbour"),
)
HARBOUR = Position(-33.8567844, 151.2152967, -12.5)

# Words as the reader gives them back: no space around them, no level separators.
words = st.text(
    st.characters(categories=("L", "N", "P", "S"), exclude_characters="|/"), min_size=1, max_size=20
)
marks = st.builds(
    Marks,
    rating=st.none() | st.integers(-1, 5),
    label=st.none() | st.sampled_from(["red", "yellow", "green", "blue", "purple"]),
    title=st.none() | words,
    caption=st.none() | words,
    keywords=st.lists(words, max_size=4, unique_by=str.casefold).map(tuple),
)


@given(marks)
def test_what_is_written_reads_as_the_same_marks(said: Marks) -> None:
    assert read_marks(sidecar_xml(said), "a.xmp") == said


@given(st.builds(Marks, title=st.text(), caption=st.text(), label=st.text()), st.text())
def test_any_text_makes_a_sidecar_that_parses(said: Marks, keyword: str) -> None:
    fromstring(sidecar_xml(said, HARBOUR))
    read_marks(sidecar_xml(Marks(keywords=(keyword,))), "a.xmp")


def test_hierarchies_are_kept_whichever_way_their_levels_are_separated() -> None:
    written = sidecar_xml(Marks(keywords=("travel/iceland", "animals|birds|tern", "harbour")))
    assert read_marks(written, "a.xmp").keywords == (
        "travel|iceland", "animals|birds|tern", "harbour",
    )  # fmt: skip


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_a_place_is_exact_to_a_millimetre(latitude: float, longitude: float) -> None:
    text = sidecar_xml(Marks(), Position(latitude, longitude)).decode()
    for name, wanted in (("GPSLatitude", latitude), ("GPSLongitude", longitude)):
        raw = text.partition(f'exif:{name}="')[2].partition('"')[0]
        found = degrees(raw)
        assert found is not None
        assert abs(found - wanted) < 1e-8


def test_a_sidecar_without_anything_to_say_is_one() -> None:
    assert read_marks(sidecar_xml(Marks()), "a.xmp") == Marks()


def test_exiv2_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg.xmp"
    path.write_bytes(sidecar_xml(FULL, HARBOUR))
    with pyexiv2.Image(str(path)) as image:
        read = image.read_xmp()
    assert read["Xmp.xmp.Rating"] == "4"
    assert read["Xmp.xmp.Label"] == "Red"
    assert read["Xmp.dc.title"] == {'lang="x-default"': FULL.title}
    assert read["Xmp.dc.description"] == {'lang="x-default"': FULL.caption}
    assert read["Xmp.dc.subject"] == ["travel", "iceland", "harbour"]
    assert read["Xmp.lr.hierarchicalSubject"] == ["travel|iceland"]
    assert read["Xmp.exif.GPSLatitude"].endswith("S")
    assert (read["Xmp.exif.GPSAltitude"], read["Xmp.exif.GPSAltitudeRef"]) == ("1250/100", "1")


@pytest.mark.foreign("exiftool")
def test_exiftool_reads_what_is_written_and_finds_nothing_wrong(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg.xmp"
    path.write_bytes(sidecar_xml(FULL, HARBOUR))
    command = ["exiftool", "-validate", "-all", "-json", "-n", "-a", "-G1", str(path)]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    (read,) = json.loads(told.stdout)
    assert read["XMP-xmp:Rating"] == 4
    assert read["XMP-xmp:Label"] == "Red"
    assert read["XMP-dc:Title"] == FULL.title
    assert read["XMP-dc:Description"] == FULL.caption
    assert read["XMP-dc:Subject"] == ["travel", "iceland", "harbour"]
    assert read["XMP-lr:HierarchicalSubject"] == "travel|iceland"
    assert abs(read["XMP-exif:GPSLatitude"] - HARBOUR.latitude) < 1e-6
    assert abs(read["XMP-exif:GPSLongitude"] - HARBOUR.longitude) < 1e-6
    assert (read["XMP-exif:GPSAltitude"], read["XMP-exif:GPSAltitudeRef"]) == (12.5, 1)  # below
    assert read["ExifTool:Validate"] == "0 0 0"


@pytest.mark.foreign("exiftool")
def test_a_rejected_photo_is_one_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "a.xmp"
    path.write_bytes(sidecar_xml(Marks(rating=-1)))
    told = subprocess.run(
        ["exiftool", "-s3", "-XMP:Rating", str(path)], check=True, capture_output=True, text=True
    )
    assert told.stdout == "-1\n"
