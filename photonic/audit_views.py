"""What is shown of the audit log: the JSON of the REST face as values, as in views.py."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AuditEntryView:
    """One act that matters for security, or for the safety of photos."""

    n: int
    at: str
    act: str  # a dotted name, as "member.changed"
    facts: dict[str, str]
    chain: str  # BLAKE3 over this entry and the chain of the one before


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Entries, the latest first. A page may have fewer than were asked for, and a next one."""

    items: list[AuditEntryView]
    next: str | None


@dataclass(frozen=True, slots=True)
class AuditVerdict:
    """Whether the log is sound: nothing in it was changed, and nothing of it is missing.

    The node's signature covers it until entry `signed_to`; what is after that is chained only.
    `first` is above 1 once the oldest were dropped. `torn`: pieces that crashes left, kept aside.
    """

    sound: bool
    entries: int
    first: int
    last: int
    signed_to: int
    torn: int
    node: str
    problem: str | None = None
