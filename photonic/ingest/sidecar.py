"""XMP sidecars beside an original: which ones belong to it, and what a person says in them.

Read-only, and the bytes are foreign: no DTD, no entities (defusedxml), and bounded in size, depth
and number of elements and attributes while they are read, so that a parse takes no more than some
30 MB and 0.4 s. What cannot be read is SidecarInvalid; the bytes are kept all the same. pyexiv2 is
not asked, for it belongs into a worker process and this is plain XML.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from photonic import limits
from photonic.errors import SidecarInvalid
from photonic.ingest.tags import keywords, stars
from photonic.ingest.tags import text as clean
from photonic.photos import SIDECAR_SUFFIX, Marks

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_XMP = "{http://ns.adobe.com/xap/1.0/}"
_LR = "{http://ns.adobe.com/lightroom/1.0/}"
_DT = "{http://darktable.sf.net/}"
_PIECE_BYTES = 64 * limits.KIB
_LABELS = ("red", "yellow", "green", "blue", "purple")  # as darktable numbers them, too


def sidecars_in(folder: Path) -> list[Path]:
    """Return every sidecar in a folder. Raises OSError."""
    return [path for path in folder.iterdir() if is_sidecar(path)]


def is_sidecar(path: Path) -> bool:
    return path.suffix.casefold() == SIDECAR_SUFFIX


def bonds(sidecar: Path) -> set[str]:
    """Return the keys by which a sidecar is found: its photo has one of them (`photo_bonds`).

    Thousands of sidecars in a folder meet thousands of photos by them; `beside` decides.
    """
    bare = Path(sidecar.stem.casefold())
    original, _, number = bare.stem.rpartition("_")
    return {bare.name, original + bare.suffix} if number.isdigit() else {bare.name}


def photo_bonds(photo: Path) -> tuple[str, str]:
    return photo.name.casefold(), photo.stem.casefold()


def beside(path: Path, sidecars: Iterable[Path]) -> list[Path]:
    """Pick an original's own out of the sidecars in its folder, the one that speaks for it first.

    `IMG.CR2.xmp` (darktable, and what we write) before `IMG.xmp` (Adobe), then darktable's
    duplicates `IMG_01.CR2.xmp`. Letters' case does not matter.
    """
    name, stem, suffix = path.name.casefold(), path.stem.casefold(), path.suffix.casefold()
    ranked: list[tuple[int, str, Path]] = []
    for other in sidecars:
        bare = other.stem.casefold()
        if bare == name:
            ranked.append((0, other.name, other))
        elif bare == stem:
            ranked.append((1, other.name, other))
        elif bare.endswith(suffix) and _is_duplicate(bare.removesuffix(suffix), stem):
            ranked.append((2, other.name, other))
    return [other for _, _, other in sorted(ranked)][: limits.SIDECARS_PER_PHOTO_MAX]


def _is_duplicate(bare: str, stem: str) -> bool:
    """Whether `bare` is darktable's name of a duplicate: the stem, "_" and two digits or more."""
    number = bare.removeprefix(f"{stem}_")
    return number != bare and len(number) >= 2 and number.isascii() and number.isdigit()


def read_marks(data: bytes, name: str) -> Marks:
    """Return what a sidecar says. Raises SidecarInvalid."""
    if len(data) > limits.SIDECAR_BYTES_MAX:
        raise SidecarInvalid(f"{name} has more than {limits.SIDECAR_BYTES_MAX:,} bytes")
    try:
        root = _parsed(data, name)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise SidecarInvalid(f"{name} is no XMP: {error}") from error
    blocks = list(root.iter(f"{_RDF}Description"))
    return Marks(
        rating=stars(_simple(blocks, f"{_XMP}Rating")),
        label=_label(blocks),
        title=clean(_first(blocks, f"{_DC}title")),
        caption=clean(_first(blocks, f"{_DC}description"), limits.CAPTION_CHARS_MAX),
        keywords=keywords(
            _listed(blocks, f"{_DC}subject"), _listed(blocks, f"{_LR}hierarchicalSubject")
        ),
    )


def _label(blocks: list[Element]) -> str | None:
    """Return the colour of a label; of several that darktable has, the first."""
    label = clean(_simple(blocks, f"{_XMP}Label"))
    if label and label.lower() in _LABELS:
        return label.lower()
    numbers = (clean(one) for one in _listed(blocks, f"{_DT}colorlabels"))
    known = (int(one) for one in numbers if one and one in "01234" and len(one) == 1)
    return next((_LABELS[number] for number in known), None)


class _Bounded(TreeBuilder):
    """Builds a tree, and gives up where it becomes larger than a sidecar is."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name, self._depth, self._count = name, 0, 0

    def start(self, tag: str, attributes: dict[str, str], /) -> Element:
        self._depth += 1
        self._count += 1 + len(attributes)
        if self._depth > limits.SIDECAR_DEPTH_MAX or self._count > limits.SIDECAR_ELEMENTS_MAX:
            raise SidecarInvalid(f"{self._name} is nested too deeply, or has too many elements")
        return super().start(tag, attributes)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def _parsed(data: bytes, name: str) -> Element:
    # Expat has all attributes of an element before it says that there is one.
    if data.count(b"=") > limits.SIDECAR_ATTRIBUTES_MAX:
        raise SidecarInvalid(f"{name} has too many attributes")
    parser = DefusedXMLParser(target=_Bounded(name), forbid_dtd=True)
    for start in range(0, len(data), _PIECE_BYTES):
        parser.feed(data[start : start + _PIECE_BYTES])
    root: Element = parser.close()
    return root


def _simple(blocks: list[Element], name: str) -> str | None:
    """Return a plain property, which may be an attribute or an element."""
    for block in blocks:
        if name in block.attrib:
            return block.attrib[name]
        child = block.find(name)
        if child is not None and child.text:
            return child.text
    return None


def _first(blocks: list[Element], name: str) -> str | None:
    """Return the first entry of a list property, or the property itself if it is plain."""
    return next(_listed(blocks, name), None) or _simple(blocks, name)


def _listed(blocks: list[Element], name: str) -> Iterator[str]:
    for block in blocks:
        for child in block.findall(name):
            for item in child.iter(f"{_RDF}li"):
                if item.text:
                    yield item.text
