"""The whole catalog: exported to a folder, imported from one."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter

from photonic.api import examples
from photonic.api.access import Node
from photonic.api.problem_documents import problem_responses, write_responses
from photonic.api.requests import CatalogExportRequest, CatalogImportRequest
from photonic.errors import (
    CatalogTasksFull,
    ExportInvalid,
    ExportNewer,
    ExportUnwritable,
    FolderUnknown,
    FolderUnreadable,
)
from photonic.views import CatalogTaskView

routes = APIRouter(tags=["catalog"])


@dataclass(frozen=True, slots=True)
class CatalogTaskList:
    items: list[CatalogTaskView]


@routes.get(
    "/catalog-tasks",
    responses=examples.answer({"items": [examples.CATALOG_TASK]}) | problem_responses(),
)
async def list_catalog_tasks(node: Node) -> CatalogTaskList:
    """List the exports and imports of the catalog that run, and the last ones that ended."""
    return CatalogTaskList(await node.catalog_tasks())


@routes.post(
    "/export",
    status_code=202,
    responses=examples.answer(examples.CATALOG_TASK, 202)
    | write_responses(ExportUnwritable, CatalogTasksFull),
)
async def export_catalog(body: CatalogExportRequest, node: Node) -> CatalogTaskView:
    """Begin to export everything that is in the catalog; `catalog-task` events tell how far."""
    return await node.start_catalog_export(body.folder)


@routes.post(
    "/import-catalog",
    status_code=202,
    responses=examples.answer(examples.CATALOG_TASK, 202)
    | write_responses(
        FolderUnknown, FolderUnreadable, ExportInvalid, ExportNewer, CatalogTasksFull
    ),
)
async def import_catalog(body: CatalogImportRequest, node: Node) -> CatalogTaskView:
    """Begin to import an exported catalog; `catalog-task` events and GET tell how far it is."""
    return await node.start_catalog_import(body.folder, merge=body.merge)
