"""Two libraries on one machine, and what a member of one is to the other: a stranger.

A member's real key of Ann's library speaks over real libp2p to Ben's node, which the same process
runs, and comes to its lanes with real tickets and certificates of Ann's.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio
from anyio.abc import TaskStatus

from photonic import limits, p2p, wire
from photonic.errors import PhotonicError, StreamBroken
from photonic.identity import Identity
from photonic.ids import NodeId, parse_peer_id, peer_id
from photonic.p2p import lane_messages as said
from photonic.p2p.discovery import Discovery
from photonic.p2p.enrol import Answer, EnrolRequest, Refused
from photonic.p2p.invitations import parse_code
from photonic.p2p.lane_certificates import Credentials, make_credentials
from photonic.p2p.lane_sockets import LaneTls
from photonic.p2p.libp2p_transport import Libp2pTransport
from photonic.p2p.messages import ENROL_PROTOCOL
from photonic.p2p.transport import Admission, Stream
from photonic.world import World
from simulations.daemons import Daemon, daemons, photonic
from tests.system.two_libraries import add, enrol_key, tenant

WITHIN_S = 60.0


def protocols() -> list[str]:
    """Every protocol that a node speaks, wherever it is named."""
    found = set()
    for module in pkgutil.iter_modules(p2p.__path__, "photonic.p2p."):
        if module.name.rpartition(".")[2] in ("carrier", "gateway"):
            continue  # programs
        for name, value in vars(importlib.import_module(module.name)).items():
            if name.endswith("_PROTOCOL") and str(value).startswith("/photonic/"):
                found.add(value)
    return sorted(found)


@dataclass
class Machine:
    """One daemon with both libraries, and a key of a member of each that runs nowhere."""

    ann: Daemon
    ben: Daemon
    anns: Identity
    bens: Identity


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    place = tmp_path_factory.mktemp("machine")
    with daemons(place / "studio") as (daemon,):
        daemon.start("--library-name", "Lagoon", "--name", "studio", "--no-upnp")
        ben = add(daemon, "ben", "--name", "Cellar")
        anns = enrol_key(daemon, place / "anns-laptop")
        bens = enrol_key(ben, place / "bens-laptop")
        yield Machine(daemon, ben, anns, bens)


class Caller:
    """A transport with somebody's key, which lets anybody in."""

    def __init__(self, key: Identity, nursery: trio.Nursery) -> None:
        self.key, self.transport, self._nursery = key, Libp2pTransport(key, (), World()), nursery

    async def begin(self) -> Caller:
        def gate(_: NodeId) -> Admission:
            return Admission.MEMBER

        async def run(*, task_status: TaskStatus[None]) -> None:
            await self.transport.run({}, {}, gate, lambda _: None, task_status=task_status)

        await self._nursery.start(run)  # type: ignore[arg-type]  # its TaskStatus is anyio's
        return self

    async def learn(self, daemon: Daemon, protocol: str) -> str:
        """Dial a node, try a protocol, and say all that came back, with no id of ours in it."""
        address, _, name = daemon.listen[0].partition("/p2p/")
        node = parse_peer_id(name)
        try:
            await self.transport.dial(node, [address])
            stream = await self.transport.open(node, protocol)
        except PhotonicError as error:
            told = f"{error.code}: {error.message}"
            return re.sub(r"\d+(\.\d+)? m?s", "...", told).replace(peer_id(self.key.node), "ME")
        await stream.close()
        return "spoken"


def run(*keys: Identity, main: object) -> None:
    """Run `main` with a caller for each key."""

    async def bounded() -> None:
        with trio.fail_after(WITHIN_S):
            async with trio.open_nursery() as nursery:
                callers = [await Caller(key, nursery).begin() for key in keys]
                await main(*callers)  # type: ignore[operator]
                nursery.cancel_scope.cancel()

    trio.run(bounded)


async def asked(stream: Stream, question: object, kind: Any) -> Any:
    """Put one question and return the one answer."""
    await stream.send(wire.frame(wire.encode(question)))
    reader = wire.FrameReader()
    try:
        while data := await stream.receive(limits.READ_BYTES):
            for body in reader.feed(data):
                return wire.decode(body, kind)
    finally:
        await stream.close()
    raise AssertionError("no answer")


def stranger() -> Identity:
    return Identity.generate(World())


@pytest.mark.parametrize("protocol", protocols())
def test_a_member_of_one_library_is_a_stranger_to_the_other(
    machine: Machine, protocol: str
) -> None:
    async def main(anns: Caller, nobody: Caller, bens: Caller) -> None:
        assert await anns.learn(machine.ann, protocol) == "spoken", "so it is a good key"
        assert await bens.learn(machine.ben, protocol) == "spoken"
        refused = await nobody.learn(machine.ben, protocol)
        # A code was used lately: for a while strangers may ask, to be told that it was.
        assert refused != "spoken" or protocol == ENROL_PROTOCOL
        assert await anns.learn(machine.ben, protocol) == refused
        assert await bens.learn(machine.ann, protocol) == (
            await nobody.learn(machine.ann, protocol)
        )

    run(machine.anns, stranger(), machine.bens, main=main)


def test_all_protocols_are_walked() -> None:
    assert len(protocols()) >= 6


def test_while_an_invitation_is_open_each_stranger_gets_as_far_as_the_other(
    machine: Machine,
) -> None:
    photonic(machine.ben.home, "invite", "--role", "mobile")

    async def main(anns: Caller, nobody: Caller) -> None:
        for protocol in protocols():
            learned = await nobody.learn(machine.ben, protocol)
            assert learned.startswith("spoken") == (protocol == ENROL_PROTOCOL), protocol
            assert await anns.learn(machine.ben, protocol) == learned

    run(machine.anns, stranger(), main=main)


