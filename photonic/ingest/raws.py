"""RAW files: their size and a picture of them, through LibRaw and the previews cameras embed.

In order: the embedded preview if it is large enough, a half-size development, a smaller embedded
preview, any JPEG that lies in the file. The last is for what LibRaw does not know (GPR, cameras
newer than it) and for files that end early. Raises PhotoUnreadable and nothing else.
"""

from __future__ import annotations

import io
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import rawpy
from PIL import Image

from photonic import limits
from photonic.errors import PhotoUnreadable

_JPEG_START = b"\xff\xd8\xff"
_JPEGS_TRIED_MAX = 16
_FLIPS = {3: 3, 5: 8, 6: 6}  # LibRaw's flip -> EXIF orientation
_DEVELOP_WHOLE_PIXELS_MAX = 8_000_000  # half of a small sensor is too small, all of it is cheap


class Size(NamedTuple):
    """Pixels as shown, and the turn that shows them so."""

    width: int
    height: int
    orientation: int


def measure(path: Path) -> Size:
    """Return the size of the developed picture. Raises PhotoUnreadable."""
    with _opened(path) as raw:
        return _size(raw)


def embedded(path: Path) -> tuple[bytes, int] | None:
    """Return the preview that LibRaw finds, as JPEG, and the RAW's orientation; None if none."""
    with _opened(path) as raw:
        orientation = _size(raw).orientation
        try:
            thumb = raw.extract_thumb()
        except rawpy.LibRawError:
            return None
        if thumb.format == rawpy.ThumbFormat.JPEG:
            return bytes(thumb.data), orientation
        if isinstance(thumb.data, bytes):
            return None  # a kind that neither LibRaw nor we can decode
        buffer = io.BytesIO()
        Image.fromarray(thumb.data).save(buffer, "JPEG", quality=92)
        return buffer.getvalue(), orientation


def develop(path: Path, edge_px: int) -> Image.Image:
    """Develop the RAW, upright, at half size unless that is small. Raises PhotoUnreadable."""
    with _opened(path) as raw:
        size = _size(raw)
        whole = (
            max(size.width, size.height) < 2 * edge_px
            and size.width * size.height <= _DEVELOP_WHOLE_PIXELS_MAX
        )
        pixels = raw.postprocess(
            half_size=not whole,
            use_camera_wb=True,
            output_bps=8,
            output_color=rawpy.ColorSpace.sRGB,
        )
        return Image.fromarray(pixels)


def jpegs_within(path: Path) -> Iterator[bytes]:
    """Yield what looks like a JPEG inside the file, as (at most) the rest of the file from there.

    Candidates are in file order, a bounded number of them; most files have one to three.
    """
    with path.open("rb") as file:
        size = min(os.fstat(file.fileno()).st_size, limits.RAW_SCAN_BYTES_MAX)
        if size == 0:
            return
        with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as view:
            at = view.find(_JPEG_START)
            for _ in range(_JPEGS_TRIED_MAX):
                if at < 0:
                    return
                following = view.find(_JPEG_START, at + 3)
                yield view[at:]
                at = following


def _size(raw: rawpy.RawPy) -> Size:
    sizes = raw.sizes
    width, height = int(sizes.width), int(sizes.height)
    # Some early cameras have pixels that are not square; LibRaw stretches the narrow side.
    if sizes.pixel_aspect > 1:
        width = round(width * sizes.pixel_aspect)
    elif 0 < sizes.pixel_aspect < 1:
        height = round(height / sizes.pixel_aspect)
    if width < 1 or height < 1 or width * height > limits.IMAGE_PIXELS_MAX:
        raise PhotoUnreadable(f"a RAW that claims to have {width:,} x {height:,} pixels")
    orientation = _FLIPS.get(int(sizes.flip), 1)
    return (
        Size(height, width, orientation) if orientation >= 5 else Size(width, height, orientation)
    )


@contextmanager
def _opened(path: Path) -> Iterator[rawpy.RawPy]:
    name = os.fsencode(path.name).decode("utf-8", "replace")
    try:
        # By file object rather than by name: LibRaw takes no name that is not UTF-8.
        with path.open("rb") as file, rawpy.imread(file) as raw:
            yield raw
    except (rawpy.LibRawError, rawpy.NotSupportedError) as error:
        reason = error.args[0] if error.args else error
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
        raise PhotoUnreadable(f"{name}: {reason}") from error
    except MemoryError as error:
        raise PhotoUnreadable(f"{name} needs more memory than one picture may have") from error
    except (OSError, ValueError) as error:
        raise PhotoUnreadable(f"{name}: {error}") from error
