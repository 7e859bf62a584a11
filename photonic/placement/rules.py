"""A rule of placement: which photos it is about, and what it wants for them. Values.

    where rating>=3 or flag:pick: copies 3, one on archive
    where flag:reject: copies 1, evict first
    where kind:jpeg and has-raw: not on mobile
    everything: copies 2

`grammar.py` reads them, `decision.py` says what several of them together mean for one photo. The
order of rules means nothing: of what two rules want, the safer counts.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from photonic.search.criteria import Tree


class Rank(enum.IntEnum):
    """When a node that is short of room gives a photo's original up; the greater, the later."""

    FIRST = 0
    NORMAL = 1  # the oldest that is safe goes first
    LAST = 2
    NEVER = 3


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as it was read.

    `copies`: None if it says nothing of them. `on`: (role, how many of the copies at least).
    `keep_on`: roles, peer IDs or names of nodes, as they were written. `is_contested`: people said
    different things of this rule, and nobody settled it: of what it says only that counts which
    asks for more.
    """

    text: str
    condition: Tree
    copies: int | None = None
    on: tuple[tuple[str, int], ...] = ()
    not_on: tuple[str, ...] = ()
    keep_on: tuple[str, ...] = ()
    evict: Rank | None = None
    is_contested: bool = False
    name: str = ""  # of the field that holds it; see policy.py


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a library. `unread`: those that this photonic cannot read.

    What an unread rule asks for nobody knows here, so while there is one nothing is evicted.
    """

    rules: Sequence[Rule] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Floor:
    """How many copies a photo has at least. `copies`: where no rule says a number.

    `least`: whatever the rules say, for whoever runs this node has said so.
    """

    copies: int = 2
    least: int = 1


@dataclass(frozen=True, slots=True)
class Need:
    """What the rules want of a blob, as one node must know it to evict.

    `copies` in all, without the one that would go; `on`: on how many members of which roles at
    least; `rank`: when this node may give its own up.
    """

    copies: int
    on: tuple[tuple[str, int], ...]
    rank: Rank
