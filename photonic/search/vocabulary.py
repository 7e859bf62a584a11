"""The fields of the query language: what each is called and how its value is read.

How numbers, periods and places are read is in `quantities.py`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final, Literal, TypeAlias

from photonic.crdt import fields
from photonic.photos import MEDIA_TYPES
from photonic.search.criteria import (
    COPIES_SAFE_MIN,
    Equals,
    Flagged,
    Has,
    Id,
    Is,
    Named,
    Not,
    Number,
    Sort,
    Tree,
    Under,
    Words,
)
from photonic.search.quantities import added, measured, place, taken, whole
from photonic.search.sample import HasField, TextField, ValueField
from photonic.search.term import Misread, Reader, Value
from photonic.search.words import fold, path_key, tag_key, words

LABELS: Final = ("red", "yellow", "green", "blue", "purple")
KINDS: Final = ("raw", "image", "video")
ALBUM_ID = re.compile("[0-9a-fA-F]{32}")
_PHOTO_ID = re.compile("[0-9a-fA-F]{6,64}")
_RATING_MIN, _RATING_MAX = -1, 5

_NameField: TypeAlias = Literal["camera", "lens", "album"]


def words_of(value: Value) -> tuple[str, ...]:
    """Return the words of a text that was typed. Raises Misread if there are none."""
    if not value.is_quoted and "*" in value.text:
        raise Misread("expected * only at the end of a word", value.text.index("*"), 1)
    found = words(value.text)
    if not found:
        raise Misread("expected a letter or a digit to search for")
    return found


def _text(field: TextField, has: HasField | None = None) -> Reader:
    """Read words that stand side by side in a text."""

    def read(value: Value) -> Tree:
        value.check_sign(exact=False)
        if has is not None and value.is_none:
            return Not(Has(has))
        return Words(words_of(value), value.is_quoted and not value.has_star, field)

    return read


def _name(field: _NameField, has: HasField) -> Reader:
    """Read the name of a camera, a lens or an album: words of it or, with =, all of it."""
    text = _text(field, has)

    def read(value: Value) -> Tree | Sort:
        if value.sign != "=" or value.is_none:
            return text(replace(value, sign=":") if value.is_none else value)
        value.check_no_star("= means the whole name")
        return Named(field, _folded(value))

    return read


def _folded(value: Value) -> str:
    name = fold(value.text)
    if not name:
        raise Misread("expected a name")
    return name


def _album(value: Value) -> Tree | Sort:
    is_bare = not value.is_quoted and not value.has_star and value.operator == "="
    if is_bare and ALBUM_ID.fullmatch(value.text):
        return Equals("album", value.text.lower())
    return _name("album", "album")(value)


def _label(value: Value) -> Tree:
    if value.is_none:
        return Not(Has("label"))
    if not value.is_quoted:
        return Named("label", value.choose((*LABELS, "none")))
    value.check_sign(exact=True)  # other programs have words of their own, in any language
    value.check_no_star("the whole word is needed")
    return Named("label", _folded(value))


def _flag(value: Value) -> Tree:
    match value.choose(("pick", "reject", "none")):
        case "pick":
            return Flagged("pick")
        case "reject":
            return Flagged("reject")
        case _:
            return Not(Has("flag"))


def _tag(value: Value) -> Tree:
    value.check_sign(exact=True)
    if value.is_none:
        return Not(Has("tag"))
    value.check_no_star("tag:travel already finds whatever is under it")
    path = tag_key(value.text)
    if not path:
        raise Misread("expected a tag such as travel/iceland")
    return Under("tag", path, value.sign == "=")


def _folder(value: Value) -> Tree:
    value.check_sign(exact=True)
    if value.is_none:
        return Not(Has("folder"))
    value.check_no_star("folder:2024 already finds whatever is under it")
    path = path_key(value.text)
    if not path:
        raise Misread("expected a folder such as 2024/05-17; folder:none is the top")
    return Under("folder", path, value.sign == "=")


def _kind(value: Value) -> Tree:
    """Read raw, image or video; a file's format, such as jpeg, is a kind, too."""
    text = value.text.lower()
    if text not in KINDS and text in MEDIA_TYPES:
        return _type(value)
    return Equals("kind", value.choose(KINDS))


def _type(value: Value) -> Tree:
    known = dict.fromkeys(MEDIA_TYPES.values())
    text = value.text.lower().removeprefix(".")
    if "/" in text:
        return Equals("type", value.choose(known))
    return Equals("type", MEDIA_TYPES[replace(value, text=text).choose(MEDIA_TYPES)])


