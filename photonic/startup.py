"""From a home folder to a running node: making or joining a library, starting, going on as another.

One process at a time may do any of it: the home folder is locked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import anyio
import trio

from photonic.archived_home import ArchivedHome, opened
from photonic.authority import forget_authority, kit_of
from photonic.config import Settings
from photonic.errors import (
    AlreadyInitialised,
    ArchiveUnusable,
    AuthorityAbsent,
    KitInvalid,
    LibraryNotEmpty,
    RestoreInterrupted,
)
from photonic.identity import Identity
from photonic.ids import NodeId, parse_peer_id
from photonic.layout import Layout, LibraryRecord
from photonic.membership import found_library, join_library
from photonic.node import Node
from photonic.p2p.invitations import Code, parse_code
from photonic.p2p.peers import PeerBook
from photonic.p2p.transport import Admission
from photonic.parts import MachineParts, Parts
from photonic.passphrases import source_of
from photonic.plain_restoration import restore_plainly
from photonic.recovery import Recovered, Recovery, recover_library
from photonic.recovery_kit import RecoveryKit
from photonic.restoration import Restored, Tell, restore_home
from photonic.running import Face
from photonic.supervise import unwrapped
from photonic.views import LibraryView, StatusView
from photonic.world import SeparateFiles, World


def open_layout(settings: Settings, world: World | None = None) -> Layout:
    """Return the home folder of some settings; its keys open with the passphrase they give."""
    return Layout(settings.home, world or World(), source_of(settings))


async def _unlock(layout: Layout) -> None:
    """Ask for the passphrase, if there is one, where Ctrl-C still ends the process."""
    await anyio.to_thread.run_sync(layout.vault.unlock, abandon_on_cancel=True)


async def initialise(settings: Settings) -> LibraryView:
    """Make a new library in the home folder, which must keep none. Raises AlreadyInitialised."""
    world, layout = World(), open_layout(settings)
    with layout.lock():
        await _unlock(layout)
        known = layout.read_record()
        if known is not None:
            raise AlreadyInitialised(f"{layout.home} keeps the library {known.name}")
        record = _found(settings, layout, world)
    return LibraryView(record.id, record.name)


def _found(settings: Settings, layout: Layout, world: World) -> LibraryRecord:
    if layout.restoring.exists():
        raise RestoreInterrupted(f"a library was begun to be restored into {layout.home}")
    return found_library(
        layout,
        Identity.load_or_create(layout.node_key, world, layout.vault),
        name=settings.library_name,
        role=settings.role or "central",
        node_name=settings.name,
        world=world,
    )


async def enrol(settings: Settings, code: str) -> LibraryView:
    """Join a library from a home folder whose node does not run, and which keeps none yet."""
    world, layout = World(), open_layout(settings)
    with layout.lock():
        await _unlock(layout)
        record = await _enrol(settings, layout, parse_code(code), world, MachineParts())
    return LibraryView(record.id, record.name)


async def _enrol(
    settings: Settings, layout: Layout, code: Code, world: World, parts: Parts
) -> LibraryRecord:
    record = layout.read_record()
    if record is not None and record.id == code.library.hex():
        return record
    if record is not None:
        raise LibraryNotEmpty(f"this home keeps the library {record.name}")
    identity = Identity.load_or_create(layout.node_key, world, layout.vault)
    transport = parts.transport(identity, (), world)
    inviter = NodeId(code.inviter)

    def gate(node: NodeId) -> Admission:
        return Admission.GUEST if node == inviter else Admission.REFUSED

    with unwrapped():
        async with anyio.create_task_group() as tasks:
            await tasks.start(transport.run, {}, {}, gate, lambda event: None)
            joined, granted = await join_library(
                transport, layout, identity, code, node_name=settings.name, world=world
            )
            tasks.cancel_scope.cancel()
    book = PeerBook(identity.node)
    book.learn(inviter, (*granted.addresses, *code.addresses))
    world.files.write_durable(layout.peers, book.dump())
    return joined


async def recover(settings: Settings, asked: Recovery) -> Recovered:
    """Make this home's node an admin of a library by its recovery kit. The node must not run."""
    world, layout = World(), open_layout(settings)
    with layout.lock():
        await _unlock(layout)
        identity = Identity.load_or_create(layout.node_key, world, layout.vault)
        book = PeerBook(identity.node)
        if layout.peers.exists():
            book.load(layout.peers.read_bytes())
        known = {peer.node: tuple(peer.addresses) for peer in book.all() if peer.addresses}
        for text in settings.peers:
            bare, _, name = text.rpartition("/p2p/")
            node = parse_peer_id(name)
            known[node] = (bare, *known.get(node, ()))
        found = await recover_library(layout, identity, replace(asked, addresses=known), world)
        for node, addresses in found.addresses.items():
            book.learn(node, addresses)
        world.files.write_durable(layout.peers, book.dump())
    return found


