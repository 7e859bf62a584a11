"""Changes of another library, said again: nothing is lost, and nothing is said twice."""

from __future__ import annotations

from itertools import count

from msgspec.structs import replace

from photonic import limits
from photonic.crdt.changes import Change, SignedChange, seal
from photonic.crdt.fields import ORIGIN, RATING, TAGS, TITLE
from photonic.crdt.fold import EMBEDDED, fold
from photonic.identity import Identity
from photonic.ids import BlobId, digest, library_id, photo_subject
from photonic.replay import Replay, is_mark, origin_of, origins_of
from photonic.world import World

THERE, HERE = Identity.generate(World()), Identity.generate(World())
OLD, NEW = library_id(b"old"), library_id(b"new")
PHOTO = photo_subject(BlobId(digest(b"photo")))


def said(seq: int, *parents: SignedChange, **words: object) -> SignedChange:
    change = Change(
        PHOTO.kind,
        PHOTO.key,
        tuple(sorted(parent.id for parent in parents)),
        THERE.node,
        seq,
        seq << 16,
    )
    return seal(THERE, OLD, replace(change, **words))


class Speaker:
    """A replay of one photo, and what it made."""

    def __init__(self, *here: SignedChange, identity: Identity = HERE) -> None:
        self._numbers, self._identity = count(1), identity
        self.made: list[SignedChange] = [*here]
        self.replay = Replay(here, identity.node, self._seal)

    def _seal(self, change: Change) -> SignedChange:
        return seal(self._identity, NEW, replace(change, seq=next(self._numbers)))

    def say(self, *changes: SignedChange) -> list[SignedChange]:
        fresh = [made for change in changes for made in self.replay.say(change, "field")]
        self.made += fresh
        return fresh


def test_a_remove_ends_the_adds_that_it_saw_and_no_others() -> None:
    add = said(1, adds={TAGS: ("sea", "sky")})
    again = said(2, add, adds={TAGS: ("sea",)})
    remove = said(3, add, removes={TAGS: {"sea": (add.id,), "sky": (add.id, EMBEDDED)}})
    speaker = Speaker()
    speaker.say(add, again, remove)
    before, after = fold(PHOTO, (add, again, remove)), fold(PHOTO, speaker.made)
    assert list(after.tags[TAGS]) == list(before.tags[TAGS]) == ["sea"]
    assert after.ended_embedded(TAGS) == {"sky"}


def test_a_replay_knows_what_an_earlier_one_said() -> None:
    first = said(1, sets={RATING: 1})
    second = said(2, first, sets={RATING: 2})
    speaker = Speaker(*Speaker().say(first))
    assert speaker.say(first) == []
    (made,) = speaker.say(second)
    assert [version.value for version in fold(PHOTO, speaker.made).fields[RATING].versions] == [2]
    assert origin_of(made.change) == (second.id, "field")


def test_what_two_importers_said_is_seen_by_what_comes_after_it() -> None:
    first = said(1, sets={RATING: 1})
    left, right = Speaker().say(first), Speaker(identity=THERE).say(first)
    speaker = Speaker(*left, *right)
    (made,) = speaker.say(said(2, first, sets={RATING: 2}))
    assert set(made.change.parents) == {left[0].id, right[0].id}


def test_what_had_no_effect_still_links_what_had() -> None:
    first = said(1, sets={RATING: 1})
    silent = said(2, first, sets={RATING: 5})
    last = said(3, silent, sets={RATING: 2})
    speaker = Speaker()
    speaker.say(first)
    speaker.replay.skip(silent)
    speaker.say(last)
    assert [version.value for version in fold(PHOTO, speaker.made).fields[RATING].versions] == [2]


def test_a_change_without_room_for_its_origin_is_followed_by_it() -> None:
    room = limits.CHANGE_BYTES_MAX - 64
    full = said(1, adds={TAGS: ("sea",)}, sets={TITLE: ""})
    long = "x" * (room - (len(full.data) - 64) - 8)
    full = said(1, adds={TAGS: ("sea",)}, sets={TITLE: long})
    speaker = Speaker()
    words, mark = speaker.say(full)
    assert words.change.sets == {TITLE: long}
    assert mark.change.parents == (words.id,)
    assert origin_of(mark.change) == (full.id, "field")
    # Whoever took the tag away took it from the words, also after a restart.
    remove = said(2, full, removes={TAGS: {"sea": (full.id,)}})
    again = Speaker(words, mark)
    assert again.say(full) == []
    again.say(remove)
    assert fold(PHOTO, again.made).tags[TAGS] == {}


def test_as_many_fields_as_a_change_may_have_are_kept_too() -> None:
    full = said(1, sets={f"x/{n}": n for n in range(limits.FIELDS_PER_CHANGE_MAX)})
    made = Speaker().say(full)
    assert len(made) == 2
    assert fold(PHOTO, made).fields.keys() == full.change.sets.keys()


def test_an_origin_is_a_word_of_its_own_form() -> None:
    change = said(1, adds={ORIGIN: ("nonsense", "")}).change
    assert origin_of(change) is None
    assert origin_of(said(1, sets={RATING: 1}).change) is None


def test_what_was_said_again_tells_who_said_it_first() -> None:
    full = said(1, sets={f"x/{n}": n for n in range(limits.FIELDS_PER_CHANGE_MAX)})
    words, mark = Speaker().say(full)
    assert origins_of([words, mark]) == {words.id: (full.id, "field"), mark.id: (full.id, "field")}
    assert is_mark(mark.change) and not is_mark(words.change)


def test_nobody_tells_of_anothers_words_where_they_come_from() -> None:
    words = said(1, sets={RATING: 1})
    mark = Change(*PHOTO, (words.id,), HERE.node, 1, 1 << 20, adds={ORIGIN: ("A" * 43 + " me",)})
    forged = seal(HERE, OLD, mark)
    assert origin_of(mark) is not None
    assert words.id not in origins_of([words, forged])
