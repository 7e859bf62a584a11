"""Plays one history: in one thread, on a virtual clock, the same way each time.

First the members are brought together; then the acts happen at their moments, and after each of
them nodes are looked at; then every fault is undone, and all must be well within the scenario's
`settles`. What goes wrong is in the outcome, never an exception.
"""

from __future__ import annotations

import gc
import resource
import time
import traceback
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import trio
import trio.testing

from simulations import deeds
from simulations.acts import Act
from simulations.checkers import Panel, Violation
from simulations.cluster import Cluster
from simulations.figures import Figures
from simulations.genesis import founded
from simulations.histories import History
from simulations.looking import in_trash, listed, verify_originals
from simulations.observations import Observation
from simulations.outcomes import Outcome
from simulations.promises import all_checkers
from simulations.sandbox import sandbox
from simulations.scenario import Scenario
from simulations.threads import threads_in
from simulations.trace import Trace

_MEETING_S = 2.0  # for members to find each other
_LOOK_AGAIN_S = (1.0, 2.0, 3.0, 5.0)  # while nodes come to agree; the last one over and over
_WHOLE_LOOK_EACH = 8  # acts
_INDEX_ANEW = 0.25  # the share of histories at whose end an index is thrown away
_COLLECT_EACH = 100  # acts: only a long history has garbage worth collecting


def play(
    scenario: Scenario, history: History, *, keep: bool = False, file: BinaryIO | None = None
) -> tuple[Outcome, Trace]:
    """Play a history from its beginning to its end."""
    trace, panel = Trace(keep=keep, file=file), Panel(all_checkers(scenario))
    began_s, error = time.process_time(), ""
    stage = _Stage(scenario, history, trace, panel)
    try:
        stage.play()
    except Exception:  # noqa: BLE001 - whatever it is, it is this history's outcome
        error = traceback.format_exc()
    outcome = Outcome(
        scenario=scenario.name,
        seed=history.seed,
        trace=trace.digest(),
        events=trace.count,
        acts=len(history.acts),
        passed_over=stage.passed_over,
        virtual_s=round(stage.ended_s, 3),
        cpu_s=round(time.process_time() - began_s, 3),
        faults=stage.faults,
        figures=stage.figures,
        kept=stage.kept,
        peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024,
        violations=tuple(panel.violations),
        error=error or stage.error,
    )
    return outcome, trace


def _beginning(scenario: Scenario, seed: int) -> dict[str, Any]:
    """Return what a trace says first: all of the scenario that one needs who reads it."""
    return {
        "scenario": scenario.name,
        "title": scenario.title,
        "seed": seed,
        "nodes": {name: plan.role for name, plan in scenario.nodes.items()},
        "hurry": scenario.hurry,
        "scale": scenario.scale,
        "photo_bytes": scenario.photo_bytes * scenario.scale,
        "min_copies": scenario.min_copies,
    }


