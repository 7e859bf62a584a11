"""Each promise about villains, clocks and the trash is broken by what breaks it, and holds else."""

from __future__ import annotations

from typing import Any

from simulations.defences import Clocks, Honest, NoAfterlife, NoForgery, Seen, Trash
from simulations.observations import Observation, PhotoSeen, VersionSeen
from tests.simulations.test_promises import event, rated, seen, settled

MINE, LATER = VersionSeen("c1", "yoda", "3"), VersionSeen("c2", "yoda", "4")


def edit(change: str, **facts: Any) -> Any:
    said = {"act": "rate", "photo": "p", "field": "rating", "change": change}
    return event("yoda", "accepted", **said, **facts)


def trashed(**words: str) -> PhotoSeen:
    """Return a photo of which each node said whether it is in the trash."""
    versions = tuple(VersionSeen(f"c {node}", node, word) for node, word in words.items())
    return PhotoSeen(held=True, versions={"trashed": versions})


def test_a_forgery_is_nowhere() -> None:
    one = NoForgery()
    assert list(one.see(seen("luke", photo=rated(MINE)))) == []
    one.note(event("thief", "forged", other="luke", photo="p", change="c1"))
    assert list(one.see(seen("luke", photo=rated(MINE))))
    assert list(one.see(seen("luke", photo=rated(LATER)))) == []


def test_what_is_said_beyond_the_cut_does_not_count() -> None:
    one = NoAfterlife()
    for change, number in (("c1", 7), ("c2", 8)):
        one.note(edit(change, number=number))
    assert settled(one, seen("luke", photo=rated(MINE, LATER))) == []
    one.note(event("luke", "revoked", other="yoda", cut=7))
    assert settled(one, seen("luke", photo=rated(MINE))) == []
    assert settled(one, seen("luke", photo=rated(MINE, LATER)))


def test_an_edit_replaces_what_its_node_knew() -> None:
    one = Seen()
    one.note(edit("c1", knew=["c0"]))
    one.note(edit("c2", knew=["c0", "c1"]))
    assert (
        list(one.see(seen("yoda", photo=rated(LATER, changes=frozenset({"c0", "c1", "c2"}))))) == []
    )
    assert list(one.see(seen("yoda", photo=rated(MINE, LATER))))
    on_its_way = rated(MINE, LATER, changes=frozenset({"c1", "c2"}))
    assert list(one.see(seen("yoda", photo=on_its_way))) == []


def test_no_wrong_clock_is_catching() -> None:
    one, days_s = Clocks(), 24 * 3_600.0
    one.note(edit("c1", ahead_s=0.5 * days_s))
    assert list(one.see(seen("yoda"))) == []
    one.note(edit("c2", ahead_s=3 * days_s))
    assert list(one.see(seen("yoda")))
    one.note(event("yoda", "act", do="skew", value=-3 * days_s))
    one.note(edit("c3", ahead_s=3 * days_s))
    assert list(one.see(seen("yoda"))) == []


def test_what_somebody_wants_kept_is_not_in_the_trash() -> None:
    one, hidden = Trash(), frozenset({"p"})
    assert settled(one, seen("luke", photo=trashed(yoda="true"), hidden=hidden)) == []
    assert settled(one, seen("luke", photo=trashed(yoda="true", vault="null"), hidden=hidden))


def test_a_burst_of_removals_is_not_followed_before_somebody_says_that_it_is_meant() -> None:
    one, photos = Trash(), [f"p{number}" for number in range(21)]
    shown = {photo: trashed(yoda="true") for photo in photos}
    luke = Observation(node="luke", at_s=1.0, photos=shown, hidden=frozenset(photos))
    assert settled(one, luke) == []
    one.note(event("yoda", "purged", photos=photos))
    assert settled(one, luke)
    assert settled(one, Observation(node="yoda", at_s=1.0, photos=shown, hidden=luke.hidden)) == []
    one.note(event("yoda", "act", do="delete"))
    assert settled(one, luke) == []


def test_who_is_shown_as_a_holder_holds() -> None:
    one, claim = Honest(), rated(MINE, holders=("yoda",))
    assert list(one.see(seen("luke", photo=claim))) == []
    assert list(one.see(seen("yoda", photo=rated(MINE)))) == []
    assert list(one.see(seen("yoda", photo=rated(MINE, held=False))))
    one.note(event("yoda", "rotted", photo="p"))
    assert list(one.see(seen("yoda", photo=rated(MINE, held=False)))) == []
