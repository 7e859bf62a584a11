"""A scenario: who there is, where, what happens when, and what may happen by chance, from TOML.

A scenario and a seed make a history (`histories.draw`); the same scenario is played by the
simulator on a virtual clock, and by `netns` with real daemons at human speed. See
`simulations/scenarios/` for all of them; every key is explained in docs/simulator.md.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from photonic.limits import MIN_COPIES_DEFAULT
from simulations.acts import FAULTS, HARMS, NETS, WORKS, Act
from simulations.links import PRESETS, Preset
from simulations.units import UnitInvalid, seconds, size_bytes

SCENARIOS = Path(__file__).with_name("scenarios")
_TIMES = {"at": "at_s", "for": "for_s"}


class ScenarioInvalid(ValueError):
    """A scenario that cannot be played; the text says where and why."""


class NodePlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A node as the history begins. A byte of `disk` stands for `Scenario.scale` of them."""

    role: str = "central"
    place: str = "home"
    disk: str = "1 TB"
    clock: str = "0s"  # its wall clock is ahead by as much
    drift: float = 0.0  # seconds that its wall clock gains in one second
    joins: bool = True  # False: not a member at first; an act `join` makes it one
    runs: bool = True
    settings: dict[str, Any] = msgspec.field(default_factory=dict)  # of photonic.config.Settings

    @property
    def disk_bytes(self) -> int:
        return size_bytes(self.disk)


class Workload(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Chance: so many acts, drawn by weight, spread over the hours of the history."""

    acts: int = 0
    since: str = "0s"
    until: str = ""  # "": the end of the history
    weights: dict[str, float] = msgspec.field(default_factory=dict)
    photo_size: str = "25 MB"
    photos_at_once: int = 3
    trouble_s: float = 30.0  # how long a fault lasts, on average, until an act undoes it


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """See the module. `links` names two places, `home road`, and the preset between them."""

    name: str = ""
    title: str
    lasts: str
    settles: str = "2h"  # after the end all faults are undone; within so long all must be well
    scale: int = 1  # virtual bytes for each byte that is really kept and moved
    hurry: float = 1.0  # times in the file are divided by this, and links are as much faster
    min_copies: int = MIN_COPIES_DEFAULT  # of every node's settings that says nothing else
    rules: tuple[str, ...] = ()  # of placement, which the library is founded with
    nodes: dict[str, NodePlan]
    places: dict[str, str] = msgspec.field(default_factory=lambda: {"home": "studio-lan"})
    links: dict[str, str] = msgspec.field(default_factory=dict)
    presets: dict[str, Preset] = msgspec.field(default_factory=dict)  # of this scenario's own
    timeline: tuple[Act, ...] = ()
    workload: Workload = Workload()
    netns: bool = False  # short enough for real daemons

    @property
    def lasts_s(self) -> float:
        return seconds(self.lasts) / self.hurry

    @property
    def settles_s(self) -> float:
        return seconds(self.settles) / self.hurry

    @property
    def chance_s(self) -> tuple[float, float]:
        """From when until when chance acts."""
        work = self.workload
        until_s = seconds(work.until) / self.hurry if work.until else self.lasts_s
        return seconds(work.since) / self.hurry, until_s

    @property
    def photo_bytes(self) -> int:
        """How large a photo really is, in the store and on the wire."""
        return max(1, size_bytes(self.workload.photo_size) // self.scale)

    def preset(self, here: str, there: str) -> Preset | None:
        """Return what joins two places, None if nothing does."""
        name = self.places.get(here) if here == there else None
        if here != there:
            name = self.links.get(f"{here} {there}") or self.links.get(f"{there} {here}")
        return self._preset(name) if name else None

    def _preset(self, name: str) -> Preset:
        return self.presets.get(name) or PRESETS[name]


def load(name: str) -> Scenario:
    """Return a scenario by its name, or by the path of its file. Raises ScenarioInvalid."""
    path = Path(name) if name.endswith(".toml") else SCENARIOS / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(names())
        raise ScenarioInvalid(f"there is no scenario {name}; there are {known}")
    return parse(path.read_text(encoding="utf-8"), path.stem)


def names() -> list[str]:
    return sorted(path.stem for path in SCENARIOS.glob("*.toml"))


def parse(text: str, name: str = "") -> Scenario:
    """Read the text of a scenario. Raises ScenarioInvalid."""
    try:
        document = tomllib.loads(text)
        hurry = float(document.get("hurry", 1.0))
        document["timeline"] = [_act(entry, hurry) for entry in document.get("timeline", ())]
        document.setdefault("name", name)
        scenario = msgspec.convert(document, Scenario)
        _check(scenario)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnitInvalid, KeyError) as error:
        raise ScenarioInvalid(f"{name or 'the scenario'}: {error}") from error
    return scenario


def _act(entry: dict[str, Any], hurry: float) -> dict[str, Any]:
    """`at = "2h"` is `at_s = 7200.0`, and so on; less where time hurries."""
    return {_TIMES.get(k, k): seconds(v) / hurry if k in _TIMES else v for k, v in entry.items()}


def _check(scenario: Scenario) -> None:
    problems = list[str]()
    known = {*PRESETS, *scenario.presets}
    for what, preset in {**scenario.places, **scenario.links}.items():
        if preset not in known:
            problems.append(f"{what}: there is no link {preset}")
    for pair in scenario.links:
        problems += [f"links: no place {p}" for p in pair.split() if p not in scenario.places]
    for name, plan in scenario.nodes.items():
        size_bytes(plan.disk), seconds(plan.clock)
        if plan.place and plan.place not in scenario.places:
            problems.append(f"{name}: there is no place {plan.place}")
    for act in scenario.timeline:
        problems += [f"{act.words()}: no node {n}" for n in _named(act) if n not in scenario.nodes]
        if act.place and act.place not in scenario.places:
            problems.append(f"{act.words()}: no place {act.place}")
    unknown = set(scenario.workload.weights) - WORKS - NETS - HARMS - FAULTS
    problems += [f"weights: nothing is called {word}" for word in sorted(unknown)]
    if not any(plan.joins for plan in scenario.nodes.values()):
        problems.append("somebody must be a member at first")
    for text in (scenario.lasts, scenario.settles, scenario.workload.since):
        seconds(text)
    size_bytes(scenario.workload.photo_size)
    if problems:
        raise ScenarioInvalid(f"{scenario.name or 'the scenario'}: " + "; ".join(problems))


def _named(act: Act) -> list[str]:
    return [name for name in (act.node, act.other, *act.nodes) if name]
