"""One pycrdt document that is a flat map from text keys to bytes. The single importer of pycrdt.

What it is for: finding and carrying what one replica has and another lacks. It knows nothing of
what the bytes mean. What it is not: a store (the journal keeps updates) or a judge (the caller
looks at the `Delta` and throws the document away if an entry must not be there; a document that
refused or faulted must be loaded again from the journal).

Every loaded document gets a client id of its own, for reusing one after losing un-journaled state
would make replicas diverge silently (invariant I4).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pycrdt import Doc, Map, MapEvent

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


class MapDocument:
    """A replicated map. Not thread-safe: one thread owns it."""

    def __init__(self, updates: Iterable[bytes] = ()) -> None:
        """Load from journaled updates. Raises DocumentFault."""
        self._doc: Doc[Any] = Doc()
        self._map: Map[Any] = self._doc.get(_ROOT, type=Map)
        self._events: list[Mapping[str, Mapping[str, Any]]] = []
        for update in updates:
            self._absorb(update)
        self._subscription = self._map.observe(self._note)

    def _note(self, event: MapEvent) -> None:
        self._events.append(event.keys)  # type: ignore[attr-defined]

    def entries(self) -> dict[str, bytes]:
        """Return a copy of the whole map. Raises DocumentFault if a value is not bytes."""
        return {key: _as_bytes(value) for key, value in (self._map.to_py() or {}).items()}

    def insert(self, entries: Mapping[str, bytes]) -> bytes:
        """Write `entries` in one transaction and return the update that carries them."""
        before = self._doc.get_state()
        with self._doc.transaction():
            for key, value in entries.items():
                self._map[key] = value
        self._events.clear()
        return self._doc.get_update(before)

    def apply(self, update: bytes) -> Delta:
        """Take in a foreign update and say what it did. Raises DocumentFault.

        An update that leaves a gap is applied as far as it goes; the vector stays at the prefix
        without gap, and the next round of anti-entropy heals it.
        """
        self._events.clear()
        self._absorb(update)
        if list(self._doc.keys()) != [_ROOT]:
            raise DocumentFault("the update writes outside the map")
        added: dict[str, bytes] = {}
        overwritten: dict[str, bytes] = {}
        removed: set[str] = set()
        for keys in self._events:
            for key, entry in keys.items():
                if entry["action"] == "add":
                    added[key] = _as_bytes(entry["newValue"])
                elif entry["action"] == "delete":
                    removed.add(key)
                elif entry["oldValue"] != entry["newValue"]:
                    overwritten[key] = _as_bytes(entry["newValue"])
        self._events.clear()
        return Delta(added, overwritten, frozenset(removed))

    def vector(self) -> bytes:
        """Return the state vector: what this replica has, as a peer needs to know it."""
        return self._doc.get_state()

    def missing_for(self, vector: bytes) -> bytes:
        """Return the update that a replica with `vector` lacks. Raises DocumentFault."""
        try:
            return self._doc.get_update(vector)
        except BaseException as error:  # noqa: BLE001 - a panic is one; see _fault
            raise _fault(error) from None

    def deletes_since(self, vector: bytes) -> bool:
        """Whether anything was ever deleted here. Yjs sends what was deleted whole, at the end."""
        return not self.missing_for(vector).endswith(b"\0")

    def snapshot(self) -> bytes:
        """Return one update that carries everything."""
        return self._doc.get_update()

    def _absorb(self, update: bytes) -> None:
        try:
            self._doc.apply_update(update)
        except BaseException as error:  # noqa: BLE001 - a panic is one; see _fault
            raise _fault(error) from None


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
