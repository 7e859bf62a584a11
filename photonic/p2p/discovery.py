"""Nodes on the same network, found through multicast DNS: hints where to dial, nothing more.

What is announced is readable by every stranger on the network, so it is a peer ID (as instance
name, host name and TXT record), a protocol version, addresses and a port; no library and no
machine is named. What is found is as little trusted: it is worth a dial, whose handshake proves
who answers. A node that was killed stays listed until its record expires. Where multicast does
not work, one line in the log says so and everything else goes on.
"""

from __future__ import annotations

import functools
import ipaddress
import logging
import socket
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress

import anyio.to_thread
import trio
import zeroconf
from anyio.abc import TaskStatus

from photonic import limits
from photonic.errors import AddressInvalid
from photonic.ids import NodeId, parse_peer_id, peer_id
from photonic.p2p.addresses import Endpoint, endpoint_of, interface_hosts, parse_endpoint

log = logging.getLogger(__name__)

FoundListener = Callable[[NodeId, tuple[str, ...]], None]
VERSION = b"1"
_RESOLVE_MS = 3_000
_GROUP = "224.0.0.251"  # RFC 6762


class Discovery:
    """Announces one node and listens for others while `run` runs.

    `addresses` is asked again now and then, on the event loop's thread: when it says something
    else, or the interfaces changed, the announcement is made anew. `on_found` is called on that
    thread, too, once for each news of a node, and must neither block nor raise. `interfaces` are
    the IP addresses to use; None: all of this machine's.
    """

    def __init__(
        self,
        node: NodeId,
        addresses: Callable[[], Sequence[str]],
        on_found: FoundListener,
        service: str = "_photonic._tcp.local.",
        interfaces: Sequence[str] | None = None,
    ) -> None:
        self._node, self._addresses, self._on_found = node, addresses, on_found
        self._service = service
        self._interfaces = list(interfaces) if interfaces is not None else None
        self._known: OrderedDict[NodeId, tuple[str, ...]] = OrderedDict()
        self._has_complained = False
        self._retry_s = limits.DISCOVERY_REFRESH_S

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Announce and listen until cancelled; `started()` after the first attempt."""
        found, news = trio.open_memory_channel[tuple[NodeId, tuple[str, ...]]](
            limits.DISCOVERED_MAX
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell, news)
            await self._announce(found, task_status)

    async def _tell(self, news: trio.MemoryReceiveChannel[tuple[NodeId, tuple[str, ...]]]) -> None:
        async for node, addresses in news:
            if node != self._node and self._known.get(node) != addresses:
                self._known[node] = addresses
                self._known.move_to_end(node)
                if len(self._known) > limits.DISCOVERED_MAX:
                    self._known.popitem(last=False)
                self._on_found(node, addresses)

    async def _announce(
        self,
        found: trio.MemorySendChannel[tuple[NodeId, tuple[str, ...]]],
        task_status: TaskStatus[None],
    ) -> None:
        """Keep one announcement standing that says what is true now."""
        is_first = True
        while True:
            addresses = tuple(self._addresses())
            listener = _Listener(trio.lowlevel.current_trio_token(), found)
            start = functools.partial(_start, self._service, self._info(addresses), listener)
            responder: zeroconf.Zeroconf | None = None
            try:
                with trio.CancelScope(shield=True):  # else a cancellation loses the responder
                    responder = await anyio.to_thread.run_sync(start, self._interfaces)
            except (OSError, zeroconf.Error) as error:
                self._complain(error)
            try:
                if is_first:
                    task_status.started()
                    is_first = False
                await self._wait_change(addresses, is_announced=responder is not None)
            finally:
                if responder is not None:
                    with trio.move_on_after(limits.SHUTDOWN_GRACE_S) as patience:
                        patience.shield = True
                        await anyio.to_thread.run_sync(responder.close, abandon_on_cancel=True)

    async def _wait_change(self, addresses: tuple[str, ...], *, is_announced: bool) -> None:
        """Wait until it is worth announcing again; failures are tried again ever more rarely."""
        if not is_announced:
            await trio.sleep(self._retry_s)
            self._retry_s = min(2 * self._retry_s, limits.DISCOVERY_RETRY_S_MAX)
            return
        self._retry_s = limits.DISCOVERY_REFRESH_S
        while True:
            await trio.sleep(limits.DISCOVERY_REFRESH_S)
            if tuple(self._addresses()) != addresses:
                return

    def _complain(self, error: Exception) -> None:
        level = logging.DEBUG if self._has_complained else logging.WARNING
        self._has_complained = True
        log.log(level, "nodes on this network are not found by themselves: %r", error)

    def _info(self, addresses: Sequence[str]) -> zeroconf.ServiceInfo | None:
        """Return what to announce of `addresses`: those on the first one's port, or nothing."""
        endpoints: list[Endpoint] = []
        for text in addresses:
            with suppress(AddressInvalid):
                endpoint = parse_endpoint(text)
                if endpoint.family in ("ip4", "ip6") and not endpoint.is_wildcard:
                    endpoints.append(endpoint)
        if not endpoints:
            return None
        name = peer_id(self._node)
        port = endpoints[0].port
        return zeroconf.ServiceInfo(
            self._service,
            f"{name}.{self._service}",
            port=port,
            server=f"{name}.local.",
            parsed_addresses=[each.host for each in endpoints if each.port == port],
            properties={b"v": VERSION, b"id": name.encode()},
        )


