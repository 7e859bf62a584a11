"""What is shown of members: the JSON of the REST face as values, as in views.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from photonic.ids import NodeId


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member of the library, this node among them, and those that were revoked.

    `cut`: the last of its changes that counts, once it is revoked; `known`: the last that is here.
    `clock_ahead_s`: how far its clock is ahead of this node's, where it told.
    """

    id: str
    name: str
    role: str
    scopes: list[str]
    admin: bool
    expires: str | None
    last_seen: str | None
    connected: bool
    this_node: bool
    revoked: bool
    cut: int | None = None
    known: int | None = None
    clock_ahead_s: float | None = None


@dataclass(frozen=True, slots=True)
class RevocationView:
    """What it means to revoke a member; `done`: whether that was done, or only asked.

    Its changes count up to number `cut` of the `known` ones. It says to hold `originals`, of which
    nobody else says to hold `only_there`. `could_read` says in words what it may have seen.
    """

    id: str
    name: str
    done: bool
    cut: int
    known: int
    originals: int
    bytes: int
    only_there: int
    could_read: list[str] = field(default_factory=list)


class LocalMembers(Protocol):
    """What HTTP asks of the members. Every method raises NotAllowed where it says so."""

    async def views(self) -> list[MemberView]: ...

    def find(self, text: str) -> NodeId:
        """Return the member with this ID or name. Raises MemberUnknown."""
        ...

    async def revoke(
        self, node: NodeId, cut: int | None = None, *, dry_run: bool = False
    ) -> RevocationView:
        """Raises NotAllowed, MemberUnchangeable; with `dry_run` it only says what it means."""
        ...

    async def restore(self, node: NodeId) -> MemberView:
        """Raises NotAllowed, MemberUnchangeable."""
        ...

    async def change_scopes(self, node: NodeId, scopes: Sequence[str]) -> MemberView:
        """Raises NotAllowed, MemberUnchangeable."""
        ...
