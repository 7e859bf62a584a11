"""The node's figures for Prometheus: gathered when asked for, kept nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from photonic.crdt.projection import ORIGINAL_KIND
from photonic.crdt.query import PhotoQuery
from photonic.p2p.relay import Relay
from photonic.p2p.transfers import Transfers
from photonic.problems import Problems
from photonic.scrubber import Scrubber


class NodeMeasures(Collector):
    """Registers itself; may be asked on any thread."""

    def __init__(
        self,
        registry: CollectorRegistry,
        query: PhotoQuery,
        transfers: Transfers,
        problems: Problems,
        scrubber: Scrubber,
        relay: Relay,
    ) -> None:
        self._query, self._transfers, self._problems = query, transfers, problems
        self._scrubber, self._relay = scrubber, relay
        registry.register(self)

    def describe(self) -> list[Metric]:
        return []  # so that registering asks nothing

    def collect(self) -> Iterator[Metric]:
        totals = self._query.totals((ORIGINAL_KIND,))
        gauges = {
            "photonic_photos": ("Photos in the catalog.", totals.photos),
            "photonic_photos_contested": ("Photos with a contested field.", totals.contested),
            "photonic_originals_held": ("Originals in this node's store.", totals.held),
            "photonic_originals_held_bytes": ("Their size in bytes.", totals.held_bytes),
            "photonic_problems": ("Problems in the status.", len(self._problems)),
            "photonic_blobs_waiting_for_repair": (
                "Stored blobs that were found damaged and are not repaired.",
                len(self._scrubber.damaged),
            ),
            "photonic_transfers": ("Blobs on their way in.", self._transfers.count),
            "photonic_relay_pairs": ("Ways between others through this node.", self._relay.pairs),
        }
        for name, (words, value) in gauges.items():
            yield GaugeMetricFamily(name, words, value=value)
        counters = asdict(self._transfers.counters) | asdict(self._scrubber.counters)
        counters |= asdict(self._relay.counters)
        for name, value in counters.items():
            yield CounterMetricFamily(f"photonic_{name}", name.replace("_", " "), value=value)
