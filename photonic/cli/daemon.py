"""The node with its HTTP face, as the verbs call it. Loaded late: this imports everything.

The node (floor 5) does not know who serves it over HTTP (floor 6); here they are joined.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import trio
from anyio.abc import TaskStatus

from photonic import startup
from photonic.api.app import create_app
from photonic.api.server import serve
from photonic.config import Settings
from photonic.recovery import Recovered, Recovery
from photonic.recovery_kit import is_typed_back, parse_kit
from photonic.startup import (
    enrol,
    forget_key,
    initialise,
    keep_keys,
    recover,
    recovery_kit,
)
from photonic.views import LocalNode, StatusView

__all__ = [
    "enrol",
    "forget_key",
    "initialise",
    "is_typed_back",
    "keep_keys",
    "recover_with",
    "recovery_kit",
    "run_node",
]


async def run_node(
    settings: Settings, *, ready: Callable[[StatusView], None], stop: trio.Event
) -> None:
    """Run the node of a home folder until `stop`; `ready` is called whenever it serves anew."""
    await startup.run_node(settings, face=serve_node, ready=ready, stop=stop)


async def recover_with(settings: Settings, kit: str, *, alone: bool) -> Recovered:
    """Make this home's node an admin of the library whose recovery kit is given."""
    asked = Recovery(
        parse_kit(kit), settings.name, settings.role or "central", alone=alone,
        discovers=settings.discovery,
    )  # fmt: skip
    return await recover(settings, asked)


async def serve_node(
    served: LocalNode, host: str, port: int, *, task_status: TaskStatus[str]
) -> None:
    """Serve `served` over HTTP until cancelled; report the URL once clients can connect.

    A cancellation ends it in order: answers that are under way go out first, within
    SHUTDOWN_GRACE_S. Otherwise who asks the node to stop, or to join, would never hear that it did.
    """
    shutdown = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_set_when_cancelled, shutdown)
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as serving:
                entrance, app = served.entrance, create_app(served)
                if (https := entrance.https) is not None:
                    tls, app = https.certificate.context, create_app(served, hosts=https.names)
                    secure = partial(serve, app, https.host, https.port, shutdown=shutdown, tls=tls)
                    entrance.note_served(await serving.start(secure))
                await serve(app, host, port, shutdown=shutdown, task_status=task_status)
        nursery.cancel_scope.cancel()


async def _set_when_cancelled(event: trio.Event) -> None:
    try:
        await trio.sleep_forever()
    finally:
        event.set()
