"""What each act does to a cluster: people's work through the node, the rest by force."""

from __future__ import annotations

from simulations.acts import FAULTS, NETS, WORKS, Act
from simulations.cluster import Cluster, Deed
from simulations.disturbances import DISTURBANCES
from simulations.mishaps import MISHAPS
from simulations.works import WORKS_DONE

DEEDS: dict[str, Deed] = {**WORKS_DONE, **DISTURBANCES, **MISHAPS}
_NEED_NODE = WORKS - {"join"}
_NEED_MACHINE = (FAULTS | NETS | {"join"}) - {"partition", "heal"}


async def do(cluster: Cluster, act: Act) -> str | None:
    """Do an act; return why it could not be done, None if it was."""
    machine = cluster.machines.get(act.node)
    if act.do in _NEED_MACHINE | _NEED_NODE and machine is None:
        return "there is no such machine"
    if act.do in _NEED_NODE and machine is not None and not machine.is_running:
        return "it does not run"
    return await DEEDS[act.do](cluster, act)
