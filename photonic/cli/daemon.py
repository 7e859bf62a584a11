"""The libraries with their HTTP faces, as the verbs call them. Loaded late: it imports much.

The nodes (floor 5) do not know who serves them over HTTP (floor 6); here they are joined.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import trio

from photonic.api.app import Face, create_app
from photonic.api.porch import Porch
from photonic.api.server import serve
from photonic.config import Settings
from photonic.lodging import Lodging, lodgings
from photonic.startup import enrol, initialise
from photonic.supervise import unwrapped
from photonic.tenants import Tenants
from photonic.views import LocalNode, StatusView

__all__ = ["enrol", "initialise", "run_node"]


async def run_node(
    settings: Settings,
    *,
    settings_of: Callable[[Lodging | None], Settings] | None = None,
    ready: Callable[[StatusView], None],
    stop: trio.Event,
) -> None:
    """Run the libraries of a home folder until `stop`; `ready` is called whenever one serves anew.

    `settings_of` reads the settings of one of them; without it only the first is run.
    """
    daemon = _Daemon()
    porch = Porch(daemon.open, _make_app, lambda: tenants.views())  # noqa: PLW0108 - it comes next
    daemon.porch = porch
    find = partial(lodgings, settings.home) if settings_of else list[Lodging]
    tenants = Tenants(find, settings_of or (lambda _: settings), porch, ready, stop)
    with unwrapped():
        async with trio.open_nursery() as daemon.nursery:
            await tenants.run()
            # In order: answers that are under way go out first, within SHUTDOWN_GRACE_S.
            daemon.shutdown.set()


def _make_app(served: LocalNode) -> Face:
    app = create_app(served)
    assert isinstance(app, Face)
    return app


class _Daemon:
    """The one listener, opened when the first library has something to serve."""

    nursery: trio.Nursery
    porch: Porch

    def __init__(self) -> None:
        self.shutdown = trio.Event()
        self._url: str | None = None

    async def open(self, host: str, port: int) -> str:
        if self._url is None:
            start = partial(serve, self.porch, host, port, shutdown=self.shutdown)
            self._url = await self.nursery.start(start)
        assert self._url is not None
        return self._url
