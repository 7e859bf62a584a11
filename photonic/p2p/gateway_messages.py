"""What is asked of `gateway.py`, the program that speaks with routers, and what it answers."""

from __future__ import annotations

import msgspec


class Question(msgspec.Struct, frozen=True):
    """Open these ports, from outside to the same port here; or close them."""

    ports: tuple[int, ...]
    closes: bool = False
    lease_s: int = 0
    wait_ms: int = 2_000  # for gateways to answer
    interface: str = ""  # the IP address to ask from; "": wherever the system sends it


class Answer(msgspec.Struct, frozen=True):
    """What the gateway did."""

    gateway: str = ""  # its address; "": none answered
    outside: str = ""  # this network's IP address, as the gateway has it
    ports: tuple[int, ...] = ()  # that are open (or closed) now
    reasons: dict[str, str] = {}  # by port, why one is not
