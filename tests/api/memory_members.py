"""The members of the API tests' node: a dictionary that obeys the same rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from photonic.crdt.roster import ADMIN_SCOPES, MEMBER_SCOPES, MEMBERS_ADMIN
from photonic.errors import MemberUnchangeable, MemberUnknown
from photonic.ids import NodeId, parse_peer_id, peer_id
from photonic.member_views import MemberView, RevocationView


class MemoryMembers:
    """Implements `LocalMembers`."""

    def __init__(self, here: NodeId, names: dict[NodeId, str]) -> None:
        self._here = here
        self._members = {
            node: MemberView(
                peer_id(node), name, "central",
                list(ADMIN_SCOPES if node == here else MEMBER_SCOPES), node == here,
                None, None, node == here, node == here, revoked=False, known=7,
            )
            for node, name in names.items()
        }  # fmt: skip

    async def views(self) -> list[MemberView]:
        return list(self._members.values())

    def find(self, text: str) -> NodeId:
        for node, member in self._members.items():
            if text in (member.id, member.name):
                return parse_peer_id(peer_id(node))
        raise MemberUnknown(f"nobody is called {text[:80]}")

    async def revoke(
        self, node: NodeId, cut: int | None = None, *, dry_run: bool = False
    ) -> RevocationView:
        if node == self._here:
            raise MemberUnchangeable("a node does not revoke itself")
        member, cut = self._members[node], 7 if cut is None else cut
        if not dry_run:
            self._members[node] = replace(member, revoked=True, cut=cut)
        return RevocationView(member.id, member.name, not dry_run, cut, 7, 0, 0, 0, [])

    async def restore(self, node: NodeId) -> MemberView:
        if not self._members[node].revoked:
            raise MemberUnchangeable("it is not revoked")
        self._members[node] = replace(self._members[node], revoked=False, cut=None)
        return self._members[node]

    async def change_scopes(self, node: NodeId, scopes: Sequence[str]) -> MemberView:
        if set(scopes) - set(ADMIN_SCOPES):
            raise MemberUnchangeable("there is no such scope")
        admin = MEMBERS_ADMIN in scopes
        self._members[node] = replace(self._members[node], scopes=list(scopes), admin=admin)
        return self._members[node]
