"""Nodes find each other through multicast DNS, and strangers learn nothing from it."""

from __future__ import annotations

import ipaddress
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio
import pytest
import trio
import zeroconf

from photonic import limits
from photonic.identity import Identity
from photonic.ids import NodeId, peer_id
from photonic.p2p.discovery import Discovery, read_hint
from photonic.world import World

WORLD = World()
LOOPBACK = ["127.0.0.1"]
SERVICE = "_photonictest._tcp.local."
Found = tuple[NodeId, tuple[str, ...]]


def has_multicast() -> bool:
    """Whether a datagram sent to the mDNS group over loopback comes back."""
    group = socket.inet_aton("224.0.0.251") + socket.inet_aton("127.0.0.1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("", 0))
        ear.settimeout(2)
        with suppress(OSError):
            ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
            ear.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, group[4:])
            ear.sendto(b"echo", ("224.0.0.251", ear.getsockname()[1]))
            return ear.recv(16) == b"echo"
    return False


needs_multicast = pytest.mark.skipif(
    not has_multicast(), reason="multicast does not work on this machine's loopback interface"
)


def new_node() -> NodeId:
    return Identity.generate(WORLD).node


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        with trio.fail_after(30):
            await main()

    trio.run(bounded)


def watch(
    node: NodeId, addresses: Callable[[], list[str]]
) -> tuple[Discovery, trio.MemoryReceiveChannel[Found]]:
    """Return a discovery of `node` and what it finds."""
    send, receive = trio.open_memory_channel[Found](100)

    def on_found(found: NodeId, where: tuple[str, ...]) -> None:
        send.send_nowait((found, where))

    return Discovery(node, addresses, on_found, SERVICE, LOOPBACK), receive


async def wait_for(channel: trio.MemoryReceiveChannel[Found], node: NodeId) -> tuple[str, ...]:
    """Skip what is found until it is `node`."""
    async for found, where in channel:
        if found == node:
            return where
    raise AssertionError("the channel ended")


@needs_multicast
def test_two_nodes_find_each_other_and_not_themselves() -> None:
    async def main() -> None:
        a, b = new_node(), new_node()
        discovery_a, found_by_a = watch(a, lambda: ["/ip4/127.0.0.1/tcp/4310"])
        discovery_b, found_by_b = watch(b, lambda: ["/ip4/127.0.0.1/tcp/4311"])
        async with anyio.create_task_group() as nursery:
            await nursery.start(discovery_a.run)
            await nursery.start(discovery_b.run)
            assert await wait_for(found_by_a, b) == ("/ip4/127.0.0.1/tcp/4311",)
            assert await wait_for(found_by_b, a) == ("/ip4/127.0.0.1/tcp/4310",)
            nursery.cancel_scope.cancel()
        for channel, own in ((found_by_a, a), (found_by_b, b)):
            with suppress(trio.WouldBlock):
                while True:
                    assert channel.receive_nowait()[0] != own

    run(main)


@needs_multicast
def test_a_new_address_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DISCOVERY_REFRESH_S", 0.1)

    async def main() -> None:
        a, b, port = new_node(), new_node(), 5_001
        discovery_a, found_by_a = watch(a, list)
        discovery_b, _ = watch(b, lambda: [f"/ip4/127.0.0.1/tcp/{port}"])
        async with anyio.create_task_group() as nursery:
            await nursery.start(discovery_a.run)
            await nursery.start(discovery_b.run)
            assert await wait_for(found_by_a, b) == ("/ip4/127.0.0.1/tcp/5001",)
            port = 5_002
            assert await wait_for(found_by_a, b) == ("/ip4/127.0.0.1/tcp/5002",)
            nursery.cancel_scope.cancel()

    run(main)


@needs_multicast
def test_a_stranger_reads_a_peer_id_and_an_address_and_nothing_else() -> None:
    async def main() -> None:
        node = new_node()
        discovery, _ = watch(node, lambda: ["/ip4/127.0.0.1/tcp/4310"])
        async with anyio.create_task_group() as nursery:
            await nursery.start(discovery.run)
            name = f"{peer_id(node)}.{SERVICE}"

            def look() -> zeroconf.ServiceInfo | None:
                stranger = zeroconf.Zeroconf(LOOPBACK, ip_version=zeroconf.IPVersion.V4Only)
                try:
                    return stranger.get_service_info(SERVICE, name, timeout=5_000)
                finally:
                    stranger.close()

            info = await trio.to_thread.run_sync(look)
            assert info is not None
            assert info.properties == {b"v": b"1", b"id": peer_id(node).encode()}
            assert info.server == f"{peer_id(node)}.local."
            assert info.parsed_addresses() == ["127.0.0.1"]
            nursery.cancel_scope.cancel()

    run(main)