def test_a_code_of_one_library_opens_nothing_in_the_other(machine: Machine) -> None:
    anns_code = parse_code(photonic(machine.ann.home, "invite").stdout.strip())
    photonic(machine.ben.home, "invite")

    async def refusal(caller: Caller, daemon: Daemon, token: bytes) -> str:
        address, _, name = daemon.listen[0].partition("/p2p/")
        node = parse_peer_id(name)
        await caller.transport.dial(node, [address])
        stream = await caller.transport.open(node, ENROL_PROTOCOL)
        answer = await asked(stream, EnrolRequest(token, anns_code.library, "probe"), Answer)
        assert isinstance(answer, Refused)
        return answer.message

    async def main(caller: Caller) -> None:
        told = await refusal(caller, machine.ben, anns_code.token)
        assert told == await refusal(caller, machine.ben, os.urandom(len(anns_code.token)))
        assert "Lagoon" not in told and "Cellar" not in told

    run(stranger(), main=main)


def knock(shown: Credentials, port: int, expected: str, ticket: bytes) -> str:
    """Come to a lane port; say how that went. Blocks."""
    try:
        LaneTls(*shown).connect(("127.0.0.1", port), expected, ticket).close()
    except ssl.SSLError:
        return "TLS ended"  # how it hears of that is a matter of time
    except (StreamBroken, OSError) as error:
        return type(error).__name__
    return "let in"


async def offered(caller: Caller, daemon: Daemon, shown: Credentials) -> said.OfferLane:
    """Agree on a lane with a node, as a member."""
    address, _, name = daemon.listen[0].partition("/p2p/")
    node = parse_peer_id(name)
    await caller.transport.dial(node, [address])
    stream = await caller.transport.open(node, said.LANE_PROTOCOL)
    offer = await asked(stream, said.AskLane(shown.certificate), said.OfferLane)
    assert isinstance(offer, said.OfferLane)
    return offer


def test_tickets_and_certificates_of_one_library_open_no_lane_of_the_other(
    machine: Machine,
) -> None:
    shown, strangers = make_credentials(machine.anns), make_credentials(stranger())

    async def main(anns: Caller, bens: Caller) -> None:
        of_ann = await offered(anns, machine.ann, shown)
        of_ben = await offered(bens, machine.ben, make_credentials(machine.bens))
        assert of_ann.port != of_ben.port
        told = []
        for who, ticket in (
            (strangers, os.urandom(said.TICKET_BYTES)),
            (shown, of_ann.ticket),  # Ann's ticket and Ann's certificate
            (shown, of_ben.ticket),  # a ticket of Ben's that somebody overheard
            (strangers, of_ben.ticket),
        ):
            told.append(
                await trio.to_thread.run_sync(knock, who, of_ben.port, of_ben.certificate, ticket)
            )
        assert "let in" not in told
        assert len(set(told)) == 1, "and one cannot be told from the other"
        good = await trio.to_thread.run_sync(
            knock, shown, of_ann.port, of_ann.certificate, of_ann.ticket
        )
        assert good == "let in", "so the ticket was a good one"

    run(machine.anns, machine.bens, main=main)


def test_what_is_announced_on_the_network_links_no_two_libraries(machine: Machine) -> None:
    def records(daemon: Daemon) -> set[bytes]:
        address, _, name = daemon.listen[0].partition("/p2p/")
        found = Discovery(parse_peer_id(name), lambda: (address,), lambda *_: None)
        info = found._info([address])
        assert info is not None
        texts = [info.name, info.server or "", str(info.port), *map(str, info.properties.items())]
        return {text.encode() for text in texts}

    ann, ben = records(machine.ann), records(machine.ben)
    assert ann & ben == {str((b"v", b"1")).encode()}
    everything = b" ".join(ann | ben)
    for secret in ("Lagoon", "Cellar", "studio", "ben", os.uname().nodename):
        assert secret.encode() not in everything, secret
    keys = [Path(home, "keys/node").read_bytes() for home in (machine.ann.home, machine.ben.home)]
    assert keys[0] != keys[1]


def test_nodes_of_both_libraries_on_two_machines_meet_their_own_alone(tmp_path: Path) -> None:
    with daemons(tmp_path / "studio", tmp_path / "box") as (studio, box):
        studio.start("--library-name", "Lagoon")
        studio_ben = add(studio, "ben", "--name", "Cellar")
        code = photonic(studio.home, "invite", "--role", "central").stdout.strip()
        photonic(box.home, "join", code)
        box.start("--peer", studio.listen[0])
        code = photonic(studio_ben.home, "invite", "--role", "central").stdout.strip()
        photonic(box.home, "library", "join", "cellar", code)
        box_ben = tenant(box, "cellar")
        for one, other in ((studio, box), (studio_ben, box_ben)):
            one.wait_until(lambda one=one: one.status()["peers"] == 1)  # type: ignore[misc]
            assert one.status()["library"] == other.status()["library"]
            (peer,) = one.get("/peers")["items"]
            assert peer["id"] == other.status()["node"]["id"]
        photo = tmp_path / "card"
        photo.mkdir()
        (photo / "a.CR3").write_bytes(os.urandom(200_000))
        photonic(studio_ben.home, "import", str(photo), check=False)
        box_ben.wait_until(lambda: box_ben.status()["holdings"]["held"] == 1)
        assert box.status()["photos"] == studio.status()["photos"] == 0
        assert box.get("/transfers")["items"] == []
