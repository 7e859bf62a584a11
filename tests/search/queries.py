"""Random queries and random photos that have to do with each other, for property tests.

All values come from small stocks, so that a random tree is often true of a random photo.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar, get_args

from hypothesis import strategies as st

from photonic.ids import BlobId
from photonic.photos import MEDIA_TYPES
from photonic.search.criteria import (
    Added,
    Condition,
    Equals,
    Flagged,
    Has,
    Id,
    Is,
    Named,
    Number,
    Place,
    Taken,
    Tree,
    Under,
    Words,
    all_of,
    any_of,
    negated,
)
from photonic.search.sample import HasField, NumberField, Sample, TextField
from photonic.search.words import fold, path_key, tag_key, words

T = TypeVar("T")

TEXTS = (
    "Harbour", "harbor at dawn", "IMG_0012.JPG", "img_0123.cr3", "Tromsø", "TROMSO 2024", "café",
    "red car", "infra-red", "park", "京都タワー", "東京", "or", "none", "not and", "naïve", "12:30",
    "Œuvre", "Straße", "strasse", "İstanbul", "हिन्दी", "עִבְרִית", "x", "!?", "AC/DC", 'a "b" \\c',
    "img_0012.CR3",
)  # fmt: skip
CAMERAS = ("Canon EOS R5", "Canon EOS R5 Mark II", "NIKON Z 6_2", "ILCE-7M3", "iPhone 15 Pro")
LENSES = ("RF24-70mm F2.8 L IS USM", "NIKKOR Z 50mm f/1.8 S", "FE 85mm F1.8")
LABELS = ("Red", "green", "Rot", "To Do", "purple")
TAGS = (
    "travel", "Travel/Iceland", "travel|iceland|Vík", "travels", "family", "Family/Ann", "none",
    "ice|land", " spaced / out ", "C++", "o'clock", "(x)", "-minus", "fam*",
)  # fmt: skip
FOLDERS = ("", "2024", "2024/05-17", "2024/05-1", "2023/Trip (1)", "Ärger/2024", "a|b", "none")
ALBUMS = tuple((f"{number:032x}", name) for number, name in enumerate(TEXTS[:6]))
IDS = tuple(
    BlobId(bytes([first, 0xAB, 0xCD, 0xE0 + low]) * 8) for first in (0, 250) for low in (1, 2)
)
MOMENTS = tuple(
    datetime.fromisoformat(text).replace(tzinfo=UTC)
    for text in (
        "1969-12-31T23:59:59", "2023-12-31T23:59:59.999", "2024-01-01", "2024-02-29T12:00",
        "2024-05-17T09:30", "2024-05-17T09:30:12", "2024-05-17T09:30:12.250", "2024-06-01",
        "2025-01-01",
    )
)  # fmt: skip
LATITUDES, LONGITUDES = (-90.0, -10.5, 0.0, 63.3, 90.0), (-180.0, -170.25, 0.0, 170.0, 180.0)
COUNTS = (-1, 0, 1, 2, 3, 5, 100, 6400)
FRACTIONS = (0.95, 1.8, 2.75, 2.8, 4.0, 24.0, 50.0)
CONFLICTS = ("rating", "title", "original", "sidecar/xmp", "unheard of")


def moment_ms(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def moment_text(moment: datetime) -> str:
    local = moment.replace(tzinfo=None)
    return local.isoformat(timespec="milliseconds" if local.microsecond else "seconds")


def maybe(values: Sequence[T]) -> st.SearchStrategy[T | None]:
    return st.none() | st.sampled_from(values)


def some(values: Sequence[T]) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(st.sampled_from(values), unique=True, max_size=3).map(tuple)


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    """Photos; most of the values of each are missing or one of a few."""
    has_place = draw(st.booleans())
    taken = draw(maybe(MOMENTS))
    removal = draw(maybe(("trashed", "held")))
    return Sample(
        photo=draw(st.sampled_from(IDS)),
        name=draw(st.sampled_from(TEXTS)),
        folder=draw(st.sampled_from(FOLDERS)),
        title=draw(maybe((*TEXTS, ""))),
        caption=draw(maybe((*TEXTS, ""))),
        tags=draw(some(TAGS)),
        albums=draw(some(ALBUMS)),
        camera=draw(maybe(CAMERAS)),
        lens=draw(maybe(LENSES)),
        rating=draw(maybe((-1, 0, 1, 2, 3, 4, 5))),
        label=draw(maybe(LABELS)),
        flag=draw(maybe(("pick", "reject", "unheard of"))),
        taken=moment_text(taken) if taken else None,
        added_ms=moment_ms(draw(st.sampled_from(MOMENTS))),
        latitude=draw(st.sampled_from(LATITUDES)) if has_place else None,
        longitude=draw(st.sampled_from(LONGITUDES)) if has_place else None,
        kind=draw(st.sampled_from(("raw", "image", "video"))),
        media_type=draw(st.sampled_from(("image/jpeg", "image/x-canon-cr3", "video/mp4"))),
        iso=draw(maybe((100, 6400))),
        aperture=draw(maybe(FRACTIONS)),
        focal=draw(maybe(FRACTIONS)),
        width=draw(maybe(COUNTS[1:])),
        height=draw(maybe(COUNTS[1:])),
        shoot=draw(maybe(("aa", "bb"))),
        stack=draw(maybe(("aa", "bb"))),
        conflicts=draw(some(CONFLICTS)),
        copies=draw(st.integers(0, 3)),
        held=draw(st.booleans()),
        trashed=removal == "trashed",
        removal_held=removal == "held",
        has_sidecar=draw(st.booleans()),
        has_raw=draw(st.booleans()),
    )


@st.composite
def phrases(draw: st.DrawFn, stock: tuple[str, ...]) -> tuple[str, ...]:
    """Words that stand in one of these texts side by side, the last one perhaps cut."""
    found = words(draw(st.sampled_from([text for text in stock if words(text)])))
    begin = draw(st.integers(0, len(found) - 1))
    chosen = found[begin : draw(st.integers(begin + 1, len(found)))]
    last = chosen[-1]
    # Cut where what is left is a word by itself: not before a sign that belongs to its letter.
    cut = words(last[: draw(st.integers(1, len(last)))])
    return (*chosen[:-1], *(cut[-1:] or (last,)))


def _words() -> st.SearchStrategy[Condition]:
    stocks: dict[TextField | None, tuple[str, ...]] = {
        None: (*TEXTS, *CAMERAS, *LENSES, *TAGS, *FOLDERS),
        **dict.fromkeys(("name", "title", "caption"), TEXTS),
        "album": tuple(name for _, name in ALBUMS),
        "camera": CAMERAS,
        "lens": LENSES,
    }
    fields = st.sampled_from([None, None, None, *stocks])
    return fields.flatmap(
        lambda field: st.builds(Words, phrases(stocks[field]), st.booleans(), st.just(field))
    )


def _spans() -> st.SearchStrategy[tuple[datetime | None, datetime | None]]:
    two = st.lists(st.sampled_from(MOMENTS), min_size=2, max_size=2, unique=True).map(sorted)
    return st.one_of(
        two.map(lambda ends: (ends[0], ends[1])),
        two.map(lambda ends: (ends[0], None)),
        two.map(lambda ends: (None, ends[1])),
    )


def conditions() -> st.SearchStrategy[Condition]:
    """Conditions of every class, as the grammar makes them."""
    folded = {"camera": CAMERAS, "lens": LENSES, "label": LABELS, "album": TEXTS[:6]}
    exact = {
        "kind": ("raw", "image", "video"), "album": tuple(one for one, _ in ALBUMS),
        "type": tuple(dict.fromkeys(MEDIA_TYPES.values())), "conflict": CONFLICTS,
        "shoot": ("aa", "bb", "none"), "stack": ("aa", "a (b)"),
    }  # fmt: skip
    tags = sorted({tag_key(tag) for tag in TAGS})
    folders = sorted({path_key(folder) for folder in FOLDERS} - {""})
    return st.one_of(
        *[_words()] * 4,
        *(st.builds(Named, st.just(f), st.sampled_from(v).map(fold)) for f, v in folded.items()),
        *(st.builds(Equals, st.just(f), st.sampled_from(v)) for f, v in exact.items()),
        st.builds(Flagged, st.sampled_from(("pick", "reject"))),
        st.builds(Under, st.just("tag"), st.sampled_from(tags), st.booleans()),
        st.builds(Under, st.just("folder"), st.sampled_from(folders), st.booleans()),
        _numbers(),
        _spans().map(lambda two: Taken(*(moment_text(one) if one else None for one in two))),
        _spans().map(lambda two: Added(*(moment_ms(one) if one else None for one in two))),
        _places(),
        st.builds(Has, st.sampled_from(get_args(HasField))),
        st.builds(Is, st.sampled_from(("held", "trashed", "removal-held"))),
        st.sampled_from(IDS).flatmap(
            lambda one: st.integers(6, 64).map(lambda digits: Id(one.hex()[:digits]))
        ),
    )


def _numbers() -> st.SearchStrategy[Condition]:
    signs = st.sampled_from(("<", "<=", ">", ">="))
    fractions: tuple[NumberField, ...] = ("aperture", "focal")
    counts = tuple(one for one in get_args(NumberField) if one not in (*fractions, "rating"))
    return st.one_of(
        st.builds(Number, st.just("rating"), signs | st.just("="), st.integers(-1, 5)),
        st.builds(
            Number, st.sampled_from(counts), signs | st.just("="), st.sampled_from(COUNTS[1:])
        ),
        st.builds(Number, st.sampled_from(fractions), signs, st.sampled_from(FRACTIONS)),
    )


def _places() -> st.SearchStrategy[Condition]:
    souths = st.lists(st.sampled_from(LATITUDES), min_size=2, max_size=2).map(sorted)
    longitudes = st.sampled_from(LONGITUDES)
    return st.builds(
        lambda ends, west, east: Place(ends[0], west, ends[1], east), souths, longitudes, longitudes
    )


def trees(leaves: int = 12) -> st.SearchStrategy[Tree]:
    """Trees in the one form, never ALL or NOTHING."""
    return st.recursive(
        conditions(),
        lambda smaller: st.one_of(
            st.lists(smaller, min_size=2, max_size=4).map(lambda some: all_of(*some)),
            st.lists(smaller, min_size=2, max_size=4).map(lambda some: any_of(*some)),
            smaller.map(negated),
        ),
        max_leaves=leaves,
    )
