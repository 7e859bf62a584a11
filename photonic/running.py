"""The life of a node: what runs from its start to its end, and in which order it comes up.

`node.Node` has the parts. `run` owns every task: when it returns, none is left.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import msgspec
import trio
from anyio.abc import TaskGroup

from photonic import __version__, limits
from photonic.acquaintances import Acquaintances
from photonic.answers import Answers
from photonic.attesting import Attester
from photonic.audit_acts import Refusals
from photonic.audit_log import AuditLog
from photonic.blobs.files import FileStore
from photonic.config import Settings
from photonic.entrance import Entrance
from photonic.errors import JournalDamaged
from photonic.exports import Exports
from photonic.identity import Identity
from photonic.ids import peer_id
from photonic.ingest.seen import Seen
from photonic.ingest.suspects import Suspects
from photonic.key_custody import KeyCustody
from photonic.layout import Layout
from photonic.library import Library
from photonic.members import Members
from photonic.p2p.attestations import PROMISE_PROTOCOL
from photonic.p2p.connector import Connector
from photonic.p2p.doorkeeper import Doorkeeper
from photonic.p2p.lane_messages import LANE_PROTOCOL
from photonic.p2p.lanes import Lanes
from photonic.p2p.messages import BLOB_PROTOCOL, CATALOG_PROTOCOL, ENROL_PROTOCOL
from photonic.p2p.peers import PeerBook
from photonic.p2p.reaching import Ways
from photonic.p2p.sessions import Sessions
from photonic.p2p.transfers import Transfers
from photonic.p2p.transport import PeerEvent, ReachingTransport, StreamHandler
from photonic.parts import Neighbourhood, Parts, Readers
from photonic.placements import Placements
from photonic.problems import Problems
from photonic.recalls import Recalls
from photonic.scrubber import Scrubber
from photonic.supervise import keep_running
from photonic.trash import Trash
from photonic.views import StatusView
from photonic.world import World

# Serves a node over HTTP until cancelled, and reports its URL when it does.
Face = Callable[..., Coroutine[Any, Any, None]]


class Running(Answers):
    """What a node does from its start to its end."""

    layout: Layout
    parts: Parts
    world: World
    identity: Identity
    store: FileStore
    seen: Seen
    suspects: Suspects
    audit: AuditLog
    gate: Refusals
    workers: Readers
    problems: Problems
    transport: ReachingTransport
    book: PeerBook
    library: Library
    members: Members
    acquaintances: Acquaintances
    lanes: Lanes
    ways: Ways
    transfers: Transfers
    sessions: Sessions
    doorkeeper: Doorkeeper
    entrance: Entrance
    connector: Connector
    discovery: Neighbourhood
    custody: KeyCustody
    trash: Trash
    scrubber: Scrubber
    recalls: Recalls
    placements: Placements
    attester: Attester
    exports: Exports

    def __init__(self, settings: Settings, on_peer: Callable[[PeerEvent], None]) -> None:
        """`on_peer` hears who comes and goes."""
        self.settings, self._hear_of_peer = settings, on_peer
        self._ended = trio.Event()
        self.http_address = settings.http  # with the port that was chosen, once it serves

    async def run(self, face: Face, ready: Callable[[StatusView], None], stop: trio.Event) -> None:
        """Serve until `stop`, or until this node joined another library (`next_record`)."""
        guests = self.doorkeeper.guarded({ENROL_PROTOCOL: self.admissions.serve})
        members: dict[str, StreamHandler] = {
            CATALOG_PROTOCOL: self.sessions.serve,
            BLOB_PROTOCOL: self.transfers.serve,
            PROMISE_PROTOCOL: self.attester.serve,
            **self.ways.handlers,
        }
        if self.parts.has_carrier:
            members[LANE_PROTOCOL] = self.lanes.serve
        handlers = self.doorkeeper.guarded(members) | guests
        try:
            async with anyio.create_task_group() as tasks:
                await self.audit.open()
                self.audit.begin(__version__, self.settings.model_dump_json().encode())
                tasks.start_soon(keep_running, "the audit log", self.audit.run, self.problems)
                await tasks.start(self.library.run)
                await self.admissions.load()
                await self.placements.load()
                self.acquaintances.load(self.settings.peers)
                for damage in self.library.keeper.damaged:
                    self.problems.add(JournalDamaged(damage), damage)
                for suspect in self.suspects.list()[: limits.SUSPECTS_SHOWN_MAX]:
                    self.problems.add(suspect.error(), suspect.name)
                await tasks.start(self.workers.run)
                await tasks.start(
                    self.transport.run, handlers, guests, self.gate, self._hear_of_peer
                )
                self._start_services(tasks)
                url = await tasks.start(
                    face, self, self.settings.http_host, self.settings.http_port
                )
                self.observatory.http = url
                self.http_address = urlsplit(url).netloc
                self._write_node_file(url)
                ready(await self.status())
                tasks.start_soon(self._end_on, stop)
                await self._ended.wait()
                tasks.cancel_scope.cancel()
        finally:
            self.layout.node_file.unlink(missing_ok=True)
            self.acquaintances.save(self.book.dump())
            self.store.close()
            self.seen.close()
            self.audit.record("node.stopped", {})
            with trio.CancelScope(shield=True):
                await self.audit.close()

    def _start_services(self, tasks: TaskGroup) -> None:
        services: dict[str, Callable[[], Awaitable[None]]] = {
            "conversations with peers": self.sessions.run,
            "following the roster": self.admissions.run,
            "following the rules of placement": self.placements.run,
            "renewing certificates": self.members.run,
            "keeping library keys": self.custody.run,
            "connecting with peers": self.connector.run,
            "following this machine's networks": partial(
                self.parts.follow_networks, self.ways.look_around
            ),
            "transfers": partial(self.transfers.run, task_status=anyio.TASK_STATUS_IGNORED),
            "telling peers": partial(self.observatory.keep_telling, self.acquaintances.save),
            "postponed imports": self.intake.keep_retrying,
            "the trash": self.trash.run,
            "looking after stored files": self.scrubber.run,
            "keeping room in the buffer": self.buffer.run,
            "what went and is too rare": partial(self.recalls.run, self.buffer.look),
            "counting copies": self.moving.safety.run,
            **self.exports.services(),
        }
        if self.parts.has_carrier:
            services["the process that moves files"] = self.lanes.run
        if self.settings.discovery:
            services["discovery"] = partial(
                self.discovery.run, task_status=anyio.TASK_STATUS_IGNORED
            )
        if self.settings.upnp:
            services["ports that the router opens"] = self.ways.portmap.run
        for folder in self.settings.watch:
            services[f"watching {folder}"] = partial(self.intake.watch, Path(folder))
        for name, service in services.items():
            tasks.start_soon(keep_running, name, service, self.problems)
        tasks.start_soon(self.intake.run)
        tasks.start_soon(self.tasks.run)

    async def _end_on(self, stop: trio.Event) -> None:
        await stop.wait()
        self._ended.set()

    def _write_node_file(self, url: str) -> None:
        facts = {
            "pid": self.observatory.pid,
            "http": url,
            "node": peer_id(self.identity.node),
            "listen": self.observatory.listen(),
        }
        self.world.files.write_durable(self.layout.node_file, msgspec.json.encode(facts))

    async def stop(self) -> None:
        self._ended.set()
