"""Previews: small JPEGs of any photo or video, upright, in sRGB, all sizes from one decode.

They are derived: they can be deleted and made again from the original. Whatever is wrong with a
file, what comes out is previews (with the damage told) or PhotoUnreadable. Not for threads, like
`pictures`; `workers.Workers` runs it in processes of their own.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageCms

from photonic import limits
from photonic.errors import PhotoUnreadable
from photonic.ingest import pictures, raws, video
from photonic.ingest.pictures import Decoded
from photonic.photos import RAW_TYPES, VIDEO_TYPES, Rendition, media_type

_QUALITIES = (82, 60, 35)  # the next one only if the picture is noise and too large a preview
_EMBEDDED_ENOUGH = 0.85  # an embedded preview this much of the wanted edge saves developing
_SRGB = ImageCms.createProfile("sRGB")
_BACKGROUND = (255, 255, 255)  # behind what is transparent


class Drawn(NamedTuple):
    """The previews of one photo, smallest first, and what was wrong with it."""

    renditions: tuple[Rendition, ...]
    damage: str | None


def draw(path: Path, stored_orientation: int | None = None, name: str | None = None) -> Drawn:
    """Make one preview for each of PREVIEW_EDGES_PX. Raises PhotoUnreadable.

    `stored_orientation` is the EXIF value that `metadata.read` found, `name` what the file is
    called if not by its path. A picture smaller than an edge is not enlarged.
    """
    largest = max(limits.PREVIEW_EDGES_PX)
    kind = media_type(name or path)
    if kind in VIDEO_TYPES.values():
        decoded = Decoded(video.poster(path), 1, None)
    elif kind in RAW_TYPES.values():
        decoded = _decode_raw(path, largest, stored_orientation)
    else:
        decoded = pictures.decode(path, largest, stored_orientation)
    with pictures.fenced(path.name.encode("utf-8", "replace").decode()):
        image = _shrunk(_plain(decoded.image), largest)
        image = _to_srgb(pictures.upright(image, decoded.orientation))
        made = []
        for edge_px in sorted(limits.PREVIEW_EDGES_PX, reverse=True):
            image = _shrunk(image, edge_px)
            made.append(Rendition(edge_px, image.width, image.height, _encoded(image)))
    return Drawn(tuple(reversed(made)), decoded.damage)


def _decode_raw(path: Path, edge_px: int, stored_orientation: int | None) -> Decoded:
    """Take the cheapest picture of a RAW that is large enough, else the largest there is."""
    small: Decoded | None = None
    try:
        preview = raws.embedded(path)
        if preview is not None:
            small = _decode_embedded(preview[0], path.name, edge_px, preview[1])
            if small is not None and max(small.image.size) >= edge_px * _EMBEDDED_ENOUGH:
                return small
        return Decoded(raws.develop(path, edge_px), 1, None)
    except PhotoUnreadable as error:
        best = small
        for data in raws.jpegs_within(path):
            other = _decode_embedded(data, path.name, edge_px, stored_orientation or 1)
            if other and (best is None or max(other.image.size) > max(best.image.size)):
                best = other
        if best is not None:
            return best._replace(damage=f"{error.message}; shown by its embedded preview")
        return pictures.decode(path, edge_px, stored_orientation)


def _decode_embedded(data: bytes, name: str, edge_px: int, orientation: int) -> Decoded | None:
    try:
        image, own = pictures.decode_jpeg(io.BytesIO(data), name, edge_px)
    except PhotoUnreadable:
        return None
    if own is None and orientation >= 5 and image.height > image.width:
        own = 1  # the camera turned its preview already and did not say so
    return Decoded(image, own or orientation, None)


def _plain(image: Image.Image) -> Image.Image:
    """Return the picture in a mode whose pixels can be averaged."""
    if image.mode in ("RGB", "L", "RGBA", "LA", "CMYK", "LAB"):
        return image
    if image.mode in ("P", "PA"):
        transparent = image.mode == "PA" or "transparency" in image.info
        return image.convert("RGBA" if transparent else "RGB")
    if image.mode.startswith(("I", "F")):
        low, high = image.getextrema()
        if not isinstance(low, int | float) or not isinstance(high, int | float):
            return image.convert("L")
        # 16 and 32 bits of unknown scale: show the range that is there.
        scale = 255 / (high - low) if high > low else 0
        wide = image.convert("F")
        return wide.point(lambda value: value * scale - low * scale).convert("L")
    return image.convert("L" if image.mode == "1" else "RGB")


def _shrunk(image: Image.Image, edge_px: int) -> Image.Image:
    if max(image.size) > edge_px:
        # Hamming costs half of Lanczos, and at these ratios the eye cannot tell them apart.
        image.thumbnail((edge_px, edge_px), Image.Resampling.HAMMING, reducing_gap=2.0)
    return image


def _to_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if image.mode in ("RGBA", "LA"):
        alpha = image.getchannel("A")
        flat = Image.new("RGB", image.size, _BACKGROUND)
        colour = image.convert("RGB")
        flat.paste(_converted(colour, profile) if image.mode == "RGBA" else colour, mask=alpha)
        return flat
    return _converted(image, profile)


def _converted(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert to RGB through the embedded profile; one that cannot be used is as good as none."""
    if image.mode == "LAB":
        source: Any = ImageCms.createProfile("LAB")
    elif profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if image.mode == "RGB" and ImageCms.getProfileDescription(source).startswith("sRGB"):
                return image
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            return image.convert("RGB")
    else:
        return image.convert("RGB")
    try:
        converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, ValueError):
        return image.convert("RGB")
    return converted if converted is not None else image.convert("RGB")


def _encoded(image: Image.Image) -> bytes:
    data = b""
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality, icc_profile=None, exif=b"")
        data = buffer.getvalue()
        if len(data) <= limits.PREVIEW_BYTES_MAX:
            break
    if len(data) > limits.PREVIEW_BYTES_MAX:
        raise PhotoUnreadable(f"a preview of {len(data):,} bytes is too large")
    return data
