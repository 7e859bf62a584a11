"""What can happen in a history, as data: a history is a list of acts that can be played again.

An act names photos by number, in the order in which the history makes them; one whose photo, node
or state is not there (because acts before it were taken out by `shrink`) is passed over, and the
trace says so. So every part of a history is a history.
"""

from __future__ import annotations

from typing import Literal

import msgspec

# What people do.
Work = Literal[
    "shoot",  # `count` new photos come into being on `node`, and it imports them
    "import",  # `node` imports the files of `photo` and following, which another node has already
    "rate",  # `value`: -1 to 5
    "title",  # `value`: text
    "tag",  # `value`: the tag
    "untag",
    "sidecar",  # darktable writes an XMP file beside photo; `value`: its rating
    "delete",  # into the trash
    "undelete",
    "resolve",  # settles one contested field of `photo` with its `value`-th version
    "evict",  # `node` lets `count` originals go, if others prove that they hold them
    "join",  # `node` is invited by `other`, and enrols
    "revoke",  # `other` is revoked by `node`
]
# What becomes of the network.
Net = Literal[
    "leave",  # `node` leaves its place: nobody reaches it
    "arrive",  # `node` is at `place`
    "carry",  # the sneakernet between `node` and `other` stands for `for_s`
    "address",  # `node` has another address: its connections break
    "partition",  # `nodes` are cut off from all others; `one_way`: what they say is lost
    "cut",  # the link between `node` and `other`; `one_way`: only from `node` to `other`
    "mend",  # undoes the cut between `node` and `other`
    "heal",  # undoes all cuts, partitions and clogs
    "clog",  # the links of `node` stand still one after the other (swizzle-clog)
    "unclog",  # they go on, in another order; `order` seeds it
]
# What somebody does who means harm.
Harm = Literal[
    "knock",  # a stranger on the network tries every protocol at `node`
    "forge",  # `node` sends `other` a change in its own name, that `node` signed
    "lie",  # for `for_s` a bit is turned in every photo that `node` sends
    "babble",  # a script says `count` long things of the photos of `node`
    "purge",  # a script puts `count` photos of `node` into the trash, and asks nobody
]
# What becomes of a machine.
Fault = Literal[
    "kill",  # the power of `node` goes; what was not fsynced may be lost
    "kill_syncing",  # so, in the middle of the `count`-th fsync from now
    "stop",  # a clean stop
    "start",
    "save",  # somebody copies the data folder of `node` ...
    "roll_back",  # ... and puts that copy, or what was there at the start, in its place
    "fill",  # the disk of `node` has `count` bytes left
    "empty",  # the disk of `node` has room again
    "rot",  # a bit of `photo` on `node` turns
    "slow",  # each fsync of `node` takes `value` seconds
    "skew",  # the wall clock of `node` jumps by `value` seconds
]
Verb = Work | Net | Harm | Fault

WORKS: frozenset[str] = frozenset(Work.__args__)  # type: ignore[attr-defined]
NETS: frozenset[str] = frozenset(Net.__args__)  # type: ignore[attr-defined]
HARMS: frozenset[str] = frozenset(Harm.__args__)  # type: ignore[attr-defined]
FAULTS: frozenset[str] = frozenset(Fault.__args__)  # type: ignore[attr-defined]


class Act(
    msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True
):
    """One thing that happens. `at_s` counts from the start of the history, on nobody's clock."""

    at_s: float
    do: Verb
    node: str = ""
    other: str = ""
    nodes: tuple[str, ...] = ()
    place: str = ""
    photo: int = 0  # the number of a photo; one beyond the last is counted round
    count: int = 1
    value: int | float | str | None = None
    one_way: bool = False
    for_s: float = 0.0
    order: int = 0  # what an act draws for itself

    def words(self) -> str:
        """Return the act as one line that people read."""
        facts = msgspec.to_builtins(self)
        rest = {name: facts[name] for name in facts if name not in ("at_s", "do", "node")}
        return " ".join([self.do, self.node, *(f"{name}={value}" for name, value in rest.items())])
