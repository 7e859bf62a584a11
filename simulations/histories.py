"""From a scenario and a seed to a history: the list of acts that are played. Pure.

The list is data. `shrink` takes acts out of it, a file keeps it, and what is left is played in the
same way; chance in the *playing* (latency, scheduling, what a power cut loses) comes from the seed
again and is not in the list.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, cast

import msgspec

from simulations.acts import Act, Verb
from simulations.scenario import Scenario

_TITLES = ("dawn", "dusk", "Tegernsee", "the ferry")
_TAGS = ("bird", "sea", "print", "family")
_LEFT_BYTES = (0, 4_096, 2_000_000)  # of a full disk
_JUMPS_S = (-86_400, -3_600, -5, 5, 3_600, 86_400)  # of a wall clock
_PHOTOS_DRAWN = 1 << 16
_AFTERWARDS: dict[str, Verb] = {
    "kill": "start",
    "kill_syncing": "start",
    "stop": "start",
    "leave": "arrive",
    "partition": "heal",
    "cut": "mend",
    "clog": "unclog",
    "fill": "empty",
}


class History(msgspec.Struct, frozen=True):
    """What is played: who and where (the scenario), which chance (the seed), and the acts."""

    scenario: str
    seed: int
    acts: tuple[Act, ...]


def draw(scenario: Scenario, seed: int) -> History:
    """Return the history of a seed. The same scenario and seed: the same history."""
    dice, work = random.Random(f"{scenario.name} {seed}"), scenario.workload
    since_s, until_s = scenario.chance_s
    count = work.acts if work.weights else 0
    acts = list(scenario.timeline)
    moments = sorted(round(dice.uniform(since_s, until_s), 3) for _ in range(count))
    for at_s in moments:
        verb = dice.choices(list(work.weights), list(work.weights.values()))[0]
        if not any(act.do == "shoot" for act in acts):
            verb = "shoot"  # without a photo there is little to do
        act = Act(
            at_s=at_s,
            do=cast("Verb", verb),
            node=dice.choice(list(scenario.nodes)),
            photo=dice.randrange(_PHOTOS_DRAWN),
        )
        drawn = _DRAWERS[verb](dice, scenario, act) if verb in _DRAWERS else {}
        acts.append(msgspec.structs.replace(act, **drawn))
        if verb in _AFTERWARDS:  # nothing stays broken for ever
            later_s = round(act.at_s + dice.expovariate(1 / work.trouble_s), 3)
            acts.append(_mended(dice, scenario, acts[-1], later_s))
    return History(scenario.name, seed, tuple(sorted(acts, key=lambda act: act.at_s)))


def _mended(dice: random.Random, scenario: Scenario, act: Act, at_s: float) -> Act:
    """Return the act that undoes another."""
    verb = _AFTERWARDS[act.do]
    place = scenario.nodes[act.node].place if verb == "arrive" else ""
    order = dice.randrange(_PHOTOS_DRAWN) if verb == "unclog" else 0
    return Act(at_s=at_s, do=verb, node=act.node, other=act.other, place=place, order=order)


def _other(dice: random.Random, scenario: Scenario, act: Act) -> str:
    return dice.choice([name for name in scenario.nodes if name != act.node] or [act.node])


def _some(dice: random.Random, scenario: Scenario, _: Act) -> dict[str, Any]:
    """Draw one side of a partition."""
    names = list(scenario.nodes)
    side = dice.sample(names, dice.randint(1, max(1, len(names) - 1)))
    return {"nodes": tuple(sorted(side)), "one_way": dice.random() < 0.3}


# What an act needs beside its node and its photo. Whether it can be done is found out later.
_Drawer = Callable[[random.Random, Scenario, Act], dict[str, Any]]
_DRAWERS: dict[str, _Drawer] = {
    "shoot": lambda dice, plan, _: {"count": dice.randint(1, plan.workload.photos_at_once)},
    "import": lambda dice, plan, _: {"count": dice.randint(1, plan.workload.photos_at_once)},
    "evict": lambda dice, _, __: {"count": dice.randint(1, 6)},
    "rate": lambda dice, _, __: {"value": dice.randint(-1, 5)},
    "sidecar": lambda dice, _, __: {"value": dice.randint(0, 5)},
    "title": lambda dice, _, __: {"value": dice.choice(_TITLES)},
    "tag": lambda dice, _, __: {"value": dice.choice(_TAGS)},
    "untag": lambda dice, _, __: {"value": dice.choice(_TAGS)},
    "resolve": lambda dice, _, __: {"value": dice.randrange(4)},
    "join": lambda dice, plan, act: {"other": _other(dice, plan, act)},
    "revoke": lambda dice, plan, act: {"other": _other(dice, plan, act)},
    "mend": lambda dice, plan, act: {"other": _other(dice, plan, act)},
    "carry": lambda dice, plan, act: {
        "other": _other(dice, plan, act),
        "for_s": round(plan.lasts_s * dice.uniform(0.02, 0.3), 1),
    },
    "cut": lambda dice, plan, act: {
        "other": _other(dice, plan, act),
        "one_way": dice.random() < 0.5,
    },
    "arrive": lambda dice, plan, _: {"place": dice.choice(list(plan.places))},
    "partition": _some,
    "forge": lambda dice, plan, act: {"other": _other(dice, plan, act)},
    "lie": lambda dice, plan, _: {"for_s": round(dice.expovariate(1 / plan.workload.trouble_s), 1)},
    "babble": lambda dice, _, __: {"count": dice.randint(50, 200)},
    "purge": lambda dice, _, __: {"count": dice.randint(10, 40)},
    "clog": lambda dice, _, __: {"order": dice.randrange(_PHOTOS_DRAWN)},
    "unclog": lambda dice, _, __: {"order": dice.randrange(_PHOTOS_DRAWN)},
    "kill_syncing": lambda dice, _, __: {"count": dice.randint(1, 40)},
    "fill": lambda dice, _, __: {"count": dice.choice(_LEFT_BYTES)},
    "slow": lambda dice, _, __: {"value": round(dice.expovariate(10), 3)},
    "skew": lambda dice, _, __: {"value": dice.choice(_JUMPS_S)},
}
