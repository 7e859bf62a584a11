"""The members of the library: who they are, what each may do, and the end of that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import ConfigDict, Field

from photonic.api import examples
from photonic.api.access import Node
from photonic.api.problem_documents import problem_responses, write_responses
from photonic.api.requests import Body
from photonic.errors import MemberUnchangeable, MemberUnknown, NotAllowed
from photonic.member_views import MemberView, RevocationView

routes = APIRouter(tags=["members"])

MEMBER = MemberView(
    id=examples.PEER.id,
    name="yoda",
    role="mobile",
    scopes=["catalog.read", "catalog.write", "blobs.read", "blobs.hold"],
    admin=False,
    expires="2024-08-15T10:00:00.000Z",
    last_seen="2024-05-18T09:59:00.000Z",
    connected=True,
    this_node=False,
    revoked=False,
    known=812,
    clock_ahead_s=0.2,
)
REVOCATION = RevocationView(
    id=examples.PEER.id,
    name="yoda",
    done=True,
    cut=812,
    known=812,
    originals=1204,
    bytes=31_138_512_896,
    only_there=3,
    could_read=["the whole catalog: names, times, ratings, captions and who said what"],
)
_REFUSALS = (MemberUnknown, MemberUnchangeable, NotAllowed)
Named = Annotated[
    str,
    Path(alias="member", max_length=256, description="The member's peer ID, or its name."),
]


class Revocation(Body):
    """Up to which of its changes a member counts (null: as this node knows it); or only ask."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"cut": 812}]})

    cut: int | None = Field(default=None, ge=0, lt=1 << 63)
    dry_run: bool = False


class Nothing(Body):
    """An empty object."""


class Rights(Body):
    """What a member may do from its next change on."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"scopes": ["catalog.read", "blobs.read"]}]}
    )

    scopes: list[Annotated[str, Field(min_length=1, max_length=64)]] = Field(
        min_length=1, max_length=32
    )


@dataclass(frozen=True, slots=True)
class MemberList:
    items: list[MemberView]


@routes.get("/members", responses=examples.answer({"items": [MEMBER]}) | problem_responses())
async def list_members(node: Node) -> MemberList:
    """List the members of the library, this node first, those that were revoked last."""
    return MemberList(await node.members.views())


@routes.post(
    "/members/{member}/revoke", responses=examples.answer(REVOCATION) | write_responses(*_REFUSALS)
)
async def revoke_member(name: Named, body: Revocation, node: Node) -> RevocationView:
    """Revoke a member, or move the cut of one that is; with `dry_run` only say what it means."""
    found = node.members.find(name)
    return await node.members.revoke(found, body.cut, dry_run=body.dry_run)


@routes.post(
    "/members/{member}/restore", responses=examples.answer(MEMBER) | write_responses(*_REFUSALS)
)
async def restore_member(name: Named, _: Nothing, node: Node) -> MemberView:
    """Make a revoked member one again; what it said meanwhile counts."""
    return await node.members.restore(node.members.find(name))


@routes.post(
    "/members/{member}/scopes", responses=examples.answer(MEMBER) | write_responses(*_REFUSALS)
)
async def change_rights(name: Named, body: Rights, node: Node) -> MemberView:
    """Give a member other rights, from its next change on; what it did before stays."""
    return await node.members.change_scopes(node.members.find(name), body.scopes)
