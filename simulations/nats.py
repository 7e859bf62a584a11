"""Two homes behind NATs and a machine that everybody reaches, in network namespaces.

    one -- its NAT --+
                     +-- the world -- relay
    two -- its NAT --+

The NATs let out what begins inside and nothing in that begins outside, as a router at home does. A
`Nat.PRESERVING` one gives a connection the port outside that it has inside, if it can; one that is
`CHANGING` another one for each. Needs root, as rooms do.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from simulations.rooms import Room

WORLD = "203.0.113"
RELAY = f"{WORLD}.1"


class Nat(enum.Enum):
    """What a NAT does to the port of a connection."""

    PRESERVING = "masquerade"
    CHANGING = "masquerade fully-random"


class Homes(NamedTuple):
    """Where the three are."""

    relay: Room
    one: Room
    two: Room


@contextmanager
def homes(nat: Nat = Nat.PRESERVING) -> Iterator[Homes]:
    """Give three rooms, of which the last two are behind NATs."""
    with ExitStack() as stack:
        world = stack.enter_context(Room())
        world.run("ip", "link", "add", "switch", "type", "bridge")
        world.run("ip", "link", "set", "switch", "up")
        relay = stack.enter_context(Room(RELAY))
        _plug(world, relay, "relay", "wan", f"{RELAY}/24")
        found = []
        for number in (1, 2):
            router = stack.enter_context(Room(f"{WORLD}.1{number}"))
            _plug(world, router, f"router{number}", "wan", f"{router.address}/24")
            home = stack.enter_context(Room(f"192.168.{number}.2"))
            _join(router, home, number)
            router.run("nft", "-f", "-", text=_rules(nat))
            found.append(home)
        yield Homes(relay, *found)


def _plug(world: Room, room: Room, port: str, device: str, address: str) -> None:
    """Lead a cable from the switch to a room."""
    world.run(
        *("ip", "link", "add", port, "type", "veth"),
        *("peer", "name", device, "netns", str(room.pid)),
    )
    world.run("ip", "link", "set", port, "master", "switch", "up")
    room.run("ip", "address", "add", address, "dev", device)
    room.run("ip", "link", "set", device, "up")


def _join(router: Room, home: Room, number: int) -> None:
    """Lead a cable from a router to the one machine behind it."""
    router.run(
        *("ip", "link", "add", "lan", "type", "veth"),
        *("peer", "name", "eth0", "netns", str(home.pid)),
    )
    router.run("ip", "address", "add", f"192.168.{number}.1/24", "dev", "lan")
    router.run("ip", "link", "set", "lan", "up")
    router.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    home.run("ip", "address", "add", f"{home.address}/24", "dev", "eth0")
    home.run("ip", "link", "set", "eth0", "up")
    home.run("ip", "route", "add", "default", "via", f"192.168.{number}.1")


def _rules(nat: Nat) -> str:
    return f"""
table ip nat {{ chain out {{ type nat hook postrouting priority srcnat;
    oifname wan {nat.value}
}}
}}
table ip wall {{
    chain in {{ type filter hook input priority 0;
        iifname wan ct state established accept
        iifname wan drop
    }}
    chain through {{ type filter hook forward priority 0;
        iifname wan ct state established accept
        iifname wan drop
    }}
}}
"""
