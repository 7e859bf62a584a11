"""Joining on a bad network: a conversation that breaks is begun anew, an answer ends it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest
import trio
import trio.testing

from photonic import limits, wire
from photonic.errors import CodeUsed, InviterUnreachable, PeerUnreachable, StreamBroken
from photonic.identity import Identity
from photonic.ids import NodeId
from photonic.layout import Layout
from photonic.membership import join_library
from photonic.p2p.enrol import Refused
from photonic.p2p.invitations import TOKEN_BYTES, Code
from photonic.p2p.transport import Stream, Transport
from photonic.world import World

CODE = Code(bytes(16), bytes(32), bytes(TOKEN_BYTES), 2**33, ("/ip4/127.0.0.1/tcp/1",))


class Answer:
    """A stream on which the inviter says that another node has used the code."""

    def __init__(self) -> None:
        self._left = wire.frame(wire.encode(Refused(CodeUsed.code, "another node has it")))

    async def send(self, data: bytes) -> None:
        """Take what is said."""

    async def receive(self, size_max: int) -> bytes:
        taken, self._left = self._left[:size_max], self._left[size_max:]
        return taken

    async def close(self) -> None:
        """End it."""


class BadNetwork:
    """A transport on which the first conversations break: while dialling, and in the middle."""

    def __init__(self, breaks: Sequence[str]) -> None:
        self._breaks = list(breaks)
        self.dialled = 0

    async def dial(self, node: NodeId, addresses: Sequence[str]) -> None:
        self.dialled += 1
        if self._breaks and self._breaks[0] == "dial":
            self._breaks.pop(0)
            raise PeerUnreachable("no answer")

    async def open(self, node: NodeId, protocol: str) -> Stream:
        if self._breaks:
            self._breaks.pop(0)
            raise StreamBroken("the connection broke")
        return cast("Stream", Answer())

    def drop(self, node: NodeId) -> None:
        """Forget a connection."""


def join(tmp_path: Path, network: BadNetwork) -> None:
    world = World()
    layout = Layout(tmp_path)

    async def ask() -> None:
        await join_library(
            cast("Transport", network), layout, Identity.generate(world), CODE,
            node_name="luke", world=world,
        )  # fmt: skip

    trio.run(ask, clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_conversation_that_broke_is_begun_anew_until_there_is_an_answer(tmp_path: Path) -> None:
    network = BadNetwork(["dial", "open"])
    with pytest.raises(CodeUsed):
        join(tmp_path, network)
    assert network.dialled == 3


def test_whoever_never_answers_is_not_asked_for_ever(tmp_path: Path) -> None:
    network = BadNetwork(["dial"] * 99)
    with pytest.raises(InviterUnreachable):
        join(tmp_path, network)
    assert network.dialled == limits.JOIN_ATTEMPTS
    with pytest.raises(StreamBroken):
        join(tmp_path, BadNetwork(["open"] * 99))
