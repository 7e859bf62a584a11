"""Videos through PyAV: what they say about themselves, and one frame to show them by.

The containers are those that cameras write; playlists and the like, which make FFmpeg open other
files or addresses, are refused. Raises PhotoUnreadable and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream
from PIL import Image

from photonic import limits
from photonic.errors import PhotoUnreadable
from photonic.ingest import tags
from photonic.ingest.tags import Moment
from photonic.photos import PhotoFacts, Position

_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts"
# A recording often begins dark or shaken: the frame is taken a little later.
_POSTER_AT_S = 1.0
_FRAMES_TRIED_MAX = 64

# Apple and Android write local time with its zone here; `creation_time` is UTC by its standard.
_DATES = ("com.apple.quicktime.creationdate", "date", "creation_time", "DATE_RECORDED")
_MAKES = ("com.apple.quicktime.make", "make", "com.android.manufacturer")
_MODELS = ("com.apple.quicktime.model", "model", "com.android.model")
_PLACES = ("com.apple.quicktime.location.ISO6709", "location", "location-eng")


def read(path: Path, kind: str) -> PhotoFacts:
    """Return what the video at `path` says about itself. Raises PhotoUnreadable."""
    with _opened(path) as (container, stream):
        known = dict(stream.metadata) | dict(container.metadata)
        frame = _first_frame(container, stream)
        width, height = stream.codec_context.width, stream.codec_context.height
        if frame is not None and frame.rotation % 180 in (90, -90):
            width, height = height, width
        date, source = _taken(known)
        length = container.duration
        return PhotoFacts(
            media_type=kind,
            width=width or None,
            height=height or None,
            taken=date.local if date else None,
            taken_offset_min=date.offset_min if date else None,
            taken_source=source,
            camera_make=tags.first_text(known, *_MAKES),
            camera_model=tags.first_text(known, *_MODELS),
            lens=tags.first_text(known, "com.apple.quicktime.camera.lens_model"),
            position=_position(known),
            rating=tags.stars(known.get("com.apple.quicktime.rating.user")),
            title=tags.first_text(known, "title", "com.apple.quicktime.title"),
            caption=tags.caption(known, "description", "com.apple.quicktime.description"),
            duration_s=round(length / av.time_base, 3) if length and length > 0 else None,
        )


def poster(path: Path) -> Image.Image:
    """Return one frame that shows what the video is of, upright. Raises PhotoUnreadable."""
    with _opened(path) as (container, stream):
        length_s = (container.duration or 0) / av.time_base
        at_s = min(_POSTER_AT_S, length_s / 10)
        best = None
        if at_s > 0.2:
            container.seek(int(at_s * av.time_base))
            best = _first_frame(container, stream)
        if best is None:
            container.seek(0)
            best = _first_frame(container, stream)
        if best is None:
            raise PhotoUnreadable(f"{_name(path)} has no frame that can be decoded")
        image: Image.Image = best.to_image()  # type: ignore[no-untyped-call]
        aspect = float(stream.codec_context.sample_aspect_ratio or 1)
        if 0.25 <= aspect <= 4 and abs(aspect - 1) > 0.01:
            image = image.resize((max(1, round(image.width * aspect)), image.height))
        return image.rotate(best.rotation, expand=True) if best.rotation else image


def _first_frame(container: InputContainer, stream: VideoStream) -> av.VideoFrame | None:
    """Return the first frame that shows something, or the first at all, or None."""
    first = None
    try:
        for number, frame in enumerate(container.decode(stream)):
            if frame.width * frame.height > limits.IMAGE_PIXELS_MAX:
                return None
            first = first or frame
            if number >= _FRAMES_TRIED_MAX:
                break
            if not frame.is_corrupt:
                return frame
    except (av.FFmpegError, ValueError, MemoryError):
        return first
    return first


def _taken(known: Mapping[str, str]) -> tuple[Moment | None, str | None]:
    for name in _DATES:
        date = tags.moment(known.get(name))
        if date is not None:
            return date, f"video.{name}"
    return None, None


def _position(known: Mapping[str, str]) -> Position | None:
    for name in _PLACES:
        if place := tags.iso6709(known.get(name)):
            return place
    return None


def _name(path: Path) -> str:
    return os.fsencode(path.name).decode("utf-8", "replace")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    name = _name(path)
    try:
        with (
            path.open("rb") as file,
            av.open(
                file, metadata_errors="ignore", options={"format_whitelist": _CONTAINERS}
            ) as container,
        ):
            assert isinstance(container, InputContainer)  # opened for reading
            if not container.streams.video:
                raise PhotoUnreadable(f"{name} has no picture, only sound or data")
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            yield container, stream
    except PhotoUnreadable:
        raise
    except av.InvalidDataError as error:
        raise PhotoUnreadable(f"{name} is no video of a kind that can be read") from error
    except MemoryError as error:
        raise PhotoUnreadable(f"{name} needs more memory than one picture may have") from error
    except Exception as error:  # a demuxer that meets waste raises more than FFmpegError
        reason = str(error).split("\n")[0][:200] or type(error).__name__
        raise PhotoUnreadable(f"{name}: {reason}") from error
