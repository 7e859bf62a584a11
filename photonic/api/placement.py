"""Placement: the rules of a library, and why a photo is where it is."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from photonic import limits
from photonic.api import examples
from photonic.api import keeping_examples as kept
from photonic.api.access import Node, PhotoId
from photonic.api.problem_documents import problem_responses, write_responses
from photonic.api.requests import Body
from photonic.errors import IndexUnreadable, NotAllowed, PhotoUnknown, RuleInvalid
from photonic.placement_views import PlacementPolicyView, PlacementView

routes = APIRouter(tags=["placement"])

_RULE = "where rating>=3 or flag:pick: copies 3, one on archive"
# What is set already may be long, from a newer photonic; a rule that cannot be read is refused.
Rule = Annotated[str, Field(max_length=2 * limits.RULE_CHARS_MAX)]
Rules = Annotated[list[Rule], Field(max_length=limits.RULES_MAX)]


class RulesRequest(Body):
    """All the rules of a library."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"rules": [_RULE]}]})
    rules: Rules


class RuleChangesRequest(Body):
    """Rules to add, and others to remove, by their texts."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"add": [_RULE]}]})
    add: Rules = Field(default=[])
    remove: Rules = Field(default=[])


@routes.get(
    "/photos/{id}/placement",
    responses=examples.answer(kept.PLACEMENT) | problem_responses(PhotoUnknown, IndexUnreadable),
)
async def read_placement(photo: PhotoId, node: Node) -> PlacementView:
    """Tell how many copies of a photo are wanted and where, by which rules, and what is missing."""
    return await node.whereabouts.placement(photo)


@routes.get(
    "/policies/placement",
    responses=examples.answer(kept.PLACEMENT_POLICY) | problem_responses(IndexUnreadable),
)
async def read_placement_policy(node: Node) -> PlacementPolicyView:
    """List the rules of placement, with what contests, and how many photos each is about."""
    return await node.whereabouts.policy()


@routes.put(
    "/policies/placement",
    responses=examples.answer(kept.PLACEMENT_POLICY)
    | write_responses(RuleInvalid, NotAllowed, IndexUnreadable),
)
async def write_placement_policy(body: RulesRequest, node: Node) -> PlacementPolicyView:
    """Make these all the rules, on every node. Only a node with `members.admin` may."""
    return await node.whereabouts.set(body.rules)


@routes.patch(
    "/policies/placement",
    responses=examples.answer(kept.PLACEMENT_POLICY)
    | write_responses(RuleInvalid, NotAllowed, IndexUnreadable),
)
async def change_placement_policy(body: RuleChangesRequest, node: Node) -> PlacementPolicyView:
    """Add some rules and remove others; the rest stays as it is, contested or not."""
    return await node.whereabouts.change(body.add, body.remove)


@routes.post(
    "/policies/placement/check",
    responses=examples.answer(kept.PLACEMENT_POLICY)
    | write_responses(RuleInvalid, IndexUnreadable),
)
async def check_placement_policy(body: RulesRequest, node: Node) -> PlacementPolicyView:
    """Read rules without setting them: how many photos each would be about, or what is wrong."""
    return await node.whereabouts.check(body.rules)
