"""One pycrdt document that is a flat map from text keys to bytes. The single importer of pycrdt.

What it is for: finding and carrying what one replica has and another lacks. It knows nothing of
what the bytes mean. What it is not: a store (the journal keeps updates) or a judge: foreign bytes
pass the door (`door.py`) before they come here, and a document that faulted must be loaded again
from the journal.

A document writes under a client id that nobody wrote under before, for reusing one after losing
un-journaled state would make replicas diverge silently (invariant I4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pycrdt import Doc, Map

from photonic import limits
from photonic.crdt.union import union
from photonic.crdt.updates import (
    Update,
    UpdateInvalid,
    is_out_of_bounds,
    parse,
    reachable,
    read_vector,
    within_bounds,
    without_deletes,
)

_ROOT = "c"
EMPTY_UPDATE = b"\x00\x00"


class DocumentFault(Exception):
    """Bytes that are no update, or whose result is no flat map of bytes."""


@dataclass(frozen=True, slots=True)
class Delta:
    """What an update did."""

    added: Mapping[str, bytes]
    overwritten: Mapping[str, bytes]  # new values of keys that had another value
    removed: frozenset[str]
    update: bytes  # what was new here and was taken in: what the journal and other peers need
    is_whole: bool  # False if something was left out, for it stands behind a gap


class MapDocument:
    """A replicated map. Not thread-safe: one thread owns it."""

    def __init__(self, updates: Sequence[bytes] = (), client_id: int | None = None) -> None:
        """Load from journaled updates, in whatever order. Raises DocumentFault.

        `client_id` has 53 bits at most, and is a new one drawn by chance if it is None.
        """
        self._events: list[Mapping[str, Mapping[str, Any]]] = []
        self._open(updates, client_id)

    def _open(self, updates: Sequence[bytes], client_id: int | None) -> None:
        self._doc: Doc[Any] = Doc(client_id=client_id)
        self._map: Map[Any] = self._doc.get(_ROOT, type=Map)
        reach: dict[int, int] = {}
        waiting = [update for update in updates if not self._absorb(_read(update), reach)[1]]
        if waiting:  # what one of them waits for may be in another; the rest a peer will bring
            self._absorb(_read(merge(waiting)), reach)
        self._observe()

    def _observe(self) -> None:
        # What Rust holds must not lead back to this object: the two would live for ever.
        events = self._events
        self._subscription = self._map.observe(
            lambda event: events.append(event.keys)  # type: ignore[attr-defined] # not in its stubs
        )

    @property
    def client_id(self) -> int:
        return self._doc.client_id

    def __len__(self) -> int:
        return len(self._map)

    def entries(self) -> dict[str, bytes]:
        """Return a copy of the whole map, by key. Raises DocumentFault if a value is not bytes."""
        found: dict[str, Any] = self._map.to_py() or {}
        return {key: _as_bytes(found[key]) for key in sorted(found)}

    def insert(self, entries: Mapping[str, bytes]) -> bytes:
        """Write `entries` in one transaction and return the update that carries them.

        As all that is announced and journaled, it comes without deletes (see `updates.py`). Where a
        member forged blocks under the client id of this document, so far out that no door lets the
        next one through, it goes on under a new client id.
        """
        for key, value in entries.items():
            assert 0 < len(key.encode()) <= limits.DOCUMENT_KEY_BYTES_MAX, "no peer takes it in"
            assert len(value) <= limits.CHANGE_BYTES_MAX, "no peer takes it in"
        update = self._write(entries)
        if is_out_of_bounds(parse(update)):
            self._open([within_bounds(self.snapshot())], None)
            update = self._write(entries)
        return update

    def _write(self, entries: Mapping[str, bytes]) -> bytes:
        before = self._doc.get_state()
        with self._doc.transaction():
            for key, value in entries.items():
                self._map[key] = value
        self._events.clear()
        return without_deletes(self._doc.get_update(before))

    def apply(self, update: bytes) -> Delta:
        """Take in a foreign update and say what it did. Raises DocumentFault.

        What stands behind a gap is left out (see `reachable`); the next round of anti-entropy
        brings it again, for the vector does not count it.
        """
        self._events.clear()
        taken, is_whole = self._absorb(_read(update), read_vector(self.vector()))
        if list(self._doc.keys()) != [_ROOT]:
            raise DocumentFault("the update writes outside the map")
        added: dict[str, bytes] = {}
        overwritten: dict[str, bytes] = {}
        removed: set[str] = set()
        for keys in self._events:
            for key in sorted(keys):  # the library tells them in an order of chance
                entry = keys[key]
                if entry["action"] == "add":
                    added[key] = _as_bytes(entry["newValue"])
                elif entry["action"] == "delete":
                    removed.add(key)
                elif entry["oldValue"] != entry["newValue"]:
                    overwritten[key] = _as_bytes(entry["newValue"])
        self._events.clear()
        return Delta(added, overwritten, frozenset(removed), taken, is_whole)

    def absorb(self, update: Update) -> None:
        """Take in a foreign update, and do not ask what it did. Raises DocumentFault."""
        with self._without_events():
            self._absorb(update, read_vector(self.vector()))

    @contextmanager
    def _without_events(self) -> Iterator[None]:
        """Spare the library to tell what happens: it costs more than what happens."""
        self._map.unobserve(self._subscription)
        try:
            yield
        finally:
            self._observe()

    def vector(self) -> bytes:
        """Return the state vector: what this replica has, as a peer needs to know it."""
        return self._doc.get_state()

    def missing_for(self, vector: bytes) -> bytes:
        """Return the update that a replica with `vector` lacks. Raises DocumentFault.

        Five bytes that announce half a milliard of clients make the library take a gigabyte before
        it looks whether they are there; so the vector is read here first.
        """
        try:
            read_vector(vector)
            return self._doc.get_update(vector)
        except BaseException as error:  # noqa: BLE001 - a panic is one; see _fault
            raise _fault(error) from None

    def snapshot(self) -> bytes:
        """Return one update that carries everything."""
        return self._doc.get_update()

    def _absorb(self, update: Update, reach: dict[int, int]) -> tuple[bytes, bool]:
        """Take in what can be; return that, and whether nothing had to be left out."""
        try:
            part, is_all = reachable(update, reach)
            if not is_empty(part):
                self._doc.apply_update(part)
        except BaseException as error:  # noqa: BLE001 - a panic is one; see _fault
            raise _fault(error) from None
        return part, is_all


def _read(update: bytes) -> Update:
    try:
        return parse(update)
    except UpdateInvalid as error:
        raise DocumentFault(f"not an update: {error}") from None


def merge(updates: Sequence[bytes]) -> bytes:
    """Return one update with all entries of `updates`. Raises DocumentFault.

    An update has one block in each place. Where a member forged an entry in the place of another,
    that other one is written again, under a client id of its own.
    """
    try:
        merged, displaced = union([parse(update) for update in updates])
        if displaced:
            merged, _ = union([parse(merged), parse(MapDocument().insert(displaced))])
    except UpdateInvalid as error:
        raise DocumentFault(f"not an update: {error}") from None
    return merged


def is_empty(update: bytes) -> bool:
    """Whether an update carries nothing."""
    return update == EMPTY_UPDATE


def _as_bytes(value: object) -> bytes:
    if not isinstance(value, bytearray | bytes):
        raise DocumentFault(f"an entry is a {type(value).__name__}, not bytes")
    return bytes(value)


def _fault(error: BaseException) -> BaseException:
    """Turn what pycrdt raises on bad bytes into a DocumentFault; let everything else through.

    A panic in its Rust code arrives as `pyo3_runtime.PanicException`, which is no `Exception`, so
    that it would end the process if it were not caught by name.
    """
    if isinstance(error, Exception) or type(error).__name__ == "PanicException":
        return DocumentFault(f"not an update: {error}")
    return error
