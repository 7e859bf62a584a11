"""The libraries with their HTTP faces, as the verbs call them. Loaded late: it imports much.

The nodes (floor 5) do not know who serves them over HTTP (floor 6); here they are joined.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import trio

from photonic.api.app import Face, create_app
from photonic.api.porch import Porch
from photonic.api.server import serve
from photonic.config import Settings
from photonic.entrance import Https
from photonic.lodging import Lodging, lodgings
from photonic.recovery import Recovered, Recovery
from photonic.recovery_kit import is_typed_back, parse_kit
from photonic.restoration import Restored, Tell
from photonic.safekeeping import keep_keys
from photonic.startup import (
    enrol,
    forget_key,
    initialise,
    recover,
    recovery_kit,
    restore,
    restore_files,
)
from photonic.supervise import unwrapped
from photonic.tenants import Tenants
from photonic.views import LocalNode, StatusView

__all__ = [
    "enrol",
    "forget_key",
    "initialise",
    "is_typed_back",
    "keep_keys",
    "recover_with",
    "recovery_kit",
    "restore_files_with",
    "restore_with",
    "run_node",
]


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
    porch = Porch(
        daemon.open,
        daemon.make_app,
        lambda: tenants.views(),  # noqa: PLW0108 - it comes next
        lists=not settings.http_local_token,
    )
    daemon.porch = porch
    find = partial(lodgings, settings.home) if settings_of else list[Lodging]
    tenants = Tenants(find, settings_of or (lambda _: settings), porch, ready, stop)
    with unwrapped():
        async with trio.open_nursery() as daemon.nursery:
            await tenants.run()
            # In order: answers that are under way go out first, within SHUTDOWN_GRACE_S.
            daemon.shutdown.set()


async def recover_with(settings: Settings, kit: str, *, alone: bool) -> Recovered:
    """Make this home's node an admin of the library whose recovery kit is given."""
    asked = Recovery(
        parse_kit(kit), settings.name, settings.role or "central", alone=alone,
        discovers=settings.discovery,
    )  # fmt: skip
    return await recover(settings, asked)


def restore_with(
    settings: Settings, folder: Path, kit: str | None, tell: Tell, *, shares: bool
) -> Restored:
    """Make a home of what another node's folder has; the kit is judged before anything is done."""
    return restore(settings, folder, parse_kit(kit) if kit else None, tell, shares=shares)


def restore_files_with(folder: Path, target: Path, kit: str | None, tell: Tell) -> Restored:
    """Write an archive's photos as plain files; the kit, if given, opens what is sealed."""
    return restore_files(folder, target, parse_kit(kit) if kit else None, tell)


class _Daemon:
    """The listeners, opened when the first library has something to serve.

    Plain HTTP is for this machine; HTTPS, where it is set, has the certificate of the first library
    and is for all of them.
    """

    nursery: trio.Nursery
    porch: Porch

    def __init__(self) -> None:
        self.shutdown = trio.Event()
        self._https: Https | None = None
        self._url = self._secure_url = ""
        self._shown = ("", "")  # what others type to come by HTTPS, and the fingerprint they see

    async def open(self, served: LocalNode, host: str, port: int, path: str) -> str:
        """Listen, if nobody does yet; return the URL of this machine.

        A library with another `path` than / is told where HTTPS has it.
        """
        entrance = served.entrance
        if entrance.https is not None and not self._secure_url:
            self._https = entrance.https
            start = partial(
                serve, self.porch, self._https.host, self._https.port,
                shutdown=self.shutdown, tls=self._https.certificate.context,
            )  # fmt: skip
            self._secure_url = await self.nursery.start(start)
        if entrance.https is not None:
            entrance.note_served(self._secure_url)
            self._shown = (entrance.url, entrance.fingerprint)
        elif self._shown[0]:
            url, fingerprint = self._shown
            entrance.note_shared(url + path.removesuffix("/"), fingerprint)
        if not self._url:
            start = partial(serve, self.porch, host, port, shutdown=self.shutdown)
            self._url = await self.nursery.start(start)
        return self._url

    def make_app(self, served: LocalNode, *, is_secure: bool) -> Face:
        """Return the face of a library for one of the listeners: the names of HTTPS are its own."""
        names = self._https.names if is_secure and self._https is not None else ()
        app = create_app(served, hosts=names)
        assert isinstance(app, Face)
        return app
