"""The one place that imports late, so that `photonic version` does not wait for libp2p.

Python runs a module when it is imported, and all of the node takes more than a second. So a verb
is loaded when it is called, and the node's own functions only by a verb that has no running node
to talk to. Imports inside functions are forbidden everywhere else; `tests/test_floors.py` excepts
this file by name.
"""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    import trio

    from photonic.cli.invocation import Invocation
    from photonic.config import Settings
    from photonic.lodging import Lodging
    from photonic.recovery import Recovered
    from photonic.recovery_kit import RecoveryKit
    from photonic.restoration import Restored
    from photonic.safekeeping import Safekeeping
    from photonic.vault import Kept
    from photonic.views import LibraryView, StatusView

# Verb -> the module of this package that has its `run`. The order is that of `photonic --help`.
VERBS = {
    "init": "init",
    "node": "node",
    "status": "status",
    "doctor": "doctor",
    "import": "importing",
    "ls": "ls",
    "edit": "edit",
    "albums": "albums",
    "trash": "trash",
    "log": "log",
    "undo": "undo",
    "policy": "policy",
    "why": "why",
    "pin": "pin",
    "unpin": "unpin",
    "invite": "invite",
    "join": "join",
    "members": "members",
    "member": "member",
    "revoke": "revoke",
    "recovery-kit": "recovery_kit",
    "recover": "recover",
    "restore": "restore",
    "keys": "keys",
    "token": "token",
    "audit": "audit",
    "library": "library",
    "peers": "peers",
    "transfers": "transfers",
    "redundancy": "redundancy",
    "limits": "limits",
    "pause": "pause",
    "resume": "resume",
    "verify": "verify",
    "evict": "evict",
    "nfs": "nfs",
    "simulate": "simulate",
    "export-catalog": "exporting",
    "import-catalog": "restoring",
    "version": "version",
}

# Where `photonic --help` begins a group of verbs, and what it calls it.
GROUPS = {
    "init": "This machine", "import": "Photos", "invite": "Members and trust",
    "library": "Several libraries", "peers": "Moving and keeping files",
    "export-catalog": "The rest",
}  # fmt: skip

# Verbs that take a query, which may begin with a minus: `photonic ls -flag:reject`.
QUERY_VERBS = frozenset(("ls", "log", "edit", "trash", "verify", "why", "pin", "unpin"))


class Node(Protocol):
    """What the verbs use of `photonic.cli.daemon`."""

    async def initialise(self, settings: Settings) -> LibraryView:
        """Make a library in the home folder. Raises AlreadyInitialised."""
        ...

    async def enrol(self, settings: Settings, code: str) -> LibraryView:
        """Join the library that `code` invites to."""
        ...

    def recovery_kit(self, settings: Settings) -> RecoveryKit:
        """Return the kit of the home's library. Raises AuthorityAbsent."""
        ...

    def is_typed_back(self, kit: RecoveryKit, number: int, typed: str) -> bool:
        """Whether somebody typed the line of a kit with this number."""
        ...

    def forget_key(self, settings: Settings) -> None:
        """Take the authority key away from this machine."""
        ...

    def restore_with(
        self,
        settings: Settings,
        folder: Path,
        kit: str | None,
        tell: Callable[[str, int], None],
        *,
        shares: bool,
    ) -> Restored:
        """Make a home of what another node's folder has. Raises ArchiveUnusable and others."""
        ...

    def restore_files_with(
        self, folder: Path, target: Path, kit: str | None, tell: Callable[[str, int], None]
    ) -> Restored:
        """Write an archive's photos as plain files. Raises ArchiveUnusable, ExportUnwritable."""
        ...

    async def recover_with(self, settings: Settings, kit: str, *, alone: bool) -> Recovered:
        """Make this home's node an admin of the kit's library."""
        ...

    def keep_keys(self, settings: Settings, way: Kept) -> Safekeeping:
        """Keep this home's keys in another way.

        Raises HomeInUse, PassphraseNeeded, PassphraseWrong, KeyringUnusable, KeyDamaged.
        """
        ...

    async def run_node(
        self,
        settings: Settings,
        *,
        settings_of: Callable[[Lodging | None], Settings] | None = None,
        ready: Callable[[StatusView], None],
        stop: trio.Event,
    ) -> None:
        """Run until `stop`; call `ready` whenever a library serves anew."""
        ...


