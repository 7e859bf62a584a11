"""Still pictures through Pillow: their size and format, their pixels, which way up they are.

A decoder that meets a hostile or damaged file raises anything at all, so each call into one is
fenced here: what comes out is a picture or PhotoUnreadable. Not for threads: some switches of
Pillow are global. RAW files are in `raws`, videos in `video`.
"""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import pillow_heif
from PIL import Image, ImageFile, UnidentifiedImageError

from photonic import limits
from photonic.errors import PhotoUnreadable
from photonic.ingest import raws
from photonic.photos import RAW_TYPES

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# A decoder that turns the picture by itself: libheif always, Pillow's TIFF while it loads.
_TURNED_BY_DECODER = ("HEIF", "TIFF")
# A draft of 85% of the wanted edge is good enough: it lets libjpeg decode a 24-megapixel picture
# at a quarter (1,500 px) rather than at half, which takes a third of the time.
_DRAFT_ENOUGH = 0.85


class Frame(NamedTuple):
    """What a decoder's header says of a picture. The size is as shown, None if unknown."""

    media_type: str
    width: int | None
    height: int | None
    stored_orientation: int | None


class Decoded(NamedTuple):
    """Pixels, still to be turned, and what was wrong with them."""

    image: Image.Image
    orientation: int  # EXIF 1-8, to be applied
    damage: str | None


def measure(path: Path, kind: str, stored_orientation: int | None) -> Frame:
    """Read the header of the picture at `path`. Raises PhotoUnreadable."""
    if kind in RAW_TYPES.values():
        try:
            size = raws.measure(path)
            return Frame(kind, size.width, size.height, stored_orientation)
        except PhotoUnreadable as error:
            with _opened(path) as image:
                if image.format == "TIFF":  # a RAW's thumbnail, not its picture
                    raise error from None
                return _frame(image, kind, stored_orientation)
    with _opened(path) as image:
        return _frame(image, kind, stored_orientation)


def decode(path: Path, edge_px: int, stored_orientation: int | None) -> Decoded:
    """Decode the picture at `path`, smaller if that is cheaper but with `edge_px` in mind.

    A file that ends early gives what it has, with the damage told. Raises PhotoUnreadable.
    """
    try:
        with _opened(path) as image:
            orientation = _orientation(image, stored_orientation)
            return Decoded(_pixels(image, edge_px), orientation, None)
    except PhotoUnreadable as error:
        with _opened(path) as image, _forgiving():
            orientation = _orientation(image, stored_orientation)
            return Decoded(_pixels(image, edge_px), orientation, error.message)


def decode_jpeg(file: IO[bytes], name: str, edge_px: int) -> tuple[Image.Image, int | None]:
    """Decode a JPEG that lies inside another file, and tell its own orientation if it has one.

    Raises PhotoUnreadable.
    """
    _prepare()
    with fenced(name), Image.open(file, formats=("JPEG", "MPO")) as image:
        _check_size(image, name)
        own = image.getexif().get(0x0112)
        orientation = own if isinstance(own, int) and 1 <= own <= 8 else None
        image.draft(None, _draft_size(image.size, edge_px))
        image.load()
        return image.copy(), orientation


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Return the picture turned as its EXIF orientation asks."""
    turn = TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


@contextmanager
def fenced(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises into PhotoUnreadable, and keep its warnings quiet."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except PhotoUnreadable:
        raise
    except UnidentifiedImageError as error:
        raise PhotoUnreadable(f"{name} is no picture of a kind that can be read") from error
    except MemoryError as error:
        raise PhotoUnreadable(f"{name} needs more memory than one picture may have") from error
    except Exception as error:  # decoders raise anything: struct.error, KeyError, SyntaxError, ...
        reason = str(error).split("\n")[0][:200] or type(error).__name__
        raise PhotoUnreadable(f"{name}: {reason}") from error


@functools.cache
def _prepare() -> None:
    Image.MAX_IMAGE_PIXELS = limits.IMAGE_PIXELS_MAX
    pillow_heif.options.DECODE_THREADS = 1  # there are as many processes as there are cores
    pillow_heif.options.THUMBNAILS = False
    pillow_heif.options.DEPTH_IMAGES = False
    pillow_heif.options.AUX_IMAGES = False
    pillow_heif.register_heif_opener()


@contextmanager
def _opened(path: Path) -> Iterator[ImageFile.ImageFile]:
    _prepare()
    name = os.fsencode(path.name).decode("utf-8", "replace")
    with fenced(name), path.open("rb") as file, Image.open(file) as image:
        _check_size(image, name)
        yield image


@contextmanager
def _forgiving() -> Iterator[None]:
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def _check_size(image: Image.Image, name: str) -> None:
    width, height = image.size
    if width < 1 or height < 1 or width * height > limits.IMAGE_PIXELS_MAX:
        raise PhotoUnreadable(f"{name} claims to have {width:,} x {height:,} pixels")


def _frame(image: ImageFile.ImageFile, kind: str, stored: int | None) -> Frame:
    width, height = image.size
    if _orientation(image, stored) >= 5:
        width, height = height, width
    # An iPhone's HEIC named .jpg is a HEIC: the bytes say what a browser must be told.
    real = image.get_format_mimetype() or kind
    if image.format == "MPO":  # a JPEG with more pictures behind it
        real = "image/jpeg"
    return Frame(real, width, height, stored)


def _orientation(image: Image.Image, stored: int | None) -> int:
    """Return the turn that is still to be made after the decoder's own."""
    if image.format in _TURNED_BY_DECODER:
        return 1
    if image.format == "AVIF" or (stored is None and image.format in ("JPEG", "MPO", "WEBP")):
        own = image.getexif().get(0x0112)  # for AVIF Pillow joins the box and the tag
        return own if isinstance(own, int) and 1 <= own <= 8 else 1
    return stored or 1


def _pixels(image: Image.Image, edge_px: int) -> Image.Image:
    image.draft(None, _draft_size(image.size, edge_px))
    image.load()
    return image  # its pixels outlive the file; a copy would double what the largest one takes


def _draft_size(size: tuple[int, int], edge_px: int) -> tuple[int, int]:
    scale = edge_px * _DRAFT_ENOUGH / max(size)
    return max(1, int(size[0] * scale)), max(1, int(size[1] * scale))
