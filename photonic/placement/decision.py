"""What several rules together mean for one photo, and how that compares with where it is. Pure.

The most careful word counts, whatever the order of the rules:

- copies: the largest number that a matching rule says; the floor where none says one. So `copies 1`
  takes a photo below the floor only if it is the largest number that any matching rule says, and
  never below what whoever runs a node set there (`Floor.least`).
- on ROLE: for each role the largest count; the copies are at least their sum.
- evict: the latest that a matching rule says (never, last, first).
- not on ROLE: unless another matching rule wants something on that role; and it gives way while
  fewer members would be left than copies are wanted.
- keep on NODE: all that any matching rule names.

Of a contested rule only what asks for more counts (`Rule.is_contested`). So a rule more never takes
safety away, but for what it says itself: fewer copies where nobody said a number, evict first where
nobody said when, not on a role.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from photonic.ids import NodeId, peer_id
from photonic.placement.rules import Floor, Need, Rank, Rule, Rules
from photonic.search.criteria import matches
from photonic.search.sample import Sample
from photonic.search.words import fold


@dataclass(frozen=True, slots=True)
class Member:
    """A member whose copies count. `wants_all`: its role fetches every original by itself."""

    node: NodeId
    role: str
    name: str = ""
    wants_all: bool = False


@dataclass(frozen=True, slots=True)
class Demand:
    """What the rules want for a photo.

    `on`: (role, copies at least), by role. `keep`: members that have it whatever they else want,
    the ones named by rules and, for each role in `on`, its first ones. `not_on`: roles whose
    members are not to have it; `yielding`: those of which a rule said so, but too few other members
    are left. `unknown`: names of nodes in rules that no member has.
    """

    rules: tuple[Rule, ...]
    copies: int
    on: tuple[tuple[str, int], ...]
    keep: frozenset[NodeId]
    not_on: frozenset[str]
    yielding: frozenset[str]
    rank: Rank
    unknown: tuple[str, ...] = ()

    def is_wanted_by(self, member: Member) -> bool:
        """Whether a member fetches the original if it lacks it."""
        if member.node in self.keep:
            return True
        return member.wants_all and member.role not in self.not_on

    def rank_for(self, member: Member) -> Rank:
        """Return when a member may give its copy up, as far as the rules go."""
        if member.node in self.keep:
            return Rank.NEVER
        is_unwelcome = member.role in self.not_on and self.rank is Rank.NORMAL
        return Rank.FIRST if is_unwelcome else self.rank

    def need_of(self, member: Member) -> Need:
        return Need(self.copies, self.on, self.rank_for(member))


@dataclass(frozen=True, slots=True)
class Placement:
    """How a photo is placed: what is wanted, who holds it, and what is missing.

    `missing`: how many more copies it takes; `missing_on`: of these, those of a role; `expected`:
    the members that do not hold it and fetch it, once they can.
    """

    demand: Demand
    held: tuple[Member, ...]
    missing: int
    missing_on: tuple[tuple[str, int], ...]
    expected: tuple[Member, ...]

    @property
    def is_safe(self) -> bool:
        return not self.missing


def demand(
    rules: Rules, matching: Sequence[Rule], members: Collection[Member], floor: Floor
) -> Demand:
    """Return what the `matching` ones of some rules want for a photo."""
    on: dict[str, int] = {}
    for rule in matching:
        for role, count in rule.on:
            on[role] = max(count, on.get(role, 0))
    copies = max(_copies(matching, floor), sum(on.values()))
    keep, unknown = _kept(matching, members)
    keep |= {one.node for role, count in on.items() for one in first_of(members, role, count)}
    asked_for = on.keys() | {name for rule in matching for name in rule.keep_on}
    claimed = {role for rule in matching if not rule.is_contested for role in rule.not_on}
    claimed -= asked_for
    left = sum(member.role not in claimed for member in members)
    is_enough = left >= copies
    careful = [
        rule.evict
        for rule in matching
        if rule.evict is not None and not (rule.is_contested and rule.evict is Rank.FIRST)
    ]
    rank = max(careful, default=Rank.NORMAL)
    return Demand(
        rules=tuple(matching),
        copies=copies,
        on=tuple(sorted(on.items())),
        keep=frozenset(keep),
        not_on=frozenset(claimed if is_enough else ()),
        yielding=frozenset(() if is_enough else claimed),
        rank=Rank.NEVER if rules.unread else rank,
        unknown=unknown,
    )


def placement(
    photo: Sample,
    rules: Rules,
    members: Collection[Member],
    holders: Collection[NodeId],
    floor: Floor,
) -> Placement:
    """Return how a photo is placed; the conditions of the rules name no saved albums any more."""
    matching = [rule for rule in rules.rules if matches(rule.condition, photo)]
    return placed(demand(rules, matching, members, floor), members, holders)


def placed(wanted: Demand, members: Collection[Member], holders: Collection[NodeId]) -> Placement:
    """Compare what is wanted with who holds the photo."""
    ordered = sorted(members, key=lambda one: one.node)
    held = tuple(one for one in ordered if one.node in holders)
    missing_on = tuple(
        (role, lacking)
        for role, count in wanted.on
        if (lacking := count - sum(one.role == role for one in held)) > 0
    )
    missing = max(0, wanted.copies - len(held), sum(lacking for _, lacking in missing_on))
    expected = tuple(one for one in ordered if one.node not in holders and wanted.is_wanted_by(one))
    return Placement(wanted, held, missing, missing_on, expected)


def lacks_without(
    me: Member,
    wanted: Demand,
    members: Collection[Member],
    holders: Collection[NodeId],
    *,
    is_overdue: bool,
) -> bool:
    """Whether a photo that a member gave up is to be there again, for want of copies elsewhere.

    Members that fetch it by themselves count as if they had it, until it `is_overdue`. A role that
    it is not to be on does not take it back, unless the rule gives way (`Demand.yielding`).
    """
    others = [one for one in members if one.node != me.node]
    found = placed(wanted, others, frozenset(holders) - {me.node})
    on_their_way = 0 if is_overdue else len(found.expected)
    return me.role not in wanted.not_on and len(found.held) + on_their_way < wanted.copies


def first_of(members: Iterable[Member], role: str, count: int) -> list[Member]:
    """Return the members of a role that are to have what is wanted on so many of them."""
    return sorted((one for one in members if one.role == role), key=lambda one: one.node)[:count]


def named(name: str, members: Iterable[Member]) -> set[NodeId]:
    """Return whom a role, a peer ID or the name of a node stands for."""
    some = list(members)
    return (
        {one.node for one in some if one.role == name}
        or {one.node for one in some if peer_id(one.node) == name}
        or {one.node for one in some if fold(one.name) == fold(name)}
    )


def most(needs: Iterable[Need]) -> Need:
    """Return the need that meets all of some: of a blob that several photos call theirs."""
    some = list(needs)
    on: dict[str, int] = {}
    for role, count in (pair for one in some for pair in one.on):
        on[role] = max(count, on.get(role, 0))
    copies = max(*(one.copies for one in some), sum(on.values()))
    return Need(copies, tuple(sorted(on.items())), max(one.rank for one in some))


def _copies(matching: Sequence[Rule], floor: Floor) -> int:
    settled = [one.copies for one in matching if one.copies is not None and not one.is_contested]
    contested = [one.copies for one in matching if one.copies is not None and one.is_contested]
    return max(*(settled or [floor.copies]), *contested, floor.least, 1)


def _kept(
    matching: Sequence[Rule], members: Collection[Member]
) -> tuple[set[NodeId], tuple[str, ...]]:
    """Return the members that rules name, and the names that nobody has."""
    keep: set[NodeId] = set()
    unknown: dict[str, None] = {}
    for name in (name for rule in matching for name in rule.keep_on):
        found = named(name, members)
        keep |= found
        if not found:
            unknown[name] = None
    return keep, tuple(unknown)


def grouped(members: Iterable[Member]) -> Mapping[str, int]:
    """Return how many members there are of each role."""
    found: dict[str, int] = {}
    for member in members:
        found[member.role] = found.get(member.role, 0) + 1
    return found
