"""What a photo is, as values: media kinds, the facts that a machine reads off a file, renditions.

Facts are derived from the original's bytes, so two nodes that import the same file find the same;
they never contest. What a person says (rating, title, ...) is a field of the catalog instead.
"""

from __future__ import annotations

from pathlib import PurePath

import msgspec

from photonic.ids import BlobId

# Extensions that are ingested, by what they hold. RAW first tries the embedded preview.
RAW_TYPES = {
    "3fr": "image/x-hasselblad-3fr", "arw": "image/x-sony-arw", "cr2": "image/x-canon-cr2",
    "cr3": "image/x-canon-cr3", "crw": "image/x-canon-crw", "dcr": "image/x-kodak-dcr",
    "dng": "image/x-adobe-dng", "erf": "image/x-epson-erf", "gpr": "image/x-gopro-gpr",
    "iiq": "image/x-phaseone-iiq", "kdc": "image/x-kodak-kdc", "mef": "image/x-mamiya-mef",
    "mos": "image/x-leaf-mos", "mrw": "image/x-minolta-mrw", "nef": "image/x-nikon-nef",
    "nrw": "image/x-nikon-nrw", "orf": "image/x-olympus-orf", "pef": "image/x-pentax-pef",
    "raf": "image/x-fuji-raf", "raw": "image/x-raw", "rw2": "image/x-panasonic-rw2",
    "rwl": "image/x-leica-rwl", "sr2": "image/x-sony-sr2", "srf": "image/x-sony-srf",
    "srw": "image/x-samsung-srw", "x3f": "image/x-sigma-x3f",
}  # fmt: skip
IMAGE_TYPES = {
    "avif": "image/avif", "bmp": "image/bmp", "gif": "image/gif", "heic": "image/heic",
    "heif": "image/heif", "hif": "image/heif", "jp2": "image/jp2", "jpe": "image/jpeg",
    "jpeg": "image/jpeg", "jpg": "image/jpeg", "jxl": "image/jxl", "png": "image/png",
    "psd": "image/vnd.adobe.photoshop", "tif": "image/tiff", "tiff": "image/tiff",
    "webp": "image/webp",
}  # fmt: skip
VIDEO_TYPES = {
    "3gp": "video/3gpp", "avi": "video/x-msvideo", "m2ts": "video/mp2t", "m4v": "video/x-m4v",
    "mkv": "video/x-matroska", "mov": "video/quicktime", "mp4": "video/mp4", "mts": "video/mp2t",
    "webm": "video/webm",
}  # fmt: skip
SIDECAR_SUFFIX = ".xmp"

MEDIA_TYPES = RAW_TYPES | IMAGE_TYPES | VIDEO_TYPES


def media_type(name: str | PurePath) -> str | None:
    """Return the media type that a file's name stands for, or None if it is not ingested."""
    return MEDIA_TYPES.get(PurePath(name).suffix.lower().lstrip("."))


class BlobRef(msgspec.Struct, frozen=True, array_like=True):
    """A blob as a change names it: its BLAKE3, its size, and the BLAKE3 of its chunk list."""

    blob: BlobId
    size_bytes: int
    chunks: bytes  # BLAKE3 of the encoded chunk list (blobs/chunks.py)


class Position(msgspec.Struct, frozen=True):
    """A place on Earth in degrees (WGS 84) and metres."""

    latitude: float
    longitude: float
    altitude_m: float | None = None


class PhotoFacts(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a file says about itself. Every field may be absent: files lie and lack.

    `taken` is the camera's local time, "2024-05-17T09:30:12.250", without zone, for only one dated
    image in seven carries one; `taken_offset_min` is the zone if the file has it.
    """

    media_type: str
    width: int | None = None  # pixels as shown: orientation applied
    height: int | None = None
    orientation: int | None = None  # EXIF 1-8, as stored
    taken: str | None = None
    taken_offset_min: int | None = None
    taken_source: str | None = None  # the tag that gave it
    camera_make: str | None = None
    camera_model: str | None = None
    camera_serial: str | None = None
    lens: str | None = None
    exposure_s: float | None = None
    aperture: float | None = None  # f-number
    iso: int | None = None
    focal_mm: float | None = None
    position: Position | None = None
    rating: int | None = None  # -1 rejected, 0-5 stars, as embedded
    label: str | None = None
    title: str | None = None
    caption: str | None = None
    keywords: tuple[str, ...] = ()
    duration_s: float | None = None  # video
    pixels: str | None = None  # the same in hex digits: the same picture (ingest/pixels.py)


class Rendition(msgspec.Struct, frozen=True):
    """A preview made from an original: JPEG, oriented, sRGB, longest edge `edge_px` or smaller."""

    edge_px: int
    width: int
    height: int
    data: bytes


class PreviewRef(msgspec.Struct, frozen=True):
    """A rendition that is stored: what it shows and which blob it is."""

    edge_px: int
    width: int
    height: int
    ref: BlobRef


class Marks(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a person said about a photo, as a sidecar carries it. None: the sidecar is silent."""

    rating: int | None = None  # -1 rejected, 0-5 stars
    label: str | None = None
    title: str | None = None
    caption: str | None = None
    keywords: tuple[str, ...] = ()


class Sidecar(msgspec.Struct, frozen=True):
    """An XMP file that lay beside an original: its name, its bytes as a blob, what it says."""

    name: str
    ref: BlobRef
    marks: Marks


class NewPhoto(msgspec.Struct, frozen=True, kw_only=True):
    """A photo that was taken in: everything the catalog needs to make its first change.

    `folder` is where it lay below the imported folder, "2024/05-17", or "" at its top; `name` and
    `folder` are text, with what is no UTF-8 shown as U+FFFD. `sidecar` is the one that speaks for
    the photo; `other_sidecars` are kept too (a second program's, a darktable duplicate's).
    """

    original: BlobRef
    name: str
    folder: str
    facts: PhotoFacts
    previews: tuple[PreviewRef, ...] = ()
    sidecar: Sidecar | None = None
    other_sidecars: tuple[Sidecar, ...] = ()
