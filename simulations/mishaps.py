"""What becomes of machines in a history: power cuts, rollbacks, full and rotting disks, clocks.

A deed returns why it could not be done, None if it was.
"""

from __future__ import annotations

import trio

from photonic.ids import BlobId
from simulations.acts import Act
from simulations.cluster import Cluster, Deed
from simulations.looking import short


async def _kill(cluster: Cluster, act: Act) -> str | None:
    machine = cluster.machines[act.node]
    if not machine.is_busy:
        return "it does not run"
    machine.kill()
    return None


async def _kill_syncing(cluster: Cluster, act: Act) -> str | None:
    machine = cluster.machines[act.node]
    if not machine.is_busy:
        return "it does not run"
    machine.disk.cut_at_sync = machine.disk.syncs + act.count
    return None


async def _stop(cluster: Cluster, act: Act) -> str | None:
    machine = cluster.machines[act.node]
    if not machine.is_running:
        return "it does not run"
    await machine.stop()
    return None


async def _start(cluster: Cluster, act: Act) -> str | None:
    machine = cluster.machines[act.node]
    await machine.wait_dead()
    if machine.is_busy or not machine.has_home:
        return "it cannot be started"
    await machine.start().wait()
    return None


async def _save(cluster: Cluster, act: Act) -> str | None:
    machine = cluster.machines[act.node]
    machine.disk.copy("saved")
    machine.saved_s = trio.current_time()
    return None


async def _roll_back(cluster: Cluster, act: Act) -> str | None:
    """Put an older copy of the data folder in its place, as from a backup of a virtual machine."""
    machine = cluster.machines[act.node]
    if machine.saved_s is None:
        return "nobody saved it"
    machine.kill("rollback")
    machine.disk.put_back("saved")
    cluster.fault("rollback")
    cluster.tell(act.node, "rolled back", {"since_s": round(machine.saved_s, 3)})
    await machine.start().wait()
    return None


async def _fill(cluster: Cluster, act: Act) -> str | None:
    cluster.machines[act.node].disk.left_bytes = act.count
    cluster.fault("full disk")
    return None


async def _empty(cluster: Cluster, act: Act) -> str | None:
    cluster.machines[act.node].disk.left_bytes = None
    return None


async def _rot(cluster: Cluster, act: Act) -> str | None:
    """Turn a bit of an original that somebody else holds as well."""
    machine = cluster.machines[act.node]
    node = machine.node
    if node is None:
        return "it does not run"
    sound = {n for n in cluster.running() if n != act.node}
    held = [
        shot
        for shot in cluster.shots
        if node.store.has(BlobId(shot.photo.key)) and cluster.holders.get(shot.name, set()) & sound
    ]
    if not held:
        return "it holds nothing that somebody else has as well"
    shot = held[act.photo % len(held)]
    path = node.store.path(BlobId(shot.photo.key))
    machine.disk.rot(path)
    cluster.fault("rot")
    cluster.tell(act.node, "rotted", {"photo": short(shot.photo.key)})
    return None


async def _slow(cluster: Cluster, act: Act) -> str | None:
    cluster.machines[act.node].disk.sync_s = float(act.value or 0.0)
    cluster.fault("slow disk")
    return None


async def _skew(cluster: Cluster, act: Act) -> str | None:
    cluster.machines[act.node].clock.jump(float(act.value or 0))
    cluster.fault("clock jump")
    return None


MISHAPS: dict[str, Deed] = {
    "kill": _kill,
    "kill_syncing": _kill_syncing,
    "stop": _stop,
    "start": _start,
    "save": _save,
    "roll_back": _roll_back,
    "fill": _fill,
    "empty": _empty,
    "rot": _rot,
    "slow": _slow,
    "skew": _skew,
}
