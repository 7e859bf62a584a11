"""Camera files that the tests make for themselves, each with what a reader must find in it.

`make_camera_files` writes good ones of every kind (and sidecars beside some), `make_broken_files`
those that cannot be read. All show one picture, upright: red, green, blue and yellow in reading
order, so that a test can tell how a preview was turned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pillow_heif
import pyexiv2
import tifffile
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from photonic.photos import Position

WIDTH, HEIGHT = 640, 426
CORNERS = ((200, 40, 40), (40, 190, 40), (40, 40, 200), (220, 210, 40))  # in reading order
_STORED = {  # how a camera that was turned stores the picture: what the tag asks for, undone
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
_XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:lr="http://ns.adobe.com/lightroom/1.0/"{attributes}>{elements}</rdf:Description>
 </rdf:RDF>
</x:xmpmeta>"""

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CameraFile:
    """A file to be made, and the facts that must be read from it."""

    name: str
    make: Callable[[Path], None]
    facts: Facts = field(default_factory=dict)
    shows_corners: bool = True


def picture(seed: int = 0) -> Image.Image:
    """Return the picture, upright, with noise that makes each seed another file."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.int16)
    half_y, half_x = HEIGHT // 2, WIDTH // 2
    rows = (slice(None, half_y), slice(half_y, None))
    columns = (slice(None, half_x), slice(half_x, None))
    for number, colour in enumerate(CORNERS):
        pixels[rows[number // 2], columns[number % 2]] = colour
    noise = np.random.default_rng(seed).integers(-12, 13, pixels.shape)
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


def xmp_packet(
    *,
    rating: int | None = None,
    label: str = "",
    title: str = "",
    subject: tuple[str, ...] = (),
    paths: tuple[str, ...] = (),
) -> bytes:
    """Return an XMP packet as Lightroom and darktable write it."""
    attributes = "" if rating is None else f' xmp:Rating="{rating}"'
    attributes += f' xmp:Label="{label}"' if label else ""
    alternative = f'<rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt>'
    elements = f"<dc:title>{alternative}</dc:title>" if title else ""
    for name, entries in (("dc:subject", subject), ("lr:hierarchicalSubject", paths)):
        if entries:
            items = "".join(f"<rdf:li>{entry}</rdf:li>" for entry in entries)
            elements += f"<{name}><rdf:Bag>{items}</rdf:Bag></{name}>"
    return _XMP.format(attributes=attributes, elements=elements).encode()


def exif_block(
    *, taken: str = "", zone: str = "", subseconds: str = "", orientation: int = 1, model: str = ""
) -> Image.Exif:
    """Return EXIF as cameras write it, with an exposure of 1/250 s at f/2.8, ISO 400, 35 mm."""
    base = ExifTags.Base
    exif = Image.Exif()
    exif[base.Make], exif[base.Model] = "Photonic", model or "Test Camera"
    exif[base.Orientation] = orientation
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details |= {
        base.ExposureTime: IFDRational(1, 250),
        base.FNumber: IFDRational(28, 10),
        base.ISOSpeedRatings: 400,
        base.FocalLength: IFDRational(35, 1),
        base.LensModel: "Test 35mm f/1.8",
        base.BodySerialNumber: "000123",
    }
    if taken:
        details[base.DateTimeOriginal] = taken
    if zone:
        details[base.OffsetTimeOriginal] = zone
    if subseconds:
        details[base.SubsecTimeOriginal] = subseconds
    return exif


def with_place(
    exif: Image.Exif, latitude: float, longitude: float, altitude_m: float
) -> Image.Exif:
    """Add a position to EXIF."""
    gps = ExifTags.GPS
    place = exif.get_ifd(ExifTags.IFD.GPSInfo)
    place |= {
        gps.GPSLatitudeRef: "N" if latitude >= 0 else "S",
        gps.GPSLatitude: _degrees(latitude),
        gps.GPSLongitudeRef: "E" if longitude >= 0 else "W",
        gps.GPSLongitude: _degrees(longitude),
        gps.GPSAltitudeRef: b"\1" if altitude_m < 0 else b"\0",
        gps.GPSAltitude: IFDRational(round(abs(altitude_m) * 100), 100),
    }
    return exif


def _degrees(value: float) -> tuple[IFDRational, ...]:
    total = Fraction(abs(value)).limit_denominator(10_000_000)
    whole = int(total)
    minutes = (total - whole) * 60
    seconds = (minutes - int(minutes)) * 60
    return (
        IFDRational(whole, 1),
        IFDRational(int(minutes), 1),
        IFDRational(round(seconds * 10_000), 10_000),
    )


# --- the good ones -------------------------------------------------------------------------------


def _jpeg(seed: int, exif: Image.Exif, xmp: bytes = b"") -> Callable[[Path], None]:
    def make(path: Path) -> None:
        turn = _STORED.get(exif.get(ExifTags.Base.Orientation, 1))
        image = picture(seed) if turn is None else picture(seed).transpose(turn)
        image.save(path, "JPEG", quality=90, exif=exif, **({"xmp": xmp} if xmp else {}))

    return make


def _saved(seed: int, exif: Image.Exif, **options: Any) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        pillow_heif.register_heif_opener()
        turn = _STORED.get(exif.get(ExifTags.Base.Orientation, 1))
        image = picture(seed) if turn is None else picture(seed).transpose(turn)
        image.save(path, exif=exif.tobytes(), **options)

    return make


def _latin(path: Path) -> None:
    _jpeg(31, exif_block(taken="2024:05:17 10:31:00"))(path)
    with pyexiv2.Image(str(path)) as image:
        image.modify_iptc({"Iptc.Application2.Caption": "Caf-e", "Iptc.Application2.Keywords": "x"})
    data = path.read_bytes()
    assert data.count(b"Caf-e") == 1
    path.write_bytes(data.replace(b"Caf-e", b"Caf\xe9s"))


def _dng(path: Path) -> None:
    """A RAW: the picture as a Bayer mosaic (RGGB) of 12 bits."""
    colours = np.asarray(picture(41), dtype=np.uint16) * 16
    mosaic = np.empty((HEIGHT, WIDTH), np.uint16)
    mosaic[0::2, 0::2] = colours[0::2, 0::2, 0]
    mosaic[0::2, 1::2] = colours[0::2, 1::2, 1]
    mosaic[1::2, 0::2] = colours[1::2, 0::2, 1]
    mosaic[1::2, 1::2] = colours[1::2, 1::2, 2]
    matrix = (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1)  # 3 x 3 rationals: identity
    tifffile.imwrite(
        path,
        mosaic,
        photometric=32803,
        compression=None,
        metadata=None,
        extratags=[
            (271, 2, 0, "Photonic", True),
            (272, 2, 0, "Test Raw", True),
            (274, 3, 1, 1, True),
            (306, 2, 0, "2024:05:17 10:41:00", True),
            (33421, 3, 2, (2, 2), True),
            (33422, 1, 4, bytes((0, 1, 1, 2)), True),
            (36867, 2, 0, "2024:05:17 10:41:00", True),
            (50706, 1, 4, bytes((1, 4, 0, 0)), True),
            (50707, 1, 4, bytes((1, 1, 0, 0)), True),
            (50708, 2, 0, "Photonic Test Raw", True),
            (50714, 3, 1, 0, True),
            (50717, 3, 1, 4095, True),
            (50721, 10, 9, matrix, True),
            (50728, 5, 3, (1, 1, 1, 1, 1, 1), True),
            (50778, 3, 1, 21, True),
        ],
    )


def _movie(rotation: int, metadata: dict[str, str]) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        turns = {0: picture(51), -90: picture(51).transpose(Image.Transpose.ROTATE_90)}
        frame = av.VideoFrame.from_image(turns[rotation])  # type: ignore[no-untyped-call]
        options = {"movflags": "use_metadata_tags"}
        with av.open(str(path), "w", options=options) as container:
            container.metadata.update(metadata)
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv420p"
            stream.bit_rate = 4_000_000
            if rotation:
                stream.set_display_rotation(rotation)
            for number in range(25):
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode())

    return make


_EXPOSED: Facts = {
    "camera_make": "Photonic",
    "camera_model": "Test Camera",
    "camera_serial": "000123",
    "lens": "Test 35mm f/1.8",
    "exposure_s": 0.004,
    "aperture": 2.8,
    "iso": 400,
    "focal_mm": 35.0,
}
_SIZE: Facts = {"width": WIDTH, "height": HEIGHT}
_FULL = with_place(
    exif_block(taken="2024:05:17 09:30:12", zone="-03:30", subseconds="25"),
    -33.856784, 151.215297, -4.5,
)  # fmt: skip


def _at(minute: int, **more: Any) -> Image.Exif:
    return exif_block(taken=f"2024:05:17 10:{minute:02}:00", **more)


def _dated(minute: int, kind: str, **more: Any) -> Facts:
    taken = f"2024-05-17T10:{minute:02}:00"
    return {"media_type": kind, "taken": taken, "taken_offset_min": None, **_SIZE, **more}


GOOD = (
    *(
        CameraFile(
            f"IMG_000{number}.jpg",
            _jpeg(number, _at(number, orientation=number)),
            _dated(number, "image/jpeg", orientation=number, **_EXPOSED),
        )
        for number in range(1, 9)
    ),
    CameraFile(
        "IMG_0020.JPG",
        _jpeg(20, _FULL, xmp_packet(
            rating=4, label="red", title="Opera", subject=("Sydney", "harbour", "Places"),
            paths=("Places|Australia|Sydney",),
        )),
        {
            "media_type": "image/jpeg", "taken": "2024-05-17T09:30:12.250",
            "taken_offset_min": -210, "taken_source": "Exif.Photo.DateTimeOriginal",
            "position": Position(-33.856784, 151.215297, -4.5), "rating": 4, "label": "red",
            "title": "Opera", "keywords": ("Places|Australia|Sydney", "harbour"),
            **_SIZE, **_EXPOSED,
        },
    ),
    CameraFile("IMG_0021.jpg", _jpeg(21, _at(21), xmp_packet(rating=-1)),
               _dated(21, "image/jpeg", rating=-1)),
    CameraFile("IMG_0022.jpg", _jpeg(22, with_place(_at(22), 0, 0, 0)),
               _dated(22, "image/jpeg", position=None)),
    CameraFile("IMG_0023.jpg", _jpeg(23, exif_block(taken="0000:00:00 00:00:00")),
               {"media_type": "image/jpeg", "taken": None, "taken_source": None}),
    CameraFile("IMG_0024.jpg", _jpeg(24, exif_block(taken="2024:13:41 27:61:00")),
               {"media_type": "image/jpeg", "taken": None}),
    CameraFile("IMG_0031.jpg", _latin,
               _dated(31, "image/jpeg", caption="Caf\xe9s", keywords=("x",))),
    CameraFile("IMG_0032.heic", _saved(32, _at(32), quality=80), _dated(32, "image/heic")),
    CameraFile("IMG_0033.png", _saved(33, _at(33, orientation=6)),
               _dated(33, "image/png", orientation=6)),
    CameraFile("IMG_0034.tif", _saved(34, _at(34, orientation=6)),
               _dated(34, "image/tiff", orientation=6)),
    CameraFile("IMG_0035.webp", _saved(35, _at(35, orientation=8), quality=90),
               _dated(35, "image/webp", orientation=8)),
    CameraFile("IMG_0036.avif", _saved(36, _at(36, orientation=6), quality=80),
               _dated(36, "image/avif")),
    # What an iPhone's picture becomes when a program changes its name and not its bytes.
    CameraFile("IMG_0037.jpeg", _saved(37, _at(37), format="PNG"), _dated(37, "image/png")),
    CameraFile("IMG_0041.dng", _dng,
               _dated(41, "image/x-adobe-dng", camera_make="Photonic", camera_model="Test Raw")),
    CameraFile(
        "MOV_0051.mov",
        _movie(-90, {
            "creation_time": "2024-05-17T08:51:00Z",
            "com.apple.quicktime.creationdate": "2024-05-17T10:51:00+0200",
            "com.apple.quicktime.make": "Apple", "com.apple.quicktime.model": "iPhone 99",
            "com.apple.quicktime.location.ISO6709": "+64.1466-021.9426+012.500/",
        }),
        {
            **_dated(51, "video/quicktime", camera_make="Apple", camera_model="iPhone 99"),
            "taken_offset_min": 120, "position": Position(64.1466, -21.9426, 12.5),
            "duration_s": 1.0,
        },
    ),
    CameraFile(
        "MOV_0052.mp4", _movie(0, {"creation_time": "2024-05-17T10:52:00Z"}),
        {**_dated(52, "video/mp4"), "taken_offset_min": 0, "taken_source": "video.creation_time"},
    ),
)  # fmt: skip

SIDECARS = {
    "IMG_0001.jpg.xmp": xmp_packet(rating=5, label="Green", title="Best", subject=("chosen",)),
    "IMG_0041.xmp": xmp_packet(rating=2, paths=("Raw|Bayer",)),
}


def make_camera_files(folder: Path) -> list[Path]:
    """Write every good file and the sidecars into `folder`; return the photos' paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in GOOD:
        file.make(folder / file.name)
    for name, data in SIDECARS.items():
        (folder / name).write_bytes(data)
    return [folder / file.name for file in GOOD]


