"""The history of a photo tells what was shown before each word, and what of it stands."""

from __future__ import annotations

from typing import Any

from photonic.chronicle import Chronicle
from photonic.crdt.changes import Draft
from photonic.crdt.fields import NAME, ORIGIN, ORIGINAL, RATING, TAGS, TITLE
from photonic.crdt.keys import change_key
from photonic.ids import BlobId, ChangeId, NodeId, Subject, digest, photo_subject
from photonic.photo_views import FieldChangeView, SaidView
from tests.memory_library import NAMES, MemoryLibrary

PHOTO = photo_subject(BlobId(digest(b"a photo")))


def begun() -> MemoryLibrary:
    library = MemoryLibrary()
    library.write(Draft(PHOTO, {ORIGINAL: [PHOTO.key, 100, bytes(32)], NAME: "a.jpg"}))
    return library


def chronicle(library: MemoryLibrary, subject: Subject = PHOTO, own: Any = None) -> Chronicle:
    catalog = library.catalog
    return Chronicle(
        subject,
        catalog.changes(subject),
        is_effective=catalog.is_effective,
        display=catalog.display,
        embedded=lambda name: (own or {}).get(name, () if name == TAGS else None),
    )


def name_of(node: NodeId) -> str | None:
    return NAMES.get(node)


def said(library: MemoryLibrary, own: Any = None) -> list[SaidView]:
    return chronicle(library, own=own).page(100, None, name_of)[0]


def fields(view: SaidView) -> list[tuple[object, ...]]:
    return [(one.field, one.old, one.new, one.stands) for one in view.fields]


def test_the_first_change_only_says_that_it_brought_the_photo_in() -> None:
    (first,) = said(begun())
    assert first.first and first.counts and first.fields == []
    assert first.author_name == "studio"


def test_each_word_tells_what_was_shown_before_it() -> None:
    library = begun()
    library.write(Draft(PHOTO, {RATING: 2}))
    library.write(Draft(PHOTO, {RATING: 4, TITLE: "Dawn"}))
    latest, before, _ = said(library)
    assert fields(latest) == [("rating", 2, 4, True), ("title", None, "Dawn", True)]
    assert fields(before) == [("rating", None, 2, False)]


def test_before_the_first_word_the_file_itself_was_shown() -> None:
    library = begun()
    library.write(Draft(PHOTO, {RATING: 2}))
    assert fields(said(library, own={RATING: 5})[0]) == [("rating", 5, 2, True)]


def test_words_said_apart_both_stand_and_know_nothing_of_each_other() -> None:
    library = begun()
    library.write(Draft(PHOTO, {RATING: 2}))
    library.write_apart(PHOTO, {RATING: 5})
    there, here, _ = said(library)
    assert (there.author_name, here.author_name) == ("field", "studio")
    assert fields(there) == [("rating", None, 5, True)]
    assert fields(here) == [("rating", None, 2, True)]


def test_a_decision_tells_what_was_displayed_when_it_was_made() -> None:
    library = begun()
    library.write(Draft(PHOTO, {RATING: 2}))
    library.write_apart(PHOTO, {RATING: 5})
    library.write(Draft(PHOTO, {RATING: 3}))
    assert fields(said(library)[0]) == [("rating", 5, 3, True)]


def test_tags_stand_until_they_are_taken_away() -> None:
    library = begun()
    library.write(Draft(PHOTO, adds={TAGS: ("harbour", "dawn")}))
    library.write(Draft(PHOTO, removes={TAGS: ("harbour",)}))
    removed, added, _ = said(library)
    assert removed.fields == [FieldChangeView("tags", "removed", None, ["harbour"], True)]
    assert added.fields == [FieldChangeView("tags", "added", None, ["harbour", "dawn"], True)]
    library.write(Draft(PHOTO, removes={TAGS: ("dawn",)}))
    library.write(Draft(PHOTO, adds={TAGS: ("harbour",)}))
    assert [view.fields[0].stands for view in said(library)[:4]] == [True, True, False, False]


def test_a_tag_of_the_file_is_gone_only_while_nobody_brings_it_back() -> None:
    library = begun()
    library.write(Draft(PHOTO, removes={TAGS: ("harbour",)}))
    assert said(library, own={TAGS: ("harbour",)})[0].fields[0].stands


def test_pages_give_every_change_once() -> None:
    library = begun()
    for rating in range(5):
        library.write(Draft(PHOTO, {RATING: rating}))
    history, seen, behind = chronicle(library), list[str](), None
    while True:
        views, behind = history.page(2, behind, name_of)
        seen += [view.change for view in views]
        if behind is None:
            break
    assert seen == [view.change for view in said(library)] and len(seen) == 6


def test_what_was_imported_tells_who_said_it_first_and_nothing_of_how_that_is_kept() -> None:
    library = begun()
    origin = f"{change_key(ChangeId(digest(b'there')))} laptop"
    library.write(Draft(PHOTO, {RATING: 2}, {ORIGIN: (origin,), TAGS: ("dawn",)}))
    library.write(Draft(PHOTO, {TITLE: "Dawn"}))
    library.write(Draft(PHOTO, adds={ORIGIN: (origin,)}))  # it had no room in the one before
    title, rating, first = said(library)
    assert (title.origin, rating.origin, first.origin) == ("laptop", "laptop", None)
    assert title.author_name == "studio"
    assert [one.field for one in rating.fields] == ["rating", "tags"]
    assert [one.field for one in title.fields] == ["title"]
