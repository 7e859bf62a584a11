"""Edits of many photos: each once, in bounded batches, under one act, and nothing said twice."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic import limits
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import FACTS, FLAG, LABEL, NAME, ORIGINAL, RATING, TAGS, TITLE
from photonic.edits import Chosen, Edits, Said
from photonic.errors import EditInvalid, EditStopped, StoreFull
from photonic.ids import BlobId, Subject, digest, photo_subject
from tests.api.client import run
from tests.api.memory_photos import MemoryPhotos
from tests.memory_library import MemoryLibrary

T = TypeVar("T")
L = TypeVar("L", bound=MemoryLibrary)


def photo(number: int) -> Subject:
    return photo_subject(BlobId(digest(b"photo %d" % number)))


def begun(count: int, library: L) -> L:
    facts = {"media_type": "image/jpeg", "rating": 3, "keywords": ["sea"]}
    library.write(
        *(
            Draft(one, {ORIGINAL: [one.key, 9, bytes(32)], NAME: "a.jpg", FACTS: facts})
            for one in map(photo, range(count))
        )
    )
    return library


class Batches(MemoryLibrary):
    """Counts what each job wrote, and refuses the job with the number `full_at`."""

    def __init__(self, full_at: int | None = None) -> None:
        super().__init__()
        self.sizes, self.full_at = list[int](), full_at
        self.on_commit = lambda committed: self.sizes.append(len(committed.fresh))

    def do(self, work: Callable[[Catalog], T]) -> T:
        if self.full_at == len(self.sizes):
            raise StoreFull("the catalog's journal", 1, 0)
        return super().do(work)


async def windows(*some: list[Subject]) -> AsyncGenerator[list[BlobId], None]:
    for window in some:
        yield [BlobId(subject.key) for subject in window]


def rate(_: Catalog, state: Any) -> Draft | None:
    return Said({RATING: 5}).draft(state)


def edits_of(library: MemoryLibrary) -> Edits:
    """Edits that are told their photos, and so never look for any."""
    return Edits(library, None, _Numbers())  # type: ignore[arg-type]


class _Numbers:
    def token(self, size_bytes: int) -> bytes:
        return bytes(range(size_bytes))

    def uniform(self, low: float, high: float) -> float:
        return low


def test_an_act_is_written_in_bounded_batches_under_one_id() -> None:
    async def main() -> None:
        library = begun(1_000, Batches())
        edits, act = edits_of(library), b"a" * 16
        library.sizes.clear()
        photos = [photo(number) for number in range(1_000)]
        written = await edits.apply(windows(photos[:700], photos[700:]), rate, act)
        assert written == 1_000 == sum(library.sizes)
        assert max(library.sizes) <= limits.EDIT_PHOTOS_AT_ONCE
        for one in photos:
            assert [signed.change.act for signed in library.catalog.changes(one)] == [b"", act]

    run(main)


def test_what_is_no_photo_is_passed_over() -> None:
    async def main() -> None:
        library = begun(2, MemoryLibrary())
        written = await edits_of(library).apply(windows([photo(0), photo(7)]), rate, b"a" * 16)
        assert written == 1

    run(main)


def test_what_stops_an_act_halfway_tells_what_was_written() -> None:
    async def main() -> None:
        library = begun(1_000, Batches())
        library.sizes.clear()
        library.full_at, first = 2, 2 * limits.EDIT_PHOTOS_AT_ONCE
        photos, act = [photo(number) for number in range(1_000)], b"a" * 16
        with pytest.raises(EditStopped, match=f"{first} photos .* {act.hex()}") as stopped:
            await edits_of(library).apply(windows(photos), rate, act)
        assert "photonic undo" in stopped.value.fix
        library.full_at = None
        assert await edits_of(library).apply(windows(photos), rate, act) == 1_000 - first

    run(main)


def test_what_stops_an_act_at_once_is_told_as_it_is() -> None:
    async def main() -> None:
        library = begun(1, Batches())
        library.full_at = 1
        with pytest.raises(StoreFull):
            await edits_of(library).apply(windows([photo(0)]), rate, b"a" * 16)

    run(main)


def test_a_choice_comes_in_windows_with_every_photo_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(limits, "PAGE_ITEMS_MAX", 3)
    monkeypatch.setattr(limits, "EDIT_WINDOW_PHOTOS", 7)

    async def main() -> None:
        photos = MemoryPhotos(tmp_path)
        taken = {photos.take(f"{n}.jpg", (n * 10, 0, 0)) for n in range(20)}
        seen = [window async for window in photos.edits.select(Chosen(q=""))]
        assert max(map(len, seen)) <= 7
        assert sorted(one.hex() for window in seen for one in window) == sorted(taken)
        (named,) = [window async for window in photos.edits.select(Chosen(ids=[*taken, *taken]))]
        assert len(named) == 20

    run(main)


said = st.builds(
    Said,
    st.dictionaries(
        st.sampled_from([RATING, LABEL, TITLE, FLAG]), st.sampled_from([None, 3, "a"]), max_size=3
    ),
    st.dictionaries(st.just(TAGS), st.lists(st.sampled_from(["sea", "sky"]), max_size=2)),
    st.dictionaries(st.just(TAGS), st.lists(st.sampled_from(["sea", "sun"]), max_size=2)),
).filter(lambda one: not {*one.adds.get(TAGS, ())} & {*one.removes.get(TAGS, ())})


@settings(max_examples=60, deadline=None)
@given(st.lists(said, min_size=1, max_size=5))
def test_what_was_said_once_needs_no_second_change(words: list[Said]) -> None:
    library = begun(1, MemoryLibrary())
    for one in words:
        draft = one.draft(library.catalog.state(photo(0)))
        if draft is not None:
            library.write(draft)
        assert one.draft(library.catalog.state(photo(0))) is None


@pytest.mark.parametrize(
    "wrong",
    [
        Said(),
        Said({"camera": "x"}),
        Said({ORIGINAL: 1}),
        Said({}, {"people": ["me"]}),
        Said({}, {TAGS: []}),
        Said({}, {TAGS: ["sea"]}, {TAGS: ["sea"]}),
    ],
)
def test_what_cannot_be_said_is_refused(wrong: Said) -> None:
    with pytest.raises(EditInvalid):
        wrong.check()
