"""The tree of photos, and who may mount it over NFS."""

from __future__ import annotations

from fastapi import APIRouter

from photonic.api import examples
from photonic.api import keeping_examples as kept
from photonic.api.access import Node
from photonic.api.problem_documents import problem_responses, write_responses
from photonic.api.upkeep_requests import ExportRulesRequest
from photonic.errors import (
    ExporterOff,
    ExporterRights,
    ExporterSilent,
    ExportRuleInvalid,
    HomeUnusable,
)
from photonic.exports import ExportsView

routes = APIRouter(tags=["exports"])
_REFUSED = (ExporterOff, ExportRuleInvalid, ExporterRights, ExporterSilent, HomeUnusable)


@routes.get("/exports", responses=examples.answer(kept.EXPORTS) | problem_responses())
async def read_exports(node: Node) -> ExportsView:
    """Tell how the tree is, and who may mount it."""
    return node.exports.view()


@routes.put(
    "/exports/rules",
    responses=examples.answer(kept.EXPORTS) | write_responses(*_REFUSED),
)
async def write_export_rules(body: ExportRulesRequest, node: Node) -> ExportsView:
    """Let these clients mount the tree and no others, at once and over restarts.

    Rules that cannot be used are refused before what is exported is touched.
    """
    return await node.exports.set_rules(body.rules)


@routes.delete(
    "/exports/rules",
    responses=examples.answer(kept.EXPORTS) | problem_responses(*_REFUSED),
)
async def reset_export_rules(node: Node) -> ExportsView:
    """Go back to the rules of the settings."""
    return await node.exports.reset_rules()