def restore(
    settings: Settings, folder: Path, kit: RecoveryKit | None, tell: Tell, *, shares: bool
) -> Restored:
    """Make a home of what another node's folder has. Blocking.

    `kit`: with which it is to be recovered afterwards; `shares`: copies may share blocks with the
    folder. Raises ArchiveUnusable, KitInvalid, LibraryNotEmpty, HomeInUse, StoreFull and what else
    keeps files from being written here.
    """
    world = World() if shares else World(files=SeparateFiles())
    layout = open_layout(settings, world)
    _check_apart(layout.home, folder)
    with opened(folder) as archive, layout.lock():
        authority = _authority(kit, archive)
        layout.vault.unlock()
        return restore_home(
            archive,
            layout,
            Identity.load_or_create(layout.node_key, world, layout.vault),
            world,
            tell,
            role=settings.role or "central",
            authority=authority,
            quota_bytes=settings.quota_bytes,
        )


def restore_files(folder: Path, target: Path, kit: RecoveryKit | None, tell: Tell) -> Restored:
    """Write the photos of another node's folder as plain files. Blocking.

    Raises ArchiveUnusable, KitInvalid, ExportUnwritable, HomeInUse.
    """
    _check_apart(target, folder)
    with opened(folder) as archive:
        return restore_plainly(archive, target, _authority(kit, archive), World(), tell)


def _authority(kit: RecoveryKit | None, archive: ArchivedHome) -> Identity | None:
    """Return the key of a kit, which must be the archive's library's: hours later is too late."""
    if kit is None:
        return None
    if kit.library != archive.record.library:
        raise KitInvalid(f"it is the kit of the library {kit.name}, and no key to this one")
    return kit.authority


def _check_apart(target: Path, folder: Path) -> None:
    place, archive = target.resolve(), folder.resolve()
    if archive in (place, *place.parents):
        raise ArchiveUnusable(f"{target} is in the archive's own folder, which is only read")


def recovery_kit(settings: Settings) -> RecoveryKit:
    """Return the recovery kit of a home's library. Raises AuthorityAbsent, HomeUnusable."""
    layout = open_layout(settings)
    record = layout.read_record()
    if record is None:
        raise AuthorityAbsent(f"{settings.home} keeps no library")
    return kit_of(layout, record, record.name)


def forget_key(settings: Settings) -> None:
    """Take the authority key away from this machine. Absent is fine."""
    layout = Layout(settings.home)
    record = layout.read_record()
    if record is not None:
        forget_authority(layout, record)


async def run_node(
    settings: Settings,
    *,
    face: Face,
    ready: Callable[[StatusView], None],
    stop: trio.Event,
    world: World | None = None,
    parts: Parts | None = None,
) -> None:
    """Run the node of a home folder until `stop`. A home without a library gets one.

    `ready` is called when everything serves, again if the node went on as a member of another
    library. Raises HomeInUse, HomeUnusable, PortInUse, CodeRefused and what else keeps a node
    from starting. `world` and `parts` are this machine's, where none are given.
    """
    world, parts = world or World(), parts or MachineParts()
    layout = open_layout(settings, world)
    with layout.lock():
        await _unlock(layout)
        record = layout.read_record()
        if settings.join is not None:
            record = await _enrol(settings, layout, parse_code(settings.join), world, parts)
        if record is None:
            record = _found(settings, layout, world)
        while record is not None:
            node = Node(settings, layout, record, world, parts)
            with unwrapped():
                await node.run(face, ready, stop)
            record = node.next_record
            # Whoever had the page open finds the node where it was.
            settings = settings.model_copy(update={"http": node.http_address})
