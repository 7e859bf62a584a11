"""What happened in a history, as a list of events, and the hash that two equal histories share.

On the disk a trace is JSON lines, one event a line, the first one `began` and the last one `ended`;
the report and `shrink` read it. The hash is BLAKE3 over those lines, running, so that it is known
whether or not the lines are kept.

| kind | facts |
|---|---|
| `began` | `scenario`, `title`, `seed`, `nodes` (name: role), `hurry`, `scale`, `photo_bytes`,
`min_copies` (see scenario.py); nothing of the machine |
| `act` | the act (`acts.Act`); `passed over` is one that could not be done, with `why` |
| `accepted` | what a node took from a person and made durable: `act`, `photo`; of an edit `field`,
`value`, `change`, `saw` (the ids of all changes of that photo which the node knew) |
| `refused` | what a node refused a person: `act`, `code` |
| `started`, `stopped`, `killed` | a node; `killed` has `lost` (bytes that were not fsynced) |
| `rolled back` | `since_s`: all that the node learned after that is gone from it |
| `joined`, `revoked` | `other` (who invited or revoked) |
| `place` | `place`: where the node is from now on (null: nowhere) |
| `link` | `other`, `is_open`, and `why` not (`away` or kinds of acts): what passes now, one way |
| `connected`, `disconnected` | `other` |
| `message` | `to`, `protocol`, `bytes`, `arrives_s` (null: it was lost with its connection) |
| `event` | what the node's own event log announced: `event` (its type) and its fields in short |
| `copies` | `photo`, `holders` (names), when they changed |
| `rotted` | `photo`: a bit of its original turned on this node |
| `stranger` | `learned`: what somebody who is no member was given by this node |
| `forged` | `other`, `photo`, `change`: a change of another that this node signed and sent |
| `promised` | `photos`, `keep_s`: what this node promised others to keep, and for how long |
| `evicted` | `photo`, `others`: whose disks have a file of it, looked at from outside |
| `purged` | `photos`: many removals that this node wrote without asking anybody |
| `revocation known` | `other`: every member has heard that it was revoked |
| `conflict` | `photo`, `field`, `values`: how many this node has, when it changed; 1 is settled |
| `healed` | all faults are undone |
| `converged` | every member shows the same |
| `violation` | `checker`, `text` |
| `ended` | `figures` (name: number) |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from blake3 import blake3


class Event(msgspec.Struct, frozen=True):
    """One thing that happened, at a virtual moment, on a node ("": on none)."""

    at_s: float
    node: str
    kind: str
    facts: dict[str, Any]


_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(Event)


class Trace:
    """The events of one history. `keep`: they are in `events`; `file`: they are written there."""

    def __init__(self, *, keep: bool = False, file: BinaryIO | None = None) -> None:
        self.events: list[Event] = []
        self.count = 0
        self._keeps, self._file, self._hash = keep, file, blake3()
        self._listeners: list[Callable[[Event], None]] = []

    def listen(self, listener: Callable[[Event], None]) -> None:
        """`listener` hears of every event from now on, at once."""
        self._listeners.append(listener)

    def add(self, event: Event) -> None:
        line = _ENCODER.encode(event) + b"\n"
        self._hash.update(line)
        self.count += 1
        if self._keeps:
            self.events.append(event)
        if self._file is not None:
            self._file.write(line)
        for listener in self._listeners:
            listener(event)

    def digest(self) -> str:
        """Return the hash of all events so far: 32 hex digits."""
        return self._hash.hexdigest(16)


def read(path: Path) -> Iterator[Event]:
    """Yield the events of a trace on the disk."""
    with path.open("rb") as file:
        for line in file:
            yield _DECODER.decode(line)
