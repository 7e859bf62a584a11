"""Server-sent events: what happens on the node, as it happens.

Each event has an id; a client that comes back with the last one it saw (the Last-Event-ID header,
or `last_event_id` in the address) gets what it missed. `gap` means that some of that is gone and
everything must be read again. An event says that something changed, never all of what it is now:
`photos`, `holdings` and `albums` name by `ids` what did; none where that is very many, which is to
say that whoever shows any should ask again.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from photonic import limits
from photonic.api.access import EventFeed
from photonic.api.feed import Feed
from photonic.api.problem_documents import Answers, problem_responses
from photonic.errors import TooManyListeners
from photonic.events import (
    Audited,
    BlobChecked,
    BlobsPromised,
    BufferChanged,
    CatalogTaskProgress,
    Event,
    ExportsChanged,
    Gap,
    HoldingsChanged,
    ImportProgress,
    IndexCaughtUp,
    LimitsChanged,
    PausesChanged,
    PeerChanged,
    PlacementChanged,
    ProblemsChanged,
    SafetyChanged,
    ScrubChanged,
    SubjectsChanged,
    TransferProgress,
    VerificationProgress,
)
from photonic.ids import ALBUM, PHOTO, Subject, peer_id

routes = APIRouter(tags=["events"])

_sse = partial(ServerSentEvent, sep="\n")  # the default is CR LF, which simple clients trip over

_EXAMPLE = f'id: 1f2e3d4c.17\nevent: photos\ndata: {{"ids":["{"ab" * 32}"],"local":true}}\n\n'
_STREAM: Answers = {
    200: {
        "description": "Events `photos`, `albums`, `holdings`, `peer`, `transfer`, `import`, "
        "`catalog-task`, `problems`, `blob`, `verification`, `scrub`, `limits`, `pauses`, "
        "`placement`, `safety`, `buffer`, `exports`, `audit` and `gap`, their data in JSON; a "
        "comment now and then when nothing happens. Without `ids`, so much changed that it is not "
        "named: ask again.",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
    }
}


def told(event: Event) -> list[tuple[str, dict[str, Any]]]:
    """Return the name and the data under which clients hear of `event`: none, one or several."""
    match event:
        case SubjectsChanged(subjects, _, origin):
            local = {"local": origin is None}
            kinds = (("photos", PHOTO), ("albums", ALBUM))
            named = ((name, _named(subjects, kind)) for name, kind in kinds)
            return [(name, ids | local) for name, ids in named if ids is not None]
        case IndexCaughtUp():
            return [(name, {"ids": [], "local": False}) for name in ("photos", "albums")]
        case HoldingsChanged(subjects):
            ids = _named(subjects, PHOTO)
            return [] if ids is None else [("holdings", ids)]
        case PeerChanged(node, connected):
            return [("peer", {"id": peer_id(node), "connected": connected})]
        case TransferProgress(blob, name, done, total, peers):
            sizes = {"done_bytes": done, "total_bytes": total}
            pace = {"rate_bytes_s": round(event.rate_bytes_s), "eta_s": event.eta_s}
            far = {"state": event.state, **sizes, "peers": peers, **pace}
            which = {"blob": blob.hex(), "name": name, "kind": event.kind}
            return [("transfer", {**which, **far})]
        case ImportProgress() | CatalogTaskProgress():
            return [_told_of_work(event)]
        case BlobsPromised():
            return []  # the audit log has it
        case ProblemsChanged() | PlacementChanged() | Audited() | Gap():
            return [_told_in_short(event)]
        case BlobChecked() | VerificationProgress():
            return [_told_of_files(event)]
        case ExportsChanged() | BufferChanged():
            return [_told_of_state(event)]
        case ScrubChanged() | LimitsChanged() | PausesChanged() | SafetyChanged():
            return [_told_of_node(event)]


def _named(subjects: Iterable[Subject], kind: str) -> dict[str, Any] | None:
    """Return the ids of those of a kind: none if they are very many, None if there are none."""
    ids = [subject.key.hex() for subject in subjects if subject.kind == kind]
    if not ids:
        return None
    return {"ids": ids if len(ids) <= limits.EVENT_IDS_MAX else []}


def _told_in_short(
    event: ProblemsChanged | PlacementChanged | Audited | Gap,
) -> tuple[str, dict[str, Any]]:
    """Tell that there is something to ask for."""
    match event:
        case ProblemsChanged(count):
            return "problems", {"count": count}
        case PlacementChanged(count):
            return "placement", {"count": count}
        case Audited(act):
            return "audit", {"act": act}
        case Gap():
            return "gap", {}


def _told_of_work(event: ImportProgress | CatalogTaskProgress) -> tuple[str, dict[str, Any]]:
    """Tell how far something is that somebody asked for."""
    match event:
        case ImportProgress(folder, found, imported, known, failed, finished):
            counts = {"found": found, "imported": imported, "known": known, "failed": failed}
            return "import", {"folder": folder, **counts, "finished": finished}
        case CatalogTaskProgress(task, folder, done, total, finished):
            far = {"done": done, "total": total, "finished": finished}
            return "catalog-task", {"task": task, "folder": folder, **far}


def _told_of_state(event: ExportsChanged | BufferChanged) -> tuple[str, dict[str, Any]]:
    """Tell how full the buffer is, or what is exported."""
    if isinstance(event, BufferChanged):
        used = {"used_bytes": event.used_bytes, "size_bytes": event.size_bytes}
        return "buffer", {"state": event.state, **used}
    counts = {"originals": event.originals, "built": event.built, "taken_in": event.taken_in}
    return "exports", {"tree": event.tree, "nfs": event.nfs, **counts}


def _told_of_files(event: BlobChecked | VerificationProgress) -> tuple[str, dict[str, Any]]:
    """Tell how stored files do."""
    if isinstance(event, BlobChecked):
        checked = {"blob": event.blob.hex(), "state": event.state, "detail": event.detail}
        return "blob", checked
    far = {"done": event.done, "total": event.total, "finished": event.finished}
    return "verification", {"id": event.verification, **far}


def _told_of_node(
    event: ScrubChanged | LimitsChanged | PausesChanged | SafetyChanged,
) -> tuple[str, dict[str, Any]]:
    """Tell what somebody set on this node, and what it comes to."""
    match event:
        case ScrubChanged(paused):
            return "scrub", {"paused": paused}
        case LimitsChanged(metered):
            return "limits", {"metered": metered}
        case PausesChanged(count):
            return "pauses", {"count": count}
        case SafetyChanged():
            left = {"bytes_left": event.bytes_left, "eta_s": event.eta_s}
            return "safety", {"photos_at_risk": event.photos_at_risk, **left}


class EventStream(EventSourceResponse):
    """One listener's stream. Ends when the client leaves, is too slow, or the server stops."""

    def __init__(self, feed: Feed, seen: str | None) -> None:
        self._feed = feed
        self._seen = seen
        super().__init__(
            self._nothing(),
            ping=limits.EVENT_HEARTBEAT_S,
            ping_message_factory=lambda: _sse(comment="still here"),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        subscription = self._feed.subscribe(self._seen)
        self.body_iterator = self._messages(subscription.events(), subscription.start)
        try:
            with subscription.scope:
                await super().__call__(scope, receive, send)
        finally:
            subscription.close()

    async def _messages(
        self, events: AsyncGenerator[tuple[int, Event], None], start: int
    ) -> AsyncIterator[ServerSentEvent]:
        # The first message opens the stream at once, and gives the client an id to come back with.
        first = self._feed.event_id(start)
        yield _sse(comment="photonic", id=first, retry=limits.EVENT_RETRY_MS)
        async with aclosing(events):
            async for number, event in events:
                messages = told(event)
                for left, (name, data) in enumerate(messages, start=1 - len(messages)):
                    # Only the last part of an event completes it.
                    key = self._feed.event_id(number) if left == 0 else None
                    text = json.dumps(data, separators=(",", ":"))
                    yield _sse(text, event=name, id=key)

    @staticmethod
    async def _nothing() -> AsyncIterator[ServerSentEvent]:
        return
        yield


@routes.get(
    "/events",
    response_class=Response,
    responses=_STREAM | problem_responses(TooManyListeners),
)
async def listen(
    feed: EventFeed,
    last_event_id: Annotated[
        str | None,
        Query(max_length=128, description="For clients that cannot set the header."),
    ] = None,
    seen: Annotated[str | None, Header(alias="Last-Event-ID", max_length=128)] = None,
) -> Response:
    """Stream what happens on the node as server-sent events."""
    return EventStream(feed, seen or last_event_id)
