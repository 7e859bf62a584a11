"""Conversations with connected members: anti-entropy, pushes of what is new, and who is how.

Each side writes on a stream that it opened and reads on the one that the other side opened, so a
session needs no agreement on who begins. What waits for a peer is bounded: a push that finds no
room is dropped, for the next round brings what it carried.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, NamedTuple, TypeVar

import trio

from photonic import limits
from photonic.crdt.catalog import Catalog
from photonic.crdt.commits import Announcement
from photonic.crdt.replica import CatalogReplica
from photonic.crdt.retelling import AskHoldings
from photonic.crdt.sync import Ask, AskChanges, AskIds, Progress, Push, Reconciler, Root
from photonic.crdt.sync import Message as SyncMessage
from photonic.errors import FrameInvalid, PhotonicError
from photonic.ids import NodeId, peer_id
from photonic.p2p.conduct import Conduct
from photonic.p2p.frames import message_batches, send_message
from photonic.p2p.messages import CATALOG_PROTOCOL, Hello, Message, Neighbours
from photonic.p2p.outbox import Outbox
from photonic.p2p.peers import PeerBook
from photonic.p2p.transport import PeerEvent, PeerMoved, PeerUp, Stream, Transport
from photonic.world import Clock, World

log = logging.getLogger(__name__)
T = TypeVar("T")
_QUESTIONS = (Root, Ask, AskIds, AskChanges, AskHoldings)
CatalogCall = Callable[[Callable[[Catalog], Any]], Awaitable[Any]]


class Session:
    """One connected member."""

    def __init__(self, node: NodeId) -> None:
        self.node = node
        self.outbox = Outbox()
        self.reconciler: Reconciler | None = None
        self.scope = trio.CancelScope()
        self.speaking = trio.CancelScope()  # on one stream


class Sessions:
    """All conversations on the catalog protocol of one node."""

    def __init__(
        self,
        transport: Transport,
        call: CatalogCall,
        book: PeerBook,
        world: World,
        hello: Callable[[], Awaitable[Hello]],
        on_news: Callable[[NodeId], None],
        conduct: Conduct | None = None,
        may_hear: Callable[[NodeId], bool] = lambda node: True,
    ) -> None:
        """`on_news` is told when a peer said something of itself or of others, or came or went.

        `conduct` remembers who was refused something. Whoever may not hear of the catalog
        (`may_hear`) is told nothing.
        """
        self._may_hear = may_hear
        self._transport, self._call, self._book, self._world = transport, call, book, world
        self._hello, self._on_news = hello, on_news
        self._conduct = conduct or Conduct(world.clock)
        self._sessions: dict[NodeId, Session] = {}
        self._arrived = trio.Event()  # somebody whom nobody converses with

    @property
    def busy(self) -> Collection[NodeId]:
        """The peers with whom a round of anti-entropy is under way."""
        return [s.node for s in self._sessions.values() if s.reconciler and s.reconciler.is_busy]

    def progress(self) -> dict[NodeId, Progress]:
        """How far each round that is under way is."""
        found = {s.node: s.reconciler.progress for s in self._sessions.values() if s.reconciler}
        return {node: progress for node, progress in found.items() if progress.left}

    def waiting(self) -> list[tuple[int, int]]:
        """How many pushes and answers wait for each peer."""
        return [session.outbox.waiting for session in self._sessions.values()]

    async def run(self) -> None:
        """Keep a conversation with every peer that is up, until cancelled. May be run again."""
        begun: list[Session] = []
        async with trio.open_nursery() as nursery:
            while True:
                begun = [session for session in self._sessions.values() if session in begun]
                for session in self._sessions.values():
                    if session in begun:
                        continue
                    begun.append(session)
                    nursery.start_soon(self._converse, session)
                await self._arrived.wait()
                self._arrived = trio.Event()

    def note(self, event: PeerEvent) -> None:
        """Take in what the transport says. Neither blocks nor raises."""
        now_ms = self._world.clock.now_ms()
        if isinstance(event, PeerUp):
            now_s = self._world.clock.monotonic_s()
            self._book.note_up(event.node, event.address, now_ms, event.footing, now_s)
            if event.node not in self._sessions and len(self._sessions) < limits.PEERS_MAX:
                self._sessions[event.node] = Session(event.node)
                self._arrived.set()
        elif isinstance(event, PeerMoved):
            self._book.note_moved(event.node, event.footing, self._world.clock.monotonic_s())
            moved = self._sessions.get(event.node)
            if moved is not None and event.is_better:
                moved.speaking.cancel()  # it goes on there, and a round brings what was on its way
        else:
            self._book.note_down(event.node, now_ms, self._world.clock.monotonic_s())
            gone = self._sessions.pop(event.node, None)
            if gone is not None:
                gone.scope.cancel()
        self._on_news(event.node)

    def announce(self, announcements: Collection[Announcement]) -> None:
        """Push what became durable to every peer but the one who brought it. Never blocks."""
        for item in announcements:
            if len(item.data) > limits.PUSH_UPDATE_BYTES_MAX:
                if item.origin is None:  # made here, and too long: a round brings it soon
                    for session in self._sessions.values():
                        session.outbox.note_dropped()
                continue
            push = Push(item.shard, item.document, item.data)
            for session in self._sessions.values():
                if session.node != item.origin:
                    session.outbox.push(push, is_own=item.origin is None)

    def say_hello(self, hello: Hello) -> None:
        """Tell every peer how this node is now. Never blocks."""
        for session in tuple(self._sessions.values()):
            session.outbox.push(hello)

    # --- our side ----------------------------------------------------------------------------

    async def _converse(self, session: Session) -> None:
        """Speak with one peer until it is down, whatever happens to single streams.

        Nothing that goes wrong with one peer may end the conversations with the others.
        """
        with trio.CancelScope() as session.scope:
            while self._sessions.get(session.node) is session:
                if not self._may_hear(session.node):
                    await trio.sleep(limits.SCOPE_RETRY_S)  # it may be admitted to more
                    continue
                has_moved = False
                try:
                    with trio.CancelScope() as session.speaking:
                        await self._speak(session)
                    has_moved = session.speaking.cancelled_caught
                except* PhotonicError as group:
                    log.info("stream to %s ended: %s", peer_id(session.node), group.exceptions)
                except* Exception:
                    log.exception("conversation with %s failed", peer_id(session.node))
                if not has_moved:
                    await trio.sleep(self._world.entropy.uniform(0.5, 1.0))

    async def _speak(self, session: Session) -> None:
        stream = await self._transport.open(session.node, CATALOG_PROTOCOL)
        try:
            await send_message(stream, await self._hello())
            await send_message(stream, Neighbours(dict(self._book.neighbours(session.node))))
            session.reconciler = await self._call(
                lambda c: Reconciler(CatalogReplica(c), session.node)
            )
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_in_step, session)
                while True:
                    await self._send(stream, await session.outbox.next())
        finally:
            session.reconciler = None
            session.outbox.clear()
            with trio.CancelScope(shield=True):
                await stream.close()

    async def _send(self, stream: Stream, message: Message) -> None:
        try:
            await send_message(stream, message)
        except FrameInvalid as error:  # ours, and too long: the others are not worse for it
            log.error("a message for %s was left out: %s", peer_id(stream.peer), error)

    async def _keep_in_step(self, session: Session) -> None:
        """Begin a round now and then. Rounds heal whatever pushes lost.

        A long round that still brings something is left to go on: a million photos take minutes.
        """
        taken = -1
        while True:
            reconciler = session.reconciler
            if reconciler is not None and not (reconciler.is_busy and reconciler.taken != taken):
                for message in await self._call(partial(_begin, reconciler)):
                    session.outbox.answer(message)
            taken = reconciler.taken if reconciler is not None else -1
            pause_s = limits.SYNC_INTERVAL_S * self._world.entropy.uniform(0.75, 1.25)
            with trio.move_on_after(pause_s):
                await session.outbox.wait_dropped()
                await trio.sleep(limits.SYNC_AFTER_DROP_S)  # what else is dropped comes along
                taken = reconciler.taken if reconciler is not None else -1  # begin in any case

    # --- their side --------------------------------------------------------------------------

    async def serve(self, stream: Stream) -> None:
        """Read what one peer says until it ends. Registered for CATALOG_PROTOCOL."""
        try:
            async with aclosing(message_batches(stream, Message)) as batches:
                async for batch in batches:
                    await self._take(stream.peer, batch)
        except FrameInvalid:
            log.warning("%s sent what is no message", peer_id(stream.peer))
            self._refuse(stream.peer, 1)
            raise
        finally:
            await stream.close()

    async def _take(self, peer: NodeId, batch: Sequence[Message]) -> None:
        """Take in what came together; what concerns the catalog in one go, for one commit."""
        sync: list[SyncMessage] = []
        for message in batch:
            if isinstance(message, Hello):
                if self._book.note_hello(peer, message, self._world.clock.now_ms()):
                    self._on_news(peer)
            elif isinstance(message, Neighbours):
                if self._book.learn_neighbours(message.addresses):
                    self._on_news(peer)
            else:
                sync.append(message)
        session = self._sessions.get(peer)
        while sync and session is not None and session.reconciler is not None:
            reconciler, clock = session.reconciler, self._world.clock
            if session.outbox.is_full:  # it asks and does not read: nothing is looked up in vain
                sync = [message for message in sync if not isinstance(message, _QUESTIONS)]
                session.outbox.note_dropped()
            before = reconciler.refused
            handled = await self._call(partial(_handle, reconciler, sync, clock))
            sync = handled.left
            for answer in handled.answers:
                session.outbox.answer(answer)
            if self._refuse(peer, reconciler.refused - before):
                return  # what is left of the batch nobody reads
            if sync and handled.rest_s:
                await trio.sleep(handled.rest_s)
            session = self._sessions.get(peer)
        # Without a session it is about to end, or not begun; the next round does it all again.

    def _refuse(self, peer: NodeId, count: int) -> bool:
        """Take note that something of a peer was refused; cut it if that is too much."""
        is_over = self._conduct.note_refused(peer, count)
        if is_over:
            self._transport.drop(peer)
        return is_over


class Handled(NamedTuple):
    """Answers to the first messages of a batch, what is left of it, and how long that rests."""

    answers: list[SyncMessage]
    left: list[SyncMessage]
    rest_s: float


def _handle(
    reconciler: Reconciler, batch: Sequence[SyncMessage], clock: Clock, _: Catalog
) -> Handled:
    """Handle the first messages, as many as time allows.

    A small question may cost much. So whoever sends thousands of them at once has the catalog's
    thread for a moment only, before others have their turn. Whoever pushes more than that keeps
    rest in proportion: what it says is passed on, and who hears of it must not be flooded, either.
    What it drops meanwhile, its rounds bring.
    """
    is_round = any(not isinstance(message, Push) for message in batch)
    take_s = limits.SYNC_TAKE_S if is_round else limits.PUSHES_TAKE_S
    began_s = clock.monotonic_s()
    answers: list[SyncMessage] = []
    for count, message in enumerate(batch, 1):
        answers += reconciler.handle(message)
        took_s = clock.monotonic_s() - began_s
        if took_s >= take_s or len(answers) >= limits.OUTBOX_ANSWERS_MAX:
            rest_s = 0.0 if is_round else took_s * limits.PUSHES_REST_FACTOR
            return Handled(answers, list(batch[count:]), rest_s)
    return Handled(answers, [], 0.0)


def _begin(reconciler: Reconciler, _: Catalog) -> list[SyncMessage]:
    return reconciler.begin()
