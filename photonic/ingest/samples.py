"""Sample photos for who has none at hand: `python -m photonic.ingest.samples FOLDER`.

They are drawn here (`scenes`) and carry what cameras write: EXIF with make, model, lens, exposure,
a date with zone, a place, an orientation, and XMP with a rating and keywords. The same version of
the program makes the same photos, so two nodes that make them have the same library.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from photonic.ingest import scenes
from photonic.ingest.scenery import Canvas

WIDTH, HEIGHT = 1600, 1067
_QUALITY = 88
# How a camera that was turned stores a picture: the turn that undoes what the tag asks for.
_STORED = {
    1: None,
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}


class Camera(NamedTuple):
    make: str
    model: str
    serial: str
    lens: str
    file_name: str  # with the number that it counts


NIKON = Camera(
    "NIKON CORPORATION", "NIKON Z 6_2", "6039114", "NIKKOR Z 24-70mm f/4 S", "DSC_{:04}.JPG"
)
CANON = Camera("Canon", "Canon EOS R6", "083021004512", "RF15-35mm F2.8 L IS USM", "IMG_{:04}.JPG")
FUJI = Camera("FUJIFILM", "X-T4", "0EQ10223", "XF16-55mmF2.8 R LM WR", "DSCF{:04}.JPG")
PHONE = Camera(
    "Apple", "iPhone 13 Pro", "", "iPhone 13 Pro back camera 5.7mm f/1.5", "IMG_{:04}.jpg"
)
DRONE = Camera("DJI", "FC3170", "1WNBJ1D00A", "", "DJI_{:04}.JPG")


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample: what is in it, and what its camera and its photographer said of it."""

    title: str
    draw: Callable[[Canvas], None]
    camera: Camera
    number: int
    taken: str  # EXIF's form, local time
    zone: str
    place: tuple[float, float, float] | None  # degrees north, east, metres
    exposure: tuple[int, int]  # seconds, as a fraction
    aperture: float
    iso: int
    focal_mm: float
    rating: int | None = None
    keywords: tuple[str, ...] = ()
    orientation: int = 1

    @property
    def name(self) -> str:
        return self.camera.file_name.format(self.number)


def make_samples(folder: Path, count: int | None = None) -> list[Path]:
    """Write the sample photos, or the first `count` of them, into `folder`; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for seed, sample in enumerate(SAMPLES[:count], 1):
        path = folder / sample.name
        _store(sample, paint(sample, seed), path)
        made.append(path)
    return made


def paint(sample: Sample, seed: int) -> Image.Image:
    """Return the picture as it is to be shown."""
    is_upright = sample.orientation in (6, 8)
    width, height = (HEIGHT, WIDTH) if is_upright else (WIDTH, HEIGHT)
    canvas = Canvas(width, height, seed)
    sample.draw(canvas)
    return canvas.image()


def _store(sample: Sample, image: Image.Image, path: Path) -> None:
    turn = _STORED[sample.orientation]
    stored = image if turn is None else image.transpose(turn)
    stored.save(path, "JPEG", quality=_QUALITY, exif=_exif(sample), xmp=_xmp(sample))


def _exif(sample: Sample) -> Image.Exif:
    base, photo, gps = ExifTags.Base, ExifTags.IFD.Exif, ExifTags.GPS
    exif = Image.Exif()
    exif[base.Make], exif[base.Model] = sample.camera.make, sample.camera.model
    exif[base.Orientation] = sample.orientation
    exif[base.DateTime] = sample.taken
    exif[base.Software] = "photonic samples"
    exif[base.Copyright] = "Generated, public domain (CC0)"
    details = exif.get_ifd(photo)
    details |= {
        base.DateTimeOriginal: sample.taken,
        base.DateTimeDigitized: sample.taken,
        base.OffsetTimeOriginal: sample.zone,
        base.OffsetTime: sample.zone,
        base.SubsecTimeOriginal: f"{sample.number * 37 % 1000:03}",
        base.ExposureTime: IFDRational(*sample.exposure),
        base.FNumber: IFDRational(round(sample.aperture * 10), 10),
        base.ISOSpeedRatings: sample.iso,
        base.FocalLength: IFDRational(round(sample.focal_mm * 10), 10),
    }
    if sample.camera.lens:
        details[base.LensModel] = sample.camera.lens
    if sample.camera.serial:
        details[base.BodySerialNumber] = sample.camera.serial
    if sample.place is not None:
        north, east, metres = sample.place
        place = exif.get_ifd(ExifTags.IFD.GPSInfo)
        place |= {
            gps.GPSLatitudeRef: "N" if north >= 0 else "S",
            gps.GPSLatitude: _degrees(north),
            gps.GPSLongitudeRef: "E" if east >= 0 else "W",
            gps.GPSLongitude: _degrees(east),
            gps.GPSAltitudeRef: b"\0",
            gps.GPSAltitude: IFDRational(round(metres * 10), 10),
        }
    return exif


def _degrees(value: float) -> tuple[IFDRational, ...]:
    total = round(abs(value) * 3_600 * 100)
    minutes, hundredths = divmod(total, 60 * 100)
    return IFDRational(minutes // 60), IFDRational(minutes % 60), IFDRational(hundredths, 100)


def _xmp(sample: Sample) -> bytes:
    rating = "" if sample.rating is None else f' xmp:Rating="{sample.rating}"'
    words = "".join(f"<rdf:li>{escape(word)}</rdf:li>" for word in sample.keywords)
    return f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/"{rating}>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{escape(sample.title)}</rdf:li></rdf:Alt></dc:title>
<dc:subject><rdf:Bag>{words}</rdf:Bag></dc:subject>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>""".encode()


