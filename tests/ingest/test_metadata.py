"""What files say about themselves is read as it is, from our own files and from real cameras'."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from photonic import limits, wire
from photonic.errors import FileEmpty, PhotonicError, PhotoUnreadable
from photonic.ingest import metadata
from photonic.photos import PhotoFacts, media_type
from tests.cameras import GOOD, CameraFile, make_broken_files, odd_names, picture
from tests.source import ROOT

SHARED = ROOT.parent / "shared" / "photos"
shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared photos are not here")


@pytest.mark.parametrize("file", GOOD, ids=lambda file: str(file.name))
def test_a_camera_file_is_read_as_it_was_made(file: CameraFile, tmp_path: Path) -> None:
    path = tmp_path / file.name
    file.make(path)
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    facts = metadata.read(path)
    assert {name: getattr(facts, name) for name in file.facts} == file.facts
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before, "originals are never written"


def test_a_stored_file_is_read_by_the_name_that_it_had(tmp_path: Path) -> None:
    for file in GOOD:
        stored = tmp_path / "0123456789abcdef"
        file.make(tmp_path / file.name)
        (tmp_path / file.name).rename(stored)
        assert metadata.read(stored, file.name).media_type == file.facts["media_type"]


def test_broken_files_are_unreadable_and_empty_ones_empty(tmp_path: Path) -> None:
    for name, code in make_broken_files(tmp_path).items():
        if code == "ingest.damaged":
            assert metadata.read(tmp_path / name).width == 640  # its header is whole
            continue
        kind = FileEmpty if code == FileEmpty.code else PhotoUnreadable
        with pytest.raises(kind, match=name):
            metadata.read(tmp_path / name)


def test_a_name_may_be_any_bytes(tmp_path: Path) -> None:
    for name in odd_names():
        path = Path(f"{tmp_path}/{name.decode('utf-8', 'surrogateescape')}")
        with path.open("wb") as file:
            picture().save(file, "JPEG")
        assert metadata.read(path).width == 640


def test_a_file_full_of_text_gives_facts_that_fit_into_a_change(tmp_path: Path) -> None:
    path = tmp_path / "long.jpg"
    words = "\U0001f4f7" * 4_000
    items = "".join(f"<rdf:li>{number} {words[:300]}</rdf:li>" for number in range(2_000))
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/'
        '22-rdf-syntax-ns#"><rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:description><rdf:Alt><rdf:li>{words * 3}</rdf:li></rdf:Alt></dc:description>"
        f"<dc:subject><rdf:Bag>{items}</rdf:Bag></dc:subject>"
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    # A TIFF, for a JPEG has no room for an XMP packet of this size.
    picture().save(path.with_suffix(".tif"), tiffinfo={700: xmp.encode()})
    facts = metadata.read(path.with_suffix(".tif"))
    assert len(facts.caption or "") == limits.CAPTION_CHARS_MAX
    assert facts.keywords
    assert len(wire.encode(facts)) < limits.CHANGE_BYTES_MAX - 4 * limits.KIB


# --- beside exiftool, on real cameras' files -----------------------------------------------------

# (file, field) where we differ from exiftool and know why.
CORRUPT = "Exiv2 refuses the container, which is truncated or corrupt; the bytes are kept"
EXPECTED = {
    ("corrupted.hif", "date"): CORRUPT,
    ("corrupted.hif", "model"): CORRUPT,
    ("corrupted.hif", "orientation"): CORRUPT,
    ("corrupted.hif", "offset"): CORRUPT,
    ("canon-r6.cr3", "date"): CORRUPT,
    ("canon-r6.cr3", "model"): CORRUPT,
    ("canon-r6.cr3", "orientation"): CORRUPT,
    ("canon-r6.cr3", "offset"): CORRUPT,
    ("canon-r6.cr3", "rating"): CORRUPT,
    ("canon-r6.cr3", "gps"): CORRUPT,
    ("before_epoch.jpg", "date"): "1601 is before photography; the next tag has a date",
    ("date_error.JPG", "date"): "0000:00:00 is no date",
    ("colorchart.dng", "date"): "an empty date is no date",
    ("corrupted_city.JPG", "orientation"): "0 is no orientation",
    ("iso_error.jpg", "model"): "an empty name is no name",
    ("empty_gps.jpg", "gps"): "an empty position is none",
    ("motion_photo_pixel_synth.jpg", "offset"): "an empty zone is none",
    ("test_exif.jpg", "date"): "exiftool leaves a fraction in the tag as it is written",
}


def _theirs(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what exiftool found, of what we compare."""
    date = entry.get("EXIF:ExifIFD:DateTimeOriginal", entry.get("EXIF:IFD0:DateTimeOriginal"))
    found = {
        "date": None if date is None else str(date).replace(":", "-", 2).replace(" ", "T"),
        "offset": entry.get("EXIF:ExifIFD:OffsetTimeOriginal"),
        "model": entry.get("EXIF:IFD0:Model", entry.get("QuickTime:Keys:Model")),
        "orientation": entry.get("EXIF:IFD0:Orientation"),
        "rating": entry.get("XMP:XMP-xmp:Rating"),
        "gps": entry.get("Composite:GPSLatitude")
        and (entry["Composite:GPSLatitude"], entry["Composite:GPSLongitude"]),
    }
    if entry.get("Composite:GPSLatitude") == "":
        found["gps"] = ("", "")
    return {name: value for name, value in found.items() if value is not None}