# --- the others ----------------------------------------------------------------------------------


def make_broken_files(folder: Path) -> dict[str, str]:
    """Write files that are not what they should be; return the error code each must give."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / "whole.jpg"
    _jpeg(90, _at(0))(whole)
    data = whole.read_bytes()
    whole.unlink()
    noise = np.random.default_rng(91).bytes(50_000)
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "torn.jpg").write_bytes(data[: len(data) // 2])
    (folder / "text.jpg").write_text("this is no picture\n" * 100)
    for name in ("noise.jpg", "noise.heic", "noise.png", "noise.cr3", "noise.dng", "noise.mov"):
        (folder / name).write_bytes(noise)
    (folder / "head.jpg").write_bytes(data[:20])
    (folder / "playlist.mp4").write_text("#EXTM3U\n#EXTINF:1,\n/etc/hostname\n#EXT-X-ENDLIST\n")
    unreadable = {path.name: "ingest.unreadable" for path in folder.iterdir()}
    return unreadable | {"empty.jpg": "ingest.file-empty", "torn.jpg": "ingest.damaged"}


def odd_names() -> list[bytes]:
    """Return names that are legal and unusual, as the bytes that a file system has."""
    texts = [
        "e\u0301te\u0301.jpg",  # decomposed, as a Mac writes it
        "\u00e9t\u00e9.jpg",  # the same to the eye, another file
        "\u202egpj.txt.jpg",  # shown from right to left
        "\U0001f4f7 \u5199\u771f.JPG",
        "a\nb.jpg",
        " leading and trailing .jpg",
        "x" * 240 + ".jpg",
    ]
    return [text.encode() for text in texts] + [b"caf\xe9.jpg", b"\xff\xfe.jpg"]
