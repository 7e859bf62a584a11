"""Other nodes: who they are, how to invite one, how to join their library."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter

from photonic.api import examples
from photonic.api.access import Node
from photonic.api.problem_documents import problem_responses, write_responses
from photonic.api.requests import InvitationRequest, JoinRequest
from photonic.errors import (
    CodeElsewhere,
    CodeExpired,
    CodeInvalid,
    CodeRefused,
    CodeUsed,
    LibraryNotEmpty,
    MemberUnchangeable,
    NotAllowed,
    PeerUnreachable,
    TooManyAttempts,
)
from photonic.scopes import CATALOG_UNSEAL, SEALED_SCOPES
from photonic.views import InvitationView, LibraryView, PeerView

routes = APIRouter(tags=["peers"])


@dataclass(frozen=True, slots=True)
class PeerList:
    items: list[PeerView]


@routes.get("/peers", responses=examples.answer({"items": [examples.PEER]}) | problem_responses())
async def list_peers(node: Node) -> PeerList:
    """List the other members of the library, connected or not."""
    return PeerList(await node.peers())


@routes.post(
    "/invitations",
    status_code=201,
    responses=examples.answer(examples.INVITATION, 201) | write_responses(NotAllowed),
)
async def invite(invitation: InvitationRequest, node: Node) -> InvitationView:
    """Make a code with which one new node may join, once, until it expires."""
    scopes = invitation.scopes
    if invitation.sealed:
        scopes = [scope for scope in scopes or SEALED_SCOPES if scope != CATALOG_UNSEAL]
    return await node.invite(invitation.role, invitation.ttl_s, scopes, invitation.life_s)


@routes.post(
    "/join",
    responses=examples.answer(examples.LIBRARY)
    | write_responses(
        CodeInvalid,
        CodeRefused,
        CodeUsed,
        CodeExpired,
        CodeElsewhere,
        MemberUnchangeable,
        LibraryNotEmpty,
        TooManyAttempts,
        PeerUnreachable,
    ),
)
async def join(body: JoinRequest, node: Node) -> LibraryView:
    """Join the library that the code invites to. Returns when this node is a member."""
    return await node.join(body.code)
