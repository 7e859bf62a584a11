"""What this node shows of its photos as files: the tree, and who may mount it.

Rules are what the settings say until somebody changes them at run time; from then on they are what
`exports.json` in the home folder says. A change is refused before what is exported is touched, and
is durable when it holds.
"""

from __future__ import annotations

import pwd
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import trio

from photonic.addresses import parse_http_address
from photonic.config import Settings
from photonic.errors import (
    ConfigInvalid,
    ExporterOff,
    ExporterSilent,
    ExportRuleInvalid,
    HomeUnusable,
)
from photonic.events import Audited, Event, ExportsChanged
from photonic.layout import Layout
from photonic.library import Library
from photonic.nfs.exporter import Export, Exporter, User
from photonic.nfs.ganesha import Ganesha
from photonic.nfs.kernel import KernelServer
from photonic.nfs.rules import holding, parse_rules
from photonic.problems import Problems
from photonic.tree.disk import Writers
from photonic.tree_catalog import TreeCatalog
from photonic.tree_keeper import TreeKeeper, TreePlace, TreeProgress
from photonic.world import World

EXPORTS_FOLDER = Path("/etc/exports.d")
_PLACE = "NFS"


@dataclass(frozen=True, slots=True)
class TreeView:
    """The tree on this node. `left`: what is to be looked at yet; `taken_in`: sidecars that were
    written there since the start. `state`: starting, building, ready or failed."""

    folder: str
    template: str
    state: str
    originals: int
    sidecars: int
    left: int
    taken_in: int


@dataclass(frozen=True, slots=True)
class ExporterView:
    """How the tree is exported over NFS, and who may mount it.

    `state`: starting, serving, waiting (to be started again) or failed. `changed`: the rules are
    not those of the settings.
    """

    kind: str
    state: str
    address: str
    user: str
    rules: list[str]
    restarts: int
    changed: bool


@dataclass(frozen=True, slots=True)
class ExportsView:
    """What this node shows of its photos as files; null: nothing."""

    tree: TreeView | None
    nfs: ExporterView | None