class Watched(Protocol):
    """What is said of a history that was played."""

    seed: int
    title: str
    nodes: int
    acts: int
    virtual_s: float
    faults: Mapping[str, int]
    broken: tuple[str, ...]


class Simulator(Protocol):
    """What `simulate` uses of `simulations.watching`, which runs all of the product."""

    def titles(self) -> dict[str, str]: ...

    def watch(self, name: str, seed: int | None, out: Path) -> Watched:
        """Raises ValueError, OSError."""
        ...


class Outlook(Protocol):
    """What is foreseen of a trip."""

    title: str
    full_on: int | None
    broken: tuple[str, ...]


class TripPlanner(Protocol):
    """What `simulate --trip` uses of `simulations.outlook`."""

    def machine(self, name: str, role: str, room_bytes: int, held_bytes: int) -> object: ...

    def foresee(
        self,
        text: str,
        away: object,
        others: Sequence[object],
        min_copies: int,
        seed: int,
        out: Path,
        rules: Sequence[str],
    ) -> Outlook:
        """Raises ValueError, OSError."""
        ...

    def verdict(self, seen: Outlook) -> str: ...

    def columns(self) -> tuple[str, ...]: ...

    def rows(self, seen: Outlook) -> list[tuple[str, ...]]: ...

    def facts(self, seen: Outlook) -> dict[str, object]: ...


class Grammar(Protocol):
    """What the entry point uses of `photonic.cli.grammar`."""

    def run_command_line(self, given: Sequence[str], invocation: Invocation) -> int: ...


class Configuration(Protocol):
    """What the command line uses of `photonic.sections`."""

    def load_first(self, flags: Mapping[str, object]) -> Settings: ...

    def load_tenant(self, flags: Mapping[str, object], lodging: Lodging) -> Settings: ...


def load_verb(verb: str) -> Callable[..., None]:
    """Return the function that does `verb`, a key of VERBS."""
    module = importlib.import_module(f"photonic.cli.{VERBS[verb]}")
    return cast(Callable[..., None], module.run)


def load_grammar() -> Grammar:
    """Import Typer and what it needs."""
    return cast(Grammar, importlib.import_module("photonic.cli.grammar"))


def load_node() -> Node:
    """Import the node and everything below it.

    Nothing of that is garbage, and to look for some again and again takes a fifth of the start.
    """
    gc.disable()
    try:
        return cast(Node, importlib.import_module("photonic.cli.daemon"))
    finally:
        gc.enable()


def load_simulator() -> Simulator:
    """Import the simulator, and the node below it."""
    return cast(Simulator, importlib.import_module("simulations.watching"))


def load_trip_planner() -> TripPlanner:
    """Import what plays a trip, and the node below it."""
    return cast(TripPlanner, importlib.import_module("simulations.outlook"))


def load_settings(flags: Mapping[str, object], lodging: Lodging | None = None) -> Settings:
    """Read file, environment and `flags` for one library, the first or another.

    Raises ConfigInvalid.
    """
    config = cast(Configuration, importlib.import_module("photonic.sections"))
    return config.load_first(flags) if lodging is None else config.load_tenant(flags, lodging)


def write_crash(file: Path) -> None:
    """Append the exception that is being handled to the log `file`. Raises OSError."""
    importlib.import_module("photonic.logs").write_crash(file)


def set_up_logs(settings: Settings, file: Path | None) -> None:
    """Send this process's log where `settings` say, and to `file`."""
    importlib.import_module("photonic.logs").set_up_logs(
        level=settings.log_level, style=settings.log_format, file=file
    )
