"""Nodes that meet: what an edit costs to reconcile, when it is seen, how a new node gets all."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio

from benchmarks.homes import Home, put_out, resident_mb
from photonic import wire
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import RATING
from photonic.crdt.replica import CatalogReplica
from photonic.crdt.sync import Message, Reconciler
from photonic.ids import BlobId, peer_id, photo_subject
from photonic.keeper import Keeper
from simulations.daemons import Daemon, daemons, join

_WITHIN_S = 7_200.0


@dataclass(frozen=True, slots=True)
class Exchange:
    """One meeting of two catalogs without a network between them."""

    out_bytes: int  # as frames, from the one that began
    back_bytes: int
    messages: int
    seconds: float
    is_same: bool


async def exchange(left: Keeper, right: Keeper) -> Exchange:
    """Let two catalogs reconcile, each message durable and indexed, and count what would travel."""
    keepers = (left, right)
    machines = [await keeper.call(_reconciler) for keeper in keepers]
    sent, count, began_s = [0, 0], 0, time.perf_counter()
    first = await left.call(lambda _: machines[0].begin())
    waiting: deque[tuple[int, Message]] = deque((1, message) for message in first)
    while waiting:
        receiver, message = waiting.popleft()
        sent[1 - receiver] += len(wire.frame(wire.encode(message), compress=True))
        count += 1
        answers = await keepers[receiver].call(partial(_handle, machines[receiver], message))
        waiting.extend((1 - receiver, answer) for answer in answers)
    taken_s = time.perf_counter() - began_s
    digests = {await keeper.call(lambda catalog: catalog.root_digest()) for keeper in keepers}
    return Exchange(sent[0], sent[1], count, taken_s, len(digests) == 1)


def _reconciler(catalog: Catalog) -> Reconciler:
    return Reconciler(CatalogReplica(catalog), b"the other one")


def _handle(machine: Reconciler, message: Message, _catalog: Catalog) -> list[Message]:
    return machine.handle(message)


async def exchanges_of_one_edit(
    first: Home, second: Home, photos: Sequence[bytes], dice: random.Random
) -> list[Exchange]:
    """Edit one photo after another on one side, and let the two meet after each."""
    found = []
    left, right = first.keeper(), second.keeper()
    async with anyio.create_task_group() as tasks:
        await tasks.start(left.run)
        await tasks.start(right.run)
        await exchange(left, right)
        for photo in photos:
            draft = Draft(photo_subject(BlobId(photo)), {RATING: dice.randint(0, 5)})
            await left.call(partial(write_drafts, [draft]))
            found.append(await exchange(left, right))
        tasks.cancel_scope.cancel()
    return found


def write_drafts(drafts: Sequence[Draft], catalog: Catalog) -> None:
    """Write on the catalog's thread; a job for `Keeper.call`, but for its first argument."""
    catalog.write(drafts)


@dataclass(frozen=True, slots=True)
class Sights:
    """Seconds from the request that edits on one daemon until the other one shows it."""

    pushed_s: list[float]  # while connected
    edit_s: list[float]  # until the editing node answers
    met_s: float  # edited apart; from the moment when the second one serves


def see_edits(first: Home, second: Home, photos: Sequence[str], dice: random.Random) -> Sights:
    """Edit on one of two daemons and look at the other."""
    pushed, edited = [], []
    with daemons(first.folder, second.folder) as (left, right):
        left.role = right.role = "mobile"
        left.start()
        right.start("--peer", left.listen[0])
        _wait_connected(left, second)
        for photo in photos[1:]:
            began_s = time.perf_counter()
            wanted = _edit(left, photo, dice)
            edited.append(time.perf_counter() - began_s)
            pushed.append(_wait_seen(right, photo, wanted, began_s))
        right.stop()
        wanted = _edit(left, photos[0], dice)
        right.start()
        met_s = _wait_seen(right, photos[0], wanted, time.perf_counter())
        right.stop()
        left.stop()
    return Sights(pushed, edited, met_s)


def _edit(node: Daemon, photo: str, dice: random.Random) -> str:
    wanted = f"seen {dice.random():.9f}"
    node.send("PATCH", f"/photos/{photo}", {"title": wanted})
    return wanted


def _wait_seen(node: Daemon, photo: str, wanted: str, began_s: float) -> float:
    """Ask until the photo shows it: the time contains one request, and at most one more."""
    while time.perf_counter() - began_s < _WITHIN_S:
        if node.get(f"/photos/{photo}")["title"] == wanted:
            return time.perf_counter() - began_s
        time.sleep(0.002)
    raise AssertionError(f"{photo} never showed {wanted}")


def _wait_connected(node: Daemon, other: Home) -> None:
    name = peer_id(other.identity.node)
    node.wait_until(
        lambda: any(
            peer["id"] == name and peer["state"] not in ("offline", "connecting")
            for peer in node.get("/peers")["items"]
        )
    )


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """A new node that took the whole catalog from another one."""

    photos: int
    seconds: float  # from its start until it lists every photo and every conflict
    giver_peak_mb: float
    taker_peak_mb: float


def bootstrap(home: Home, folder: Path) -> Bootstrap:
    """Let an empty node join and take everything, between two daemons over libp2p."""
    put_out(home.folder)
    with daemons(home.folder, folder) as (giver, taker):
        giver.role = taker.role = "mobile"
        giver.start()
        join(giver, taker, role="mobile")
        everything = _counts(giver)
        began_s = time.monotonic()
        taker.start("--peer", giver.listen[0])
        taker.wait_until(
            lambda: _counts(taker) == everything,
            within_s=_WITHIN_S,
            not_more_often_than_s=0.5,
        )
        taken_s = time.monotonic() - began_s
        peaks = [resident_mb(node.process.pid)[1] for node in (giver, taker) if node.process]
        taker.stop()
        giver.stop()
    return Bootstrap(everything[0], taken_s, peaks[0], peaks[1])


def _counts(node: Daemon) -> tuple[int, int]:
    status = node.status()
    return status["photos"], status["conflicts"]