class _Stage:
    """One history while it is played."""

    def __init__(self, scenario: Scenario, history: History, trace: Trace, panel: Panel) -> None:
        self._scenario, self._history, self._trace, self._panel = scenario, history, trace, panel
        self.passed_over, self.ended_s, self.error = 0, 0.0, ""
        self.faults: dict[str, int] = {}
        self.kept: dict[str, int] = {}
        self.figures: dict[str, float] = {}
        self._figures = Figures(scenario.photo_bytes * scenario.scale)
        trace.listen(self._figures.note)
        self._cluster: Cluster
        self._founded: Path  # the homes of members as they were founded
        self._done = 0

    def play(self) -> None:
        """Play it all. Raises what the simulator itself does wrong."""
        self._founded = founded(self._scenario)
        with sandbox(f"{self._history.scenario} {self._history.seed}") as folder:
            trio.run(self._run, folder, clock=trio.testing.MockClock(autojump_threshold=0))

    async def _run(self, folder: Path) -> None:
        async with trio.open_nursery() as nursery:
            self._cluster = cluster = Cluster(
                self._scenario, self._history.seed, folder, self._trace, self._panel, nursery
            )
            with threads_in(nursery), cluster.databases():
                nursery.start_soon(cluster.network.run)
                facts = _beginning(self._scenario, self._history.seed)
                cluster.tell("", "began", facts)
                await self._begin()
                await self._act()
                await self._settle()
                self.ended_s, self.faults = trio.current_time(), cluster.faults
                self.kept = dict(cluster.kept)
                cluster.tell("", "ended", {"figures": self.figures})
                for machine in cluster.machines.values():
                    await machine.stop()
                nursery.cancel_scope.cancel()

    async def _begin(self) -> None:
        """Let the members come up in one place, as they were founded, and then go where they are.

        That is the place where most of them stay: whoever goes away knows where to find those, for
        if all moved at once nobody could find anybody. Photos are taken when all know each other.
        """
        cluster = self._cluster
        members = [name for name, plan in self._scenario.nodes.items() if plan.joins]
        places = dict(cluster.network.place)
        (meeting_place, _), *_ = Counter(places[name] for name in members).most_common()
        for name in members:
            cluster.network.place[name] = meeting_place
        served = [cluster.machines[name].begin(self._founded / name) for name in members]
        for event in served:
            await event.wait()
        for name in members:
            if not cluster.machines[name].is_running:
                raise RuntimeError(f"{name} did not start: {cluster.machines[name].error!r}")
        await trio.sleep(_MEETING_S)
        for name, place in places.items():
            if cluster.network.place[name] != place:
                cluster.network.move(name, place)
        for name in members:
            if not self._scenario.nodes[name].runs:
                await cluster.machines[name].stop()
        cluster.tell_network()
        self._began_s = trio.current_time()

    async def _act(self) -> None:
        async with trio.open_nursery() as nursery:
            for act in self._history.acts:
                await trio.sleep_until(self._began_s + act.at_s)
                nursery.start_soon(self._do, act)
            await trio.sleep_until(self._began_s + self._scenario.lasts_s)

    async def _do(self, act: Act) -> None:
        cluster = self._cluster
        cluster.tell(act.node, "act", msgspec.to_builtins(act))
        why = await deeds.do(cluster, act)
        if why is not None:
            self.passed_over += 1
            cluster.tell(act.node, "passed over", {"do": act.do, "why": why})
            return
        self._done += 1
        if self._done % _COLLECT_EACH == 0:
            gc.collect()
        for name in cluster.running():
            await cluster.look(name, whole=self._done % _WHOLE_LOOK_EACH == 0)

    # --- the end ------------------------------------------------------------------------------

    async def _settle(self) -> None:
        """Undo every fault, and wait until all is well."""
        cluster = self._cluster
        cluster.network.heal()
        for name, machine in cluster.machines.items():
            machine.disk.left_bytes, machine.disk.cut_at_sync = None, None
            machine.disk.sync_s = 0.004
            if cluster.network.place[name] != self._scenario.nodes[name].place:
                cluster.network.move(name, self._scenario.nodes[name].place)
            if not machine.is_busy and machine.has_home:
                await machine.start().wait()
                if not machine.is_running:
                    self.error = f"{name} did not start again: {machine.error!r}"
                    return
        if "rot" in cluster.faults:  # else the regular verification finds it, within a month
            for machine in cluster.machines.values():
                await machine.ask(lambda node: node.verifications.start(None))
        healed_s = trio.current_time()
        cluster.tell("", "healed", {})
        pauses = iter((*_LOOK_AGAIN_S,))
        pause_s = 1.0
        seen, wrong = dict[str, Observation](), list[Violation]()
        while True:
            pause_s = next(pauses, pause_s)
            await trio.sleep(pause_s)
            is_late = trio.current_time() - healed_s >= self._scenario.settles_s
            if await self._agree() or is_late:
                seen = await self._look_at_all()
                wrong = self._panel.judge(trio.current_time(), seen)
                if not wrong or is_late:
                    break
        if wrong:
            cluster.judge(self._panel.settle(trio.current_time(), seen))
        else:
            cluster.tell("", "converged", {})
        self.figures["converged_s"] = round(trio.current_time() - healed_s, 3)
        self.figures |= self._figures.result(cluster.network.bytes_moved)
        if cluster.dice.random() < _INDEX_ANEW:
            await self._index_anew()

    async def _agree(self) -> bool:
        """Whether all members that run have the same changes."""
        digests = set()
        for name in self._cluster.members():
            digests.add(
                await self._cluster.machines[name].ask(
                    lambda node: node.library.keeper.call(lambda catalog: catalog.root_digest())
                )
            )
        return len(digests) == 1

    async def _look_at_all(self) -> dict[str, Observation]:
        cluster, found = self._cluster, dict[str, Observation]()
        for name in cluster.running():
            seen = await cluster.look(name, whole=True)
            if seen is None:
                continue
            held = [s.photo.key.hex() for s in cluster.shots if s.name in seen.photos]
            held = [photo for photo in held if seen.photos[photo[:16]].held]
            verified = await cluster.machines[name].ask(partial(verify_originals, photos=held))
            right, wrong = verified or (set(), set())
            hidden = await cluster.machines[name].ask(in_trash)
            found[name] = msgspec.structs.replace(
                seen, stored=frozenset(right), wrong=tuple(sorted(wrong)), hidden=hidden
            )
        return found

    async def _index_anew(self) -> None:
        """Throw one node's index away, and see that it is the same afterwards (I9)."""
        cluster = self._cluster
        running = [name for name in cluster.running() if cluster.machines[name].is_member]
        if not running:
            return
        machine = cluster.machines[cluster.dice.choice(running)]
        before = await machine.ask(listed)
        await machine.stop()
        for pattern in ("index.db*", "directory.db*"):
            for path in sorted((machine.disk.root / "home").glob(f"libraries/*/{pattern}")):
                path.unlink()
        await machine.start().wait()
        after = await machine.ask(listed)
        seen = await cluster.look(machine.name, whole=True)
        if seen is not None:
            same = msgspec.structs.replace(seen, index_is_right=before == after)
            cluster.judge(self._panel.see(same))
