"""One admin's node as far as it has to do with members: real but for the network, in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import trio
import trio.testing

from photonic.admission import Admissions
from photonic.certificates import certificate_draft, certificate_for
from photonic.crdt.commits import Committed
from photonic.crdt.query import PhotoQuery
from photonic.crdt.roster import MEMBER_SCOPES, Certificate
from photonic.events import Audited
from photonic.identity import Identity
from photonic.ids import NodeId, peer_id
from photonic.keeper import Keeper
from photonic.layout import Layout
from photonic.members import Members
from photonic.membership import found_library
from photonic.p2p.memory_transport import MemoryNetwork
from photonic.p2p.messages import ENROL_PROTOCOL
from photonic.p2p.peers import PeerBook
from photonic.problems import Problems
from photonic.world import SystemClock, World

LIFE_S = 90 * 24 * 3600


class MovedClock(SystemClock):
    """The machine's clock, and as much more as somebody says."""

    ahead_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.ahead_ms


def _name_of(admissions: Admissions, book: PeerBook, node: NodeId) -> str | None:
    hello, member = book.get(node).hello, admissions.member(node)
    return hello.name if hello else (member.certificate.name if member else None)


@dataclass
class Office:
    """One admin's node, as far as it has to do with members."""

    members: Members
    admissions: Admissions
    keeper: Keeper
    book: PeerBook
    clock: MovedClock
    network: MemoryNetwork
    problems: Problems
    me: Identity
    announced: list[Audited] = field(default_factory=list)
    heard: trio.Event = field(default_factory=trio.Event)

    async def admit(self, node: NodeId, life_s: int | None = None, **rest: Any) -> None:
        certificate = certificate_for("laptop", "mobile", MEMBER_SCOPES, self.now_ms(), life_s)
        await self.keeper.call(lambda c: c.write([certificate_draft(node, certificate)]) and None)
        await self.admissions.follow()

    def now_ms(self) -> int:
        return self.clock.now_ms()

    def addresses(self) -> tuple[str, ...]:
        return (f"/memory/{peer_id(self.me.node)}",)

    def certificate(self, node: NodeId) -> Certificate:
        member = self.admissions.member(node)
        assert member is not None
        return member.certificate

    def acts(self) -> list[str]:
        return [audited.act for audited in self.announced]

    async def wait_act(self, act: str) -> None:
        with trio.fail_after(10):
            while act not in self.acts():
                await self.heard.wait()
                self.heard = trio.Event()

    def hear(self, audited: Audited) -> None:
        self.announced.append(audited)
        self.heard.set()


def run(
    home: Path,
    work: Callable[[Office], Awaitable[None]],
    *,
    runs: bool = False,
    forgets_key: bool = True,
) -> None:
    clock = MovedClock()
    world = World(clock=clock)
    layout = Layout(home)
    me = Identity.load_or_create(layout.node_key, world)
    record = found_library(layout, me, name="Test", role="central", node_name="me", world=world)
    if forgets_key:
        layout.authority_key(record.library).unlink()

    async def main() -> None:
        offices: list[Office] = []

        def announce(audited: Audited) -> None:
            offices[0].hear(audited)

        def on_commit(committed: Committed) -> None:
            if committed.roster_changed and offices:
                offices[0].admissions.note_roster()

        keeper = Keeper(layout, record.library, me, world, lambda _: (), on_commit)
        network, book, problems = MemoryNetwork(), PeerBook(me.node), Problems()
        transport = network.transport(me.node)
        admissions = Admissions(layout, keeper, record, me, transport, world, announce)
        query = PhotoQuery(keeper.index.engine)
        members = Members(
            layout, record, me, keeper, query, admissions, transport, book, world, problems,
            announce, lambda node: _name_of(admissions, book, node),
        )  # fmt: skip
        guests = {ENROL_PROTOCOL: admissions.serve}
        office = Office(members, admissions, keeper, book, clock, network, problems, me)
        offices.append(office)
        with trio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                await tasks.start(keeper.run)
                await admissions.load()
                await tasks.start(
                    transport.run, guests, guests, admissions.gate, lambda event: None
                )
                tasks.start_soon(admissions.run)
                if runs:
                    tasks.start_soon(members.run)
                await work(office)
                tasks.cancel_scope.cancel()

    trio.run(main)


def stranger() -> Identity:
    return Identity.generate(World())
