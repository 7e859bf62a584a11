"""What is shown of the rules of placement, and of one photo by them. Values."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RuleVersionView:
    """One version of a rule; `text` is null of one that removed it."""

    text: str | None
    author: str
    author_name: str | None
    problem: str | None = None  # why this node cannot read it


@dataclass(frozen=True, slots=True)
class PlacementRuleView:
    """A rule. `contested`: people said different things of it apart, and nobody settled it.

    Of a contested rule `text` is the version that was said last, and all of them are in `versions`.
    `photos`: how many it is about, as far as this node knows; null where it cannot be read.
    """

    text: str
    contested: bool
    versions: list[RuleVersionView]
    photos: int | None = None


@dataclass(frozen=True, slots=True)
class PlacementPolicyView:
    """The rules of the library, and what holds where none says something.

    `copies`: of a photo of which no rule gives a number; `least`: of any photo, whatever the rules
    say, for this node was told so (`min_copies`). `holds_evictions`: some rule cannot be read here,
    so this node evicts nothing.
    """

    rules: list[PlacementRuleView]
    copies: int
    least: int
    holds_evictions: bool = False


@dataclass(frozen=True, slots=True)
class PlacedRuleView:
    """A rule that is about the photo."""

    text: str
    contested: bool


@dataclass(frozen=True, slots=True)
class PlacedNodeView:
    """A member, and the photo's original on it.

    `counts`: whether what it holds is a copy, for it may keep some (`blobs.hold`). `wanted`: by its
    role or by a rule it is to have it; `pinned`: by a rule, so it never gives it up. `evict`: when
    it would give it up if it were short of room: first, normal, last or never. `verified_at`: when
    all of it was last read there and found right, as far as this node knows. `obstacle`: in words,
    what is in the way of a copy that is wanted there.
    """

    node: str
    name: str
    role: str
    here: bool
    held: bool
    counts: bool
    wanted: bool
    pinned: bool
    evict: str
    verified_at: str | None = None
    obstacle: str | None = None


@dataclass(frozen=True, slots=True)
class PlacementView:
    """How many copies of a photo are wanted and where, where they are, and what is missing.

    `on`: of the copies, so many on members of a role at least; `not_on`: roles that are not to have
    it; `yielding`: those of which a rule said so, but then too few members would be left. `missing`
    copies are not there yet; of them, `nobody` more than there are members to take them. `unknown`:
    names in rules that no member has; `unread`: rules that this node cannot read.
    """

    photo: str
    name: str
    copies: int
    held: int
    missing: int
    on: dict[str, int]
    missing_on: dict[str, int]
    not_on: list[str]
    yielding: list[str]
    evict: str
    rules: list[PlacedRuleView]
    nodes: list[PlacedNodeView]
    nobody: int = 0
    unknown: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