def _start(
    service: str,
    info: zeroconf.ServiceInfo | None,
    listener: _Listener,
    interfaces: Sequence[str] | None,
) -> zeroconf.Zeroconf:
    """Make a responder that announces `info`, and browse. Blocks.

    Raises OSError, zeroconf.Error.
    """
    usable = _multicast_hosts(interface_hosts() if interfaces is None else interfaces)
    responder = zeroconf.Zeroconf(interfaces=usable, ip_version=zeroconf.IPVersion.V4Only)
    try:
        if info is not None:
            # Without cooperation it would first ask, for a second, whether the name is taken;
            # the name is a key, nobody else has it.
            responder.register_service(info, cooperating_responders=True)
        zeroconf.ServiceBrowser(responder, service, listener=listener)
    except BaseException:
        responder.close()
        raise
    return responder


def _multicast_hosts(hosts: Sequence[str]) -> list[str]:
    """Return the IPv4 interfaces that take part in multicast. Raises OSError if none does.

    Asked beforehand, because the library loses its sockets when it fails to start.
    """
    usable = []
    error = OSError("there is no IPv4 interface")
    for host in hosts:
        if ":" in host:
            continue
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                membership = socket.inet_aton(_GROUP) + socket.inet_aton(host)
                probe.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
            usable.append(host)
        except OSError as refusal:
            error = refusal
    if not usable:
        raise error
    return usable


class _Listener(zeroconf.ServiceListener):
    """Called on a thread of the responder's browser; hands what it finds to the event loop."""

    def __init__(
        self,
        token: trio.lowlevel.TrioToken,
        found: trio.MemorySendChannel[tuple[NodeId, tuple[str, ...]]],
    ) -> None:
        self._token, self._found = token, found

    def add_service(self, zc: zeroconf.Zeroconf, type_: str, name: str) -> None:
        info = zeroconf.ServiceInfo(type_, name)
        try:  # an announcement brings all records with it, as a rule
            is_known = info.load_from_cache(zc) or info.request(zc, _RESOLVE_MS)
        except (zeroconf.Error, RuntimeError, AssertionError):  # closed under our hands
            return
        hint = read_hint(info) if is_known else None
        if hint is not None:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._hand_over, hint)

    def update_service(self, zc: zeroconf.Zeroconf, type_: str, name: str) -> None:
        self.add_service(zc, type_, name)

    def remove_service(self, zc: zeroconf.Zeroconf, type_: str, name: str) -> None:
        """A node that leaves is noticed by its connection, not by what it announced."""

    def _hand_over(self, hint: tuple[NodeId, tuple[str, ...]]) -> None:
        with suppress(trio.WouldBlock, trio.BrokenResourceError, trio.ClosedResourceError):
            self._found.send_nowait(hint)  # too many at once: the next announcement tells again


def read_hint(info: zeroconf.ServiceInfo) -> tuple[NodeId, tuple[str, ...]] | None:
    """Return who is announced to be where, or None if the record makes no sense to us."""
    if info.properties.get(b"v") != VERSION or not info.port:
        return None
    try:
        node = parse_peer_id((info.properties.get(b"id") or b"").decode("ascii"))
        hosts = [ipaddress.ip_address(host.partition("%")[0]) for host in info.parsed_addresses()]
    except ValueError:
        return None
    dialable = [
        str(endpoint_of(str(host), info.port))
        for host in hosts
        if not (host.is_unspecified or host.is_multicast)
        and not (host.version == 6 and host.is_link_local)
    ]
    if not dialable:
        return None
    return node, tuple(sorted(set(dialable))[: limits.ADDRESSES_PER_PEER_MAX])
