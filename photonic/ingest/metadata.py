"""What an image says about itself, read with Exiv2. The only file that imports pyexiv2.

It reads and never writes: Exiv2 rewrites originals in place and has damaged some. Not for use in
threads or in the daemon: Exiv2's XMP part is not thread-safe and a hostile file may crash it, so
`workers.Workers` runs `read` in processes of their own. Sizes come from the decoder's header, for
Exiv2's are wrong for HEIC, AVIF and JXL; videos go to `video`, for Exiv2 does not know them.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path

import pyexiv2
from msgspec.structs import replace

from photonic.errors import FileEmpty, PhotoUnreadable
from photonic.ingest import pictures, tags, video
from photonic.ingest.pixels import pixels_of
from photonic.ingest.tags import Moment, Tags, Value
from photonic.photos import (
    IMAGE_TYPES,
    RAW_TYPES,
    VIDEO_TYPES,
    PhotoFacts,
    Position,
    media_type,
)

_EXIF_START, _EXIF_BYTES_MAX, _EXIF_WITHIN_BYTES = b"Exif\0\0", 64 * 1024, 256 * 1024
_ISO_UNKNOWN = 65_535  # EXIF 2.2 has 16 bits; cameras beyond say this and write another tag

# Where the date may be, best first: (date, sub-seconds, zone). The last is when some program wrote
# the file: better than no date, and `taken_source` says so.
_DATES = (
    ("Exif.Photo.DateTimeOriginal", "Exif.Photo.SubSecTimeOriginal",
     "Exif.Photo.OffsetTimeOriginal"),
    ("Exif.Image.DateTimeOriginal", "Exif.Photo.SubSecTimeOriginal",
     "Exif.Photo.OffsetTimeOriginal"),
    ("Exif.Photo.DateTimeDigitized", "Exif.Photo.SubSecTimeDigitized",
     "Exif.Photo.OffsetTimeDigitized"),
    ("Xmp.exif.DateTimeOriginal", "Xmp.exif.SubSecTimeOriginal", "Xmp.exif.OffsetTimeOriginal"),
    ("Xmp.photoshop.DateCreated", "", ""),
    ("Xmp.xmp.CreateDate", "", ""),
    ("Xmp.exif.DateTimeDigitized", "", ""),
    ("Iptc.Application2.DateCreated", "", ""),
    ("Exif.GPSInfo.GPSDateStamp", "", ""),
    ("Exif.Image.DateTime", "Exif.Photo.SubSecTime", "Exif.Photo.OffsetTime"),
)  # fmt: skip
_SERIALS = (
    "Exif.Photo.BodySerialNumber", "Exif.Image.CameraSerialNumber", "Xmp.aux.SerialNumber",
    "Xmp.exifEX.BodySerialNumber", "Exif.Nikon3.SerialNumber", "Exif.Canon.SerialNumber",
    "Exif.OlympusEq.SerialNumber", "Exif.Fujifilm.SerialNumber", "Exif.Pentax.SerialNumber",
)  # fmt: skip
_LENSES = (
    "Exif.Photo.LensModel", "Xmp.exifEX.LensModel", "Xmp.aux.Lens", "Exif.Canon.LensModel",
    "Exif.OlympusEq.LensModel", "Xmp.microsoft.LensModel",
)  # fmt: skip


def read(path: Path, name: str | None = None) -> PhotoFacts:
    """Return everything that the file at `path` says about itself.

    `name` is what the file is called if not by its path: in the store files have no extension.

    A file whose tags are damaged still yields its size, one whose pixels are damaged its tags.
    Raises PhotoUnreadable if neither can be had, FileEmpty for zero bytes.
    """
    kind = media_type(name or path)
    if kind is None:
        raise PhotoUnreadable(f"{name or shown(path)} has no extension of a photo or video")
    try:
        size_bytes = path.stat().st_size
    except OSError as error:
        raise PhotoUnreadable(f"{shown(path)}: {error.strerror}") from error
    if size_bytes == 0:
        raise FileEmpty(f"{shown(path)} has zero bytes")
    if kind in VIDEO_TYPES.values():
        return video.read(path, kind)
    found, trouble = read_tags(path)
    stored = tags.whole_within(found.get("Exif.Image.Orientation"), 1, 8)
    try:
        frame = pictures.measure(path, kind, stored)
    except PhotoUnreadable as error:
        if not _has_substance(found):
            raise PhotoUnreadable(f"{error.message}; {trouble or 'no metadata'}") from error
        frame = pictures.Frame(kind, None, None, stored)
    return replace(facts_of(found, frame), pixels=pixels_of(path))


def shown(path: Path) -> str:
    """Return a file's name as text that can be shown, whatever its bytes are."""
    return os.fsencode(path.name).decode("utf-8", "replace")