def _ours(facts: PhotoFacts | None) -> dict[str, Any]:
    if facts is None:
        return {}
    minutes = facts.taken_offset_min
    sign = "-" if (minutes or 0) < 0 else "+"
    return {
        "date": facts.taken and facts.taken[:19],
        "offset": None
        if minutes is None
        else f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}",
        "model": facts.camera_model,
        "orientation": facts.orientation,
        "rating": facts.rating,
        "gps": facts.position and (facts.position.latitude, facts.position.longitude),
    }


@shared
def test_real_files_agree_with_exiftool_but_for_what_is_known() -> None:
    reference = json.loads((SHARED / "exiftool-reference.json").read_text())
    compared, differs = 0, {}
    for entry in reference:
        path = SHARED / entry["SourceFile"]
        if media_type(path) is None:
            continue
        try:
            facts = metadata.read(path)
        except PhotonicError:
            facts = None
        ours = _ours(facts)
        for name, theirs in _theirs(entry).items():
            compared += 1
            is_place = name == "gps" and "" not in theirs
            want = pytest.approx(theirs, abs=1e-5) if is_place else theirs
            if ours.get(name) != want:
                differs[(path.name, name)] = (theirs, ours.get(name))
    assert compared > 290
    assert differs.keys() == EXPECTED.keys(), {
        key: differs.get(key) for key in differs.keys() ^ EXPECTED.keys()
    }


@shared
def test_a_date_says_which_tag_it_is_from() -> None:
    dates = SHARED / "immich-app__test-assets/metadata/dates"
    facts = metadata.read(dates / "gps-datetime.jpg")
    assert facts.taken is None  # the position's time alone is in XMP only, which is not a date
    facts = metadata.read(dates / "date-priority-test.jpg")
    assert (facts.taken, facts.taken_source) == (
        "2023-02-02T02:00:00",
        "Exif.Photo.DateTimeOriginal",
    )


@shared
def test_a_live_photos_two_halves_have_one_camera_and_about_one_time() -> None:
    folder = SHARED / "thorsted__digicam_corpus/Apple/iPhone XR"
    still, moving = metadata.read(folder / "IMG_3589.HEIC"), metadata.read(folder / "IMG_3589.mov")
    assert still.camera_model == moving.camera_model == "iPhone XR"
    assert still.taken is not None and moving.taken is not None
    assert still.taken[:16] == moving.taken[:16]
    assert still.taken_offset_min == moving.taken_offset_min == -360
