"""Each checker says when its promise is broken, and is still when it is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from simulations.checkers import Checker, Panel
from simulations.observations import Observation, PhotoSeen, VersionSeen
from simulations.promises import all_checkers
from simulations.scenario import Scenario, parse
from simulations.trace import Event

SCENARIO: Scenario = parse(
    'title = "three"\nlasts = "1h"\n[nodes.yoda]\nrole = "mobile"\n[nodes.luke]\n'
    "[nodes.leia]\njoins = false\n"
)
RATED = VersionSeen("c1", "yoda", "3")


def checker(word: str) -> Checker:
    [found] = [one for one in all_checkers(SCENARIO) if one.name.startswith(word)]
    return found


def seen(node: str, *, photo: PhotoSeen | None = None, **facts: Any) -> Observation:
    photos = {} if photo is None else {"p": photo}
    return Observation(node=node, at_s=1.0, photos=photos, **facts)


def rated(*versions: VersionSeen, **facts: Any) -> PhotoSeen:
    changes = frozenset({"c0", *(version.change for version in versions)})
    return PhotoSeen(versions={"rating": versions}, **{"changes": changes, "held": True, **facts})


def event(node: str, kind: str, **facts: Any) -> Event:
    return Event(1.0, node, kind, facts)


SHOT = event("yoda", "accepted", act="shoot", photo="p")
EDIT = event(
    "yoda", "accepted", act="rate", photo="p", field="rating", value=3, change="c1", saw=["c0"]
)


def settled(one: Checker, *observations: Observation) -> list[str]:
    return list(one.settle({each.node: each for each in observations}))


def test_two_members_that_show_different_things_do_not_converge() -> None:
    one = checker("I1")
    same = [seen(name, photo=rated(RATED), digest="d") for name in ("yoda", "luke")]
    assert settled(one, *same) == []
    assert settled(one, same[0], seen("luke", photo=rated(RATED), digest="e"))
    assert settled(one, same[0], seen("luke", photo=rated(), digest="d"))
    assert settled(one, same[0], seen("luke", digest="e", is_member=False)) == []


@pytest.mark.parametrize(
    ("photo", "is_lost"),
    [
        (rated(RATED), False),
        (rated(changes=frozenset({"c0", "c1"})), True),  # known, and neither shown nor answered
        (rated(changes=frozenset({"c0"})), True),  # not even known
        (
            rated(
                VersionSeen("c2", "luke", "5"),
                changes=frozenset({"c0", "c1", "c2"}),
                answered={"rating": frozenset({"c0", "c1"})},
            ),
            False,
        ),
        (
            rated(
                VersionSeen("c2", "luke", "5"),
                changes=frozenset({"c0", "c1", "c2"}),
                answered={"rating": frozenset({"c0"})},  # it had not seen the edit
            ),
            True,
        ),
    ],
)
def test_an_edit_is_shown_or_answered_by_one_that_saw_it(photo: PhotoSeen, is_lost: bool) -> None:
    one = checker("I2")
    one.note(EDIT)
    assert bool(settled(one, seen("luke", photo=photo))) is is_lost
    assert bool(list(one.see(seen("yoda", photo=photo)))) is is_lost, "at once, on its own node"


def test_an_edit_that_went_with_a_data_folder_is_excused() -> None:
    one = checker("I2")
    one.note(EDIT)
    one.note(event("yoda", "rolled back", since_s=0.5))
    assert settled(one, seen("luke", photo=rated())) == []


def test_over_rest_only_answers_that_were_accepted_are_known() -> None:
    one = checker("I2")
    one.note(EDIT)
    photo = PhotoSeen(versions={"rating": (VersionSeen("c2", "luke", "5"),)})
    assert settled(one, seen("luke", photo=photo))
    facts = {"act": "rate", "photo": "p", "field": "rating", "value": 5}
    one.note(event("luke", "accepted", change="c2", saw=["c0", "c1"], **facts))
    assert settled(one, seen("luke", photo=photo)) == []


def test_a_number_that_was_used_twice_is_told_unless_somebody_forced_it() -> None:
    one = checker("I3")
    assert list(one.see(seen("luke", repeated=("yoda",))))
    one.note(event("yoda", "rolled back", since_s=0.0))
    assert list(one.see(seen("luke", repeated=("yoda",)))) == []


def test_a_node_that_forgets_is_told() -> None:
    one = checker("I4")
    assert list(one.see(seen("yoda", photo=rated(RATED)))) == []
    assert list(one.see(seen("yoda", photo=rated())))
    assert list(one.see(seen("yoda")))
    one.note(event("yoda", "rolled back", since_s=0.0))
    assert list(one.see(seen("yoda"))) == []


def test_wrong_bytes_are_told_but_where_the_disk_rots() -> None:
    one = checker("I5")
    assert list(one.see(seen("yoda", wrong=("p",))))
    one.note(event("yoda", "rotted", photo="p"))
    assert list(one.see(seen("yoda", wrong=("p",)))) == []


def test_a_photo_is_held_by_who_took_it_and_in_the_end_by_who_wants_it() -> None:
    one = checker("I6 no")
    one.note(SHOT)
    assert list(one.see(seen("yoda", photo=rated()))) == []
    assert list(one.see(seen("yoda", photo=rated(held=False))))
    assert list(one.see(seen("yoda")))
    both = (seen("yoda", photo=rated()), seen("luke", photo=rated()))
    assert settled(one, *both) == []
    assert settled(one, both[0], seen("luke", photo=rated(held=False)))
    assert settled(one, both[0], seen("luke", photo=rated(), stored=frozenset()))
    one.note(event("yoda", "accepted", act="delete", photo="p"))
    assert settled(one, both[0], seen("luke", photo=rated(held=False, trashed=True))) == []


def test_what_was_held_is_held_until_it_was_long_in_the_trash() -> None:
    one, day_s = checker("I6 no"), 24 * 3_600.0
    kept, dropped = seen("luke", photo=rated()), seen("luke", photo=rated(held=False, trashed=True))
    assert list(one.see(kept)) == []
    one.note(event("yoda", "accepted", act="delete", photo="p"))
    assert list(one.see(dropped))
    assert list(one.see(kept)) == []
    assert list(one.see(msgspec.structs.replace(dropped, at_s=31 * day_s))) == []


def test_what_leaves_a_node_is_on_enough_others() -> None:
    one = checker("I6 never")
    one.note(event("yoda", "evicted", photo="p", others=["luke", "leia"]))
    assert list(one.see(seen("yoda"))) == []
    one.note(event("luke", "evicted", photo="p", others=["leia"]))
    assert list(one.see(seen("yoda")))
    assert list(one.see(seen("yoda"))) == [], "it is told once"
    assert settled(one, seen("yoda"), seen("luke"), seen("leia", photo=rated()))
    both = (seen("luke", photo=rated()), seen("leia", photo=rated()))
    assert settled(one, seen("yoda"), *both) == []
    gone = checker("I6 no")
    gone.note(SHOT)
    gone.note(event("yoda", "evicted", photo="p", others=["luke", "leia"]))
    assert list(gone.see(seen("yoda", photo=rated(held=False)))) == []


def test_who_promised_to_keep_a_photo_keeps_it() -> None:
    one = checker("I6 kept")
    one.note(event("luke", "promised", photos=["p"], keep_s=100))
    one.note(event("yoda", "evicted", photo="p", others=["luke"]))
    assert list(one.see(seen("luke"))) == []
    one.note(Event(50.0, "luke", "evicted", {"photo": "p", "others": ["leia"]}))
    assert list(one.see(seen("luke")))
    one.note(Event(102.0, "luke", "evicted", {"photo": "p", "others": ["leia"]}))
    assert list(one.see(seen("luke"))) == []


def test_who_is_no_member_learns_nothing() -> None:
    one = checker("I7")
    assert list(one.see(seen("leia", photo=rated())))
    one.note(event("leia", "joined"))
    assert list(one.see(seen("leia", photo=rated()))) == []
    one.note(event("luke", "revoked", other="leia"))
    assert settled(one, seen("luke")), "luke has not heard of it"
    assert settled(one, seen("luke", revoked=("leia",))) == []
    one.note(event("", "revocation known", other="leia"))
    one.note(SHOT)
    assert list(one.see(seen("leia", photo=rated())))


def test_what_a_revoked_node_says_later_does_not_count() -> None:
    one = checker("I7")
    one.note(event("leia", "joined"))
    one.note(event("luke", "revoked", other="leia"))
    one.note(event("", "revocation known", other="leia"))
    facts = {"act": "rate", "photo": "p", "field": "rating", "value": 1, "saw": []}
    one.note(event("leia", "accepted", change="late", **facts))
    late = rated(VersionSeen("late", "leia", "1"))
    assert settled(one, seen("luke", photo=late, revoked=("leia",)))


def test_a_stranger_that_was_told_something_is_told_of() -> None:
    one = checker("I7")
    one.note(event("luke", "stranger", learned=[]))
    assert settled(one, seen("luke")) == []
    one.note(event("luke", "stranger", learned=["/photonic/catalog/1"]))
    assert settled(one, seen("luke"))


def test_a_queue_beyond_its_limit_is_told() -> None:
    one = checker("I8")
    assert list(one.see(seen("luke", queues={"pushes": (64, 64)}))) == []
    assert list(one.see(seen("luke", queues={"pushes": (65, 64)})))


def test_an_index_that_comes_out_otherwise_is_told() -> None:
    one = checker("I9")
    for value, is_wrong in ((None, False), (True, False), (False, True)):
        assert bool(list(one.see(seen("luke", index_is_right=value)))) is is_wrong


def test_the_panel_asks_all_and_remembers() -> None:
    panel = Panel(all_checkers(SCENARIO))
    panel.note(SHOT)
    panel.note(EDIT)
    assert panel.see(seen("yoda", photo=rated(RATED), known={"yoda": 2})) == []
    wrong = panel.see(seen("yoda", queues={"x": (2, 1)}))
    assert {one.checker.partition(" ")[0] for one in wrong} == {"I4", "I6", "I8"}
    assert panel.violations == wrong
    found: Mapping[str, Observation] = {"luke": seen("luke", photo=rated())}
    assert panel.judge(2.0, found)
    assert panel.violations == wrong, "what may yet become right is not remembered"
