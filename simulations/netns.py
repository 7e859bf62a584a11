"""The network of a scenario, real: places, machines in them, cables, NAT, and faults.

    yoda --+                        +-- a machine
           +-- switch, router ==== NAT, switch
    luke --+   (a place)            (another place: the far end of a link that is behind NAT)

Each place and each machine is a network namespace. A place is a switch and a router; `[links]` of
the scenario join two places, the second of which is the far one. A machine that leaves a place has
its cable pulled, and gets another address where it arrives. What is lost by fault is lost where it
comes in (`impairments`). Needs root, `ip`, `tc` and `nft`; whatever ends this process ends it all
(`rooms`). Nothing here knows photonic.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Self

import msgspec

from simulations.cables import Plug, cable
from simulations.impairments import Impairments, rules
from simulations.links import Preset
from simulations.rooms import Room
from simulations.scenario import Scenario

_QUIET = "for c in all default; do echo 1 > /proc/sys/net/ipv6/conf/$c/disable_ipv6; done"
_ROUTES = "echo 1 > /proc/sys/net/ipv4/ip_forward"
_MACHINES_MIN, _MOVED = 10, 100  # of the last number of an address


@dataclass(slots=True)
class Site:
    """A place: its switch and its router."""

    name: str
    number: int
    room: Room
    losses: dict[str, float] = field(default_factory=dict)  # of links, by device

    @property
    def router(self) -> str:
        return f"10.{100 + self.number}.0.1"

    @property
    def net(self) -> str:
        return f"10.{100 + self.number}.0.0/24"


@dataclass(frozen=True, slots=True)
class Cable:
    """A link between two places; with NAT, all of the far one shows one address."""

    near: Site
    far: Site
    preset: Preset
    number: int

    def address(self, site: Site) -> str:
        return f"10.200.{self.number}.{1 if site is self.near else 2}"


@dataclass(slots=True)
class Machine:
    """A machine: where it is, and how it is plugged in there. `site` None: it is nowhere."""

    name: str
    number: int
    room: Room
    site: Site | None = None
    plugs: ExitStack = field(default_factory=ExitStack)

    @property
    def address(self) -> str:
        assert self.site is not None
        return f"10.{100 + self.site.number}.0.{self.number}"


class RealNetwork:
    """A context with the network of a scenario. Raises LeftOut where this machine cannot."""

    def __init__(self, scenario: Scenario, *strangers: str) -> None:
        """`strangers` are machines at the first place that are nobody's node."""
        self._scenario = scenario
        self._strangers = strangers
        self._stack = ExitStack()
        self._sites: dict[str, Site] = {}
        self._cables: list[Cable] = []
        self._faults = Impairments(scenario.nodes)
        self._loses = False
        self.machines: dict[str, Machine] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for number, name in enumerate(self._scenario.places):
                self._sites[name] = self._build(Site(name, number, stack.enter_context(Room())))
            for number, names in enumerate(self._scenario.links):
                self._join(number, *names.split(), stack=stack)
            for number, name in enumerate([*self._scenario.nodes, *self._strangers]):
                room = stack.enter_context(Room("0.0.0.0"))  # wherever it will be
                room.run("sh", "-c", _QUIET)
                machine = Machine(name, _MACHINES_MIN + number, room)
                stack.callback(machine.plugs.close)
                self.machines[name] = machine
            for name, plan in self._scenario.nodes.items():
                if plan.place:
                    self.arrive(name, plan.place)
            for name in self._strangers:
                self.arrive(name, next(iter(self._sites)))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        for machine in self.machines.values():
            machine.plugs.close()
        self._stack.close()

    def _build(self, site: Site) -> Site:
        run = site.room.run
        run("sh", "-c", f"{_QUIET}; {_ROUTES}")
        # Without an asker nobody's membership would last: what is said to a group goes everywhere.
        run("ip", "link", "add", "switch", "type", "bridge", "mcast_snooping", "0")
        if self._strangers and not site.number:  # it forgets who is where: all hear everything
            run("ip", "link", "set", "switch", "type", "bridge", "ageing_time", "0")
        run("ip", "address", "add", f"{site.router}/24", "dev", "switch")
        run("ip", "link", "set", "switch", "up")
        return site

    def _join(self, number: int, near: str, far: str, *, stack: ExitStack) -> None:
        link = Cable(self._sites[near], self._sites[far], self._preset(near, far), number)
        if link.preset.is_carried:
            return  # that is no network
        self._cables.append(link)
        device = f"link{number}"
        plugs = (
            Plug(link.near.room, device, link.preset.down_bytes_s),
            Plug(link.far.room, device, link.preset.up_bytes_s),
        )
        stack.enter_context(cable(link.preset, *plugs))
        for here, there in ((link.near, link.far), (link.far, link.near)):
            run, address = here.room.run, link.address(here)
            words = (address, "peer", link.address(there), "dev", device)
            run("ip", "address", "add", *words)
            run("ip", "link", "set", device, "up")
            if here is link.far or not link.preset.is_behind_nat:
                run("ip", "route", "add", there.net, "via", link.address(there), "dev", device)
            here.losses[device] = link.preset.loss
        if link.preset.is_behind_nat:
            link.far.room.run("nft", "-f", "-", text=_nat(device))

    def _preset(self, near: str, far: str) -> Preset:
        preset = self._scenario.preset(near, far)
        assert preset is not None, f"nothing joins {near} and {far}"
        return preset

    # --- machines ----------------------------------------------------------------------------

    def arrive(self, name: str, place: str) -> None:
        """Plug a machine in at a place; what stood before at another one breaks."""
        self.leave(name)
        machine, site = self.machines[name], self._sites[place]
        preset = self._preset(place, place)
        # Two of these cables lie between any two machines.
        half = msgspec.structs.replace(
            preset, latency_ms=preset.latency_ms / 2, jitter_ms=preset.jitter_ms / 2
        )
        port = f"port{machine.number % _MOVED}"
        plugs = (
            Plug(site.room, port, preset.down_bytes_s),
            Plug(machine.room, "eth0", preset.up_bytes_s),
        )
        machine.plugs.enter_context(cable(half, *plugs, is_bridged=True))
        machine.site = site
        site.room.run("ip", "link", "set", port, "master", "switch", "up")
        self._address(machine)

    def leave(self, name: str) -> None:
        """Pull a machine's cable. One that is nowhere stays there."""
        machine = self.machines[name]
        machine.plugs.close()
        machine.site = None
        self._refresh()

    def move(self, name: str) -> bool:
        """Give a machine another address where it is; False if it is nowhere."""
        machine = self.machines[name]
        if machine.site is None:
            return False
        machine.number = (machine.number + _MOVED) % (2 * _MOVED)
        self._address(machine)
        return True

    def _address(self, machine: Machine) -> None:
        assert machine.site is not None
        run = machine.room.run
        run("ip", "address", "flush", "dev", "eth0")
        run("ip", "address", "add", f"{machine.address}/24", "dev", "eth0")
        run("ip", "link", "set", "eth0", "up")
        run("ip", "route", "replace", "default", "via", machine.site.router)
        self._refresh()

    # --- faults ------------------------------------------------------------------------------

    def begin_losses(self) -> None:
        """From now on links and places lose their share of packets. Before they lose none, so that
        a library can be founded in a reasonable time."""
        self._loses = True
        for site in self._sites.values():
            site.room.run("nft", "-f", "-", text=rules((), site.losses))
        self._refresh()

    def cut(self, source: str, target: str, *, one_way: bool) -> None:
        self._faults.cut(source, target, one_way=one_way)
        self._refresh()

    def mend(self, one: str, other: str) -> None:
        self._faults.mend(one, other)
        self._refresh()

    def part(self, side: tuple[str, ...], *, one_way: bool) -> None:
        self._faults.part(side, one_way=one_way)
        self._refresh()

    def clog(self, name: str) -> None:
        self._faults.clog(name)
        self._refresh()

    def unclog(self, name: str) -> None:
        self._faults.unclog(name)
        self._refresh()

    def heal(self) -> None:
        """Undo all faults. Machines stay where they are."""
        self._faults.heal()
        self._refresh()

    def is_open(self, source: str, target: str) -> bool:
        """Whether what one says comes to the other, if it may dial it at all."""
        seen = self._seen_as(self.machines[source], self.machines[target])
        return seen is not None and not self._faults.are_cut(source, target)

    def reaches(self, source: str, target: str) -> bool:
        """Whether one can dial the other now."""
        one, other = self.machines[source].site, self.machines[target].site
        dialled = any(
            link.far is other and link.near is one and link.preset.is_behind_nat
            for link in self._cables
        )
        both = self.is_open(source, target) and self.is_open(target, source)
        return both and not dialled

    def _seen_as(self, source: Machine, target: Machine) -> str | None:
        """Return the address that one sees of another; None if no way leads there."""
        if source.site is None or target.site is None:
            return None
        if source.site is target.site:
            return source.address
        for link in self._cables:
            if {source.site.name, target.site.name} == {link.near.name, link.far.name}:
                is_hidden = link.preset.is_behind_nat and source.site is link.far
                return link.address(link.far) if is_hidden else source.address
        return None

    def _refresh(self) -> None:
        """Have the kernel drop what is to be lost now, all of it, at every machine."""
        for target in self.machines.values():
            if target.site is None:
                continue
            others = [m for m in self.machines.values() if m is not target]
            cut_off = {
                seen
                for source in others
                if (seen := self._seen_as(source, target)) is not None
                and self._faults.are_cut(source.name, target.name)
            }
            preset = self._preset(target.site.name, target.site.name)
            loss = preset.loss if self._loses else 0.0
            target.room.run("nft", "-f", "-", text=rules(cut_off, {"eth0": loss}))


def _nat(device: str) -> str:
    """Return what a router at home does: out goes all, in comes only what answers it."""
    accept, drop = f'iifname "{device}" ct state established,related accept', "drop"
    chains = "".join(
        f" chain {hook} {{\n  type filter hook {hook} priority 0;\n"
        f'  {accept}\n  iifname "{device}" {drop}\n }}\n'
        for hook in ("input", "forward")
    )
    return (
        f"table ip {device} {{\n chain out {{\n  type nat hook postrouting priority srcnat;\n"
        f'  oifname "{device}" masquerade\n }}\n{chains}}}\n'
    )
