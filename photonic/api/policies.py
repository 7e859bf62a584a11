"""Policies of the library: which of several concurrent values is shown."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body

from photonic import limits
from photonic.api import examples
from photonic.api.access import Node
from photonic.api.problem_documents import problem_responses, write_responses
from photonic.errors import EditInvalid, NotAllowed

routes = APIRouter(tags=["policies"])

_RULES = {"*": "auto", "rating": "prefer:central"}


@routes.get("/policies/display", responses=examples.answer(_RULES) | problem_responses())
async def read_display_policy(node: Node) -> dict[str, str]:
    """Tell by which rule a contested field is shown: `auto`, `manual` or `prefer:ROLE`.

    The rule of "*" is for all fields without one of their own. A rule never settles a contest.
    """
    return await node.policies.display()


@routes.put(
    "/policies/display",
    responses=examples.answer(_RULES) | write_responses(EditInvalid, NotAllowed),
)
async def write_display_policy(
    rules: Annotated[
        dict[str, str],
        Body(max_length=limits.FIELDS_PER_CHANGE_MAX, examples=[_RULES]),
    ],
    node: Node,
) -> dict[str, str]:
    """Make these the only rules, on every node. Only a node with `members.admin` may."""
    return await node.policies.set_display(rules)