class Exports:
    """Shows, keeps and changes the exports of one node. Used on the event loop's thread."""

    def __init__(
        self,
        settings: Settings,
        role: str,
        file: Path,
        world: World,
        announce: Callable[[Event], object],
        tree: TreeKeeper | None = None,
        exporter: Exporter | None = None,
    ) -> None:
        """`file` keeps rules that were changed. Raises ConfigInvalid."""
        self._settings, self._role, self._file = settings, role, file
        self._world, self._announce = world, announce
        self._turn = trio.Lock()
        self.tree, self.exporter = tree, exporter
        self._rules = rules_of(settings, file)
        self._told: ExportsChanged | None = None

    def hear(self, event: Event) -> None:
        """Take note of what may change the tree."""
        if self.tree is not None:
            self.tree.hear(event)

    def services(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """Return what runs as long as the node does."""
        found: dict[str, Callable[[], Awaitable[None]]] = {}
        if self.tree is not None:
            found["the tree of photos"] = self.tree.run
        if self.exporter is not None:
            found["the export over NFS"] = self.exporter.run
        return found

    def note_change(self) -> None:
        """Tell whoever listens, if there is something to tell."""
        now = self.tree.progress if self.tree is not None else TreeProgress("off")
        nfs = self.exporter.state.state if self.exporter is not None else "off"
        told = ExportsChanged(now.state, nfs, now.originals, now.built, now.taken_in)
        if told != self._told:
            self._told = told
            self._announce(told)

    # --- what is told ------------------------------------------------------------------------

    def view(self) -> ExportsView:
        """Return what is exported now."""
        return ExportsView(self._tree_view(), self._exporter_view())

    def _tree_view(self) -> TreeView | None:
        if self.tree is None:
            return None
        place, now = self.tree.place, self.tree.progress
        return TreeView(
            str(place.root), place.template, now.state, now.originals, now.sidecars, now.left,
            now.taken_in,
        )  # fmt: skip

    def _exporter_view(self) -> ExporterView | None:
        if self.exporter is None:
            return None
        now = self.exporter.state
        return ExporterView(
            now.kind, now.state, now.address, self._settings.nfs_user, list(self._rules),
            now.restarts, self._rules != tuple(self._settings.nfs_rules),
        )  # fmt: skip

    # --- other rules -------------------------------------------------------------------------

    async def set_rules(self, texts: Sequence[str]) -> ExportsView:
        """Let these clients in and no others, durably.

        Raises ExporterOff, ExportRuleInvalid, ExporterSilent, ExporterRights, HomeUnusable.
        """
        rules = tuple(rule.text for rule in parse_rules(texts))
        async with self._turn:
            await self._apply(rules)
            try:
                data = msgspec.json.encode(list(rules))
                await trio.to_thread.run_sync(self._world.files.write_durable, self._file, data)
            except OSError as error:
                raise HomeUnusable(str(self._file), error.strerror or str(error)) from error
        return self.view()

    async def reset_rules(self) -> ExportsView:
        """Go back to the rules of the settings. Raises as `set_rules`."""
        async with self._turn:
            await self._apply(tuple(self._settings.nfs_rules))
            try:
                await trio.to_thread.run_sync(self._world.files.remove, self._file)
            except OSError as error:
                raise HomeUnusable(str(self._file), error.strerror or str(error)) from error
        return self.view()

    async def _apply(self, rules: tuple[str, ...]) -> None:
        if self.exporter is None:
            raise ExporterOff("nothing is exported over NFS")
        before = self._rules
        said = holding(parse_rules(rules), self._role)
        await self.exporter.apply(replace(self.exporter.export, rules=said))
        self._rules = rules
        if rules != before:
            facts = {"rules": ", ".join(rules) or "none", "before": ", ".join(before) or "none"}
            self._announce(Audited("export.changed", facts))


def open_exports(
    settings: Settings,
    role: str,
    layout: Layout,
    library: Library,
    world: World,
    problems: Problems,
    announce: Callable[[Event], object],
) -> Exports:
    """Make what the settings ask for. Raises ConfigInvalid."""
    if settings.tree is None:
        if settings.nfs != "off":
            raise ConfigInvalid(["nfs: there is nothing to export while `tree` is not set"])
        return Exports(settings, role, layout.exports, world, announce)
    user = _user(settings.nfs_user) if settings.nfs != "off" else None
    keeper = library.keeper
    catalog = TreeCatalog(
        keeper, library.identity.node, world.entropy.token, keeper.index.mark_held
    )
    place = TreePlace(
        settings.tree,
        layout.tree(library.record.library),
        layout.blobs,
        settings.tree_template,
        Writers(user.uid, user.gid) if user else None,
    )

    def note_change() -> None:
        exports.note_change()

    tree = TreeKeeper(place, catalog, library.store, world, problems, note_change)
    library.on_arrived = tree.note_stored
    exporter = None
    if user is not None:
        rules = holding(parse_rules(rules_of(settings, layout.exports)), role)
        export = Export(settings.tree, rules, user)

        def note(error: ExporterSilent | None) -> None:
            if error is None:
                problems.clear(_PLACE, ExporterSilent.code)
            else:
                problems.add(error, _PLACE)
            exports.note_change()

        exporter = _exporter(settings, layout, library.record.id, export, world, note)
    exports = Exports(settings, role, layout.exports, world, announce, tree, exporter)
    return exports


def _exporter(
    settings: Settings,
    layout: Layout,
    library: str,
    export: Export,
    world: World,
    note: Callable[[ExporterSilent | None], None],
) -> Exporter:
    if settings.nfs == "kernel":
        file = EXPORTS_FOLDER / f"photonic-{library[:16]}.exports"
        return KernelServer(file, export, world.files, note)
    host, port = parse_http_address(settings.nfs_listen, is_exposed=True)
    return Ganesha(layout.nfs, host, port, export, world.files, note)


def rules_of(settings: Settings, file: Path) -> tuple[str, ...]:
    """Return the rules that hold: those that were changed at run time, or the settings'.

    Raises ConfigInvalid.
    """
    changed = _read_rules(file)
    return tuple(settings.nfs_rules) if changed is None else changed


def _user(name: str) -> User:
    """Raises ConfigInvalid."""
    try:
        found = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        raise ConfigInvalid([f"nfs_user: this machine has no user {name}"]) from None
    if found.pw_uid == 0:
        raise ConfigInvalid(["nfs_user: root may write whatever it likes; name another user"])
    return User(found.pw_uid, found.pw_gid)


def _read_rules(file: Path) -> tuple[str, ...] | None:
    """Return what was changed at run time, None if nothing was. Raises ConfigInvalid."""
    try:
        texts = msgspec.json.decode(file.read_bytes(), type=list[str])
        return tuple(rule.text for rule in parse_rules(texts))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, ExportRuleInvalid) as error:
        raise ConfigInvalid([f"{file}: {error}; correct or remove it"]) from error
