"""Random rules, members and holders for property tests; conditions are often true of a photo."""

from __future__ import annotations

from hypothesis import strategies as st

from photonic.crdt.policy import ROLES
from photonic.ids import NodeId
from photonic.placement.decision import Member
from photonic.placement.rules import Floor, Rank, Rule
from photonic.search.criteria import ALL, Flagged, Has, Is, Number, Tree, conditions
from tests.search.queries import trees

NAMES = ("yoda", "han", "leia", "luke", "lando")
NODES = tuple(NodeId(bytes([7 * number % 5]) * 32) for number in range(len(NAMES)))


def is_of_photos(tree: Tree) -> bool:
    """Whether a rule may have the condition: it says nothing of where copies are."""
    return not any(
        (isinstance(one, Number) and one.field == "copies")
        or (isinstance(one, Is) and one.state in ("held", "removal-held"))
        for one in conditions(tree)
    )


def photo_conditions() -> st.SearchStrategy[Tree]:
    common: list[Tree] = [ALL, Has("raw"), Flagged("reject"), Number("rating", ">=", 3)]
    return st.one_of(st.sampled_from(common), trees(3).filter(is_of_photos))


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    on = draw(st.dictionaries(st.sampled_from(ROLES), st.integers(1, 3), max_size=2))
    keep_on = draw(st.lists(st.sampled_from((*ROLES, *NAMES, "nobody")), max_size=2, unique=True))
    not_on = draw(st.lists(st.sampled_from(ROLES), max_size=2, unique=True))
    return Rule(
        text="",
        condition=draw(photo_conditions()),
        copies=draw(st.none() | st.integers(1, 5)),
        on=tuple(sorted(on.items())),
        not_on=tuple(one for one in not_on if one not in on and one not in keep_on),
        keep_on=tuple(keep_on),
        evict=draw(st.none() | st.sampled_from((Rank.FIRST, Rank.LAST, Rank.NEVER))),
        is_contested=draw(st.booleans()) and draw(st.booleans()),
    )


@st.composite
def members(draw: st.DrawFn) -> list[Member]:
    some = draw(st.lists(st.sampled_from(range(len(NAMES))), unique=True, max_size=len(NAMES)))
    roles = [draw(st.sampled_from(ROLES)) for _ in some]
    return [
        Member(NODES[one], role, NAMES[one], wants_all=role != "mobile")
        for one, role in zip(some, roles, strict=True)
    ]


def floors() -> st.SearchStrategy[Floor]:
    return st.builds(Floor, st.integers(1, 4), st.integers(1, 3))
