"""What every way of exporting the tree does, and what it is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from photonic.nfs.rules import Rule

PSEUDO = "/photos"  # what clients mount


@dataclass(frozen=True, slots=True)
class User:
    """As whom clients act here, whoever they are on their own machine."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Export:
    """One folder and who may mount it, smaller networks first."""

    folder: Path
    rules: tuple[Rule, ...]
    user: User


@dataclass(frozen=True, slots=True)
class ExporterState:
    """How an exporter is."""

    kind: str  # ganesha, kernel
    state: str  # starting, serving, waiting (to be started again), failed
    address: str
    restarts: int = 0


class Exporter(Protocol):
    """Serves one export until it is cancelled."""

    @property
    def state(self) -> ExporterState: ...

    @property
    def export(self) -> Export:
        """What is exported, by the rules that hold."""
        ...

    async def run(self) -> None:
        """Serve, and start the server again when it ends.

        Raises ExporterMissing, ExporterRights.
        """
        ...

    async def apply(self, export: Export) -> None:
        """Export by other rules from now on; returns when a listing was answered by them.

        What cannot be used is refused before what runs is touched, and what turns out not to work
        is taken back: then the export is what it was. Raises ExportRuleInvalid, ExporterSilent.
        """
        ...
