"""The same decisions about all photos at once: as queries, which the index answers.

`levels` and `originals` say in trees of conditions what `decision.py` says of one photo; a property
test holds the two equal. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations, product

from photonic.placement.decision import Member, grouped, named
from photonic.placement.rules import Floor, Rule
from photonic.search.criteria import ALL, NOTHING, Tree, all_of, any_of, negated


@dataclass(frozen=True, slots=True)
class Level:
    """Photos of which so many copies are wanted: those of which the tree is true."""

    copies: int
    tree: Tree


def levels(rules: Sequence[Rule], floor: Floor) -> list[Level]:
    """Part all photos by how many copies are wanted of them, the most first. None is in two."""
    numbers = {one.copies for one in rules if one.copies is not None}
    sums = {sum(counts) for counts in product(*_counts(rules).values())}
    least = max(floor.least, 1)
    wanted = sorted({max(n, least) for n in {floor.copies, *numbers, *sums}}, reverse=True)
    found: list[Level] = []
    above: Tree = NOTHING
    for number in wanted:
        tree = _at_least(rules, floor, number)
        found.append(Level(number, all_of(tree, negated(above))))
        above = tree
    return [level for level in found if level.tree != NOTHING]


def originals(rules: Sequence[Rule], members: Collection[Member], me: Member, floor: Floor) -> Tree:
    """Return the photos whose originals a member wants to have: ALL, NOTHING, or some."""
    own = any_of(*(rule.condition for rule in rules if _puts_on(rule, members, me)))
    if not me.wants_all:
        return own
    return any_of(own, negated(_refused(rules, members, me.role, floor)))


def _counts(rules: Sequence[Rule]) -> dict[str, list[int]]:
    """Return what rules say of how many copies are on a role, with 0."""
    found: dict[str, set[int]] = {}
    for role, count in (pair for rule in rules for pair in rule.on):
        found.setdefault(role, {0}).add(count)
    return {role: sorted(counts) for role, counts in found.items()}


def _at_least(rules: Sequence[Rule], floor: Floor, number: int) -> Tree:
    """Return the photos of which at least so many copies are wanted."""
    if number <= max(floor.least, 1):
        return ALL
    more = [r.condition for r in rules if r.copies is not None and r.copies >= number]
    parts: list[Tree] = [*more]
    if number <= floor.copies:
        said = (r.condition for r in rules if r.copies is not None and not r.is_contested)
        parts.append(negated(any_of(*said)))
    counts = _counts(rules)
    for some in product(*counts.values()):
        if sum(some) >= number:
            asked = zip(counts, some, strict=True)
            parts.append(all_of(*(_on(rules, role, count) for role, count in asked if count)))
    return any_of(*parts)


def _on(rules: Sequence[Rule], role: str, count: int) -> Tree:
    """Return the photos of which at least so many copies are wanted on a role."""
    return any_of(*(r.condition for r in rules if dict(r.on).get(role, 0) >= count))


def _puts_on(rule: Rule, members: Collection[Member], me: Member) -> bool:
    """Whether a rule wants its photos on this member."""
    if any(me.node in named(name, members) for name in rule.keep_on):
        return True
    before = sum(one.role == me.role and one.node < me.node for one in members)
    return before < dict(rule.on).get(me.role, 0)


def _refused(rules: Sequence[Rule], members: Collection[Member], role: str, floor: Floor) -> Tree:
    """Return the photos that are not to be on a role, and need not be."""
    roles = sorted({one for rule in rules for one in rule.not_on})
    if role not in roles:
        return NOTHING
    claims = {one: _claimed(rules, one) for one in roles}
    counts = grouped(members)
    found: list[Tree] = []
    for size in range(1, len(roles) + 1):
        for some in combinations(roles, size):
            if role not in some:
                continue
            left = sum(count for one, count in counts.items() if one not in some)
            parts = (claims[one] if one in some else negated(claims[one]) for one in roles)
            found.append(all_of(*parts, negated(_at_least(rules, floor, left + 1))))
    return any_of(*found)


def _claimed(rules: Sequence[Rule], role: str) -> Tree:
    """Return the photos of which rules say that they are not on a role, and none wants it there."""
    said = [r.condition for r in rules if role in r.not_on and not r.is_contested]
    against = [r.condition for r in rules if role in dict(r.on) or role in r.keep_on]
    return all_of(any_of(*said), negated(any_of(*against)))
