"""A sidecar written in the tree takes the place of what its writer had seen, of nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from photonic.crdt.changes import Change, Draft, SignedChange, seal
from photonic.crdt.fields import LABEL, ORIGINAL, RATING, TAGS, TITLE
from photonic.crdt.fold import SubjectState, fold
from photonic.drafts import plain
from photonic.identity import Identity
from photonic.ids import BlobId, ChangeId, LibraryId, digest
from photonic.photos import BlobRef, Marks
from photonic.tree.picture import IMPORTED, WRITTEN, SidecarVersion
from photonic.writebacks import field_of, written
from tests.crdt.replicas import WORLD, photo

_SUBJECT, _LIBRARY = photo(0), LibraryId(bytes(16))
_AUTHOR = Identity.generate(WORLD)


def ref(text: str) -> BlobRef:
    return BlobRef(BlobId(digest(text.encode())), 8, digest(b"chunks"))


class Story:
    """Changes of one photo, one after another."""

    def __init__(self) -> None:
        self.said: list[SignedChange] = []
        self.say({ORIGINAL: plain(ref("original")), RATING: 3})

    @property
    def state(self) -> SubjectState:
        return fold(_SUBJECT, self.said)

    def say(
        self,
        sets: dict[str, Any],
        seen: frozenset[ChangeId] | None = None,
        adds: Any = None,
    ) -> ChangeId:
        heads = self.state.heads if seen is None else seen
        number = len(self.said) + 1
        change = Change(
            "photo", _SUBJECT.key, tuple(sorted(heads)), _AUTHOR.node, number, number, sets,
            adds or {},
        )  # fmt: skip
        self.said.append(seal(_AUTHOR, _LIBRARY, change))
        return self.said[-1].id

    def take(self, draft: Draft | None) -> ChangeId:
        assert draft is not None
        return self.say(dict(draft.sets), draft.seen, dict(draft.adds))

    def shown(self, field: str = WRITTEN) -> list[SidecarVersion]:
        versions = sorted(self.state.fields[field].versions, key=lambda v: v.at)
        return [SidecarVersion(field, BlobId(v.value[0]), v.change, v.at) for v in versions]


def test_the_first_word_of_darktable_takes_the_place_of_what_came_with_the_photo() -> None:
    story = Story()
    story.say({IMPORTED: plain(ref("imported"))})
    (base,) = story.shown(IMPORTED)
    assert field_of(base, 0, "IMG.CR3.xmp") == WRITTEN
    draft = written(story.state, WRITTEN, base, ref("a"), Marks(rating=5), Marks(rating=3))
    story.take(draft)
    assert [one.blob for one in story.shown()] == [ref("a").blob]
    assert story.state.contested() == ()
    assert story.state.fields[RATING].versions[0].value == 5


def test_what_was_written_over_the_newest_takes_its_place() -> None:
    story = Story()
    story.say({WRITTEN: plain(ref("a"))})
    (base,) = story.shown()
    story.take(written(story.state, WRITTEN, base, ref("b"), Marks(), Marks()))
    assert [one.blob for one in story.shown()] == [ref("b").blob]


def test_what_was_not_written_over_the_newest_stands_beside_it_and_comes_later() -> None:
    story = Story()
    story.say({WRITTEN: plain(ref("a"))})
    (base,) = story.shown()
    story.say({WRITTEN: plain(ref("b")), RATING: 1})
    draft = written(story.state, WRITTEN, base, ref("mine"), Marks(rating=4), Marks())
    story.take(draft)
    assert [one.blob for one in story.shown()] == [ref("b").blob, ref("mine").blob]
    assert story.state.contested() == (RATING, WRITTEN)


def test_of_versions_that_contest_only_the_one_written_over_is_replaced() -> None:
    story = Story()
    story.say({WRITTEN: plain(ref("a"))})
    (first,) = story.shown()
    story.say({WRITTEN: plain(ref("b"))}, frozenset({story.said[0].id}))
    story.take(written(story.state, WRITTEN, first, ref("c")))
    assert {one.blob for one in story.shown()} == {ref("b").blob, ref("c").blob}


def test_a_file_that_knew_of_none_stands_beside_the_one_that_is_there() -> None:
    story = Story()
    story.say({WRITTEN: plain(ref("a"))})
    story.take(written(story.state, WRITTEN, None, ref("mine"), Marks()))
    assert {one.blob for one in story.shown()} == {ref("a").blob, ref("mine").blob}


def test_what_is_known_says_nothing() -> None:
    story = Story()
    story.say({WRITTEN: plain(ref("a"))})
    assert written(story.state, WRITTEN, story.shown()[0], ref("a")) is None


@pytest.mark.parametrize(
    ("marks", "sets", "adds", "removes"),
    [
        (Marks(rating=2, title="t", label="red", keywords=("sea",)), {}, (), ()),
        (Marks(rating=4, title="t", label="red", keywords=("sea",)), {RATING: 4}, (), ()),
        (Marks(rating=2, label="red", keywords=("sea",)), {TITLE: None}, (), ()),
        (Marks(rating=2, title="t", keywords=("sea",)), {LABEL: None}, (), ()),
        (Marks(rating=2, title="t", label="red", keywords=("sea", "sun")), {}, ("sun",), ()),
        (Marks(rating=2, title="t", label="red"), {}, (), ("sea",)),
        (Marks(rating=2, title="t", label="red", keywords=("sea", "darktable|x")), {}, (), ()),
    ],
)
def test_what_a_sidecar_says_otherwise_than_its_base_counts(
    marks: Marks, sets: dict[str, Any], adds: tuple[str, ...], removes: tuple[str, ...]
) -> None:
    story = Story()
    base_marks = Marks(rating=2, title="t", label="red", keywords=("sea",))
    said = {WRITTEN: plain(ref("a")), TITLE: "t", LABEL: "red"}
    story.say(said, None, {TAGS: ("sea",)})
    (base,) = story.shown()
    draft = written(story.state, WRITTEN, base, ref("b"), marks, base_marks)
    assert draft is not None
    assert dict(draft.sets) == {WRITTEN: plain(ref("b")), **sets}
    assert draft.adds.get(TAGS, ()) == adds and draft.removes.get(TAGS, ()) == removes
