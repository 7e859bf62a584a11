"""Which of several concurrent values is displayed. A pure pick; it settles nothing.

All nodes pick the same, for the pick depends on the versions, the library's display policy and the
members' roles alone, and all of these are in the catalog. The contest stays visible until someone
settles it with a change that has seen all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from photonic.crdt.fields import ORIGINAL, SIDECAR_PREFIX, TRASHED
from photonic.crdt.fold import Field, SubjectState, Version
from photonic.ids import POLICY, NodeId, Subject

DISPLAY_POLICY = Subject(POLICY, b"display")
"""The subject whose fields are the rules: a photo's field, or "*" for all, to a rule's text."""

EVERY_FIELD = "*"
AUTOMATIC, MANUAL, PREFER = "auto", "manual", "prefer:"
ROLES = ("mobile", "central", "archive")


@dataclass(frozen=True, slots=True)
class Display:
    """The rules of a library, as they stand, and which role each member has."""

    rules: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[NodeId, str] = field(default_factory=dict)

    def pick(self, name: str, contested: Field) -> Version | None:
        """Return the version to show for a field, or None where a person must choose.

        `auto` goes by a stated order: ratings, labels, flags, titles, captions and places by the
        later clock; a contested `original` by its EXIF time, then its size, then the clock; a
        photo that anybody wants kept is not in the trash; a sidecar is never picked, for it holds
        somebody's work on the picture. `manual` picks nothing. `prefer:<role>` asks first what
        members of that role said.
        """
        if not contested.is_contested:
            return contested.versions[0]
        rule = self.rules.get(name, self.rules.get(EVERY_FIELD, AUTOMATIC))
        if rule == MANUAL or name.startswith(SIDECAR_PREFIX):
            return None
        versions = contested.versions
        if rule.startswith(PREFER):
            role = rule.removeprefix(PREFER)
            said = tuple(v for v in versions if self.roles.get(v.author) == role)
            versions = said or versions
        return max(versions, key=_ORDERS.get(name, _by_clock))


AUTO = Display()


def display_of(state: SubjectState, roles: Mapping[NodeId, str]) -> Display:
    """Return the display policy that the state of DISPLAY_POLICY amounts to.

    A rule that this version cannot read counts as `auto`; a contested rule as its later word.
    """
    rules = {name: entry.versions[0].value for name, entry in state.fields.items()}
    known = {name: rule for name, rule in rules.items() if is_rule(rule)}
    # Without a rule that asks for roles nobody is shown anything else when a member joins.
    asks_roles = any(rule.startswith(PREFER) for rule in known.values())
    return Display(known, roles if asks_roles else {})


def is_rule(text: object) -> bool:
    """Whether `text` is a rule: auto, manual or prefer:<role>."""
    if not isinstance(text, str):
        return False
    is_preference = text.startswith(PREFER) and text.removeprefix(PREFER) in ROLES
    return text in (AUTOMATIC, MANUAL) or is_preference


def _by_clock(version: Version) -> tuple[Any, ...]:
    return (version.at, version.change)


def _by_picture(version: Version) -> tuple[Any, ...]:
    """EXIF time, size in bytes, clock: what [blob, size, chunks, taken] says of an original."""
    value = version.value if isinstance(version.value, (list, tuple)) else ()
    taken = value[3] if len(value) > 3 and isinstance(value[3], str) else ""
    size = value[1] if len(value) > 1 and isinstance(value[1], int) else 0
    return (taken, size, version.at, version.change)


def _by_safety(version: Version) -> tuple[Any, ...]:
    return (version.value is not True, version.at, version.change)


_ORDERS: dict[str, Callable[[Version], tuple[Any, ...]]] = {
    ORIGINAL: _by_picture,
    TRASHED: _by_safety,
}
