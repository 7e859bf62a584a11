"""Writes what is known of a photo as an XMP sidecar that other programs read. Pure.

The counterpart of `sidecar.read_marks`: what is written here reads there as the same marks. Only
properties that a standard or several programs share are used; what has none (albums, picks,
versions that contest) is not in a sidecar. No error: what XML cannot carry is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from photonic.photos import Marks, Position

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="photonic">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:lr="http://ns.adobe.com/lightroom/1.0/"
    xmlns:exif="http://ns.adobe.com/exif/1.0/\""""
_TAIL = "  </rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n"
_NOT_XML = re.compile("[^\t\n\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LEVELS = re.compile(r"[|/]")
_COLOURS = {"red", "yellow", "green", "blue", "purple"}


def sidecar_xml(marks: Marks, position: Position | None = None) -> bytes:
    """Return a whole sidecar, UTF-8. Keywords with "/" or "|" between levels are hierarchical."""
    attributes = {
        "xmp:Rating": None if marks.rating is None else str(marks.rating),
        "xmp:Label": _label(marks.label),
        **_place(position),
    }
    paths = [levels for word in marks.keywords if len(levels := _levels(word)) > 1]
    flat = [level for word in marks.keywords for level in _levels(word)]
    elements = (
        _listed("dc:title", "Alt", [marks.title], ' xml:lang="x-default"'),
        _listed("dc:description", "Alt", [marks.caption], ' xml:lang="x-default"'),
        _listed("dc:subject", "Bag", flat),
        _listed("lr:hierarchicalSubject", "Bag", ["|".join(levels) for levels in paths]),
    )
    said = "".join(f'\n    {name}="{_text(value)}"' for name, value in attributes.items() if value)
    return f"{_HEAD}{said}>\n{''.join(elements)}{_TAIL}".encode()


def _label(label: str | None) -> str | None:
    """Return a label as other programs spell it: colours with a capital."""
    return label.capitalize() if label in _COLOURS else label


def _levels(keyword: str) -> list[str]:
    return [level for part in _LEVELS.split(keyword) if (level := part.strip())]


def _listed(name: str, kind: str, values: Iterable[str | None], attributes: str = "") -> str:
    texts = dict.fromkeys(filter(None, (_text(value) for value in values if value)))
    if not texts:
        return ""
    items = "".join(f"     <rdf:li{attributes}>{text}</rdf:li>\n" for text in texts)
    return f"   <{name}>\n    <rdf:{kind}>\n{items}    </rdf:{kind}>\n   </{name}>\n"


def _text(value: str) -> str:
    return escape(_NOT_XML.sub("", value.replace("\r\n", "\n").replace("\r", "\n")))


def _place(position: Position | None) -> dict[str, str | None]:
    if position is None:
        return {}
    place: dict[str, str | None] = {
        "exif:GPSVersionID": "2.3.0.0",
        "exif:GPSMapDatum": "WGS-84",
        "exif:GPSLatitude": _coordinate(position.latitude, "NS"),
        "exif:GPSLongitude": _coordinate(position.longitude, "EW"),
    }
    if position.altitude_m is not None:
        place["exif:GPSAltitudeRef"] = "1" if position.altitude_m < 0 else "0"
        place["exif:GPSAltitude"] = f"{round(abs(position.altitude_m) * 100)}/100"
    return place


def _coordinate(degrees: float, sides: str) -> str:
    """Return "46,30.1234567N": degrees and minutes, to about a tenth of a millimetre."""
    units = round(abs(degrees) * 60 * 10_000_000)
    whole, rest = divmod(units, 60 * 10_000_000)
    return f"{whole},{rest // 10_000_000}.{rest % 10_000_000:07}{sides[degrees < 0]}"
