"""Plays a history with real daemons on a real network, at human speed.

The same scenario, the same checkers and the same trace as the simulator's, but a second is a second
and a kill is a kill: what comes out is not the same twice. Observations come over REST; checkers
pass over what REST does not show.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from simulations.acts import Act
from simulations.cards import Cards
from simulations.checkers import Checker, Panel, Violation
from simulations.crew import Crew
from simulations.ends import Failed, wait_for
from simulations.histories import History
from simulations.netns import RealNetwork
from simulations.observations import Observation
from simulations.observer import observe
from simulations.real_deeds import Accepted, Deeds, PassedOver, Refused
from simulations.scenario import Scenario
from simulations.stranger import Stranger
from simulations.trace import Event, Trace

STRANGER = "stranger"
_LOOK_S = 0.1  # between two looks whether all show the same
_RESTLESS = frozenset({"heal", "mend", "unclog", "arrive", "start", "roll_back"})


@dataclass(slots=True)
class RealOutcome:
    """What a history came to."""

    violations: list[Violation] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    passed_over: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    heard_bytes: int = 0  # by the stranger


class Play:
    """One history while it is played."""

    def __init__(
        self, scenario: Scenario, crew: Crew, deeds: Deeds, trace: Trace, panel: Panel
    ) -> None:
        self._scenario, self._crew, self._deeds = scenario, crew, deeds
        self._trace, self._panel = trace, panel
        self._began_s = time.monotonic()
        self._healed_s: float | None = None  # since when all could come to show the same
        self._saved_s: dict[str, float] = {}
        self.outcome = RealOutcome()

    @property
    def now_s(self) -> float:
        return time.monotonic() - self._began_s

    def run(self, history: History) -> RealOutcome:
        """Play it, heal, wait until all is well, and look at everything once more."""
        for act in history.acts:
            self._wait(act.at_s)
            self._act(act)
            self._see()
        self._wait(self._scenario.lasts_s)
        self._settle()
        return self.outcome

    # --- acts --------------------------------------------------------------------------------

    def _act(self, act: Act) -> None:
        facts = msgspec.to_builtins(act)
        self._healed_s = None  # whatever happens now is no part of the healing before
        try:
            accepted = self._deeds.do(act)
        except PassedOver as why:
            self._tell(act.node, "passed over", {**facts, "why": str(why)})
            self.outcome.passed_over.append(f"{act.words()}: {why}")
            return
        except Refused as refusal:
            self._tell(act.node, "refused", {"act": act.do, "code": str(refusal)})
            self.outcome.refused.append(f"{act.words()}: {refusal}")
            return
        self._tell(act.node, "act", facts)
        self._follow(act, accepted)
        if act.do in _RESTLESS:
            self._healed_s = time.monotonic()

    def _follow(self, act: Act, accepted: Accepted | None) -> None:
        """Tell what an act led to."""
        for facts in accepted.facts if accepted else ():
            self._tell(act.node, "accepted", facts)
        if act.do in ("kill", "kill_syncing"):
            self._tell(act.node, "killed", {"lost": 0})  # a process ends, the kernel does not
        elif act.do == "save":
            self._saved_s[act.node] = self.now_s
        elif act.do == "roll_back":
            self._tell(act.node, "rolled back", {"since_s": self._saved_s[act.node]})
        elif act.do == "start":
            self._tell(act.node, "started", {})
        elif act.do == "stop":
            self._tell(act.node, "stopped", {})
        elif act.do == "join":
            self._tell(act.node, "joined", {"other": act.other})
        elif act.do == "revoke":
            self._tell(act.node, "revoked", {"other": act.other})
        elif act.do == "rot":
            photo = self._deeds.photo_named(act)
            self._tell(act.node, "rotted", {"photo": photo})
        elif act.do == "knock":
            self._tell(act.node, "stranger", {"learned": ", ".join(self._deeds.opened)})

    def _tell(self, node: str, kind: str, facts: dict[str, Any]) -> None:
        event = Event(round(self.now_s, 3), node, kind, facts)
        self._trace.add(event)

    def _violate(self, checker: str, text: str) -> None:
        self._panel.violations.append(Violation(round(self.now_s, 3), checker, text))

    # --- looks -------------------------------------------------------------------------------

    def _wait(self, until_s: float) -> None:
        """Wait for a moment of the history, and note when all show the same meanwhile."""
        while (left_s := until_s - self.now_s) > 0:
            if self._healed_s is None:
                time.sleep(left_s)
            elif self._agrees():
                self._converged()
            else:
                time.sleep(min(left_s, _LOOK_S))

    def _converged(self) -> None:
        assert self._healed_s is not None
        took_s = round(time.monotonic() - self._healed_s, 3)
        self._healed_s = None
        self._tell("", "converged", {"took_s": took_s})
        most_s = max(took_s, self.outcome.figures.get("converge_s", 0.0))
        self.outcome.figures["converge_s"] = most_s

    def _agrees(self) -> bool:
        """Whether all members that run show the same, and are connected as far as they can be."""
        if not self._crew.have_met():
            return False
        shown = [seen.shown() for seen in self._look().values()]
        return all(one == shown[0] for one in shown)

    def _look(self, *, reads_originals: bool = False) -> dict[str, Observation]:
        return {
            name: observe(
                name, node, round(self.now_s, 3), self._crew.name_of,
                reads_originals=reads_originals,
            )
            for name, node in self._crew.active()
        }  # fmt: skip

    def _see(self) -> None:
        for seen in self._look().values():
            self._panel.see(seen)

    # --- the end -----------------------------------------------------------------------------

    def _settle(self) -> None:
        self._deeds.heal()
        self._tell("", "healed", {})
        healed_s = time.monotonic()
        self._healed_s = self._healed_s or healed_s
        try:
            wait_for(self._agrees, self._scenario.settles_s, share=0, least_s=_LOOK_S)
            self._converged()
            wait_for(self._has_all, self._scenario.settles_s, share=0, least_s=_LOOK_S)
            self.outcome.figures["safe_s"] = round(time.monotonic() - healed_s, 3)
        except Failed as failure:
            self._violate("settles", f"{failure}: {self._states()}")
        seen = self._look(reads_originals=True)
        for one in seen.values():
            self._panel.see(one)
        self._panel.settle(round(self.now_s, 3), seen)
        for violation in self._panel.violations:
            facts = {"checker": violation.checker, "text": violation.text}
            self._trace.add(Event(violation.at_s, "", "violation", facts))
        self.outcome.violations = self._panel.violations
        self._tell("", "ended", {"figures": self.outcome.figures})

    def _has_all(self) -> bool:
        """Whether every member holds every original that it wants."""
        holdings = [node.status()["holdings"] for _, node in self._crew.active()]
        return all(one["held"] >= one["wanted"] for one in holdings)

    def _states(self) -> str:
        """Say how the members are, for whoever reads why they do not come to rest."""
        return "; ".join(
            f"{name} is connected with {', '.join(sorted(self._crew.connected(name))) or 'nobody'}"
            f", has {node.counts()[0]} photos and {node.counts()[1]} originals"
            for name, node in self._crew.active()
        )


@contextmanager
def stage(scenario: Scenario, seed: int, folder: Path) -> Iterator[tuple[Crew, Deeds, Stranger]]:
    """Give the daemons of a scenario, members of one library that have met, and a stranger."""
    with ExitStack() as stack:
        network = stack.enter_context(RealNetwork(scenario, STRANGER))
        room = network.machines[STRANGER].room
        stranger = stack.enter_context(Stranger(room, folder / STRANGER))
        crew = stack.enter_context(Crew(scenario, network, folder))
        cards = Cards(folder / "cards", scenario.photo_bytes, seed)
        crew.found()
        crew.wait_met()
        network.begin_losses()
        yield crew, Deeds(crew, cards, stranger), stranger


def play(
    scenario: Scenario,
    history: History,
    folder: Path,
    checkers: list[Checker],
    trace: Trace | None = None,
) -> RealOutcome:
    """Play a history in a folder. Raises LeftOut where this machine cannot."""
    trace, panel = trace or Trace(), Panel(checkers)
    trace.listen(panel.note)
    with stage(scenario, history.seed, folder) as (crew, deeds, stranger):
        roles = {name: plan.role for name, plan in scenario.nodes.items()}
        began = {"scenario": scenario.name, "seed": history.seed, "nodes": roles}
        trace.add(Event(0.0, "", "began", began))
        outcome = Play(scenario, crew, deeds, trace, panel).run(history)
        outcome.heard_bytes = len(stranger.heard())
        for secret in stranger.learned(deeds.secrets()):
            text = f"a stranger on the network heard {secret[:40]!r}"
            outcome.violations.append(Violation(0.0, "stranger", text))
    return outcome