SAMPLES: tuple[Sample, ...] = (
    Sample(
        "Ridges at first light",
        lambda c: scenes.mountains(
            c, ("#35507f", "#8f8fb0", "#f0b890", "#ffd9a8"), "#ffb070", "#e9b79c", "#2b2f4f", 0.66
        ),
        NIKON, 412, "2025:05:17 05:42:10", "+02:00", (46.5586, 8.5617, 2106.0),
        (1, 125), 8.0, 100, 35, 5, ("mountains", "sunrise", "Alps"),
    ),
    Sample(
        "Evening sea",
        lambda c: scenes.sea(
            c, ("#2c3a66", "#8a5a84", "#e8825f", "#ffc27a"), "#ff9d55", "#3a3557", 0.42, 0.5
        ),
        CANON, 2031, "2025:07:03 21:08:44", "+02:00", (43.2096, -2.8977, 14.0),
        (1, 250), 5.6, 200, 24, 4, ("sea", "sunset"),
    ),
    Sample(
        "Lake and range",
        lambda c: scenes.peaks(
            c, ("#2f6fb5", "#7fb2e0", "#d3e6f2"), "#ffffff", "#6d7686", "#274a3c"
        ),
        NIKON, 431, "2025:05:17 10:15:31", "+02:00", (46.5731, 8.4149, 1980.0),
        (1, 500), 8.0, 100, 28, 4, ("mountains", "lake"),
    ),
    Sample(
        "Dunes",
        lambda c: scenes.dunes(c, ("#4f86c6", "#a9c6de", "#f3d9b8"), "#f0b468", "#8a4a2c"),
        FUJI, 1187, "2025:02:12 17:20:05", "+01:00", (31.1499, -3.9742, 742.0),
        (1, 320), 9.0, 160, 55, 5, ("desert", "dunes"),
    ),
    Sample(
        "Northern lights",
        lambda c: scenes.aurora(
            c, ("#39f5a0", "#2fd6c8", "#8a6bf0"), ("#050a1c", "#0b1f3a", "#123a46")
        ),
        CANON, 2214, "2025:02:28 23:31:52", "+01:00", (68.2340, 14.5636, 6.0),
        (8, 1), 2.8, 1600, 15, 5, ("aurora", "night"),
    ),
    Sample(
        "Spruces in the fog",
        lambda c: scenes.forest(c, "#c3cfd4", "#1d3437", "#fff0d2"),
        FUJI, 1240, "2025:10:19 08:04:18", "+02:00", (47.8716, 8.0036, 1210.0),
        (1, 60), 5.6, 400, 50, 3, ("forest", "fog"), 6,
    ),
    Sample(
        "Lavender",
        lambda c: scenes.fields(
            c, ("#4a78bd", "#a5bfe0", "#fbdcb8"), "#8a68c8", "#4a4a3a", "#59758a"
        ),
        NIKON, 655, "2025:07:03 20:11:37", "+02:00", (43.8345, 6.0153, 560.0),
        (1, 160), 11.0, 100, 24, 4, ("field", "summer"),
    ),
    Sample(
        "Moon over the hills",
        lambda c: scenes.night(c, ("#081228", "#1c3258", "#5a6a98"), (0.7, 0.3, 0.1)),
        CANON, 2240, "2025:02:28 22:47:03", "+01:00", None,
        (1, 30), 4.0, 800, 70, None, ("moon", "night"),
    ),
    Sample(
        "Balloons",
        lambda c: scenes.balloons(
            c, ("#5b82c0", "#b5bcd6", "#fbd2a8"),
            (
                "#d8473c", "#f6c453", "#2f7f8f", "#f3ead8",
                "#7a4a8f", "#f0a24a", "#3a6fb0", "#e8e2d0",
            ),
        ),
        PHONE, 4127, "2025:09:07 06:34:29", "+03:00", (38.6431, 34.8289, 1100.0),
        (1, 800), 1.5, 50, 5.7, 5, ("balloons", "morning"),
    ),
    Sample(
        "Lamps in the rain",
        lambda c: scenes.lights(
            c, ("#0c1026", "#24163a", "#120c1e"), ("#ffb454", "#ff6f61", "#5aa9ff", "#ffd98a")
        ),
        FUJI, 1302, "2025:11:29 19:15:46", "+01:00", (48.2082, 16.3738, 171.0),
        (1, 100), 2.8, 1250, 55, 3, ("abstract", "city"),
    ),
    Sample(
        "Silk",
        lambda c: scenes.silk(
            c, ("#0a0c24", "#151238", "#0a0a1c"), ("#39c6ff", "#7a6bff", "#ff5fa2", "#ffb35c")
        ),
        NIKON, 702, "2025:11:29 18:40:12", "+01:00", None,
        (6, 1), 11.0, 64, 50, 4, ("abstract",),
    ),
    Sample(
        "The Milky Way",
        lambda c: scenes.galaxy(c, "#7f8fd0", "#f0c0a8", "#0a0c16"),
        CANON, 2318, "2025:09:07 01:22:40", "+02:00", (28.7569, -17.8850, 2380.0),
        (20, 1), 2.8, 3200, 15, 5, ("stars", "night"), 8,
    ),
    Sample(
        "City at dusk",
        lambda c: scenes.city(
            c, ("#1b2450", "#5a4a86", "#d8788a", "#ffc09a"), "#1a1c38", "#ffc878"
        ),
        PHONE, 4180, "2025:10:19 19:02:55", "-04:00", (40.7003, -73.9967, 8.0),
        (1, 50), 1.5, 320, 5.7, 3, ("city", "dusk"),
    ),
    Sample(
        "Blue hour",
        lambda c: scenes.mountains(
            c, ("#16264f", "#3c5a94", "#8fa8d0", "#d8cfe0"), "#c9b8e8", "#93a8d2", "#101c38", 0.3
        ),
        DRONE, 42, "2025:05:17 21:20:33", "+02:00", (46.4907, 8.0651, 2840.0),
        (1, 40), 2.8, 400, 4.5, 4, ("mountains", "evening"),
    ),
    Sample(
        "Morning sea",
        lambda c: scenes.sea(
            c, ("#4f86bd", "#9cc2da", "#f2d6c4", "#ffe3b8"), "#ffcf98", "#4c7c96", 0.64, 0.46
        ),
        CANON, 2052, "2025:07:03 06:51:09", "+02:00", (43.4209, -2.7241, 3.0),
        (1, 400), 8.0, 100, 35, None, ("sea", "sunrise"),
    ),
    Sample(
        "Red dunes",
        lambda c: scenes.dunes(c, ("#3b3f74", "#b0708a", "#f6b48c"), "#d8683c", "#4a1c2c"),
        FUJI, 1204, "2025:02:12 18:03:27", "+01:00", (31.1386, -3.9903, 770.0),
        (1, 200), 8.0, 200, 35, 4, ("desert", "dunes"), 3,
    ),
    Sample(
        "Winter lake",
        lambda c: scenes.peaks(
            c, ("#5a6fa8", "#c0b0d0", "#f6d2c8"), "#fff1ee", "#7c7a92", "#2c3a52"
        ),
        NIKON, 220, "2025:02:12 16:31:58", "+01:00", (46.7350, 12.2210, 1500.0),
        (1, 200), 8.0, 100, 24, 5, ("mountains", "winter"),
    ),
    Sample(
        "Grain",
        lambda c: scenes.fields(
            c, ("#3f83c9", "#9fcbea", "#eaf0dc"), "#e8bf5a", "#9a7432", "#4a7a50"
        ),
        DRONE, 57, "2025:07:03 11:45:02", "+02:00", (48.9120, 2.3300, 96.0),
        (1, 1000), 2.8, 100, 4.5, None, ("field", "summer"),
    ),
    Sample(
        "Green lights",
        lambda c: scenes.aurora(
            c, ("#7dffb0", "#4be0a0"), ("#040818", "#0a1c34", "#104038")
        ),
        CANON, 2221, "2025:02:28 00:12:36", "+01:00", (68.2352, 14.5601, 6.0),
        (6, 1), 2.8, 2000, 15, 3, ("aurora", "night"), 6,
    ),
    Sample(
        "Autumn wood",
        lambda c: scenes.forest(c, "#e6c6a4", "#4f2418", "#ffdf9a"),
        FUJI, 1251, "2025:10:19 16:48:40", "+02:00", (47.8650, 8.0210, 1180.0),
        (1, 125), 5.6, 320, 45, 4, ("forest", "autumn"),
    ),
    Sample(
        "Moonrise",
        lambda c: scenes.night(c, ("#1a1838", "#4a3a70", "#c0788c"), (0.34, 0.5, 0.15)),
        NIKON, 688, "2025:09:07 20:05:51", "+02:00", (44.1526, 9.6540, 210.0),
        (1, 8), 5.6, 800, 70, 4, ("moon", "dusk"),
    ),
    Sample(
        "Lamps in spring",
        lambda c: scenes.lights(
            c, ("#0f2a2e", "#1c4a44", "#0c2224"), ("#9fe8b0", "#f6e08a", "#58c8c0", "#ffb0c0")
        ),
        PHONE, 3911, "2025:02:28 20:58:14", "+02:00", (48.2101, 16.3590, 180.0),
        (1, 60), 1.5, 500, 5.7, 2, ("abstract",), 8,
    ),
    Sample(
        "Embers",
        lambda c: scenes.silk(
            c, ("#1a0a10", "#2a1018", "#120810"), ("#ffd27a", "#ff8a4a", "#e8405a", "#8a3aa0")
        ),
        NIKON, 709, "2025:11:29 18:52:27", "+01:00", None,
        (4, 1), 11.0, 64, 50, -1, ("abstract",),
    ),
    Sample(
        "City at night",
        lambda c: scenes.city(
            c, ("#060a1e", "#101c42", "#2c4478", "#5a6c9c"), "#0a1020", "#ffd9a0"
        ),
        CANON, 2402, "2025:10:19 20:41:19", "-04:00", (40.7033, -73.9921, 5.0),
        (2, 1), 8.0, 200, 24, 4, ("city", "night"),
    ),
)  # fmt: skip


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) == 2 else None
    if folder is None:
        sys.exit("usage: python -m photonic.ingest.samples FOLDER")
    make_samples(folder)


if __name__ == "__main__":
    main()
