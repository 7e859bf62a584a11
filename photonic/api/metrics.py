"""Metrics in Prometheus' text format: the node's own, and those of this face.

Requests are counted by the route's template, never by the path that was asked for, so that their
number is bounded by the number of routes.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from photonic.world import Clock, SystemClock

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def render(*registries: CollectorRegistry) -> bytes:
    """Return all metrics of `registries`, whose names must not overlap."""
    return b"".join(generate_latest(registry) for registry in registries)


class HttpMetrics:
    """What this face counts about itself, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter(
            "photonic_http_requests", "Requests answered.", labels, registry=self.registry
        )
        self.seconds = Histogram(
            "photonic_http_request_seconds",
            "Time to the first byte of an answer.",
            ("route",),
            registry=self.registry,
        )
        self.open = Gauge(
            "photonic_http_requests_open", "Requests being answered.", registry=self.registry
        )


class Measured:
    """Wraps the application and counts what it answers."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics, clock: Clock | None = None) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock or SystemClock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = self._clock.monotonic_s()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._count(scope, message["status"], self._clock.monotonic_s() - began_s)
            await send(message)

        self._metrics.open.inc()
        try:
            await self._app(scope, receive, counted)
        finally:
            self._metrics.open.dec()

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "page")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
