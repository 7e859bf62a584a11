"""One history from one seed: the same seed, the same history, to the byte."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from photonic.crdt.changes import Draft
from photonic.crdt.fields import RATING, TAGS, TITLE
from photonic.ids import Subject, digest
from simulations.catalog_checkers import Ledger, Violation, check_agreement
from simulations.cluster import Cluster

NAMES = ("yoda", "luke", "vault")
_ROUNDS_TO_HEAL = 12


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one history came to."""

    seed: int
    steps: int
    delivered: int
    lost: int
    crashes: int
    partitions: int
    contested: int
    trace: str  # a hash of the end state: equal for equal seeds


def simulate(seed: int, steps: int = 60) -> Outcome:
    """Play `steps` random acts, heal, and check. Raises Violation, whose text names the seed."""
    cluster, ledger = Cluster(seed, NAMES), Ledger()
    dice, subjects = cluster.dice, list[Subject]()
    counts = {"crash": 0, "partition": 0}
    try:
        for _ in range(steps):
            _act(cluster, subjects, counts)
            cluster.advance(dice.randint(0, 60_000))
            cluster.deliver(dice.randint(0, 8), loss=0.1)
            ledger.check_nothing_forgotten(cluster, subjects)
        _heal(cluster)
        ledger.check_nothing_forgotten(cluster, subjects)
        check_agreement(cluster, subjects)
    except Violation as violation:
        raise Violation(f"seed {seed}: {violation}") from violation
    catalog = cluster.nodes[NAMES[0]].catalog
    contested = sum(len(catalog.state(subject).contested()) for subject in subjects)
    return Outcome(
        seed,
        steps,
        cluster.delivered,
        cluster.lost,
        counts["crash"],
        counts["partition"],
        contested,
        digest(catalog.root_digest() + b"%d" % cluster.delivered).hex()[:16],
    )


def _act(cluster: Cluster, subjects: list[Subject], counts: dict[str, int]) -> None:
    dice = cluster.dice
    name = dice.choice(NAMES)
    act = dice.choices(
        ("shoot", "rate", "title", "tag", "meet", "partition", "mend", "crash"),
        (3, 5, 2, 3, 4, 2, 2, 1),
    )[0]
    if act == "shoot" or not subjects:
        subjects.append(cluster.shoot(name))
        return
    subject = dice.choice(subjects)
    if act == "rate":
        cluster.write(name, Draft(subject, {RATING: dice.randint(-1, 5)}))
    elif act == "title":
        cluster.write(name, Draft(subject, {TITLE: dice.choice(("dawn", "dusk"))}))
    elif act == "tag":
        tag = (dice.choice(("bird", "sea")),)
        cluster.write(
            name,
            Draft(subject, adds={TAGS: tag})
            if dice.random() < 0.6
            else Draft(subject, removes={TAGS: tag}),
        )
    elif act == "meet":
        cluster.meet(name, dice.choice([other for other in NAMES if other != name]))
    elif act == "crash":
        counts["crash"] += 1
        cluster.crash(name)
    else:
        pair = frozenset(dice.sample(NAMES, 2))
        counts["partition"] += act == "partition"
        (cluster.cut.add if act == "partition" else cluster.cut.discard)(pair)


def _heal(cluster: Cluster) -> None:
    """Mend every link and let nodes meet until they agree; they must within a few rounds."""
    cluster.cut.clear()
    for _ in range(_ROUNDS_TO_HEAL):
        for left, right in combinations(NAMES, 2):
            cluster.meet(left, right)
            cluster.deliver(100_000)
        if len({node.catalog.root_digest() for node in cluster.nodes.values()}) == 1:
            return
    raise Violation(f"the nodes do not agree after {_ROUNDS_TO_HEAL} rounds")
