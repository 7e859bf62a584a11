"""What is shown of the buffer and of evictions: JSON objects of the REST face, as `views.py`."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class BufferView:
    """How full the buffer for originals is, and what follows from it.

    `state`: calm, evicting, filling (full before long, and too little may go), stuck (over the high
    mark, and nothing may go) or full. `rate_bytes_s` is what was taken in lately; `full_in_s` is
    null where that is not in sight. `may_go_bytes` says how much others that are connected seem to
    hold: whether they do is asked when it is to go. `promised`: files that others rely on.
    """

    state: str
    used_bytes: int
    size_bytes: int
    high_bytes: int
    low_bytes: int
    rate_bytes_s: float
    full_in_s: float | None
    may_go_bytes: int
    evicts: bool  # whether the role lets originals go by itself
    evicted: int  # photos, since the start
    evicted_bytes: int
    promised: int
    why_not: str = ""  # in words, what keeps the oldest photos here


@dataclass(frozen=True, slots=True)
class EvictionView:
    """One photo whose original is here: whether it may go, and if not, why in words.

    `reason`: proven or seems-safe (it may), wanted-here, promised-to-others, opened-lately,
    too-few-promises, role-is-lacking, not-here. `nodes` are called by their names.
    """

    photo: str
    name: str
    bytes: int
    reason: str
    lacks: str = ""
    nodes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class EvictionsView:
    """What would go, or went, oldest first, and what stays although it was its turn."""

    to_free_bytes: int
    going: list[EvictionView]
    staying: list[EvictionView]
    going_bytes: int
    is_done: bool  # it went; else it is what seems possible
