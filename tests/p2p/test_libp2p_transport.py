"""Libp2pTransport keeps the contract, and does right by addresses and ports."""

from __future__ import annotations

import functools
import socket

import anyio
import pytest

from photonic.errors import AddressInvalid, PeerUnreachable, PortInUse
from photonic.identity import Identity
from photonic.ids import peer_id
from photonic.p2p.libp2p_transport import Libp2pTransport
from photonic.p2p.transport import Transport
from photonic.world import World
from tests.p2p.peer import ECHO, running
from tests.p2p.transport_contract import CLAIMS, Claim, run_claim

WORLD = World()
LOOPBACK = "/ip4/127.0.0.1/tcp/0"


def make(*listen: str) -> Libp2pTransport:
    return Libp2pTransport(Identity.generate(WORLD), listen or (LOOPBACK,), WORLD)


def make_loopback() -> Transport:
    return make()


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
def test_keeps_the_contract(claim: Claim) -> None:
    run_claim(claim, make_loopback)


def test_a_wildcard_is_advertised_as_real_addresses() -> None:
    async def main() -> None:
        with anyio.fail_after(20):
            transport = make("/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/0")
            assert transport.addresses() == ()
            async with running(transport) as a, running(make()) as b:
                addresses = a.transport.addresses()
                assert addresses
                assert not [x for x in addresses if "/0.0.0.0/" in x or "/::/" in x]
                await b.dial(a)
                assert await b.ask(a, ECHO, b"x") == b"x"

    anyio.run(main, backend="trio")


def test_ipv6_works_and_is_written_as_such() -> None:
    async def main() -> None:
        with anyio.fail_after(20):
            async with running(make("/ip6/::1/tcp/0")) as a, running(make()) as b:
                assert a.transport.addresses()[0].startswith("/ip6/::1/tcp/")
                await b.dial(a)
                assert await b.ask(a, ECHO, b"x") == b"x"

    anyio.run(main, backend="trio")


def test_a_port_in_use_is_told_apart_from_a_bad_address() -> None:
    async def run_on(*listen: str) -> None:
        async with anyio.create_task_group() as tasks:
            gate = functools.partial(pytest.fail, "no peer came")
            run = functools.partial(make(*listen).run, {}, {}, gate, gate)
            await tasks.start(run)

    async def raised_by(*listen: str) -> type[BaseException]:
        try:
            with anyio.fail_after(10):
                await run_on(*listen)
        except BaseExceptionGroup as group:
            [error] = group.exceptions
            return type(error)
        except (PortInUse, AddressInvalid) as error:
            return type(error)
        return AssertionError

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            taken_address = f"/ip4/127.0.0.1/tcp/{taken.getsockname()[1]}"
            assert await raised_by(taken_address) is PortInUse
            async with running(make()) as other:  # another node of ours counts as well
                assert await raised_by(*other.transport.addresses()) is PortInUse
            for bad in (
                "/ip4/203.0.113.7/tcp/0",  # nobody's address here
                "/ip4/127.0.0.1/udp/1",
                "/ip4/127.0.0.1/tcp/65536",
                "/ip4/localhost/tcp/1",
                "127.0.0.1:4310",
                "",
            ):
                assert await raised_by(bad) is AddressInvalid, bad

    anyio.run(main, backend="trio")


def test_dials_an_address_with_the_peer_id_behind_it() -> None:
    async def main() -> None:
        with anyio.fail_after(20):
            async with running(make()) as a, running(make()) as b:
                [address] = b.transport.addresses()
                await a.transport.dial(b.node, [f"{address}/p2p/{peer_id(b.node)}"])
                assert await a.ask(b, ECHO, b"x") == b"x"

    anyio.run(main, backend="trio")


def test_an_unreachable_peer_is_told_with_each_address_and_reason() -> None:
    async def main() -> None:
        with anyio.fail_after(20):
            async with running(make()) as a, running(make()) as b:
                [address] = b.transport.addresses()
            async with running(make()) as a:
                with pytest.raises(PeerUnreachable) as told:
                    await a.transport.dial(b.node, [address, "/ip4/127.0.0.1/udp/9"])
                port = address.rpartition("/")[2]
                assert f"127.0.0.1:{port} refused" in told.value.reason
                assert "/udp/9 no address of a TCP port" in told.value.reason

    anyio.run(main, backend="trio")
