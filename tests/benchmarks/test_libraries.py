"""The made-up library: repeatable, as large as asked, and skewed as people's libraries are."""

from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise

import pytest

from benchmarks.libraries import LAPTOP, SAVED_ALBUMS, TABLET, Contested, Edited, Library, Taken
from benchmarks.questions import Questions
from photonic.ids import ALBUM, PHOTO

PHOTOS = 20_000


@pytest.fixture(scope="module")
def library() -> Library:
    return Library(PHOTOS)


@pytest.fixture(scope="module")
def taken(library: Library) -> list[Taken]:
    return [deed for deed in library.deeds() if isinstance(deed, Taken)]


def test_one_seed_tells_one_story(library: Library) -> None:
    again = Library(PHOTOS).deeds()
    assert list(islice(library.deeds(), 3_000)) == list(islice(again, 3_000))
    other = Library(PHOTOS, seed=2).deeds()
    assert list(islice(library.deeds(), 100)) != list(islice(other, 100))


def test_the_library_has_as_many_photos_as_asked_and_each_once(taken: list[Taken]) -> None:
    assert len({deed.photo.original.blob for deed in taken}) == len(taken) == PHOTOS


def test_time_goes_one_way_over_twenty_years(library: Library, taken: list[Taken]) -> None:
    moments = [deed.at_ms for deed in library.deeds()]
    assert all(before <= after for before, after in pairwise(moments))
    years = Counter((deed.photo.facts.taken or "")[:4] for deed in taken)
    assert len(years) == 20 and years["2025"] > years["2007"]


def test_one_photo_in_twenty_is_edited_later_by_several_nodes(library: Library) -> None:
    edits = [deed for deed in library.deeds() if isinstance(deed, Edited)]
    photos = Counter(deed.draft.subject for deed in edits if deed.draft.subject.kind == PHOTO)
    assert 0.04 * PHOTOS < len(photos) < 0.06 * PHOTOS
    assert set(photos.values()) == {1, 2, 3, 4}
    assert len({deed.by for deed in edits}) == 3
    assert any(deed.draft.act for deed in edits)


def test_every_edit_is_of_something_that_came_before_it(library: Library) -> None:
    known = set()
    for deed in library.deeds():
        if isinstance(deed, Taken):
            known.add(deed.photo.original.blob)
        elif isinstance(deed, Edited) and deed.draft.subject.kind == ALBUM:
            continue
        else:
            drafts = [deed.draft] if isinstance(deed, Edited) else [d for _, d in deed.sides]
            assert all(draft.subject.key in known for draft in drafts)


def test_a_contest_is_two_nodes_that_set_one_field_differently(library: Library) -> None:
    contests = [deed for deed in library.deeds() if isinstance(deed, Contested)]
    assert contests
    for deed in contests:
        (one, first), (other, second) = deed.sides
        assert one != other and first.subject == second.subject
        assert first.sets.keys() == second.sets.keys() and first.sets != second.sets


def test_the_laptop_and_the_tablet_hold_no_original(taken: list[Taken]) -> None:
    holders = Counter(node for deed in taken for node in deed.holders)
    assert LAPTOP not in holders and TABLET not in holders
    at_risk = sum(len(deed.holders) < 2 for deed in taken)
    assert 0 < at_risk < 0.1 * PHOTOS


def test_cameras_tags_places_and_ratings_are_skewed(taken: list[Taken]) -> None:
    cameras = Counter(deed.photo.facts.camera_model for deed in taken)
    assert len(cameras) > 25 and cameras.most_common(1)[0][1] > 5 * PHOTOS / len(cameras)
    marks = [deed.photo.sidecar.marks for deed in taken if deed.photo.sidecar]
    tags = Counter(word for mark in marks for word in mark.keywords)
    assert len(tags) > 500 and tags.most_common(1)[0][1] > 20 * tags.total() / len(tags)
    assert any(word.count("/") == 2 for word in tags)
    placed = sum(deed.photo.facts.position is not None for deed in taken)
    assert 0.15 * PHOTOS < placed < 0.5 * PHOTOS
    ratings = Counter(mark.rating for mark in marks)
    assert ratings[3] > ratings[5] and ratings[None] > 0


def test_every_kind_of_question_can_be_asked(library: Library) -> None:
    questions = Questions(library)
    assert len({questions.text(kind) for kind in questions.kinds}) > len(questions.kinds) - 3
    assert len(library.albums[SAVED_ALBUMS:]) == 20
