"""Scenarios are read strictly; histories are drawn from them, the same each time; they shrink."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from photonic.journal.journal import Journal
from simulations import scenario as scenarios
from simulations import units
from simulations.acts import FAULTS, NETS, WORKS, Act
from simulations.deeds import DEEDS
from simulations.histories import draw
from simulations.links import PRESETS
from simulations.play import play
from simulations.scenario import ScenarioInvalid, parse
from simulations.shrinking import shrink
from simulations.trace import Trace, read

SMALL = 'title = "t"\nlasts = "1min"\n[nodes.a]\n[nodes.b]\n'


@pytest.mark.parametrize("name", scenarios.names())
def test_every_scenario_is_read_and_drawn(name: str) -> None:
    scenario = scenarios.load(name)
    first, again = draw(scenario, 4), draw(scenario, 4)
    assert first == again
    assert list(first.acts) == sorted(first.acts, key=lambda act: act.at_s)
    assert scenario.workload.acts == 0 or draw(scenario, 5) != first
    assert msgspec.json.decode(msgspec.json.encode(first.acts), type=tuple[Act, ...]) == first.acts


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("title =", "Invalid"),
        (SMALL + "colour = 1\n[workload]\n", "colour"),
        ('title = "t"\nlasts = "soon"\n[nodes.a]\n', "no quantity"),
        (SMALL + '[links]\n"home moon" = "studio-lan"\n', "no place moon"),
        (SMALL + '[places]\nhome = "carrier-pigeon"\n', "no link carrier-pigeon"),
        (SMALL + '[[timeline]]\nat = "1s"\ndo = "dance"\n', "dance"),
        (SMALL + '[[timeline]]\nat = "1s"\ndo = "kill"\nnode = "c"\n', "no node c"),
        (SMALL + "[workload]\nweights = { dance = 1 }\n", "dance"),
        ('title = "t"\nlasts = "1s"\n[nodes.a]\njoins = false\n', "member"),
    ],
)
def test_a_scenario_that_cannot_be_played_says_why(text: str, reason: str) -> None:
    with pytest.raises(ScenarioInvalid, match=reason):
        parse(text, "odd")


def test_a_scenario_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(ScenarioInvalid, match="everyday"):
        scenarios.load("nowhere")


@pytest.mark.parametrize(
    ("text", "wanted"), [("90s", 90.0), ("1d 12h", 129_600.0), ("-2min", -120.0), ("500ms", 0.5)]
)
def test_times_are_read(text: str, wanted: float) -> None:
    assert units.seconds(text) == wanted


def test_sizes_are_read() -> None:
    assert units.size_bytes("1.7 TB") == 1_700_000_000_000
    with pytest.raises(units.UnitInvalid):
        units.size_bytes("much")


def test_every_verb_has_its_deed_and_every_preset_is_named() -> None:
    assert DEEDS.keys() == WORKS | NETS | FAULTS
    assert set(PRESETS) == {"studio-lan", "hotel-wifi", "weak-4g", "satellite", "sneakernet"}


def test_the_founding_story_brings_every_photo_home() -> None:
    scenario = scenarios.load("founding-story")
    shots = [act for act in draw(scenario, 1).acts if act.do == "shoot"]
    story = msgspec.structs.replace(draw(scenario, 1), acts=tuple(scenario.timeline))
    outcome, trace = play(scenario, story, keep=True)
    assert outcome.is_good, outcome
    assert outcome.figures["photos"] == sum(act.count for act in shots) == 37
    holders = {e.facts["photo"]: e.facts["holders"] for e in trace.events if e.kind == "copies"}
    assert len(holders) == 37
    assert all(where == ["luke", "vault", "yoda"] for where in holders.values())
    away = [e.at_s for e in trace.events if e.kind == "copies" and len(e.facts["holders"]) == 2]
    assert outcome.figures["ideal_bytes"] == 2 * 37 * 25e9, "virtual terabytes"
    assert outcome.figures["beyond_bytes"] < 0.5 * outcome.figures["ideal_bytes"]
    assert away, "some are on two nodes first"


def test_a_trace_is_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    scenario = parse(SMALL, "small")
    with path.open("wb") as file:
        _, trace = play(scenario, draw(scenario, 1), keep=True, file=file)
    events = list(read(path))
    assert events == trace.events
    assert (events[0].kind, events[-1].kind) == ("began", "stopped")
    again = Trace()
    for event in events:
        again.add(event)
    assert again.digest() == trace.digest()


def test_a_failing_history_shrinks_to_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that says to have committed what it has not: a photo and a power cut show it."""

    honest = Journal.commit
    count = 0

    def forgetful(self: Journal, *args: object) -> None:
        nonlocal count
        count += 1
        honest(self, *args)  # type: ignore[arg-type]
        if count % 3 == 0:
            self._db.execute("PRAGMA synchronous=OFF")

    monkeypatch.setattr(Journal, "commit", forgetful)
    scenario = scenarios.load("everyday")
    for seed in range(200):
        count = 0
        history = draw(scenario, seed)
        smallest = shrink(scenario, history)
        if smallest is not None:
            acts, outcome = smallest
            assert len(acts) < len(history.acts) / 2
            assert outcome.violations
            assert any(act.do.startswith("kill") for act in acts), acts
            return
    raise AssertionError("it is not found")
