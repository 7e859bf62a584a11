"""Two photographers, two libraries, machines that serve both: what the tests of tenants share."""

from __future__ import annotations

from pathlib import Path

from photonic.identity import Identity
from photonic.world import World
from simulations.daemons import Daemon, photonic

NAME = "ben"  # what the machines call Ben's library; Ann's is their first


def tenant(machine: Daemon, name: str = NAME) -> Daemon:
    """Return one further library of a running daemon, to be asked as if it were a daemon."""
    found = Daemon(machine.home / "tenants" / name)
    found._client.close()
    found._client, found.url = machine._client, f"{machine.url}/l/{name}"
    found.listen = found.status()["listen"]
    return found


def add(machine: Daemon, name: str = NAME, *words: str) -> Daemon:
    """Have a daemon serve a further, new library."""
    photonic(machine.home, "library", "add", name, *words)
    return tenant(machine, name)


def enrol_key(inviter: Daemon, home: Path) -> Identity:
    """Become a member with a home folder that never runs; return the member's key."""
    code = photonic(inviter.home, "invite", "--role", "mobile").stdout.strip()
    photonic(home, "join", code)
    return Identity.load_or_create(home / "keys" / "node", World())


def listed(machine: Daemon) -> dict[str, dict[str, object]]:
    """Return what the daemon says of its libraries, by name."""
    answer = machine._client.get(f"{machine.url}/api/libraries")
    answer.raise_for_status()
    return {one["name"]: one for one in answer.json()["items"]}