def read_tags(path: Path) -> tuple[Tags, str | None]:
    """Return all tags of an image by their Exiv2 names, and what went wrong on the way."""
    _quiet_exiv2()
    found: dict[str, Value] = {}
    trouble = None
    try:
        image = _open(path)
    except (RuntimeError, OSError, UnicodeError, ValueError, MemoryError) as error:
        trouble = str(error)
        try:
            image = _open_exif_block(path)
        except (RuntimeError, OSError, ValueError, MemoryError):
            return found, trouble
    try:
        for reader in (image.read_exif, image.read_iptc, image.read_xmp):
            try:
                found.update(_decoded(reader))
            except (RuntimeError, UnicodeError, ValueError) as error:
                trouble = str(error)
    finally:
        image.close()
    return found, trouble


def facts_of(found: Tags, frame: pictures.Frame) -> PhotoFacts:
    """Make facts out of tags, and out of what the decoder's header says of the picture."""
    date, source = _taken(found)
    position = _position(found)
    return PhotoFacts(
        media_type=frame.media_type,
        width=frame.width,
        height=frame.height,
        orientation=frame.stored_orientation,
        taken=date.local if date else None,
        taken_offset_min=date.offset_min if date else None,
        taken_source=source,
        camera_make=tags.first_text(found, "Exif.Image.Make", "Xmp.tiff.Make"),
        camera_model=tags.first_text(
            found, "Exif.Image.Model", "Xmp.tiff.Model", "Exif.Image.UniqueCameraModel"
        ),
        camera_serial=tags.first_text(found, *_SERIALS),
        lens=tags.first_text(found, *_LENSES),
        exposure_s=_exposure_s(found),
        aperture=_aperture(found),
        iso=_iso(found),
        focal_mm=tags.number_within(found.get("Exif.Photo.FocalLength"), 0.1, 20_000),
        position=position,
        rating=_rating(found),
        label=tags.first_text(found, "Xmp.xmp.Label"),
        title=tags.first_text(found, "Xmp.dc.title", "Iptc.Application2.ObjectName"),
        caption=tags.caption(
            found, "Xmp.dc.description", "Iptc.Application2.Caption", "Exif.Image.ImageDescription"
        ),
        keywords=tags.keywords(
            tags.listed(found.get("Xmp.dc.subject"))
            + tags.listed(found.get("Iptc.Application2.Keywords")),
            tags.listed(found.get("Xmp.lr.hierarchicalSubject")),
        ),
    )


@functools.cache
def _quiet_exiv2() -> None:
    # At the default level each error that Exiv2 recovers from becomes an exception at open, and
    # one file's error may surface in the next call.
    pyexiv2.set_log_level(4)


def _open(path: Path) -> pyexiv2.ImageData | pyexiv2.Image:
    name = os.fspath(path)
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:  # the wrapper takes text only; the bytes work without a name
        return pyexiv2.ImageData(path.read_bytes())
    return pyexiv2.Image(name)


def _open_exif_block(path: Path) -> pyexiv2.ImageData:
    """Open the EXIF block alone, which is a TIFF: it is often whole where the picture is not."""
    with path.open("rb") as file:
        head = file.read(_EXIF_WITHIN_BYTES)
    at = head.find(_EXIF_START)
    if at < 0:
        raise ValueError("there is no EXIF block")
    return pyexiv2.ImageData(head[at + len(_EXIF_START) :][:_EXIF_BYTES_MAX])


def _decoded(reader: Callable[..., dict[str, Value]]) -> dict[str, Value]:
    """Read tags as UTF-8; if some are not, take each as UTF-8 if it is and as Latin-1 if not."""
    try:
        return reader()
    except UnicodeDecodeError:
        return {name: _mended(value) for name, value in reader(encoding="latin-1").items()}


