"""The node with its HTTP face: what the command line starts.

`photonic/node.py` builds the node and knows no HTTP; here the two meet.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from photonic import node
from photonic.api.app import create_app
from photonic.api.server import serve
from photonic.config import Settings
from photonic.node import enrol, initialise
from photonic.views import LocalNode, StatusView

__all__ = ["enrol", "initialise", "run_node"]


async def run_node(
    settings: Settings, *, ready: Callable[[StatusView], None], stop: trio.Event
) -> None:
    """Run the node of a home folder, with page and REST, until `stop`. See `node.run_node`."""
    await node.run_node(settings, face=_face, ready=ready, stop=stop)


async def _face(
    local: LocalNode,
    host: str,
    port: int,
    *,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    await serve(create_app(local), host, port, shutdown=trio.Event(), task_status=task_status)