@needs_multicast
def test_garbage_of_others_is_passed_over() -> None:
    async def main() -> None:
        a, b = new_node(), new_node()
        discovery, found = watch(a, list)

        def shout(responder: zeroconf.Zeroconf) -> None:
            bad: list[dict[bytes, bytes | None]] = [
                {},
                {b"v": b"1", b"id": b"\xff\xfe"},
                {b"v": b"1", b"id": b"QmNotAnEd25519Key"},
                {b"v": None, b"id": None},
                {b"v": b"999", b"id": peer_id(b).encode()},
            ]
            good: dict[bytes, bytes | None] = {b"v": b"1", b"id": peer_id(b).encode()}
            for number, properties in enumerate([*bad, good]):
                info = zeroconf.ServiceInfo(
                    SERVICE,
                    f"garbage{number}.{SERVICE}",
                    port=6_000 + number,
                    server=f"garbage{number}.local.",
                    parsed_addresses=LOOPBACK,
                    properties=properties,
                )
                responder.register_service(info, cooperating_responders=True)

        async with anyio.create_task_group() as nursery:
            await nursery.start(discovery.run)
            responder = await trio.to_thread.run_sync(
                lambda: zeroconf.Zeroconf(LOOPBACK, ip_version=zeroconf.IPVersion.V4Only)
            )
            try:
                await trio.to_thread.run_sync(shout, responder)
                assert await found.receive() == (b, ("/ip4/127.0.0.1/tcp/6005",))
            finally:
                with trio.CancelScope(shield=True):
                    await trio.to_thread.run_sync(responder.close)
            nursery.cancel_scope.cancel()

    run(main)


@needs_multicast
def test_the_event_loop_is_never_held_up() -> None:
    """The library's start, announcement and end take a good second, on threads."""

    async def main() -> None:
        worst_s = 0.0

        async def measure() -> None:
            nonlocal worst_s
            while True:
                before = time.monotonic()
                await trio.sleep(0.001)
                worst_s = max(worst_s, time.monotonic() - before)

        discovery, _ = watch(new_node(), lambda: ["/ip4/127.0.0.1/tcp/4310"])
        async with anyio.create_task_group() as nursery:
            nursery.start_soon(measure)
            async with anyio.create_task_group() as inner:
                await inner.start(discovery.run)
                inner.cancel_scope.cancel()
            nursery.cancel_scope.cancel()
        assert worst_s < 0.25, f"the loop stood still for {worst_s:.3f} s"

    run(main)


def test_without_multicast_it_says_so_once_and_goes_on(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interface that does not exist stands for a machine where multicast fails."""
    monkeypatch.setattr(limits, "DISCOVERY_REFRESH_S", 0.01)
    asked = trio.Event()
    times = 0

    def addresses() -> list[str]:
        nonlocal times
        times += 1
        if times == 4:
            asked.set()
        return ["/ip4/127.0.0.1/tcp/4310"]

    async def main() -> None:
        discovery = Discovery(
            new_node(), addresses, lambda node, where: None, SERVICE, ["203.0.113.7"]
        )
        async with anyio.create_task_group() as nursery:
            await nursery.start(discovery.run)
            await asked.wait()
            nursery.cancel_scope.cancel()

    with caplog.at_level(logging.WARNING, logger="photonic.p2p.discovery"):
        run(main)
    ours = [record for record in caplog.records if record.name == "photonic.p2p.discovery"]
    assert len(ours) == 1


def test_a_hint_holds_dialable_addresses_only() -> None:
    node = new_node()
    hosts = ["10.0.0.7", "0.0.0.0", "224.0.0.9", "fe80::1", "2001:db8::5"]
    info = zeroconf.ServiceInfo(
        SERVICE,
        f"x.{SERVICE}",
        port=4_310,
        addresses=[ipaddress.ip_address(host).packed for host in hosts],
        properties={b"v": b"1", b"id": peer_id(node).encode()},
    )
    assert read_hint(info) == (node, ("/ip4/10.0.0.7/tcp/4310", "/ip6/2001:db8::5/tcp/4310"))