def _group(field: ValueField, has: HasField) -> Reader:
    """Read the id of a shoot or a stack."""

    def read(value: Value) -> Tree:
        value.check_sign(exact=True)
        value.check_no_star("the whole id is needed")
        if value.is_none:
            return Not(Has(has))
        if not value.text:
            raise Misread("expected an id")
        return Equals(field, value.text)

    return read


def _id(value: Value) -> Tree:
    value.check_sign(exact=True)
    value.check_no_star("the beginning of an id is enough")
    if not _PHOTO_ID.fullmatch(value.text):
        raise Misread("expected 6 to 64 of the hexadecimal digits of a photo's id")
    return Id(value.text.lower())


def _conflict(value: Value) -> Tree:
    if value.is_none:
        return Not(Has("conflict"))
    # A newer photonic may have fields that this one does not know; so has each sidecar's name.
    if (value.is_quoted and value.text) or value.text.startswith(fields.SIDECAR_PREFIX):
        value.check_sign(exact=True)
        value.check_no_star("the whole name of a field is needed")
        return Equals("conflict", value.text)
    return Equals("conflict", value.choose(CONTESTED))


CONTESTED = (
    *fields.EDITABLE, fields.ORIGINAL, fields.TRASHED, fields.SHOOT_OF, fields.STACK_OF,
)  # fmt: skip

_STATES: dict[str, Tree] = {
    "contested": Has("conflict"),
    "held": Is("held"),
    "missing": Not(Is("held")),
    "at-risk": Number("copies", "<", COPIES_SAFE_MIN),
    "trashed": Is("trashed"),
    "removal-held": Is("removal-held"),
    "rejected": Flagged("reject"),
    "picked": Flagged("pick"),
}


def _is(value: Value) -> Tree:
    return _STATES[value.choose(_STATES)]


HAS_WORDS: Final[dict[str, HasField]] = {
    "conflict": "conflict", "place": "place", "title": "title", "caption": "caption",
    "tag": "tag", "tags": "tag", "sidecar": "sidecar", "album": "album", "camera": "camera",
    "lens": "lens", "taken": "taken", "rating": "rating", "label": "label", "flag": "flag",
    "folder": "folder", "iso": "iso", "aperture": "aperture", "focal": "focal", "width": "width",
    "height": "height", "shoot": "shoot", "stack": "stack", "raw": "raw",
}  # fmt: skip


def _has(value: Value) -> Tree:
    return Has(HAS_WORDS[value.choose(HAS_WORDS)])


_SORTS = {
    "taken": Sort("taken"), "added": Sort("added"),
    "-taken": Sort("taken", oldest_first=True), "-added": Sort("added", oldest_first=True),
}  # fmt: skip


def _sort(value: Value) -> Sort:
    return _SORTS[value.choose(_SORTS)]


FIELDS: Final[dict[str, Reader]] = {
    "rating": whole("rating", "rating", _RATING_MIN, _RATING_MAX),
    "label": _label,
    "flag": _flag,
    "tag": _tag,
    "album": _album,
    "camera": _name("camera", "camera"),
    "lens": _name("lens", "lens"),
    "taken": taken,
    "added": added,
    "place": place,
    "folder": _folder,
    "name": _text("name"),
    "title": _text("title", "title"),
    "caption": _text("caption", "caption"),
    "kind": _kind,
    "type": _type,
    "has": _has,
    "is": _is,
    "conflict": _conflict,
    "copies": whole("copies", None),
    "iso": whole("iso", "iso"),
    "aperture": measured("aperture", "aperture", unit="^f/?", decimals=1),
    "focal": measured("focal", "focal", unit="mm$", decimals=0),
    "width": whole("width", "width"),
    "height": whole("height", "height"),
    "shoot": _group("shoot", "shoot"),
    "stack": _group("stack", "stack"),
    "id": _id,
    "sort": _sort,
}

# What people call the fields elsewhere, for the hint in the error: one name only is understood.
SYNONYMS: Final = {
    "stars": "rating", "star": "rating", "colour": "label", "color": "label", "keyword": "tag",
    "keywords": "tag", "tags": "tag", "collection": "album", "body": "camera", "date": "taken",
    "time": "taken", "day": "taken", "year": "taken", "imported": "added", "gps": "place",
    "location": "place", "path": "folder", "dir": "folder", "directory": "folder", "in": "folder",
    "file": "name", "filename": "name", "description": "caption", "media": "kind", "ext": "type",
    "extension": "type", "format": "type", "f": "aperture", "fnumber": "aperture",
    "order": "sort", "text": "caption", "picked": "is", "rejected": "is", "trash": "is",
}  # fmt: skip
