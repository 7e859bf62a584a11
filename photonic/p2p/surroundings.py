"""Hears from the kernel that this machine's network changed: a cable, a Wi-Fi, an address.

Linux tells it at once, over a netlink socket; where there is none one looks now and then. What is
told may be nothing that matters, and one change is told in several pieces: whoever hears it looks.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

import trio

from photonic import limits

_LINKS, _IPV4_ADDRESSES, _IPV6_ADDRESSES = 0x1, 0x10, 0x100  # RTMGRP_... of rtnetlink.h
_MESSAGE_BYTES_MAX = 64 * limits.KIB


async def follow_networks(told: Callable[[], None]) -> None:
    """Call `told` whenever the network of this machine may be another one, until cancelled."""
    try:
        netlink = trio.socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
        )
    except (AttributeError, OSError):
        await _look_now_and_then(told)
        return
    with netlink:
        await netlink.bind((0, _LINKS | _IPV4_ADDRESSES | _IPV6_ADDRESSES))
        while True:
            await _hear(netlink)
            with trio.move_on_after(limits.NETWORKS_SETTLE_S) as rest:  # of the same change
                while not rest.cancel_called:
                    await _hear(netlink)
            told()


async def _hear(netlink: trio.socket.SocketType) -> None:
    try:
        await netlink.recv(_MESSAGE_BYTES_MAX)
    except OSError:  # too much at once for its buffer: something changed, too
        await trio.sleep(limits.NETWORKS_SETTLE_S)


async def _look_now_and_then(told: Callable[[], None]) -> None:
    while True:
        await trio.sleep(limits.DISCOVERY_REFRESH_S)
        told()
