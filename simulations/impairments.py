"""What becomes of packets between machines by fault, as values and as rules for nftables. Pure.

Faults have a direction: what `source` says to `target` is lost, all of it or a share. The rules
stand where packets come in, so that a node that is cut off one way still speaks, and is not told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import product

Way = tuple[str, str]  # from whom, to whom
_STEPS = 10_000  # in which nftables counts shares


class Impairments:
    """Which ways between nodes lose packets now. Knows no address and no kernel."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(names)
        self._cuts: set[Way] = set()
        self._clogged: set[str] = set()

    def cut(self, source: str, target: str, *, one_way: bool = False) -> None:
        self._cuts |= {(source, target)} if one_way else {(source, target), (target, source)}

    def mend(self, one: str, other: str) -> None:
        self._cuts -= {(one, other), (other, one)}

    def part(self, side: Collection[str], *, one_way: bool = False) -> None:
        """Cut some off from all others; one way: what they say is lost, and they hear."""
        others = [name for name in self._names if name not in side]
        for here, there in product(side, others):
            self.cut(here, there, one_way=one_way)

    def clog(self, name: str) -> None:
        self._clogged.add(name)

    def unclog(self, name: str) -> None:
        self._clogged.discard(name)

    def heal(self) -> None:
        self._cuts.clear()
        self._clogged.clear()

    def are_cut(self, source: str, target: str) -> bool:
        is_clogged = bool({source, target} & self._clogged)
        return is_clogged or (source, target) in self._cuts


def rules(cut_off: Collection[str], losses: Mapping[str, float]) -> str:
    """Return the table of one machine: from `cut_off` addresses nothing comes in, and on each
    device of `losses` a share of the packets is lost. Replaces what stood there before."""
    addresses = ", ".join(sorted(cut_off))
    drops = [f"ip saddr {{ {addresses} }} drop"] if addresses else []
    drops += [
        f'iifname "{device}" numgen random mod {_STEPS} < {round(share * _STEPS)} drop'
        for device, share in sorted(losses.items())
        if share > 0
    ]
    chain = "\n  ".join(["type filter hook prerouting priority -300; policy accept;", *drops])
    return (
        "table inet faults\ndelete table inet faults\n"
        f"table inet faults {{\n chain in {{\n  {chain}\n }}\n}}\n"
    )