def _mended(value: Value) -> Value:
    if isinstance(value, list):
        return [_mended_text(entry) for entry in value]
    if isinstance(value, dict):
        return {key: _mended_text(entry) for key, entry in value.items()}
    return _mended_text(value)


def _mended_text(value: str) -> str:
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _has_substance(found: Tags) -> bool:
    """Whether the tags say anything of a photo: a bare thumbnail pointer does not."""
    return any(name in found for name, _, _ in _DATES) or "Exif.Image.Model" in found


def _taken(found: Tags) -> tuple[Moment | None, str | None]:
    for name, subseconds, zone in _DATES:
        date = _moment_at(found, name, found.get(subseconds))
        if date is None:
            continue
        if date.offset_min is None and zone:
            date = Moment(date.local, tags.offset(found.get(zone)))
        return date, name
    return None, None


def _moment_at(found: Tags, name: str, subseconds: Value | None) -> Moment | None:
    value = found.get(name)
    if name == "Exif.GPSInfo.GPSDateStamp":
        clock = [
            tags.number(part) for part in str(found.get("Exif.GPSInfo.GPSTimeStamp", "")).split()
        ]
        if len(clock) != 3 or None in clock:
            return None
        hour, minute, second = (int(part or 0) for part in clock)
        return tags.moment(f"{tags.text(value)} {hour:02}:{minute:02}:{second:02}Z")
    if name == "Iptc.Application2.DateCreated":
        time = tags.text(found.get("Iptc.Application2.TimeCreated")) or ""
        date = tags.moment(f"{tags.text(value)} {time}")
        # Exiv2 shows +00:00 for a time without zone, too: no zone is what can be said.
        return Moment(date.local, date.offset_min or None) if date else None
    return tags.moment(value, subseconds)


def _position(found: Tags) -> Position | None:
    altitude = tags.number(found.get("Exif.GPSInfo.GPSAltitude"))
    if altitude is not None and tags.number(found.get("Exif.GPSInfo.GPSAltitudeRef")) == 1:
        altitude = -altitude
    exif = tags.position(
        tags.degrees(
            found.get("Exif.GPSInfo.GPSLatitude"), found.get("Exif.GPSInfo.GPSLatitudeRef")
        ),
        tags.degrees(
            found.get("Exif.GPSInfo.GPSLongitude"), found.get("Exif.GPSInfo.GPSLongitudeRef")
        ),
        altitude,
    )
    if exif is not None:
        return exif
    altitude = tags.number(found.get("Xmp.exif.GPSAltitude"))
    if altitude is not None and tags.number(found.get("Xmp.exif.GPSAltitudeRef")) == 1:
        altitude = -altitude
    return tags.position(
        tags.degrees(found.get("Xmp.exif.GPSLatitude")),
        tags.degrees(found.get("Xmp.exif.GPSLongitude")),
        altitude,
    )


def _exposure_s(found: Tags) -> float | None:
    direct = tags.number_within(found.get("Exif.Photo.ExposureTime"), 1e-7, 1e6)
    apex = tags.number_within(found.get("Exif.Photo.ShutterSpeedValue"), -20, 24)
    return direct if direct or apex is None else float(f"{2**-apex:.3g}")


def _aperture(found: Tags) -> float | None:
    direct = tags.number_within(found.get("Exif.Photo.FNumber"), 0.1, 1_000)
    apex = tags.number_within(found.get("Exif.Photo.ApertureValue"), -2, 20)
    return direct if direct or apex is None else float(f"{2 ** (apex / 2):.2g}")


def _iso(found: Tags) -> int | None:
    for name in (
        "Exif.Photo.ISOSpeedRatings",
        "Exif.Photo.RecommendedExposureIndex",
        "Exif.Photo.StandardOutputSensitivity",
        "Exif.Photo.ISOSpeed",
    ):
        value = tags.number_within(found.get(name), 1, 100_000_000)
        if value is not None and value != _ISO_UNKNOWN:
            return round(value)
    return None


def _rating(found: Tags) -> int | None:
    for value in (
        tags.stars(found.get("Xmp.xmp.Rating")),
        tags.stars_from_percent(found.get("Xmp.MicrosoftPhoto.Rating")),
        tags.stars(found.get("Exif.Image.Rating")),
    ):
        if value is not None:
            return value
    return None


assert not set(RAW_TYPES.values()) & set(IMAGE_TYPES.values()), "the decoder follows the type"
