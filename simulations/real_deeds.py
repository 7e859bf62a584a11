"""Acts of a history, done by real daemons: what people do is asked over REST, and the rest is done
to the network and to the machines.

Each deed returns what a node took (`Accepted`) or nothing; it raises what the node refused, and
what is passed over because it cannot be done now, or to real machines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from simulations.acts import Act
from simulations.cards import Cards
from simulations.crew import Crew
from simulations.ends import Failed, wait_for
from simulations.observer import changes
from simulations.stranger import Stranger

_IMPORTED_WITHIN_S = 60.0
_TRASHED = "trashed"


class PassedOver(Exception):
    """An act that cannot be done; the text says why."""


class Refused(Exception):
    """A node said no; the text is the code of its error."""


@dataclass(slots=True)
class Accepted:
    """What a node took from a person, as facts for the trace."""

    facts: list[dict[str, Any]] = field(default_factory=list)


class Deeds:
    """Does acts, one at a time."""

    def __init__(self, crew: Crew, cards: Cards, stranger: Stranger) -> None:
        self._crew, self._cards, self._stranger = crew, cards, stranger
        self._net = crew.network
        self._home = {n: plan.place for n, plan in crew.plans.items()}
        self._said: list[str] = []  # what people wrote
        self.opened: list[str] = []  # what let the stranger in at the last door

    def do(self, act: Act) -> Accepted | None:
        """Do one. Raises PassedOver, Refused."""
        deed = _DEEDS.get(act.do)
        if deed is None:
            raise PassedOver("real machines do not do that")
        try:
            return deed(self, act)
        except httpx.HTTPStatusError as error:
            document = error.response.json()
            raise Refused(str(document.get("code", error.response.status_code))) from error
        except Failed as error:
            raise PassedOver(str(error)) from error

    def heal(self) -> None:
        """Undo all faults: ways are open, who was somewhere is there, and all members run."""
        self._net.heal()
        for name, place in self._home.items():
            if self._net.machines[name].site is None and place:
                self._net.arrive(name, place)
        for name in self._crew.members:
            self._crew.start(name)

    def secrets(self) -> list[bytes]:
        """Return what no stranger may hear: words, names, ids, and pieces of the photos."""
        status = next(iter(dict(self._crew.active()).values())).status()
        words = [*self._said, *self._cards.names(), *self._crew.nodes, status["library"]["name"]]
        ids = [*self._cards.ids, status["library"]["id"]]
        raw = [bytes.fromhex(one) for one in ids]
        return [word.encode() for word in (*words, *ids)] + raw + self._cards.pieces()

    # --- people ------------------------------------------------------------------------------

    def shoot(self, act: Act) -> Accepted:
        self._running(act)
        card, photos = self._cards.shoot(act.count)
        return self._take_in(act, str(card), photos)

    def import_again(self, act: Act) -> Accepted:
        self._running(act)
        if not self._cards.ids:
            raise PassedOver("there is no photo yet")
        card, photos = self._cards.again(act.photo, act.count)
        return self._take_in(act, str(card), photos)

    def _take_in(self, act: Act, card: str, photos: Sequence[str]) -> Accepted:
        node = self._crew.nodes[act.node]
        node.send("POST", "/imports", {"folder": card})

        def is_over() -> bool:
            found = [one for one in node.get("/imports")["items"] if one["folder"] == card]
            return bool(found and found[-1]["finished"])

        wait_for(is_over, _IMPORTED_WITHIN_S)
        return Accepted([{"act": act.do, "photo": photo} for photo in photos])

    def edit(self, act: Act) -> Accepted:
        name, body = _EDITS[act.do](act)
        self._said.append(str(act.value))
        return self._change(
            act, name, lambda photo, node: node.send("PATCH", f"/photos/{photo}", body)
        )

    def discard(self, act: Act) -> Accepted:
        return self._change(
            act, _TRASHED, lambda photo, node: node.send("POST", "/trash", {"ids": [photo]})
        )

    def restore(self, act: Act) -> Accepted:
        def ask(photo: str, node: Any) -> None:
            node.send("POST", "/trash/restore", {"ids": [photo]})

        return self._change(act, _TRASHED, ask)

    def resolve(self, act: Act) -> Accepted:
        photo, node = self._photo(act), self._crew.nodes[act.node]
        shown = node.get(f"/photos/{photo}")
        if not shown["conflicts"]:
            raise PassedOver("nothing is contested")
        name = sorted(shown["conflicts"])[0]
        versions = shown["fields"][name]["versions"]
        chosen = versions[int(act.value or 0) % len(versions)]["change"]
        body = {"field": name, "change": chosen}
        return self._change(
            act, name, lambda photo, node: node.send("POST", f"/photos/{photo}/resolve", body)
        )

    def _change(self, act: Act, name: str, ask: Callable[[str, Any], object]) -> Accepted:
        """Have a node change a photo, and find out which change that made."""
        photo, node = self._photo(act), self._crew.nodes[act.node]
        before = changes(node, photo)
        ask(photo, node)
        after = changes(node, photo)
        mine = self._mine(act.node, photo, after - before)
        facts = {"act": act.do, "photo": photo, "field": name, "value": act.value}
        if mine is None or name == _TRASHED:  # it was so already; or who said it is not shown
            return Accepted([facts])
        # What came from others meanwhile is counted as seen: never too little is.
        return Accepted([{**facts, "change": mine, "saw": sorted(after - {mine})}])

    def _mine(self, name: str, photo: str, fresh: frozenset[str]) -> str | None:
        said = self._crew.nodes[name].get(f"/photos/{photo}/log")["items"]
        mine = [one for one in said if self._crew.name_of(one["author"]) == name]
        return next((one["change"] for one in mine if one["change"] in fresh), None)

    def join(self, act: Act) -> None:
        self._need(self._crew.admit(act.other, act.node), "they cannot be joined now")
        self._crew.start(act.node)

    def revoke(self, act: Act) -> None:
        self._running(act)
        if act.other not in self._crew.members or act.other == act.node:
            raise PassedOver("that is no other member")
        peer = self._crew.peer_of(act.other)
        self._crew.nodes[act.node].send("POST", f"/members/{peer}/revoke", {})
        self._crew.members.remove(act.other)

    # --- the network -------------------------------------------------------------------------

    def leave(self, act: Act) -> None:
        self._need(self._net.machines[act.node].site is not None, "it is nowhere")
        self._net.leave(act.node)

    def arrive(self, act: Act) -> None:
        self._net.arrive(act.node, act.place)

    def address(self, act: Act) -> None:
        self._need(self._net.move(act.node), "it is nowhere")

    def partition(self, act: Act) -> None:
        self._net.part(act.nodes, one_way=act.one_way)

    def cut(self, act: Act) -> None:
        self._net.cut(act.node, act.other, one_way=act.one_way)

    def mend(self, act: Act) -> None:
        self._net.mend(act.node, act.other)

    def clog(self, act: Act) -> None:
        self._net.clog(act.node)

    def unclog(self, act: Act) -> None:
        self._net.unclog(act.node)

    def all_heal(self, _: Act) -> None:
        self._net.heal()

    def knock(self, act: Act) -> None:
        self._running(act)
        address = self._net.machines[act.node].address
        self.opened = self._stranger.knock(address, self._crew.peer_of(act.node))["opened"]

    # --- machines ----------------------------------------------------------------------------

    def start(self, act: Act) -> None:
        self._need(act.node in self._crew.members, "it is no member")
        self._need(self._crew.start(act.node), "it runs")

    def stop(self, act: Act) -> None:
        self._need(self._crew.stop(act.node), "it does not run")

    def kill(self, act: Act) -> None:
        self._need(self._crew.kill(act.node), "it does not run")

    def kill_syncing(self, act: Act) -> None:
        self._running(act)
        self._crew.kill_in_transfer(act.node)

    def save(self, act: Act) -> None:
        self._crew.save(act.node)

    def roll_back(self, act: Act) -> None:
        self._need(self._crew.roll_back(act.node), "there is no copy of its folder")

    def rot(self, act: Act) -> None:
        self._need(self._crew.rot(act.node, self.photo_named(act)), "it has no file of it")

    def skew(self, act: Act) -> None:
        self._crew.skew(act.node, float(act.value or 0))

    # --- what must be there ------------------------------------------------------------------

    def _running(self, act: Act) -> None:
        self._need(act.node in self._crew.running, "it does not run")

    def _need(self, is_so: bool, why: str) -> None:
        if not is_so:
            raise PassedOver(why)

    def photo_named(self, act: Act) -> str:
        """Return the photo of an act. Raises PassedOver if there is none."""
        photo = self._cards.named(act.photo)
        if photo is None:
            raise PassedOver("there is no photo yet")
        return photo

    def _photo(self, act: Act) -> str:
        """Return a photo that the node of an act knows."""
        self._running(act)
        photo = self.photo_named(act)
        try:
            self._crew.nodes[act.node].get(f"/photos/{photo}")
        except httpx.HTTPStatusError as error:
            if error.response.status_code != httpx.codes.NOT_FOUND:
                raise
            raise PassedOver("it does not know that photo yet") from error
        return photo


# Field, and body of the request.
_EDITS: Mapping[str, Callable[[Act], tuple[str, dict[str, Any]]]] = {
    "rate": lambda act: ("rating", {"rating": act.value}),
    "title": lambda act: ("title", {"title": act.value}),
    "tag": lambda act: ("tags", {"tags": {"add": [act.value]}}),
    "untag": lambda act: ("tags", {"tags": {"remove": [act.value]}}),
}
_DEEDS: Mapping[str, Callable[[Deeds, Act], Accepted | None]] = {
    "shoot": Deeds.shoot,
    "import": Deeds.import_again,
    **dict.fromkeys(_EDITS, Deeds.edit),
    "delete": Deeds.discard,
    "undelete": Deeds.restore,
    "heal": Deeds.all_heal,
    **{
        word: getattr(Deeds, word)
        for word in (
            "resolve", "join", "revoke", "leave", "arrive", "address", "partition", "cut", "mend",
            "clog", "unclog", "knock", "start", "stop", "kill", "kill_syncing", "save", "roll_back",
            "rot", "skew",
        )
    },
}  # fmt: skip
